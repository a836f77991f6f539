//! Files of the data directory, named by the SHA-256 of their content: written under a temporary name, synced, renamed, then named by a row.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::directory::{self, Directory};
use super::failpoint::failpoint;
use super::writer::Tx;
use super::{Store, StoreError};

/// Bytes that are gathered before a blocking thread writes them.
const BUFFER: usize = 1 << 20;

/// Receives the bytes of an upload into a temporary file of the data directory; dropped, it leaves nothing.
pub struct Upload {
    /// `None` only while a blocking thread has it, or after that thread was lost.
    sink: Option<Sink>,
    buffer: Vec<u8>,
    bytes: u64,
    directory: Arc<Directory>,
}

struct Sink {
    file: NamedTempFile,
    digest: Sha256,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        Ok(())
    }
}

impl Upload {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.flush().await?;
        }
        Ok(())
    }

    /// Gives the number of bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Syncs the file; it still has a temporary name, and goes when the result is dropped.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub async fn finish(mut self) -> Result<Staged, StoreError> {
        self.flush().await?;
        let sink = self.sink.take().ok_or(StoreError::Closed)?;
        let (bytes, directory) = (self.bytes, self.directory);
        blocking(move || {
            failpoint("upload.before_sync");
            sink.file.as_file().sync_all()?;
            failpoint("upload.synced");
            Ok(Staged { file: sink.file, sha256: hex(&sink.digest.finalize()), bytes, _directory: directory })
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let mut sink = self.sink.take().ok_or(StoreError::Closed)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let directory = Arc::clone(&self.directory);
        let (sink, buffer) = blocking(move || {
            directory.require_room()?;
            sink.write(&buffer)?;
            failpoint("upload.written");
            buffer.clear();
            Ok((sink, buffer))
        })
        .await?;
        self.sink = Some(sink);
        self.buffer = buffer;
        Ok(())
    }
}

/// Holds a complete, synced file that no row names yet; dropped, it leaves nothing.
pub struct Staged {
    file: NamedTempFile,
    sha256: String,
    bytes: u64,
    /// Keeps the directory locked for as long as something may be renamed in it.
    _directory: Arc<Directory>,
}

impl Staged {
    /// Opens it for reading (blocking).
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(&self) -> Result<File, StoreError> {
        Ok(self.file.reopen()?)
    }

    /// Gives where it lies, for readers that want a path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives its SHA-256 in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Gives its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Store {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub async fn upload_begin(&self) -> Result<Upload, StoreError> {
        let directory = Arc::clone(&self.shared.directory);
        let incoming = directory.incoming();
        let room = Arc::clone(&directory);
        let begin = move || {
            room.require_room()?;
            let file = NamedTempFile::new_in(incoming)?;
            failpoint("upload.begun");
            Ok(file)
        };
        let file = blocking(begin).await?;
        let sink = Some(Sink { file, digest: Sha256::new() });
        Ok(Upload { sink, buffer: Vec::new(), bytes: 0, directory })
    }

    /// Makes an empty file without a name in the data directory, for about so many bytes: it is gone when it is closed, however the process
    /// ends. It blocks: call it from a blocking thread.
    ///
    /// # Errors
    /// [`StoreError::Full`] where they would take room that is to stay free, [`StoreError::Io`].
    pub fn file_scratch(&self, bytes: u64) -> Result<File, StoreError> {
        let directory = &self.shared.directory;
        directory.require_room()?;
        if directory.free_bytes()? < directory.kept_free().saturating_add(bytes) {
            return Err(StoreError::Full);
        }
        Ok(tempfile::tempfile_in(directory.incoming())?)
    }

    /// Stages a file that `write` fills. It blocks: call it from a blocking thread.
    ///
    /// # Errors
    /// What `write` or the file system says.
    pub fn file_stage<E: From<StoreError>>(&self, write: impl FnOnce(&mut File) -> Result<(), E>) -> Result<Staged, E> {
        let directory = Arc::clone(&self.shared.directory);
        directory.require_room()?;
        let mut file = NamedTempFile::new_in(directory.incoming()).map_err(StoreError::from)?;
        write(file.as_file_mut())?;
        file.as_file().sync_all().map_err(StoreError::from)?;
        let mut digest = Sha256::new();
        // Read anew: `write` may have gone back in the file, as formats do that put a length first.
        let bytes = file.reopen().and_then(|mut f| std::io::copy(&mut f, &mut digest)).map_err(StoreError::from)?;
        Ok(Staged { file, sha256: hex(&digest.finalize()), bytes, _directory: directory })
    }
}

/// Gives a staged file its last name and writes its row. Called last in a transaction: if that is undone, the next start sweeps the file.
pub(super) async fn keep(tx: &mut Tx, staged: Staged) -> Result<(), StoreError> {
    let Staged { file, sha256, bytes, _directory } = staged;
    let path = tx.directory().file(&sha256);
    blocking(move || {
        if path.is_file() {
            return Ok(()); // The same content is there, whole: nothing else ever gets such a name.
        }
        failpoint("file.before_rename");
        file.persist(&path).map_err(|error| error.error)?;
        failpoint("file.renamed");
        if let Some(parent) = path.parent() {
            directory::sync(parent)?;
        }
        failpoint("file.folder_synced");
        Ok(())
    })
    .await?;
    sqlx::query("INSERT INTO file (sha256, bytes, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(sha256)
        .bind(bytes as i64)
        .bind(tx.now)
        .execute(&mut tx.connection)
        .await?;
    failpoint("file.row_written");
    Ok(())
}

/// Deletes the row of a file, and after the commit the file, if no row refers to it any more.
pub(super) async fn release(tx: &mut Tx, sha256: &str) -> Result<(), StoreError> {
    let deleted = sqlx::query(
        "DELETE FROM file WHERE sha256 = ?1
           AND NOT EXISTS (SELECT 1 FROM dataset WHERE sha256 = ?1 OR \"table\" = ?1)
           AND NOT EXISTS (SELECT 1 FROM weights WHERE sha256 = ?1)",
    )
    .bind(sha256)
    .execute(&mut tx.connection)
    .await?;
    if deleted.rows_affected() > 0 {
        tx.file_unnamed(sha256.to_owned());
    }
    Ok(())
}

/// Writes a digest as clients read it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Runs file work on a thread that may block.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Closed),
    }
}
