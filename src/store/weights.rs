//! Uploaded weights: rows that name a file each.
use std::path::PathBuf;

use serde_json::Value;

use super::*;
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

impl Store {
    /// Writes uploaded weights; the same bytes again give the same row and `false`.
    pub async fn weights_insert(&self, _new: NewWeights) -> Result<(Weights, bool), StoreError> {
        unimplemented!()
    }
    /// Reads a row of uploaded weights.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn weights_get(&self, _id: WeightsId) -> Result<Weights, StoreError> {
        unimplemented!()
    }
    /// Lists uploaded weights, newest first.
    pub async fn weights_list(
        &self,
        _limit: u32,
        _after: Option<&str>,
    ) -> Result<(Vec<Weights>, Option<String>), StoreError> {
        unimplemented!()
    }
    /// Deletes uploaded weights.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn weights_delete(&self, _id: WeightsId) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Gives where the file lies.
    pub fn weights_file(&self, _weights: &Weights) -> PathBuf {
        unimplemented!()
    }
}
