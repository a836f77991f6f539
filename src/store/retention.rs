//! The server's own tidying up: finished jobs go when they are too old or too many. Off unless the operator asks for it.
use std::collections::HashSet;

use sqlx::Row;

use super::{Store, StoreError, Time};
use crate::id::JobId;

/// Says which finished jobs are kept; `None` keeps all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many finished jobs.
    pub jobs: Option<u64>,
    /// Those that finished within so many days.
    pub days: Option<u64>,
}

impl Retention {
    /// Says whether anything is ever deleted.
    pub fn is_off(&self) -> bool {
        self.jobs.is_none() && self.days.is_none()
    }
}

impl Store {
    /// Deletes finished jobs beyond what is to be kept, one commit a job, so that nobody waits long behind it; gives how many. A job
    /// that an unfinished one starts from stays, as do the trials of a run under way; folds go with their cross-validation.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn job_expire(&self, keep: Retention, now: Time) -> Result<u64, StoreError> {
        if keep.is_off() {
            return Ok(0);
        }
        let mut deleted = 0;
        for id in self.expired(keep, now).await? {
            match self.job_delete(id).await {
                Ok(()) => deleted += 1,
                Err(StoreError::NotFound { .. } | StoreError::WrongState { .. } | StoreError::Led { .. }) => {} // a client was quicker
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }

    async fn expired(&self, keep: Retention, now: Time) -> Result<Vec<JobId>, StoreError> {
        let days = keep.days.map(|days| chrono::Duration::days(i64::try_from(days).unwrap_or(i64::MAX).min(3_650_000)));
        let before = days.map_or(i64::MIN, |days| (now - days).timestamp_millis());
        let most = keep.jobs.map_or(-1, |jobs| i64::try_from(jobs).unwrap_or(i64::MAX));
        let mut connection = self.read().await?;
        let needed: Vec<Option<String>> = sqlx::query_scalar(
            "SELECT DISTINCT json_extract(spec, '$.warm_start.job') FROM job WHERE finished_at IS NULL",
        )
        .fetch_all(&mut *connection)
        .await?;
        let needed: HashSet<String> = needed.into_iter().flatten().collect();
        let rows = sqlx::query(
            "SELECT id FROM job WHERE finished_at IS NOT NULL AND family IS NULL
               AND (autotrain IS NULL OR autotrain NOT IN (SELECT seq FROM autotrain WHERE finished_at IS NULL))
               AND (finished_at < ?1 OR (?2 >= 0 AND seq NOT IN
               (SELECT seq FROM job WHERE finished_at IS NOT NULL AND family IS NULL ORDER BY finished_at DESC, seq DESC LIMIT ?2)))
             ORDER BY finished_at",
        )
        .bind(before)
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
        let mut expired = Vec::new();
        for row in rows {
            let id: &str = row.try_get("id")?;
            if !needed.contains(id) {
                expired.push(id.parse()?);
            }
        }
        Ok(expired)
    }
}
