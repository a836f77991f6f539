//! What a spec means where it is silent, with the reason of each choice. All of it is shown in the resolved spec.

use super::activations;
use super::catalogue::Entry;
use super::layers::{Layer, LayerDefaults, plain};
use super::size::Sizes;
use super::training::BatchSize;

/// Rows of a step: the lecture notes' lower end (20–1000). Small batches learn most per row, and 32 rows keep the
/// arithmetic units busy.
pub(super) const BATCH_SIZE: u64 = 32;

/// Units of the default hidden layer: the anchor of the digits reaches its best with them, and on iris they do no harm
/// because training stops when the validation part says so.
const UNITS: u64 = 64;

/// Steps that the default number of epochs aims at where the data are few, and the bounds of that number.
const STEPS: u64 = 2_000;
const FEWEST_EPOCHS: u64 = 60;
const MOST_EPOCHS: u64 = 600;

/// Rows from which on hidden layers are relu. Below, tanh: its smooth, bounded units generalise better from few rows (iris, 25 random held-out
/// quarters: .957 against .938), while relu trains larger and deeper networks faster.
const FEW_ROWS: u64 = 1000;

/// Weights up to which the gradient check runs unasked: it takes some thousand evaluations of the network in f64.
const CHECKED_PARAMETERS: u64 = 200_000;

/// The activation of hidden layers.
pub(super) fn activation(rows: Option<u64>) -> &'static Entry<activations::Built> {
    let name = if rows.is_some_and(|rows| rows < FEW_ROWS) { "tanh" } else { "relu" };
    activations::TABLE.iter().find(|entry| entry.name == name).unwrap_or(&activations::TABLE[0])
}

/// One hidden layer.
pub(super) fn hidden_layers(defaults: &LayerDefaults) -> Vec<Layer> {
    vec![plain(UNITS, "/hidden_layers".into(), defaults)]
}

/// Epochs: small data need many to make enough steps, large data few; early stopping ends them sooner.
pub(super) fn epochs(training_rows: u64, batch_size: BatchSize) -> u64 {
    let batch = match batch_size {
        BatchSize::Full => training_rows,
        BatchSize::Rows(rows) => rows,
    };
    let steps = training_rows.div_ceil(batch.max(1)).max(1);
    STEPS.div_ceil(steps).clamp(FEWEST_EPOCHS, MOST_EPOCHS)
}

/// Epochs without an improvement that are forgiven: a fifth of all, at least ten, at most forty. A validation part of a few dozen
/// rows is noisy, and an epoch over it costs nothing.
pub(super) fn patience(epochs: u64) -> u64 {
    (epochs / 5).clamp(10, 40)
}

/// The checks that cost little beside the training itself.
pub(super) fn checks(sizes: &Sizes) -> Vec<&'static str> {
    let mut checks = vec!["data", "initial_loss"];
    if sizes.parameters <= CHECKED_PARAMETERS {
        checks.push("gradient");
    }
    checks
}
