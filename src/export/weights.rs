//! Weights as safetensors: out of a checkpoint, and in from a client.

use crate::nn::Network;
use crate::num::Real;
use crate::train::Checkpoint;

/// Writes all tensors of a checkpoint, running statistics included, as safetensors with the names of the API. The same checkpoint gives the same bytes.
pub fn safetensors(checkpoint: &Checkpoint) -> Vec<u8> {
    let _ = checkpoint;
    Vec::new()
}

/// Uploaded weights as a run takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadedWeights<T> {
    /// All parameters, in the order of the network's layout.
    pub parameters: Vec<T>,
    /// All buffers, where the upload has them.
    pub buffers: Option<Vec<T>>,
}

/// Why uploaded weights do not fit a network: all reasons at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct WeightsError(pub Vec<WeightsFault>);

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsFault {
    /// Not safetensors.
    #[error("not a safetensors file: {0}")]
    Format(String),
    /// A tensor of the network is not there.
    #[error("{name} of shape {shape:?} is missing")]
    Missing {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor that the network does not have.
    #[error("{name} is no tensor of this network")]
    Extra {
        /// Its name.
        name: String,
    },
    /// Another shape.
    #[error("{name} has shape {got:?}, the network needs {needed:?}")]
    Shape {
        /// Its name.
        name: String,
        /// As uploaded.
        got: Vec<usize>,
        /// As needed.
        needed: Vec<usize>,
    },
    /// A number type other than F32, F64, F16 and BF16.
    #[error("{name} has the number type {got}; F64, F32, F16 and BF16 are read")]
    Type {
        /// Its name.
        name: String,
        /// As uploaded.
        got: String,
    },
    /// A number that is infinite or NaN.
    #[error("{name} holds a number that is not finite")]
    NotFinite {
        /// Its name.
        name: String,
    },
}

/// Reads uploaded safetensors into the order of a network's layout.
///
/// # Errors
/// All faults at once.
pub fn parse_weights<T: Real>(bytes: &[u8], network: &Network) -> Result<UploadedWeights<T>, WeightsError> {
    let _ = (bytes, network);
    Err(WeightsError(vec![WeightsFault::Format("not there yet".into())]))
}
