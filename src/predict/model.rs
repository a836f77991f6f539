//! A network with its weights in the number type it was trained in, and the passes that predict.

use super::{Outputs, PredictError};
use crate::data::error::RowFault;
use crate::data::{Cell, Encoder, Examples, Rows};
use crate::nn::{Batch, Network, Tokens, head};
use crate::train::{Checkpoint, OwnUnit, Precision, Real};

#[derive(Debug)]
pub(super) struct Model {
    pub network: Network,
    pub weights: Weights,
    /// Unit of each head's output.
    pub units: Vec<OwnUnit>,
}

/// Parameters and buffers.
#[derive(Debug)]
pub(super) enum Weights {
    Single(Vec<f32>, Vec<f32>),
    Double(Vec<f64>, Vec<f64>),
}

impl Model {
    pub fn new(checkpoint: &Checkpoint) -> Self {
        let weights = match checkpoint.precision {
            Precision::F32 => Weights::Single(checkpoint.parameters(), checkpoint.buffers()),
            Precision::F64 => Weights::Double(checkpoint.parameters(), checkpoint.buffers()),
        };
        let network = Network::new(checkpoint.architecture.clone());
        Model { network, weights, units: checkpoint.units.clone() }
    }

    /// Appends the outputs for rows of cells; returns the rows that could not be encoded.
    pub fn infer_cells(&self, encoder: &Encoder, cells: &[Cell<'_>], outputs: &mut Outputs) -> Vec<RowFault> {
        match &self.weights {
            Weights::Single(parameters, buffers) => {
                let mut examples = Examples::default();
                let faults = encoder.encode_cells(cells, &mut examples);
                self.infer(parameters, buffers, &examples, outputs);
                faults
            }
            Weights::Double(parameters, buffers) => {
                let mut examples = Examples::default();
                let faults = encoder.encode_cells(cells, &mut examples);
                self.infer(parameters, buffers, &examples, outputs);
                faults
            }
        }
    }

    /// Appends the outputs for rows of a table.
    pub fn infer_table(
        &self,
        encoder: &Encoder,
        table: &dyn Rows,
        rows: &[u32],
        outputs: &mut Outputs,
    ) -> Result<(), PredictError> {
        match &self.weights {
            Weights::Single(parameters, buffers) => {
                self.infer(parameters, buffers, &encoder.encode_inputs(table, rows)?, outputs);
            }
            Weights::Double(parameters, buffers) => {
                self.infer(parameters, buffers, &encoder.encode_inputs(table, rows)?, outputs);
            }
        }
        Ok(())
    }

    fn infer<T: Real>(&self, parameters: &[T], buffers: &[T], examples: &Examples<T>, outputs: &mut Outputs) {
        let tokens: Vec<_> =
            examples.tokens.iter().map(|column| Tokens { offsets: &column.offsets, ids: &column.ids }).collect();
        let batch =
            Batch { rows: examples.rows, features: &examples.dense, tokens: &tokens, targets: &[], weights: None };
        let mut space = self.network.workspace(examples.rows, 1);
        self.network.infer(parameters, buffers, &batch, &mut space);
        for (index, (layers, values)) in self.network.architecture().heads.iter().zip(&mut outputs.values).enumerate() {
            let mut out = space.outputs(&self.network, index).to_vec();
            head::interpret(layers.loss, layers.outputs, &mut out);
            values.extend(out.into_iter().map(T::to_f64));
        }
        outputs.rows += examples.rows;
    }
}
