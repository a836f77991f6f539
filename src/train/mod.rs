//! The plan of a run, the training loop, evaluation and the checkpoint's bytes. No clock, files, SQL or HTTP.
//!
//! [`fit`] runs a [`Plan`] over a [`Dataset`], tells an [`Observer`] what happens and asks it whether to go on. Everything that a run
//! needs to go on to the same bits is in its checkpoint; randomness comes from (seed, stream, epoch, step) alone.

pub mod checkpoint;
mod evaluate;
mod fit;
mod meter;
mod observer;
mod order;
mod plan;
mod run;
mod tracker;
mod uploaded;
mod view;

pub use checkpoint::{Checkpoint, CheckpointError, Saved};
pub use evaluate::{Evaluation, Evaluator, TaskEvaluation, evaluate};
pub use fit::{Dataset, Divergence, Failure, Outcome, Start, fit};
pub use observer::{
    Best, CheckpointSet, Directive, EpochReport, Event, Observer, ObserverError, Progress, StepReport, StopReason,
    Unobserved,
};
pub use plan::{
    Batching, EarlyStopping, Every, Monitor, OwnUnit, Plan, Precision, Record, Regularization, Switch, TargetValue,
    TaskSampling,
};

pub use uploaded::{UploadedWeights, WeightsError, WeightsFault, parse_weights, start_with, start_with_vectors};

/// The numbers that a run can compute with, and the version of the arithmetic that every run is computed in.
pub use crate::num::{ARITHMETIC_VERSION, Real};

#[cfg(test)]
mod tests;
