//! The way of one claimed job, on its own thread: do the work, then let go of the job, whatever became of the work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::control::{Control, Stop};
use super::failure::Failure;
use super::recorder::Recorder;
use crate::store::{CheckpointSet, Finish, Job, Lease, Outcome, Record, Store, StoreError};

/// Time between attempts to give a job back to a store that refuses to write.
const RETRY: Duration = Duration::from_secs(1);

/// What the work of a job needs.
pub(super) struct Session<'a> {
    pub store: &'a Store,
    /// For the store's functions that are async: the job's thread is none of the runtime's.
    pub runtime: &'a tokio::runtime::Handle,
    pub job: &'a Job,
    pub control: &'a Control,
}

/// How work ends that did not fail.
#[derive(Debug)]
pub(super) enum Ended {
    /// It is done, for this reason.
    Done {
        /// `epochs_done`, `early_stopping`, …
        stop_reason: &'static str,
        /// The last checkpoints.
        set: Option<CheckpointSet>,
    },
    /// It obeyed a wish to stop.
    Stopped {
        /// The wish.
        stop: Stop,
        /// The state to go on from.
        set: Option<CheckpointSet>,
    },
}

/// Does the work of a job. [`super::train_job::train_job`], and in tests of the pool something simpler.
pub(super) type Work = dyn Fn(&Session<'_>, &mut Recorder) -> Result<Ended, Failure> + Send + Sync;

/// Runs a claimed job to its end, and always lets go of it.
pub(super) fn run(
    work: &Work,
    store: &Store,
    runtime: &tokio::runtime::Handle,
    lease: Lease,
    job: &Job,
    control: &Control,
) {
    let span = tracing::info_span!("job", job.id = %lease.job, attempt = lease.attempt, request_id = job.request_id);
    let _entered = span.entered();
    tracing::info!(dataset = %job.dataset.id, "started");
    let mut recorder = Recorder::new(store.clone(), lease.clone());
    let session = Session { store, runtime, job, control };
    // A panic must end the job, not the pool: what the closure leaves behind is looked at no more, but for gathered numbers.
    let ended = catch_unwind(AssertUnwindSafe(|| work(&session, &mut recorder)));
    let ended = ended.unwrap_or_else(|panic| {
        tracing::error!(panic = message(&*panic), "the job's thread panicked");
        Err(Failure::internal(lease.attempt))
    });
    let (set, finish) = match ended {
        Ok(Ended::Done { stop_reason, set }) => {
            (set, Finish { outcome: Outcome::Succeeded, stop_reason: stop_reason.to_owned() })
        }
        Ok(Ended::Stopped { stop, set }) => {
            let (outcome, stop_reason) =
                if stop == Stop::Drain { (Outcome::Released, "") } else { (Outcome::Stopped, "cancelled") };
            (set, Finish { outcome, stop_reason: stop_reason.to_owned() })
        }
        Err(failure) => {
            tracing::info!(stop_reason = failure.stop_reason, error = %failure.error, "failed");
            let outcome = Outcome::Failed(failure.error);
            (None, Finish { outcome, stop_reason: failure.stop_reason.to_owned() })
        }
    };
    match recorder.finish(set, finish) {
        Ok(status) => tracing::info!(%status, "let go"),
        Err(StoreError::Stale { .. }) => tracing::warn!("the job was taken away meanwhile"),
        Err(error) => {
            tracing::error!(%error, "the end of the job could not be written; it goes on from its last checkpoint");
            runtime.block_on(give_back(store, &lease, matches!(error, StoreError::Full)));
        }
    }
}

/// Gives a job back to the queue, or has it wait for room on a full disk, and tries until the store takes it: a job that nobody holds must
/// not look held.
pub(super) async fn give_back(store: &Store, lease: &Lease, mut disk_full: bool) {
    let reason = "the server could not write what it had done; it goes on from its last checkpoint";
    let finish = Finish { outcome: Outcome::Released, stop_reason: reason.to_owned() };
    loop {
        let given = if disk_full {
            store.job_let_go_for_space(lease).await
        } else {
            store.job_finish(lease, Record::default(), None, finish.clone()).await.map(drop)
        };
        match given {
            Ok(()) | Err(StoreError::Stale { .. } | StoreError::Closed) => return,
            Err(error) => {
                disk_full = matches!(error, StoreError::Full);
                tracing::error!(%error, job.id = %lease.job, "a job cannot be given back yet");
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Reads what a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
