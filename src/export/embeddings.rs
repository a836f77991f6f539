//! The vectors of an embedding table with their words, out of a checkpoint.

use crate::data::{DataError, Encoder};
use crate::nn::Network;
use crate::train::{Checkpoint, Precision};

/// One embedding table of a trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// The words, a row each: `<pad>`, `<unk>`, then the vocabulary.
    pub words: Vec<String>,
    /// How often each is in the training part.
    pub counts: Vec<u64>,
    /// Numbers of a vector.
    pub dim: usize,
    /// Row-major, `[words, dim]`.
    pub values: Vec<f64>,
}

/// Takes the table called `name` out of a checkpoint. Where there is none, gives the names of those that there are.
///
/// # Errors
/// The checkpoint's encoder cannot be read.
pub fn embeddings(checkpoint: &Checkpoint, name: &str) -> Result<Result<Embeddings, Vec<String>>, DataError> {
    let encoder = Encoder::from_json(&checkpoint.encoder)?;
    let network = Network::new(checkpoint.architecture.clone());
    let vocabulary = encoder.tables().iter().find(|table| table.name() == name);
    let segment = network.layout().segment(&format!("embedding.{name}.weight"));
    let (Some(vocabulary), Some(segment)) = (vocabulary, segment) else {
        return Ok(Err(encoder.tables().iter().map(|table| table.name().to_owned()).collect()));
    };
    let values = match checkpoint.precision {
        Precision::F32 => checkpoint.parameters::<f32>()[segment.range()].iter().map(|x| f64::from(*x)).collect(),
        Precision::F64 => checkpoint.parameters::<f64>()[segment.range()].to_vec(),
    };
    Ok(Ok(Embeddings {
        words: vocabulary.words().to_vec(),
        counts: vocabulary.counts().to_vec(),
        dim: segment.shape.get(1).copied().unwrap_or(1),
        values,
    }))
}
