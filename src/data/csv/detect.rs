//! What a file leaves unsaid: its encoding, its delimiter, whether it has a header. Guesses from the first bytes; parses nothing for keeps.
//!
//! - **Encoding:** a byte order mark decides; else NUL bytes at every other place mean UTF-16; else valid UTF-8 is UTF-8; else Windows-1252, with a warning.
//! - **Delimiter:** of `,` `;` tab `|` the one that cuts most rows into the same number (> 1) of cells; then the one whose cells look whole.
//! - **Header:** a first row with a text above a column of numbers, times or booleans is one; a first row with such a value and no such text is none; where all
//!   is text, it is a header unless a name is empty, repeats, or stands again below itself.

use super::TextEncoding;
use crate::data::error::FileFault;
use crate::data::parse::{Markers, is_boolean_word, parse_datetime, parse_number};

/// Rows that a guess looks at.
const ROWS: usize = 500;

const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Refuses bytes that are a known other format, each with its remedy.
pub(super) fn refuse_other_formats(raw: &[u8]) -> Result<(), FileFault> {
    const KNOWN: [(&[u8], &str); 11] = [
        (b"PAR1", "a Parquet file"),
        (b"ARROW1", "an Arrow file"),
        (b"\x1f\x8b", "gzip-compressed"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
        (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"%PDF", "a PDF"),
        (b"\x7fELF", "a program"),
        (b"SQLite format 3\0", "an SQLite database"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| raw.starts_with(magic)) {
        return Err(not_a_csv(format!("these bytes are {what}"), "save or unpack it as CSV text and send that"));
    }
    let start: Vec<u8> = raw.iter().copied().filter(|b| !b.is_ascii_whitespace()).take(9).collect();
    let start = start.to_ascii_lowercase();
    if start.starts_with(b"<!doctype") || start.starts_with(b"<html") || start.starts_with(b"<?xml") {
        return Err(not_a_csv("this is a web page or XML".into(), "download the file itself and send that"));
    }
    if start.starts_with(b"{\"")
        || start.starts_with(b"[{")
        || start.starts_with(b"[[")
        || start == b"{}"
        || start == b"[]"
    {
        return Err(not_a_csv("this is JSON".into(), "write it as CSV: a line of names, then a line for each row"));
    }
    Ok(())
}

/// The encoding, and whether it is no more than a guess. `complete` says that `raw` is the whole file.
pub(in crate::data) fn encoding(raw: &[u8], complete: bool) -> Result<(TextEncoding, bool), FileFault> {
    if raw.starts_with(b"\xff\xfe") {
        return Ok((TextEncoding::Utf16Le, false));
    }
    if raw.starts_with(b"\xfe\xff") {
        return Ok((TextEncoding::Utf16Be, false));
    }
    let nul = |odd: usize| raw.iter().enumerate().filter(|(i, b)| i % 2 == odd && **b == 0).count();
    let (even, odd) = (nul(0), nul(1));
    if even + odd > 0 {
        let (half, tenth) = (raw.len() / 4, raw.len() / 40);
        return match () {
            () if odd > half && even <= tenth => Ok((TextEncoding::Utf16Le, false)),
            () if even > half && odd <= tenth => Ok((TextEncoding::Utf16Be, false)),
            () => Err(not_a_csv("it holds NUL bytes, so it is not text".into(), "send a CSV text file")),
        };
    }
    match std::str::from_utf8(raw) {
        Ok(_) => {}
        Err(error) if error.error_len().is_none() && !complete => {}
        Err(_) if is_text(raw) => return Ok((TextEncoding::Windows1252, true)),
        Err(_) => return Err(not_a_csv("it is neither text in UTF-8 nor in Latin-1".into(), "send a CSV text file")),
    }
    if is_text(raw) {
        Ok((TextEncoding::Utf8, false))
    } else {
        Err(not_a_csv("it holds control characters, so it is not text".into(), "send a CSV text file"))
    }
}

fn not_a_csv(detail: String, remedy: &str) -> FileFault {
    FileFault {
        code: "not_a_csv",
        line: None,
        column: None,
        detail: format!("not a CSV file: {detail}"),
        remedy: remedy.into(),
    }
}

/// Text has next to no control characters; the five bytes that Windows-1252 leaves undefined count as such.
fn is_text(raw: &[u8]) -> bool {
    let control = |b: u8| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1a) || b == 0x7f;
    raw.iter().filter(|b| control(**b)).count() * 1000 <= raw.len()
}

/// The first rows of `sample` as the delimiter cuts them; a last row that may be cut off is left out.
pub(super) fn first_rows(sample: &[u8], delimiter: u8, comment: Option<u8>, complete: bool) -> Vec<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(comment)
        .has_headers(false)
        .flexible(true)
        .from_reader(sample);
    let mut rows: Vec<csv::ByteRecord> = reader.byte_records().take(ROWS + 1).map_while(Result::ok).collect();
    if rows.len() > ROWS || (!complete && rows.len() > 1) {
        rows.pop();
    }
    rows
}

/// Finds the delimiter; a comma where nothing speaks for any.
pub(super) fn delimiter(sample: &[u8], comment: Option<u8>, complete: bool) -> u8 {
    let mut best: Option<((u32, u32, u32), u8)> = None;
    for candidate in CANDIDATES {
        let rows = first_rows(sample, candidate, comment, complete);
        let Some(score) = score(&rows, candidate) else { continue };
        if best.as_ref().is_none_or(|(known, _)| score > *known) {
            best = Some((score, candidate));
        }
    }
    best.map_or(b',', |(_, candidate)| candidate)
}

/// How well a delimiter fits, each in twentieths: rows of the usual width, cells that hold no other candidate, cells that are numbers.
fn score(rows: &[csv::ByteRecord], delimiter: u8) -> Option<(u32, u32, u32)> {
    let mut widths: Vec<usize> = rows.iter().map(csv::ByteRecord::len).collect();
    widths.sort_unstable();
    let (usual, count) =
        widths.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).max_by_key(|(_, count)| *count)?;
    if usual < 2 || count * 2 < rows.len() {
        return None;
    }
    let decimal_comma = |cell: &[u8]| delimiter != b',' && parse_number(cell, b',').is_some();
    let (mut cells, mut whole, mut numbers) = (0, 0, 0);
    for cell in rows.iter().flatten() {
        let number = parse_number(cell, b'.').is_some() || decimal_comma(cell);
        cells += 1;
        numbers += usize::from(number);
        whole += usize::from(number || !cell.iter().any(|b| *b != delimiter && CANDIDATES.contains(b)));
    }
    let twentieths = |part: usize, of: usize| (part * 20 / of.max(1)) as u32;
    Some((twentieths(count, rows.len()), twentieths(whole, cells), twentieths(numbers, cells)))
}

/// Whether the first of these rows holds the names of the columns.
pub(super) fn header(rows: &[csv::ByteRecord], markers: &Markers, decimal: u8) -> bool {
    let Some((first, rest)) = rows.split_first() else { return true };
    let number_or_time =
        |cell: &[u8]| parse_number(cell, decimal).is_some() || parse_datetime(&String::from_utf8_lossy(cell)).is_some();
    let boolean = |cell: &[u8]| is_boolean_word(String::from_utf8_lossy(cell).trim());
    if rest.is_empty() {
        return !first.iter().any(number_or_time);
    }
    let (mut for_header, mut against) = (false, false);
    for (place, name) in first.iter().enumerate() {
        let below: Vec<&[u8]> =
            rest.iter().filter_map(|row| row.get(place)).filter(|cell| !markers.is_missing(cell)).collect();
        if below.is_empty() || markers.is_missing(name) {
            continue;
        }
        // One odd cell must not hide a column of numbers.
        let typed = below.iter().filter(|cell| number_or_time(cell) || boolean(cell)).count();
        let column_is_typed = typed * 10 >= below.len() * 9;
        // `n` and `on` are good names too: a word for yes or no is a value only where it stands again below.
        let name_is_value =
            number_or_time(name) || (boolean(name) && below.iter().any(|cell| cell.eq_ignore_ascii_case(name)));
        for_header |= column_is_typed && !name_is_value;
        against |= name_is_value;
    }
    if for_header || against {
        return for_header;
    }
    first.iter().enumerate().all(|(place, name)| {
        !name.trim_ascii().is_empty()
            && first.iter().filter(|other| *other == name).count() == 1
            && rest.iter().all(|row| row.get(place) != Some(name))
    })
}
