//! The queue: jobs come in, workers claim them, clients stop them, a new process rescues what the last one held.
use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::id::{CheckpointId, DatasetId};

/// Holds what makes a job.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// A label for people.
    pub name: Option<String>,
    /// Higher goes first.
    pub priority: i32,
    /// Labels of the client's.
    pub tags: BTreeMap<String, String>,
    /// The dataset it trains on.
    pub dataset: JobDataset,
    /// Other datasets it needs (a validation set): they cannot go while it is unfinished.
    pub also_uses: Vec<DatasetId>,
    /// The version of the program.
    pub version: String,
    /// The version of the arithmetic.
    pub arithmetic_version: u32,
    /// The request that made it, for the log.
    pub request_id: Option<String>,
    /// The spec as sent.
    pub request: Value,
    /// The spec with every default filled in.
    pub spec: Value,
    /// Number of parameters of the network.
    pub parameters: Option<u64>,
    /// Estimate of the memory it needs.
    pub memory_bytes: Option<u64>,
    /// The job it came from: `{"job","relation",…}`.
    pub parent: Option<Value>,
    /// What the server noticed: an array.
    pub warnings: Value,
    /// The client's idempotency key, noted in the same transaction.
    pub idempotency: Option<IdempotencyKey>,
    /// Refuses with [`StoreError::QueueFull`] when so many wait already.
    pub queue_limit: Option<u64>,
}

/// Proves that a worker holds a job; every write of the worker carries it and is refused when it no longer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The worker's name.
    pub worker: String,
    /// The attempt that the claim began.
    pub attempt: u32,
}

/// Tells what came of a client's wish.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The job after it.
    pub job: Job,
    /// False when it already held: nothing was written.
    pub changed: bool,
}

/// Names a running job that is to stop, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopRequest {
    /// The job.
    pub job: JobId,
    /// The attempt that runs.
    pub attempt: u32,
    /// `Pausing` or `Cancelling`.
    pub status: Status,
}

/// Counts what the rescue at start did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Back to the queue.
    pub queued: u64,
    /// Paused.
    pub paused: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Failed, because they ended the process again and again without getting further.
    pub poisoned: u64,
}

impl Store {
    /// Writes a job into the queue.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the dataset has gone meanwhile; [`StoreError::QueueFull`].
    pub async fn job_insert(&self, _new: NewJob) -> Result<Job, StoreError> {
        unimplemented!()
    }
    /// Gives the next job (highest priority, then longest wait) to a worker, if one waits that needs at most `free_bytes`.
    pub async fn job_claim(&self, _worker: &str, _free_bytes: Option<u64>) -> Result<Option<(Lease, Job)>, StoreError> {
        unimplemented!()
    }
    /// Asks a job to end: at once when no worker holds it, else at its next step.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongState`].
    pub async fn job_cancel(&self, _id: JobId, _reason: &str) -> Result<Asked, StoreError> {
        unimplemented!()
    }
    /// Asks a job to pause.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongState`].
    pub async fn job_pause(&self, _id: JobId, _reason: &str) -> Result<Asked, StoreError> {
        unimplemented!()
    }
    /// Asks a paused job to go on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongState`].
    pub async fn job_resume(&self, _id: JobId, _reason: &str) -> Result<Asked, StoreError> {
        unimplemented!()
    }
    /// Lists the running jobs that are to stop, for workers that poll.
    pub async fn job_stop_requests(&self) -> Result<Vec<StopRequest>, StoreError> {
        unimplemented!()
    }
    /// Takes back what a former process of this data directory held. [`Store::open`] calls it; no worker may run yet.
    pub async fn job_rescue(&self) -> Result<Rescued, StoreError> {
        unimplemented!()
    }
    /// Makes the checkpoint from which a claimed job goes on: its last one whose bytes are whole. Damaged ones are passed over and told in an event.
    pub async fn job_resume_point(&self, _lease: &Lease) -> Result<Option<(CheckpointId, Vec<u8>)>, StoreError> {
        unimplemented!()
    }
}
