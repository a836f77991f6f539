//! Room on the disk: how much is kept free, and what the queue does while there is less.
//!
//! What is kept free is for those who already have something here: checkpoints of jobs that pause, deletes, a clean end.

use sqlx::Row;

use super::queue::{self, Change, Held, Lease};
use super::status::{Action, Event, Next, Status, next};
use super::writer::Tx;
use super::{Store, StoreError, file, record};
use crate::id::JobId;

/// Only so many jobs at the head of the queue say why they wait: a long queue must not be written anew at each change.
pub(super) const EXPLAINED: i64 = 64;

/// Why the server pauses jobs by itself, in words.
const NO_ROOM: &str = "the data directory is nearly full";
/// And why one that could not even write its state.
const NOT_WRITTEN: &str =
    "the disk is full and the server could not write what it had done; it goes on from its last checkpoint";

impl Store {
    /// Keeps so many bytes of the file system free: with less, nothing new is taken in, and running jobs pause.
    pub fn keep_free(&self, bytes: u64) {
        self.shared.directory.keep_free(bytes);
    }

    /// Gives how many bytes are kept free.
    pub fn kept_free(&self) -> u64 {
        self.shared.directory.kept_free()
    }

    /// Says whether less is free than is to be kept.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn is_nearly_full(&self) -> Result<bool, StoreError> {
        let directory = std::sync::Arc::clone(&self.shared.directory);
        file::blocking(move || Ok(directory.is_nearly_full()?)).await
    }

    /// Asks every running job to pause until there is room again, and has the head of the queue say why it waits; gives the jobs that
    /// are to pause.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_pause_for_space(&self) -> Result<Vec<JobId>, StoreError> {
        self.write(|tx| Box::pin(pause_all(tx))).await
    }

    /// Lets go of a job whose worker could not write for want of space: it pauses where its last checkpoint is, until there is room again.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the lease no longer holds; [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_let_go_for_space(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let held = record::guard(tx, &lease).await?;
                if held.status == Status::Running {
                    pause(tx, &held).await?;
                }
                let held = record::guard(tx, &lease).await?;
                let Next::To(to) = next(held.status, Event::Stopped) else { return Ok(()) };
                let change = Change { reason: NOT_WRITTEN, stop_reason: "cancelled", error: None };
                queue::transition(tx, &held, to, change).await
            })
        })
        .await
    }

    /// Lets the jobs go on that were paused for want of space; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_resume_for_space(&self) -> Result<u64, StoreError> {
        let paused = sqlx::query("SELECT 1 FROM job WHERE paused_for IS NOT NULL AND status = 'paused' LIMIT 1");
        if paused.fetch_optional(&mut *self.read().await?).await?.is_none() {
            return Ok(0);
        }
        self.write(|tx| Box::pin(resume_all(tx))).await
    }
}

async fn pause_all(tx: &mut Tx) -> Result<Vec<JobId>, StoreError> {
    let mut paused = Vec::new();
    for held in
        jobs(tx, "SELECT seq, id, status, attempt, resume_wanted FROM job WHERE status = 'running' AND members = 0")
            .await?
    {
        pause(tx, &held).await?;
        paused.push(held.id);
    }
    let waiting = sqlx::query(
        "UPDATE job SET queue_reason = ?1, revision = revision + 1
         WHERE queue_reason IS NOT ?1
           AND seq IN (SELECT seq FROM job INDEXED BY job_queue WHERE status = 'queued' ORDER BY priority DESC, seq LIMIT ?2)
         RETURNING id",
    )
    .bind(NO_ROOM)
    .bind(EXPLAINED)
    .fetch_all(&mut tx.connection)
    .await?;
    for row in waiting {
        tx.job_changed(row.try_get::<&str, _>("id")?.parse()?);
    }
    Ok(paused)
}

/// Asks a running job to pause until there is room again.
async fn pause(tx: &mut Tx, held: &Held) -> Result<(), StoreError> {
    let Next::To(to) = next(held.status, Event::Asked(Action::Pause)) else { return Ok(()) };
    queue::transition(tx, held, to, Change { reason: NO_ROOM, stop_reason: "", error: None }).await?;
    sqlx::query("UPDATE job SET paused_for = 'space' WHERE seq = ?").bind(held.seq).execute(&mut tx.connection).await?;
    Ok(())
}

async fn resume_all(tx: &mut Tx) -> Result<u64, StoreError> {
    let mut resumed = 0;
    let paused = "SELECT seq, id, status, attempt, resume_wanted FROM job
                  WHERE paused_for IS NOT NULL AND status = 'paused' ORDER BY seq";
    for held in jobs(tx, paused).await? {
        if let Next::To(to @ Status::Queued) = next(held.status, Event::Asked(Action::Resume)) {
            let reason = "the data directory has room again";
            queue::transition(tx, &held, to, Change { reason, stop_reason: "", error: None }).await?;
            resumed += 1;
        }
    }
    Ok(resumed)
}

async fn jobs(tx: &mut Tx, sql: &'static str) -> Result<Vec<Held>, StoreError> {
    sqlx::query(sql).fetch_all(&mut tx.connection).await?.iter().map(queue::held).collect()
}

impl Store {
    /// Jobs that have not begun to run here or wait to go on, and need more memory than this.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn job_above_memory(&self, bytes: u64) -> Result<Vec<JobId>, StoreError> {
        let mut connection = self.read().await?;
        let rows = sqlx::query(
            "SELECT id FROM job WHERE status IN ('queued', 'paused') AND members = 0 AND memory_bytes > ? ORDER BY seq",
        )
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
        rows.iter().map(|row| Ok(row.try_get::<&str, _>("id")?.parse()?)).collect()
    }

    /// Keeps another estimate of the memory that a job needs.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_needs_memory(&self, id: JobId, bytes: u64) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE job SET memory_bytes = ?, queue_reason = NULL, revision = revision + 1
                     WHERE id = ? AND status IN ('queued', 'paused')",
                )
                .bind(bytes as i64)
                .bind(id.to_string())
                .execute(&mut tx.connection)
                .await?;
                tx.job_changed(id);
                Ok(())
            })
        })
        .await
    }

    /// Tells that a job is computed by another arithmetic than when it came in: what the old one made (numbers, checkpoints) goes,
    /// and the job begins anew.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the lease no longer holds.
    pub async fn job_begin_anew(&self, lease: &Lease, arithmetic_version: u32) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let held = record::guard(tx, &lease).await?;
                for sql in [
                    "DELETE FROM metric_chunk WHERE job = ?",
                    "DELETE FROM metric_thin WHERE job = ?",
                    "DELETE FROM metric_axis WHERE job = ?",
                    "DELETE FROM metric_name WHERE job = ?",
                    "DELETE FROM checkpoint WHERE job = ?",
                ] {
                    sqlx::query(sql).bind(held.seq).execute(&mut tx.connection).await?;
                }
                sqlx::query(
                    "UPDATE job SET arithmetic_version = ?, progress = NULL, last = NULL, best_epoch = NULL,
                            best_metric = NULL, best_value = NULL, furthest_step = -1, revision = revision + 1
                     WHERE seq = ?",
                )
                .bind(arithmetic_version)
                .bind(held.seq)
                .execute(&mut tx.connection)
                .await?;
                tx.job_changed(lease.job);
                tx.space_freed();
                Ok(())
            })
        })
        .await
    }
}
