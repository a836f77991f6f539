//! How a running job is told to stop: one word that its thread reads at each step.

use std::sync::atomic::{AtomicU8, Ordering};

/// Says how a running job is to stop. Later ones overrule earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// The server drains: write the state, go back to the queue.
    Drain = 1,
    /// A client paused it: write the state.
    Pause = 2,
    /// A client cancelled it.
    Cancel = 3,
}

/// Carries the wish to stop from the pool to the job's thread.
#[derive(Debug, Default)]
pub(super) struct Control(AtomicU8);

impl Control {
    /// Asks the job to stop, unless it was asked for more already.
    pub fn ask(&self, stop: Stop) {
        self.0.fetch_max(stop as u8, Ordering::Relaxed);
    }

    /// Tells what was asked for; it costs the training loop one relaxed load.
    pub fn asked(&self) -> Option<Stop> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Drain),
            2 => Some(Stop::Pause),
            _ => Some(Stop::Cancel),
        }
    }
}
