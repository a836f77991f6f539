//! Weights as safetensors, out of a checkpoint. The way in is `train::start_with`.

use safetensors::tensor::{Dtype, TensorView};

use crate::nn::Network;
use crate::train::{Checkpoint, Precision, Real};

/// Writes all tensors of a checkpoint, running statistics included, as safetensors with the names of the API. The same checkpoint gives the same bytes.
pub fn safetensors(checkpoint: &Checkpoint) -> Vec<u8> {
    match checkpoint.precision {
        Precision::F32 => serialize::<f32>(checkpoint),
        Precision::F64 => serialize::<f64>(checkpoint),
    }
}

fn serialize<T: Real>(checkpoint: &Checkpoint) -> Vec<u8> {
    let network = Network::new(checkpoint.architecture.clone());
    let dtype = if T::BYTES == 4 { Dtype::F32 } else { Dtype::F64 };
    let mut tensors = Vec::new();
    for (layout, values) in
        [(network.layout(), checkpoint.parameters::<T>()), (network.buffers(), checkpoint.buffers::<T>())]
    {
        for segment in layout.segments() {
            let mut data = Vec::with_capacity(segment.len() * T::BYTES);
            values.get(segment.range()).unwrap_or_default().iter().for_each(|value| value.write_le(&mut data));
            tensors.push((segment.clone(), data));
        }
    }
    // A view fails only where data and shape differ in length, which `decode` has ruled out.
    let views = tensors.iter().filter_map(|(segment, data)| {
        TensorView::new(dtype, segment.shape.clone(), data).ok().map(|view| (segment.name.clone(), view))
    });
    safetensors::serialize(views, None).unwrap_or_default()
}
