//! What a spec is proved against: the columns of a dataset with their kinds and counts. Not the data.

use serde::Deserialize;

/// The columns of a dataset, read from its stored document (`serde_json::from_value::<Schema>(dataset)`), unknown fields ignored.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Schema {
    /// Number of data rows.
    pub rows: u64,
    /// The columns in file order.
    pub columns: Vec<SchemaColumn>,
    /// The schema of the dataset that `split.validation.dataset` names, where it names one.
    #[serde(skip)]
    pub validation: Option<Box<Schema>>,
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
    pub top: Vec<(String, u64)>,
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
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers.
    Numeric,
    /// Two values that mean yes and no.
    Boolean,
    /// Few distinct labels.
    Categorical,
    /// Free text.
    Text,
    /// Points in time.
    Datetime,
    /// One value only.
    Constant,
    /// A different value in each row.
    Identifier,
}

impl Schema {
    /// Finds a column by its exact name.
    pub fn column(&self, name: &str) -> Option<&SchemaColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}
