//! From a checkpoint and raw rows to named predictions, and what can be said of a model by predicting. Not the files and bodies
//! that rows come from, and not the measures themselves (`score`).

mod evaluate;
mod explain;
mod judge;
mod linear;
mod model;

pub use explain::{Dependence, DependencePoint, Importance, Moved, Put};
pub use judge::{Judged, JudgedLabel, JudgedValues};
pub use linear::LINEAR_BUDGET;

use crate::data::encoder::TargetKind;
use crate::data::error::RowFault;
use crate::data::{Cell, DataError, Encoder, Rows};
use crate::train::checkpoint::decode;
use crate::train::{Checkpoint, CheckpointError};

use crate::nn::head::argmax;
use model::Model;

/// A trained model, ready to predict. It is not changed by predicting: share it between threads.
#[derive(Debug)]
pub struct Predictor {
    encoder: Encoder,
    model: Model,
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
        Predictor::new(&decode(bytes)?)
    }

    /// Makes a predictor from a decoded checkpoint.
    ///
    /// # Errors
    /// [`PredictError`] where its encoder cannot be read or does not belong to its network.
    pub fn new(checkpoint: &Checkpoint) -> Result<Predictor, PredictError> {
        let encoder = Encoder::from_json(&checkpoint.encoder)?;
        let architecture = &checkpoint.architecture;
        let outputs = |head: &crate::nn::Head| head.outputs;
        let fits = encoder.features() == architecture.features
            && encoder.tokens().len() == architecture.tokens.len()
            && encoder.targets().iter().map(|target| target.outputs()).eq(architecture.heads.iter().map(outputs));
        if !fits {
            return Err(CheckpointError::Damaged("its encoder belongs to another network".into()).into());
        }
        Ok(Predictor { encoder, model: Model::new(checkpoint) })
    }

    /// The encoder: input columns in the order of cells, targets with their labels.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Predicts rows that a client sent: `cells` is row-major, one cell for each of the encoder's input columns. For streams: call it with some hundred rows at a
    /// time; the cut changes no bit.
    pub fn predict_cells(&self, cells: &[Cell<'_>]) -> Predictions {
        let columns = self.encoder.input_columns().len();
        let (mut outputs, mut faults) = (Outputs::new(&self.encoder), Vec::new());
        for (chunk, cells) in cells.chunks(CHUNK * columns.max(1)).enumerate() {
            let mut found = self.model.infer_cells(&self.encoder, cells, &mut outputs);
            found.iter_mut().for_each(|fault| fault.row += chunk * CHUNK);
            faults.append(&mut found);
        }
        outputs.finish(&self.encoder, faults)
    }

    /// Predicts rows of a table, which need not have the targets.
    ///
    /// # Errors
    /// [`DataError`] where an input column is missing.
    pub fn predict_table(&self, table: &dyn Rows, rows: &[u32]) -> Result<Predictions, PredictError> {
        let mut outputs = Outputs::new(&self.encoder);
        for rows in rows.chunks(CHUNK) {
            self.model.infer_table(&self.encoder, table, rows, &mut outputs)?;
        }
        Ok(outputs.finish(&self.encoder, Vec::new()))
    }
}

/// Rows that go through the network together.
const CHUNK: usize = 256;

/// What the heads gave so far: probabilities or numbers, `[rows, outputs]` for each target.
struct Outputs {
    rows: usize,
    values: Vec<Vec<f64>>,
}

impl Outputs {
    fn new(encoder: &Encoder) -> Self {
        Outputs { rows: 0, values: vec![Vec::new(); encoder.targets().len()] }
    }

    fn finish(self, encoder: &Encoder, faults: Vec<RowFault>) -> Predictions {
        let targets = encoder.targets().iter().zip(self.values).map(|(target, values)| {
            let labels = target.classes.clone();
            let values = match target.kind {
                TargetKind::Classification | TargetKind::Distribution => {
                    let best = values.chunks_exact(labels.len().max(1)).map(|row| argmax(row) as u32).collect();
                    PredictedValues::Classes { labels, best, probabilities: values }
                }
                TargetKind::Binary => PredictedValues::Classes {
                    labels,
                    // Not p ≥ 1/2: the raw output decides in training's accuracy, and 0 is not above 0.
                    best: values.iter().map(|p| u32::from(*p > 0.5)).collect(),
                    probabilities: values.iter().flat_map(|p| [1.0 - p, *p]).collect(),
                },
                TargetKind::Multilabel => PredictedValues::Labels { labels, probabilities: values },
                TargetKind::Regression { .. } => {
                    PredictedValues::Numbers(values.into_iter().map(|value| target.to_own_unit(value)).collect())
                }
            };
            TargetPredictions { name: target.name.clone(), values }
        });
        Predictions { rows: self.rows, targets: targets.collect(), faults }
    }
}
