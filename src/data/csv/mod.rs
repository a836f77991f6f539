//! CSV, TSV and their kin: from bytes to a [`Table`], with detection of what the file leaves unsaid. Parsing is the `csv` crate's.
//!
//! Cells lose the white space around them; blank lines are skipped; an empty name in the header becomes `column_3` (its place, from 1). Memory is bounded by the typed
//! columns and one row.

mod detect;
mod options;
mod reader;

use std::io::{Cursor, Read};

use encoding_rs_io::DecodeReaderBytesBuilder;
use serde::Serialize;

pub use options::{Limits, ParseOptions, TextEncoding};
use reader::{Watched, fill};

use super::columns::{ColumnBuilder, Markers};
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

/// Bytes that detection looks at.
const SAMPLE_BYTES: usize = 1 << 16;

/// Reads a CSV of any length; memory is bounded by the typed columns.
///
/// # Errors
/// [`DataError::File`] with line and column where the bytes are no such file, [`DataError::Options`] where an option names a column that is
/// not there or a kind that it cannot have, [`DataError::Io`] where reading fails.
pub fn ingest(mut reader: impl Read, options: &ParseOptions) -> Result<(Table, Detected), DataError> {
    let raw = fill(&mut reader, SAMPLE_BYTES)?;
    let complete = raw.len() < SAMPLE_BYTES;
    detect::refuse_other_formats(&raw)?;
    let (encoding, guessed) = match options.encoding {
        Some(encoding) => (encoding, false),
        None => detect::encoding(&raw, complete)?,
    };
    let mut warnings = Vec::new();
    if guessed {
        let detail = "the file is not UTF-8 and was read as Windows-1252 (Latin-1); encoding=… says otherwise";
        warnings.push(Warning { column: None, code: "encoding_guessed".into(), detail: detail.into() });
    }
    let mut text = decoded(Cursor::new(raw).chain(reader), encoding);
    let sample = fill(&mut text, SAMPLE_BYTES)?;
    let complete = sample.len() < SAMPLE_BYTES;
    if sample.trim_ascii().is_empty() && complete {
        return Err(
            fault("empty_file", "the file is empty", "send a CSV with a line of names and at least one row").into()
        );
    }

    let markers = Markers::new(options.null.as_deref());
    let decimal = options.decimal.unwrap_or('.');
    let delimiter = options.delimiter.map_or_else(|| detect::delimiter(&sample, complete), |c| c as u8);
    let header = options
        .header
        .unwrap_or_else(|| detect::header(&detect::first_rows(&sample, delimiter, complete), &markers, decimal as u8));
    let detected = Detected {
        format: "csv".into(),
        delimiter: delimiter as char,
        header,
        encoding,
        decimal,
        null: markers.words().to_vec(),
        kinds: options.kinds.iter().map(|(column, kind)| (column.clone(), kind.name().into())).collect(),
    };
    let rows = Rows::new(Cursor::new(sample).chain(text), delimiter, options.limits);
    let mut table = read_rows(rows, header, decimal as u8, &markers, options)?;
    warnings.append(&mut table.warnings);
    table.warnings = warnings;
    Ok((table, detected))
}

/// The bytes as UTF-8 without a byte order mark. UTF-8 itself passes through unchecked, so that a bad byte can be told with its line.
fn decoded<R: Read>(bytes: R, encoding: TextEncoding) -> impl Read + use<R> {
    let mut builder = DecodeReaderBytesBuilder::new();
    builder.strip_bom(true).bom_sniffing(false);
    match encoding {
        TextEncoding::Utf8 => builder.utf8_passthru(true),
        TextEncoding::Utf16Le => builder.encoding(Some(encoding_rs::UTF_16LE)),
        TextEncoding::Utf16Be => builder.encoding(Some(encoding_rs::UTF_16BE)),
        TextEncoding::Windows1252 => builder.encoding(Some(encoding_rs::WINDOWS_1252)),
    };
    builder.build(bytes)
}

fn fault(code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> FileFault {
    FileFault { code, line: None, column: None, detail: detail.into(), remedy: remedy.into() }
}

impl From<FileFault> for DataError {
    fn from(fault: FileFault) -> DataError {
        DataError::File(fault)
    }
}

/// The rows of a file with their lines; a row of unbounded length is refused before it is held.
struct Rows<R> {
    reader: csv::Reader<Watched<R>>,
    record: csv::ByteRecord,
    limits: Limits,
}

impl<R: Read> Rows<R> {
    fn new(text: R, delimiter: u8, limits: Limits) -> Rows<R> {
        let longest = limits.cell_bytes.saturating_mul(64);
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(Watched::new(text, longest));
        Rows { reader, record: csv::ByteRecord::new(), limits }
    }

    /// Reads the next row that is not blank and says on which line it begins.
    fn next(&mut self) -> Result<Option<u64>, DataError> {
        loop {
            self.reader.get_mut().begin_row();
            let more = self.reader.read_byte_record(&mut self.record);
            match more {
                Ok(false) => return Ok(None),
                Ok(true) => {}
                Err(_) if self.reader.get_ref().is_over() => {
                    let mut fault = fault(
                        "row_too_long",
                        format!("a row goes on for more than {} bytes", self.reader.get_ref().longest()),
                        "a quote that is opened and never closed does this; check the quotes from this line on",
                    );
                    fault.line = Some(self.reader.position().line());
                    return Err(fault.into());
                }
                Err(error) => return Err(DataError::Io(error.into())),
            }
            if self.record.len() == 1 && self.record.get(0).is_none_or(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            // The record's own position lies before the blank lines that were skipped, so the line is counted back from the row's end.
            let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            return Ok(Some(self.reader.position().line().saturating_sub(inside + 1)));
        }
    }
}

fn read_rows<R: Read>(
    mut rows: Rows<R>,
    header: bool,
    decimal: u8,
    markers: &Markers,
    options: &ParseOptions,
) -> Result<Table, DataError> {
    let empty =
        || fault("empty_file", "the file holds no rows", "send a CSV with a line of names and at least one row");
    let first_line = rows.next()?.ok_or_else(empty)?;
    let width = rows.record.len();
    if width > options.limits.columns {
        let limit = options.limits.columns;
        let mut fault = fault(
            "too_many_columns",
            format!("the first row has {width} columns, the limit is {limit}"),
            "leave columns out, or check the delimiter",
        );
        fault.line = Some(first_line);
        return Err(fault.into());
    }
    let names = if header { names(&rows.record, first_line)? } else { vec![None; width] };
    let place = |i: usize| format!("column_{}", i + 1);
    let full: Vec<String> =
        names.iter().enumerate().map(|(i, name)| name.clone().unwrap_or_else(|| place(i))).collect();
    if let Some(name) = full.iter().enumerate().find(|(i, name)| full[..*i].contains(name)).map(|(_, name)| name)
        && width <= 10_000
    {
        return Err(duplicate(&full, name, first_line).into());
    }
    check_kinds(&options.kinds, &full)?;
    let kind = |name: &str| options.kinds.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
    let mut builders: Vec<ColumnBuilder> = (full.iter().zip(&names))
        .map(|(name, given)| ColumnBuilder::new(name.clone(), header && given.is_none(), kind(name), decimal))
        .collect();

    let mut count = 0;
    let mut pending = if header { rows.next()? } else { Some(first_line) };
    while let Some(line) = pending {
        take_row(&rows.record, line, &full, &mut builders, markers, options.limits)?;
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
    finish(builders, count, &names)
}

/// The trimmed names of the header; `None` where one is empty.
fn names(record: &csv::ByteRecord, line: u64) -> Result<Vec<Option<String>>, DataError> {
    let mut names = Vec::with_capacity(record.len());
    for (i, cell) in record.iter().enumerate() {
        let name = std::str::from_utf8(cell.trim_ascii()).map_err(|_| not_utf8(line, format!("{}", i + 1)))?;
        names.push((!name.is_empty()).then(|| name.to_owned()));
    }
    Ok(names)
}

fn duplicate(names: &[String], name: &str, line: u64) -> FileFault {
    let places: Vec<String> =
        names.iter().enumerate().filter(|(_, other)| *other == name).map(|(i, _)| (i + 1).to_string()).collect();
    FileFault {
        code: "duplicate_column",
        line: Some(line),
        column: Some(format!("\"{name}\"")),
        detail: format!("the name stands in columns {}", places.join(" and ")),
        remedy: "give each column a name of its own; if the first line is data, say header=false".into(),
    }
}

fn not_utf8(line: u64, column: String) -> FileFault {
    FileFault {
        code: "not_utf8",
        line: Some(line),
        column: Some(column),
        detail: "the cell is not UTF-8".into(),
        remedy: "say encoding=latin-1 (or whatever it is), or save the file as UTF-8".into(),
    }
}

fn check_kinds(kinds: &[(String, Kind)], names: &[String]) -> Result<(), DataError> {
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

fn take_row(
    record: &csv::ByteRecord,
    line: u64,
    names: &[String],
    builders: &mut [ColumnBuilder],
    markers: &Markers,
    limits: Limits,
) -> Result<(), DataError> {
    if record.len() != names.len() {
        let cells = |n: usize| if n == 1 { "1 cell".to_owned() } else { format!("{n} cells") };
        let open = record.iter().any(|cell| cell.contains(&b'\n'));
        let remedy = if open {
            "a cell here goes over several lines: check that every quote is closed"
        } else {
            "put cells that hold the delimiter in double quotes, or name the delimiter with delimiter=…"
        };
        return Err(FileFault {
            code: "ragged_row",
            line: Some(line),
            column: None,
            detail: format!("the row has {}, expected {}", cells(record.len()), names.len()),
            remedy: remedy.into(),
        }
        .into());
    }
    for ((cell, builder), name) in record.iter().zip(builders).zip(names) {
        if cell.len() > limits.cell_bytes {
            return Err(FileFault {
                code: "cell_too_long",
                line: Some(line),
                column: Some(format!("\"{name}\"")),
                detail: format!("the cell has {} bytes, the limit is {}", cell.len(), limits.cell_bytes),
                remedy: "shorten it; if it swallows the rows behind it, a quote is not closed".into(),
            }
            .into());
        }
        builder.push(cell, line, markers).map_err(|_| not_utf8(line, format!("\"{name}\"")))?;
    }
    Ok(())
}

fn finish(builders: Vec<ColumnBuilder>, rows: usize, names: &[Option<String>]) -> Result<Table, DataError> {
    let mut table = Table { rows, columns: Vec::with_capacity(builders.len()), warnings: Vec::new() };
    let mut faults = Vec::new();
    let named = names.iter().any(Option::is_some);
    for (place, builder) in builders.into_iter().enumerate() {
        match builder.finish() {
            Ok((column, mut warnings)) => {
                let unnamed = named && names[place].is_none();
                // `a,b,` leaves an empty column behind each row: nobody means one.
                if unnamed && (0..rows).all(|row| column.is_missing(row)) {
                    continue;
                }
                if unnamed {
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
