//! The steps of autotrain runs: each is written with the jobs that it starts, in one transaction, and closed once.
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::autotrain::{look, touch};
use super::failpoint::failpoint;
use super::queue::NewJob;
use super::writer::Tx;
use super::{Status, Store, StoreError, Time, submit, time};
use crate::id::{AutotrainId, JobId};

/// Holds a step's row.
#[derive(Debug, Clone)]
pub struct AutotrainStep {
    /// 1, 2, …
    pub number: u64,
    /// In a few words.
    pub title: String,
    /// Why it was taken.
    pub reason: String,
    /// What it does.
    pub plan: Value,
    /// The jobs that do it.
    pub jobs: Vec<JobId>,
    /// When it was taken.
    pub started_at: Time,
    /// When it was closed.
    pub finished_at: Option<Time>,
    /// What came of it.
    pub outcome: Option<Value>,
    /// What that says.
    pub conclusion: Option<String>,
}

/// Holds what makes a step.
#[derive(Debug, Clone)]
pub struct NewStep {
    /// 1, 2, …: one more than there are.
    pub number: u64,
    /// In a few words.
    pub title: String,
    /// Why it is taken.
    pub reason: String,
    /// What it does.
    pub plan: Value,
    /// The jobs that do it.
    pub jobs: Vec<NewJob>,
    /// Whether these are to outlive the run: the job of the model.
    pub keep: bool,
}

impl Store {
    /// Writes a step with its jobs; false when it is not the next one of a run that goes on: somebody was quicker.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when a dataset has gone meanwhile; failures of the disk.
    pub async fn autotrain_step_begin(&self, id: AutotrainId, step: NewStep) -> Result<bool, StoreError> {
        self.write(move |tx| Box::pin(step_begin(tx, id, step))).await
    }

    /// Closes a step with what came of it; false when it is closed already.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn autotrain_step_end(
        &self,
        id: AutotrainId,
        number: u64,
        outcome: Value,
        conclusion: String,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| Box::pin(step_end(tx, id, number, outcome, conclusion))).await
    }
}

/// Makes a step of its row.
pub(super) fn from_row(row: &SqliteRow) -> Result<AutotrainStep, StoreError> {
    Ok(AutotrainStep {
        number: row.try_get::<i64, _>("number")? as u64,
        title: row.try_get("title")?,
        reason: row.try_get("reason")?,
        plan: serde_json::from_str(row.try_get("plan")?)?,
        jobs: serde_json::from_str(row.try_get("jobs")?)?,
        started_at: time(row.try_get("started_at")?),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(time),
        outcome: row.try_get::<Option<&str>, _>("outcome")?.map(serde_json::from_str).transpose()?,
        conclusion: row.try_get("conclusion")?,
    })
}

async fn step_begin(tx: &mut Tx, id: AutotrainId, step: NewStep) -> Result<bool, StoreError> {
    let (seq, status, _) = look(&mut tx.connection, id).await?;
    let (steps, open): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(*) - count(finished_at) FROM autotrain_step WHERE autotrain = ?")
            .bind(seq)
            .fetch_one(&mut tx.connection)
            .await?;
    if status != Status::Running || open > 0 || steps as u64 + 1 != step.number {
        return Ok(false);
    }
    let mut jobs = Vec::with_capacity(step.jobs.len());
    for mut new in step.jobs {
        let relation = if step.keep { "model" } else { "trial" };
        new.parent = Some(json!({"autotrain": id, "relation": relation, "step": step.number}));
        let texts = submit::Texts::of(&new);
        let job = submit::insert(tx, new, texts).await?;
        if !step.keep {
            sqlx::query("UPDATE job SET autotrain = ? WHERE id = ?")
                .bind(seq)
                .bind(job.id.to_string())
                .execute(&mut tx.connection)
                .await?;
        }
        jobs.push(job.id);
    }
    failpoint("autotrain.jobs");
    sqlx::query(
        "INSERT INTO autotrain_step (autotrain, number, title, reason, plan, jobs, started_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(seq)
    .bind(step.number as i64)
    .bind(step.title)
    .bind(step.reason)
    .bind(step.plan.to_string())
    .bind(json!(jobs).to_string())
    .bind(tx.now)
    .execute(&mut tx.connection)
    .await?;
    touch(tx, seq).await?;
    Ok(true)
}

async fn step_end(
    tx: &mut Tx,
    id: AutotrainId,
    number: u64,
    outcome: Value,
    conclusion: String,
) -> Result<bool, StoreError> {
    let (seq, ..) = look(&mut tx.connection, id).await?;
    let ended = sqlx::query(
        "UPDATE autotrain_step SET finished_at = ?, outcome = ?, conclusion = ?
         WHERE autotrain = ? AND number = ? AND finished_at IS NULL",
    )
    .bind(tx.now)
    .bind(outcome.to_string())
    .bind(conclusion)
    .bind(seq)
    .bind(number as i64)
    .execute(&mut tx.connection)
    .await?
    .rows_affected();
    failpoint("autotrain.step_end");
    if ended > 0 {
        touch(tx, seq).await?;
    }
    Ok(ended > 0)
}
