//! From cells to numbers. Learned from the training part alone, kept in the checkpoint, enough for predictions by itself.
//!
//! Dense features stand in the order of the inputs; inputs that look into an embedding table have no dense feature but a column of tokens.

mod categories;
mod datetime;
mod encode;
mod fit;
mod hash;
mod memo;
mod numeric;
mod plan;
mod target;
mod vocabulary;
mod words;

use serde::{Deserialize, Serialize};

use categories::{HashedInput, OneHotInput};
use datetime::DatetimeInput;
use numeric::NumericInput;
pub(crate) use numeric::{moments, quantile, sort, striped};
pub use plan::{
    Clip, DatetimePart, EncoderPlan, Encoding, InputPlan, MissingCategory, MissingMoment, MissingNumber, MissingTruth,
    NumericScale, Pooling, TablePlan, TargetKind, TargetPlan, Tokenizer, UnknownCategory,
};
pub use target::FittedTarget;
pub use vocabulary::{PAD, UNKNOWN, Vocabulary};
pub(crate) use words::for_each_word;

use super::error::{PlanFault, RowFault};
use super::rows::{local, runs};
use super::{Cell, Column, DataError, Examples, Rows, Table, TargetColumn};
use crate::num::Real;

/// Version of the encoder's JSON.
const VERSION: u32 = 1;

/// A fitted encoder. Its JSON is part of the checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    version: u32,
    inputs: Vec<FittedInput>,
    tables: Vec<Vocabulary>,
    targets: Vec<FittedTarget>,
    sample_weight: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FittedInput {
    column: String,
    #[serde(flatten)]
    input: Input,
}

/// A fitted input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Input {
    Numeric(NumericInput),
    /// `share`: of ones in the training part.
    Boolean {
        share: f64,
        indicator: bool,
    },
    OneHot(OneHotInput),
    Hashed(HashedInput),
    Datetime(DatetimeInput),
    /// A category is a single token, whole; a text is cut by the tokenizer.
    Tokens {
        table: usize,
        pooling: Pooling,
        tokenizer: Tokenizer,
        max_tokens: usize,
        /// The category that stands in for a missing one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<String>,
    },
}

/// One input that looks into an embedding table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInput<'a> {
    /// The column it comes from.
    pub column: &'a str,
    /// Index into [`Encoder::tables`].
    pub table: usize,
    /// What becomes of the rows.
    pub pooling: Pooling,
}

impl Encoder {
    /// Learns from the rows of the training part how to encode. Only the labels of classification targets are taken from the whole
    /// table, so that a class index means the same whatever the split.
    ///
    /// # Errors
    /// [`DataError::Plan`] with everything that the table cannot give.
    pub fn fit(rows: &dyn Rows, plan: &EncoderPlan, train_rows: &[u32]) -> Result<Encoder, DataError> {
        fit::fit(rows, plan, train_rows)
    }

    /// Dense features of a row.
    pub fn features(&self) -> usize {
        self.inputs.iter().map(|input| input.input.width()).sum()
    }

    /// The name of each dense feature: `petal_length`, `age is missing`, `colour=red`, `colour is missing`, `when.month.sin`.
    pub fn feature_names(&self) -> Vec<String> {
        self.inputs.iter().flat_map(|FittedInput { column, input }| input.names(column)).collect()
    }

    /// The columns that go in, in the order in which [`Encoder::encode_cells`] takes them.
    pub fn input_columns(&self) -> Vec<&str> {
        self.inputs.iter().map(|input| input.column.as_str()).collect()
    }

    /// Numeric inputs that are constant in the training part: they carry nothing.
    pub fn constant_columns(&self) -> Vec<&str> {
        let constant = |input: &&FittedInput| matches!(&input.input, Input::Numeric(numeric) if numeric.constant);
        self.inputs.iter().filter(constant).map(|input| input.column.as_str()).collect()
    }

    /// The inputs that look into embedding tables, in the order of [`Examples::tokens`].
    pub fn tokens(&self) -> Vec<TokenInput<'_>> {
        self.inputs
            .iter()
            .filter_map(|FittedInput { column, input }| match input {
                Input::Tokens { table, pooling, .. } => Some(TokenInput { column, table: *table, pooling: *pooling }),
                _ => None,
            })
            .collect()
    }

    /// The vocabularies, in the order of the plan.
    pub fn tables(&self) -> &[Vocabulary] {
        &self.tables
    }

    /// The targets, in the order of the plan.
    pub fn targets(&self) -> &[FittedTarget] {
        &self.targets
    }

    /// The labels of a target, in the order of the classes; empty for a regression or a target that is not there.
    pub fn classes(&self, target: usize) -> &[String] {
        self.targets.get(target).map_or(&[], |target| &target.classes)
    }

    /// The column of sample weights, if there is one.
    pub fn sample_weight(&self) -> Option<&str> {
        self.sample_weight.as_deref()
    }

    /// Encodes rows of a table with their targets and weights.
    ///
    /// # Errors
    /// [`DataError::Plan`] where columns are missing, [`DataError::Rows`] where cells are not what was learned.
    pub fn encode<T: Real>(&self, from: &dyn Rows, rows: &[u32]) -> Result<Examples<T>, DataError> {
        self.encode_rows_of(from, rows, true)
    }

    /// Encodes rows of a table that need not have the targets.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_inputs<T: Real>(&self, from: &dyn Rows, rows: &[u32]) -> Result<Examples<T>, DataError> {
        self.encode_rows_of(from, rows, false)
    }

    /// The true values of each target in its own unit, whatever training does to them: what predictions are judged by.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn truths(&self, from: &dyn Rows, rows: &[u32]) -> Result<Vec<TargetColumn<f64>>, DataError> {
        let columns: Vec<&str> = self.targets.iter().flat_map(|target| &target.columns).map(String::as_str).collect();
        let (names, mut missing, mut faults) = (from.names(), Vec::new(), Vec::new());
        columns.iter().for_each(|name| is_there(&names, name, "a target", &mut missing));
        if !missing.is_empty() {
            return Err(DataError::Plan(missing));
        }
        let plain = |target: &FittedTarget| match target.kind {
            TargetKind::Regression { .. } => {
                FittedTarget { kind: TargetKind::Regression { standardize: false }, ..target.clone() }
            }
            _ => target.clone(),
        };
        let targets: Vec<FittedTarget> = self.targets.iter().map(plain).collect();
        let mut truths: Vec<TargetColumn<f64>> = Vec::new();
        let stretches = from.stretches(&columns);
        for (range, rows) in runs(&stretches, rows) {
            let part = from.stretch(&columns, range.clone())?;
            encode_targets(&targets, &part, &local(rows, range.start), range.start, &mut truths, &mut faults);
        }
        if truths.is_empty() {
            encode_targets(&targets, &Table::default(), &[], 0, &mut truths, &mut faults);
        }
        if faults.is_empty() { Ok(truths) } else { Err(DataError::Rows(faults)) }
    }

    /// Encodes rows that a client sent: `cells` is row-major, one cell for each of [`Encoder::input_columns`]. `out` is emptied first
    /// and its buffers are used again. Rows with faults are zeros in `out` and named in the answer, every fault of them; a fault's
    /// row is the place in `cells`.
    pub fn encode_cells<T: Real>(&self, cells: &[Cell<'_>], out: &mut Examples<T>) -> Vec<RowFault> {
        self.encode_rows(cells, out)
    }

    /// The encoder as bytes for a checkpoint.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads [`Encoder::to_json`] back.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] where the bytes are not an encoder of this version.
    pub fn from_json(bytes: &[u8]) -> Result<Encoder, DataError> {
        let encoder: Encoder =
            serde_json::from_slice(bytes).map_err(|error| DataError::Corrupt(format!("encoder: {error}")))?;
        if encoder.version != VERSION {
            let found = encoder.version;
            return Err(DataError::Corrupt(format!("encoder: version {found}, this server reads {VERSION}")));
        }
        let known =
            |input: &FittedInput| !matches!(input.input, Input::Tokens { table, .. } if table >= encoder.tables.len());
        if !encoder.inputs.iter().all(known) {
            return Err(DataError::Corrupt("encoder: an input looks into a table that is not there".into()));
        }
        Ok(encoder)
    }
}

impl Input {
    fn width(&self) -> usize {
        match self {
            Input::Numeric(numeric) => numeric.width(),
            Input::Boolean { indicator, .. } => 1 + usize::from(*indicator),
            Input::OneHot(one_hot) => one_hot.width(),
            Input::Hashed(hashed) => hashed.width(),
            Input::Datetime(datetime) => datetime.width(),
            Input::Tokens { .. } => 0,
        }
    }

    fn names(&self, column: &str) -> Vec<String> {
        let missing = |present: bool| present.then(|| format!("{column} is missing"));
        match self {
            Input::Numeric(NumericInput { indicator, .. }) | Input::Boolean { indicator, .. } => {
                [column.to_owned()].into_iter().chain(missing(*indicator)).collect()
            }
            Input::OneHot(one_hot) => {
                let categories = one_hot.categories.iter().map(|category| format!("{column}={category}"));
                categories.chain(missing(one_hot.missing)).collect()
            }
            Input::Hashed(hashed) => {
                (0..hashed.buckets).map(|place| format!("{column}=#{place}")).chain(missing(hashed.missing)).collect()
            }
            Input::Datetime(datetime) => datetime.names(column),
            Input::Tokens { .. } => Vec::new(),
        }
    }
}

/// The cell of a table as the encoder reads it. A table's texts were characters in a file once, so they are taken for numbers where numbers
/// are expected.
fn cell_of(column: &Column, row: u32) -> Cell<'_> {
    match column.cell(row as usize) {
        Cell::Text(text) => Cell::Raw(text),
        cell => cell,
    }
}

/// Notes that a column is missing, with the nearest name.
fn is_there(names: &[&str], name: &str, what: &str, faults: &mut Vec<PlanFault>) {
    if names.contains(&name) {
        return;
    }
    let near = |known: &&&str| (strsim::jaro(known, name) * 1e6) as u64;
    let hint = names.iter().max_by_key(near).map_or(String::new(), |known| format!("; did you mean \"{known}\"?"));
    faults.push(PlanFault { column: Some(name.to_owned()), detail: format!("{what} is not in the dataset{hint}") });
}

/// Appends the labels of some rows of a table whose first row is `first` of the dataset.
fn encode_targets<T: Real>(
    targets: &[FittedTarget],
    table: &Table,
    rows: &[u32],
    first: usize,
    out: &mut Vec<TargetColumn<T>>,
    faults: &mut Vec<RowFault>,
) {
    let before = faults.len();
    for (place, target) in targets.iter().enumerate() {
        let encoded = target.encode(table, rows, faults);
        match out.get_mut(place) {
            Some(known) => known.append(encoded),
            None => out.push(encoded),
        }
    }
    faults[before..].iter_mut().for_each(|fault| fault.row += first);
}

#[cfg(test)]
mod tests;
