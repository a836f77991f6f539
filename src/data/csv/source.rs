//! A file opened: encoding, delimiter and header found out, rows ready to be taken one by one. What the cells mean is not known here.

use std::io::{Cursor, Read};

use encoding_rs_io::DecodeReaderBytesBuilder;

use super::reader::{END, Lines, Watched, fill};
use super::{Detected, Limits, ParseOptions, TextEncoding, detect};
use crate::data::DataError;
use crate::data::error::FileFault;
use crate::data::parse::Markers;
use crate::data::table::Warning;

/// Bytes that detection looks at.
const SAMPLE_BYTES: usize = 1 << 16;

/// A file opened, before its first row.
pub(super) struct Source<'r> {
    pub(super) rows: Rows<'r>,
    pub(super) detected: Detected,
    pub(super) markers: Markers,
    pub(super) warnings: Vec<Warning>,
}

impl<'r> Source<'r> {
    pub(super) fn open(mut reader: impl Read + 'r, options: &ParseOptions) -> Result<Source<'r>, DataError> {
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
            return Err(empty_file().into());
        }
        let markers = Markers::new(options.null.as_deref());
        let decimal = options.decimal.unwrap_or('.');
        let comment = options.comment.map(|c| c as u8);
        let delimiter = options.delimiter.map_or_else(|| detect::delimiter(&sample, comment, complete), |c| c as u8);
        let header = options.header.unwrap_or_else(|| {
            detect::header(&detect::first_rows(&sample, delimiter, comment, complete), &markers, decimal as u8)
        });
        let detected = Detected {
            format: "csv".into(),
            delimiter: delimiter as char,
            comment: options.comment,
            header,
            encoding,
            decimal,
            null: markers.words().to_vec(),
            kinds: options.kinds.iter().map(|(column, kind)| (column.clone(), kind.name().into())).collect(),
        };
        let text = Box::new(Lines::new(Cursor::new(sample).chain(text)));
        let rows = Rows::new(text, delimiter, comment, options.limits);
        Ok(Source { rows, detected, markers, warnings })
    }
}

fn empty_file() -> FileFault {
    super::fault("empty_file", "the file is empty", "send a CSV with a line of names and at least one row")
}

/// The bytes as UTF-8 without a byte order mark. UTF-8 itself passes through unchecked, so that a bad byte can be told with its line.
pub(in crate::data) fn decoded<'r>(bytes: impl Read + 'r, encoding: TextEncoding) -> impl Read + 'r {
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

/// The rows of a file with their lines; a row of unbounded length is refused before it is held.
pub(super) struct Rows<'r> {
    reader: csv::Reader<Watched<Box<dyn Read + 'r>>>,
    /// The row read last.
    pub(super) record: csv::ByteRecord,
    /// The columns, once they are known.
    names: Vec<String>,
    /// Lines before those that the reader counts.
    before: u64,
}

/// Text of one kind of line end.
pub(super) type Text<'r> = Box<dyn Read + 'r>;

impl<'r> Rows<'r> {
    fn new(text: Text<'r>, delimiter: u8, comment: Option<u8>, limits: Limits) -> Rows<'r> {
        let longest = limits.cell_bytes.saturating_mul(64);
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .comment(comment)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(Watched::new(text, longest));
        Rows { reader, record: csv::ByteRecord::new(), names: Vec::new(), before: 0 }
    }

    /// The rows of text that begins on a line of a file whose columns are known.
    pub(super) fn behind(text: Text<'r>, line: u64, names: &[String], detected: &Detected, limits: Limits) -> Rows<'r> {
        let rows = Rows::new(text, detected.delimiter as u8, detected.comment.map(|c| c as u8), limits);
        Rows { names: names.to_vec(), before: line - 1, ..rows }
    }

    /// Lets [`Rows::rest`] give the text back.
    pub(super) fn keep_text(&mut self) {
        self.reader.get_mut().keep();
    }

    /// The text behind the rows that were read, and the line on which it begins.
    pub(super) fn rest(self) -> (Text<'r>, u64) {
        let (at, line) = (self.reader.position().byte() as usize, self.line());
        let (mut kept, text) = self.reader.into_inner().into_parts();
        kept.drain(..at.min(kept.len()));
        (Box::new(Cursor::new(kept).chain(text)), line)
    }

    /// The line on which the next row begins.
    fn line(&self) -> u64 {
        self.before + self.reader.position().line()
    }

    /// Reads the first row and the names of the columns: those it holds, or none where it is data. Says on which line it begins.
    pub(super) fn begin(&mut self, header: bool, limits: Limits) -> Result<(u64, Names), DataError> {
        let line = self.next()?.ok_or_else(empty_file)?;
        let width = self.record.len();
        if width > limits.columns {
            let detail = format!("the first row has {width} columns, the limit is {}", limits.columns);
            let mut fault = super::fault("too_many_columns", detail, "leave columns out, or check the delimiter");
            fault.line = Some(line);
            return Err(fault.into());
        }
        let given = if header { given_names(&self.record, line)? } else { vec![None; width] };
        let place = |i: usize| format!("column_{}", i + 1);
        let full: Vec<String> =
            given.iter().enumerate().map(|(i, name)| name.clone().unwrap_or_else(|| place(i))).collect();
        let mut seen = std::collections::HashSet::with_capacity(width);
        if let Some(name) = full.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(duplicate(&full, name, line).into());
        }
        self.names.clone_from(&full);
        Ok((line, Names { unnamed: given.iter().map(|name| header && name.is_none()).collect(), full }))
    }

    /// Reads the next row that is not blank and says on which line it begins.
    pub(super) fn next(&mut self) -> Result<Option<u64>, DataError> {
        loop {
            self.reader.get_mut().begin_row();
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return Ok(None),
                Ok(true) => {}
                Err(_) if self.reader.get_ref().is_over() => {
                    let mut fault = super::fault(
                        "row_too_long",
                        format!("a row goes on for more than {} bytes", self.reader.get_ref().longest()),
                        "a quote that is opened and never closed does this; check the quotes from this line on",
                    );
                    fault.line = Some(self.line());
                    return Err(fault.into());
                }
                Err(error) => return Err(DataError::Io(error.into())),
            }
            let row = self.record.as_slice();
            if row == END {
                return Ok(None);
            }
            if row.strip_suffix(b"\n").unwrap_or(row).ends_with(END) {
                return Err(self.open_quote().into());
            }
            if self.record.len() == 1 && self.record.get(0).is_none_or(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            // The record's own position lies before the blank lines that were skipped, so the line is counted back from the row's end.
            let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            return Ok(Some(self.line().saturating_sub(inside + 1)));
        }
    }
}

impl Rows<'_> {
    /// The last cell of the file swallowed its end.
    fn open_quote(&self) -> FileFault {
        let place = self.record.len().saturating_sub(1);
        // The line of the file's end, less the lines that the cell goes over.
        let inside = self.record.get(place).map_or(0, |cell| cell.iter().filter(|byte| **byte == b'\n').count());
        FileFault {
            code: "open_quote",
            line: Some(self.line().saturating_sub(inside as u64)),
            column: Some(self.names.get(place).map_or_else(|| (place + 1).to_string(), |name| format!("\"{name}\""))),
            detail: "a quote is opened here and never closed".into(),
            remedy: "close it; a quote inside of a quoted cell is written twice".into(),
        }
    }
}

/// The names of the columns, and which of them the header left empty.
pub(super) struct Names {
    pub(super) full: Vec<String>,
    pub(super) unnamed: Vec<bool>,
}

/// The trimmed names of the header; `None` where one is empty.
fn given_names(record: &csv::ByteRecord, line: u64) -> Result<Vec<Option<String>>, DataError> {
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

/// What is wrong with the form of a row: its number of cells, a cell's length.
pub(super) fn check_row(
    record: &csv::ByteRecord,
    line: u64,
    names: &[String],
    limits: Limits,
) -> Result<(), FileFault> {
    if record.len() != names.len() {
        let cells = |n: usize| if n == 1 { "1 cell".to_owned() } else { format!("{n} cells") };
        let open = record.iter().any(|cell| cell.contains(&b'\n'));
        let remedy = if open {
            "a cell here goes over several lines: check that every quote is closed"
        } else {
            "put cells that hold the delimiter in double quotes, or name the delimiter with delimiter=…"
        };
        // The first column that has no cell, or the last before the cells that have no column.
        let place = names.get(record.len()).or(names.last());
        return Err(FileFault {
            code: "ragged_row",
            line: Some(line),
            column: place.map(|name| format!("\"{name}\"")),
            detail: format!("the row has {}, expected {}", cells(record.len()), names.len()),
            remedy: remedy.into(),
        });
    }
    if record.as_slice().len() > limits.cell_bytes
        && let Some((cell, name)) = record.iter().zip(names).find(|(cell, _)| cell.len() > limits.cell_bytes)
    {
        return Err(FileFault {
            code: "cell_too_long",
            line: Some(line),
            column: Some(format!("\"{name}\"")),
            detail: format!("the cell has {} bytes, the limit is {}", cell.len(), limits.cell_bytes),
            remedy: "shorten it; if it swallows the rows behind it, a quote is not closed".into(),
        });
    }
    Ok(())
}

pub(super) fn not_utf8(line: u64, column: String) -> FileFault {
    FileFault {
        code: "not_utf8",
        line: Some(line),
        column: Some(column),
        detail: "the cell is not UTF-8".into(),
        remedy: "say encoding=latin-1 (or whatever it is), or save the file as UTF-8".into(),
    }
}
