//! From cells to numbers. Learned from the training part alone, kept in the checkpoint, enough for predictions by itself.

mod plan;

use serde::{Deserialize, Serialize};

pub use plan::{
    DatetimePart, EncoderPlan, Encoding, InputPlan, MissingNumber, NumericScale, Pooling, TablePlan, TargetKind,
    TargetPlan, Tokenizer, UnknownCategory,
};

use super::error::RowFault;
use super::{Cell, DataError, Examples, Table};

/// A fitted encoder. Its JSON is part of the checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    /// Version of this format.
    version: u32,
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

/// A fitted vocabulary: row 0 is `<pad>`, row 1 `<unk>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vocabulary {
    name: String,
    words: Vec<String>,
    counts: Vec<u64>,
}

impl Vocabulary {
    /// The name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows of the table, `<pad>` and `<unk>` included.
    pub fn rows(&self) -> usize {
        self.words.len()
    }

    /// The words in the order of the rows.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How often each word is in the training part; row 1 counts the words that are not in the vocabulary.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedTarget {
    /// Its name in metrics and predictions.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// What it is.
    pub kind: TargetKind,
    /// The labels in the order of the classes (`Classification`, `Binary`), the columns (`Multilabel`, `Distribution`), or nothing.
    pub classes: Vec<String>,
    /// Rows of each class in the training part (`Multilabel`: ones of each column); for class weights and output priors.
    pub class_counts: Vec<u64>,
    /// Mean of the training part in its own unit (`Regression`), before standardising.
    pub mean: f64,
    /// Standard deviation of the training part in its own unit (`Regression`); 1 where it is constant.
    pub std: f64,
    /// Rows of the training part that have a label.
    pub labelled: u64,
}

impl FittedTarget {
    /// Outputs that a network needs for it: classes, labels, or one.
    pub fn outputs(&self) -> usize {
        match self.kind {
            TargetKind::Classification | TargetKind::Multilabel | TargetKind::Distribution => self.classes.len(),
            TargetKind::Binary | TargetKind::Regression { .. } => 1,
        }
    }

    /// Takes a network's output back to the target's own unit; the identity where nothing was standardised.
    pub fn to_own_unit(&self, output: f64) -> f64 {
        match self.kind {
            TargetKind::Regression { standardize: true } => output * self.std + self.mean,
            _ => output,
        }
    }
}

impl Encoder {
    /// Learns from the rows of the training part how to encode. Only the labels of classification targets are taken from the whole
    /// table, so that a class index means the same whatever the split.
    ///
    /// # Errors
    /// [`DataError::Plan`] with everything that the table cannot give.
    pub fn fit(table: &Table, plan: &EncoderPlan, train_rows: &[u32]) -> Result<Encoder, DataError> {
        let _ = (table, plan, train_rows);
        Err(DataError::Corrupt("not there yet".into()))
    }

    /// Dense features of a row.
    pub fn features(&self) -> usize {
        0
    }

    /// The name of each dense feature: `petal_length`, `colour=red`, `age is missing`, `when.month.sin`.
    pub fn feature_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The columns that go in, in the order in which [`Encoder::encode_cells`] takes them.
    pub fn input_columns(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Numeric inputs that are constant in the training part: they carry nothing.
    pub fn constant_columns(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The inputs that look into embedding tables.
    pub fn tokens(&self) -> Vec<TokenInput<'_>> {
        Vec::new()
    }

    /// The vocabularies.
    pub fn tables(&self) -> &[Vocabulary] {
        &[]
    }

    /// The targets in the order of the plan.
    pub fn targets(&self) -> &[FittedTarget] {
        &[]
    }

    /// The labels of a target, in the order of the classes; empty for a regression or a target that is not there.
    pub fn classes(&self, target: usize) -> &[String] {
        self.targets().get(target).map_or(&[], |target| &target.classes)
    }

    /// Encodes rows of a table with their targets and weights.
    ///
    /// # Errors
    /// [`DataError::Plan`] where a column is missing, [`DataError::Rows`] where cells are not what was learned.
    pub fn encode<T: Copy>(&self, table: &Table, rows: &[u32]) -> Result<Examples<T>, DataError> {
        let _ = (table, rows);
        Err(DataError::Corrupt("not there yet".into()))
    }

    /// Encodes rows of a table that need not have the targets.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_inputs<T: Copy>(&self, table: &Table, rows: &[u32]) -> Result<Examples<T>, DataError> {
        let _ = (table, rows);
        Err(DataError::Corrupt("not there yet".into()))
    }

    /// Encodes rows that a client sent: `cells` is row-major, one cell for each of [`Encoder::input_columns`]. `out` is emptied first and its buffers are
    /// used again. Rows with faults are zeros in `out` and named in the answer (row = place in `cells`), all of them.
    pub fn encode_cells<T: Copy>(&self, cells: &[Cell<'_>], out: &mut Examples<T>) -> Vec<RowFault> {
        let _ = (cells, out);
        Vec::new()
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
        serde_json::from_slice(bytes).map_err(|error| DataError::Corrupt(format!("encoder: {error}")))
    }
}
