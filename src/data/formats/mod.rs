//! Which format a file has, told by its bytes alone: gzip and zstd are unpacked, Parquet, Arrow and JSON go to their readers, all
//! else is taken for CSV. Each gives the same typed table; parsing is left to the libraries named in each file.

mod claims;
mod columnar;
mod json;
mod unpack;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};

use serde_json::{Map, Value};

use super::csv::{self, ParseOptions, TextEncoding};
use super::error::FileFault;
use super::{DataError, Storage, StoredTable, Table};
use unpack::Packing;

/// Bytes that tell the format.
const SAMPLE_BYTES: usize = 1 << 16;

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// `csv` (whatever the delimiter), `ndjson`, `json`, `parquet` or `arrow`.
    pub format: String,
    /// How it was read: what was asked for and, where nothing was asked for, what was found.
    pub options: Value,
}

/// Reads a file of any of the formats into a storage; memory is bounded by a group of rows.
///
/// # Errors
/// [`DataError::File`] with the place where the bytes are broken, [`DataError::Options`] where an option names a column that is not there
/// or a kind that it cannot have, [`DataError::Io`] where reading fails.
pub fn build(mut file: File, options: &ParseOptions, storage: Storage) -> Result<(StoredTable, Found), DataError> {
    let head = peek(&mut file)?;
    match () {
        () if head.starts_with(b"PAR1") => columnar::parquet(file, options, storage),
        () if head.starts_with(b"ARROW1") => columnar::arrow(BufReader::new(file), options, storage),
        () => packed_or_text(file, &head, options, storage),
    }
}

/// Reads bytes in memory into a table in memory.
///
/// # Errors
/// As [`build`].
pub fn ingest_bytes(bytes: &[u8], options: &ParseOptions) -> Result<(Table, Found), DataError> {
    let storage = Storage::memory(Vec::new());
    let (table, found) = match () {
        () if bytes.starts_with(b"PAR1") => columnar::parquet(bytes::Bytes::copy_from_slice(bytes), options, storage),
        () if bytes.starts_with(b"ARROW1") => columnar::arrow(Cursor::new(bytes), options, storage),
        () => packed_or_text(bytes, &bytes[..bytes.len().min(16)], options, storage),
    }?;
    Ok((table.read(None, 0..usize::MAX)?, found))
}

/// The first bytes; the file is then where it was.
fn peek(file: &mut File) -> Result<Vec<u8>, DataError> {
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

fn packed_or_text(
    reader: impl Read,
    head: &[u8],
    options: &ParseOptions,
    storage: Storage,
) -> Result<(StoredTable, Found), DataError> {
    let Some(packing) = Packing::of(head) else { return text(reader, options, storage) };
    let (unpacked, watch) = unpack::open(reader, packing, options.limits.unpacked_bytes)?;
    let (table, mut found) = text(unpacked, options, storage).map_err(|error| watch.explain(error))?;
    if let Some(fields) = found.options.as_object_mut() {
        fields.insert("compression".to_owned(), packing.name().into());
    }
    Ok((table, found))
}

/// CSV or JSON, in whatever encoding.
fn text(mut reader: impl Read, options: &ParseOptions, storage: Storage) -> Result<(StoredTable, Found), DataError> {
    let mut raw = Vec::new();
    reader.by_ref().take(SAMPLE_BYTES as u64).read_to_end(&mut raw)?;
    let complete = raw.len() < SAMPLE_BYTES;
    let form = json_form(&raw);
    let whole = Cursor::new(raw.clone()).chain(reader);
    let Some(form) = form else {
        let (table, detected) = csv::build(whole, options, storage)?;
        let format = detected.format.clone();
        let options = serde_json::to_value(&detected).map_err(|error| DataError::Io(error.into()))?;
        return Ok((table, Found { format, options }));
    };
    let encoding = match options.encoding {
        Some(encoding) => encoding,
        None => csv::encoding(&raw, complete)?.0,
    };
    let table = json::build(csv::decoded(whole, encoding), form, options, storage)?;
    Ok((table, Found { format: form.name().to_owned(), options: told(options, Some(encoding)) }))
}

/// The options of a format that leaves little to detect.
fn told(options: &ParseOptions, encoding: Option<TextEncoding>) -> Value {
    let mut fields = Map::new();
    if let Some(encoding) = encoding {
        fields.insert("encoding".to_owned(), encoding.name().into());
    }
    if let Some(null) = &options.null {
        fields.insert("null".to_owned(), Value::from(null.clone()));
    }
    let kinds = options.kinds.iter().map(|(column, kind)| (column.clone(), Value::from(kind.name())));
    fields.insert("kinds".to_owned(), Value::Object(kinds.collect()));
    Value::Object(fields)
}

/// The two ways in which rows stand in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonForm {
    /// Objects one after another, usually one a line.
    Lines,
    /// One array of objects.
    Array,
}

impl JsonForm {
    fn name(self) -> &'static str {
        match self {
            JsonForm::Lines => "ndjson",
            JsonForm::Array => "json",
        }
    }
}

/// Whether text begins as JSON does. Bytes that are 0 are left out, so that UTF-16 is seen through.
fn json_form(raw: &[u8]) -> Option<JsonForm> {
    let start: Vec<u8> = raw
        .strip_prefix(b"\xef\xbb\xbf")
        .or_else(|| raw.strip_prefix(b"\xff\xfe"))
        .or_else(|| raw.strip_prefix(b"\xfe\xff"))
        .unwrap_or(raw)
        .iter()
        .copied()
        .filter(|byte| *byte != 0 && !byte.is_ascii_whitespace())
        .take(2)
        .collect();
    match start.as_slice() {
        [b'{', b'"' | b'}'] => Some(JsonForm::Lines),
        [b'[', b'{' | b'[' | b']'] => Some(JsonForm::Array),
        _ => None,
    }
}

fn fault(code: &'static str, line: Option<u64>, detail: impl Into<String>, remedy: impl Into<String>) -> FileFault {
    FileFault { code, line, column: None, detail: detail.into(), remedy: remedy.into() }
}

#[cfg(test)]
mod tests;
