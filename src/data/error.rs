//! What can be wrong with data, in words for the client. Knows no transport and no status code.

use std::fmt;

/// Why bytes are no table, a table file cannot be read, or data cannot be split or encoded as asked.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file that was sent is broken; the client can mend it.
    #[error("{0}")]
    File(FileFault),
    /// Parse options that make no sense, all at once.
    #[error("{}", join(.0))]
    Options(Vec<OptionFault>),
    /// A plan asks for something that the table cannot give: a column that is missing, a target with one class, …
    #[error("{}", join(.0))]
    Plan(Vec<PlanFault>),
    /// Cells that cannot be encoded, each with its row and column.
    #[error("{}", join(.0))]
    Rows(Vec<RowFault>),
    /// The stored table file is damaged or of a format this version does not read.
    #[error("the table file is damaged: {0}")]
    Corrupt(String),
    /// Reading or writing failed.
    #[error("reading the data failed: {0}")]
    Io(#[from] std::io::Error),
}

/// What is wrong with a file that was sent, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// A stable word for programs: `not_a_csv`, `empty_file`, `header_only`, `ragged_row`, `duplicate_column`, …
    pub code: &'static str,
    /// The line of the file, counted from 1.
    pub line: Option<u64>,
    /// The name of the column, or its place in words where it has no name yet.
    pub column: Option<String>,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(column)) => write!(f, "column {column}: ")?,
            (None, None) => {}
        }
        write!(f, "{}; {}", self.detail, self.remedy)
    }
}

/// What is wrong with one parse option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionFault {
    /// The option's name as in the query.
    pub option: String,
    /// What was found and what would be right.
    pub detail: String,
}

impl fmt::Display for OptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.detail)
    }
}

/// What a table cannot give to a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFault {
    /// The column concerned, where it is one.
    pub column: Option<String>,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column \"{column}\": {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

/// A cell that cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Zero-based row of the table or of the rows that were sent.
    pub row: usize,
    /// The column's name.
    pub column: String,
    /// What was expected and what was found.
    pub detail: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column \"{}\": {}", self.row, self.column, self.detail)
    }
}

/// At most this many faults are spelled out in one message.
const SPELLED_OUT: usize = 10;

fn join<T: fmt::Display>(faults: &[T]) -> String {
    let mut text = faults.iter().take(SPELLED_OUT).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if faults.len() > SPELLED_OUT {
        text.push_str(&format!("; and {} more", faults.len() - SPELLED_OUT));
    }
    text
}
