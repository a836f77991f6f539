//! Claims jobs, trains each on a thread of its own, records what happens and lets go of them.
//!
//! The pool wakes by signal and survives by polling. It reaches the jobs through the store's seam alone: claim, record, checkpoint, finish.

use crate::id::JobId;
use crate::store::Store;

/// Says how a pool works.
#[derive(Debug, Clone)]
pub struct Config {
    /// How many jobs run at once.
    pub workers: usize,
}

/// Starts workers.
pub struct Pool;

impl Pool {
    /// Starts the workers on the current runtime.
    pub fn start(_store: Store, _config: Config) -> Handle {
        unimplemented!()
    }
}

/// Reaches the workers; cheap to clone.
#[derive(Clone)]
pub struct Handle {}

impl Handle {
    /// Tells that the queue has work. Only a matter of time saved: the pool sees the store's changes by itself.
    pub fn wake(&self) {}
    /// Tells a running job at once that a cancel was written for it.
    pub fn cancel(&self, _job: JobId) {}
    /// Tells a running job at once that a pause was written for it.
    pub fn pause(&self, _job: JobId) {}
    /// Lets no more jobs start, has the running ones write their state and go back to the queue, and waits for that.
    pub async fn drain(&self) {}
    /// Says whether the pool drains.
    pub fn is_draining(&self) -> bool {
        false
    }
    /// Says whether the pool's own task is alive, for readiness.
    pub fn is_alive(&self) -> bool {
        true
    }
    /// Counts jobs that run now.
    pub fn running(&self) -> usize {
        0
    }
}
