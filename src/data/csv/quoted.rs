//! Rows cut one by one, by the `csv` crate, from text in which quotes stand.

use super::source::{Rows, check_row};
use crate::data::DataError;
use crate::data::build::too_many_rows;
use crate::data::csv::Limits;

/// Rows of a batch, at most, and bytes of their text, about.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 1 << 18;

/// Some rows as they were cut, each with its line.
#[derive(Default)]
pub(super) struct Batch {
    records: Vec<csv::ByteRecord>,
    lines: Vec<u64>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&csv::ByteRecord, u64)> {
        self.records.iter().zip(self.lines.iter().copied())
    }
}

/// Cuts the text into rows.
pub(super) struct Cutter<'a, 'r> {
    pub(super) rows: Rows<'r>,
    pub(super) names: &'a [String],
    pub(super) limits: Limits,
    /// Rows that the table has.
    pub(super) count: usize,
}

impl Cutter<'_, '_> {
    /// Fills a batch, whose records are used again; says whether there was a row. A fault of the file comes with the rows before it.
    pub(super) fn fill(&mut self, batch: &mut Batch) -> (bool, Result<(), DataError>) {
        batch.lines.clear();
        let mut bytes = 0;
        while batch.lines.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            match self.row() {
                Ok(Some(line)) => {
                    bytes += self.rows.record.as_slice().len();
                    let place = batch.lines.len();
                    if place == batch.records.len() {
                        batch.records.push(csv::ByteRecord::new());
                    }
                    std::mem::swap(&mut batch.records[place], &mut self.rows.record);
                    batch.lines.push(line);
                }
                Ok(None) => break,
                Err(error) => return (!batch.lines.is_empty(), Err(error)),
            }
        }
        (!batch.lines.is_empty(), Ok(()))
    }

    fn row(&mut self) -> Result<Option<u64>, DataError> {
        let Some(line) = self.rows.next()? else { return Ok(None) };
        check_row(&self.rows.record, line, self.names, self.limits)?;
        self.count += 1;
        if self.count > self.limits.rows {
            return Err(too_many_rows(self.limits.rows).into());
        }
        Ok(Some(line))
    }
}
