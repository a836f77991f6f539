//! What a run tells, and what it asks. The observer has the clock, the store and the client's wishes; the run has none of them.

use serde::{Deserialize, Serialize};

use super::checkpoint::Saved;

/// Hears of a run and steers it. All methods are called from the thread of the run, in the order of time.
pub trait Observer {
    /// An epoch is completed; epoch 0 is the untrained network.
    fn epoch(&mut self, report: &EpochReport<'_>);

    /// A step is completed whose metrics are recorded (`Record::step_metrics`). Called often: keep it cheap.
    fn step(&mut self, report: &StepReport<'_>);

    /// Whether a checkpoint is due now; asked where the plan leaves it to the observer ([`super::plan::Every::Auto`]), before the first step (`at.step` is 0 in a fresh
    /// run) and after each.
    fn checkpoint_due(&mut self, at: &Progress) -> bool;

    /// Takes a checkpoint. The run waits until it returns.
    ///
    /// # Errors
    /// Where it cannot be kept and the run must end; it ends with [`super::Failure::Observer`].
    fn checkpoint(&mut self, set: CheckpointSet) -> Result<(), ObserverError>;

    /// What to do next; asked before the first step and after each.
    fn directive(&mut self, at: &Progress) -> Directive;

    /// Something happened that is no number.
    fn event(&mut self, event: &Event) {
        let _ = event;
    }
}

/// An observer that lets a run go on to its end and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn epoch(&mut self, _: &EpochReport<'_>) {}
    fn step(&mut self, _: &StepReport<'_>) {}
    fn checkpoint_due(&mut self, _: &Progress) -> bool {
        false
    }
    fn checkpoint(&mut self, _: CheckpointSet) -> Result<(), ObserverError> {
        Ok(())
    }
    fn directive(&mut self, _: &Progress) -> Directive {
        Directive::Continue
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: u64,
    /// Epochs of the plan.
    pub epochs: u64,
    /// Steps completed.
    pub step: u64,
    /// Steps of the plan.
    pub steps: u64,
    /// Rows trained on, repeats counted.
    pub rows: u64,
}

/// A completed epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochReport<'a> {
    /// How far the run is; `at.epoch` is the epoch that is completed.
    pub at: Progress,
    /// Names (as the API has them) and values. The same names in the same order from epoch 1 on, but for those that are not computed in every epoch; epoch 0
    /// has fewer.
    pub metrics: &'a [(String, f64)],
    /// `layer/NAME/WHAT` of every layer, after epochs in which it was looked.
    pub layers: &'a [(String, f64)],
    /// The best epoch so far, this one included.
    pub best: Option<&'a Best>,
    /// Whether this epoch is the best so far.
    pub improved: bool,
    /// Bad epochs that early stopping still forgives.
    pub patience_left: Option<u64>,
}

/// A completed step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport<'a> {
    /// How far the run is; `at.step` is the step that is completed, `at.epoch` the epochs completed before it.
    pub at: Progress,
    /// Names and values; the same names in the same order in every step.
    pub metrics: &'a [(String, f64)],
}

/// The best epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Which epoch.
    pub epoch: u64,
    /// Steps completed at its end.
    pub step: u64,
    /// The metric that decides.
    pub metric: String,
    /// Its value there.
    pub value: f64,
}

/// Checkpoints that belong together: to be kept in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckpointSet {
    /// The state to go on from, at a step boundary.
    pub last: Option<Saved>,
    /// The best weights, if they changed since the last set.
    pub best: Option<Saved>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Go on.
    Continue,
    /// Write the state and end with [`StopReason::Paused`].
    Pause,
    /// Write the state and end with [`StopReason::Cancelled`].
    Cancel,
    /// Write the state and end with [`StopReason::Drained`].
    Drain,
    /// End as if all epochs were done, for this reason (a budget is used up).
    Stop(StopReason),
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// All epochs are done.
    EpochsDone,
    /// The monitored metric stopped improving.
    EarlyStopping,
    /// The budget of time is used up.
    MaxSeconds,
    /// A metric reached its target value.
    TargetReached,
    /// A client cancelled it.
    Cancelled,
    /// A client paused it; it can go on.
    Paused,
    /// The server drains; it can go on.
    Drained,
}

impl StopReason {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            StopReason::EpochsDone => "epochs_done",
            StopReason::EarlyStopping => "early_stopping",
            StopReason::MaxSeconds => "max_seconds",
            StopReason::TargetReached => "target_reached",
            StopReason::Cancelled => "cancelled",
            StopReason::Paused => "paused",
            StopReason::Drained => "drained",
        }
    }

    /// Whether the run is over for good and has a result.
    pub fn is_done(self) -> bool {
        !matches!(self, StopReason::Cancelled | StopReason::Paused | StopReason::Drained)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The plateau rule cut the rate after this epoch.
    RateCut {
        /// Epochs completed.
        epoch: u64,
        /// The rate before.
        from: f64,
        /// The rate now.
        to: f64,
    },
    /// A step was left out because all its rows have the weight 0 or no label.
    StepSkipped {
        /// The step's number.
        step: u64,
    },
}

/// Why an observer cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ObserverError(pub String);
