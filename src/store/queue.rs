//! The queue: jobs come in (`submit.rs`), workers claim them (`claim.rs`), clients stop them. What the last process held is taken back
//! in `rescue.rs`.
use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failpoint::failpoint;
use super::family::{self, NewMember};
use super::job::{self, Job, JobDataset};
use super::status::{Action, Event, Next, Status, next};
use super::writer::Tx;
use super::{IdempotencyKey, Store, StoreError, claim, submit};
use crate::id::{DatasetId, JobId};

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
    /// Jobs that this one leads; with some it trains nothing itself.
    pub members: Vec<NewMember>,
}

/// Tells a claim how much memory there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What the running jobs leave of the budget.
    pub free_bytes: u64,
    /// What all jobs together may need.
    pub budget_bytes: u64,
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

impl Store {
    /// Writes a job into the queue.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when a dataset has gone meanwhile; [`StoreError::QueueFull`].
    pub async fn job_insert(&self, new: NewJob) -> Result<Job, StoreError> {
        let texts = submit::Texts::of(&new);
        self.write(move |tx| Box::pin(submit::insert(tx, new, texts))).await
    }

    /// Gives the next job (highest priority, then longest wait) to a worker, if one waits that fits into the memory.
    ///
    /// A smaller job may overtake one that does not fit yet, but not for ever: after a minute the others wait for it.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_claim(&self, worker: &str, memory: Option<Memory>) -> Result<Option<(Lease, Job)>, StoreError> {
        // Pools ask often, and mostly nothing waits: that costs no transaction.
        if !self.shared.changes.may_wait() {
            return Ok(None);
        }
        let worker = worker.to_owned();
        let taken = self.write(move |tx| Box::pin(claim::claim(tx, worker, memory))).await?;
        taken.map(|(lease, taken)| Ok((lease, taken.read()?))).transpose()
    }

    /// Asks a job to end: at once when no worker holds it, else at its next step.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongState`].
    pub async fn job_cancel(&self, id: JobId, reason: &str) -> Result<Asked, StoreError> {
        self.ask(id, Action::Cancel, reason).await
    }

    /// Asks a job to pause.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongState`].
    pub async fn job_pause(&self, id: JobId, reason: &str) -> Result<Asked, StoreError> {
        self.ask(id, Action::Pause, reason).await
    }

    /// Asks a paused job to go on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongState`].
    pub async fn job_resume(&self, id: JobId, reason: &str) -> Result<Asked, StoreError> {
        self.ask(id, Action::Resume, reason).await
    }

    async fn ask(&self, id: JobId, action: Action, reason: &str) -> Result<Asked, StoreError> {
        let reason = reason.to_owned();
        self.write(move |tx| Box::pin(asked(tx, id, action, reason))).await
    }

    /// Lists the running jobs that are to stop, for workers that poll.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database.
    pub async fn job_stop_requests(&self) -> Result<Vec<StopRequest>, StoreError> {
        let rows = sqlx::query("SELECT id, status, attempt FROM job WHERE status IN ('pausing', 'cancelling')")
            .fetch_all(&mut *self.read().await?)
            .await?;
        let request = |row: &SqliteRow| {
            Ok(StopRequest {
                job: row.try_get::<&str, _>("id")?.parse()?,
                attempt: row.try_get::<i64, _>("attempt")? as u32,
                status: job::status_of(row)?,
            })
        };
        rows.iter().map(request).collect()
    }
}

/// What a change of status must know of a job.
pub(super) struct Held {
    pub seq: i64,
    pub id: JobId,
    pub status: Status,
    pub attempt: i64,
    pub resume_wanted: bool,
}

/// Looks at a job inside a transaction.
pub(super) async fn look(connection: &mut SqliteConnection, id: JobId) -> Result<Held, StoreError> {
    let row = sqlx::query("SELECT seq, id, status, attempt, resume_wanted, worker FROM job WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found("job", id))?;
    held(&row)
}

pub(super) fn held(row: &SqliteRow) -> Result<Held, StoreError> {
    Ok(Held {
        seq: row.try_get("seq")?,
        id: row.try_get::<&str, _>("id")?.parse()?,
        status: job::status_of(row)?,
        attempt: row.try_get("attempt")?,
        resume_wanted: row.try_get("resume_wanted")?,
    })
}

/// Why and with what a job changes its status.
pub(super) struct Change<'a> {
    /// In words, for the list of transitions.
    pub reason: &'a str,
    /// For a job that finishes.
    pub stop_reason: &'a str,
    /// For a job that fails.
    pub error: Option<&'a Value>,
}

/// The rows of a change of status and its event, after the update of the job that counted both: `?1` is the job's number, `?2` the time,
/// `?3` and `?4` the statuses before and after, `?5` the reason.
macro_rules! noted {
    () => {
        "INSERT INTO job_transition (job, number, from_status, to_status, at, reason, attempt)
         SELECT seq, transitions, ?3, ?4, ?2, ?5, attempt FROM job WHERE seq = ?1;
         INSERT INTO event (job, number, created_at, level, kind, message, data)
         SELECT seq, events, ?2, iif(?4 = 'failed', 'error', 'info'), 'status', ?4 || ': ' || ?5,
                json_object('from', ?3, 'to', ?4, 'reason', ?5, 'attempt', attempt) FROM job WHERE seq = ?1;"
    };
}
pub(super) use noted;

/// Writes a change of status that [`next`] has decided: the row, the transition and the event; and has waiters woken.
pub(super) async fn transition(tx: &mut Tx, job: &Held, to: Status, change: Change<'_>) -> Result<(), StoreError> {
    // Statements in one: each of its own is a trip to the connection's thread, which costs more than the writing.
    sqlx::query(concat!(
        "UPDATE job SET
           status = ?4,
           worker = CASE WHEN ?4 IN ('pausing','cancelling') THEN worker END,
           queue_seconds = queue_seconds + coalesce(max(0, ?2 - queued_at), 0) / 1000.0,
           queued_at = CASE WHEN ?4 = 'queued' THEN ?2 END,
           queue_reason = NULL,
           finished_at = CASE WHEN ?6 THEN ?2 END,
           stop_reason = CASE WHEN ?6 THEN ?7 END,
           error = CASE WHEN ?4 = 'failed' THEN ?8 END,
           resume_wanted = 0,
           paused_for = CASE WHEN ?4 IN ('pausing','paused') THEN paused_for END,
           transitions = transitions + 1,
           events = events + 1,
           revision = revision + 1
         WHERE seq = ?1;",
        noted!()
    ))
    .bind(job.seq)
    .bind(tx.now)
    .bind(job.status.as_str())
    .bind(to.as_str())
    .bind(change.reason)
    .bind(to.is_finished())
    .bind(change.stop_reason)
    .bind(change.error.map_or_else(|| "{}".to_owned(), Value::to_string))
    .execute(&mut tx.connection)
    .await?;
    failpoint("queue.transition");
    tx.job_changed(job.id);
    tx.queue_changed();
    Ok(())
}

async fn asked(tx: &mut Tx, id: JobId, action: Action, reason: String) -> Result<Asked, StoreError> {
    let job = look(&mut tx.connection, id).await?;
    family::refuse_member(tx, &job, action).await?;
    let changed = obey(tx, &job, action, &reason).await?;
    if changed {
        family::carry(tx, job.seq, action, &reason).await?;
    }
    Ok(Asked { job: job::read(&mut tx.connection, id).await?, changed })
}

/// Does what was asked of a job; says whether that changed anything.
pub(super) async fn obey(tx: &mut Tx, job: &Held, action: Action, reason: &str) -> Result<bool, StoreError> {
    let changed = match next(job.status, Event::Asked(action)) {
        Next::To(to) => {
            let change = Change { reason, stop_reason: "cancelled", error: None };
            transition(tx, job, to, change).await?;
            true
        }
        Next::ResumeWhenPaused => {
            sqlx::query("UPDATE job SET resume_wanted = 1, revision = revision + 1 WHERE seq = ?")
                .bind(job.seq)
                .execute(&mut tx.connection)
                .await?;
            tx.job_changed(job.id);
            !job.resume_wanted
        }
        Next::Holds => {
            if action == Action::Pause {
                // Now it is the client's wish, too: it does not go on by itself.
                sqlx::query("UPDATE job SET paused_for = NULL WHERE seq = ?")
                    .bind(job.seq)
                    .execute(&mut tx.connection)
                    .await?;
            }
            false
        }
        Next::Refused => return Err(StoreError::WrongState { job: job.id, status: job.status, action }),
    };
    Ok(changed)
}
