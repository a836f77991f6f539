//! What a client may say about its file, checked before a byte is read.

use serde::Serialize;

use crate::data::error::OptionFault;
use crate::data::table::Kind;

/// How to read a file. The default detects everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ParseOptions {
    /// The character between cells, one of ASCII; detected among `,`, `;`, tab and `|`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Lines that begin with this character are left out; none are unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Whether the first row holds the names; detected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// The texts that mean "no value", instead of the usual ones; the empty cell always does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null: Option<Vec<String>>,
    /// The decimal mark, `.` or `,`; `.` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// How characters are written; detected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// Kinds of columns that the client knows better, by column name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<(String, Kind)>,
    /// How large a file may be in any direction.
    #[serde(skip)]
    pub limits: Limits,
}

/// How characters are written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, low byte first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, high byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252, of which Latin-1 (ISO 8859-1) is a part.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl TextEncoding {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            TextEncoding::Utf8 => "utf-8",
            TextEncoding::Utf16Le => "utf-16le",
            TextEncoding::Utf16Be => "utf-16be",
            TextEncoding::Windows1252 => "windows-1252",
        }
    }
}

/// How large a file may be in any direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Columns of a table.
    pub columns: usize,
    /// Bytes of one cell.
    pub cell_bytes: usize,
    /// Rows of a table.
    pub rows: usize,
    /// Bytes that a packed file may unpack to.
    pub unpacked_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { columns: 10_000, cell_bytes: 1 << 20, rows: u32::MAX as usize - 1, unpacked_bytes: 10 << 30 }
    }
}

impl ParseOptions {
    /// The names of the options in a query.
    pub const NAMES: [&'static str; 7] = ["delimiter", "comment", "header", "null", "decimal", "encoding", "kinds"];

    /// Reads the options from the (decoded) pairs of a query; pairs of other names are ignored.
    ///
    /// # Errors
    /// Every option that makes no sense, at once.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<ParseOptions, Vec<OptionFault>> {
        let mut options = ParseOptions::default();
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let Some(name) = ParseOptions::NAMES.into_iter().find(|known| *known == name) else { continue };
            let outcome =
                if seen.contains(&name) { Err("is given twice".to_owned()) } else { options.set(name, value) };
            seen.push(name);
            if let Err(detail) = outcome {
                faults.push(OptionFault { option: name.to_owned(), detail });
            }
        }
        if let (Some(delimiter), Some(decimal)) = (options.delimiter, options.decimal)
            && delimiter == decimal
        {
            faults.push(OptionFault {
                option: "decimal".into(),
                detail: format!("'{decimal}' cannot be both the delimiter and the decimal mark"),
            });
        }
        if faults.is_empty() { Ok(options) } else { Err(faults) }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "delimiter" => self.delimiter = Some(delimiter(value)?),
            "comment" => self.comment = Some(comment(value)?),
            "header" => self.header = Some(boolean(value)?),
            "null" => self.null = Some(value.split(',').map(|word| word.trim().to_owned()).collect()),
            "decimal" => self.decimal = Some(decimal(value)?),
            "encoding" => self.encoding = Some(encoding(value)?),
            _ => self.kinds = kinds(value)?,
        }
        Ok(())
    }

    /// One line of JSON that is equal for equal options: with the bytes, the identity of a dataset.
    pub fn canonical(&self) -> String {
        let mut sorted = self.clone();
        sorted.kinds.sort_by(|a, b| a.0.cmp(&b.0));
        serde_json::to_string(&sorted).unwrap_or_default()
    }
}

fn delimiter(value: &str) -> Result<char, String> {
    let named = match value {
        "comma" => ",",
        "semicolon" => ";",
        "tab" | "\\t" => "\t",
        "pipe" => "|",
        "space" => " ",
        other => other,
    };
    let mut characters = named.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if c.is_ascii() && !matches!(c, '"' | '\r' | '\n' | '\0') => Ok(c),
        _ => Err(format!(
            "must be one ASCII character, or comma, semicolon, tab, pipe or space, got \"{value}\" (in a URL write ; as %3B, tab as %09)"
        )),
    }
}

fn comment(value: &str) -> Result<char, String> {
    let mut characters = value.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if c.is_ascii_punctuation() && !matches!(c, '"' | ',' | '-' | '.') => Ok(c),
        _ => Err(format!("must be one mark such as #, got \"{value}\" (in a URL write # as %23)")),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("must be true or false, got \"{other}\"")),
    }
}

fn decimal(value: &str) -> Result<char, String> {
    match value {
        "." | "point" => Ok('.'),
        "," | "comma" => Ok(','),
        other => Err(format!("must be \".\" or \",\", got \"{other}\"")),
    }
}

fn encoding(value: &str) -> Result<TextEncoding, String> {
    match value.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => Ok(TextEncoding::Utf8),
        "utf-16le" | "utf16le" => Ok(TextEncoding::Utf16Le),
        "utf-16be" | "utf16be" => Ok(TextEncoding::Utf16Be),
        "latin-1" | "latin1" | "iso-8859-1" | "windows-1252" | "cp1252" => Ok(TextEncoding::Windows1252),
        _ => Err(format!("must be utf-8, utf-16le, utf-16be, latin-1 or windows-1252, got \"{value}\"")),
    }
}

/// `a:categorical,b:identifier`. A name may hold `:`; the kind stands behind the last one.
fn kinds(value: &str) -> Result<Vec<(String, Kind)>, String> {
    let mut kinds: Vec<(String, Kind)> = Vec::new();
    let mut wrong = Vec::new();
    for pair in value.split(',').filter(|pair| !pair.trim().is_empty()) {
        let known = pair.rsplit_once(':').map(|(column, kind)| (column.trim(), Kind::from_name(kind.trim())));
        match known {
            Some((column, Some(Kind::Constant))) => wrong.push(format!("\"{column}\" cannot be declared constant")),
            Some((column, Some(_))) if kinds.iter().any(|(known, _)| known == column) => {
                wrong.push(format!("\"{column}\" is named twice"));
            }
            Some((column, Some(kind))) if !column.is_empty() => kinds.push((column.to_owned(), kind)),
            _ => wrong.push(format!(
                "\"{}\" is not column:kind with kind one of numeric, boolean, categorical, text, datetime, identifier",
                pair.trim()
            )),
        }
    }
    if wrong.is_empty() { Ok(kinds) } else { Err(wrong.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_option_is_told_at_once() {
        let faults = ParseOptions::parse([
            ("delimiter", "::"),
            ("header", "maybe"),
            ("name", "x"),
            ("kinds", "a:colour,b:text,c"),
        ])
        .unwrap_err();
        let options: Vec<_> = faults.iter().map(|fault| fault.option.as_str()).collect();
        assert_eq!(options, ["delimiter", "header", "kinds"]);
        assert!(faults[2].detail.contains("a:colour") && faults[2].detail.contains("\"c\""), "{}", faults[2].detail);
    }

    #[test]
    fn good_options_are_read_and_have_one_canonical_form() {
        let read = |kinds| ParseOptions::parse([("delimiter", "tab"), ("decimal", ","), ("kinds", kinds)]).unwrap();
        let options = read("zip:categorical,a:b:identifier");
        assert_eq!(options.delimiter, Some('\t'));
        assert_eq!(options.kinds[1], ("a:b".to_owned(), Kind::Identifier));
        assert_eq!(options.canonical(), read("a:b:identifier,zip:categorical").canonical());
        assert_ne!(options.canonical(), ParseOptions::default().canonical());
    }
}
