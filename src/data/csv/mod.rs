//! CSV, TSV and their kin: from bytes to a [`Table`], with detection of what the file leaves unsaid. Parsing is the `csv` crate's.
//!
//! Cells lose the white space around them; blank lines are skipped; an empty name in the header becomes `column_3` (its place, from 1). Memory is bounded by a
//! group of rows.

mod blocks;
mod detect;
mod options;
mod plain;
mod quoted;
mod read;
mod reader;
mod source;
mod stream;

use std::io::Read;

use serde::Serialize;

pub(in crate::data) use detect::encoding;
pub use options::{Limits, ParseOptions, TextEncoding};
pub(in crate::data) use source::decoded;
use source::{Rows, Source, check_row};
pub use stream::{Row, RowStream};

use super::build::{TableBuilder, check_kinds, declared};
use super::error::FileFault;
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

/// Reads a CSV of any length into a storage; memory is bounded by a group of rows, and threads share the work where there is much of it.
///
/// # Errors
/// [`DataError::File`] with line and column where the bytes are no such file, [`DataError::Options`] where an option names a column that is
/// not there or a kind that it cannot have, [`DataError::Io`] where reading fails.
pub fn build(
    reader: impl Read,
    options: &ParseOptions,
    storage: Storage,
) -> Result<(StoredTable, Detected), DataError> {
    build_by(reader, options, storage, true)
}

/// `in_blocks`: text without quotes is read in blocks; it says the same as row by row.
fn build_by(
    reader: impl Read,
    options: &ParseOptions,
    storage: Storage,
    in_blocks: bool,
) -> Result<(StoredTable, Detected), DataError> {
    let Source { mut rows, detected, markers, mut warnings } = Source::open(reader, options)?;
    rows.keep_text();
    let (first_line, names) = rows.begin(detected.header, options.limits)?;
    check_kinds(&options.kinds, &names.full)?;
    let mut table = TableBuilder::new(storage)?;
    let kinds = declared(&options.kinds);
    for (name, unnamed) in names.full.iter().zip(&names.unnamed) {
        table.add(name.clone(), *unnamed, kinds.get(name.as_str()).copied(), detected.decimal as u8);
    }
    let form = plain::Form::new(&names.full, &markers, options.limits, &detected);
    let mut builder = read::Builder { table: &mut table, form: &form };
    if !detected.header {
        check_row(&rows.record, first_line, &names.full, options.limits)?;
        builder.push(&rows.record, first_line)?;
        builder.table.end_rows(1)?;
    }
    let (text, line) = rows.rest();
    let mut blocks = blocks::Blocks::new(text, line);
    if in_blocks {
        read::plain(&mut blocks, &mut builder)?;
    }
    if let Some((text, line)) = blocks.rest() {
        let rows = Rows::behind(text, line, &names.full, &detected, options.limits);
        let count = builder.table.rows();
        read::quoted(&mut quoted::Cutter { rows, names: &names.full, limits: options.limits, count }, &mut builder)?;
    }
    if table.rows() == 0 {
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

#[cfg(test)]
mod tests;
