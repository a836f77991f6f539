//! A dataset in memory: typed columns of equal length. How it lies on disk is in `table/file.rs`, how it is made in `build`.

pub(super) mod file;
mod storage;
pub(super) mod stored;
mod texts;

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use storage::Storage;
pub use stored::{EqualRows, StoredTable};

use serde::{Deserialize, Serialize};

use super::{Cell, DataError};

/// The code of a missing value in [`Values::Text`].
pub const MISSING_CODE: u32 = u32::MAX;
/// The time of a missing value in [`Values::Datetime`].
pub const MISSING_TIME: i64 = i64::MIN;

/// A dataset: typed columns of equal length, and what was odd about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Number of data rows.
    pub rows: usize,
    /// The columns in the order of the file.
    pub columns: Vec<Column>,
    /// What was noticed while the file was read.
    pub warnings: Vec<Warning>,
}

/// One column: a name, what its values mean, and the values.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name in the header.
    pub name: String,
    /// What the values mean.
    pub kind: Kind,
    /// The values, one a row.
    pub values: Values,
}

/// The values of a column. An identifier or a constant may be of any of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Finite numbers; NaN is missing.
    Numeric(Vec<f64>),
    /// Texts as indices into a dictionary of distinct texts, in order of first appearance; [`MISSING_CODE`] is missing.
    Text {
        /// One code a row.
        codes: Vec<u32>,
        /// The distinct texts, shared by the parts of a table.
        dictionary: Arc<Vec<String>>,
    },
    /// Milliseconds since 1970-01-01T00:00:00Z; [`MISSING_TIME`] is missing.
    Datetime(Vec<i64>),
}

/// What the values of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers.
    Numeric,
    /// Two words that mean yes and no.
    Boolean,
    /// Labels that repeat.
    Categorical,
    /// Free text of several words.
    Text,
    /// Points in time.
    Datetime,
    /// One value only.
    Constant,
    /// Another value in each row.
    Identifier,
}

impl Kind {
    /// The kinds with their names on the wire.
    pub const ALL: [(&'static str, Kind); 7] = [
        ("numeric", Kind::Numeric),
        ("boolean", Kind::Boolean),
        ("categorical", Kind::Categorical),
        ("text", Kind::Text),
        ("datetime", Kind::Datetime),
        ("constant", Kind::Constant),
        ("identifier", Kind::Identifier),
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// Something odd that does not stop anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The column concerned, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// A stable word for programs: `mixed_types`, `constant`, `identifier_like`, …
    pub code: String,
    /// What was found and what can be done about it.
    pub detail: String,
}

impl Table {
    /// Finds a column by its exact name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Reads a table file whole.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] where a checksum or a length is wrong, [`DataError::Io`] where reading fails.
    pub fn open(path: &Path) -> Result<Table, DataError> {
        StoredTable::open(path)?.read(None, 0..usize::MAX)
    }

    /// Reads only the rows of `range`, as far as they are there: the table's first row is then that of `range.start`.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_rows(path: &Path, range: Range<usize>) -> Result<Table, DataError> {
        StoredTable::open(path)?.read(None, range)
    }

    /// Writes the table as one columnar file. Syncing and naming the file is the caller's.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn write(&self, file: &File) -> Result<(), DataError> {
        StoredTable::of(self, Storage::file(file.try_clone()?)?)?.close(None)
    }

    /// Appends the rows of a table with the same columns.
    pub(super) fn append(&mut self, other: Table) {
        self.rows += other.rows;
        for (own, other) in self.columns.iter_mut().zip(other.columns) {
            own.append(other);
        }
    }

    /// The rows at these places, in this order; repeats are fine.
    ///
    /// # Panics
    /// Where a place is not below `rows`.
    pub fn take(&self, rows: &[u32]) -> Table {
        let columns = self.columns.iter().map(|column| column.take(rows)).collect();
        Table { rows: rows.len(), columns, warnings: Vec::new() }
    }

    /// The cells of one row, in the order of the columns; empty past the end.
    pub fn row(&self, row: usize) -> Vec<Cell<'_>> {
        if row >= self.rows {
            return Vec::new();
        }
        self.columns.iter().map(|column| column.cell(row)).collect()
    }
}

impl Column {
    /// Number of values.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Numeric(values) => values.len(),
            Values::Text { codes, .. } => codes.len(),
            Values::Datetime(times) => times.len(),
        }
    }

    /// The values at these places, in this order; repeats are fine.
    ///
    /// # Panics
    /// Where a place is not below the column's length.
    pub fn take(&self, rows: &[u32]) -> Column {
        let at = |row: &u32| *row as usize;
        let values = match &self.values {
            Values::Numeric(values) => Values::Numeric(rows.iter().map(|row| values[at(row)]).collect()),
            Values::Text { codes, dictionary } => {
                Values::Text { codes: rows.iter().map(|row| codes[at(row)]).collect(), dictionary: dictionary.clone() }
            }
            Values::Datetime(times) => Values::Datetime(rows.iter().map(|row| times[at(row)]).collect()),
        };
        Column { name: self.name.clone(), kind: self.kind, values }
    }

    fn append(&mut self, other: Column) {
        match (&mut self.values, other.values) {
            (Values::Numeric(own), Values::Numeric(other)) => own.extend(other),
            (Values::Datetime(own), Values::Datetime(other)) => own.extend(other),
            (Values::Text { codes: own, dictionary }, Values::Text { codes, dictionary: other }) => {
                if Arc::ptr_eq(dictionary, &other) {
                    own.extend(codes);
                    return;
                }
                let mut index: HashMap<String, u32> =
                    dictionary.iter().enumerate().map(|(code, text)| (text.clone(), code as u32)).collect();
                let texts = Arc::make_mut(dictionary);
                let code_of = |code: u32| match other.get(code as usize) {
                    None => MISSING_CODE,
                    Some(text) => *index.entry(text.clone()).or_insert_with(|| {
                        texts.push(text.clone());
                        texts.len() as u32 - 1
                    }),
                };
                own.extend(codes.into_iter().map(code_of));
            }
            // Parts of one table have columns of one form.
            _ => {}
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `row`; missing past the end.
    pub fn cell(&self, row: usize) -> Cell<'_> {
        match &self.values {
            Values::Numeric(values) => {
                values.get(row).filter(|x| !x.is_nan()).map_or(Cell::Missing, |&x| Cell::Number(x))
            }
            Values::Text { codes, dictionary } => {
                let text = codes.get(row).and_then(|&code| dictionary.get(code as usize));
                match text.map(String::as_str) {
                    None => Cell::Missing,
                    Some("true") if self.kind == Kind::Boolean => Cell::Bool(true),
                    Some("false") if self.kind == Kind::Boolean => Cell::Bool(false),
                    Some(text) => Cell::Text(text),
                }
            }
            Values::Datetime(times) => {
                times.get(row).filter(|&&t| t != MISSING_TIME).map_or(Cell::Missing, |&t| Cell::Datetime(t))
            }
        }
    }

    /// Whether the value at `row` is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        self.cell(row) == Cell::Missing
    }
}

/// A number as a label: whole numbers without a fraction, others in the shortest form that reads back the same.
pub fn format_number(x: f64) -> String {
    if x == 0.0 { "0".into() } else { format!("{x}") }
}

/// A time as RFC 3339 in UTC: a bare date at midnight, else to the second, with milliseconds where there are any.
pub fn format_datetime(ms: i64) -> String {
    use chrono::{DateTime, SecondsFormat};
    let Some(time) = DateTime::from_timestamp_millis(ms) else {
        return String::new();
    };
    if ms.rem_euclid(86_400_000) == 0 {
        time.format("%Y-%m-%d").to_string()
    } else {
        time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }
}
