//! What a job will be, before it is one: the answer of a dry run.

use serde_json::{Value, json};

use super::resolved::ResolvedSpec;
use super::schema::Schema;
use super::size::Shape;

/// What a job will be, before it is one: the answer of a dry run, ready to be serialised.
///
/// `{"spec", "layers":[{"name","shape":[out, in],"parameters","activation",…}], "parameters", "rows", "training_rows", "steps_per_epoch", "steps",
/// "memory_bytes", "exact", "schedule":{"step":[…],"learning_rate":[…]}, "warnings":[{"code","pointer","detail"}]}`.
/// `exact` is false where one-hot or embedded columns make the counts an upper bound.
pub fn preview(spec: &ResolvedSpec, schema: &Schema) -> Value {
    let sizes = &spec.sizes;
    json!({
        "spec": spec.to_json(),
        "layers": sizes.tensors.iter().map(Shape::to_json).collect::<Vec<_>>(),
        "parameters": sizes.parameters,
        "rows": schema.rows,
        "training_rows": sizes.training_rows,
        "steps_per_epoch": sizes.steps_per_epoch,
        "epochs": spec.epochs,
        "steps": spec.epochs.saturating_mul(sizes.steps_per_epoch),
        "memory_bytes": sizes.memory_bytes,
        "exact": sizes.exact,
        "warnings": spec.warnings,
    })
}
