//! What the data directory holds, in numbers.
use super::*;

/// Counts what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the database with its log.
    pub database_bytes: u64,
    /// Bytes of uploaded files and tables.
    pub files_bytes: u64,
    /// Bytes free on the file system.
    pub free_bytes: u64,
    /// Number of datasets.
    pub datasets: u64,
    /// Number of jobs by status; every status is there.
    pub jobs: Vec<(Status, u64)>,
}

impl Store {
    /// Counts what is stored.
    pub async fn usage(&self) -> Result<Usage, StoreError> {
        unimplemented!()
    }
    /// Proves that the store can write: commits a mark.
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
