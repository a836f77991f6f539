//! The pool: one task that claims jobs while places are free, and starts a thread for each.
//!
//! It registers for the store's signal before it looks, so that nothing comes in between; and it looks every half second all the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::autotrain;
use super::control::{Control, Stop};
use super::family;
use super::readmit::readmit;
use super::run::{self, Work};
use super::train_job::train_job;
use crate::id::JobId;
use crate::store::{Finish, Job, Lease, Memory, Outcome, Record, Status, Store, StoreError};

/// How often the pool looks without being told: a lost signal costs no more than this.
const POLL: Duration = Duration::from_millis(500);

/// A job that was cancelled has so long to stop by itself and write what it has.
const OBEYS: Duration = Duration::from_millis(700);

/// Says how a pool works.
#[derive(Debug, Clone)]
pub struct Config {
    /// How many jobs run at once.
    pub workers: usize,
    /// How many bytes of memory they may need together, by their estimates.
    pub memory_bytes: u64,
}

/// Starts workers.
pub struct Pool;

impl Pool {
    /// Starts the workers on the current runtime.
    pub fn start(store: Store, config: Config) -> Handle {
        Self::start_with(store, config, Arc::new(train_job))
    }

    /// Starts workers that do other work than training.
    pub(super) fn start_with(store: Store, config: Config, work: Arc<Work>) -> Handle {
        let shared = Arc::new(Shared {
            store,
            config,
            work,
            running: Mutex::new(HashMap::new()),
            draining: AtomicBool::new(false),
            bell: watch::Sender::new(0),
            task: Mutex::new(None),
            emptied: Arc::new(AtomicBool::new(false)),
            families: Mutex::new(None),
            runs: Mutex::new(None),
        });
        let task = tokio::spawn(claim_and_start(Arc::clone(&shared)));
        *lock(&shared.task) = Some(task);
        let families = tokio::spawn(family::advance(shared.store.clone(), Arc::clone(&shared.emptied)));
        *lock(&shared.families) = Some(families);
        let runs = tokio::spawn(autotrain::advance(shared.store.clone(), shared.config.memory_bytes));
        *lock(&shared.runs) = Some(runs);
        Handle { shared }
    }
}

struct Shared {
    store: Store,
    config: Config,
    work: Arc<Work>,
    running: Mutex<HashMap<JobId, Running>>,
    draining: AtomicBool,
    /// Rung when a place gets free, and by [`Handle::wake`].
    bell: watch::Sender<u64>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Set when a drain has ended the last job.
    emptied: Arc<AtomicBool>,
    /// The task that advances jobs that lead others.
    families: Mutex<Option<JoinHandle<()>>>,
    /// The task that advances autotrain runs.
    runs: Mutex<Option<JoinHandle<()>>>,
}

struct Running {
    lease: Lease,
    memory_bytes: u64,
    control: Arc<Control>,
}

/// A thread that panicked while it held one of these locks left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reaches the workers; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// Tells that the queue has work. Only a matter of time saved: the pool sees the store's changes by itself.
    pub fn wake(&self) {
        self.shared.ring();
    }

    /// Tells a running job at once that a cancel was written for it.
    pub fn cancel(&self, job: JobId) {
        self.shared.ask(job, Stop::Cancel);
    }

    /// Tells a running job at once that a pause was written for it.
    pub fn pause(&self, job: JobId) {
        self.shared.ask(job, Stop::Pause);
    }

    /// Lets no more jobs start, has the running ones write their state and go back to the queue, and waits for that.
    pub async fn drain(&self) {
        self.shared.draining.store(true, Ordering::SeqCst);
        // What it had begun stands in the store: the next process goes on from there.
        if let Some(runs) = lock(&self.shared.runs).take() {
            runs.abort();
        }
        let mut bell = self.shared.bell.subscribe();
        self.shared.ring();
        for running in lock(&self.shared.running).values() {
            running.control.ask(Stop::Drain);
        }
        // The pool's own task first: a job that it was just claiming is started, and told to stop, before the task ends.
        let task = lock(&self.shared.task).take();
        if let Some(task) = task {
            let _ = task.await;
        }
        while self.running() > 0 {
            // The sender is ours: it cannot have gone.
            let _ = bell.changed().await;
        }
        // With no member held any more, those that lead them go back to the queue too.
        self.shared.emptied.store(true, Ordering::SeqCst);
        let families = lock(&self.shared.families).take();
        if let Some(families) = families {
            let _ = families.await;
        }
    }

    /// Gives back to the queue what the drain did not wait for: a job in the midst of a long step, or of loading. It goes on from its
    /// last checkpoint, and its thread writes nothing more.
    pub async fn let_go(&self) {
        let leases: Vec<Lease> = lock(&self.shared.running).values().map(|running| running.lease.clone()).collect();
        for lease in leases {
            let reason =
                "the server shut down before the job could write its state; it goes on from its last checkpoint";
            let finish = Finish { outcome: Outcome::Released, stop_reason: reason.to_owned() };
            let given = self.shared.store.job_finish(&lease, Record::default(), None, finish).await;
            // A stale one was cancelled before.
            if let Err(error) = given
                && !matches!(error, StoreError::Stale { .. })
            {
                tracing::warn!(%error, job.id = %lease.job, "a job could not be given back; the next start takes it");
            }
        }
    }

    /// Says whether the pool drains.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::SeqCst)
    }

    /// Says whether the pool's own tasks are alive, for readiness.
    pub fn is_alive(&self) -> bool {
        [&self.shared.task, &self.shared.families, &self.shared.runs]
            .into_iter()
            .all(|task| lock(task).as_ref().is_some_and(|task| !task.is_finished()))
    }

    /// Counts jobs that run now.
    pub fn running(&self) -> usize {
        lock(&self.shared.running).len()
    }
}

impl Shared {
    fn ring(&self) {
        self.bell.send_modify(|rings| *rings += 1);
    }

    fn ask(self: &Arc<Self>, job: JobId, stop: Stop) {
        if let Some(running) = lock(&self.running).get(&job) {
            self.tell(running, stop);
        }
    }

    /// Tells a running job to stop, and sees to it that a cancelled one has ended within a second, whatever its thread is doing.
    fn tell(self: &Arc<Self>, running: &Running, stop: Stop) {
        let known = running.control.asked();
        running.control.ask(stop);
        if stop == Stop::Cancel && known != Some(Stop::Cancel) {
            tokio::spawn(end_if_late(Arc::clone(self), running.lease.clone()));
        }
    }

    fn memory(&self) -> Memory {
        let taken = lock(&self.running).values().map(|running| running.memory_bytes).fold(0, u64::saturating_add);
        let budget_bytes = self.config.memory_bytes;
        Memory { free_bytes: budget_bytes.saturating_sub(taken), budget_bytes }
    }

    fn has_place(&self) -> bool {
        !self.draining.load(Ordering::SeqCst) && lock(&self.running).len() < self.config.workers
    }
}

async fn claim_and_start(shared: Arc<Shared>) {
    let mut queue = shared.store.queue_changes();
    let mut bell = shared.bell.subscribe();
    readmit(&shared.store, shared.config.memory_bytes).await;
    loop {
        queue.mark_unchanged();
        bell.mark_unchanged();
        if shared.draining.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = look(&shared).await {
            tracing::warn!(%error, "the pool could not read or claim; it tries again");
            tokio::time::sleep(POLL).await;
        }
        tokio::select! {
            _ = queue.changed() => {}
            _ = bell.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Passes on what clients asked of running jobs, then fills free places; with hardly any room left it has the jobs pause instead.
async fn look(shared: &Arc<Shared>) -> Result<(), StoreError> {
    if !lock(&shared.running).is_empty() {
        for request in shared.store.job_stop_requests().await? {
            let stop = if request.status == Status::Cancelling { Stop::Cancel } else { Stop::Pause };
            let running = lock(&shared.running);
            if let Some(running) = running.get(&request.job).filter(|running| running.lease.attempt == request.attempt)
            {
                shared.tell(running, stop);
            }
        }
    }
    if shared.store.is_nearly_full().await? {
        for job in shared.store.job_pause_for_space().await? {
            tracing::warn!(job.id = %job, "pauses, because the data directory is nearly full");
            shared.ask(job, Stop::Pause);
        }
        return Ok(());
    }
    shared.store.job_resume_for_space().await?;
    while shared.has_place() {
        let Some((lease, job)) = shared.store.job_claim("embedded", Some(shared.memory())).await? else { break };
        start(shared, lease, job);
    }
    Ok(())
}

/// Ends a cancelled job whose thread is in the midst of something long (a step, a check, loading). The thread finds out when it next
/// wants to write, which it no longer can; until then its place and its memory stay taken.
async fn end_if_late(shared: Arc<Shared>, lease: Lease) {
    tokio::time::sleep(OBEYS).await;
    if !lock(&shared.running).contains_key(&lease.job) {
        return;
    }
    let reason = "cancelled in the midst of a step, a check or loading; what that still does is not kept";
    let finish = Finish { outcome: Outcome::Stopped, stop_reason: reason.to_owned() };
    match shared.store.job_finish(&lease, Record::default(), None, finish).await {
        Ok(status) => tracing::info!(job.id = %lease.job, %status, "ended while its thread is busy"),
        Err(StoreError::Stale { .. } | StoreError::Closed) => {} // it was quicker
        Err(error) => tracing::warn!(%error, job.id = %lease.job, "a cancelled job could not be ended yet"),
    }
}

/// Frees the place of a job when its thread ends, however it ends.
struct Place {
    shared: Arc<Shared>,
    job: JobId,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.shared.running).remove(&self.job);
        self.shared.ring();
    }
}

/// Starts the thread of a job that was just claimed.
fn start(shared: &Arc<Shared>, lease: Lease, job: Job) {
    let control = Arc::new(Control::default());
    let memory_bytes = job.memory_bytes.unwrap_or(0);
    let running = Running { lease: lease.clone(), memory_bytes, control: Arc::clone(&control) };
    lock(&shared.running).insert(lease.job, running);
    if shared.draining.load(Ordering::SeqCst) {
        control.ask(Stop::Drain); // it was claimed while the drain began
    }
    let place = Place { shared: Arc::clone(shared), job: lease.job };
    let (store, work) = (shared.store.clone(), Arc::clone(&shared.work));
    let runtime = tokio::runtime::Handle::current();
    // Linux shows 15 characters of a thread's name: the id's last digits tell jobs apart.
    let id = lease.job.to_string();
    let name = format!("job-{}", id.get(id.len().saturating_sub(8)..).unwrap_or_default());
    let given_back = (shared.store.clone(), lease.clone());
    let spawned = std::thread::Builder::new().name(name).spawn(move || {
        let _place = place;
        run::run(&*work, &store, &runtime, lease, &job, &control);
    });
    if let Err(error) = spawned {
        // `place` went with the closure: the place is free again. The job goes back to the queue.
        tracing::error!(%error, job = id, "no thread for a job");
        let (store, lease) = given_back;
        tokio::spawn(async move { run::give_back(&store, &lease, false).await });
    }
}
