//! Jobs: their rows as readers see them.
use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::id::DatasetId;

/// Holds a job's row.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// A label for people; need not be unique.
    pub name: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// How often a worker has taken it; the fencing token of its writes. 0 until the first.
    pub attempt: u32,
    /// Higher goes first.
    pub priority: i32,
    /// Labels of the client's.
    pub tags: BTreeMap<String, String>,
    /// The dataset it trains on.
    pub dataset: JobDataset,
    /// Grows with every change of the job or of anything it has (metrics, events, checkpoints): fit for an ETag.
    pub revision: u64,
    /// The version of the program that took the job in.
    pub version: String,
    /// The version of the arithmetic it is computed with.
    pub arithmetic_version: u32,
    /// The request that made it, for the log.
    pub request_id: Option<String>,
    /// When it came in.
    pub created_at: Time,
    /// When a worker first took it.
    pub started_at: Option<Time>,
    /// When it finished; set exactly then.
    pub finished_at: Option<Time>,
    /// Seconds it waited in the queue, up to now.
    pub queue_seconds: f64,
    /// Seconds it was trained, over all attempts.
    pub train_seconds: f64,
    /// Number of jobs that will be taken before it; only while queued.
    pub queue_position: Option<u64>,
    /// Why it waits although a worker is free.
    pub queue_reason: Option<String>,
    /// How far it is: the JSON that the worker wrote.
    pub progress: Option<Value>,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// The numbers of the last epoch.
    pub last: Option<Value>,
    /// Why it stopped; set exactly when it has finished.
    pub stop_reason: Option<String>,
    /// A problem object, if it failed.
    pub error: Option<Value>,
    /// Number of parameters of the network.
    pub parameters: Option<u64>,
    /// Estimate of the memory it needs.
    pub memory_bytes: Option<u64>,
    /// The job it came from: `{"job","relation",…}`.
    pub parent: Option<Value>,
    /// What the server noticed when it took the job in.
    pub warnings: Value,
    /// The spec as sent; `None` in lists unless asked for.
    pub request: Option<Value>,
    /// The spec with every default filled in; `None` in lists unless asked for.
    pub spec: Option<Value>,
    /// How it came to its status; empty in lists unless asked for.
    pub transitions: Vec<Transition>,
}

/// Names the dataset of a job as it was when the job came in.
#[derive(Debug, Clone)]
pub struct JobDataset {
    /// Its id.
    pub id: DatasetId,
    /// Its name then.
    pub name: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Holds the best value of the monitored metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// The completed epoch.
    pub epoch: u64,
    /// The metric's name.
    pub metric: String,
    /// Its value.
    pub value: f64,
}

/// Holds one change of status.
#[derive(Debug, Clone)]
pub struct Transition {
    /// Before; `None` for the first.
    pub from: Option<Status>,
    /// After.
    pub to: Status,
    /// When.
    pub at: Time,
    /// Why, in words.
    pub reason: String,
}

/// Holds what a client changes of a job; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct JobPatch {
    /// A new name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// All tags anew.
    pub tags: Option<BTreeMap<String, String>>,
    /// A new priority.
    pub priority: Option<i32>,
}

impl Store {
    /// Reads a job with its documents.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_get(&self, _id: JobId) -> Result<Job, StoreError> {
        unimplemented!()
    }
    /// Reads where a job stands and its revision, by one look at the primary key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_status(&self, _id: JobId) -> Result<(Status, u64), StoreError> {
        unimplemented!()
    }
    /// Changes what a client may change.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_patch(&self, _id: JobId, _patch: JobPatch) -> Result<Job, StoreError> {
        unimplemented!()
    }
    /// Deletes a finished job and everything it has.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::WrongState`] while it has not finished.
    pub async fn job_delete(&self, _id: JobId) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Wakes at each change of the job, after its commit. Take it before reading the row: then no change is missed.
    pub fn job_changes(&self, _id: JobId) -> watch::Receiver<u64> {
        unimplemented!()
    }
    /// Wakes at each change of the queue, after its commit.
    pub fn queue_changes(&self) -> watch::Receiver<u64> {
        unimplemented!()
    }
}
