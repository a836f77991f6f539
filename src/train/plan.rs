//! What a run is to do: plain values, complete and without contradiction. `spec` makes them; nothing here is checked again.

use serde::{Deserialize, Serialize};

use crate::nn::Architecture;
use crate::nn::clipping::Clipping;
use crate::nn::optimizer::{Optimizer, Sparse};
use crate::nn::schedule::Schedule;

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The network. Its heads are the tasks, in the order of the targets.
    pub architecture: Architecture,
    /// How the output of each head is told in the target's own unit, one entry a head.
    pub units: Vec<OwnUnit>,
    /// How parameters change.
    pub optimizer: Optimizer,
    /// How the rate changes.
    pub schedule: Schedule,
    /// What embedding tables do with rows that a batch does not touch, one entry a table.
    pub sparse: Vec<Sparse>,
    /// What keeps the weights modest.
    pub regularization: Regularization,
    /// How large gradients are cut.
    pub clipping: Option<Clipping>,
    /// Which rows make a step.
    pub batching: Batching,
    /// Which tasks a step trains.
    pub task_sampling: TaskSampling,
    /// Passes over the training part, at most.
    pub epochs: u64,
    /// Key of all randomness.
    pub seed: u64,
    /// Number type.
    pub precision: Precision,
    /// Threads of a step; their number changes no bit.
    pub threads: usize,
    /// Which epoch is the best. `None`: the last.
    pub best: Option<Monitor>,
    /// When to stop early.
    pub early_stopping: Option<EarlyStopping>,
    /// A value of a metric at which the run has reached its aim.
    pub target: Option<TargetValue>,
    /// How often a checkpoint is written.
    pub checkpoints: Every,
    /// What is told beside the metrics of each epoch.
    pub record: Record,
    /// The fitted encoder as JSON (`Encoder::to_json`): it goes into every checkpoint as it is, so that a checkpoint is enough for predictions. Empty: none.
    pub encoder: Vec<u8>,
}

impl Plan {
    /// Rows of an ordinary step; all where a step takes all, or as many as the first of the client's own batches has.
    pub fn batch_rows(&self) -> usize {
        match &self.batching {
            Batching::Rows { size, .. } => *size,
            Batching::Full => usize::MAX,
            Batching::Given(batches) => batches.first().map_or(1, Vec::len),
        }
    }
}

/// The unit of a target: own = output · std + mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnUnit {
    /// What was subtracted.
    pub mean: f64,
    /// What was divided by.
    pub std: f64,
}

impl Default for OwnUnit {
    fn default() -> Self {
        OwnUnit { mean: 0.0, std: 1.0 }
    }
}

/// What keeps the weights modest. Activation sparsity and noise are parts of the architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Regularization {
    /// λ of λ‖W‖₁.
    pub l1: f64,
    /// L1 by a soft threshold after each step (exact zeros) in place of a slope.
    pub l1_proximal: bool,
    /// λ of λ/2 ‖W‖².
    pub l2: f64,
    /// Largest norm of a unit's incoming weights.
    pub max_norm: Option<f64>,
}

/// Which rows make a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Batching {
    /// So many rows, of a new permutation in each epoch or in the order of the examples. The last batch of an epoch may be shorter; where batch
    /// normalisation needs two rows, a last batch of one row joins the one before.
    Rows {
        /// Rows of a batch.
        size: usize,
        /// Whether the order is drawn anew in each epoch.
        shuffle: bool,
    },
    /// All rows: one step an epoch.
    Full,
    /// As the client says: rows of the table (not of the examples), a list for each step. All lists are one epoch, which repeats.
    Given(Vec<Vec<u32>>),
}

/// Which tasks a step trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSampling {
    /// All, by the sum of their losses.
    #[default]
    Joint,
    /// One, drawn in proportion to its labelled rows, on a batch of its own labelled rows. The other heads rest, moments and step counts included.
    Proportional,
    /// One, each as likely.
    Uniform,
}

/// Number type of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 64 bits.
    F64,
}

impl Precision {
    /// `f32` or `f64`, as `num::Real::NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
    }
}

/// A metric and its direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    /// Its name: `val_loss`, `val_accuracy/pos`, ….
    pub metric: String,
    /// Whether larger is better.
    pub maximise: bool,
}

/// When to stop before the last epoch, as Keras does: after `patience` epochs in a row that were no better than the best by more than `min_delta`.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    /// What is watched. The best epoch is that of this metric, whatever [`Plan::best`] says.
    pub monitor: Monitor,
    /// Bad epochs in a row after which it stops.
    pub patience: u64,
    /// What must be gained for an epoch not to be bad.
    pub min_delta: f64,
    /// Epochs before that neither count nor can be the best.
    pub start_epoch: u64,
    /// Whether the best checkpoint is the one with the best metric; else it is the last.
    pub restore_best: bool,
}

/// A value to reach.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetValue {
    /// The metric and its direction.
    pub monitor: Monitor,
    /// The value.
    pub value: f64,
}

/// How often a checkpoint is written, beside best, pause, drain and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Every {
    /// When the observer says that one is due: it has the clock.
    #[default]
    Auto,
    /// After so many epochs.
    Epochs(u64),
    /// After so many steps.
    Steps(u64),
}

/// What is told beside the metrics of each epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Metrics of steps. `Auto`: all of up to 20,000 steps, evenly thinned beyond.
    pub step_metrics: Switch,
    /// Statistics of layers.
    pub layer_statistics: Switch,
}

/// A switch that may be left to the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// As seems best.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}
