//! The only SQL, and the only place that knows the data directory.
//!
//! SQLite is the truth: jobs, metrics, events, checkpoints, reports. Uploaded bytes are files named by their content. One writer task
//! commits in groups (`writer.rs`); any number of readers see the last commit. Every function begins with its noun
//! (`job_claim`, `metric_read`) and lives in the file of that noun. The store knows no spec, no network and no HTTP: documents
//! cross it as JSON values.
//!
//! What is acknowledged is durable: a write returns after its transaction is synced (`synchronous=FULL`), and a file is synced
//! under its last name before the row that names it is written.

mod autotrain;
mod autotrain_step;
mod backup;
mod checkpoint;
mod claim;
mod dataset;
mod directory;
mod error;
mod event;
mod failpoint;
mod family;
mod file;
mod idempotency;
mod job;
mod job_list;
mod log;
mod metric;
mod metric_thin;
mod place;
mod queue;
mod record;
mod report;
mod rescue;
mod reserve;
mod retention;
mod space;
mod status;
mod submit;
#[cfg(test)]
mod tests;
mod usage;
mod weights;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, Sqlite};
use tokio::sync::watch;

pub use autotrain::{Autotrain, AutotrainEnd, NewAutotrain};
pub use autotrain_step::{AutotrainStep, NewStep};
pub use backup::{Holding, backup, restore, verify};
pub use checkpoint::{Checkpoint, CheckpointSet, NewCheckpoint};
pub use dataset::{Dataset, DatasetPut, NewDataset, StoredProfile};
pub use error::StoreError;
pub use event::{EventFilter, EventRow, Level, NewEvent};
#[cfg(debug_assertions)]
pub use failpoint::{AUTOTRAIN_FAILPOINTS, FAILPOINTS};
pub use family::{Family, Member, NewMember};
pub use file::{Ahead, Staged, Upload};
pub use idempotency::{Answer, IdempotencyBegin, IdempotencyKey};
pub use job::{Best, Job, JobDataset, JobPatch, Transition};
pub use job_list::{JobFilter, JobPage, JobSort, SortKey};
pub use metric::{Axis, MetricColumn, MetricQuery, Metrics, Nonfinite, Points};
pub use queue::{Asked, Lease, Memory, NewJob, StopRequest};
pub use record::{Finish, Outcome, Record};
pub use report::{NewReport, Report};
pub use rescue::Rescued;
pub use retention::Retention;
pub use status::{Action, Event, Next, Status, is_arrow, next};
pub use usage::Usage;
pub use weights::{NewWeights, Weights};
pub use writer::Pending;

use crate::id::JobId;

/// Connections that read. SQLite readers do not wait for the writer, nor for each other.
const READERS: u32 = 4;

/// A moment, in UTC; kept in milliseconds.
pub type Time = DateTime<Utc>;

/// Gives the store's functions a handle that is cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    directory: Arc<directory::Directory>,
    readers: SqlitePool,
    writer: writer::Writer,
    changes: Arc<Changes>,
    under_way: Arc<idempotency::UnderWay>,
}

/// Wakes those who wait for a job or for the queue, after the commit that changed it.
struct Changes {
    jobs: Mutex<HashMap<JobId, watch::Sender<u64>>>,
    queue: watch::Sender<u64>,
    /// A claim found nothing in the queue, and it has not changed since.
    queue_is_empty: AtomicBool,
}

/// The schema, in steps that are never changed once released.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

impl Store {
    /// Opens a data directory: makes it if it is not there, locks it, migrates it, sweeps what no row names and takes back the
    /// jobs that a former process held.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another server has it; [`StoreError::NewerSchema`].
    pub async fn open(directory: &Path) -> Result<Store, StoreError> {
        let directory = Arc::new(directory::Directory::open(directory)?);
        // Only the writer sets the mode of vacuum: SQLite takes the write lock for it, on which a new reader would wait.
        let options = SqliteConnectOptions::new()
            .filename(directory.database())
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", "67108864")
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let writing = options.clone().create_if_missing(true).auto_vacuum(SqliteAutoVacuum::Incremental);
        // Pages of the log are moved by `log.rs`.
        let writing = writing.pragma("wal_autocheckpoint", "0");
        let mut connection = SqliteConnection::connect_with(&writing).await?;
        migrate(&mut connection).await?;
        let swept = sweep(&mut connection, &directory).await?;
        if swept > 0 {
            tracing::info!(swept, "removed files that a former process left unfinished");
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        let changes = Arc::new(Changes {
            jobs: Mutex::new(HashMap::new()),
            queue: watch::Sender::new(0),
            queue_is_empty: AtomicBool::new(false),
        });
        let under_way = Arc::new(idempotency::UnderWay::default());
        let keeper = log::Keeper::start(readers.clone());
        let (kept, told, keys) = (Arc::clone(&directory), Arc::clone(&changes), Arc::clone(&under_way));
        let writer = writer::Writer::start(connection, kept, told, keys, keeper)?;
        let store = Store { shared: Arc::new(Shared { directory, readers, writer, changes, under_way }) };
        store.job_rescue().await?;
        Ok(store)
    }

    /// Writes what is queued, closes the database and lets go of the directory.
    pub async fn close(&self) {
        self.shared.readers.close().await;
        self.shared.writer.close().await;
    }

    /// Wakes at each change of the job, after its commit. Take it before reading the row: then no change is missed.
    pub fn job_changes(&self, id: JobId) -> watch::Receiver<u64> {
        let mut jobs = self.shared.changes.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes at each change of the queue, after its commit.
    pub fn queue_changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.queue.subscribe()
    }

    /// Runs a command in the next commit.
    fn write<R, F>(&self, act: F) -> Pending<R>
    where
        R: Send + 'static,
        F: for<'t> FnOnce(&'t mut writer::Tx) -> Pin<Box<dyn Future<Output = Result<R, StoreError>> + Send + 't>>
            + Send
            + 'static,
    {
        self.shared.writer.submit(act)
    }

    /// Takes a connection that reads the last commit.
    async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.shared.readers.acquire().await?)
    }
}

impl Changes {
    /// Says whether a claim may find something.
    fn may_wait(&self) -> bool {
        !self.queue_is_empty.load(Ordering::Acquire)
    }

    /// Forgets what a claim saw of the queue: it was undone.
    fn look_again(&self) {
        self.queue_is_empty.store(false, Ordering::Release);
    }

    fn wake(&self, changed: &[JobId], queue: bool, queue_is_empty: bool) {
        // Before anyone is woken who would claim.
        if queue || queue_is_empty {
            self.queue_is_empty.store(queue_is_empty, Ordering::Release);
        }
        if !changed.is_empty() {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            for job in changed {
                if let Some(sender) = jobs.get(job) {
                    sender.send_modify(|count| *count += 1);
                }
            }
            // Those who waited have gone: what nobody watches is not kept.
            jobs.retain(|_, sender| sender.receiver_count() > 0);
        }
        if queue {
            self.queue.send_modify(|count| *count += 1);
        }
    }
}

/// Brings the schema up to date, and refuses one that is newer than this binary.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let has_schema = sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'");
    if has_schema.fetch_optional(&mut *connection).await?.is_some() {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
        if let Some(found) = found.filter(|found| *found > known) {
            return Err(StoreError::NewerSchema { found, known });
        }
    }
    MIGRATIONS.run(&mut *connection).await.map_err(|error| StoreError::Database(error.to_string()))?;
    sqlx::query("INSERT INTO meta (key, value) VALUES ('created_at', ?) ON CONFLICT DO NOTHING")
        .bind(Utc::now().to_rfc3339())
        .execute(&mut *connection)
        .await?;
    // Earlier versions wrote a row before the request had made something: it made nothing, or its key says what.
    sqlx::query("DELETE FROM idempotency WHERE status IS NULL AND resource IS NULL").execute(connection).await?;
    Ok(())
}

/// Removes what no row names. Nothing else runs yet.
async fn sweep(connection: &mut SqliteConnection, directory: &Arc<directory::Directory>) -> Result<usize, StoreError> {
    let named: Vec<String> = sqlx::query_scalar("SELECT sha256 FROM file").fetch_all(connection).await?;
    let directory = Arc::clone(directory);
    file::blocking(move || Ok(directory.sweep(&named.into_iter().collect())?)).await
}

/// Reads a time as it is stored.
fn time(milliseconds: i64) -> Time {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// Reads a cursor that is a number.
fn cursor(after: Option<&str>) -> Result<i64, StoreError> {
    after.map_or(Ok(i64::MAX), |text| text.parse().map_err(|_| StoreError::Cursor(text.to_owned())))
}

/// Makes a page of rows that were read with one more than the limit: `seq` of its last row is the next cursor.
fn page<T>(
    mut rows: Vec<SqliteRow>,
    limit: u32,
    each: impl Fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<(Vec<T>, Option<String>), StoreError> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = if more { rows.last().map(|row| row.try_get::<i64, _>("seq")).transpose()? } else { None };
    let items = rows.iter().map(each).collect::<Result<_, _>>()?;
    Ok((items, next.map(|seq| seq.to_string())))
}
