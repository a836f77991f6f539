//! Procedures that the classic notes teach: checks before, during and after a run.
//!
//! Each takes a network and encoded rows and gives a report: a verdict, the numbers it rests on, and what to do. All of them compute in
//! f64 whatever the job's precision is, and none leaves a trace in the job. Which checks a job runs and where their reports are
//! kept is not decided here.

mod batch;
mod beginning;
mod chance;
mod check;
mod dataset;
pub mod diagnosis;
mod gradient;
mod initial_loss;
mod lr_range;
mod overfit;
mod short;
pub mod strategy;
mod tell;

pub use beginning::{
    BlindCurve, InitStatistics, InputIndependent, LayerAtStart, beginning_rows, check_init, check_input_independent,
};
pub use check::{CHECKS, Report, Subject, check};
pub use dataset::{ColumnTells, DataCheck, DataFinding, HeldOut, check_data};
pub use gradient::{GradientCheck, GradientPoint, TensorCheck, Worst, check_gradient, gradient_rows};
pub use initial_loss::{InitialLoss, TaskInitialLoss, check_initial_loss};
pub use lr_range::{LrRange, RangeCurve, check_lr_range, range_rows};
pub use overfit::{Curve, Overfit, check_overfit, overfit_rows};

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing could be judged.
    Unchecked,
    /// As it should be.
    Passed,
    /// Not as it should be: read the advice.
    Failed,
}

impl Verdict {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Unchecked => "unchecked",
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests;
