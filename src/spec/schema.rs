//! What a spec is proved against: the columns of a dataset with their kinds and counts. Not the data.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::data::profile::{Profile, WordCounts};

pub use crate::data::Kind;

/// The columns of a dataset, read from its stored profile (unknown fields ignored) or made of a new one.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Schema {
    /// Number of data rows.
    #[serde(default)]
    pub rows: u64,
    /// The columns in file order.
    pub columns: Vec<SchemaColumn>,
    /// The schema of the dataset that `split.validation.dataset` names, where it names one.
    #[serde(skip)]
    pub validation: Option<Box<Schema>>,
    /// The schema of the dataset that `split.test.dataset` names, where it names one.
    #[serde(skip)]
    pub test: Option<Box<Schema>>,
    /// The uploaded word vectors that `inputs.embeddings` names, by their ids.
    #[serde(skip)]
    pub vectors: BTreeMap<String, VectorsShape>,
}

/// How large uploaded word vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorsShape {
    /// Words.
    pub words: u64,
    /// Dimensions of a vector.
    pub dim: u64,
}

/// One column of a [`Schema`].
#[derive(Clone, Debug, Deserialize)]
pub struct SchemaColumn {
    /// The column's name in the header.
    pub name: String,
    /// What the values are.
    pub kind: Kind,
    /// Rows without a value.
    #[serde(default)]
    pub missing: u64,
    /// Number of distinct values that are not missing.
    #[serde(default)]
    pub distinct: u64,
    /// The most frequent values with their counts, most frequent first; all of them where `top.len() == distinct`.
    #[serde(default)]
    pub top: Option<Vec<(String, u64)>>,
    /// Whether every number of a numeric column is whole.
    #[serde(default)]
    pub whole: Option<bool>,
    /// Smallest number.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(default)]
    pub max: Option<f64>,
    /// Mean of the numbers.
    #[serde(default)]
    pub mean: Option<f64>,
    /// Standard deviation of the numbers.
    #[serde(default)]
    pub std: Option<f64>,
    /// The words of a text column.
    #[serde(default)]
    pub words: Option<WordCounts>,
}

impl Schema {
    /// Takes from a profile what a spec is proved against.
    pub fn from_profile(rows: u64, profile: &Profile) -> Schema {
        let columns = profile.columns.iter().map(|column| SchemaColumn {
            name: column.name.clone(),
            kind: column.kind,
            missing: column.missing,
            distinct: column.distinct,
            top: column.top.clone(),
            whole: column.whole,
            min: column.min,
            max: column.max,
            mean: column.mean,
            std: column.std,
            words: column.words.clone(),
        });
        Schema { rows, columns: columns.collect(), validation: None, test: None, vectors: BTreeMap::new() }
    }

    /// Finds a column by its exact name.
    pub fn column(&self, name: &str) -> Option<&SchemaColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl SchemaColumn {
    /// Every value with its count, where the profile lists them all.
    pub(super) fn counts(&self) -> Option<&[(String, u64)]> {
        self.top.as_deref().filter(|top| top.len() as u64 == self.distinct)
    }
}
