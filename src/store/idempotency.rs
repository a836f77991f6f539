//! Idempotency keys: the first answer to a key, for as long as the key is kept.
use sqlx::Row;

use super::failpoint::failpoint;
use super::writer::Tx;
use super::{Store, StoreError};

/// Names a client's key within its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who and what: the principal, the method and the route.
    pub scope: String,
    /// The key as sent.
    pub key: String,
}

/// Holds an answer to give again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers worth repeating: `Location`, `Content-Type`, …
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Tells what is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyBegin {
    /// Nothing: the key is now taken; answer, then call `idempotency_finish` or `idempotency_forget`.
    Fresh,
    /// The first answer.
    Replay(Answer),
    /// The first request made this resource, and the process died before it could answer: answer from the resource.
    Made(String),
    /// The first request is still under way.
    UnderWay,
    /// The key came with another body.
    OtherBody,
}

impl Store {
    /// Takes a key, or tells what became of it. `fingerprint` is a digest of the request's body and query.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn idempotency_begin(
        &self,
        key: &IdempotencyKey,
        fingerprint: &str,
    ) -> Result<IdempotencyBegin, StoreError> {
        let (key, fingerprint) = (key.clone(), fingerprint.to_owned());
        self.write(move |tx| Box::pin(begin(tx, key, fingerprint))).await
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn idempotency_finish(&self, key: &IdempotencyKey, answer: Answer) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE idempotency SET status = ?, headers = ?, body = ? WHERE scope = ? AND key = ?")
                    .bind(i64::from(answer.status))
                    .bind(serde_json::to_string(&answer.headers)?)
                    .bind(answer.body)
                    .bind(key.scope)
                    .bind(key.key)
                    .execute(&mut tx.connection)
                    .await?;
                failpoint("idempotency.answered");
                Ok(())
            })
        })
        .await
    }

    /// Frees a key whose request changed nothing (a fault of the server, a cut connection).
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn idempotency_forget(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "DELETE FROM idempotency WHERE scope = ? AND key = ? AND status IS NULL AND resource IS NULL",
                )
                .bind(key.scope)
                .bind(key.key)
                .execute(&mut tx.connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets keys that came before a moment; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn idempotency_expire(&self, before: super::Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let deleted = sqlx::query("DELETE FROM idempotency WHERE created_at < ? AND status IS NOT NULL")
                    .bind(before.timestamp_millis())
                    .execute(&mut tx.connection)
                    .await?;
                Ok(deleted.rows_affected())
            })
        })
        .await
    }
}

async fn begin(tx: &mut Tx, key: IdempotencyKey, fingerprint: String) -> Result<IdempotencyBegin, StoreError> {
    let row = sqlx::query(
        "SELECT fingerprint, resource, status, headers, body, created_at FROM idempotency WHERE scope = ? AND key = ?",
    )
    .bind(&key.scope)
    .bind(&key.key)
    .fetch_optional(&mut tx.connection)
    .await?;
    let Some(row) = row else {
        sqlx::query("INSERT INTO idempotency (scope, key, fingerprint, created_at) VALUES (?, ?, ?, ?)")
            .bind(key.scope)
            .bind(key.key)
            .bind(fingerprint)
            .bind(tx.now)
            .execute(&mut tx.connection)
            .await?;
        failpoint("idempotency.begun");
        return Ok(IdempotencyBegin::Fresh);
    };
    if row.try_get::<&str, _>("fingerprint")? != fingerprint {
        return Ok(IdempotencyBegin::OtherBody);
    }
    if let Some(status) = row.try_get::<Option<i64>, _>("status")? {
        return Ok(IdempotencyBegin::Replay(Answer {
            status: u16::try_from(status).unwrap_or(200),
            headers: serde_json::from_str(row.try_get("headers")?)?,
            body: row.try_get("body")?,
        }));
    }
    Ok(match row.try_get("resource")? {
        Some(resource) => IdempotencyBegin::Made(resource),
        None => IdempotencyBegin::UnderWay,
    })
}

/// Notes under a key what its request made, in the transaction that makes it: after a crash the retry finds it.
pub(super) async fn made(tx: &mut Tx, key: &IdempotencyKey, resource: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE idempotency SET resource = ? WHERE scope = ? AND key = ?")
        .bind(resource)
        .bind(&key.scope)
        .bind(&key.key)
        .execute(&mut tx.connection)
        .await?;
    failpoint("idempotency.made");
    Ok(())
}
