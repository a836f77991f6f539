//! The linear model on the same encoding: what the hidden layers must beat to be worth having.

use std::sync::Arc;

use super::model::Weights;
use super::{PredictError, Predictor};
use crate::data::Rows;
use crate::nn::Network;
use crate::nn::optimizer::{Lbfgs, Method, Optimizer, Sparse};
use crate::nn::schedule::{Rule, Schedule, Unit};
use crate::train::{
    self, Batching, Dataset, Every, Plan, Precision, Real, Record, Regularization, Start, Switch, TaskSampling,
    Unobserved,
};

/// Multiply-adds of one pass over the training part beyond which no linear model is made beside an evaluation.
pub const LINEAR_BUDGET: usize = 10_000_000;
/// Steps of the optimizer, of up to 20 iterations each: enough for the convex problems of this size.
const EPOCHS: u64 = 8;
/// A trace of shrinkage: without it, separable classes would have no finite optimum.
const L2: f64 = 1e-4;

impl Predictor {
    /// Trains the same heads without hidden layers, on the same encoding of the same rows; `None` where that is too much work.
    ///
    /// # Errors
    /// [`PredictError`] where the rows do not fit the encoder.
    pub fn linear(&self, table: &dyn Rows, train_rows: &[u32], seed: u64) -> Result<Option<Predictor>, PredictError> {
        let mut architecture = self.model.network.architecture().clone();
        (architecture.input_dropout, architecture.input_noise, architecture.activation_sparsity) = (0.0, 0.0, None);
        architecture.hidden.clear();
        architecture.heads.iter_mut().for_each(|head| head.hidden.clear());
        let weights = Network::new(architecture.clone()).layout().len();
        if weights.saturating_mul(train_rows.len()) > LINEAR_BUDGET {
            return Ok(None);
        }
        let precision = match self.model.weights {
            Weights::Single(..) => Precision::F32,
            Weights::Double(..) => Precision::F64,
        };
        let plan = Plan {
            sparse: vec![Sparse::Exact; architecture.tables.len()],
            architecture,
            units: self.model.units.clone(),
            optimizer: Optimizer::new(Method::Lbfgs(Lbfgs::default()), 1.0),
            schedule: Schedule { rule: Rule::Constant, unit: Unit::Step, warmup: None },
            regularization: Regularization { l2: L2, ..Regularization::default() },
            clipping: None,
            batching: Batching::Full,
            task_sampling: TaskSampling::Joint,
            epochs: EPOCHS,
            seed,
            precision,
            threads: 1,
            best: None,
            early_stopping: None,
            target: None,
            checkpoints: Every::Epochs(EPOCHS),
            record: Record { step_metrics: Switch::Off, layer_statistics: Switch::Off },
            encoder: self.encoder.to_json(),
        };
        let outcome = match precision {
            Precision::F32 => self.train::<f32>(&plan, table, train_rows)?,
            Precision::F64 => self.train::<f64>(&plan, table, train_rows)?,
        };
        outcome.map(|bytes| Predictor::from_checkpoint(&bytes)).transpose()
    }

    /// The last checkpoint; `None` where the run failed.
    fn train<T: Real>(&self, plan: &Plan, table: &dyn Rows, rows: &[u32]) -> Result<Option<Vec<u8>>, PredictError> {
        let train = self.encoder.encode::<T>(table, rows)?;
        let data = Dataset { train: train.into(), validation: None, test: None };
        let outcome = train::fit(plan, &data, Start::Fresh, &mut Unobserved);
        Ok(outcome.ok().and_then(|outcome| outcome.set.last).map(|saved| Arc::unwrap_or_clone(saved.bytes)))
    }
}
