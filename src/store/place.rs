//! Places in the queue: how many jobs will be taken before one that waits. Jobs that lead others have none of their own.

use sqlx::sqlite::SqliteConnection;

use super::job::Job;
use super::{Status, StoreError};

/// Counts the jobs that will be taken before the one with this priority and number.
pub(super) async fn of(connection: &mut SqliteConnection, priority: i32, seq: i64) -> Result<u64, StoreError> {
    let before: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM job INDEXED BY job_queue
                 WHERE status = 'queued' AND members = 0 AND priority = ?1 AND seq < ?2)
              + (SELECT coalesce(sum(jobs), 0) FROM queue_size WHERE priority > ?1)",
    )
    .bind(priority)
    .bind(seq)
    .fetch_one(connection)
    .await?;
    Ok(before as u64)
}

/// Adds their places to the jobs of a page, in one trip. Jobs that follow each other in the queue cost no more than the first
/// of them; pages are newest first, and counted from the end of the queue the first page is near.
pub(super) async fn add(connection: &mut SqliteConnection, jobs: &mut [(i64, Job)]) -> Result<(), StoreError> {
    let mut waiting: Vec<&mut (i64, Job)> = jobs.iter_mut().filter(|(_, job)| job.status == Status::Queued).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    waiting.sort_by_key(|(seq, job)| (job.priority, std::cmp::Reverse(*seq)));
    // Of each the stretch of the queue from it to the one after it on the page, or to the end of its priority.
    let mut stretches: Vec<(i32, i64, i64)> = Vec::with_capacity(waiting.len());
    for entry in &waiting {
        let (seq, priority) = (entry.0, entry.1.priority);
        let after = stretches.last().filter(|(of, ..)| *of == priority);
        stretches.push((priority, seq, after.map_or(i64::MAX, |(_, seq, _)| *seq)));
    }
    let lengths: Vec<i64> = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM job INDEXED BY job_queue
                 WHERE status = 'queued' AND members = 0 AND priority = json_extract(value, '$[0]')
                   AND seq >= json_extract(value, '$[1]') AND seq < json_extract(value, '$[2]'))
         FROM json_each(?) ORDER BY key",
    )
    .bind(serde_json::to_string(&stretches)?)
    .fetch_all(&mut *connection)
    .await?;
    let mut known: Option<(i32, u64)> = None; // priority and place of the one after
    for ((_, job), length) in waiting.into_iter().zip(lengths) {
        let end = match known {
            Some((priority, place)) if priority == job.priority => place,
            _ => ends_at(connection, job.priority).await?,
        };
        let place = end.saturating_sub(length as u64);
        job.queue_position = Some(place);
        known = Some((job.priority, place));
    }
    Ok(())
}

/// Counts the jobs that wait at this priority and above.
async fn ends_at(connection: &mut SqliteConnection, priority: i32) -> Result<u64, StoreError> {
    let jobs: i64 = sqlx::query_scalar("SELECT coalesce(sum(jobs), 0) FROM queue_size WHERE priority >= ?")
        .bind(priority)
        .fetch_one(connection)
        .await?;
    Ok(jobs as u64)
}
