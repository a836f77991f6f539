//! What can go wrong in the store, in its own words: no status code, and no path or SQL in a message for a client.

use std::path::PathBuf;

use crate::id::{DatasetId, JobId};
use crate::store::status::{Action, Status};

/// Tells why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing with this id or name is there.
    #[error("there is no {what} {key:?}")]
    NotFound {
        /// The kind of thing: `dataset`, `job`, `checkpoint`, …
        what: &'static str,
        /// What was asked for.
        key: String,
    },
    /// The name belongs to another dataset.
    #[error("the name {name:?} is taken by {holder}, which has other bytes or options")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        holder: DatasetId,
    },
    /// Unfinished jobs use what should be deleted.
    #[error("{} unfinished job(s) use this dataset, the first is {}", .jobs.len(), .jobs.first().map_or(String::new(), ToString::to_string))]
    InUse {
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// The job's status does not allow it.
    #[error("the job is {status}: it cannot {action}{}", possible(.status))]
    WrongState {
        /// The job.
        job: JobId,
        /// Its status.
        status: Status,
        /// What was asked for.
        action: Action,
    },
    /// The job is led by another one, and goes its way.
    #[error("the job belongs to {leader}, which leads it: {action} that one instead")]
    Led {
        /// The job.
        job: JobId,
        /// The one that leads it.
        leader: JobId,
        /// What was asked for.
        action: Action,
    },
    /// The status of an autotrain run does not allow it.
    #[error("the run {}: it cannot {action}{}", run_is(*.status), if .status.is_finished() { "" } else { "; it can cancel" })]
    RunState {
        /// Its status.
        status: Status,
        /// What was asked for.
        action: Action,
    },
    /// A worker wrote for an attempt that is over, or for a job that has finished.
    #[error("attempt {attempt} of {job} no longer holds the job")]
    Stale {
        /// The job.
        job: JobId,
        /// The attempt that wrote.
        attempt: u32,
    },
    /// A cursor is none that this server gave.
    #[error("this cursor was not given by this list: {0:?}")]
    Cursor(String),
    /// Bytes read back are not the bytes that were written.
    #[error("{what} is damaged: its checksum differs from the one stored with it")]
    Damaged {
        /// What was read.
        what: String,
    },
    /// The queue has as many jobs as it may.
    #[error("the queue is full: {queued} jobs wait, at most {limit} may")]
    QueueFull {
        /// Jobs that wait.
        queued: u64,
        /// How many may.
        limit: u64,
    },
    /// The data directory has no room.
    #[error("the data directory is full")]
    Full,
    /// Another process held the database longer than the time-out.
    #[error("the store is busy, try again")]
    Busy,
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
    /// Another server has the data directory.
    #[error("the data directory {} is in use by another server{}", .path.display(), .pid.map_or(String::new(), |pid| format!(", process {pid}")))]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The other server's process, if its lock file tells.
        pid: Option<u32>,
    },
    /// A later version wrote the database.
    #[error(
        "the data directory was written by a newer version of trainyard (schema {found}, this one knows {known}); start that version, or restore a backup"
    )]
    NewerSchema {
        /// The schema's version in the database.
        found: i64,
        /// The last one this binary knows.
        known: i64,
    },
    /// A backup or a restore that cannot be done, and why: for the operator.
    #[error("{0}")]
    Refused(String),
    /// A file in the data directory could not be read or written.
    #[error("a file of the data directory: {0}")]
    Io(std::io::Error),
    /// The database failed in a way that is nobody's question.
    #[error("the database failed: {0}")]
    Database(String),
}

fn run_is(status: Status) -> String {
    if status.is_finished() { format!("has ended ({status})") } else { format!("is {status}") }
}

impl StoreError {
    pub(crate) fn not_found(what: &'static str, key: impl ToString) -> Self {
        Self::NotFound { what, key: key.to_string() }
    }

    /// Gives the error of a commit to one more of those who shared it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Busy => Self::Busy,
            Self::Full => Self::Full,
            Self::Closed => Self::Closed,
            other => Self::Database(other.to_string()),
        }
    }
}

/// Says which of the client's actions the status allows, for the end of a message.
fn possible(status: &Status) -> String {
    let actions: Vec<String> = status.possible().iter().map(ToString::to_string).collect();
    if actions.is_empty() {
        ", and nothing else changes it but a delete".to_owned()
    } else {
        format!(", possible are: {}", actions.join(", "))
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full,
            _ => Self::Io(error),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Database(format!("a document that was stored is not JSON: {error}"))
    }
}

impl From<crate::id::ParseError> for StoreError {
    fn from(error: crate::id::ParseError) -> Self {
        Self::Database(format!("an id that was stored is none: {error}"))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLite's primary result code is the low byte of the extended one.
        let code = error
            .as_database_error()
            .and_then(|e| e.code().and_then(|code| code.parse::<i32>().ok()))
            .map(|code| code & 0xff);
        match code {
            Some(5 | 6) => Self::Busy,
            Some(13) => Self::Full,
            _ => match error {
                sqlx::Error::PoolTimedOut => Self::Busy,
                sqlx::Error::PoolClosed => Self::Closed,
                other => Self::Database(other.to_string()),
            },
        }
    }
}
