//! Idempotency keys: the first answer to a key, for as long as the key is kept.
//!
//! A key whose request is under way is known to this process alone: a request dies with its process. Its row is written in the
//! transaction that makes something, so that a request that made nothing leaves nothing.
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::Row;

use super::failpoint::failpoint;
use super::writer::Tx;
use super::{Store, StoreError};

/// Names a client's key within its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// Nothing: the key is now taken; answer, call `idempotency_finish` if something was made, then `idempotency_release`.
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

/// The keys of requests under way, with the digests of their bodies.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<IdempotencyKey, String>>);

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashMap<IdempotencyKey, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Takes a key, or tells what became of it. `fingerprint` is a digest of the request's body and query.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database; the key is then free.
    pub async fn idempotency_begin(
        &self,
        key: &IdempotencyKey,
        fingerprint: &str,
    ) -> Result<IdempotencyBegin, StoreError> {
        // The key is taken before its row is looked for: of two requests one finds the other, or what the other made.
        match self.shared.under_way.lock().entry(key.clone()) {
            Entry::Occupied(first) if first.get() == fingerprint => return Ok(IdempotencyBegin::UnderWay),
            Entry::Occupied(_) => return Ok(IdempotencyBegin::OtherBody),
            Entry::Vacant(free) => free.insert(fingerprint.to_owned()),
        };
        let known = self.idempotency_known(key, fingerprint).await;
        if !matches!(known, Ok(IdempotencyBegin::Fresh)) {
            self.idempotency_release(key);
        }
        known
    }

    async fn idempotency_known(&self, key: &IdempotencyKey, fingerprint: &str) -> Result<IdempotencyBegin, StoreError> {
        let row = sqlx::query(
            "SELECT fingerprint, resource, status, headers, body FROM idempotency WHERE scope = ? AND key = ?",
        )
        .bind(&key.scope)
        .bind(&key.key)
        .fetch_optional(&mut *self.read().await?)
        .await?;
        let Some(row) = row else { return Ok(IdempotencyBegin::Fresh) };
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
        Ok(row.try_get::<Option<String>, _>("resource")?.map_or(IdempotencyBegin::Fresh, IdempotencyBegin::Made))
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn idempotency_finish(&self, key: &IdempotencyKey, answer: Answer) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO idempotency (scope, key, fingerprint, created_at, status, headers, body)
                     VALUES (?, ?, ?, ?, ?, ?, ?)
                     ON CONFLICT DO UPDATE SET status = excluded.status, headers = excluded.headers, body = excluded.body",
                )
                .bind(&key.scope)
                .bind(&key.key)
                .bind(tx.fingerprint(&key))
                .bind(tx.now)
                .bind(i64::from(answer.status))
                .bind(serde_json::to_string(&answer.headers)?)
                .bind(answer.body)
                .execute(&mut tx.connection)
                .await?;
                failpoint("idempotency.answered");
                Ok(())
            })
        })
        .await
    }

    /// Ends the time in which a key is under way: what its request made is known by its row, and without one the key is free.
    pub fn idempotency_release(&self, key: &IdempotencyKey) {
        self.shared.under_way.lock().remove(key);
    }

    /// Forgets keys that came before a moment; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn idempotency_expire(&self, before: super::Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let deleted = sqlx::query("DELETE FROM idempotency WHERE created_at < ?")
                    .bind(before.timestamp_millis())
                    .execute(&mut tx.connection)
                    .await?;
                Ok(deleted.rows_affected())
            })
        })
        .await
    }
}

/// Notes under a key what its request made, in the transaction that makes it: after a crash the retry finds it.
pub(super) async fn made(tx: &mut Tx, key: &IdempotencyKey, resource: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO idempotency (scope, key, fingerprint, created_at, resource) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET resource = excluded.resource",
    )
    .bind(&key.scope)
    .bind(&key.key)
    .bind(tx.fingerprint(key))
    .bind(tx.now)
    .bind(resource)
    .execute(&mut tx.connection)
    .await?;
    failpoint("idempotency.made");
    Ok(())
}

impl Tx {
    /// The digest of the request that took this key.
    fn fingerprint(&self, key: &IdempotencyKey) -> String {
        self.under_way.lock().get(key).cloned().unwrap_or_default()
    }
}
