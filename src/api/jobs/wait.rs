//! Requests that wait for a job: they hold no thread, and the store's signal wakes them.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::App;
use crate::api::extract::Params;
use crate::api::problem::{Kind, Problem};
use crate::id::JobId;
use crate::store::Status;

/// Nobody waits longer than this.
const LONGEST_SECONDS: f64 = 60.0;

/// Reads `?wait=`.
pub(super) fn read(params: &mut Params) -> Option<f64> {
    params.number("wait", 0.0..=LONGEST_SECONDS)
}

/// Waits until the job has finished, at most so many seconds.
pub(super) async fn finished(app: &App, id: JobId, seconds: f64) -> Result<(), Problem> {
    until(app, id, seconds, |status, _| status.is_finished()).await
}

/// Waits until the job is no longer at `revision`, at most so many seconds.
pub(super) async fn changed(app: &App, id: JobId, seconds: f64, tag: &str) -> Result<(), Problem> {
    until(app, id, seconds, |_, revision| super::wire::tag(revision) != tag).await
}

/// A draining server answers at once, so that the client asks the next one.
async fn until(app: &App, id: JobId, seconds: f64, met: impl Fn(Status, u64) -> bool) -> Result<(), Problem> {
    let crowded = || Problem::new(Kind::TooMany, "too many requests wait already").retry_after(2);
    let _permit = app.waits().try_acquire().map_err(|_| crowded())?;
    let deadline = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_SECONDS));
    // The signal is taken before the row is read: a change in between is not missed.
    let mut changes = app.store().job_changes(id);
    loop {
        let (status, revision) = app.store().job_status(id).await?;
        if met(status, revision) {
            return Ok(());
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep_until(deadline) => return Ok(()),
            () = app.draining().cancelled() => return Ok(()),
        }
    }
}
