//! Checkpoints: bytes in rows of at most 1 MiB with one checksum over all.
use std::sync::Arc;

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failpoint::failpoint;
use super::queue::Held;
use super::writer::Tx;
use super::{Action, Store, StoreError, Time, file, job, time};
use crate::id::{CheckpointId, JobId};

/// Bytes of a chunk: on its way into the database one is copied three times.
const CHUNK: usize = 1 << 20;

/// Holds a checkpoint's row, without its bytes.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Its id.
    pub id: CheckpointId,
    /// The job.
    pub job: JobId,
    /// Steps completed.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// It is the best so far.
    pub best: bool,
    /// It is the last so far.
    pub last: bool,
    /// The monitored metric there: name and value.
    pub metric: Option<(String, f64)>,
    /// Length of its bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the weights alone.
    pub weights_sha256: String,
    /// When it was written.
    pub created_at: Time,
}

/// Holds a checkpoint to write.
#[derive(Debug)]
pub struct NewCheckpoint {
    /// Steps completed.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// The monitored metric there: name and value.
    pub metric: Option<(String, f64)>,
    /// SHA-256 of the weights alone, in hexadecimal digits.
    pub weights_sha256: String,
    /// The bytes.
    pub bytes: Arc<Vec<u8>>,
}

/// Holds checkpoints that are written together.
#[derive(Debug, Default)]
pub struct CheckpointSet {
    /// The state to go on from.
    pub last: Option<NewCheckpoint>,
    /// The best state, if it changed; with the step of `last` it is the same checkpoint and only the mark is set.
    pub best: Option<NewCheckpoint>,
    /// How many of the latest to keep; best and last are always kept.
    pub keep: u32,
}

macro_rules! columns {
    () => {
        "checkpoint.seq, checkpoint.id, checkpoint.step, checkpoint.epoch, best, checkpoint.last, metric, value, bytes, chunks, \
         sha256, weights_sha256, checkpoint.created_at"
    };
}

fn from_row(row: &SqliteRow, job: JobId) -> Result<Checkpoint, StoreError> {
    let metric: Option<String> = row.try_get("metric")?;
    let value: Option<f64> = row.try_get("value")?;
    Ok(Checkpoint {
        id: row.try_get::<&str, _>("id")?.parse()?,
        job,
        step: row.try_get::<i64, _>("step")? as u64,
        epoch: row.try_get::<i64, _>("epoch")? as u64,
        best: row.try_get("best")?,
        last: row.try_get("last")?,
        metric: metric.map(|name| (name, value.unwrap_or(f64::NAN))),
        bytes: row.try_get::<i64, _>("bytes")? as u64,
        sha256: row.try_get("sha256")?,
        weights_sha256: row.try_get("weights_sha256")?,
        created_at: time(row.try_get("created_at")?),
    })
}

async fn find(connection: &mut SqliteConnection, job: JobId, key: &str) -> Result<Checkpoint, StoreError> {
    let seq = job::seq_of(&mut *connection, job).await?;
    let sql = match key {
        "best" => concat!("SELECT ", columns!(), " FROM checkpoint WHERE job = ? AND best = 1 AND ?2 IS NOT NULL"),
        "last" => concat!("SELECT ", columns!(), " FROM checkpoint WHERE job = ? AND last = 1 AND ?2 IS NOT NULL"),
        _ if key.starts_with("step-") => {
            concat!("SELECT ", columns!(), " FROM checkpoint WHERE job = ? AND 'step-' || step = ?2")
        }
        _ => concat!("SELECT ", columns!(), " FROM checkpoint WHERE job = ? AND id = ?2"),
    };
    let row = sqlx::query(sql).bind(seq).bind(key).fetch_optional(connection).await?;
    from_row(&row.ok_or_else(|| StoreError::not_found("checkpoint", key))?, job)
}

impl Store {
    /// Lists a job's checkpoints, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn checkpoint_list(&self, job: JobId) -> Result<Vec<Checkpoint>, StoreError> {
        let mut connection = self.read().await?;
        let seq = job::seq_of(&mut connection, job).await?;
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM checkpoint WHERE job = ? ORDER BY step DESC"))
            .bind(seq)
            .fetch_all(&mut *connection)
            .await?;
        rows.iter().map(|row| from_row(row, job)).collect()
    }

    /// Finds a job's checkpoint by id, `best`, `last` or `step-N`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn checkpoint_get(&self, job: JobId, key: &str) -> Result<Checkpoint, StoreError> {
        find(&mut *self.read().await?, job, key).await
    }

    /// Reads a checkpoint's bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`] when the checksum differs.
    pub async fn checkpoint_read(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        let mut connection = self.read().await?;
        // One statement, which sees one moment: between two the checkpoint could be replaced by a later one.
        let mut rows = sqlx::query(
            "SELECT bytes, sha256, content FROM checkpoint LEFT JOIN checkpoint_chunk ON checkpoint_chunk.checkpoint = checkpoint.seq
             WHERE id = ? ORDER BY number",
        )
        .bind(id.to_string())
        .fetch(&mut *connection);
        let (mut stored, mut bytes, mut digest) = (None, Vec::new(), Sha256::new());
        while let Some(row) = rows.try_next().await? {
            if stored.is_none() {
                let length = row.try_get::<i64, _>("bytes")? as usize;
                bytes.reserve_exact(length);
                stored = Some((length, row.try_get::<String, _>("sha256")?));
            }
            let content: &[u8] = row.try_get::<Option<&[u8]>, _>("content")?.unwrap_or_default();
            digest.update(content);
            bytes.extend_from_slice(content);
        }
        let (length, sha256) = stored.ok_or_else(|| StoreError::not_found("checkpoint", id))?;
        if bytes.len() != length || file::hex(&digest.finalize()) != sha256 {
            return Err(StoreError::Damaged { what: id.to_string() });
        }
        Ok(bytes)
    }

    /// Deletes a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::WrongState`] when it is the last one of an unfinished job, which would go on from it.
    pub async fn checkpoint_delete(&self, job: JobId, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                let checkpoint = find(&mut tx.connection, job, &key).await?;
                let status = super::queue::look(&mut tx.connection, job).await?.status;
                if checkpoint.last && !status.is_finished() {
                    return Err(StoreError::WrongState { job, status, action: Action::Delete });
                }
                drop(tx, job, checkpoint.id).await
            })
        })
        .await
    }

    /// Drops a checkpoint whose bytes are damaged, so that the one before is gone on from.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn checkpoint_drop_damaged(&self, job: JobId, id: CheckpointId) -> Result<(), StoreError> {
        self.write(move |tx| Box::pin(drop(tx, job, id))).await
    }
}

async fn drop(tx: &mut Tx, job: JobId, id: CheckpointId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM checkpoint WHERE id = ?").bind(id.to_string()).execute(&mut tx.connection).await?;
    sqlx::query("UPDATE job SET revision = revision + 1 WHERE id = ?")
        .bind(job.to_string())
        .execute(&mut tx.connection)
        .await?;
    tx.job_changed(job);
    tx.space_freed();
    Ok(())
}

/// Writes checkpoints that belong together, and drops those beyond the number to keep.
pub(super) async fn put(tx: &mut Tx, job: &Held, set: CheckpointSet) -> Result<(), StoreError> {
    let keep = i64::from(set.keep.max(1));
    if let Some(last) = set.last {
        let seq = put_last(tx, job, last).await?;
        mark(tx, job, "last", seq).await?;
    }
    if let Some(best) = set.best {
        // A state to go on from has the weights, too: one row of a step is enough.
        let seq = match at_step(tx, job, best.step).await? {
            Some(there) => there.seq,
            None => insert(tx, job, best).await?,
        };
        mark(tx, job, "best", seq).await?;
    }
    failpoint("checkpoint.marked");
    // Pages of dropped checkpoints are used again by the next ones: no vacuum while the job runs.
    sqlx::query(
        "DELETE FROM checkpoint WHERE job = ?1 AND best = 0 AND last = 0
           AND seq NOT IN (SELECT seq FROM checkpoint WHERE job = ?1 ORDER BY step DESC LIMIT ?2)",
    )
    .bind(job.seq)
    .bind(keep)
    .execute(&mut tx.connection)
    .await?;
    Ok(())
}

struct There {
    seq: i64,
    sha256: String,
    best: bool,
}

async fn at_step(tx: &mut Tx, job: &Held, step: u64) -> Result<Option<There>, StoreError> {
    let row = sqlx::query("SELECT seq, sha256, best FROM checkpoint WHERE job = ? AND step = ?")
        .bind(job.seq)
        .bind(step as i64)
        .fetch_optional(&mut tx.connection)
        .await?;
    row.map(|row| Ok(There { seq: row.try_get("seq")?, sha256: row.try_get("sha256")?, best: row.try_get("best")? }))
        .transpose()
}

/// Writes a state to go on from; in the place of weights alone of the same step, which keep their mark.
async fn put_last(tx: &mut Tx, job: &Held, new: NewCheckpoint) -> Result<i64, StoreError> {
    let there = at_step(tx, job, new.step).await?;
    if let Some(there) = &there {
        if there.sha256 == file::hex(&Sha256::digest(&*new.bytes)) {
            return Ok(there.seq); // made again after a crash: it keeps its id
        }
        sqlx::query("DELETE FROM checkpoint WHERE seq = ?").bind(there.seq).execute(&mut tx.connection).await?;
    }
    let seq = insert(tx, job, new).await?;
    if there.is_some_and(|there| there.best) {
        mark(tx, job, "best", seq).await?;
    }
    Ok(seq)
}

async fn insert(tx: &mut Tx, job: &Held, new: NewCheckpoint) -> Result<i64, StoreError> {
    let sha256 = file::hex(&Sha256::digest(&*new.bytes));
    let (metric, value) = new.metric.map_or((None, None), |(name, value)| (Some(name), Some(value)));
    let chunks = new.bytes.len().div_ceil(CHUNK);
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO checkpoint (id, job, step, epoch, metric, value, bytes, chunks, sha256, weights_sha256, attempt, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
    )
    .bind(CheckpointId::new().to_string())
    .bind(job.seq)
    .bind(new.step as i64)
    .bind(new.epoch as i64)
    .bind(metric)
    .bind(value)
    .bind(new.bytes.len() as i64)
    .bind(chunks as i64)
    .bind(sha256)
    .bind(new.weights_sha256)
    .bind(job.attempt)
    .bind(tx.now)
    .fetch_one(&mut tx.connection)
    .await?;
    failpoint("checkpoint.row");
    for (number, content) in (0_i64..).zip(new.bytes.chunks(CHUNK)) {
        sqlx::query("INSERT INTO checkpoint_chunk (checkpoint, number, content) VALUES (?, ?, ?)")
            .bind(seq)
            .bind(number)
            .bind(content)
            .execute(&mut tx.connection)
            .await?;
        failpoint("checkpoint.chunk");
    }
    Ok(seq)
}

/// Moves the mark `best` or `last` to a checkpoint.
async fn mark(tx: &mut Tx, job: &Held, which: &'static str, seq: i64) -> Result<(), StoreError> {
    let [clear, set] = if which == "best" {
        ["UPDATE checkpoint SET best = 0 WHERE job = ? AND best = 1", "UPDATE checkpoint SET best = 1 WHERE seq = ?"]
    } else {
        ["UPDATE checkpoint SET last = 0 WHERE job = ? AND last = 1", "UPDATE checkpoint SET last = 1 WHERE seq = ?"]
    };
    sqlx::query(clear).bind(job.seq).execute(&mut tx.connection).await?;
    sqlx::query(set).bind(seq).execute(&mut tx.connection).await?;
    Ok(())
}
