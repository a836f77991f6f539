//! Threads kept at hand for fork and join. They wait for work without holding a core for long: a moment of spinning, then
//! yielding to whoever could work, then sleep.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};

/// Rounds of waiting by spinning, a few microseconds: the gap between two products of one step.
const SPINS: usize = 300;
/// Rounds of waiting in which others may take the core: about as long as a step computes between two products, since waking a thread that sleeps takes
/// longer than many a product (measured: 784-128-10 on two threads took twice as long with a tenth of them).
const YIELDS: usize = 400;

/// Threads besides the calling one.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    /// Held while work is out: one fork at a time.
    busy: Mutex<()>,
}

struct Shared {
    /// The next part that nobody has taken, and the number of parts, in a word: see [`Turn`].
    turn: AtomicU64,
    /// Parts that are not finished.
    unfinished: AtomicUsize,
    /// The work of this round. Written only between rounds.
    work: UnsafeCell<Option<Work>>,
    failure: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
}

struct Work {
    /// In truth it lives only until the round is over, which `Pool::run` waits for.
    task: &'static (dyn Fn(usize) + Sync),
    caller: Thread,
}

/// What [`Shared::turn`] holds. The round makes sure that a thread which slept through a round cannot take a part of the next one by an old word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Turn {
    round: u32,
    next: u16,
    parts: u16,
}

impl Turn {
    fn of(word: u64) -> Self {
        Turn { round: (word >> 32) as u32, next: (word >> 16) as u16, parts: word as u16 }
    }

    fn word(self) -> u64 {
        u64::from(self.round) << 32 | u64::from(self.next) << 16 | u64::from(self.parts)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

// SAFETY: `work` is written by the caller of `run` while no part is unfinished, and read only by threads that have taken a part and not finished it.
unsafe impl Sync for Shared {}
// SAFETY: the task is `Sync`, everything else is `Send`.
unsafe impl Send for Shared {}

impl Pool {
    /// Starts `workers` threads. Where the system gives fewer, there are fewer.
    pub fn new(workers: usize) -> Self {
        let shared = Arc::new(Shared {
            turn: AtomicU64::new(0),
            unfinished: AtomicUsize::new(0),
            work: UnsafeCell::new(None),
            failure: Mutex::new(None),
            stop: AtomicBool::new(false),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("product-{number}")).spawn(move || shared.live())
        };
        let handles = (1..=workers).map_while(|number| start(number).ok()).collect();
        Pool { shared, handles, busy: Mutex::new(()) }
    }

    /// Calls `task(part)` once for each part of `0..parts`, at the same time as far as there are threads, and comes back when all are done.
    /// A panic of any part is passed on.
    pub fn run(&self, parts: u16, task: &(dyn Fn(usize) + Sync)) {
        let Ok(_busy) = self.busy.try_lock() else {
            return (0..usize::from(parts)).for_each(task);
        };
        // SAFETY: only the lifetime is changed. The task is used by threads that have taken a part, and all parts are waited for below.
        let task = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task) };
        // SAFETY: `busy` is held and the last round was waited for, so no part is unfinished.
        unsafe { *self.shared.work.get() = Some(Work { task, caller: thread::current() }) };
        self.shared.unfinished.store(usize::from(parts), Ordering::Relaxed);
        let round = Turn::of(self.shared.turn.load(Ordering::Relaxed)).round.wrapping_add(1);
        self.shared.turn.store(Turn { round, next: 0, parts }.word(), Ordering::Release);
        self.handles.iter().take(usize::from(parts) - 1).for_each(|handle| handle.thread().unpark());
        while self.shared.take_part() {}
        wait_until(|| self.shared.unfinished.load(Ordering::Acquire) == 0);
        if let Some(failure) = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(failure);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            let _ = handle.join();
        }
    }
}

impl Shared {
    /// The life of a worker.
    fn live(&self) {
        let called = || {
            let turn = Turn::of(self.turn.load(Ordering::Acquire));
            turn.next < turn.parts || self.stop.load(Ordering::Acquire)
        };
        loop {
            wait_until(called);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            while self.take_part() {}
        }
    }

    /// Takes the next part, if there is one, and does it.
    fn take_part(&self) -> bool {
        let mut word = self.turn.load(Ordering::Acquire);
        let part = loop {
            let turn = Turn::of(word);
            if turn.next >= turn.parts {
                return false;
            }
            let after = Turn { next: turn.next + 1, ..turn }.word();
            match self.turn.compare_exchange_weak(word, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break usize::from(turn.next),
                Err(now) => word = now,
            }
        };
        // SAFETY: this thread has taken a part and not finished it, so nobody writes `work`.
        if let Some(work) = unsafe { (*self.work.get()).as_ref() } {
            let caller = work.caller.clone();
            if let Err(failure) = catch_unwind(AssertUnwindSafe(|| (work.task)(part))) {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            }
            if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
                caller.unpark();
            }
        }
        true
    }
}

/// Comes back once `done`; whoever makes it so must unpark this thread.
fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..SPINS {
        if done() {
            return;
        }
        std::hint::spin_loop();
    }
    for _ in 0..YIELDS {
        if done() {
            return;
        }
        thread::yield_now();
    }
    while !done() {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once_in_every_round() {
        let pool = Pool::new(2);
        for round in 0..2000u16 {
            let parts = 1 + round % 5;
            let done: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            pool.run(parts, &|part| {
                done[part].fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1), "round {round}");
        }
    }

    #[test]
    fn a_panic_of_a_part_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(1);
        let failing = || pool.run(4, &|part| assert!(part != 2, "part {part} fails"));
        assert!(catch_unwind(AssertUnwindSafe(failing)).is_err());
        let done = AtomicUsize::new(0);
        pool.run(4, &|_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 4);
    }
}
