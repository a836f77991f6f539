//! Claims jobs, trains each on a thread of its own, records what happens and lets go of them.
//!
//! The pool wakes by signal and survives by polling (`pool.rs`). It reaches the jobs through the store's seam alone: claim, record,
//! checkpoint, finish; training code cannot tell how. `family.rs` advances
//! jobs that lead others, `autotrain.rs` runs of the whole strategy; `run.rs` is the way of one job and
//! `train_job.rs` its work; `recorder.rs` is how what training tells gets to the one writer without holding up a step.

mod autotrain;
mod budget;
mod checks;
mod control;
mod encoded;
mod facts;
mod failure;
mod family;
mod findings;
mod observer;
mod pool;
mod readmit;
mod recorder;
mod retention;
mod run;
mod start;
mod submission;
#[cfg(test)]
mod tests;
mod train_job;

pub use budget::memory_budget;
pub use findings::recorded_curves;
pub use pool::{Config, Handle, Pool};
pub use retention::tidy_up;
pub use submission::new_job;
