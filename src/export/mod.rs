//! A trained model in the formats of others.

mod embeddings;
mod summary;
mod weights;

pub use crate::train::{UploadedWeights, WeightsError, WeightsFault, parse_weights};
pub use embeddings::{Embeddings, embeddings};
pub use summary::{TensorSummary, summary};
pub use weights::safetensors;
