//! One value of one row, as a table holds it or as a client sends it. Not its encoding.

use serde_json::Value;

use super::table::format_datetime;

/// One value of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Missing,
    /// A number that says it is one.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// A string that says it is one (JSON): never taken for a number.
    Text(&'a str),
    /// Characters of unknown meaning (CSV): a number where a number is expected. Missing markers are no longer among them.
    Raw(&'a str),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Datetime(i64),
}

impl Cell<'_> {
    /// The value as JSON: whole numbers without a fraction, times as RFC 3339, missing as `null`.
    pub fn to_json(&self) -> Value {
        match *self {
            Cell::Missing => Value::Null,
            Cell::Number(x) if x == x.trunc() && x.abs() < 9_007_199_254_740_992.0 => Value::from(x as i64),
            Cell::Number(x) => Value::from(x),
            Cell::Bool(b) => Value::Bool(b),
            Cell::Text(text) | Cell::Raw(text) => Value::from(text),
            Cell::Datetime(ms) => Value::from(format_datetime(ms)),
        }
    }

    /// What this is, for messages: `the string "abc"`, `the number 3`, …
    pub fn describe(&self) -> String {
        match *self {
            Cell::Missing => "nothing".into(),
            Cell::Number(x) => format!("the number {x}"),
            Cell::Bool(b) => format!("the boolean {b}"),
            Cell::Text(text) => format!("the string \"{}\"", shorten(text)),
            Cell::Raw(text) => format!("\"{}\"", shorten(text)),
            Cell::Datetime(ms) => format!("the time {}", format_datetime(ms)),
        }
    }
}

/// At most 60 characters of a client's text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
