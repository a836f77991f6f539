//! Named places of durable writes at which a test can have the process die, as if the power went: `TRAINYARD_FAILPOINT=NAME` or
//! `NAME:N` for the Nth time that the place is passed. Release builds have none of it.

/// Every place, in the order in which an upload, a job and a deletion pass them.
#[cfg(debug_assertions)]
pub const FAILPOINTS: [&str; 24] = [
    "upload.begun",
    "upload.written",
    "upload.before_sync",
    "upload.synced",
    "file.before_rename",
    "file.renamed",
    "file.folder_synced",
    "file.row_written",
    "idempotency.made",
    "idempotency.answered",
    "commit.begun",
    "commit.before",
    "commit.done",
    "queue.inserted",
    "queue.claimed",
    "queue.transition",
    "record.metrics",
    "record.events",
    "checkpoint.row",
    "checkpoint.chunk",
    "checkpoint.marked",
    "record.finish",
    "dataset.deleted",
    "file.before_remove",
];

/// Places that only autotrain runs pass.
#[cfg(debug_assertions)]
pub const AUTOTRAIN_FAILPOINTS: [&str; 4] =
    ["autotrain.inserted", "autotrain.jobs", "autotrain.step_end", "autotrain.finish"];

/// Ends the process here, without a word to anyone, if the environment asks for it.
#[cfg(debug_assertions)]
pub(super) fn failpoint(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    debug_assert!(FAILPOINTS.contains(&name) || AUTOTRAIN_FAILPOINTS.contains(&name), "{name} is not on the list");
    static ASKED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.get_or_init(|| {
        let text = std::env::var("TRAINYARD_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((text.as_str(), "1"));
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((wanted, count)) = asked else { return };
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        tracing::error!(name, "the process dies here, as asked");
        // SIGKILL: no destructor runs, no buffer is written.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::thread::park();
    }
}

#[cfg(not(debug_assertions))]
pub(super) fn failpoint(_: &'static str) {}
