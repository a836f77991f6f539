//! What a former process held: a new one takes it back at its start, and ends jobs that end the process again and again.
use serde_json::json;
use sqlx::Row;

use super::queue::{Change, held, transition};
use super::status::{Event, Next, Status, next};
use super::writer::Tx;
use super::{Store, StoreError};

/// A job that ended the process so many times without getting further in between is not tried again.
const CRASHES: i64 = 3;

/// Counts what the rescue at start did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Back to the queue.
    pub queued: u64,
    /// Paused.
    pub paused: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Failed, because they ended the process again and again without getting further.
    pub poisoned: u64,
}

impl Store {
    /// Takes back what a former process of this data directory held. [`Store::open`] calls it; no worker may run yet.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_rescue(&self) -> Result<Rescued, StoreError> {
        self.write(|tx| Box::pin(rescue(tx))).await
    }
}

async fn rescue(tx: &mut Tx) -> Result<Rescued, StoreError> {
    // A machine that went down took every job with it: none of them is to blame.
    let machine_restarted = note_boot(tx).await?;
    let rows = sqlx::query(
        // A job that leads others ends no process: its members may.
        "UPDATE job SET crashes = crashes + (? AND members = 0) WHERE status IN ('running','pausing','cancelling')
         RETURNING seq, id, status, attempt, resume_wanted, crashes",
    )
    .bind(!machine_restarted)
    .fetch_all(&mut tx.connection)
    .await?;
    let mut rescued = Rescued::default();
    for row in rows {
        let job = held(&row)?;
        let crashes: i64 = row.try_get("crashes")?;
        let event = if crashes >= CRASHES { Event::Poisoned } else { Event::Lost };
        let Next::To(to) = next(job.status, event) else { continue };
        let to = if to == Status::Paused && job.resume_wanted { Status::Queued } else { to };
        let detail = format!("the server stopped {crashes} times while it ran, and it got no further in between");
        let error = json!({
            "type": "/problems/crashed-repeatedly", "code": "crashed_repeatedly", "title": "The job ends the server",
            "detail": detail, "crashes": crashes, "attempt": job.attempt,
        });
        let (reason, stop_reason) = match to {
            Status::Failed => (detail.as_str(), "error"),
            Status::Cancelled => ("the server stopped before the worker could obey", "cancelled"),
            Status::Paused => ("the server stopped before the worker could obey", ""),
            _ if machine_restarted => ("the machine restarted while it ran", ""),
            _ => ("the server stopped while it ran", ""),
        };
        transition(tx, &job, to, Change { reason, stop_reason, error: Some(&error) }).await?;
        match to {
            Status::Queued => rescued.queued += 1,
            Status::Paused => rescued.paused += 1,
            Status::Cancelled => rescued.cancelled += 1,
            _ => rescued.poisoned += 1,
        }
    }
    Ok(rescued)
}

/// Keeps which boot of the machine this is; true when the last process ran under another. Unknown off Linux: then never.
async fn note_boot(tx: &mut Tx) -> Result<bool, StoreError> {
    let Ok(boot) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else { return Ok(false) };
    let boot = boot.trim();
    let last: Option<String> =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'boot_id'").fetch_optional(&mut tx.connection).await?;
    sqlx::query("INSERT INTO meta (key, value) VALUES ('boot_id', ?) ON CONFLICT DO UPDATE SET value = excluded.value")
        .bind(boot)
        .execute(&mut tx.connection)
        .await?;
    Ok(last.is_some_and(|last| last != boot))
}
