//! How many threads a computation may use, and fork and join over parts of it. Threads split rows and columns, never a sum, so their
//! number cannot change a bit.

use std::sync::{Arc, OnceLock};

use super::kernel::pool::Pool;

/// Below this many multiply-adds for each thread another one costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 20;

/// The threads of one training or one evaluation; clones share them. They start with the first work that is worth it.
#[derive(Clone, Debug)]
pub struct Threads {
    count: usize,
    pool: Arc<OnceLock<Pool>>,
}

impl Threads {
    /// Up to `count` threads, the calling one among them; at least 1.
    pub fn new(count: usize) -> Self {
        Threads { count: count.clamp(1, 256), pool: Arc::default() }
    }

    /// How many threads may be used.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many of them are worth using for this many multiply-adds.
    #[inline]
    pub fn worth(&self, multiply_adds: usize) -> usize {
        if self.count == 1 { 1 } else { self.count.min(multiply_adds / WORTH_A_THREAD).max(1) }
    }

    /// Calls `task(part)` once for each part of `0..parts`, at the same time as far as there are threads; a single part is done right here.
    #[inline]
    pub fn run(&self, parts: usize, task: impl Fn(usize) + Sync) {
        if parts <= 1 || self.count == 1 {
            return (0..parts).for_each(task);
        }
        let pool = self.pool.get_or_init(|| Pool::new(self.count - 1));
        pool.run(parts.min(usize::from(u16::MAX)) as u16, &task);
    }
}
