//! Autotrain runs and their steps: what was decided, what came of it. Who decides is `worker::autotrain`.
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::autotrain_step::{self, AutotrainStep};
use super::failpoint::failpoint;
use super::queue;
use super::status::{Action, Event, Next, next};
use super::writer::Tx;
use super::{
    IdempotencyKey, Job, JobDataset, Status, Store, StoreError, Time, cursor, family, idempotency, job, page, time,
};
use crate::id::{AutotrainId, JobId};

/// Holds a run's row.
#[derive(Debug, Clone)]
pub struct Autotrain {
    /// Its id.
    pub id: AutotrainId,
    /// A label for people.
    pub name: Option<String>,
    /// `Running`, `Cancelling`, `Succeeded`, `Failed` or `Cancelled`.
    pub status: Status,
    /// Grows with every change.
    pub revision: u64,
    /// The dataset.
    pub dataset: JobDataset,
    /// The version of the program that took it in.
    pub version: String,
    /// The request that made it, for the log.
    pub request_id: Option<String>,
    /// As sent.
    pub request: Value,
    /// With every default.
    pub spec: Value,
    /// When it came in.
    pub created_at: Time,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// Why it ended, in words.
    pub stop_reason: Option<String>,
    /// A problem object, if it failed.
    pub error: Option<Value>,
    /// The job that has the model.
    pub model: Option<JobId>,
    /// The model in numbers.
    pub result: Option<Value>,
    /// Its steps, in order.
    pub steps: Vec<AutotrainStep>,
}

/// Holds what makes a run.
#[derive(Debug, Clone)]
pub struct NewAutotrain {
    /// A label for people.
    pub name: Option<String>,
    /// The dataset.
    pub dataset: JobDataset,
    /// The version of the program.
    pub version: String,
    /// The request that makes it, for the log.
    pub request_id: Option<String>,
    /// As sent.
    pub request: Value,
    /// With every default.
    pub spec: Value,
    /// The client's idempotency key, noted in the same transaction.
    pub idempotency: Option<IdempotencyKey>,
}

/// How a run ends.
#[derive(Debug, Clone)]
pub enum AutotrainEnd {
    /// With a model.
    Succeeded {
        /// The job that has it.
        model: JobId,
        /// The model in numbers.
        result: Value,
    },
    /// Without one: a problem object.
    Failed(Value),
    /// As a client asked.
    Cancelled,
}

impl Store {
    /// Writes a run that begins.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn autotrain_insert(&self, new: NewAutotrain) -> Result<Autotrain, StoreError> {
        self.write(move |tx| Box::pin(insert(tx, new))).await
    }

    /// Reads a run with its steps.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn autotrain_get(&self, id: AutotrainId) -> Result<Autotrain, StoreError> {
        read(&mut *self.read().await?, id).await
    }

    /// Reads where a run stands and its revision.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn autotrain_status(&self, id: AutotrainId) -> Result<(Status, u64), StoreError> {
        let (_, status, revision) = look(&mut *self.read().await?, id).await?;
        Ok((status, revision))
    }

    /// Lists runs, newest first, without their steps.
    ///
    /// # Errors
    /// [`StoreError::Cursor`].
    pub async fn autotrain_list(
        &self,
        status: Option<Status>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<(Vec<Autotrain>, Option<String>), StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM autotrain WHERE seq < ?1 AND (?2 IS NULL OR status = ?2) ORDER BY seq DESC LIMIT ?3",
        )
        .bind(cursor(after)?)
        .bind(status.map(Status::as_str))
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *self.read().await?)
        .await?;
        page(rows, limit, from_row)
    }

    /// Lists the runs that have not ended, with their steps, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database.
    pub async fn autotrain_open(&self) -> Result<Vec<Autotrain>, StoreError> {
        let mut connection = self.read().await?;
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM autotrain WHERE finished_at IS NULL ORDER BY seq")
            .fetch_all(&mut *connection)
            .await?;
        let mut runs = Vec::with_capacity(ids.len());
        for id in ids {
            runs.push(read(&mut connection, id.parse()?).await?);
        }
        Ok(runs)
    }

    /// Ends the jobs of a run that have not finished.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn autotrain_stop_jobs(&self, id: AutotrainId, reason: &str) -> Result<(), StoreError> {
        let reason = reason.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                let run = read(&mut tx.connection, id).await?;
                stop_jobs(tx, &run, &reason).await
            })
        })
        .await
    }

    /// Ends a run; false when it has ended already, or when what was asked meanwhile forbids it.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn autotrain_finish(
        &self,
        id: AutotrainId,
        end: AutotrainEnd,
        stop_reason: &str,
    ) -> Result<bool, StoreError> {
        let stop_reason = stop_reason.to_owned();
        self.write(move |tx| Box::pin(finish(tx, id, end, stop_reason))).await
    }

    /// Asks a run to end, and its jobs with it; says whether that changed anything.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::RunState`] when it has ended otherwise.
    pub async fn autotrain_cancel(&self, id: AutotrainId, reason: &str) -> Result<(Autotrain, bool), StoreError> {
        let reason = reason.to_owned();
        self.write(move |tx| Box::pin(cancel(tx, id, reason))).await
    }

    /// Deletes a run that has ended, with its steps and the jobs that it tried; the job that has the model stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::RunState`] while it has not ended.
    pub async fn autotrain_delete(&self, id: AutotrainId) -> Result<(), StoreError> {
        self.write(move |tx| Box::pin(delete(tx, id))).await
    }

    /// Lists the jobs of a run's steps that are still there, with what they have come to.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database.
    pub async fn autotrain_jobs(&self, jobs: &[JobId]) -> Result<Vec<Option<Job>>, StoreError> {
        let mut found = Vec::with_capacity(jobs.len());
        for id in jobs {
            match self.job_get(*id).await {
                Ok(job) => found.push(Some(job)),
                Err(StoreError::NotFound { .. }) => found.push(None),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

pub(super) async fn look(connection: &mut SqliteConnection, id: AutotrainId) -> Result<(i64, Status, u64), StoreError> {
    let row = sqlx::query("SELECT seq, status, revision FROM autotrain WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found("autotrain run", id))?;
    Ok((row.try_get("seq")?, job::status_of(&row)?, row.try_get::<i64, _>("revision")? as u64))
}

async fn read(connection: &mut SqliteConnection, id: AutotrainId) -> Result<Autotrain, StoreError> {
    let row = sqlx::query("SELECT * FROM autotrain WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| StoreError::not_found("autotrain run", id))?;
    let mut run = from_row(&row)?;
    let steps = sqlx::query("SELECT * FROM autotrain_step WHERE autotrain = ? ORDER BY number")
        .bind(row.try_get::<i64, _>("seq")?)
        .fetch_all(connection)
        .await?;
    run.steps = steps.iter().map(autotrain_step::from_row).collect::<Result<_, _>>()?;
    Ok(run)
}

fn from_row(row: &SqliteRow) -> Result<Autotrain, StoreError> {
    let document = |column: &str| -> Result<Option<Value>, StoreError> {
        Ok(row.try_get::<Option<&str>, _>(column)?.map(serde_json::from_str).transpose()?)
    };
    Ok(Autotrain {
        id: row.try_get::<&str, _>("id")?.parse()?,
        name: row.try_get("name")?,
        status: job::status_of(row)?,
        revision: row.try_get::<i64, _>("revision")? as u64,
        dataset: JobDataset {
            id: row.try_get::<&str, _>("dataset")?.parse()?,
            name: row.try_get("dataset_name")?,
            sha256: row.try_get("dataset_sha256")?,
        },
        version: row.try_get("version")?,
        request_id: row.try_get("request_id")?,
        request: document("request")?.unwrap_or_default(),
        spec: document("spec")?.unwrap_or_default(),
        created_at: time(row.try_get("created_at")?),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(time),
        stop_reason: row.try_get("stop_reason")?,
        error: document("error")?,
        model: row.try_get::<Option<&str>, _>("model")?.map(str::parse).transpose()?,
        result: document("result")?,
        steps: Vec::new(),
    })
}

async fn insert(tx: &mut Tx, new: NewAutotrain) -> Result<Autotrain, StoreError> {
    tx.directory().require_room()?;
    let id = AutotrainId::new();
    sqlx::query(
        "INSERT INTO autotrain (id, name, status, dataset, dataset_name, dataset_sha256, version, request_id, request, spec,
                                created_at)
         VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(new.name)
    .bind(new.dataset.id.to_string())
    .bind(new.dataset.name)
    .bind(new.dataset.sha256)
    .bind(new.version)
    .bind(new.request_id)
    .bind(new.request.to_string())
    .bind(new.spec.to_string())
    .bind(tx.now)
    .execute(&mut tx.connection)
    .await?;
    if let Some(key) = &new.idempotency {
        idempotency::made(tx, key, &id.to_string()).await?;
    }
    failpoint("autotrain.inserted");
    tx.queue_changed();
    read(&mut tx.connection, id).await
}

/// Notes that a run has changed.
pub(super) async fn touch(tx: &mut Tx, seq: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE autotrain SET revision = revision + 1 WHERE seq = ?")
        .bind(seq)
        .execute(&mut tx.connection)
        .await?;
    tx.queue_changed();
    Ok(())
}

async fn finish(tx: &mut Tx, id: AutotrainId, end: AutotrainEnd, stop_reason: String) -> Result<bool, StoreError> {
    let (seq, status, _) = look(&mut tx.connection, id).await?;
    // A model that is there is told, even if somebody asked for the end meanwhile.
    let (to, error, model, result) = match end {
        AutotrainEnd::Succeeded { model, result } => (Status::Succeeded, None, Some(model.to_string()), Some(result)),
        AutotrainEnd::Failed(error) => (Status::Failed, Some(error), None, None),
        AutotrainEnd::Cancelled => (Status::Cancelled, None, None, None),
    };
    if status.is_finished() || (to == Status::Cancelled && status != Status::Cancelling) {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE autotrain SET status = ?, finished_at = ?, stop_reason = ?, error = ?, model = ?, result = ? WHERE seq = ?",
    )
    .bind(to.as_str())
    .bind(tx.now)
    .bind(stop_reason)
    .bind(error.map(|error| error.to_string()))
    .bind(model)
    .bind(result.map(|result| result.to_string()))
    .bind(seq)
    .execute(&mut tx.connection)
    .await?;
    failpoint("autotrain.finish");
    touch(tx, seq).await?;
    Ok(true)
}

async fn cancel(tx: &mut Tx, id: AutotrainId, reason: String) -> Result<(Autotrain, bool), StoreError> {
    let (seq, status, _) = look(&mut tx.connection, id).await?;
    let changed = match status {
        Status::Running => true,
        Status::Cancelling | Status::Cancelled => false,
        status => return Err(StoreError::RunState { status, action: Action::Cancel }),
    };
    if changed {
        sqlx::query("UPDATE autotrain SET status = 'cancelling' WHERE seq = ?")
            .bind(seq)
            .execute(&mut tx.connection)
            .await?;
        let run = read(&mut tx.connection, id).await?;
        stop_jobs(tx, &run, &reason).await?;
        touch(tx, seq).await?;
    }
    Ok((read(&mut tx.connection, id).await?, changed))
}

async fn stop_jobs(tx: &mut Tx, run: &Autotrain, reason: &str) -> Result<(), StoreError> {
    for id in run.steps.iter().filter(|step| step.finished_at.is_none()).flat_map(|step| &step.jobs) {
        let held = match queue::look(&mut tx.connection, *id).await {
            Ok(held) => held,
            Err(StoreError::NotFound { .. }) => continue, // a client deleted it
            Err(error) => return Err(error),
        };
        if !held.status.is_finished() && next(held.status, Event::Asked(Action::Cancel)) != Next::Refused {
            queue::obey(tx, &held, Action::Cancel, reason).await?;
            family::carry(tx, held.seq, Action::Cancel, reason).await?;
        }
    }
    Ok(())
}

async fn delete(tx: &mut Tx, id: AutotrainId) -> Result<(), StoreError> {
    let (seq, status, _) = look(&mut tx.connection, id).await?;
    if !status.is_finished() {
        return Err(StoreError::RunState { status, action: Action::Delete });
    }
    sqlx::query("DELETE FROM autotrain WHERE seq = ?").bind(seq).execute(&mut tx.connection).await?;
    tx.queue_changed();
    tx.space_freed();
    Ok(())
}
