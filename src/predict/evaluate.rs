//! How good a stored model is on rows of a table that has its targets.

use super::model::{Model, Weights};
use super::{PredictError, Predictor};
use crate::data::Table;
use crate::train::{self, Evaluation};

impl Predictor {
    /// Evaluates the model on rows of a table, in inference mode and without penalties.
    ///
    /// # Errors
    /// [`PredictError`] where an input or target column is missing or a cell is not what was learned.
    pub fn evaluate(&self, table: &Table, rows: &[u32], threads: usize) -> Result<Evaluation, PredictError> {
        let Model { network, weights, units } = &self.model;
        Ok(match weights {
            Weights::Single(parameters, buffers) => {
                let examples = self.encoder.encode::<f32>(table, rows)?;
                train::evaluate(network, parameters, buffers, &examples, units, threads)
            }
            Weights::Double(parameters, buffers) => {
                let examples = self.encoder.encode::<f64>(table, rows)?;
                train::evaluate(network, parameters, buffers, &examples, units, threads)
            }
        })
    }
}
