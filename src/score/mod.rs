//! How good predictions are: pure functions over predictions and true values. Not what made them, and not how they are told.
//!
//! Definitions are scikit-learn's, to 1e-9 (`tests/numerics/scores.rs`). Where a measure divides nothing by nothing it is
//! [`Undefined`] with the reason, rather than a number by convention; the doc of each function says where that differs.

mod bootstrap;
mod calibration;
mod classes;
mod numbers;
mod ranking;

pub use bootstrap::{Interval, Resampling, intervals};
pub use calibration::{CALIBRATION_BINS, CalibrationBin, calibration, expected_calibration_error};
pub use classes::{
    Averages, ClassScore, Confusion, brier_loss, confusion, log_loss, log_losses, mean, most_probable, top_k,
};
pub use numbers::{NumberScores, quantile, score_numbers};
pub use ranking::{
    Ranking, ThresholdRow, average_precision, precision_recall_curve, roc_auc, roc_curve, threshold_table,
};

/// A number, or why there is none.
pub type Measure = Result<f64, Undefined>;

/// Why a measure has no value for these rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undefined(pub &'static str);

pub(crate) const NO_ROWS: Undefined = Undefined("there are no rows");
