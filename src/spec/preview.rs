//! What a job will be, before it is one: the answer of a dry run.

use serde_json::{Value, json};

use super::resolved::ResolvedSpec;
use super::schema::Schema;
use super::size::Shape;
use crate::nn::schedule::{PlateauState, Time};

/// What a job will be, before it is one: the answer of a dry run, ready to be serialised.
///
/// `{"spec", "layers":[{"name","shape":[out, in],"parameters","activation",…}], "parameters", "rows", "training_rows", "steps_per_epoch", "steps",
/// "memory_bytes", "data_in_memory", "exact", "schedule":{"step":[…],"learning_rate":[…]}, "warnings":[{"code","pointer","detail"}]}`.
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
        "schedule": schedule(spec),
        "memory_bytes": sizes.memory_bytes,
        "data_in_memory": sizes.data_in_memory,
        "exact": sizes.exact,
        "warnings": spec.warnings,
    })
}

/// Points of the schedule that are shown at most.
const POINTS: u64 = 500;

/// The rate of each step, thinned evenly where there are many; plateau rules cut only while they train.
fn schedule(spec: &ResolvedSpec) -> Value {
    let schedule = spec.nn_schedule(spec.sizes.training_rows);
    let base = spec.optimizer.values.number("learning_rate");
    let per_epoch = spec.sizes.steps_per_epoch;
    let total = spec.epochs.saturating_mul(per_epoch);
    let points = total.min(POINTS);
    let step = |point: u64| {
        (u128::from(point) * u128::from(total.saturating_sub(1)) / u128::from(points.saturating_sub(1).max(1))) as u64
    };
    let steps: Vec<u64> = (0..points).map(step).collect();
    let time = |step: u64| Time { step, epoch: step / per_epoch.max(1), steps_per_epoch: per_epoch };
    let rates: Vec<f64> =
        steps.iter().map(|&step| schedule.learning_rate(base, time(step), &PlateauState::default())).collect();
    json!({ "step": steps, "learning_rate": rates })
}
