//! From a checkpoint and raw rows to named predictions. Not the files and bodies that rows come from.

use crate::data::error::RowFault;
use crate::data::{Cell, DataError, Encoder, Table};
use crate::train::CheckpointError;

/// A trained model, ready to predict. It is not changed by predicting: share it between threads.
#[derive(Debug)]
pub struct Predictor {
    encoder: Encoder,
}

/// Predictions for some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Number of rows.
    pub rows: usize,
    /// One entry for each target, in the order of the plan.
    pub targets: Vec<TargetPredictions>,
    /// Rows that could not be encoded (row = place in what was given); their predictions mean nothing.
    pub faults: Vec<RowFault>,
}

/// Predictions of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetPredictions {
    /// The target's name.
    pub name: String,
    /// What was predicted.
    pub values: PredictedValues,
}

/// What was predicted of one target.
#[derive(Clone, Debug, PartialEq)]
pub enum PredictedValues {
    /// One of several classes (two for a binary target).
    Classes {
        /// The labels in the order of the classes.
        labels: Vec<String>,
        /// The most probable class of each row, an index into `labels`.
        best: Vec<u32>,
        /// `[rows, labels]`.
        probabilities: Vec<f64>,
    },
    /// Several yes-or-no labels.
    Labels {
        /// The labels.
        labels: Vec<String>,
        /// Probability of each, `[rows, labels]`.
        probabilities: Vec<f64>,
    },
    /// A number in the target's own unit, one a row.
    Numbers(Vec<f64>),
}

/// Why there is no predictor, or no prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The encoder or the rows do not fit.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Predictor {
    /// Makes a predictor from the bytes of a checkpoint, with nothing else.
    ///
    /// # Errors
    /// [`PredictError`] where the bytes are damaged or of a later version.
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Predictor, PredictError> {
        let _ = bytes;
        Err(CheckpointError::Damaged("not there yet".into()).into())
    }

    /// The encoder: input columns in the order of cells, targets with their labels.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Predicts rows that a client sent: `cells` is row-major, one cell for each of the encoder's input columns. For streams: call it with some hundred rows at a
    /// time; the cut changes no bit.
    pub fn predict_cells(&self, cells: &[Cell<'_>]) -> Predictions {
        let _ = cells;
        Predictions { rows: 0, targets: Vec::new(), faults: Vec::new() }
    }

    /// Predicts rows of a table, which need not have the targets.
    ///
    /// # Errors
    /// [`DataError`] where an input column is missing.
    pub fn predict_table(&self, table: &Table, rows: &[u32]) -> Result<Predictions, PredictError> {
        let _ = (table, rows);
        Err(CheckpointError::Damaged("not there yet".into()).into())
    }
}
