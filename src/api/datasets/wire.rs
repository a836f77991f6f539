//! A dataset's JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::time;
use crate::spec::Schema;
use crate::store::Dataset;

/// A dataset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dataset)]
pub(crate) struct DatasetBody {
    /// Its id.
    #[schema(example = "ds_01a20b4cfb0474edb3e48ff00d88a447")]
    id: String,
    /// The name that leads to it; `null` once the name has moved on.
    #[schema(example = "iris")]
    name: Option<String>,
    /// What the bytes are.
    #[schema(example = "csv")]
    format: String,
    /// How they were read: what was asked for and what was found.
    #[schema(value_type = Object)]
    options: Value,
    /// Length of the file.
    bytes: u64,
    /// SHA-256 of the file.
    sha256: String,
    /// Number of data rows.
    rows: u64,
    /// Always `ready`: what cannot be read is refused at once.
    #[schema(example = "ready")]
    status: &'static str,
    /// When it was made.
    created_at: String,
    /// What is in each column, in the order of the file; left out in lists.
    #[schema(value_type = Option<Vec<ColumnBody>>)]
    #[serde(skip_serializing_if = "Value::is_null")]
    columns: Value,
    /// What is odd about the file; left out in lists.
    #[schema(value_type = Option<Vec<WarningBody>>)]
    #[serde(skip_serializing_if = "Value::is_null")]
    warnings: Value,
    /// Where its parts are.
    #[schema(value_type = Object)]
    links: Value,
}

/// What is in a column.
#[derive(ToSchema)]
#[schema(as = Column)]
#[allow(dead_code, reason = "describes the JSON that the profile already is")]
pub(crate) struct ColumnBody {
    /// The name in the header.
    name: String,
    /// `numeric`, `boolean`, `categorical`, `text`, `datetime`, `constant` or `identifier`.
    #[schema(example = "numeric")]
    kind: String,
    /// Rows without a value.
    missing: u64,
    /// Distinct values.
    distinct: u64,
    /// Whether `distinct` was counted (true) or estimated.
    distinct_exact: bool,
    /// Whether every number is whole.
    whole: Option<bool>,
    /// Smallest number.
    min: Option<f64>,
    /// Largest number.
    max: Option<f64>,
    /// Mean.
    mean: Option<f64>,
    /// Standard deviation (divided by n).
    std: Option<f64>,
    /// Quartiles: `{"0.25":5.1,"0.5":5.8,"0.75":6.4}`.
    quantiles: Option<std::collections::BTreeMap<String, f64>>,
    /// `{"edges":[…],"counts":[…]}`.
    #[schema(value_type = Option<Object>)]
    histogram: Option<Value>,
    /// The most frequent values with their counts: `[["setosa",50],…]`.
    #[schema(value_type = Option<Vec<Vec<Value>>>)]
    top: Option<Value>,
}

/// Something odd that stops nothing.
#[derive(ToSchema)]
#[schema(as = DatasetWarning)]
#[allow(dead_code, reason = "describes the JSON that the profile already is")]
pub(crate) struct WarningBody {
    /// The column concerned.
    column: Option<String>,
    /// A stable word for programs.
    #[schema(example = "mixed_types")]
    code: String,
    /// What was found and what can be done.
    detail: String,
}

/// A dataset with its profile.
pub(super) fn body(dataset: &Dataset) -> DatasetBody {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Parts {
        columns: Value,
        warnings: Value,
    }
    let Parts { columns, warnings } = dataset.profile.read().unwrap_or_default();
    let id = dataset.id.to_string();
    let links = json!({
        "self": format!("/v1/datasets/{id}"),
        "rows": format!("/v1/datasets/{id}/rows"),
        "file": format!("/v1/datasets/{id}/file"),
    });
    DatasetBody {
        name: dataset.name.as_ref().map(ToString::to_string),
        format: dataset.format.clone(),
        options: dataset.options.clone(),
        bytes: dataset.bytes,
        sha256: dataset.sha256.clone(),
        rows: dataset.rows,
        status: "ready",
        created_at: time::text(dataset.created_at),
        columns,
        warnings,
        links,
        id,
    }
}

/// A dataset in a list: how many columns instead of which.
pub(super) fn summary(dataset: &Dataset) -> Value {
    let mut item = serde_json::to_value(body(dataset)).unwrap_or_default();
    if let Some(fields) = item.as_object_mut() {
        fields.shift_remove("columns");
        fields.shift_remove("warnings");
        fields.insert("column_count".to_owned(), dataset.columns.into());
    }
    item
}

/// A dataset changes only by losing or getting its name.
pub(super) fn tag(dataset: &Dataset) -> String {
    let name = dataset.name.as_ref().map_or("", |name| name.as_str());
    format!("W/\"{}.{name}\"", dataset.id)
}

/// What a spec is proved against.
pub(crate) fn schema(dataset: &Dataset) -> Result<Schema, Problem> {
    Ok(Schema { rows: dataset.rows, ..dataset.profile.read().map_err(Problem::internal)? })
}
