//! The header of a safetensors file, and numbers out of its tensors, whatever width they have there.

use std::io::{Read, Seek, SeekFrom};

use safetensors::tensor::{Dtype, Metadata, TensorView};

use crate::num::Real;

/// A header longer than this is no header of weights.
const LONGEST_HEADER: u64 = 16 << 20;

/// Reads the header alone, after checking that it and the file's length agree: the tensors of a large file are never in memory.
///
/// # Errors
/// What is wrong with the file, in words for the client.
pub fn header(file: &mut (impl Read + Seek)) -> Result<Metadata, String> {
    let length = file.seek(SeekFrom::End(0)).and_then(|length| file.rewind().map(|()| length));
    let length = length.map_err(|error| error.to_string())?;
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(|_| "it is shorter than a header's length".to_owned())?;
    let header = u64::from_le_bytes(prefix);
    if header > LONGEST_HEADER.min(length.saturating_sub(8)) {
        return Err(format!("it says that its header has {header} bytes, which it cannot have"));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(|error| error.to_string())?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| format!("its header: {error}"))?;
    if metadata.data_len() as u64 != length - 8 - header {
        let (wanted, found) = (metadata.data_len(), length - 8 - header);
        return Err(format!("its tensors need {wanted} bytes, and {found} follow the header"));
    }
    Ok(metadata)
}

/// Copies a tensor's numbers into `into` (of the tensor's length). False where the number type is another than F64, F32, F16 and BF16.
pub fn copy<T: Real>(view: &TensorView<'_>, into: &mut [T]) -> bool {
    let read: fn(&[u8]) -> f64 = match view.dtype() {
        Dtype::F64 => f64::read_le,
        Dtype::F32 => |bytes| f64::from(f32::read_le(bytes)),
        Dtype::F16 => |bytes| half_to_f64(u16::from_le_bytes([bytes[0], bytes[1]])),
        // The upper half of an f32.
        Dtype::BF16 => |bytes| f64::from(f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16)),
        _ => return false,
    };
    let width = view.dtype().bitsize() / 8;
    into.iter_mut().zip(view.data().chunks_exact(width)).for_each(|(value, bytes)| *value = T::from_f64(read(bytes)));
    true
}

/// IEEE binary16: a sign, 5 bits of exponent, 10 of fraction.
fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}
