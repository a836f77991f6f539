//! Files of the data directory, named by the SHA-256 of their content: written under a temporary name, synced, renamed, then named by a row.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use super::directory::{self, Directory};
use super::failpoint::failpoint;
use super::writer::Tx;
use super::{Store, StoreError};

/// Bytes that are gathered before a blocking thread writes them.
const BUFFER: usize = 1 << 20;

/// Bytes after which a file under way is told to go to the disk, so that little is left to wait for at its end.
const SYNCED: u64 = 64 << 20;

/// Bytes that are read of a file at a time where it is digested.
const READ: usize = 1 << 18;

/// Receives the bytes of an upload into a temporary file of the data directory; dropped, it leaves nothing.
///
/// While a blocking thread writes and digests what came in, the next bytes are gathered.
pub struct Upload {
    /// `None` only while a blocking thread has it, or after that thread was lost.
    sink: Option<Sink>,
    writing: Option<Writing>,
    syncs: Vec<Sync>,
    buffer: Vec<u8>,
    bytes: u64,
    directory: Arc<Directory>,
}

/// A buffer that is being written.
type Writing = JoinHandle<Result<(Sink, Vec<u8>), StoreError>>;

/// A sync under way. A failure is told to one sync only, so each of them must be asked.
type Sync = JoinHandle<std::io::Result<()>>;

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

    /// Ends the file and begins to sync it; it still has a temporary name, and goes when the result is dropped.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub async fn finish(mut self) -> Result<Staged, StoreError> {
        self.flush().await?;
        self.written().await?;
        let Sink { file, digest } = self.sink.take().ok_or(StoreError::Closed)?;
        let to_sync = file.as_file().try_clone()?;
        self.syncs.push(spawn_blocking(move || {
            failpoint("upload.before_sync");
            to_sync.sync_all()?;
            failpoint("upload.synced");
            Ok(())
        }));
        let sha256 = hex(&digest.finalize());
        Ok(Staged { file, sha256, bytes: self.bytes, syncs: self.syncs, _directory: self.directory })
    }

    /// Waits for what is being written; gives its buffer back.
    async fn written(&mut self) -> Result<Vec<u8>, StoreError> {
        let Some(writing) = self.writing.take() else { return Ok(Vec::new()) };
        let (sink, buffer) = writing.await.unwrap_or(Err(StoreError::Closed))?;
        self.sink = Some(sink);
        Ok(buffer)
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let spare = self.written().await?;
        let mut sink = self.sink.take().ok_or(StoreError::Closed)?;
        let mut full = std::mem::replace(&mut self.buffer, spare);
        if self.bytes >= SYNCED * (self.syncs.len() as u64 + 1) {
            let file = sink.file.as_file().try_clone()?;
            self.syncs.push(spawn_blocking(move || file.sync_data()));
        }
        let directory = Arc::clone(&self.directory);
        self.writing = Some(spawn_blocking(move || {
            directory.require_room()?;
            sink.write(&full)?;
            failpoint("upload.written");
            full.clear();
            Ok((sink, full))
        }));
        Ok(())
    }
}

/// Holds a complete file that no row names yet; dropped, it leaves nothing.
pub struct Staged {
    file: NamedTempFile,
    sha256: String,
    bytes: u64,
    /// What is still to be waited for before the file is safe on the disk.
    syncs: Vec<Sync>,
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

    /// Waits until it is safe on the disk. A transaction does so in any case; before it, nobody else waits.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub(super) async fn synced(&mut self) -> Result<(), StoreError> {
        for sync in std::mem::take(&mut self.syncs) {
            sync.await.map_err(|_| StoreError::Closed)??;
        }
        Ok(())
    }
}

/// A file that is written, of which what lies in it already can be synced and digested meanwhile.
pub struct Ahead {
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Ahead {
    /// Syncs and digests what the file holds (blocking). Those bytes may not change any more.
    ///
    /// # Errors
    /// What the file system says.
    pub fn go(&mut self) -> std::io::Result<()> {
        let file = self.file.try_clone()?;
        std::thread::scope(|scope| {
            let synced = scope.spawn(move || file.sync_data());
            let mut reader = BufReader::with_capacity(READ, &mut self.file);
            self.bytes += std::io::copy(&mut reader, &mut self.digest)?;
            synced.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread ended early")))
        })
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
        Ok(Upload { sink, writing: None, syncs: Vec::new(), buffer: Vec::new(), bytes: 0, directory })
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
    pub fn file_stage<E: From<StoreError>>(
        &self,
        write: impl FnOnce(&mut File, &mut Ahead) -> Result<(), E>,
    ) -> Result<Staged, E> {
        let directory = Arc::clone(&self.shared.directory);
        directory.require_room()?;
        let mut file = NamedTempFile::new_in(directory.incoming()).map_err(StoreError::from)?;
        // Read anew: `write` may go back in the file, as formats do that put a length first.
        let again = file.reopen().map_err(StoreError::from)?;
        let mut ahead = Ahead { file: again, digest: Sha256::new(), bytes: 0 };
        write(file.as_file_mut(), &mut ahead)?;
        ahead.go().and_then(|()| file.as_file().sync_all()).map_err(StoreError::from)?;
        let Ahead { digest, bytes, .. } = ahead;
        Ok(Staged { file, sha256: hex(&digest.finalize()), bytes, syncs: Vec::new(), _directory: directory })
    }
}

/// Gives a staged file its last name and writes its row. Called last in a transaction: if that is undone, the next start sweeps the file.
pub(super) async fn keep(tx: &mut Tx, mut staged: Staged) -> Result<(), StoreError> {
    staged.synced().await?;
    let Staged { file, sha256, bytes, _directory, .. } = staged;
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
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Closed),
    }
}
