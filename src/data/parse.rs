//! What the characters of one cell say: nothing, a number, a time, yes or no. Columns are judged in `columns`.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// The texts that mean "no value".
#[derive(Clone, Debug)]
pub(crate) struct Markers {
    words: Vec<String>,
    /// Some marker looks like a number (`-999`), so that numbers must be compared too.
    pub(in crate::data) numeric: bool,
}

/// What means "no value" where the client does not say; in any case of letters.
pub(crate) const USUAL_MARKERS: [&str; 6] = ["NA", "N/A", "null", "NaN", "?", "-"];

impl Markers {
    pub(crate) fn new(words: Option<&[String]>) -> Markers {
        let words: Vec<String> = match words {
            Some(words) => words.iter().filter(|word| !word.is_empty()).cloned().collect(),
            None => USUAL_MARKERS.map(str::to_owned).to_vec(),
        };
        let numeric = words.iter().any(|word| word.bytes().any(|b| b.is_ascii_digit()));
        Markers { words, numeric }
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the cell, which may have white space around it, means "no value".
    pub(crate) fn is_missing(&self, cell: &[u8]) -> bool {
        let cell = cell.trim_ascii();
        cell.is_empty() || self.words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(cell))
    }
}

/// A finite number in decimal or scientific notation with `decimal` as its mark, white space around it allowed. No `inf`, no `nan`, no grouping, and nothing
/// that is too large for an f64.
pub(crate) fn parse_number(cell: &[u8], decimal: u8) -> Option<f64> {
    let cell = cell.trim_ascii();
    let body = cell.strip_prefix(b"-").or_else(|| cell.strip_prefix(b"+")).unwrap_or(cell);
    if !body.first().is_some_and(|b| b.is_ascii_digit() || *b == decimal) {
        return None;
    }
    let parsed = if decimal == b'.' {
        std::str::from_utf8(cell).ok()?.parse::<f64>().ok()?
    } else {
        let mut text = [0u8; 64];
        let text = text.get_mut(..cell.len())?;
        for (to, from) in text.iter_mut().zip(cell) {
            *to = match *from {
                b'.' => return None,
                b if b == decimal => b'.',
                b => b,
            };
        }
        std::str::from_utf8(text).ok()?.parse::<f64>().ok()?
    };
    parsed.is_finite().then_some(parsed)
}

/// Whole digits behind a leading zero: a code such as a postal code, whose zero is part of it.
pub(super) fn is_code(cell: &[u8]) -> bool {
    cell.len() > 1 && cell[0] == b'0' && cell.iter().all(u8::is_ascii_digit)
}

/// Words for no and yes, in any case.
pub(super) const BOOLEAN_PAIRS: [(&str, &str); 5] =
    [("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on")];

/// Whether this is one of the words for yes and no.
pub(crate) fn is_boolean_word(text: &str) -> bool {
    BOOLEAN_PAIRS.iter().any(|(no, yes)| text.eq_ignore_ascii_case(no) || text.eq_ignore_ascii_case(yes))
}

/// Yes or no, as a word in any case or as 1 or 0.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => BOOLEAN_PAIRS.iter().find_map(|(no, yes)| {
            if text.eq_ignore_ascii_case(yes) { Some(true) } else { text.eq_ignore_ascii_case(no).then_some(false) }
        }),
    }
}

/// An ISO 8601 date or time as milliseconds since 1970; without an offset it is UTC.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.len() < 10
        || !bytes.is_ascii()
        || !bytes[..4].iter().all(u8::is_ascii_digit)
        || !matches!(bytes[4], b'-' | b'/')
    {
        return None;
    }
    let mut normal = text.to_owned();
    if bytes[4] == b'/' {
        normal.replace_range(..10, &text[..10].replace('/', "-"));
    }
    if normal.len() == 10 {
        return NaiveDate::parse_from_str(&normal, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
            .map(|t| t.and_utc().timestamp_millis());
    }
    if normal.as_bytes()[10] == b' ' {
        normal.replace_range(10..11, "T");
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(&normal) {
        return Some(time.timestamp_millis());
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%MZ"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&normal, form).ok())
        .map(|time| time.and_utc().timestamp_millis())
}
