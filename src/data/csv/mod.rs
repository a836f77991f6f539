//! CSV, TSV and their kin: from bytes to a [`Table`], with detection of what the file leaves unsaid. Parsing is the `csv` crate's.
//!
//! Cells lose the white space around them; blank lines are skipped; an empty name in the header becomes `column_3` (its place, from 1). Memory is bounded by a
//! group of rows.

mod detect;
mod options;
mod reader;
mod source;
mod stream;

use std::io::Read;
use std::sync::mpsc::{channel, sync_channel};

use serde::Serialize;

pub(in crate::data) use detect::encoding;
pub use options::{Limits, ParseOptions, TextEncoding};
pub(in crate::data) use source::decoded;
use source::{Rows, Source, check_row, not_utf8};
pub use stream::{Row, RowStream};

use super::build::{TableBuilder, check_kinds, declared, too_many_rows};
use super::error::FileFault;
use super::parse::Markers;
use super::{DataError, Storage, StoredTable, Table};

/// How the file was read: what was asked for and, where nothing was asked for, what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detected {
    /// `csv`: the family, whatever the delimiter.
    #[serde(skip)]
    pub format: String,
    /// The character between cells.
    pub delimiter: char,
    /// Lines that begin with this character are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Whether the first row holds the names.
    pub header: bool,
    /// How characters are written.
    pub encoding: TextEncoding,
    /// `.` or `,`.
    pub decimal: char,
    /// The texts that mean "no value", in any case; the empty cell always does.
    pub null: Vec<String>,
    /// The kinds that were asked for, by column.
    pub kinds: serde_json::Map<String, serde_json::Value>,
}

/// Reads a CSV of any length into a table in memory.
///
/// # Errors
/// As [`build`].
pub fn ingest(reader: impl Read, options: &ParseOptions) -> Result<(Table, Detected), DataError> {
    let (table, detected) = build(reader, options, Storage::memory(Vec::new()))?;
    Ok((table.read(None, 0..usize::MAX)?, detected))
}

/// Reads a CSV of any length into a storage; memory is bounded by a group of rows. Where the machine has two processors, one cuts the
/// text into cells and the other makes sense of them.
///
/// # Errors
/// [`DataError::File`] with line and column where the bytes are no such file, [`DataError::Options`] where an option names a column that is
/// not there or a kind that it cannot have, [`DataError::Io`] where reading fails.
pub fn build(
    reader: impl Read,
    options: &ParseOptions,
    storage: Storage,
) -> Result<(StoredTable, Detected), DataError> {
    let Source { mut rows, detected, markers, mut warnings } = Source::open(reader, options)?;
    let (first_line, names) = rows.begin(detected.header, options.limits)?;
    check_kinds(&options.kinds, &names.full)?;
    let mut table = TableBuilder::new(storage)?;
    let kinds = declared(&options.kinds);
    for (name, unnamed) in names.full.iter().zip(&names.unnamed) {
        table.add(name.clone(), *unnamed, kinds.get(name.as_str()).copied(), detected.decimal as u8);
    }
    let mut cutter = Cutter {
        pending: (!detected.header).then_some(first_line),
        rows: &mut rows,
        names: &names.full,
        limits: options.limits,
        count: 0,
    };
    let builder = Builder { table: &mut table, names: &names.full, markers: &markers };
    read_all(&mut cutter, builder)?;
    if cutter.count == 0 {
        let detail = "the file has a line of names and no rows";
        return Err(
            fault("header_only", detail, "add rows; if the first line is data already, say header=false").into()
        );
    }
    let mut table = table.finish()?;
    warnings.append(&mut table.warnings);
    table.warnings = warnings;
    Ok((table, detected))
}

fn fault(code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> FileFault {
    FileFault { code, line: None, column: None, detail: detail.into(), remedy: remedy.into() }
}

impl From<FileFault> for DataError {
    fn from(fault: FileFault) -> DataError {
        DataError::File(fault)
    }
}

/// Rows of a batch, at most, and bytes of their text, about.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 1 << 18;
/// Batches that are read before a second thread is worth its start.
const ALONE: usize = 4;

/// Some rows as they were cut, each with its line.
#[derive(Default)]
struct Batch {
    records: Vec<csv::ByteRecord>,
    lines: Vec<u64>,
}

/// Cuts the text into rows.
struct Cutter<'a, 'r> {
    rows: &'a mut Rows<'r>,
    /// The first row is data and was read already: its line.
    pending: Option<u64>,
    names: &'a [String],
    limits: Limits,
    count: usize,
}

impl Cutter<'_, '_> {
    /// Fills a batch, whose records are used again; says whether there was a row. A fault of the file comes with the rows before it.
    fn fill(&mut self, batch: &mut Batch) -> (bool, Result<(), DataError>) {
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
        let line = match self.pending.take() {
            Some(line) => Some(line),
            None => self.rows.next()?,
        };
        let Some(line) = line else { return Ok(None) };
        check_row(&self.rows.record, line, self.names, self.limits)?;
        self.count += 1;
        if self.count > self.limits.rows {
            return Err(too_many_rows(self.limits.rows).into());
        }
        Ok(Some(line))
    }
}

/// Makes sense of the cells.
struct Builder<'a> {
    table: &'a mut TableBuilder,
    names: &'a [String],
    markers: &'a Markers,
}

impl Builder<'_> {
    fn take(&mut self, batch: &Batch) -> Result<(), DataError> {
        let Builder { table, names, markers } = self;
        for (record, line) in batch.records.iter().zip(&batch.lines) {
            for (place, (cell, column)) in record.iter().zip(table.columns()).enumerate() {
                column.push(cell, *line, markers).map_err(|_| not_utf8(*line, format!("\"{}\"", names[place])))?;
            }
        }
        table.end_rows(batch.lines.len())
    }
}

/// Reads all rows. Of two faults the one that stands first in the file is told.
fn read_all(cutter: &mut Cutter<'_, '_>, mut builder: Builder<'_>) -> Result<(), DataError> {
    let mut batch = Batch::default();
    let alone = match std::thread::available_parallelism() {
        Ok(threads) if threads.get() > 1 => ALONE,
        _ => usize::MAX,
    };
    for _ in 0..alone {
        let (some, outcome) = cutter.fill(&mut batch);
        if some {
            builder.take(&batch)?;
        }
        outcome?;
        if !some {
            return Ok(());
        }
    }
    let (full, to_build) = sync_channel::<Batch>(2);
    let (used, to_fill) = channel::<Batch>();
    std::thread::scope(|scope| {
        let built = scope.spawn(move || {
            for batch in to_build {
                builder.take(&batch)?;
                let _ = used.send(batch); // nobody waits for it once the text is at its end
            }
            Ok::<(), DataError>(())
        });
        let outcome = loop {
            let mut batch = to_fill.try_recv().unwrap_or_default();
            let (some, cut) = cutter.fill(&mut batch);
            // A builder that is gone met a fault, which comes before all that is cut here.
            let gone = some && full.send(batch).is_err();
            if !some || gone || cut.is_err() {
                break cut;
            }
        };
        drop(full);
        let built = built.join().unwrap_or_else(|_| Err(DataError::Io(std::io::Error::other("a thread ended early"))));
        built.and(outcome)
    })
}

#[cfg(test)]
mod tests;
