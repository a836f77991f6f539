//! The bytes of a checkpoint: self-contained, versioned, checked. With nothing else a model predicts from it; one with a state also
//! lets a run go on to the same bits.
//!
//! The format, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `TRAINYRD` |
//! | 4 | version of the format |
//! | 4, 4, 8 | lengths of the three parts that follow |
//! | … | what the tensors are and where the run stands (`Meta` as JSON) |
//! | … | the fitted encoder, as `data` writes it |
//! | … | tensors: parameters, buffers, then the optimizer's slots |
//! | 32 | SHA-256 of all that |

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::observer::Best;
use super::plan::{OwnUnit, Plan, Precision};
use super::tracker::TrackerState;
use crate::nn::optimizer::State;
use crate::nn::schedule::PlateauState;
use crate::nn::{Architecture, Network, Normalization};
use crate::num::{ARITHMETIC_VERSION, Real};

const MAGIC: &[u8; 8] = b"TRAINYRD";
/// The version that is written, and the latest that is read.
const VERSION: u32 = 1;
const HEADER: usize = 28;
const DIGEST: usize = 32;
/// Longest description of tensors and run: far above any network that fits into memory.
const LONGEST_META: usize = 64 << 20;

/// A checkpoint as bytes, with what is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The bytes, for [`decode`]; shared where the last state is the best one.
    pub bytes: Arc<Vec<u8>>,
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
    /// The monitored metric there.
    pub metric: Option<(String, f64)>,
    /// Where the run stands; without it the checkpoint has weights only.
    pub(super) state: Option<RunState>,
    /// All tensors, as in the bytes.
    tensors: Vec<u8>,
    parameters: usize,
    buffers: usize,
    slots: Vec<usize>,
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

/// Everything that a run carries from step to step beside tensors. Floats that need not be finite are kept as their bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunState {
    /// The optimizer's method.
    pub method: String,
    /// Whether the untrained network was told of.
    pub opened: bool,
    /// Steps completed in the epoch under way.
    pub step_in_epoch: u64,
    /// Rows trained on.
    pub rows: u64,
    pub tracker: Option<TrackerState>,
    pub plateau: PlateauState,
    pub best: Option<Best>,
    #[serde(with = "bits")]
    pub sums: Vec<f64>,
    /// The optimizer's scalars.
    #[serde(with = "bits")]
    pub scalars: Vec<f64>,
    /// Metrics of the last completed epoch.
    pub last_names: Vec<String>,
    #[serde(with = "bits")]
    pub last_values: Vec<f64>,
}

/// The JSON part.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    arithmetic: u32,
    precision: Precision,
    epoch: u64,
    step: u64,
    metric: Option<(String, f64)>,
    architecture: Architecture,
    units: Vec<OwnUnit>,
    /// Elements of the parameters, the buffers and each slot.
    parameters: usize,
    buffers: usize,
    slots: Vec<usize>,
    state: Option<RunState>,
}

/// Floats as the bits that they are: exact, whatever they are.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.to_bits()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(deserializer)?.into_iter().map(f64::from_bits).collect())
    }
}

/// What goes into a checkpoint.
pub(super) struct Contents<'a, T> {
    pub epoch: u64,
    pub step: u64,
    /// The monitored metric; only kept where it is finite.
    pub metric: Option<(String, f64)>,
    pub parameters: &'a [T],
    pub buffers: &'a [T],
    /// For a checkpoint to go on from.
    pub state: Option<(RunState, &'a State<T>)>,
}

/// Writes a checkpoint of a run of `plan`.
pub(super) fn encode<T: Real>(plan: &Plan, contents: Contents<'_, T>) -> Saved {
    let Contents { epoch, step, metric, parameters, buffers, state } = contents;
    let metric = metric.filter(|(_, value)| value.is_finite());
    let slots: &[Vec<T>] = state.as_ref().map_or(&[], |(_, optimizer)| &optimizer.slots);
    let meta = Meta {
        arithmetic: ARITHMETIC_VERSION,
        precision: if T::BYTES == 4 { Precision::F32 } else { Precision::F64 },
        epoch,
        step,
        metric: metric.clone(),
        architecture: plan.architecture.clone(),
        units: plan.units.clone(),
        parameters: parameters.len(),
        buffers: buffers.len(),
        slots: slots.iter().map(Vec::len).collect(),
        state: state.as_ref().map(|(run, _)| run.clone()),
    };
    // Plain values without maps: nothing in here can fail to become JSON.
    let json = serde_json::to_vec(&meta).unwrap_or_default();
    let elements = parameters.len() + buffers.len() + slots.iter().map(Vec::len).sum::<usize>();
    let tensor_bytes = elements * T::BYTES;
    let mut bytes = Vec::with_capacity(HEADER + json.len() + plan.encoder.len() + tensor_bytes + DIGEST);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(plan.encoder.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(tensor_bytes as u64).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(&plan.encoder);
    let weights = bytes.len();
    parameters.iter().chain(buffers).for_each(|value| value.write_le(&mut bytes));
    let weights_sha256 = hexadecimal(&Sha256::digest(&bytes[weights..]));
    slots.iter().flatten().for_each(|value| value.write_le(&mut bytes));
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Saved { bytes: Arc::new(bytes), step, epoch, metric, weights_sha256 }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing into a string cannot fail
        text
    })
}

/// Reads a checkpoint. The bytes are not trusted: lengths are checked before anything is allocated, and the tensors must be those of the network.
///
/// # Errors
/// [`CheckpointError`].
pub fn decode(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let damaged = |text: &str| CheckpointError::Damaged(text.to_owned());
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as one"))?;
    let version = number(&mut rest, 4)? as u32;
    if version == 0 || version > VERSION {
        return Err(CheckpointError::Version(version, VERSION));
    }
    let (json, encoder, tensors) = (number(&mut rest, 4)?, number(&mut rest, 4)?, number(&mut rest, 8)?);
    let total = [json, encoder, tensors, DIGEST as u64].iter().try_fold(0u64, |sum, part| sum.checked_add(*part));
    if total != Some(rest.len() as u64) || json > LONGEST_META as u64 {
        return Err(damaged("its length is not what it says"));
    }
    let (body, digest) = bytes.split_at(bytes.len() - DIGEST);
    if Sha256::digest(body)[..] != *digest {
        return Err(damaged("its checksum does not match"));
    }
    let (json, rest) = rest.split_at(json as usize);
    let (encoder, rest) = rest.split_at(encoder as usize);
    let tensors = &rest[..tensors as usize];
    let meta: Meta = serde_json::from_slice(json).map_err(|error| CheckpointError::Damaged(error.to_string()))?;
    let width = if meta.precision == Precision::F32 { 4 } else { 8 };
    let elements = [&[meta.parameters, meta.buffers], &meta.slots[..]].concat();
    let elements = elements.iter().try_fold(0usize, |sum, part| sum.checked_add(*part));
    if elements.and_then(|elements| elements.checked_mul(width)) != Some(tensors.len()) {
        return Err(damaged("its tensors are not as long as it says"));
    }
    if size(&meta.architecture) != Some((meta.parameters as u128, meta.buffers as u128)) {
        return Err(damaged("its tensors are not those of its network"));
    }
    if meta.units.len() != meta.architecture.heads.len() {
        return Err(damaged("its units are not those of its network"));
    }
    Ok(Checkpoint {
        architecture: meta.architecture,
        units: meta.units,
        encoder: encoder.to_vec(),
        precision: meta.precision,
        arithmetic: meta.arithmetic,
        epoch: meta.epoch,
        step: meta.step,
        metric: meta.metric,
        state: meta.state,
        tensors: tensors.to_vec(),
        parameters: meta.parameters,
        buffers: meta.buffers,
        slots: meta.slots,
    })
}

fn number(bytes: &mut &[u8], width: usize) -> Result<u64, CheckpointError> {
    let (head, rest) =
        bytes.split_at_checked(width).ok_or_else(|| CheckpointError::Damaged("it breaks off".to_owned()))?;
    *bytes = rest;
    Ok(head.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Numbers of parameters and of buffers, counted without laying anything out; `None` where it is no network.
fn size(architecture: &Architecture) -> Option<(u128, u128)> {
    use crate::nn::embedding::width;
    let (mut parameters, mut buffers) = (0u128, 0u128);
    let mut inputs = architecture.features as u128;
    for table in &architecture.tables {
        parameters += table.rows as u128 * table.dim as u128;
        (table.rows > 0 && table.dim > 0 && table.dim <= 1 << 31).then_some(())?;
    }
    for input in &architecture.tokens {
        let table = architecture.tables.get(input.table)?;
        if let crate::nn::Pooling::Window { length } = input.pooling {
            (length > 0 && length <= 1 << 31).then_some(())?;
        }
        inputs += width(input.pooling, table.dim) as u128;
    }
    let mut dense = |inputs: u128, units: usize, normalization: Normalization| {
        let units = units as u128;
        (units > 0 && units <= u128::from(u32::MAX) && inputs <= u128::from(u64::MAX)).then_some(())?;
        parameters += inputs * units + units;
        match normalization {
            Normalization::None => {}
            // Scale and shift; the shift stands for the bias.
            Normalization::Batch => (parameters, buffers) = (parameters + units, buffers + 2 * units),
            Normalization::Layer => parameters += 2 * units,
        }
        Some(units)
    };
    for layer in &architecture.hidden {
        inputs = dense(inputs, layer.units, layer.normalization)?;
    }
    for head in &architecture.heads {
        let mut width = inputs;
        for layer in &head.hidden {
            width = dense(width, layer.units, layer.normalization)?;
        }
        dense(width, head.outputs, Normalization::None)?;
        head.class_weights.as_ref().is_none_or(|weights| weights.len() >= head.outputs).then_some(())?;
    }
    (!architecture.heads.is_empty()).then_some((parameters, buffers))
}

impl Checkpoint {
    /// The network.
    pub fn network(&self) -> Network {
        Network::new(self.architecture.clone())
    }

    /// The parameters, in the order of the network's layout; converted where the number type differs.
    pub fn parameters<T: Real>(&self) -> Vec<T> {
        self.read(0, self.parameters)
    }

    /// The buffers (running statistics).
    pub fn buffers<T: Real>(&self) -> Vec<T> {
        self.read(self.parameters, self.buffers)
    }

    /// Whether a run can go on from it, to the same bits.
    pub fn can_resume(&self) -> bool {
        self.state.is_some() && self.arithmetic == ARITHMETIC_VERSION
    }

    /// The step whose weights were the best so far: a run that goes on from here needs them, too.
    pub fn best_step(&self) -> Option<u64> {
        Some(self.state.as_ref()?.best.as_ref()?.step)
    }

    /// The optimizer's slots.
    pub(super) fn slots<T: Real>(&self) -> Vec<Vec<T>> {
        let mut first = self.parameters + self.buffers;
        let slot = |length: &usize| {
            let slot = self.read(first, *length);
            first += length;
            slot
        };
        self.slots.iter().map(slot).collect()
    }

    fn read<T: Real>(&self, first: usize, length: usize) -> Vec<T> {
        match self.precision {
            Precision::F32 => self.tensors[4 * first..4 * (first + length)]
                .chunks_exact(4)
                .map(|bytes| if T::BYTES == 4 { T::read_le(bytes) } else { T::from_f64(f32::read_le(bytes).into()) })
                .collect(),
            Precision::F64 => self.tensors[8 * first..8 * (first + length)]
                .chunks_exact(8)
                .map(|bytes| if T::BYTES == 8 { T::read_le(bytes) } else { T::from_f64(f64::read_le(bytes)) })
                .collect(),
        }
    }
}
