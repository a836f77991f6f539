//! The database's log (SQLite's write-ahead log): a commit appends its pages to it, and they go into the database file later, away from
//! the commits that clients wait for.
//!
//! SQLite would do it inside every so many commits, which then take ten times as long as the others. Here a task of its own does it while
//! the writer goes on. SQLite begins the log anew only when all of it has been moved; a writer that never rests appends pages
//! meanwhile, so that beyond a bound it moves the small rest itself.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::watch;

use super::StoreError;

/// Pages that the log holds beyond those moved before they are moved (4 MiB).
const MOVE: i64 = 1000;
/// Pages of a log that is to begin anew (32 MiB).
const LONG: i64 = 8000;

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
    bell: watch::Sender<()>,
    /// The length at which the writer moves the rest itself; grows while a reader is in the way.
    bound: i64,
}

impl Keeper {
    /// Starts the task that moves pages; it ends with the keeper.
    pub fn start(readers: SqlitePool) -> Self {
        let (bell, rings) = watch::channel(());
        tokio::spawn(move_when_told(readers, rings));
        Self { bell, bound: LONG }
    }

    /// Looks at the log after a commit.
    pub async fn look(&mut self, connection: &mut SqliteConnection, log: Log) {
        if log.pages < LONG {
            self.bound = LONG;
        }
        if log.pages >= self.bound {
            match checkpoint(connection).await {
                Ok(after) if after.moved == after.pages => {}
                // A reader needs the older pages, or the task is just at it.
                Ok(_) => self.bound = log.pages + MOVE,
                Err(error) => {
                    self.bound = log.pages + MOVE;
                    tracing::warn!(%error, "the log of the database stays as long as it is");
                }
            }
        } else if log.pages - log.moved >= MOVE {
            self.bell.send_replace(());
        }
    }
}

async fn move_when_told(readers: SqlitePool, mut rings: watch::Receiver<()>) {
    while rings.changed().await.is_ok() {
        // A reader's connection may: it changes nothing that anyone reads.
        let Ok(mut connection) = readers.acquire().await else { continue };
        if let Err(error) = checkpoint(&mut connection).await {
            tracing::warn!(%error, "the log of the database grows");
        }
    }
}

/// Moves what no reader needs; waits for nobody.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<Log, StoreError> {
    Log::from_row(&sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?)
}
