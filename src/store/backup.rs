//! Backups: a copy of a data directory that belongs together, taken while a server runs on it, and put back.
//!
//! The database is copied by `VACUUM INTO`, which is one moment of it; files are named by their content and never change. A file
//! that is deleted between the two moments makes the copy begin again. A folder appears under its name only when it is whole.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::{StoreError, directory, file};

/// So often a copy begins again because a file went meanwhile.
const ATTEMPTS: usize = 10;
const DATABASE: &str = "trainyard.db";

/// Counts what a data directory or a copy of it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Number of jobs.
    pub jobs: u64,
    /// Number of checkpoints.
    pub checkpoints: u64,
    /// Number of uploaded files and tables.
    pub files: u64,
    /// Bytes of the database and of the files.
    pub bytes: u64,
}

/// Copies a data directory, of a running server too, to a folder that must not be there yet or be empty.
///
/// # Errors
/// [`StoreError::Refused`] when the folder is taken or the data directory is none; [`StoreError::Damaged`]; failures of the disk.
pub async fn backup(data: &Path, target: &Path) -> Result<Holding, StoreError> {
    if !data.join(DATABASE).is_file() {
        return Err(StoreError::Refused(format!("{} is no data directory", data.display())));
    }
    let draft = Draft::begin(target)?;
    let mut source = connect(&data.join(DATABASE)).await?;
    let copy = draft.path().join(DATABASE);
    let mut whole = false;
    for _ in 0..ATTEMPTS {
        // Most files before the moment of the database, so that few can go between the two.
        copy_files(data, draft.path(), &named(&mut source).await?)?;
        sqlx::query("VACUUM INTO ?").bind(copy.display().to_string()).execute(&mut source).await?;
        let mut snapshot = connect(&copy).await?;
        let names = named(&mut snapshot).await?;
        snapshot.close().await?;
        if copy_files(data, draft.path(), &names)? {
            drop_others(draft.path(), &names)?;
            whole = true;
            break;
        }
        fs::remove_file(&copy)?;
    }
    source.close().await?;
    if !whole {
        return Err(StoreError::Refused("files were deleted faster than they could be copied; try again".to_owned()));
    }
    draft.finish().await
}

/// Puts a backup back as a data directory, which must not be there yet or be empty.
///
/// # Errors
/// As [`backup`].
pub async fn restore(backup: &Path, data: &Path) -> Result<Holding, StoreError> {
    if !backup.join(DATABASE).is_file() {
        return Err(StoreError::Refused(format!("{} is no backup", backup.display())));
    }
    let draft = Draft::begin(data)?;
    let mut source = connect(&backup.join(DATABASE)).await?;
    let names = named(&mut source).await?;
    sqlx::query("VACUUM INTO ?").bind(draft.path().join(DATABASE).display().to_string()).execute(&mut source).await?;
    source.close().await?;
    if !copy_files(backup, draft.path(), &names)? {
        return Err(StoreError::Refused("the backup lacks a file that its database names".to_owned()));
    }
    draft.finish().await
}

/// Proves that a data directory or a backup is whole: the database's own check, each file and each checkpoint against its checksum,
/// and no file that no row names. What a running server is just writing may look like a fault.
///
/// # Errors
/// [`StoreError::Damaged`] names the first fault.
pub async fn verify(data: &Path) -> Result<Holding, StoreError> {
    if !data.join(DATABASE).is_file() {
        return Err(StoreError::Refused(format!("{} is no data directory", data.display())));
    }
    let mut connection = connect(&data.join(DATABASE)).await?;
    let said: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await?;
    if said != "ok" {
        return Err(StoreError::Damaged { what: format!("the database ({said})") });
    }
    if sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut connection).await?.is_some() {
        return Err(StoreError::Damaged { what: "a reference of the database".to_owned() });
    }
    let mut holding = Holding { bytes: fs::metadata(data.join(DATABASE))?.len(), ..Holding::default() };
    let names = named(&mut connection).await?;
    for name in &names {
        let (sha256, bytes) = digest(&data.join("files").join(name))
            .map_err(|_| StoreError::Damaged { what: format!("file {name}, which cannot be read,") })?;
        if sha256 != *name {
            return Err(StoreError::Damaged { what: format!("file {name}") });
        }
        holding.files += 1;
        holding.bytes += bytes;
    }
    for entry in fs::read_dir(data.join("files"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !names.contains(&name) {
            return Err(StoreError::Damaged { what: format!("file {name}, which no row names,") });
        }
    }
    let checkpoints = sqlx::query("SELECT seq, id, sha256 FROM checkpoint").fetch_all(&mut connection).await?;
    for row in checkpoints {
        let mut digest = Sha256::new();
        let mut chunks = sqlx::query("SELECT content FROM checkpoint_chunk WHERE checkpoint = ? ORDER BY number")
            .bind(row.try_get::<i64, _>("seq")?)
            .fetch(&mut connection);
        while let Some(chunk) = chunks.try_next().await? {
            digest.update(chunk.try_get::<&[u8], _>("content")?);
        }
        if file::hex(&digest.finalize()) != row.try_get::<&str, _>("sha256")? {
            return Err(StoreError::Damaged { what: row.try_get("id")? });
        }
        holding.checkpoints += 1;
    }
    holding.jobs = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM job").fetch_one(&mut connection).await? as u64;
    connection.close().await?;
    Ok(holding)
}

/// A folder that gets its name when it is whole; dropped before, it leaves nothing.
struct Draft {
    folder: tempfile::TempDir,
    parent: PathBuf,
    target: PathBuf,
}

impl Draft {
    fn begin(target: &Path) -> Result<Draft, StoreError> {
        let taken = match fs::read_dir(target) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        if taken {
            return Err(StoreError::Refused(format!("{} is not empty", target.display())));
        }
        let target = std::path::absolute(target)?;
        let parent = target.parent().unwrap_or(&target).to_owned();
        fs::create_dir_all(&parent)?;
        let folder = tempfile::Builder::new().prefix(".trainyard-").tempdir_in(&parent)?;
        fs::create_dir(folder.path().join("files"))?;
        Ok(Draft { folder, parent, target })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn finish(self) -> Result<Holding, StoreError> {
        let holding = verify(self.path()).await?;
        File::open(self.path().join(DATABASE))?.sync_all()?;
        for folder in [self.path().join("files"), self.path().to_owned()] {
            directory::sync(&folder)?;
        }
        fs::rename(self.path(), &self.target)?;
        directory::sync(&self.parent)?;
        // It has another name now: there is nothing left to clear away under the old one.
        let _ = self.folder.keep();
        Ok(holding)
    }
}

async fn connect(database: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::from_secs(5));
    Ok(SqliteConnection::connect_with(&options.disable_statement_logging()).await?)
}

async fn named(connection: &mut SqliteConnection) -> Result<HashSet<String>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar("SELECT sha256 FROM file").fetch_all(connection).await?;
    Ok(names.into_iter().collect())
}

/// Copies those that are not there yet; false when one of them has gone.
fn copy_files(from: &Path, to: &Path, names: &HashSet<String>) -> Result<bool, StoreError> {
    let mut all = true;
    for name in names {
        let target = to.join("files").join(name);
        if target.is_file() {
            continue;
        }
        let mut source = match File::open(from.join("files").join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                all = false;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let mut copy = File::options().write(true).create_new(true).open(&target)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = source.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hash.update(bytes);
            copy.write_all(bytes)?;
        }
        copy.sync_all()?;
        if file::hex(&hash.finalize()) != *name {
            return Err(StoreError::Damaged { what: format!("file {name}") });
        }
    }
    Ok(all)
}

/// Removes files that went into the copy before the moment of the database and are no more named by it.
fn drop_others(copy: &Path, names: &HashSet<String>) -> Result<(), StoreError> {
    for entry in fs::read_dir(copy.join("files"))? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hash)?;
    Ok((file::hex(&hash.finalize()), bytes))
}
