//! A trained model in the formats of others.

mod weights;

pub use crate::train::{UploadedWeights, WeightsError, WeightsFault, parse_weights};
pub use weights::safetensors;
