//! Checkpoints: bytes in rows of at most 8 MiB with one checksum over all.
use super::*;
use crate::id::CheckpointId;

/// Holds a checkpoint's row, without its bytes.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Its id.
    pub id: CheckpointId,
    /// The job.
    pub job: JobId,
    /// Steps completed.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// It is the best so far.
    pub best: bool,
    /// It is the last so far.
    pub last: bool,
    /// The monitored metric there: name and value.
    pub metric: Option<(String, f64)>,
    /// Length of its bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the weights alone.
    pub weights_sha256: String,
    /// When it was written.
    pub created_at: Time,
}

/// Holds a checkpoint to write.
#[derive(Debug)]
pub struct NewCheckpoint {
    /// Steps completed.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// The monitored metric there: name and value.
    pub metric: Option<(String, f64)>,
    /// SHA-256 of the weights alone, in hexadecimal digits.
    pub weights_sha256: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Holds checkpoints that are written together.
#[derive(Debug, Default)]
pub struct CheckpointSet {
    /// The state to go on from.
    pub last: Option<NewCheckpoint>,
    /// The best state, if it changed; with the step of `last` it is the same checkpoint and only the mark is set.
    pub best: Option<NewCheckpoint>,
    /// How many of the latest to keep; best and last are always kept.
    pub keep: u32,
}

impl Store {
    /// Lists a job's checkpoints, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn checkpoint_list(&self, _job: JobId) -> Result<Vec<Checkpoint>, StoreError> {
        unimplemented!()
    }
    /// Finds a job's checkpoint by id, `best`, `last` or `step-N`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn checkpoint_get(&self, _job: JobId, _key: &str) -> Result<Checkpoint, StoreError> {
        unimplemented!()
    }
    /// Reads a checkpoint's bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`] when the checksum differs.
    pub async fn checkpoint_read(&self, _id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        unimplemented!()
    }
    /// Deletes a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::WrongState`] when it is the last one of an unfinished job.
    pub async fn checkpoint_delete(&self, _job: JobId, _key: &str) -> Result<(), StoreError> {
        unimplemented!()
    }
}
