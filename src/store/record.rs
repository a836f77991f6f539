//! What a worker writes of the job it holds: every write is guarded by the lease, and each is one transaction.
use serde_json::Value;
use sqlx::Row;

use super::failpoint::failpoint;
use super::queue::{self, Change, Held, Lease};
use super::status::{Event, Next, Status, next};
use super::writer::{Pending, Tx};
use super::{Best, CheckpointSet, NewEvent, NewReport, Points, Store, StoreError, checkpoint, event, metric, report};

/// Holds what came to pass since the last record, in order.
#[derive(Debug, Default)]
pub struct Record {
    /// Points of metrics.
    pub points: Vec<Points>,
    /// Events.
    pub events: Vec<NewEvent>,
    /// How far the job is.
    pub progress: Option<Value>,
    /// The step that is completed: a job that gets further is no poison.
    pub step: Option<u64>,
    /// The best epoch, if it changed.
    pub best: Option<Best>,
    /// The numbers of the last epoch.
    pub last: Option<Value>,
    /// Seconds of training over all attempts.
    pub train_seconds: Option<f64>,
    /// Number of parameters, once the encoder has told it exactly.
    pub parameters: Option<u64>,
    /// Reports of checks.
    pub reports: Vec<NewReport>,
    /// What the diagnosis looks at beside the curves.
    pub facts: Option<Value>,
    /// What the members of a job that leads some have come to.
    pub folds: Option<Value>,
}

/// Tells how a worker lets go of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It ended as it should.
    Succeeded,
    /// It ended by a fault: a problem object.
    Failed(Value),
    /// It stopped because a client asked for a pause or a cancel.
    Stopped,
    /// It stopped because the server drains; it goes back to the queue.
    Released,
}

/// Ends an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// How.
    pub outcome: Outcome,
    /// `epochs_done`, `early_stopping`, `cancelled`, …, kept if the job has finished by this; why, if it goes back to the queue.
    pub stop_reason: String,
}

impl Store {
    /// Writes what came to pass. The command is queued when this returns, in order with the others of the caller; the result
    /// comes with the commit.
    ///
    /// The result is [`StoreError::Stale`] when the lease no longer holds.
    pub fn job_record(&self, lease: &Lease, record: Record) -> Pending<()> {
        let lease = lease.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let job = guard(tx, &lease).await?;
                write(tx, &job, record).await
            })
        })
    }

    /// Writes what came to pass and the checkpoints made at its end, in one transaction.
    ///
    /// The result is [`StoreError::Stale`] when the lease no longer holds.
    pub fn job_checkpoint(&self, lease: &Lease, record: Record, set: CheckpointSet) -> Pending<()> {
        let lease = lease.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let job = guard(tx, &lease).await?;
                write(tx, &job, record).await?;
                checkpoint::put(tx, &job, set).await
            })
        })
    }

    /// Writes the rest and lets go of the job, in one transaction; gives the status the job then has.
    ///
    /// A job that was asked to pause or cancel while it was about to end has ended: `Succeeded` and `Failed` win. A job that is
    /// told `Stopped` is paused, or queued when its resume was asked for meanwhile, or cancelled.
    ///
    /// The result is [`StoreError::Stale`] when the lease no longer holds.
    pub fn job_finish(
        &self,
        lease: &Lease,
        record: Record,
        set: Option<CheckpointSet>,
        finish: Finish,
    ) -> Pending<Status> {
        let lease = lease.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let job = guard(tx, &lease).await?;
                write(tx, &job, record).await?;
                if let Some(set) = set {
                    checkpoint::put(tx, &job, set).await?;
                }
                failpoint("record.finish");
                let_go(tx, &job, finish).await
            })
        })
    }
}

/// Makes sure that the lease holds: same worker, same attempt, and a status that workers hold.
pub(super) async fn guard(tx: &mut Tx, lease: &Lease) -> Result<Held, StoreError> {
    let row = sqlx::query(
        "SELECT seq, status, resume_wanted FROM job
         WHERE id = ? AND worker = ? AND attempt = ? AND status IN ('running','pausing','cancelling')",
    )
    .bind(lease.job.to_string())
    .bind(&lease.worker)
    .bind(lease.attempt)
    .fetch_optional(&mut tx.connection)
    .await?
    .ok_or(StoreError::Stale { job: lease.job, attempt: lease.attempt })?;
    Ok(Held {
        seq: row.try_get("seq")?,
        id: lease.job,
        status: super::job::status_of(&row)?,
        attempt: i64::from(lease.attempt),
        resume_wanted: row.try_get("resume_wanted")?,
    })
}

async fn write(tx: &mut Tx, job: &Held, record: Record) -> Result<(), StoreError> {
    for points in &record.points {
        metric::append(tx, job.seq, points).await?;
    }
    failpoint("record.metrics");
    event::append(tx, job.seq, &record.events).await?;
    failpoint("record.events");
    for new in &record.reports {
        report::put(tx, Some(job.seq), new).await?;
    }
    let (best_epoch, best_metric, best_value) = match record.best {
        Some(best) => (Some(best.epoch as i64), Some(best.metric), Some(best.value)),
        None => (None, None, None),
    };
    sqlx::query(
        "UPDATE job SET
           progress = coalesce(?2, progress),
           crashes = CASE WHEN ?3 > furthest_step THEN 0 ELSE crashes END,
           furthest_step = max(furthest_step, coalesce(?3, -1)),
           best_epoch = coalesce(?4, best_epoch), best_metric = coalesce(?5, best_metric),
           best_value = CASE WHEN ?4 IS NULL THEN best_value ELSE ?6 END,
           last = coalesce(?7, last),
           train_seconds = coalesce(?8, train_seconds),
           parameters = coalesce(?9, parameters),
           facts = coalesce(?10, facts),
           folds = coalesce(?11, folds),
           revision = revision + 1
         WHERE seq = ?1",
    )
    .bind(job.seq)
    .bind(record.progress.map(|value| value.to_string()))
    .bind(record.step.map(|step| step as i64))
    .bind(best_epoch)
    .bind(best_metric)
    .bind(best_value)
    .bind(record.last.map(|value| value.to_string()))
    .bind(record.train_seconds)
    .bind(record.parameters.map(|n| n as i64))
    .bind(record.facts.map(|value| value.to_string()))
    .bind(record.folds.map(|value| value.to_string()))
    .execute(&mut tx.connection)
    .await?;
    tx.job_changed(job.id);
    Ok(())
}

async fn let_go(tx: &mut Tx, job: &Held, finish: Finish) -> Result<Status, StoreError> {
    let (event, error) = match &finish.outcome {
        Outcome::Succeeded => (Event::Succeeded, None),
        Outcome::Failed(error) => (Event::Failed, Some(error)),
        Outcome::Stopped => (Event::Stopped, None),
        Outcome::Released => (Event::Released, None),
    };
    let Next::To(to) = next(job.status, event) else {
        return Err(StoreError::Stale { job: job.id, attempt: job.attempt as u32 });
    };
    let to = if to == Status::Paused && job.resume_wanted { Status::Queued } else { to };
    let (reason, stop_reason) = match to {
        // Not by itself: whoever let go of it says why.
        Status::Cancelled if !["", "cancelled"].contains(&finish.stop_reason.as_str()) => {
            (finish.stop_reason.as_str(), "cancelled")
        }
        Status::Cancelled => ("the worker stopped, as asked", "cancelled"),
        Status::Paused => ("the worker wrote its state and stopped, as asked", ""),
        Status::Queued if job.status == Status::Pausing => ("resumed before it had paused", ""),
        Status::Queued if !finish.stop_reason.is_empty() => (finish.stop_reason.as_str(), ""),
        Status::Queued => ("the server shuts down; it goes on after the next start", ""),
        _ => (finish.stop_reason.as_str(), finish.stop_reason.as_str()),
    };
    queue::transition(tx, job, to, Change { reason, stop_reason, error }).await?;
    Ok(to)
}
