//! Weights that a client uploaded, as a run begins with them: safetensors in, the order of the network's layout out.
//!
//! The bytes are foreign: nothing in them is run, and every length is checked.

use safetensors::tensor::{SafeTensors, TensorView};

use super::fit::Start;
use super::plan::Plan;
use crate::data::vectors::WordVectors;
use crate::data::{Encoder, tensors};
use crate::nn::{Layout, Network, Segment};
use crate::num::{Real, reduce};

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

/// Begins a run with uploaded weights.
///
/// # Errors
/// All reasons why they do not fit the plan's network.
pub fn start_with<T: Real>(plan: &Plan, bytes: &[u8]) -> Result<Start<T>, WeightsError> {
    let UploadedWeights { parameters, buffers } = parse_weights(bytes, &Network::new(plan.architecture.clone()))?;
    Ok(Start::Weights { parameters, buffers })
}

/// Begins a run with uploaded vectors in the rows of their words (each with the name of its embedding table); all else is drawn as in a fresh run.
pub fn start_with_vectors<T: Real>(plan: &Plan, encoder: &Encoder, given: &[(String, WordVectors<T>)]) -> Start<T> {
    let network = Network::new(plan.architecture.clone());
    let mut parameters = network.initialise::<T>(plan.seed);
    for (table, WordVectors { words, dim, values }) in given {
        let vocabulary = encoder.tables().iter().find(|known| known.name() == table);
        let segment = network.layout().segment(&format!("embedding.{table}.weight"));
        let (Some(vocabulary), Some(segment)) = (vocabulary, segment) else { continue };
        let rows = &mut parameters[segment.range()];
        // Backwards, so that of words which are one in lower case the first counts, as in the vocabulary.
        for (word, vector) in words.iter().zip(values.chunks_exact(*dim)).rev() {
            if let Some(row) = vocabulary.find(word) {
                rows[row as usize * dim..][..*dim].copy_from_slice(vector);
            }
        }
    }
    Start::Weights { parameters, buffers: None }
}

/// Reads uploaded safetensors into the order of a network's layout.
///
/// # Errors
/// All faults at once.
pub fn parse_weights<T: Real>(bytes: &[u8], network: &Network) -> Result<UploadedWeights<T>, WeightsError> {
    let format = |error: safetensors::SafeTensorError| WeightsError(vec![WeightsFault::Format(error.to_string())]);
    let file = SafeTensors::deserialize(bytes).map_err(format)?;
    let (layout, buffer_layout) = (network.layout(), network.buffers());
    let mut faults = Vec::new();
    let mut parameters = vec![T::ZERO; layout.len()];
    for segment in layout.segments() {
        match file.tensor(&segment.name) {
            Ok(view) => copy(&view, segment, &mut parameters, &mut faults),
            Err(_) => faults.push(WeightsFault::Missing { name: segment.name.clone(), shape: segment.shape.clone() }),
        }
    }
    let present = |segment: &Segment| file.tensor(&segment.name).is_ok();
    let mut buffers = None;
    if buffer_layout.segments().iter().any(present) {
        let mut values = network.initial_buffers();
        for segment in buffer_layout.segments() {
            if let Ok(view) = file.tensor(&segment.name) {
                copy(&view, segment, &mut values, &mut faults);
            }
        }
        buffers = Some(values);
    }
    let known = |name: &str| [layout, buffer_layout].iter().any(|layout: &&Layout| layout.segment(name).is_some());
    let mut extra: Vec<_> = file.names().into_iter().filter(|name| !known(name)).collect();
    extra.sort_unstable();
    faults.extend(extra.into_iter().map(|name| WeightsFault::Extra { name: name.to_owned() }));
    if faults.is_empty() { Ok(UploadedWeights { parameters, buffers }) } else { Err(WeightsError(faults)) }
}

fn copy<T: Real>(view: &TensorView<'_>, segment: &Segment, into: &mut [T], faults: &mut Vec<WeightsFault>) {
    let name = segment.name.clone();
    if view.shape() != segment.shape {
        faults.push(WeightsFault::Shape { name, got: view.shape().to_vec(), needed: segment.shape.clone() });
        return;
    }
    let into = &mut into[segment.range()];
    if !tensors::copy(view, into) {
        faults.push(WeightsFault::Type { name, got: format!("{:?}", view.dtype()) });
    } else if !reduce::all_finite(into) {
        faults.push(WeightsFault::NotFinite { name });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::Dtype;

    use crate::nn::{Activation, Architecture, Head, HiddenLayer, Loss, Normalization, WeightInit};

    fn network() -> Network {
        let layer = HiddenLayer {
            units: 2,
            activation: Activation::Relu,
            dropout: 0.0,
            normalization: Normalization::None,
            init: WeightInit::default(),
            bias: 0.0,
        };
        let head = Head {
            name: "y".into(),
            hidden: Vec::new(),
            outputs: 1,
            loss: Loss::Mse { half: false },
            weight: 1.0,
            class_weights: None,
            init: WeightInit::default(),
            output_bias: vec![0.0],
        };
        Network::new(Architecture {
            features: 3,
            input_dropout: 0.0,
            input_noise: 0.0,
            tables: Vec::new(),
            tokens: Vec::new(),
            hidden: vec![layer],
            heads: vec![head],
            activation_sparsity: None,
        })
    }

    fn file(tensors: &[(&str, &[usize], Dtype, Vec<u8>)]) -> Vec<u8> {
        let views = tensors
            .iter()
            .map(|(name, shape, dtype, data)| (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn halves_and_doubles_become_the_numbers_they_are() {
        let singles = |n: usize| (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect::<Vec<u8>>();
        let half = [0x3c00u16, 0xc000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let bytes = file(&[
            ("hidden.0.weight", &[2, 3], Dtype::F32, singles(6)),
            ("hidden.0.bias", &[2], Dtype::F16, half),
            (
                "head.y.weight",
                &[1, 2],
                Dtype::BF16,
                [0x3f80u16, 0xbf80].iter().flat_map(|bits| bits.to_le_bytes()).collect(),
            ),
            ("head.y.bias", &[1], Dtype::F64, 0.5f64.to_le_bytes().to_vec()),
        ]);
        let weights = parse_weights::<f64>(&bytes, &network()).unwrap();
        assert_eq!(weights.parameters, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1.0, -2.0, 1.0, -1.0, 0.5]);
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once() {
        let nan = f32::NAN.to_le_bytes().to_vec();
        let bytes = file(&[
            ("hidden.0.weight", &[3, 2], Dtype::F32, vec![0; 24]),
            ("head.y.bias", &[1], Dtype::F32, nan),
            ("head.y.weight", &[1, 2], Dtype::I32, vec![0; 8]),
            ("head.z.bias", &[1], Dtype::F32, vec![0; 4]),
        ]);
        let faults = parse_weights::<f32>(&bytes, &network()).unwrap_err().0;
        let words: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "hidden.0.weight has shape [3, 2], the network needs [2, 3]",
                "hidden.0.bias of shape [2] is missing",
                "head.y.weight has the number type I32; F64, F32, F16 and BF16 are read",
                "head.y.bias holds a number that is not finite",
                "head.z.bias is no tensor of this network",
            ]
        );
    }

    #[test]
    fn foreign_bytes_are_refused_in_words() {
        for bytes in [&b"\x80\x04pickle"[..], &[0xff; 64], b""] {
            let error = parse_weights::<f32>(bytes, &network()).unwrap_err();
            assert!(error.to_string().starts_with("not a safetensors file"), "{error}");
        }
    }
}
