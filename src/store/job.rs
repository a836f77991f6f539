//! Jobs: their rows as readers see them.
use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::writer::Tx;
use super::{Action, NewJob, Status, Store, StoreError, Time, family, place, queue, time};
use crate::id::{DatasetId, JobId};

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
    /// Number of jobs that it leads; such a job trains nothing itself.
    pub members: u64,
    /// What these have come to, as told so far.
    pub folds: Option<Value>,
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

/// The columns of a row, but for its documents.
macro_rules! columns {
    () => {
        "seq, id, name, status, attempt, priority, tags, revision, dataset, dataset_name, dataset_sha256, version, \
         arithmetic_version, request_id, parent, warnings, parameters, memory_bytes, created_at, queued_at, queue_seconds, \
         queue_reason, started_at, finished_at, train_seconds, progress, best_epoch, best_metric, best_value, last, \
         stop_reason, error, members, folds"
    };
}
pub(super) use columns;

/// Why a job has its first status.
pub(super) const SUBMITTED: &str = "submitted";

/// Makes a job as it is when it has just come in; its place in the queue is for the caller to add.
pub(super) fn fresh(new: NewJob, id: JobId, now: Time) -> Job {
    Job {
        id,
        name: new.name,
        status: Status::Queued,
        attempt: 0,
        priority: new.priority,
        tags: new.tags,
        dataset: new.dataset,
        revision: 1,
        version: new.version,
        arithmetic_version: new.arithmetic_version,
        request_id: new.request_id,
        created_at: now,
        started_at: None,
        finished_at: None,
        queue_seconds: 0.0,
        train_seconds: 0.0,
        queue_position: None,
        queue_reason: None,
        progress: None,
        best: None,
        last: None,
        stop_reason: None,
        error: None,
        parameters: new.parameters,
        memory_bytes: new.memory_bytes,
        parent: new.parent,
        members: new.members.len() as u64,
        folds: None,
        warnings: if new.warnings.is_array() { new.warnings } else { Value::Array(Vec::new()) },
        request: Some(new.request),
        spec: Some(new.spec),
        transitions: vec![Transition { from: None, to: Status::Queued, at: now, reason: SUBMITTED.to_owned() }],
    }
}

fn document(row: &SqliteRow, column: &str) -> Result<Option<Value>, StoreError> {
    let text: Option<&str> = row.try_get(column)?;
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// Makes a job of its row; documents and the place in the queue are for the caller to add.
pub(super) fn from_row(row: &SqliteRow) -> Result<Job, StoreError> {
    let status = status_of(row)?;
    let queued_at: Option<i64> = row.try_get("queued_at")?;
    let waiting = queued_at.map_or(0, |since| (chrono::Utc::now().timestamp_millis() - since).max(0));
    let best_metric: Option<String> = row.try_get("best_metric")?;
    let best = match best_metric {
        Some(metric) => Some(Best {
            epoch: row.try_get::<i64, _>("best_epoch")? as u64,
            metric,
            value: row.try_get::<Option<f64>, _>("best_value")?.unwrap_or(f64::NAN),
        }),
        None => None,
    };
    Ok(Job {
        id: row.try_get::<&str, _>("id")?.parse()?,
        name: row.try_get("name")?,
        status,
        attempt: row.try_get::<i64, _>("attempt")? as u32,
        priority: row.try_get::<i64, _>("priority")? as i32,
        tags: serde_json::from_str(row.try_get("tags")?)?,
        dataset: JobDataset {
            id: row.try_get::<&str, _>("dataset")?.parse()?,
            name: row.try_get("dataset_name")?,
            sha256: row.try_get("dataset_sha256")?,
        },
        revision: row.try_get::<i64, _>("revision")? as u64,
        version: row.try_get("version")?,
        arithmetic_version: row.try_get::<i64, _>("arithmetic_version")? as u32,
        request_id: row.try_get("request_id")?,
        created_at: time(row.try_get("created_at")?),
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(time),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(time),
        queue_seconds: row.try_get::<f64, _>("queue_seconds")? + waiting as f64 / 1000.0,
        train_seconds: row.try_get("train_seconds")?,
        queue_position: None,
        queue_reason: row.try_get("queue_reason")?,
        progress: document(row, "progress")?,
        best,
        last: document(row, "last")?,
        stop_reason: row.try_get("stop_reason")?,
        error: document(row, "error")?,
        parameters: row.try_get::<Option<i64>, _>("parameters")?.map(|n| n as u64),
        memory_bytes: row.try_get::<Option<i64>, _>("memory_bytes")?.map(|n| n as u64),
        parent: document(row, "parent")?,
        members: row.try_get::<i64, _>("members")? as u64,
        folds: document(row, "folds")?,
        warnings: document(row, "warnings")?.unwrap_or(Value::Null),
        request: None,
        spec: None,
        transitions: Vec::new(),
    })
}

/// Adds request and spec, which the row has, and the transitions, which are rows of their own.
pub(super) fn add_documents(row: &SqliteRow, transitions: &[SqliteRow], job: &mut Job) -> Result<(), StoreError> {
    job.request = document(row, "request")?;
    job.spec = document(row, "spec")?;
    for row in transitions {
        let from: Option<&str> = row.try_get("from_status")?;
        job.transitions.push(Transition {
            from: from.map(parse_status).transpose()?,
            to: parse_status(row.try_get("to_status")?)?,
            at: time(row.try_get("at")?),
            reason: row.try_get("reason")?,
        });
    }
    Ok(())
}

/// Reads how a job came to its status.
pub(super) async fn transitions(connection: &mut SqliteConnection, seq: i64) -> Result<Vec<SqliteRow>, StoreError> {
    let rows =
        sqlx::query("SELECT from_status, to_status, at, reason FROM job_transition WHERE job = ? ORDER BY number");
    Ok(rows.bind(seq).fetch_all(connection).await?)
}

fn parse_status(text: &str) -> Result<Status, StoreError> {
    text.parse().map_err(StoreError::Database)
}

/// Reads the status of a row.
pub(super) fn status_of(row: &SqliteRow) -> Result<Status, StoreError> {
    parse_status(row.try_get("status")?)
}

/// Reads a job with everything, in or out of a transaction.
pub(super) async fn read(connection: &mut SqliteConnection, id: JobId) -> Result<Job, StoreError> {
    let (seq, mut job) = read_placeless(connection, id).await?;
    if job.status == Status::Queued {
        job.queue_position = Some(place::of(connection, job.priority, seq).await?);
    }
    Ok(job)
}

/// Reads a job with everything but its place in the queue.
pub(super) async fn read_placeless(connection: &mut SqliteConnection, id: JobId) -> Result<(i64, Job), StoreError> {
    let row = sqlx::query(concat!("SELECT ", columns!(), ", request, spec FROM job WHERE id = ?"))
        .bind(id.to_string())
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| StoreError::not_found("job", id))?;
    let mut job = from_row(&row)?;
    let seq = row.try_get("seq")?;
    add_documents(&row, &transitions(connection, seq).await?, &mut job)?;
    Ok((seq, job))
}

/// Finds a job's number; for readers of what a job has.
pub(super) async fn seq_of(connection: &mut SqliteConnection, id: JobId) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT seq FROM job WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found("job", id))
}

impl Store {
    /// Reads a job with its documents.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_get(&self, id: JobId) -> Result<Job, StoreError> {
        read(&mut *self.read().await?, id).await
    }

    /// Reads where a job stands and its revision, by one look at the primary key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_status(&self, id: JobId) -> Result<(Status, u64), StoreError> {
        let row = sqlx::query("SELECT status, revision FROM job WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found("job", id))?;
        Ok((status_of(&row)?, row.try_get::<i64, _>("revision")? as u64))
    }

    /// Reads what the diagnosis of a job looks at beside its curves; `None` while no worker has written it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_facts(&self, id: JobId) -> Result<Option<Value>, StoreError> {
        let row = sqlx::query("SELECT facts FROM job WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found("job", id))?;
        document(&row, "facts")
    }

    /// Lists the datasets that a job needs beside the one it trains on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_also_uses(&self, id: JobId) -> Result<Vec<DatasetId>, StoreError> {
        let mut connection = self.read().await?;
        let seq = seq_of(&mut connection, id).await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT job_dataset.dataset FROM job_dataset JOIN job ON job.seq = job_dataset.job
             WHERE job.seq = ? AND job_dataset.dataset <> job.dataset",
        )
        .bind(seq)
        .fetch_all(&mut *connection)
        .await?;
        Ok(ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?)
    }

    /// Changes what a client may change.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn job_patch(&self, id: JobId, patch: JobPatch) -> Result<Job, StoreError> {
        self.write(move |tx| Box::pin(change(tx, id, patch))).await
    }

    /// Deletes a finished job and everything it has.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::WrongState`] while it has not finished.
    pub async fn job_delete(&self, id: JobId) -> Result<(), StoreError> {
        self.write(move |tx| Box::pin(delete(tx, id))).await
    }
}

async fn change(tx: &mut Tx, id: JobId, patch: JobPatch) -> Result<Job, StoreError> {
    let seq = seq_of(&mut tx.connection, id).await?;
    let tags = patch.tags.map(|tags| serde_json::to_string(&tags)).transpose()?;
    sqlx::query(
        "UPDATE job SET name = CASE WHEN ?2 THEN ?3 ELSE name END, tags = coalesce(?4, tags),
                        priority = coalesce(?5, priority), revision = revision + 1 WHERE seq = ?1",
    )
    .bind(seq)
    .bind(patch.name.is_some())
    .bind(patch.name.flatten())
    .bind(tags)
    .bind(patch.priority)
    .execute(&mut tx.connection)
    .await?;
    if let Some(priority) = patch.priority {
        family::prioritise(tx, seq, priority).await?;
    }
    tx.job_changed(id);
    tx.queue_changed();
    read(&mut tx.connection, id).await
}

async fn delete(tx: &mut Tx, id: JobId) -> Result<(), StoreError> {
    let job = queue::look(&mut tx.connection, id).await?;
    family::refuse_member(tx, &job, Action::Delete).await?;
    if !job.status.is_finished() {
        return Err(StoreError::WrongState { job: id, status: job.status, action: Action::Delete });
    }
    sqlx::query("DELETE FROM job WHERE seq = ?").bind(job.seq).execute(&mut tx.connection).await?;
    tx.job_changed(id);
    tx.space_freed();
    Ok(())
}
