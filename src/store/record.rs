//! What a worker writes of the job it holds: every write is guarded by the lease, and each is one transaction.
use serde_json::Value;

use super::*;

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
    /// `epochs_done`, `early_stopping`, `cancelled`, …; kept only if the job has finished by this.
    pub stop_reason: String,
}

impl Store {
    /// Writes what came to pass. The command is queued when this returns, in order with the others of the caller; the result
    /// comes with the commit.
    ///
    /// The result is [`StoreError::Stale`] when the lease no longer holds.
    pub fn job_record(&self, _lease: &Lease, _record: Record) -> Pending<()> {
        unimplemented!()
    }
    /// Writes what came to pass and the checkpoints made at its end, in one transaction.
    ///
    /// The result is [`StoreError::Stale`] when the lease no longer holds.
    pub fn job_checkpoint(&self, _lease: &Lease, _record: Record, _set: CheckpointSet) -> Pending<()> {
        unimplemented!()
    }
    /// Writes the rest and lets go of the job, in one transaction; gives the status the job then has.
    ///
    /// A job that was asked to pause or cancel while it was about to end has ended: `Succeeded` and `Failed` win. A job that is
    /// told `Stopped` is paused, or queued when its resume was asked for meanwhile, or cancelled.
    ///
    /// The result is [`StoreError::Stale`] when the lease no longer holds.
    pub fn job_finish(
        &self,
        _lease: &Lease,
        _record: Record,
        _set: Option<CheckpointSet>,
        _finish: Finish,
    ) -> Pending<Status> {
        unimplemented!()
    }
}
