//! The bytes of a checkpoint: self-contained, versioned, checked. See `encode` for the format.

use crate::nn::Architecture;
use crate::num::Real;

use super::plan::{OwnUnit, Precision};

/// A checkpoint as bytes, with what is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The bytes, for [`decode`].
    pub bytes: Vec<u8>,
    /// Steps completed.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// The monitored metric there.
    pub metric: Option<(String, f64)>,
    /// SHA-256 of parameters and buffers alone, in hexadecimal digits.
    pub weights_sha256: String,
}

/// A decoded checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network.
    pub architecture: Architecture,
    /// Unit of each head's output.
    pub units: Vec<OwnUnit>,
    /// The fitted encoder as JSON; empty where there is none.
    pub encoder: Vec<u8>,
    /// Number type of the tensors.
    pub precision: Precision,
    /// Version of the arithmetic that made it.
    pub arithmetic: u32,
    /// Epochs completed.
    pub epoch: u64,
    /// Steps completed.
    pub step: u64,
}

/// Why bytes are no checkpoint, or not one that fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are damaged or no checkpoint.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(String),
    /// A later version wrote it.
    #[error("the checkpoint has format {0}, this version reads up to {1}")]
    Version(u32, u32),
}

impl Checkpoint {
    /// The parameters, in the order of the network's layout; converted where the number type differs.
    pub fn parameters<T: Real>(&self) -> Vec<T> {
        Vec::new()
    }

    /// The buffers (running statistics).
    pub fn buffers<T: Real>(&self) -> Vec<T> {
        Vec::new()
    }

    /// Whether a run can go on from it.
    pub fn can_resume(&self) -> bool {
        false
    }
}

/// Reads a checkpoint. The bytes are not trusted: lengths are checked before anything is allocated.
///
/// # Errors
/// [`CheckpointError`].
pub fn decode(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let _ = bytes;
    Err(CheckpointError::Damaged("not there yet".into()))
}
