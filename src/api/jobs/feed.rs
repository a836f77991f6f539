//! The events of a job in order, page by page, as they come: what the stream and the text log are made of.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::App;
use crate::id::JobId;
use crate::store::{EventFilter, EventRow, Status};
use tokio::sync::watch;

/// Events read at once; a client that does not read holds no more.
const PAGE: u32 = 256;

/// Between two looks at a running job at least this much time passes.
const REST: Duration = Duration::from_millis(200);

/// Reads a job's events from a number on, waits for more, and ends with the job.
pub(super) struct Feed {
    app: App,
    id: JobId,
    filter: EventFilter,
    after: u64,
    follow: bool,
    changes: watch::Receiver<u64>,
    finished: Option<Status>,
    looked: Instant,
}

impl Feed {
    pub(super) fn new(app: App, id: JobId, filter: EventFilter, after: u64, follow: bool) -> Feed {
        let changes = app.store().job_changes(id);
        Feed { app, id, filter, after, follow, changes, finished: None, looked: Instant::now() }
    }

    /// The next events, at least one; `None` when the job has finished, is gone, or the server drains.
    pub(super) async fn next(&mut self) -> Option<Vec<EventRow>> {
        loop {
            self.looked = Instant::now();
            self.changes.borrow_and_update();
            // The status before the events: those of a finished job are all there.
            let (status, _) = self.app.store().job_status(self.id).await.ok()?;
            let events =
                self.app.store().event_list(self.id, &self.filter, Some(self.after), false, PAGE).await.ok()?;
            if let Some(last) = events.last() {
                self.after = last.number;
                return Some(events);
            }
            if status.is_finished() {
                self.finished = Some(status);
                return None;
            }
            if !self.follow {
                return None;
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = self.app.draining().cancelled() => return None,
            }
            // A job may change a hundred times a second; hundreds of watchers must not ask as often.
            tokio::time::sleep_until(self.looked + REST).await;
        }
    }

    /// The status that the job has ended with, once [`Feed::next`] has told all.
    pub(super) fn finished(&self) -> Option<Status> {
        self.finished
    }
}
