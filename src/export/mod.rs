//! A trained model in the formats of others.

mod summary;
mod weights;

pub use crate::train::{UploadedWeights, WeightsError, WeightsFault, parse_weights};
pub use summary::{TensorSummary, summary};
pub use weights::safetensors;
