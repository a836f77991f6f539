//! Datasets: rows that name two files each, the bytes as uploaded and the typed table made of them.
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::id::{DatasetId, Name};

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
    /// The profile, `{"columns":[…],"warnings":[…]}`; `Null` in lists.
    pub profile: Value,
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
    /// The profile, `{"columns":[…],"warnings":[…]}`.
    pub profile: Value,
    /// The bytes as uploaded.
    pub original: Staged,
    /// The typed table.
    pub table: Staged,
    /// Takes the name from the dataset that has it (`PUT`) instead of failing with [`StoreError::NameTaken`].
    pub move_name: bool,
    /// The client's idempotency key, noted in the same transaction.
    pub idempotency: Option<IdempotencyKey>,
}

/// Holds a dataset and whether this call made it.
#[derive(Debug, Clone)]
pub struct DatasetPut {
    /// The dataset.
    pub dataset: Dataset,
    /// False when the same bytes with the same options were there already.
    pub created: bool,
}

impl Store {
    /// Writes a dataset, or finds the one with the same bytes and options.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when the name leads to another dataset and `move_name` is off.
    pub async fn dataset_insert(&self, _new: NewDataset) -> Result<DatasetPut, StoreError> {
        unimplemented!()
    }
    /// Finds the dataset of these bytes and options (`identity` as in [`NewDataset`]), before the work of parsing them again.
    pub async fn dataset_find(&self, _sha256: &str, _identity: &Value) -> Result<Option<Dataset>, StoreError> {
        unimplemented!()
    }
    /// Reads a dataset by id, name or `sha256:…` (the newest with these bytes).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn dataset_get(&self, _key: &str) -> Result<Dataset, StoreError> {
        unimplemented!()
    }
    /// Lists datasets newest first, `limit` of them after the cursor, with the cursor of the next page if there is one.
    pub async fn dataset_list(
        &self,
        _name: Option<&str>,
        _limit: u32,
        _after: Option<&str>,
    ) -> Result<(Vec<Dataset>, Option<String>), StoreError> {
        unimplemented!()
    }
    /// Deletes a dataset and its files.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`] while unfinished jobs use it, unless `force`.
    pub async fn dataset_delete(&self, _key: &str, _force: bool) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Gives where the bytes as uploaded lie.
    pub fn dataset_original(&self, _dataset: &Dataset) -> PathBuf {
        unimplemented!()
    }
    /// Gives where the typed table lies.
    pub fn dataset_table(&self, _dataset: &Dataset) -> PathBuf {
        unimplemented!()
    }
}
