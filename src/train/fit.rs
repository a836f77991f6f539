//! What a run begins with, how it ends, and its door. The loop itself is in `run`.

use super::checkpoint::Checkpoint;
use super::observer::{Best, CheckpointSet, Observer, ObserverError, Progress, StopReason};
use super::plan::Plan;
use super::run::Run;
use crate::data::{DataError, Part};
use crate::num::Real;

/// The encoded parts of a dataset.
#[derive(Clone, Debug)]
pub struct Dataset<T: 'static> {
    /// Rows to learn from.
    pub train: Part<T>,
    /// Rows that decide when to stop and which epoch is best.
    pub validation: Option<Part<T>>,
    /// Rows that decide nothing; their metrics (`test_…`, of the best weights) are told once, with the last epoch.
    pub test: Option<Part<T>>,
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub enum Start<T> {
    /// New weights, drawn by the architecture's rules.
    Fresh,
    /// These parameters, in the order of the network's layout; `buffers` (running statistics) where there are some.
    Weights {
        /// All parameters.
        parameters: Vec<T>,
        /// All buffers; `None` for the usual first values.
        buffers: Option<Vec<T>>,
    },
    /// Where another run, or an earlier attempt of this one, stood: to the same bits as if there had been no interruption.
    Resume {
        /// The state.
        last: Box<Checkpoint>,
        /// The best weights up to there, where they are not those of `last`.
        best: Option<Box<Checkpoint>>,
        /// Whether the observer has the best weights already: those of an earlier attempt it has, those of another run it has not, and gets them with the first
        /// checkpoint.
        best_is_kept: bool,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why.
    pub reason: StopReason,
    /// How far it came.
    pub at: Progress,
    /// The best epoch; `None` where no epoch was completed.
    pub best: Option<Best>,
    /// Metrics of the last completed epoch.
    pub last: Vec<(String, f64)>,
    /// The last checkpoints, to be kept together with the end of the run.
    pub set: CheckpointSet,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// A number became infinite or NaN. The last finite state was given to the observer before.
    #[error("{0}")]
    Diverged(Divergence),
    /// The observer could not go on.
    #[error("{0}")]
    Observer(#[from] ObserverError),
    /// Plan, data and start do not belong together.
    #[error("{0}")]
    Mismatch(String),
    /// Rows that are not in memory could not be read.
    #[error("{0}")]
    Data(String),
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Failure {
        Failure::Data(error.to_string())
    }
}

/// Where a run diverged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The first tensor, in the order of computation, that is not finite: `input`, `hidden.1`, `head.species`, `hidden.0.weight`.
    pub tensor: String,
    /// What of it: `input`, `pre_activation`, `activation`, `output`, `loss`, `gradient`, `parameter`.
    pub kind: &'static str,
    /// Epochs completed before.
    pub epoch: u64,
    /// The step that could not be completed, from 1.
    pub step: u64,
    /// Rows of the table: those in which it stands where the tensor has rows, else all of that step's batch.
    pub rows: Vec<u32>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Divergence { tensor, kind, epoch, step, .. } = self;
        write!(f, "the {} of {tensor} is not finite at step {step}, in epoch {}", kind.replace('_', "-"), epoch + 1)
    }
}

/// Trains. The same plan, data and start give the same bits, whatever the observer answers and however often the run is interrupted and resumed.
///
/// # Errors
/// [`Failure`]; a run that was stopped is no failure.
pub fn fit<T: Real>(
    plan: &Plan,
    data: &Dataset<T>,
    start: Start<T>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Failure> {
    Run::new(plan, data, start, observer)?.run_to_end()
}
