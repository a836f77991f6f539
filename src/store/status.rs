//! The states of a job and the arrows between them: one `match` owns them all. The schema's CHECKs repeat what they imply.
//!
//! This file decides; it writes nothing. `job.rs` and `queue.rs` ask [`next`] and write what it says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Tells where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a worker.
    Queued,
    /// A worker trains it.
    Running,
    /// A worker still trains it, and is to stop at the next step and keep what it has.
    Pausing,
    /// Stopped until a client resumes it.
    Paused,
    /// A worker still trains it, and is to stop at the next step.
    Cancelling,
    /// Ended as it should.
    Succeeded,
    /// Ended by a fault.
    Failed,
    /// Ended by a client.
    Cancelled,
}

impl Status {
    /// All of them, in the order of a job's life.
    pub const ALL: [Status; 8] = [
        Status::Queued,
        Status::Running,
        Status::Pausing,
        Status::Paused,
        Status::Cancelling,
        Status::Succeeded,
        Status::Failed,
        Status::Cancelled,
    ];

    /// Gives the word that clients and the database read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Pausing => "pausing",
            Status::Paused => "paused",
            Status::Cancelling => "cancelling",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// Says whether nothing will ever change it again.
    pub const fn is_finished(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Cancelled)
    }

    /// Says whether a worker holds the job.
    pub const fn is_held(self) -> bool {
        matches!(self, Status::Running | Status::Pausing | Status::Cancelling)
    }

    /// Gives what a client can do in this state.
    pub fn possible(self) -> Vec<Action> {
        let leads_on =
            |action: &Action| matches!(next(self, Event::Asked(*action)), Next::To(_) | Next::ResumeWhenPaused);
        Action::ALL.into_iter().filter(leads_on).collect()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no status; there are {}", Status::ALL.map(Status::as_str).join(", ")))
    }
}

/// Names what a client may ask of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Stop it for good.
    Cancel,
    /// Stop it until it is resumed.
    Pause,
    /// Let it go on.
    Resume,
    /// Remove it with all it has; no change of status.
    Delete,
}

impl Action {
    /// All that change a status.
    pub const ALL: [Action; 3] = [Action::Cancel, Action::Pause, Action::Resume];

    /// Gives the word, as it stands in the route.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Cancel => "cancel",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Delete => "delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names what happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A client asked for it.
    Asked(Action),
    /// A worker took it from the queue.
    Claimed,
    /// The worker ended it as it should.
    Succeeded,
    /// The worker ended it by a fault.
    Failed,
    /// The worker obeyed: it stopped and wrote what it had.
    Stopped,
    /// The worker gave it back because the server drains.
    Released,
    /// The worker is gone: the process that held the job died.
    Lost,
    /// The worker is gone, as it was the times before, with nothing achieved in between.
    Poisoned,
}

/// Tells what an event makes of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The job goes to this status.
    To(Status),
    /// What was asked for already holds; nothing is written.
    Holds,
    /// The job stays, and resumes as soon as its worker has paused it.
    ResumeWhenPaused,
    /// The status does not allow it.
    Refused,
}

/// Decides what an event makes of a status. Every arrow of the contract is here and nowhere else.
pub const fn next(status: Status, event: Event) -> Next {
    use Action::{Cancel, Delete, Pause, Resume};
    use Event::{Asked, Claimed, Failed, Lost, Poisoned, Released, Stopped, Succeeded};
    match (status, event) {
        (Status::Queued, Claimed) => Next::To(Status::Running),
        (Status::Queued, Asked(Pause)) => Next::To(Status::Paused),
        (Status::Queued, Asked(Cancel)) => Next::To(Status::Cancelled),
        (Status::Queued, Asked(Resume)) => Next::Holds,

        (Status::Running, Succeeded) => Next::To(Status::Succeeded),
        (Status::Running, Failed | Poisoned) => Next::To(Status::Failed),
        (Status::Running, Released | Lost) => Next::To(Status::Queued),
        (Status::Running, Asked(Pause)) => Next::To(Status::Pausing),
        (Status::Running, Asked(Cancel)) => Next::To(Status::Cancelling),
        (Status::Running, Asked(Resume)) => Next::Holds,

        (Status::Pausing, Succeeded) => Next::To(Status::Succeeded),
        (Status::Pausing, Failed) => Next::To(Status::Failed),
        (Status::Pausing, Stopped | Released | Lost | Poisoned) => Next::To(Status::Paused),
        (Status::Pausing, Asked(Pause)) => Next::Holds,
        (Status::Pausing, Asked(Cancel)) => Next::To(Status::Cancelling),
        // The worker still holds the job: only when it has let go may another take it.
        (Status::Pausing, Asked(Resume)) => Next::ResumeWhenPaused,

        (Status::Paused, Asked(Resume)) => Next::To(Status::Queued),
        (Status::Paused, Asked(Cancel)) => Next::To(Status::Cancelled),
        (Status::Paused, Asked(Pause)) => Next::Holds,

        (Status::Cancelling, Succeeded) => Next::To(Status::Succeeded),
        (Status::Cancelling, Failed) => Next::To(Status::Failed),
        (Status::Cancelling, Stopped | Released | Lost | Poisoned) => Next::To(Status::Cancelled),
        (Status::Cancelling, Asked(Cancel)) => Next::Holds,

        (Status::Cancelled, Asked(Cancel)) => Next::Holds,

        (_, Asked(Delete))
        | (Status::Queued | Status::Paused, Succeeded | Failed | Stopped | Released | Lost | Poisoned)
        | (Status::Running, Claimed | Stopped)
        | (Status::Pausing | Status::Paused, Claimed)
        | (Status::Cancelling, Claimed | Asked(Pause | Resume))
        | (Status::Succeeded | Status::Failed, _)
        | (
            Status::Cancelled,
            Claimed | Succeeded | Failed | Stopped | Released | Lost | Poisoned | Asked(Pause | Resume),
        ) => Next::Refused,
    }
}

/// Says whether the contract has an arrow between two states.
pub const fn is_arrow(from: Status, to: Status) -> bool {
    use Status::{Cancelled, Cancelling, Failed, Paused, Pausing, Queued, Running, Succeeded};
    matches!(
        (from, to),
        (Queued, Running | Paused | Cancelled)
            | (Running, Queued | Pausing | Cancelling | Succeeded | Failed)
            | (Pausing, Paused | Cancelling | Succeeded | Failed | Queued)
            | (Paused, Queued | Cancelled)
            | (Cancelling, Cancelled | Succeeded | Failed)
    )
}
