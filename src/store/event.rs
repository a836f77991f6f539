//! Events of a job, numbered from 1 without a gap.
use serde_json::Value;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row};

use super::writer::Tx;
use super::{Store, StoreError, Time, job, time};
use crate::id::JobId;

/// Says how much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Info,
    /// Worth a look.
    Warn,
    /// A fault.
    Error,
}

impl Level {
    /// Gives the word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Level::Info, Level::Warn, Level::Error].into_iter().find(|level| level.as_str() == text)
    }
}

/// Holds what makes an event.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// How much it matters.
    pub level: Level,
    /// `status`, `epoch`, `checkpoint`, `check`, `finding` or `log`.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The same for programs.
    pub data: Value,
    /// When it came to pass.
    pub at: Time,
}

/// Holds an event as it is stored.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its number within the job.
    pub number: u64,
    /// When it came to pass.
    pub created_at: Time,
    /// How much it matters.
    pub level: Level,
    /// Its type.
    pub kind: String,
    /// A sentence for people.
    pub message: String,
    /// The same for programs.
    pub data: Value,
}

/// Says which events a list has.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Levels; empty: all.
    pub level: Vec<Level>,
    /// Types; empty: all.
    pub kind: Vec<String>,
}

impl Store {
    /// Gives the number of a job's last event.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn event_last(&self, job: JobId) -> Result<u64, StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT events FROM job WHERE id = ?")
            .bind(job.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        last.map(|last| last as u64).ok_or_else(|| StoreError::not_found("job", job))
    }

    /// Lists events of a job with numbers above `after` (below it, if `newest_first`), at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn event_list(
        &self,
        job: JobId,
        filter: &EventFilter,
        after: Option<u64>,
        newest_first: bool,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let mut connection = self.read().await?;
        let seq = job::seq_of(&mut connection, job).await?;
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("SELECT number, created_at, level, kind, message, data FROM event WHERE job = ");
        query.push_bind(seq);
        if let Some(after) = after {
            let number = i64::try_from(after).unwrap_or(i64::MAX);
            query.push(if newest_first { " AND number < " } else { " AND number > " }).push_bind(number);
        }
        let words = filter.level.iter().map(|level| level.as_str().to_owned()).collect();
        for (column, words) in [("level", words), ("kind", filter.kind.clone())] {
            if !words.is_empty() {
                query.push(" AND ").push(column).push(" IN (");
                let mut list = query.separated(", ");
                words.into_iter().for_each(|word| {
                    list.push_bind(word);
                });
                query.push(")");
            }
        }
        query.push(if newest_first { " ORDER BY number DESC" } else { " ORDER BY number" });
        query.push(" LIMIT ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(&mut *connection).await?;
        let event = |row: &sqlx::sqlite::SqliteRow| {
            Ok(EventRow {
                number: row.try_get::<i64, _>("number")? as u64,
                created_at: time(row.try_get("created_at")?),
                level: Level::parse(row.try_get("level")?).unwrap_or(Level::Info),
                kind: row.try_get("kind")?,
                message: row.try_get("message")?,
                data: serde_json::from_str(row.try_get("data")?)?,
            })
        };
        rows.iter().map(event).collect()
    }
}

/// Appends events, numbering them on from the last.
pub(super) async fn append(tx: &mut Tx, job: i64, events: &[NewEvent]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let count = events.len() as i64;
    let last: i64 = sqlx::query_scalar(
        "UPDATE job SET events = events + ?, revision = revision + 1 WHERE seq = ? RETURNING events",
    )
    .bind(count)
    .bind(job)
    .fetch_one(&mut tx.connection)
    .await?;
    for (event, number) in events.iter().zip(last - count + 1..) {
        sqlx::query(
            "INSERT INTO event (job, number, created_at, level, kind, message, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(job)
        .bind(number)
        .bind(event.at.timestamp_millis())
        .bind(event.level.as_str())
        .bind(event.kind)
        .bind(&event.message)
        .bind(event.data.to_string())
        .execute(&mut tx.connection)
        .await?;
    }
    Ok(())
}
