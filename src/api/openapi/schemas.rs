//! Schemas of JSON that no Rust type of this room has: what `spec` reads, and the pages of lists.

use serde_json::Value;
use utoipa::ToSchema;

use crate::api::datasets::DatasetBody;

/// A page of datasets.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(in crate::api) struct DatasetPage {
    /// The datasets, newest first, without `columns`.
    data: Vec<DatasetBody>,
    /// Whether there are more.
    has_more: bool,
    /// Goes into `?after=` for the next page.
    next_cursor: Option<String>,
}

/// A job spec. Every field but `dataset` and `target` (or `targets`) has a default that trains well;
/// `GET /v1/capabilities` lists all choices with parameters, defaults and ranges.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON that `spec` reads")]
pub(in crate::api) struct JobSpec {
    /// Id, name, `sha256:…` or `sample:iris`.
    #[schema(example = "iris")]
    dataset: String,
    /// A column, or a list of columns; either this or `targets`.
    #[schema(value_type = Option<Value>, example = "species")]
    target: Option<Value>,
    /// Several targets over a shared trunk.
    #[schema(value_type = Option<Vec<Value>>)]
    targets: Option<Value>,
    /// A label for people.
    name: Option<String>,
    /// The client's labels.
    tags: Option<std::collections::BTreeMap<String, String>>,
    /// Which columns go in, and how.
    #[schema(value_type = Option<Value>)]
    inputs: Option<Value>,
    /// How rows are divided; `false` trains on all.
    #[schema(value_type = Option<Value>, example = json!({"validation": 0.2, "method": "stratified"}))]
    split: Option<Value>,
    /// Units of each hidden layer, or objects.
    #[schema(value_type = Option<Vec<Value>>, example = json!([64, {"units": 32, "dropout": 0.2}]))]
    hidden_layers: Option<Value>,
    /// Activation of the hidden layers.
    #[schema(value_type = Option<Value>, example = "relu")]
    activation: Option<Value>,
    /// Share of the inputs that is dropped in training.
    dropout: Option<f64>,
    /// Initial weights and biases.
    #[schema(value_type = Option<Value>)]
    init: Option<Value>,
    /// An optimizer's name, or an object with `type`.
    #[schema(value_type = Option<Value>, example = json!({"type": "adam", "learning_rate": 0.001}))]
    optimizer: Option<Value>,
    /// How the learning rate changes.
    #[schema(value_type = Option<Value>, example = "constant")]
    schedule: Option<Value>,
    /// Rows of a step.
    batch_size: Option<u64>,
    /// Passes over the training rows.
    epochs: Option<u64>,
    /// Whether rows are shuffled each epoch.
    shuffle: Option<bool>,
    /// Rows of each step, given by the client.
    batches: Option<Vec<Vec<u32>>>,
    /// Decides every random choice.
    seed: Option<u64>,
    /// `f32` or `f64`.
    #[schema(example = "f32")]
    precision: Option<String>,
    /// Threads of the job.
    threads: Option<u64>,
    /// Penalties and noise.
    #[schema(value_type = Option<Value>)]
    regularization: Option<Value>,
    /// Bounds on the gradient; `false` is off.
    #[schema(value_type = Option<Value>)]
    gradient_clipping: Option<Value>,
    /// When to stop early; `false` is off.
    #[schema(value_type = Option<Value>)]
    early_stopping: Option<Value>,
    /// How often the state is kept.
    #[schema(value_type = Option<Value>)]
    checkpoints: Option<Value>,
    /// What is recorded beside the metrics of each epoch.
    #[schema(value_type = Option<Value>)]
    record: Option<Value>,
    /// Checks to run before training.
    #[schema(example = json!(["gradient"]))]
    checks: Option<Vec<String>>,
    /// `warn` or `fail`.
    on_failed_check: Option<String>,
    /// `{"max_seconds":3600}`.
    #[schema(value_type = Option<Value>)]
    limits: Option<Value>,
    /// Weights to begin with: `{"weights":"wts_…"}` or `{"job":"job_…","checkpoint":"best"}`.
    #[schema(value_type = Option<Value>)]
    warm_start: Option<Value>,
}

/// What can be changed of a job.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON that `jobs::change` reads")]
pub(in crate::api) struct JobPatch {
    /// A new name; `null` takes it away.
    name: Option<String>,
    /// All tags anew.
    tags: Option<std::collections::BTreeMap<String, String>>,
    /// Higher goes first.
    priority: Option<i32>,
}

/// A page of samples.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(in crate::api) struct SamplePage {
    data: Vec<SampleBody>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// A dataset that comes with the binary.
#[derive(ToSchema)]
#[schema(as = Sample)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(in crate::api) struct SampleBody {
    #[schema(example = "iris")]
    name: String,
    /// One sentence about it.
    description: String,
    /// The column one would predict.
    target: String,
    /// Where it is from.
    source: String,
    /// Under which terms.
    licence: String,
    /// Data rows, unless it is drawn with others.
    rows: u64,
    /// What it can be drawn by: name, kind, default, minimum, maximum, help.
    #[schema(value_type = Vec<Object>)]
    parameters: Vec<Value>,
    bytes: u64,
}
