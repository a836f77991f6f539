//! Encoded rows as one batch of a network.

use crate::data::{Examples, TargetColumn};
use crate::nn::{Batch, Targets, Tokens};

/// Calls `f` with all examples as one batch.
pub(super) fn with_batch<R>(examples: &Examples<f64>, f: impl FnOnce(&Batch<'_, f64>) -> R) -> R {
    let tokens: Vec<Tokens<'_>> =
        examples.tokens.iter().map(|column| Tokens { offsets: &column.offsets, ids: &column.ids }).collect();
    let targets: Vec<Targets<'_, f64>> = examples
        .targets
        .iter()
        .map(|column| match column {
            TargetColumn::Classes(classes) => Targets::Classes(classes),
            TargetColumn::Values { values, .. } => Targets::Values(values),
            TargetColumn::Distribution { values, .. } => Targets::Distribution(values),
        })
        .collect();
    f(&Batch {
        rows: examples.rows,
        features: &examples.dense,
        tokens: &tokens,
        targets: &targets,
        weights: examples.weights.as_deref(),
    })
}
