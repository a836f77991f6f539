//! A CSV taken row by row, for predictions on a body of any length. Kinds are not decided: the encoder knows what it expects.

use std::io::Read;

use super::source::{Names, Source, check_row, not_utf8};
use super::{Limits, ParseOptions};
use crate::data::error::FileFault;
use crate::data::parse::{Markers, parse_number};
use crate::data::{Cell, DataError};

/// A CSV taken row by row. The first row must be the header, unless the options say that there is none.
pub struct RowStream<'r> {
    source: Source<'r>,
    names: Vec<String>,
    limits: Limits,
    /// The first row is data and was read already: its line.
    pending: Option<u64>,
    chunk: Vec<Row>,
}

/// One row of a [`RowStream`].
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// What is wrong with its form, if anything; its cells are then missing.
    pub fault: Option<FileFault>,
    record: csv::ByteRecord,
    /// Which cells mean "no value".
    missing: Vec<bool>,
    /// Decimal mark.
    decimal: u8,
}

impl<'r> RowStream<'r> {
    /// Opens a CSV and reads its names.
    ///
    /// # Errors
    /// [`DataError::File`] where the bytes are no CSV, [`DataError::Io`] where reading fails.
    pub fn open(reader: impl Read + 'r, options: &ParseOptions) -> Result<RowStream<'r>, DataError> {
        let options = ParseOptions { header: Some(options.header.unwrap_or(true)), ..options.clone() };
        let mut source = Source::open(reader, &options)?;
        let (line, Names { full, .. }) = source.rows.begin(source.detected.header, options.limits)?;
        let pending = (!source.detected.header).then_some(line);
        Ok(RowStream { source, names: full, limits: options.limits, pending, chunk: Vec::new() })
    }

    /// The names of the columns, in the order of the cells.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads up to `most` rows; none at the end. A row of a wrong form is among them, with its fault.
    ///
    /// # Errors
    /// Where nothing behind this place can be read: [`DataError::File`] for a row without end, [`DataError::Io`].
    pub fn next_rows(&mut self, most: usize) -> Result<&[Row], DataError> {
        let mut count = 0;
        while count < most {
            let line = match self.pending.take() {
                Some(line) => Some(line),
                None => self.source.rows.next()?,
            };
            let Some(line) = line else { break };
            if count == self.chunk.len() {
                self.chunk.push(Row::default());
            }
            let decimal = self.source.detected.decimal as u8;
            self.chunk[count].fill(
                &mut self.source.rows.record,
                line,
                &self.names,
                &self.source.markers,
                decimal,
                self.limits,
            );
            count += 1;
        }
        Ok(&self.chunk[..count])
    }
}

impl Row {
    fn fill(
        &mut self,
        record: &mut csv::ByteRecord,
        line: u64,
        names: &[String],
        markers: &Markers,
        decimal: u8,
        limits: Limits,
    ) {
        std::mem::swap(&mut self.record, record);
        self.line = line;
        self.decimal = decimal;
        self.fault = check_row(&self.record, line, names, limits).err().or_else(|| {
            let bad = self.record.iter().position(|cell| std::str::from_utf8(cell).is_err());
            bad.map(|place| not_utf8(line, format!("\"{}\"", names[place])))
        });
        self.missing.clear();
        self.missing.extend(self.record.iter().map(|cell| markers.is_missing(cell)));
    }

    /// The cell at `place`; missing past the end.
    pub fn cell(&self, place: usize) -> Cell<'_> {
        if self.fault.is_some() || self.missing.get(place).is_none_or(|missing| *missing) {
            return Cell::Missing;
        }
        if self.decimal != b'.'
            && let Some(x) = self.record.get(place).and_then(|cell| parse_number(cell, self.decimal))
        {
            return Cell::Number(x);
        }
        Cell::Raw(self.text(place).trim())
    }

    /// The characters of the cell at `place` as they were sent; empty past the end and where they are not UTF-8.
    pub fn text(&self, place: usize) -> &str {
        self.record.get(place).and_then(|cell| std::str::from_utf8(cell).ok()).unwrap_or("")
    }
}
