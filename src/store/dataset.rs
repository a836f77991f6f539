//! Datasets: rows that name two files each, the bytes as uploaded and the typed table made of them.
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failpoint::failpoint;
use super::writer::Tx;
use super::{IdempotencyKey, Staged, Store, StoreError, Time, cursor, file, idempotency, time};
use crate::id::{DatasetId, JobId, Name};

/// Holds a dataset's row.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// The name that leads to it, if one still does.
    pub name: Option<Name>,
    /// The format that the bytes had: `csv`, …
    pub format: String,
    /// The parse options as they were resolved; part of the identity.
    pub options: Value,
    /// Length of the bytes as uploaded.
    pub bytes: u64,
    /// SHA-256 of the bytes as uploaded, in hexadecimal digits.
    pub sha256: String,
    /// Number of rows.
    pub rows: u64,
    /// The profile; empty in lists.
    pub profile: StoredProfile,
    /// Number of columns.
    pub columns: u64,
    /// SHA-256 of the table file, which names it.
    pub table_sha256: String,
    /// When it was made.
    pub created_at: Time,
}

/// Holds what makes a dataset.
pub struct NewDataset {
    /// The name that shall lead to it.
    pub name: Option<Name>,
    /// The format that the bytes had.
    pub format: String,
    /// The parse options as the client gave them, in a canonical order: identity is bytes + these.
    pub identity: Value,
    /// The parse options as they were resolved, for the client to read.
    pub options: Value,
    /// Number of rows.
    pub rows: u64,
    /// Number of columns.
    pub columns: u64,
    /// The profile.
    pub profile: StoredProfile,
    /// The bytes as uploaded.
    pub original: Staged,
    /// The typed table.
    pub table: Staged,
    /// Takes the name from the dataset that has it (`PUT`) instead of failing with [`StoreError::NameTaken`].
    pub move_name: bool,
    /// The client's idempotency key, noted in the same transaction.
    pub idempotency: Option<IdempotencyKey>,
}

/// The profile of a dataset as it is stored: `{"columns":[…],"warnings":[…]}`. It stays text, since that of a wide dataset takes many megabytes as a tree,
/// of which most readers want little.
#[derive(Debug, Clone, Default)]
pub struct StoredProfile(String);

impl StoredProfile {
    /// Writes a profile down.
    ///
    /// # Errors
    /// Where it cannot become JSON.
    pub fn of(profile: &impl Serialize) -> Result<StoredProfile, serde_json::Error> {
        Ok(StoredProfile(serde_json::to_string(profile)?))
    }

    /// Reads as much of it as `T` has.
    ///
    /// # Errors
    /// Where it is not JSON, or of another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// Holds a dataset and whether this call made it.
#[derive(Debug, Clone)]
pub struct DatasetPut {
    /// The dataset.
    pub dataset: Dataset,
    /// False when the same bytes with the same options were there already.
    pub created: bool,
}

/// The columns of a row, but for the profile.
macro_rules! columns {
    () => {
        "seq, id, name, format, options, bytes, sha256, \"table\", rows, columns, created_at"
    };
}

fn from_row(row: &SqliteRow, profile: String) -> Result<Dataset, StoreError> {
    let name: Option<&str> = row.try_get("name")?;
    Ok(Dataset {
        id: row.try_get::<&str, _>("id")?.parse()?,
        name: name.map(str::parse).transpose()?,
        format: row.try_get("format")?,
        options: serde_json::from_str(row.try_get("options")?)?,
        bytes: row.try_get::<i64, _>("bytes")? as u64,
        sha256: row.try_get("sha256")?,
        rows: row.try_get::<i64, _>("rows")? as u64,
        profile: StoredProfile(profile),
        columns: row.try_get::<i64, _>("columns")? as u64,
        table_sha256: row.try_get("table")?,
        created_at: time(row.try_get("created_at")?),
    })
}

fn full(row: &SqliteRow) -> Result<Dataset, StoreError> {
    from_row(row, row.try_get("profile")?)
}

/// Finds a dataset by id, name or `sha256:…`; the row has the profile.
async fn find(connection: &mut SqliteConnection, key: &str) -> Result<Option<SqliteRow>, StoreError> {
    let row = if let Some(sha256) = key.strip_prefix("sha256:") {
        sqlx::query(concat!("SELECT ", columns!(), ", profile FROM dataset WHERE sha256 = ? ORDER BY seq DESC LIMIT 1"))
            .bind(sha256)
            .fetch_optional(connection)
            .await?
    } else {
        sqlx::query(concat!(
            "SELECT ", columns!(), ", profile FROM dataset
             WHERE seq = coalesce((SELECT seq FROM dataset WHERE id = ?1), (SELECT dataset FROM dataset_name WHERE name = ?1))"
        ))
        .bind(key)
        .fetch_optional(connection)
        .await?
    };
    Ok(row)
}

async fn find_same(
    connection: &mut SqliteConnection,
    sha256: &str,
    identity: &str,
) -> Result<Option<SqliteRow>, StoreError> {
    Ok(sqlx::query(concat!("SELECT ", columns!(), ", profile FROM dataset WHERE sha256 = ? AND identity = ?"))
        .bind(sha256)
        .bind(identity)
        .fetch_optional(connection)
        .await?)
}

impl Store {
    /// Writes a dataset, or finds the one with the same bytes and options (to which the name then leads, too).
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when the name leads to another dataset and `move_name` is off.
    pub async fn dataset_insert(&self, mut new: NewDataset) -> Result<DatasetPut, StoreError> {
        new.original.synced().await?;
        new.table.synced().await?;
        self.write(move |tx| Box::pin(insert(tx, new))).await
    }

    /// Finds the dataset of these bytes and options (`identity` as in [`NewDataset`]), before the work of parsing them again.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database.
    pub async fn dataset_find(&self, sha256: &str, identity: &Value) -> Result<Option<Dataset>, StoreError> {
        let mut connection = self.read().await?;
        find_same(&mut connection, sha256, &identity.to_string()).await?.map(|row| full(&row)).transpose()
    }

    /// Reads a dataset by id, name or `sha256:…` (the newest with these bytes).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn dataset_get(&self, key: &str) -> Result<Dataset, StoreError> {
        let mut connection = self.read().await?;
        let row = find(&mut connection, key).await?.ok_or_else(|| StoreError::not_found("dataset", key))?;
        full(&row)
    }

    /// Lists datasets newest first, `limit` of them after the cursor, with the cursor of the next page if there is one.
    ///
    /// # Errors
    /// [`StoreError::Cursor`].
    pub async fn dataset_list(
        &self,
        name: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<(Vec<Dataset>, Option<String>), StoreError> {
        let after = cursor(after)?;
        let mut connection = self.read().await?;
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM dataset
             WHERE seq < ?1 AND (?2 IS NULL OR seq = (SELECT dataset FROM dataset_name WHERE name = ?2))
             ORDER BY seq DESC LIMIT ?3"
        ))
        .bind(after)
        .bind(name)
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *connection)
        .await?;
        super::page(rows, limit, |row| from_row(row, String::new()))
    }

    /// Deletes a dataset and its files.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`] while unfinished jobs use it, unless `force`.
    pub async fn dataset_delete(&self, key: &str, force: bool) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| Box::pin(delete(tx, key, force))).await
    }

    /// Gives where the bytes as uploaded lie.
    pub fn dataset_original(&self, dataset: &Dataset) -> PathBuf {
        self.shared.directory.file(&dataset.sha256)
    }

    /// Gives where the typed table lies.
    pub fn dataset_table(&self, dataset: &Dataset) -> PathBuf {
        self.shared.directory.file(&dataset.table_sha256)
    }
}

async fn insert(tx: &mut Tx, new: NewDataset) -> Result<DatasetPut, StoreError> {
    let identity = new.identity.to_string();
    let same = find_same(&mut tx.connection, new.original.sha256(), &identity).await?;
    let same = same.map(|row| Ok::<_, StoreError>((row.try_get::<i64, _>("seq")?, full(&row)?))).transpose()?;
    if let Some(name) = &new.name {
        free_name(tx, name, same.as_ref().map(|(seq, _)| *seq), new.move_name).await?;
    }
    if let Some((seq, mut dataset)) = same {
        if let Some(name) = &new.name {
            lead_name(tx, name, seq).await?;
            if dataset.name.is_none() {
                sqlx::query("UPDATE dataset SET name = ? WHERE seq = ?")
                    .bind(name.as_str())
                    .bind(seq)
                    .execute(&mut tx.connection)
                    .await?;
                dataset.name = Some(name.clone());
            }
        }
        if let Some(key) = &new.idempotency {
            idempotency::made(tx, key, &dataset.id.to_string()).await?;
        }
        return Ok(DatasetPut { dataset, created: false });
    }
    let id = DatasetId::new();
    let (sha256, table_sha256) = (new.original.sha256().to_owned(), new.table.sha256().to_owned());
    let bytes = new.original.bytes();
    file::keep(tx, new.original).await?;
    file::keep(tx, new.table).await?;
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO dataset (id, name, format, identity, options, bytes, sha256, \"table\", rows, columns, profile, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
    )
    .bind(id.to_string())
    .bind(new.name.as_ref().map(Name::as_str))
    .bind(&new.format)
    .bind(identity)
    .bind(new.options.to_string())
    .bind(bytes as i64)
    .bind(&sha256)
    .bind(&table_sha256)
    .bind(new.rows as i64)
    .bind(new.columns as i64)
    .bind(&new.profile.0)
    .bind(tx.now)
    .fetch_one(&mut tx.connection)
    .await?;
    if let Some(name) = &new.name {
        lead_name(tx, name, seq).await?;
    }
    if let Some(key) = &new.idempotency {
        idempotency::made(tx, key, &id.to_string()).await?;
    }
    let dataset = Dataset {
        id,
        name: new.name,
        format: new.format,
        options: new.options,
        bytes,
        sha256,
        rows: new.rows,
        profile: new.profile,
        columns: new.columns,
        table_sha256,
        created_at: time(tx.now),
    };
    Ok(DatasetPut { dataset, created: true })
}

/// Makes sure that a name leads to no other dataset than `wanted`.
async fn free_name(tx: &mut Tx, name: &Name, wanted: Option<i64>, move_name: bool) -> Result<(), StoreError> {
    let holder = sqlx::query(
        "SELECT dataset.seq, dataset.id FROM dataset_name JOIN dataset ON dataset.seq = dataset_name.dataset
         WHERE dataset_name.name = ?",
    )
    .bind(name.as_str())
    .fetch_optional(&mut tx.connection)
    .await?;
    let Some(holder) = holder else { return Ok(()) };
    let seq: i64 = holder.try_get("seq")?;
    if wanted == Some(seq) {
        return Ok(());
    }
    if !move_name {
        let holder = holder.try_get::<&str, _>("id")?.parse()?;
        return Err(StoreError::NameTaken { name: name.to_string(), holder });
    }
    sqlx::query("DELETE FROM dataset_name WHERE name = ?").bind(name.as_str()).execute(&mut tx.connection).await?;
    // The old dataset keeps its id; it shows another of its names, if it has one.
    sqlx::query(
        "UPDATE dataset SET name = (SELECT name FROM dataset_name WHERE dataset = ?1 ORDER BY at LIMIT 1)
         WHERE seq = ?1 AND name = ?2",
    )
    .bind(seq)
    .bind(name.as_str())
    .execute(&mut tx.connection)
    .await?;
    Ok(())
}

/// Has a free name lead to a dataset.
async fn lead_name(tx: &mut Tx, name: &Name, seq: i64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO dataset_name (name, dataset, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(name.as_str())
        .bind(seq)
        .bind(tx.now)
        .execute(&mut tx.connection)
        .await?;
    Ok(())
}

async fn delete(tx: &mut Tx, key: String, force: bool) -> Result<(), StoreError> {
    let row = find(&mut tx.connection, &key).await?.ok_or_else(|| StoreError::not_found("dataset", &key))?;
    let dataset = full(&row)?;
    if !force {
        let users: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM job WHERE finished_at IS NULL
               AND (dataset = ?1 OR seq IN (SELECT job FROM job_dataset WHERE job_dataset.dataset = ?1)) ORDER BY seq LIMIT 100",
        )
        .bind(dataset.id.to_string())
        .fetch_all(&mut tx.connection)
        .await?;
        if !users.is_empty() {
            let jobs = users.iter().map(|id| id.parse()).collect::<Result<Vec<JobId>, _>>()?;
            return Err(StoreError::InUse { jobs });
        }
    }
    sqlx::query("DELETE FROM dataset WHERE id = ?").bind(dataset.id.to_string()).execute(&mut tx.connection).await?;
    failpoint("dataset.deleted");
    file::release(tx, &dataset.sha256).await?;
    file::release(tx, &dataset.table_sha256).await?;
    Ok(())
}
