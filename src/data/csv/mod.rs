//! CSV, TSV and their kin: from bytes to a [`Table`], with detection of what the file leaves unsaid. Parsing is the `csv` crate's.
//!
//! Cells lose the white space around them; blank lines are skipped; an empty name in the header becomes `column_3` (its place, from 1). Memory is bounded by the
//! typed columns and one row.

mod detect;
mod options;
mod reader;
mod source;
mod stream;

use std::io::Read;

use serde::Serialize;

pub(in crate::data) use detect::encoding;
pub use options::{Limits, ParseOptions, TextEncoding};
pub(in crate::data) use source::decoded;
use source::{Source, check_row, not_utf8};
pub use stream::{Row, RowStream};

use super::columns::ColumnBuilder;
use super::error::{FileFault, OptionFault};
use super::table::{Kind, Warning};
use super::{DataError, Table};

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

/// Reads a CSV of any length; memory is bounded by the typed columns.
///
/// # Errors
/// [`DataError::File`] with line and column where the bytes are no such file, [`DataError::Options`] where an option names a column that is
/// not there or a kind that it cannot have, [`DataError::Io`] where reading fails.
pub fn ingest(reader: impl Read, options: &ParseOptions) -> Result<(Table, Detected), DataError> {
    let Source { mut rows, detected, markers, mut warnings } = Source::open(reader, options)?;
    let (first_line, names) = rows.begin(detected.header, options.limits)?;
    check_kinds(&options.kinds, &names.full)?;
    let kind = |name: &str| options.kinds.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
    let mut builders: Vec<ColumnBuilder> = (names.full.iter().zip(&names.unnamed))
        .map(|(name, unnamed)| ColumnBuilder::new(name.clone(), *unnamed, kind(name), detected.decimal as u8))
        .collect();

    let mut count = 0;
    let mut pending = if detected.header { rows.next()? } else { Some(first_line) };
    while let Some(line) = pending {
        check_row(&rows.record, line, &names.full, options.limits)?;
        for ((cell, builder), name) in rows.record.iter().zip(&mut builders).zip(&names.full) {
            builder.push(cell, line, &markers).map_err(|_| not_utf8(line, format!("\"{name}\"")))?;
        }
        count += 1;
        if count > options.limits.rows {
            let detail = format!("the file has more than {} rows", options.limits.rows);
            return Err(fault("too_many_rows", detail, "send it in parts").into());
        }
        pending = rows.next()?;
    }
    if count == 0 {
        let detail = "the file has a line of names and no rows";
        return Err(
            fault("header_only", detail, "add rows; if the first line is data already, say header=false").into()
        );
    }
    let mut table = finish(builders, count, &names.unnamed)?;
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

pub(in crate::data) fn check_kinds(kinds: &[(String, Kind)], names: &[String]) -> Result<(), DataError> {
    let faults: Vec<OptionFault> = kinds
        .iter()
        .filter(|(column, _)| !names.contains(column))
        .map(|(column, _)| {
            let nearest = names.iter().max_by(|a, b| strsim::jaro(a, column).total_cmp(&strsim::jaro(b, column)));
            let hint = nearest.map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
            OptionFault { option: "kinds".into(), detail: format!("there is no column \"{column}\"{hint}") }
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(DataError::Options(faults)) }
}

/// The table of a format in which every column has a name.
pub(in crate::data) fn finish_columns(builders: Vec<ColumnBuilder>, rows: usize) -> Result<Table, DataError> {
    let named = vec![false; builders.len()];
    finish(builders, rows, &named)
}

fn finish(builders: Vec<ColumnBuilder>, rows: usize, unnamed: &[bool]) -> Result<Table, DataError> {
    let mut table = Table { rows, columns: Vec::with_capacity(builders.len()), warnings: Vec::new() };
    let mut faults = Vec::new();
    for (place, (builder, unnamed)) in builders.into_iter().zip(unnamed).enumerate() {
        match builder.finish() {
            Ok((column, mut warnings)) => {
                // `a,b,` leaves an empty column behind each row: nobody means one.
                if *unnamed && (0..rows).all(|row| column.is_missing(row)) {
                    continue;
                }
                if *unnamed {
                    let detail = format!("the header has no name at place {}; it is called {}", place + 1, column.name);
                    warnings.push(Warning { column: Some(column.name.clone()), code: "unnamed_column".into(), detail });
                }
                table.warnings.append(&mut warnings);
                table.columns.push(column);
            }
            Err(fault) => {
                let detail = format!("column \"{}\" {}", fault.column, fault.detail);
                faults.push(OptionFault { option: "kinds".into(), detail });
            }
        }
    }
    if faults.is_empty() { Ok(table) } else { Err(DataError::Options(faults)) }
}

#[cfg(test)]
mod tests;
