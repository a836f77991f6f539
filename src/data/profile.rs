//! What is in a table, column by column, for people and for `spec`. Reads the table, changes nothing.

use serde::{Deserialize, Serialize};

use super::table::{Kind, Table, Warning};

/// What is in each column, and what is odd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// One entry a column, in the order of the file.
    pub columns: Vec<ColumnProfile>,
    /// What was noticed while reading and profiling.
    pub warnings: Vec<Warning>,
}

/// What is in one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// What the values mean.
    pub kind: Kind,
    /// Rows without a value.
    pub missing: u64,
    /// Distinct values that are not missing.
    pub distinct: u64,
    /// Whether `distinct` was counted or estimated.
    pub distinct_exact: bool,
    /// Numbers only: whether every one is whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub whole: Option<bool>,
    /// Smallest number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max: Option<f64>,
    /// Mean of the numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mean: Option<f64>,
    /// Standard deviation of the numbers (divided by n, not n − 1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub std: Option<f64>,
    /// Quartiles, linearly interpolated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quantiles: Option<Quantiles>,
    /// Counts in bins of equal width.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub histogram: Option<Histogram>,
    /// Times only: the first and the last, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub earliest: Option<String>,
    /// See `earliest`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latest: Option<String>,
    /// Texts only: the words as the `words` tokenizer counts them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words: Option<WordCounts>,
    /// The most frequent values as labels with their counts, most frequent first, equal counts by label: at most 20; for numbers only
    /// where there are at most 20 distinct ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub top: Option<Vec<(String, u64)>>,
}

/// Quartiles of a column of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// A quarter of the values lies below.
    #[serde(rename = "0.25")]
    pub q25: f64,
    /// The median.
    #[serde(rename = "0.5")]
    pub q50: f64,
    /// Three quarters of the values lie below.
    #[serde(rename = "0.75")]
    pub q75: f64,
}

/// Counts in bins of equal width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Ascending, one more than `counts`; a bin holds its left edge, the last also its right.
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

/// How many words the cells of a text column hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordCounts {
    /// Distinct words, lower-cased.
    pub distinct: u64,
    /// Mean words of a cell.
    pub mean: f64,
    /// Words of the longest cell.
    pub max: u64,
}

/// Profiles every column of a table.
pub fn profile(table: &Table) -> Profile {
    Profile { columns: Vec::new(), warnings: table.warnings.clone() }
}
