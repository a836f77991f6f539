//! A trained model in the formats of others.

mod weights;

pub use weights::{UploadedWeights, WeightsError, WeightsFault, parse_weights, safetensors};
