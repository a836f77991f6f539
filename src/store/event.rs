//! Events of a job, numbered from 1 without a gap.
use serde_json::Value;

use super::*;

/// Says how much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Info,
    /// Worth a look.
    Warn,
    /// A fault.
    Error,
}

impl Level {
    /// Gives the word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// Holds what makes an event.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// How much it matters.
    pub level: Level,
    /// `status`, `epoch`, `checkpoint`, `check`, `finding` or `log`.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The same for programs.
    pub data: Value,
    /// When it came to pass.
    pub at: Time,
}

/// Holds an event as it is stored.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its number within the job.
    pub number: u64,
    /// When it came to pass.
    pub created_at: Time,
    /// How much it matters.
    pub level: Level,
    /// Its type.
    pub kind: String,
    /// A sentence for people.
    pub message: String,
    /// The same for programs.
    pub data: Value,
}

/// Says which events a list has.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Levels; empty: all.
    pub level: Vec<Level>,
    /// Types; empty: all.
    pub kind: Vec<String>,
}

impl Store {
    /// Lists events of a job with numbers above `after` (below it, if `newest_first`), at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn event_list(
        &self,
        _job: JobId,
        _filter: &EventFilter,
        _after: Option<u64>,
        _newest_first: bool,
        _limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        unimplemented!()
    }
}
