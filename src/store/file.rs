//! Files of the data directory, named by the SHA-256 of their content.
use super::*;
use std::fs::File;

/// Receives the bytes of an upload into a temporary file of the data directory; dropped, it leaves nothing.
pub struct Upload {}

impl Upload {
    /// Appends bytes.
    pub async fn write(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Gives the number of bytes so far.
    pub fn bytes(&self) -> u64 {
        0
    }
    /// Syncs the file; it still has a temporary name, and goes when the result is dropped.
    pub async fn finish(self) -> Result<Staged, StoreError> {
        unimplemented!()
    }
}

/// Holds a complete, synced file that no row names yet; dropped, it leaves nothing.
pub struct Staged {}

impl Staged {
    /// Opens it for reading (blocking).
    pub fn open(&self) -> Result<File, StoreError> {
        unimplemented!()
    }
    /// Gives where it lies, for readers that want a path.
    pub fn path(&self) -> &Path {
        unimplemented!()
    }
    /// Gives its SHA-256 in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        unimplemented!()
    }
    /// Gives its length.
    pub fn bytes(&self) -> u64 {
        0
    }
}

impl Store {
    /// Begins an upload.
    pub async fn upload_begin(&self) -> Result<Upload, StoreError> {
        unimplemented!()
    }
    /// Stages a file that `write` fills. It blocks: call it from a blocking thread.
    ///
    /// # Errors
    /// What `write` or the file system says.
    pub fn file_stage<E: From<StoreError>>(
        &self,
        _write: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<Staged, E> {
        unimplemented!()
    }
}
