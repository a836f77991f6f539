//! The database's log (SQLite's write-ahead log): a commit appends its pages to it, and they go into the database file later, away from
//! the commits that clients wait for.
//!
//! SQLite would do it inside every so many commits, which then take ten times as long as the others. Here a task of its own does it, when
//! nobody writes or, rarely, while the writer goes on. SQLite begins the log anew only when all of it has been moved; a writer that never rests appends pages
//! meanwhile, so that beyond a bound it moves the small rest itself.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::watch;

use super::StoreError;

/// Pages beyond those moved that are moved when nobody writes, or where the disk has little room (4 MiB).
const SOME: i64 = 1000;
/// And so many whoever writes (24 MiB): a commit at the same time waits for the disk, so this is to be rare.
const MANY: i64 = 6000;
/// Nobody writes: for so long.
const QUIET: Duration = Duration::from_millis(50);
/// Pages of a log that is to begin anew (48 MiB); half of it where the disk has little room.
const LONG: i64 = 12_000;

/// How long the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Pages that it holds.
    pub pages: i64,
    /// Of these the first so many are in the database file.
    pub moved: i64,
}

impl Log {
    /// Reads what `PRAGMA wal_checkpoint` says.
    pub fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<Self, StoreError> {
        Ok(Self { pages: row.try_get(1)?, moved: row.try_get(2)? })
    }
}

/// The writer's side.
pub(super) struct Keeper {
    /// Pages that wait.
    bell: watch::Sender<i64>,
    /// The length at which the writer moves the rest itself; grows while a reader is in the way.
    bound: i64,
}

impl Keeper {
    /// Starts the task that moves pages; it ends with the keeper.
    pub fn start(readers: SqlitePool) -> Self {
        let (bell, rings) = watch::channel(0);
        tokio::spawn(move_when_told(readers, rings));
        Self { bell, bound: LONG }
    }

    /// Looks at the log after a commit; `tight` says that the disk has little room.
    pub async fn look(&mut self, connection: &mut SqliteConnection, log: Log, tight: bool) {
        let long = if tight { LONG / 2 } else { LONG };
        if log.pages < long {
            self.bound = long;
        }
        if log.pages >= self.bound {
            match checkpoint(connection).await {
                Ok(after) if after.moved == after.pages => {}
                // A reader needs the older pages, or the task is just at it.
                Ok(_) => self.bound = log.pages + SOME,
                Err(error) => {
                    self.bound = log.pages + SOME;
                    tracing::warn!(%error, "the log of the database stays as long as it is");
                }
            }
        } else if log.pages - log.moved >= SOME {
            self.bell.send_replace(if tight { MANY } else { log.pages - log.moved });
        }
    }
}

async fn move_when_told(readers: SqlitePool, mut rings: watch::Receiver<i64>) {
    while rings.changed().await.is_ok() {
        while *rings.borrow_and_update() < MANY {
            match tokio::time::timeout(QUIET, rings.changed()).await {
                Ok(Ok(())) => {} // another commit
                Ok(Err(_)) => return,
                Err(_) => break,
            }
        }
        // A reader's connection may: it changes nothing that anyone reads.
        let Ok(mut connection) = readers.acquire().await else { continue };
        if let Err(error) = checkpoint(&mut connection).await {
            tracing::warn!(%error, "the log of the database grows");
        }
        // What commits said meanwhile was of the pages before.
        rings.borrow_and_update();
    }
}

/// Moves what no reader needs; waits for nobody.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<Log, StoreError> {
    Log::from_row(&sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?)
}
