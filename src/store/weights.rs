//! Uploaded weights: rows that name a file each.
use std::path::PathBuf;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::writer::Tx;
use super::{IdempotencyKey, Staged, Store, StoreError, Time, cursor, file, idempotency, time};
use crate::id::{Name, WeightsId};

/// Holds the row of uploaded weights.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Its id.
    pub id: WeightsId,
    /// A label, not unique.
    pub name: Option<Name>,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// What is in it: tensors with shapes, for the client to read.
    pub summary: Value,
    /// When it was made.
    pub created_at: Time,
}

/// Holds what makes uploaded weights.
pub struct NewWeights {
    /// A label.
    pub name: Option<Name>,
    /// What is in it.
    pub summary: Value,
    /// The file.
    pub file: Staged,
    /// The client's idempotency key, noted in the same transaction.
    pub idempotency: Option<IdempotencyKey>,
}

macro_rules! columns {
    () => {
        "seq, id, name, bytes, sha256, summary, created_at"
    };
}

fn from_row(row: &SqliteRow) -> Result<Weights, StoreError> {
    let name: Option<&str> = row.try_get("name")?;
    Ok(Weights {
        id: row.try_get::<&str, _>("id")?.parse()?,
        name: name.map(str::parse).transpose()?,
        bytes: row.try_get::<i64, _>("bytes")? as u64,
        sha256: row.try_get("sha256")?,
        summary: serde_json::from_str(row.try_get("summary")?)?,
        created_at: time(row.try_get("created_at")?),
    })
}

impl Store {
    /// Writes uploaded weights; the same bytes again give the same row and `false`.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn weights_insert(&self, mut new: NewWeights) -> Result<(Weights, bool), StoreError> {
        new.file.synced().await?;
        self.write(move |tx| Box::pin(insert(tx, new))).await
    }

    /// Reads a row of uploaded weights.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn weights_get(&self, id: WeightsId) -> Result<Weights, StoreError> {
        let mut connection = self.read().await?;
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM weights WHERE id = ?"))
            .bind(id.to_string())
            .fetch_optional(&mut *connection)
            .await?;
        from_row(&row.ok_or_else(|| StoreError::not_found("weights", id))?)
    }

    /// Lists uploaded weights, newest first.
    ///
    /// # Errors
    /// [`StoreError::Cursor`].
    pub async fn weights_list(
        &self,
        limit: u32,
        after: Option<&str>,
    ) -> Result<(Vec<Weights>, Option<String>), StoreError> {
        let after = cursor(after)?;
        let mut connection = self.read().await?;
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM weights WHERE seq < ? ORDER BY seq DESC LIMIT ?"))
            .bind(after)
            .bind(i64::from(limit) + 1)
            .fetch_all(&mut *connection)
            .await?;
        super::page(rows, limit, from_row)
    }

    /// Deletes uploaded weights.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn weights_delete(&self, id: WeightsId) -> Result<(), StoreError> {
        self.write(move |tx| Box::pin(delete(tx, id))).await
    }

    /// Gives where the file lies.
    pub fn weights_file(&self, weights: &Weights) -> PathBuf {
        self.shared.directory.file(&weights.sha256)
    }
}

async fn insert(tx: &mut Tx, new: NewWeights) -> Result<(Weights, bool), StoreError> {
    let same = sqlx::query(concat!("SELECT ", columns!(), " FROM weights WHERE sha256 = ?"))
        .bind(new.file.sha256())
        .fetch_optional(&mut tx.connection)
        .await?;
    if let Some(row) = same {
        let weights = from_row(&row)?;
        if let Some(key) = &new.idempotency {
            idempotency::made(tx, key, &weights.id.to_string()).await?;
        }
        return Ok((weights, false));
    }
    let weights = Weights {
        id: WeightsId::new(),
        name: new.name,
        bytes: new.file.bytes(),
        sha256: new.file.sha256().to_owned(),
        summary: new.summary,
        created_at: time(tx.now),
    };
    file::keep(tx, new.file).await?;
    sqlx::query("INSERT INTO weights (id, name, bytes, sha256, summary, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(weights.id.to_string())
        .bind(weights.name.as_ref().map(Name::as_str))
        .bind(weights.bytes as i64)
        .bind(&weights.sha256)
        .bind(weights.summary.to_string())
        .bind(tx.now)
        .execute(&mut tx.connection)
        .await?;
    if let Some(key) = &new.idempotency {
        idempotency::made(tx, key, &weights.id.to_string()).await?;
    }
    Ok((weights, true))
}

async fn delete(tx: &mut Tx, id: WeightsId) -> Result<(), StoreError> {
    let sha256: Option<String> = sqlx::query_scalar("DELETE FROM weights WHERE id = ? RETURNING sha256")
        .bind(id.to_string())
        .fetch_optional(&mut tx.connection)
        .await?;
    let sha256 = sha256.ok_or_else(|| StoreError::not_found("weights", id))?;
    file::release(tx, &sha256).await
}
