//! How a worker takes a job: the first of the queue that fits into the memory, unless one before it has waited too long for that.

use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::failpoint::failpoint;
use super::job::{self, Job, columns};
use super::queue::{Lease, Memory, noted};
use super::space::EXPLAINED;
use super::status::Status;
use super::writer::Tx;
use super::{StoreError, family};
use crate::id::JobId;

/// A job that waits for memory is overtaken by smaller ones for so long.
const OVERTAKEN: Duration = Duration::from_secs(60);

/// All that a claim must know, in one trip to the connection's thread, from the index of the queue. `?1` is the memory that is free, `?2`
/// what all jobs together may need; both NULL where nobody counts it.
/// The index by name: left to itself SQLite takes the one by status, and sorts a long queue at each claim.
const LOOK: &str = "
    UPDATE job SET queue_reason = NULL, revision = revision + 1
    WHERE queue_reason IS NOT NULL AND coalesce(memory_bytes, 0) <= ?1
    RETURNING 'fits' AS what, seq, id, memory_bytes, queue_reason, attempt, family;

    SELECT 'large' AS what, seq, id, memory_bytes, queue_reason, attempt, family FROM job WHERE seq IN
      (SELECT seq FROM (SELECT seq, memory_bytes FROM job INDEXED BY job_queue WHERE status = 'queued'
                        ORDER BY priority DESC, seq LIMIT ?3)
       WHERE memory_bytes > ?1);

    SELECT 'head' AS what, seq, NULL AS id, memory_bytes, NULL AS queue_reason, NULL AS attempt, NULL AS family
    FROM job INDEXED BY job_queue
    WHERE status = 'queued' AND members = 0 AND coalesce(memory_bytes, 0) <= ?2 ORDER BY priority DESC, seq LIMIT 1;

    SELECT 'next' AS what, seq, id, memory_bytes, queue_reason, attempt, family FROM job WHERE seq =
      (SELECT seq FROM job INDEXED BY job_queue
       WHERE status = 'queued' AND members = 0 AND (?1 IS NULL OR memory_bytes IS NULL OR memory_bytes <= ?1)
       ORDER BY priority DESC, seq LIMIT 1);

    SELECT 'waits' AS what, seq, NULL AS id, NULL AS memory_bytes, NULL AS queue_reason, NULL AS attempt, NULL AS family
    FROM job INDEXED BY job_queue WHERE status = 'queued' AND members = 0 LIMIT 1;";

/// Takes the job and gives it as it then is, in one trip. The attempt is the fencing token of all that follows.
const TAKE: &str = concat!(
    "UPDATE job SET
       status = ?4, worker = ?6, attempt = attempt + 1,
       started_at = coalesce(started_at, ?2),
       queue_seconds = queue_seconds + max(0, ?2 - queued_at) / 1000.0,
       queued_at = NULL, queue_reason = NULL,
       transitions = transitions + 1, events = events + 1, revision = revision + 1
     WHERE seq = ?1;",
    noted!(),
    "SELECT ",
    columns!(),
    ", request, spec FROM job WHERE seq = ?1;
     SELECT from_status, to_status, at, reason FROM job_transition WHERE job = ?1 ORDER BY number;"
);

/// The rows of a job that was taken: its own, then its transitions.
pub(super) struct Taken(Vec<SqliteRow>);

impl Taken {
    /// Reads them: long documents are not for the writer's thread.
    pub fn read(&self) -> Result<Job, StoreError> {
        let (row, transitions) = self.0.split_first().ok_or_else(|| StoreError::not_found("job", ""))?;
        let mut job = job::from_row(row)?;
        job::add_documents(row, transitions, &mut job)?;
        Ok(job)
    }
}

pub(super) async fn claim(
    tx: &mut Tx,
    worker: String,
    memory: Option<Memory>,
) -> Result<Option<(Lease, Taken)>, StoreError> {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let free = memory.map(|memory| bytes(memory.free_bytes));
    let budget = memory.map(|memory| bytes(memory.budget_bytes));
    let rows = sqlx::query(LOOK).bind(free).bind(budget).bind(EXPLAINED).fetch_all(&mut tx.connection).await?;
    let (mut head, mut next, mut waits) = (None, None, false);
    for row in &rows {
        match row.try_get::<&str, _>("what")? {
            "fits" => tx.job_changed(row.try_get::<&str, _>("id")?.parse()?),
            "large" => explain(tx, row, budget.unwrap_or(0)).await?,
            "head" => head = Some(row),
            "next" => next = Some(row),
            _ => waits = true,
        }
    }
    if !waits {
        tx.nothing_waits();
    }
    if let Some(free) = free
        && head_has_waited(tx, head, free)?
    {
        return Ok(None);
    }
    let Some(next) = next else { return Ok(None) };
    let (seq, id): (i64, JobId) = (next.try_get("seq")?, next.try_get::<&str, _>("id")?.parse()?);
    let attempt = next.try_get::<i64, _>("attempt")? + 1;
    let taken = sqlx::query(TAKE)
        .bind(seq)
        .bind(tx.now)
        .bind(Status::Queued.as_str())
        .bind(Status::Running.as_str())
        .bind(if attempt == 1 { "a worker took it" } else { "a worker took it to go on" })
        .bind(&worker)
        .fetch_all(&mut tx.connection)
        .await?;
    failpoint("queue.claimed");
    tx.job_changed(id);
    tx.queue_changed();
    if let Some(leader) = next.try_get::<Option<i64>, _>("family")? {
        family::take(tx, leader).await?;
    }
    Ok(Some((Lease { job: id, worker, attempt: attempt as u32 }, Taken(taken))))
}

/// Says whether the first job that can ever run has waited so long for memory that the others wait for it. Counted since this process
/// first saw it wait, by a clock that nobody sets.
fn head_has_waited(tx: &mut Tx, head: Option<&SqliteRow>, free: i64) -> Result<bool, StoreError> {
    let waits = match head {
        Some(head) if head.try_get::<Option<i64>, _>("memory_bytes")?.unwrap_or(0) > free => head.try_get("seq")?,
        _ => {
            tx.head_waits = None;
            return Ok(false);
        }
    };
    let since = match tx.head_waits {
        Some((seq, since)) if seq == waits => since,
        _ => Instant::now(),
    };
    tx.head_waits = Some((waits, since));
    Ok(since.elapsed() > OVERTAKEN)
}

/// Has a job at the head of the queue say that it waits for memory.
async fn explain(tx: &mut Tx, row: &SqliteRow, budget: i64) -> Result<(), StoreError> {
    let needed: i64 = row.try_get("memory_bytes")?;
    let (needs, has) = (megabytes(needed), megabytes(budget));
    let reason = if needed > budget {
        format!("it needs {needs} of memory and the server was started with a budget of {has}: it cannot run here")
    } else {
        format!("it needs {needs} of memory; the jobs that run leave less of the budget of {has}")
    };
    if row.try_get::<Option<&str>, _>("queue_reason")? == Some(reason.as_str()) {
        return Ok(());
    }
    sqlx::query("UPDATE job SET queue_reason = ?, revision = revision + 1 WHERE seq = ?")
        .bind(reason)
        .bind(row.try_get::<i64, _>("seq")?)
        .execute(&mut tx.connection)
        .await?;
    tx.job_changed(row.try_get::<&str, _>("id")?.parse()?);
    Ok(())
}

fn megabytes(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_long_queue_is_looked_at_in_its_index_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).await.unwrap();
        let mut connection = store.read().await.unwrap();
        let mut looks = 0;
        for statement in LOOK.split(';').filter(|statement| !statement.trim().is_empty()) {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
            for row in plan.bind(1).bind(1).bind(1).fetch_all(&mut *connection).await.unwrap() {
                let step: String = row.try_get("detail").unwrap();
                assert!(!step.contains("TEMP B-TREE"), "{step}");
                if step.ends_with("job_queue") {
                    assert!(step.contains("COVERING INDEX"), "{step}");
                    looks += 1;
                }
            }
        }
        assert_eq!(looks, 4);
    }
}
