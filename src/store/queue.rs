//! The queue: jobs come in, workers claim them, clients stop them. What the last process held is taken back in `rescue.rs`.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failpoint::failpoint;
use super::family::{self, NewMember};
use super::job::{self, Job, JobDataset};
use super::status::{Action, Event, Next, Status, next};
use super::writer::Tx;
use super::{IdempotencyKey, Level, NewEvent, Store, StoreError, event, idempotency, space, time};
use crate::id::{DatasetId, JobId};

/// A job that waits for memory is overtaken by smaller ones for so long.
const OVERTAKEN: Duration = Duration::from_secs(60);

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
        self.write(move |tx| Box::pin(insert(tx, new))).await
    }

    /// Gives the next job (highest priority, then longest wait) to a worker, if one waits that fits into the memory.
    ///
    /// A smaller job may overtake one that does not fit yet, but not for ever: after a minute the others wait for it.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_claim(&self, worker: &str, memory: Option<Memory>) -> Result<Option<(Lease, Job)>, StoreError> {
        // A look that costs no transaction: pools ask often, and mostly nothing waits.
        let waits = sqlx::query("SELECT 1 FROM job WHERE status = 'queued' LIMIT 1");
        if waits.fetch_optional(&mut *self.read().await?).await?.is_none() {
            return Ok(None);
        }
        let worker = worker.to_owned();
        self.write(move |tx| Box::pin(claim(tx, worker, memory))).await
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

/// Writes a change of status that [`next`] has decided: the row, the transition and the event.
pub(super) async fn transition(tx: &mut Tx, job: &Held, to: Status, change: Change<'_>) -> Result<(), StoreError> {
    let number: i64 = sqlx::query_scalar(
        "UPDATE job SET
           status = ?2,
           worker = CASE WHEN ?2 IN ('pausing','cancelling') THEN worker END,
           queue_seconds = queue_seconds + coalesce(max(0, ?3 - queued_at), 0) / 1000.0,
           queued_at = CASE WHEN ?2 = 'queued' THEN ?3 END,
           queue_reason = NULL,
           finished_at = CASE WHEN ?4 THEN ?3 END,
           stop_reason = CASE WHEN ?4 THEN ?5 END,
           error = CASE WHEN ?2 = 'failed' THEN ?6 END,
           resume_wanted = 0,
           paused_for = CASE WHEN ?2 IN ('pausing','paused') THEN paused_for END,
           transitions = transitions + 1,
           revision = revision + 1
         WHERE seq = ?1 RETURNING transitions",
    )
    .bind(job.seq)
    .bind(to.as_str())
    .bind(tx.now)
    .bind(to.is_finished())
    .bind(change.stop_reason)
    .bind(change.error.map_or_else(|| "{}".to_owned(), Value::to_string))
    .fetch_one(&mut tx.connection)
    .await?;
    failpoint("queue.transition");
    note(tx, job, number, Some(job.status), to, change.reason).await
}

/// Writes the row of a transition and its event, and has waiters woken.
pub(super) async fn note(
    tx: &mut Tx,
    job: &Held,
    number: i64,
    from: Option<Status>,
    to: Status,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO job_transition (job, number, from_status, to_status, at, reason, attempt)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.seq)
    .bind(number)
    .bind(from.map(Status::as_str))
    .bind(to.as_str())
    .bind(tx.now)
    .bind(reason)
    .bind(job.attempt)
    .execute(&mut tx.connection)
    .await?;
    let level = if to == Status::Failed { Level::Error } else { Level::Info };
    let data = json!({"from": from, "to": to, "reason": reason, "attempt": job.attempt});
    let message = format!("{to}: {reason}");
    event::append(tx, job.seq, &[NewEvent { level, kind: "status", message, data, at: time(tx.now) }]).await?;
    tx.job_changed(job.id);
    tx.queue_changed();
    Ok(())
}

pub(super) async fn insert(tx: &mut Tx, mut new: NewJob) -> Result<Job, StoreError> {
    tx.directory().require_room()?;
    let row = sqlx::query(
        "SELECT coalesce(sum(jobs), 0) AS queued, coalesce(sum(jobs) FILTER (WHERE priority >= ?), 0) AS before
         FROM queue_size",
    )
    .bind(new.priority)
    .fetch_one(&mut tx.connection)
    .await?;
    let (queued, before) = (row.try_get::<i64, _>("queued")? as u64, row.try_get::<i64, _>("before")? as u64);
    let members = std::mem::take(&mut new.members);
    let more = members.len().saturating_sub(1) as u64;
    if let Some(limit) = new.queue_limit.filter(|limit| queued + more >= *limit) {
        return Err(StoreError::QueueFull { queued, limit });
    }
    let key = new.idempotency.clone();
    let like = if members.is_empty() { None } else { Some(new.clone()) };
    let (seq, job) = insert_row(tx, new, before, Place::Own { members: members.len() as u64 }).await?;
    if let Some(like) = like {
        for (member, number) in members.into_iter().zip(1..) {
            let NewMember { name, request, spec, mut parent } = member;
            if let Some(fields) = parent.as_object_mut() {
                fields.shift_insert(0, "job".to_owned(), job.id.to_string().into());
            }
            let parent = Some(parent);
            let member = NewJob { name, request, spec, parent, warnings: json!([]), ..like.clone() };
            insert_row(tx, member, before, Place::Led { leader: seq, number }).await?;
        }
    }
    if let Some(key) = &key {
        idempotency::made(tx, key, &job.id.to_string()).await?;
    }
    failpoint("queue.inserted");
    Ok(job)
}

/// Where a job stands among others.
enum Place {
    /// By itself, perhaps with jobs that it leads.
    Own { members: u64 },
    /// Led by another one, as this number of its members.
    Led { leader: i64, number: i64 },
}

/// Writes the rows of a job that so many are before, and gives its number.
async fn insert_row(tx: &mut Tx, new: NewJob, before: u64, place: Place) -> Result<(i64, Job), StoreError> {
    let also_uses = new.also_uses.clone();
    let mut job = job::fresh(new, JobId::new(), before, time(tx.now));
    let (leader, number) = match place {
        Place::Own { members } => {
            job.members = members;
            (None, None)
        }
        Place::Led { leader, number } => (Some(leader), Some(number)),
    };
    let row = sqlx::query(
        "INSERT INTO job (id, name, status, priority, tags, dataset, dataset_name, dataset_sha256, version,
                          arithmetic_version, request_id, request, spec, parent, warnings, parameters, memory_bytes,
                          created_at, queued_at, transitions, events, revision, members, family, member)
         VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17, 1, 1, ?18,
                 ?19, ?20, ?21)
         RETURNING seq",
    )
    .bind(job.id.to_string())
    .bind(&job.name)
    .bind(job.priority)
    .bind(serde_json::to_string(&job.tags)?)
    .bind(job.dataset.id.to_string())
    .bind(&job.dataset.name)
    .bind(&job.dataset.sha256)
    .bind(&job.version)
    .bind(job.arithmetic_version)
    .bind(&job.request_id)
    .bind(job.request.as_ref().map(Value::to_string))
    .bind(job.spec.as_ref().map(Value::to_string))
    .bind(job.parent.as_ref().map(Value::to_string))
    .bind(job.warnings.to_string())
    .bind(job.parameters.map(|n| n as i64))
    .bind(job.memory_bytes.map(|n| n as i64))
    .bind(tx.now)
    .bind(job.revision as i64)
    .bind(job.members as i64)
    .bind(leader)
    .bind(number)
    .fetch_one(&mut tx.connection)
    .await?;
    let seq: i64 = row.try_get("seq")?;
    for dataset in std::iter::once(job.dataset.id).chain(also_uses) {
        // Only a dataset that is still there: it may have been deleted since the spec was proved.
        let noted = sqlx::query(
            "INSERT INTO job_dataset (job, dataset) SELECT ?1, id FROM dataset WHERE id = ?2 ON CONFLICT DO UPDATE SET job = job",
        )
        .bind(seq)
        .bind(dataset.to_string())
        .execute(&mut tx.connection)
        .await?;
        if noted.rows_affected() == 0 {
            return Err(StoreError::not_found("dataset", dataset));
        }
    }
    // Two statements in one: each is a trip to the connection's thread, and submits are counted in them.
    sqlx::query(
        "INSERT INTO job_transition (job, number, from_status, to_status, at, reason, attempt)
         VALUES (?1, 1, NULL, 'queued', ?2, ?3, 0);
         INSERT INTO event (job, number, created_at, level, kind, message, data)
         VALUES (?1, 1, ?2, 'info', 'status', 'queued: ' || ?3,
                 json_object('from', NULL, 'to', 'queued', 'reason', ?3, 'attempt', 0))",
    )
    .bind(seq)
    .bind(tx.now)
    .bind(job::SUBMITTED)
    .execute(&mut tx.connection)
    .await?;
    tx.job_changed(job.id);
    tx.queue_changed();
    Ok((seq, job))
}

async fn claim(tx: &mut Tx, worker: String, memory: Option<Memory>) -> Result<Option<(Lease, Job)>, StoreError> {
    let free_bytes = memory.map(|memory| i64::try_from(memory.free_bytes).unwrap_or(i64::MAX));
    if let (Some(memory), Some(free)) = (memory, free_bytes) {
        let budget = i64::try_from(memory.budget_bytes).unwrap_or(i64::MAX);
        space::explain_memory(tx, free, budget).await?;
        if head_has_waited(tx, free, budget).await? {
            return Ok(None);
        }
    }
    // The index by name: left to itself SQLite takes the one by status, and sorts a long queue at each claim.
    // One statement, so that two workers cannot take the same job. The attempt is the fencing token of all that follows.
    let row = sqlx::query(
        "UPDATE job SET
           status = 'running', worker = ?1, attempt = attempt + 1,
           started_at = coalesce(started_at, ?2),
           queue_seconds = queue_seconds + max(0, ?2 - queued_at) / 1000.0,
           queued_at = NULL, queue_reason = NULL,
           transitions = transitions + 1, revision = revision + 1
         WHERE seq = (SELECT seq FROM job INDEXED BY job_queue
                      WHERE status = 'queued' AND members = 0 AND (?3 IS NULL OR memory_bytes IS NULL OR memory_bytes <= ?3)
                      ORDER BY priority DESC, seq LIMIT 1)
         RETURNING seq, id, status, attempt, resume_wanted, transitions",
    )
    .bind(&worker)
    .bind(tx.now)
    .bind(free_bytes)
    .fetch_optional(&mut tx.connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let job = held(&row)?;
    failpoint("queue.claimed");
    let reason = if job.attempt == 1 { "a worker took it" } else { "a worker took it to go on" };
    note(tx, &job, row.try_get("transitions")?, Some(Status::Queued), Status::Running, reason).await?;
    family::member_claimed(tx, job.seq).await?;
    let lease = Lease { job: job.id, worker, attempt: job.attempt as u32 };
    Ok(Some((lease, job::read(&mut tx.connection, job.id).await?)))
}

/// Says whether the first job that can ever run has waited so long for memory that the others wait for it. Counted since this process
/// first saw it wait, by a clock that nobody sets.
async fn head_has_waited(tx: &mut Tx, free: i64, budget: i64) -> Result<bool, StoreError> {
    let head = sqlx::query(
        "SELECT seq, memory_bytes FROM job INDEXED BY job_queue
         WHERE status = 'queued' AND members = 0 AND coalesce(memory_bytes, 0) <= ?
         ORDER BY priority DESC, seq LIMIT 1",
    )
    .bind(budget)
    .fetch_optional(&mut tx.connection)
    .await?;
    let waits = match &head {
        Some(head) if head.try_get::<Option<i64>, _>("memory_bytes")?.unwrap_or(0) > free => head.try_get("seq")?,
        _ => {
            tx.head_waits = None;
            return Ok(false);
        }
    };
    let since = match tx.head_waits {
        Some((seq, since)) if seq == waits => since,
        _ => Instant::now(),
    };
    tx.head_waits = Some((waits, since));
    Ok(since.elapsed() > OVERTAKEN)
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
