//! The one writer: a thread that owns the one connection that writes, and commits commands in groups.
//!
//! Whatever waits when a commit ends goes into the next one, so that a sync of the disk is shared by all who asked meanwhile, and a
//! lone command is not delayed. Each command runs in a savepoint: one that fails leaves the others of its group alone. After the
//! commit, and only then, waiters are woken and replies are sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use chrono::Utc;
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Either, Executor};
use tokio::sync::{mpsc, oneshot};

use super::directory::Directory;
use super::failpoint::failpoint;
use super::idempotency::UnderWay;
use super::log::{Keeper, Log};
use super::{Changes, StoreError};
use crate::id::JobId;

/// The most commands of one commit: bounds what a crash in between can undo and how long the first one waits.
const GROUP: usize = 256;

/// What a command runs in: the transaction, and notes of what to do after its commit.
pub(crate) struct Tx {
    /// The connection, inside a transaction.
    pub connection: SqliteConnection,
    /// The time of the transaction.
    pub now: i64,
    directory: Arc<Directory>,
    pub(super) under_way: Arc<UnderWay>,
    /// The job at the head of the queue that waits for memory, and since when.
    pub(super) head_waits: Option<(i64, Instant)>,
    changed: Vec<JobId>,
    queue_changed: bool,
    nothing_waits: bool,
    unnamed: Vec<String>,
    freed: bool,
}

impl Tx {
    /// Notes that waiters for this job are to be woken.
    pub fn job_changed(&mut self, job: JobId) {
        self.changed.push(job);
    }

    /// Notes that waiters for the queue are to be woken.
    pub fn queue_changed(&mut self) {
        self.queue_changed = true;
        self.nothing_waits = false;
    }

    /// Notes that a claim found an empty queue: until it changes, none need look.
    pub fn nothing_waits(&mut self) {
        self.nothing_waits = true;
    }

    /// Notes that a file lost its row: it goes after the commit, unless a row names it again by then.
    pub fn file_unnamed(&mut self, sha256: String) {
        self.unnamed.push(sha256);
    }

    /// Notes that much was deleted, so that pages can go back to the file system.
    pub fn space_freed(&mut self) {
        self.freed = true;
    }

    /// Drops the notes of a transaction that is undone.
    fn forget(&mut self) {
        self.changed.clear();
        self.unnamed.clear();
        (self.queue_changed, self.nothing_waits) = (false, false);
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(&mut self.connection).await?;
        Ok(())
    }
}

type Boxed<'t, R> = Pin<Box<dyn Future<Output = R> + Send + 't>>;

/// A closure that writes, with its reply.
trait Command: Send {
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> Boxed<'t, bool>;
    /// Sends the reply; an error here overrules what the command said.
    fn reply(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Write<R, F> {
    act: Option<F>,
    outcome: Option<Result<R, StoreError>>,
    reply: oneshot::Sender<Result<R, StoreError>>,
}

impl<R, F> Command for Write<R, F>
where
    R: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<R, StoreError>> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> Boxed<'t, bool> {
        Box::pin(async move {
            let Some(act) = self.act.take() else { return false };
            let outcome = act(tx).await;
            let done = outcome.is_ok();
            self.outcome = Some(outcome);
            done
        })
    }

    fn reply(self: Box<Self>, commit: Result<(), StoreError>) {
        let outcome = match (self.outcome, commit) {
            // What a command refused, it refused whatever became of the others.
            (Some(Err(refused)), _) => Err(refused),
            (_, Err(error)) => Err(error),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // A caller that went away does not undo what it asked for.
        let _ = self.reply.send(outcome);
    }
}

/// Waits for the commit of a command that is already queued; dropped, the command is done all the same.
pub struct Pending<T> {
    receiver: oneshot::Receiver<Result<T, StoreError>>,
}

impl<T> Pending<T> {
    /// Waits on a thread that is none of the runtime's.
    pub fn wait(self) -> Result<T, StoreError> {
        self.receiver.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Gives the result if it is there, without waiting.
    pub fn ready(&mut self) -> Option<Result<T, StoreError>> {
        match self.receiver.try_recv() {
            Ok(result) => Some(result),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(StoreError::Closed)),
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(|reply| reply.unwrap_or(Err(StoreError::Closed)))
    }
}

/// Takes commands for the writing task.
pub(crate) struct Writer {
    sender: Mutex<Option<mpsc::UnboundedSender<Box<dyn Command>>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Writer {
    /// Starts a thread: one that waits for the connection's thread and for nothing else is woken sooner than a task among tasks.
    pub fn start(
        connection: SqliteConnection,
        directory: Arc<Directory>,
        changes: Arc<Changes>,
        under_way: Arc<UnderWay>,
        log: Keeper,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let tx = Tx {
            connection,
            now: 0,
            directory,
            under_way,
            head_waits: None,
            changed: Vec::new(),
            queue_changed: false,
            nothing_waits: false,
            unnamed: Vec::new(),
            freed: false,
        };
        let runtime = tokio::runtime::Handle::current();
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            runtime.block_on(run(tx, receiver, changes, log));
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        Ok(Self { sender: Mutex::new(Some(sender)), ended: Mutex::new(Some(ended)) })
    }

    /// Queues a command; it is in order with what the caller queued before, and runs whether or not the reply is awaited.
    pub fn submit<R, F>(&self, act: F) -> Pending<R>
    where
        R: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<R, StoreError>> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let command = Box::new(Write { act: Some(act), outcome: None, reply });
        if let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A closed channel drops the command and with it the reply's sender: the caller reads `Closed`.
            let _ = sender.send(command);
        }
        Pending { receiver }
    }

    /// Takes no more commands and waits until those queued are written.
    pub async fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

async fn run(
    mut tx: Tx,
    mut receiver: mpsc::UnboundedReceiver<Box<dyn Command>>,
    changes: Arc<Changes>,
    mut keeper: Keeper,
) {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        while tx.freed && receiver.is_empty() && !receiver.is_closed() {
            give_back(&mut tx).await;
        }
        if receiver.recv_many(&mut group, GROUP).await == 0 {
            break;
        }
        let committed = commit(&mut tx, &mut group).await;
        if committed.is_ok() {
            changes.wake(&tx.changed, tx.queue_changed, tx.nothing_waits);
        } else {
            changes.look_again();
            tx.unnamed.clear();
        }
        tx.changed.clear();
        (tx.queue_changed, tx.nothing_waits) = (false, false);
        for command in group.drain(..) {
            let outcome = match &committed {
                Ok(_) => Ok(()),
                Err(error) => Err(error.again()),
            };
            command.reply(outcome);
        }
        if let Ok(Some(log)) = committed {
            let tight = !tx.directory.is_roomy();
            keeper.look(&mut tx.connection, log, tight).await;
        }
        tidy(&mut tx).await;
    }
    if let Err(error) = tx.connection.close().await {
        tracing::warn!(%error, "the database did not close in order");
    }
}

/// Runs a group in one transaction; tells how long the log is then, if anything was written.
async fn commit(tx: &mut Tx, group: &mut [Box<dyn Command>]) -> Result<Option<Log>, StoreError> {
    tx.directory.make_room();
    let alone = group.len() == 1;
    // IMMEDIATE: a transaction that began as a reader cannot wait for the lock when it turns into a writer. Statements in one: each is a
    // trip to the connection's thread, on which everybody waits.
    tx.execute(if alone { "BEGIN IMMEDIATE" } else { "BEGIN IMMEDIATE; SAVEPOINT command" }).await?;
    tx.now = Utc::now().timestamp_millis();
    failpoint("commit.begun");
    let outcome = if alone { run_one(tx, group).await } else { run_group(tx, group).await };
    let outcome = match outcome {
        Ok(true) => {
            failpoint("commit.before");
            let done = end(tx).await.map(Some);
            failpoint("commit.done");
            done
        }
        Ok(false) => tx.execute("ROLLBACK").await.map(|()| None),
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        tracing::error!(%error, commands = group.len(), "a commit failed");
        // SQLite may have rolled back by itself (a full disk): then this is an error that means nothing.
        let _ = tx.execute("ROLLBACK").await;
    }
    outcome
}

/// Runs a command that nobody shares the transaction with; says whether there is something to commit.
async fn run_one(tx: &mut Tx, group: &mut [Box<dyn Command>]) -> Result<bool, StoreError> {
    let Some(command) = group.first_mut() else { return Ok(false) };
    let done = command.run(tx).await;
    if !done {
        tx.forget();
    }
    Ok(done)
}

/// Runs each command in a savepoint of its own.
async fn run_group(tx: &mut Tx, group: &mut [Box<dyn Command>]) -> Result<bool, StoreError> {
    let last = group.len().saturating_sub(1);
    for (number, command) in group.iter_mut().enumerate() {
        let (changed, unnamed) = (tx.changed.len(), tx.unnamed.len());
        if !command.run(tx).await {
            tx.changed.truncate(changed);
            tx.unnamed.truncate(unnamed);
            // The savepoint stays, for the next one.
            tx.execute("ROLLBACK TO command").await?;
        } else if number < last {
            tx.execute("RELEASE command; SAVEPOINT command").await?;
        }
    }
    Ok(true)
}

/// Commits, and in the same trip asks how long the log is.
async fn end(tx: &mut Tx) -> Result<Log, StoreError> {
    let mut answers = (&mut tx.connection).fetch_many(sqlx::query("COMMIT; PRAGMA wal_checkpoint(NOOP)"));
    // The end of the first statement: from here on it is committed, whatever comes of the question.
    if answers.try_next().await?.is_none() {
        return Err(StoreError::Database("a commit was not answered".to_owned()));
    }
    while let Ok(Some(answer)) = answers.try_next().await {
        if let Either::Right(row) = answer {
            return Ok(Log::from_row(&row).unwrap_or_default());
        }
    }
    Ok(Log::default())
}

/// Removes files that lost their row.
async fn tidy(tx: &mut Tx) {
    for sha256 in std::mem::take(&mut tx.unnamed) {
        let named = sqlx::query("SELECT 1 FROM file WHERE sha256 = ?").bind(&sha256).fetch_optional(&mut tx.connection);
        match named.await {
            Ok(Some(_)) => {}
            Ok(None) => {
                failpoint("file.before_remove");
                if let Err(error) = tx.directory.remove(&sha256) {
                    tracing::warn!(%error, sha256, "a file without a row stays until the next start");
                }
            }
            Err(error) => tracing::warn!(%error, sha256, "a file without a row stays until the next start"),
        }
    }
}

/// Gives some free pages back to the file system: a bite at a time, while nobody waits.
async fn give_back(tx: &mut Tx) {
    const PAGES: i64 = 512;
    let bite = async {
        sqlx::query("PRAGMA incremental_vacuum(512)").fetch_all(&mut tx.connection).await?;
        sqlx::query_scalar::<_, i64>("PRAGMA freelist_count").fetch_one(&mut tx.connection).await
    };
    match bite.await {
        // A small rest is kept: the next writes take it.
        Ok(left) if left > PAGES => {}
        Ok(_) => {
            tx.freed = false;
            shorten_log(tx).await;
        }
        Err(error) => {
            tx.freed = false;
            tracing::warn!(%error, "free pages stay in the database file");
        }
    }
}

/// Moves the log into the database file, which only then gets shorter, and empties it. Where a reader is in the way it stays as it is:
/// nobody waits for this.
async fn shorten_log(tx: &mut Tx) {
    for pragma in ["PRAGMA busy_timeout = 0", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA busy_timeout = 5000"] {
        if let Err(error) = sqlx::query(pragma).fetch_all(&mut tx.connection).await {
            tracing::debug!(%error, pragma, "the log stays as long as it is");
        }
    }
}
