//! Which rows train, validate and test: pure functions of table, plan and seed.

use super::{DataError, Table};

/// How rows are divided.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitPlan {
    /// The way to choose.
    pub method: SplitMethod,
    /// Share of the usable rows that validate, 0 ≤ v < 1; not looked at by `All` and `Column`.
    pub validation: f64,
    /// Share of the usable rows that test.
    pub test: f64,
    /// The target columns: a row in which every one of them is missing is no part of the split.
    pub targets: Vec<String>,
}

/// The way to choose rows.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitMethod {
    /// All rows train.
    All,
    /// By a seeded permutation.
    Random,
    /// By a seeded permutation within each value of `by`, so that every part has the same shares of each.
    Stratified {
        /// The column whose values are kept in proportion; rows where it is missing are a stratum of their own.
        by: String,
    },
    /// In the order of the file: first train, then validation, then test.
    Sequential,
    /// As a column says: `train`, `validation`, `test`, or a boolean whose true is validation.
    Column {
        /// The column's name.
        column: String,
    },
    /// Whole groups at a time, so that no group is on two sides.
    Group {
        /// The column whose values are the groups; a row where it is missing is a group of its own.
        column: String,
    },
}

/// The rows of each part, zero-based and ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<u32>,
    /// Rows that decide when to stop and which checkpoint is best.
    pub validation: Vec<u32>,
    /// Rows that decide nothing.
    pub test: Vec<u32>,
    /// Rows left out because every target is missing in them.
    pub excluded: Vec<u32>,
}

/// Divides the rows of a table.
///
/// # Errors
/// [`DataError::Plan`] where a column is missing or does not say what it should, or a part that was asked for would be empty.
pub fn split(table: &Table, plan: &SplitPlan, seed: u64) -> Result<Split, DataError> {
    let _ = (table, plan, seed);
    Err(DataError::Corrupt("not there yet".into()))
}
