//! The only SQL, and the only place that knows the data directory.
//!
//! SQLite is the truth: jobs, metrics, events, checkpoints, reports. Uploaded bytes are files named by their content. One writer task
//! commits in groups (`writer.rs`); any number of readers see the last commit. Every function begins with its noun
//! (`job_claim`, `metric_read`) and lives in the file of that noun. The store knows no spec, no network and no HTTP: documents
//! cross it as JSON values.
//!
//! What is acknowledged is durable: a write returns after its transaction is synced (`synchronous=FULL`), and a file is synced
//! under its last name before the row that names it is written.

mod checkpoint;
mod dataset;
mod directory;
mod error;
mod event;
mod file;
mod idempotency;
mod job;
mod job_list;
mod metric;
mod queue;
mod record;
mod report;
mod status;
mod usage;
mod weights;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqlitePool;
use tokio::sync::watch;

pub use checkpoint::{Checkpoint, CheckpointSet, NewCheckpoint};
pub use dataset::{Dataset, DatasetPut, NewDataset};
pub use error::StoreError;
pub use event::{EventFilter, EventRow, Level, NewEvent};
pub use file::{Staged, Upload};
pub use idempotency::{Answer, IdempotencyBegin, IdempotencyKey};
pub use job::{Best, Job, JobDataset, JobPatch, Transition};
pub use job_list::{JobFilter, JobPage, JobSort, SortKey};
pub use metric::{Axis, MetricColumn, MetricQuery, Metrics, Nonfinite, Points};
pub use queue::{Asked, Lease, NewJob, Rescued, StopRequest};
pub use record::{Finish, Outcome, Record};
pub use report::{NewReport, Report};
pub use status::{Action, Event, Next, Status, is_arrow, next};
pub use usage::Usage;
pub use weights::{NewWeights, Weights};
pub use writer::Pending;

use crate::id::JobId;

/// A moment, in UTC; kept in milliseconds.
pub type Time = DateTime<Utc>;

/// Gives the store's functions a handle that is cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    directory: directory::Directory,
    readers: SqlitePool,
    writer: writer::Writer,
    changes: Arc<Changes>,
}

/// Wakes those who wait for a job or for the queue, after the commit that changed it.
struct Changes {
    jobs: Mutex<HashMap<JobId, watch::Sender<u64>>>,
    queue: watch::Sender<u64>,
}

impl Store {
    /// Opens a data directory: makes it if it is not there, locks it, migrates it, sweeps what no row names and takes back the
    /// jobs that a former process held.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another server has it; [`StoreError::NewerSchema`].
    pub async fn open(_directory: &Path) -> Result<Store, StoreError> {
        unimplemented!()
    }

    /// Writes what is queued, closes the database and lets go of the directory.
    pub async fn close(&self) {
        unimplemented!()
    }
}
