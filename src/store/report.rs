//! Reports of checks.
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::writer::Tx;
use super::{IdempotencyKey, Store, StoreError, Time, cursor, idempotency, job, time};
use crate::id::{CheckId, JobId};

/// Holds a report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its id.
    pub id: CheckId,
    /// The job it is about, if any.
    pub job: Option<JobId>,
    /// `gradient`, `initial_loss`, …
    pub kind: String,
    /// `passed`, `warning`, `failed`, …
    pub verdict: String,
    /// All of it.
    pub document: Value,
    /// When it was made.
    pub created_at: Time,
}

/// Holds what makes a report.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// `gradient`, `initial_loss`, …
    pub kind: String,
    /// `passed`, `warning`, `failed`, …
    pub verdict: String,
    /// All of it.
    pub document: Value,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT report.seq, report.id, job.id AS job_id, kind, verdict, document, report.created_at
             FROM report LEFT JOIN job ON job.seq = report.job WHERE ",
            $rest
        )
    };
}

fn from_row(row: &SqliteRow) -> Result<Report, StoreError> {
    let job: Option<&str> = row.try_get("job_id")?;
    Ok(Report {
        id: row.try_get::<&str, _>("id")?.parse()?,
        job: job.map(str::parse).transpose()?,
        kind: row.try_get("kind")?,
        verdict: row.try_get("verdict")?,
        document: serde_json::from_str(row.try_get("document")?)?,
        created_at: time(row.try_get("created_at")?),
    })
}

impl Store {
    /// Writes the report of a check that ran outside a worker; a client's idempotency key is noted in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn report_put(
        &self,
        job: Option<JobId>,
        new: NewReport,
        key: Option<IdempotencyKey>,
    ) -> Result<Report, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let seq = match job {
                    Some(id) => Some(job::seq_of(&mut tx.connection, id).await?),
                    None => None,
                };
                let id = put(tx, seq, &new).await?;
                if let (Some(id), Some(seq)) = (job, seq) {
                    sqlx::query("UPDATE job SET revision = revision + 1 WHERE seq = ?")
                        .bind(seq)
                        .execute(&mut tx.connection)
                        .await?;
                    tx.job_changed(id);
                }
                if let Some(key) = &key {
                    idempotency::made(tx, key, &id.to_string()).await?;
                }
                let NewReport { kind, verdict, document } = new;
                Ok(Report { id, job, kind, verdict, document, created_at: time(tx.now) })
            })
        })
        .await
    }

    /// Reads a report.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn report_get(&self, id: CheckId) -> Result<Report, StoreError> {
        let row =
            sqlx::query(select!("report.id = ?")).bind(id.to_string()).fetch_optional(&mut *self.read().await?).await?;
        from_row(&row.ok_or_else(|| StoreError::not_found("check", id))?)
    }

    /// Lists reports, newest first: of a job or of all, of a kind or of all.
    ///
    /// # Errors
    /// [`StoreError::Cursor`]; [`StoreError::NotFound`] when the job is not there.
    pub async fn report_list(
        &self,
        job: Option<JobId>,
        kind: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<(Vec<Report>, Option<String>), StoreError> {
        let after = cursor(after)?;
        let mut connection = self.read().await?;
        let seq = match job {
            Some(id) => Some(job::seq_of(&mut connection, id).await?),
            None => None,
        };
        let rows = sqlx::query(select!(
            "report.seq < ?1 AND (?2 IS NULL OR report.job = ?2) AND (?3 IS NULL OR kind = ?3)
             ORDER BY report.seq DESC LIMIT ?4"
        ))
        .bind(after)
        .bind(seq)
        .bind(kind)
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *connection)
        .await?;
        super::page(rows, limit, from_row)
    }
}

/// Writes a report within a transaction.
pub(super) async fn put(tx: &mut Tx, job: Option<i64>, new: &NewReport) -> Result<CheckId, StoreError> {
    let id = CheckId::new();
    sqlx::query("INSERT INTO report (id, job, kind, verdict, document, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(id.to_string())
        .bind(job)
        .bind(&new.kind)
        .bind(&new.verdict)
        .bind(new.document.to_string())
        .bind(tx.now)
        .execute(&mut tx.connection)
        .await?;
    Ok(id)
}
