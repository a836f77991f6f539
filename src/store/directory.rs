//! The data directory: who holds it, where its files lie, and what is swept from it at start.
//!
//! ```text
//! lock            held by flock while a server runs; holds its process id
//! trainyard.db    the database, with its -wal and -shm
//! files/<sha256>  uploads and tables, whole and synced
//! incoming/…      uploads under way; swept at start
//! reserve         room for the time when the disk is full to its last byte
//! ```
//!
//! No client ever names a path: what is joined to the directory here is a digest or a random name.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::StoreError;
use super::reserve::Reserve;

/// Holds a data directory and its lock.
pub(crate) struct Directory {
    root: PathBuf,
    /// Locked for as long as this lives.
    _lock: File,
    /// Bytes of the file system that are to stay free.
    kept_free: AtomicU64,
    nearly_full: AtomicBool,
    /// Whether there is so much room that the log of the database may grow long.
    roomy: AtomicBool,
    reserve: Reserve,
}

/// Room beside which a log of some tens of megabytes is little.
const ROOMY: u64 = 1 << 30;

impl Directory {
    /// Makes the directory if it is not there (for its owner alone) and locks it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        if !root.is_dir() {
            make_private(root)?;
        }
        let root = root.canonicalize()?;
        let reserve = Reserve::open(root.join("reserve"));
        let lock = lock(&root, &reserve)?;
        for part in ["files", "incoming"] {
            if !root.join(part).is_dir() {
                make_private(&root.join(part))?;
            }
        }
        sync(&root)?;
        let (kept_free, nearly_full, roomy) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let directory = Self { root, _lock: lock, kept_free, nearly_full, roomy, reserve };
        let free = directory.free_bytes()?;
        directory.reserve.lend(free);
        directory.reserve.mend(free);
        Ok(directory)
    }

    /// Has a commit find some room, on a full disk too.
    pub fn make_room(&self) {
        // Without an answer the commit says what is wrong.
        if let Ok(free) = self.free_bytes() {
            self.reserve.lend(free);
            self.roomy.store(free >= ROOMY, Ordering::Relaxed);
        }
    }

    /// Says whether the last commit found much room.
    pub fn is_roomy(&self) -> bool {
        self.roomy.load(Ordering::Relaxed)
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("trainyard.db")
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Gives where the file with this digest lies.
    pub fn file(&self, sha256: &str) -> PathBuf {
        self.root.join("files").join(sha256)
    }

    /// Removes a file that no row names any more.
    pub fn remove(&self, sha256: &str) -> io::Result<()> {
        match fs::remove_file(self.file(sha256)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes uploads that a former process did not end, and files that no row names; gives how many went.
    pub fn sweep(&self, named: &HashSet<String>) -> io::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(self.incoming())? {
            fs::remove_file(entry?.path())?;
            swept += 1;
        }
        for entry in fs::read_dir(self.root.join("files"))? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| named.contains(name)) {
                fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Adds up the bytes of the database with its log, and of the files.
    pub fn bytes(&self) -> io::Result<(u64, u64)> {
        let length = |path: PathBuf| fs::metadata(path).map_or(0, |m| m.len());
        let database = ["trainyard.db", "trainyard.db-wal", "trainyard.db-shm"];
        let database = database.iter().map(|name| length(self.root.join(name))).sum();
        let mut files = 0;
        for entry in fs::read_dir(self.root.join("files"))? {
            files += entry?.metadata().map_or(0, |m| m.len());
        }
        Ok((database, files))
    }

    /// Gives the bytes that are free on the file system, for this process.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Room comes back only when so much more is free than must be: jobs are not paused and resumed from one write to the next.
const SLACK: u64 = 16 << 20;

impl Directory {
    pub fn keep_free(&self, bytes: u64) {
        self.kept_free.store(bytes, Ordering::Relaxed);
    }

    pub fn kept_free(&self) -> u64 {
        self.kept_free.load(Ordering::Relaxed)
    }

    /// Says whether less is free than is to be kept.
    pub fn is_nearly_full(&self) -> io::Result<bool> {
        let (kept, free) = (self.kept_free(), self.free_bytes()?);
        let slack = if self.nearly_full.load(Ordering::Relaxed) { SLACK.min(kept / 4) } else { 0 };
        let full = self.reserve.mend(free) || free < kept.saturating_add(slack);
        self.nearly_full.store(full, Ordering::Relaxed);
        Ok(full)
    }

    /// Refuses what would take room that is to stay free.
    pub fn require_room(&self) -> Result<(), StoreError> {
        if self.is_nearly_full()? { Err(StoreError::Full) } else { Ok(()) }
    }
}

/// Syncs a directory, so that the names in it last.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes the lock, or tells who has it.
fn lock(root: &Path, reserve: &Reserve) -> Result<File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = root.join("lock");
    let mut file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            let mut write =
                || file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
            if let Err(error) = write() {
                // A disk without a single free block.
                reserve.lend(0);
                if write().is_err() {
                    return Err(error.into());
                }
            }
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            Err(StoreError::Locked { path: root.to_owned(), pid })
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
