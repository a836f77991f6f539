//! How good a stored model is on rows of a table that has its targets.

use super::model::{Model, Weights};
use super::{PredictError, Predictor};
use crate::data::Rows;
use crate::train::{Evaluation, Evaluator, Real};

/// Batches that are encoded together.
const PIECES: usize = 32;

impl Predictor {
    /// Evaluates the model on rows of a table, in inference mode and without penalties.
    ///
    /// # Errors
    /// [`PredictError`] where an input or target column is missing or a cell is not what was learned.
    pub fn evaluate(&self, table: &dyn Rows, rows: &[u32], threads: usize) -> Result<Evaluation, PredictError> {
        match &self.model.weights {
            Weights::Single(parameters, buffers) => {
                self.evaluate_with::<f32>(parameters, buffers, table, rows, threads)
            }
            Weights::Double(parameters, buffers) => {
                self.evaluate_with::<f64>(parameters, buffers, table, rows, threads)
            }
        }
    }

    fn evaluate_with<T: Real>(
        &self,
        parameters: &[T],
        buffers: &[T],
        table: &dyn Rows,
        rows: &[u32],
        threads: usize,
    ) -> Result<Evaluation, PredictError> {
        let Model { network, units, .. } = &self.model;
        let mut evaluator = Evaluator::<T>::new(network, units, threads);
        // A piece at a time: a dataset need not fit into memory, nor its encoding.
        for rows in rows.chunks(PIECES * Evaluator::<T>::ROWS) {
            evaluator.add(parameters, buffers, &self.encoder.encode(table, rows)?);
        }
        Ok(evaluator.finish())
    }
}
