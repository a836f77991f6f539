//! The events of a job in order, as they come: what the stream and the text log are made of.
//!
//! What happens to a running job is read and written out once, for all who watch it: a ring of the latest batches (`Channel`). A
//! watcher (`Feed`) first reads what came before from the store, page by page, then takes what the ring has; one that fell behind the
//! ring reads from the store again. So hundreds of watchers cost one reader, and one that does not read holds nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::events::{line, sse};
use crate::api::App;
use crate::id::JobId;
use crate::store::{EventFilter, EventRow, Status, Store};

/// Events read at once.
const PAGE: u32 = 256;
/// Between two looks at a running job at least this much time passes.
const REST: Duration = Duration::from_millis(200);
/// Batches that the ring holds: who is further behind reads the store.
const RING: usize = 256;
/// And bytes of events that it holds, in each form, beside the newest batch.
const RING_BYTES: usize = 1 << 20;
/// A channel that nobody listens to any more ends after at most this time.
const IDLE: Duration = Duration::from_secs(5);

/// An event written out in both forms.
struct Frame {
    row: EventRow,
    sse: Bytes,
    line: Bytes,
}

/// Events that were read together.
struct Batch {
    /// Numbers of the first and the last.
    span: (u64, u64),
    frames: Vec<Frame>,
    /// All of them in one piece: what a watcher without a filter takes.
    sse: Bytes,
    line: Bytes,
}

impl Batch {
    fn new(events: Vec<EventRow>) -> Option<Batch> {
        let span = (events.first()?.number, events.last()?.number);
        let frame = |row: EventRow| Frame { sse: sse(&row).into(), line: line(&row).into(), row };
        let frames: Vec<Frame> = events.into_iter().map(frame).collect();
        let all = |part: fn(&Frame) -> &Bytes| frames.iter().flat_map(part).copied().collect::<Vec<u8>>().into();
        Some(Batch { span, sse: all(|frame| &frame.sse), line: all(|frame| &frame.line), frames })
    }

    /// The events after a number that a watcher wants.
    fn wanted(&self, form: Form, filter: &EventFilter, after: u64) -> Bytes {
        let part = |frame: &Frame| if form == Form::Sse { frame.sse.clone() } else { frame.line.clone() };
        if after < self.span.0 && filter.level.is_empty() && filter.kind.is_empty() {
            return if form == Form::Sse { self.sse.clone() } else { self.line.clone() };
        }
        let wants = |row: &EventRow| {
            row.number > after
                && (filter.level.is_empty() || filter.level.contains(&row.level))
                && (filter.kind.is_empty() || filter.kind.contains(&row.kind))
        };
        self.frames.iter().filter(|frame| wants(&frame.row)).flat_map(part).collect::<Vec<u8>>().into()
    }
}

/// In which form a watcher takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events.
    Sse,
    /// A line an event.
    Line,
}

/// The latest of a running job, for all who watch it.
struct Channel {
    ring: Mutex<Ring>,
    news: watch::Sender<()>,
}

struct Ring {
    batches: VecDeque<Arc<Batch>>,
    /// Events up to this one are no longer in the ring, or never were.
    before: u64,
    /// Number of the last one.
    published: u64,
    end: Option<End>,
}

impl Ring {
    /// Lets go of the oldest beyond what the ring may hold.
    fn shrink(&mut self) {
        let mut bytes: usize = self.batches.iter().map(|batch| batch.sse.len()).sum();
        while self.batches.len() > RING || (self.batches.len() > 1 && bytes > RING_BYTES) {
            let Some(oldest) = self.batches.pop_front() else { return };
            bytes -= oldest.sse.len();
            self.before = oldest.span.1;
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum End {
    Finished(Status),
    Gone,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The channels of the jobs that are watched now.
#[derive(Default)]
pub(in crate::api) struct Feeds(Arc<Mutex<HashMap<JobId, Weak<Channel>>>>);

impl Feeds {
    /// Gives the channel of a job, and the number of an event up to which the store has all.
    async fn join(&self, store: &Store, id: JobId) -> Option<(Arc<Channel>, u64)> {
        if let Some(channel) = lock(&self.0).get(&id).and_then(Weak::upgrade) {
            let published = lock(&channel.ring).published;
            return Some((channel, published));
        }
        let published = store.event_last(id).await.ok()?;
        let mut channels = lock(&self.0);
        if let Some(channel) = channels.get(&id).and_then(Weak::upgrade) {
            let published = lock(&channel.ring).published;
            return Some((channel, published)); // another watcher was quicker
        }
        let ring = Ring { batches: VecDeque::new(), before: published, published, end: None };
        let channel = Arc::new(Channel { ring: Mutex::new(ring), news: watch::Sender::new(()) });
        channels.retain(|_, channel| channel.strong_count() > 0);
        channels.insert(id, Arc::downgrade(&channel));
        tokio::spawn(publish(store.clone(), id, Arc::downgrade(&channel)));
        Some((channel, published))
    }
}

/// Reads what happens to a job into its ring, for as long as someone listens.
async fn publish(store: Store, id: JobId, channel: Weak<Channel>) {
    let mut changes = store.job_changes(id);
    let all = EventFilter::default();
    loop {
        let looked = Instant::now();
        changes.borrow_and_update();
        let Some(after) = channel.upgrade().map(|channel| lock(&channel.ring).published) else { return };
        // The status before the events: those of a finished job are all there.
        let read = async {
            let (status, _) = store.job_status(id).await.ok()?;
            Some((status, store.event_list(id, &all, Some(after), false, PAGE).await.ok()?))
        };
        let read = read.await;
        let Some(channel) = channel.upgrade() else { return };
        let full = read.as_ref().is_some_and(|(_, events)| events.len() == PAGE as usize);
        let ended = channel.take_in(read);
        drop(channel);
        if ended {
            return;
        }
        if full {
            continue;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(IDLE) => {}
        }
        // A job may change a hundred times a second; its watchers are told five times.
        tokio::time::sleep_until(looked + REST).await;
    }
}

impl Channel {
    /// Adds what was read and wakes the watchers; true when no more will come.
    fn take_in(&self, read: Option<(Status, Vec<EventRow>)>) -> bool {
        let mut ring = lock(&self.ring);
        let end = match read {
            None => Some(End::Gone),
            Some((status, events)) => match Batch::new(events) {
                None if status.is_finished() => Some(End::Finished(status)),
                None => return false,
                Some(batch) => {
                    ring.published = batch.span.1;
                    ring.batches.push_back(Arc::new(batch));
                    ring.shrink();
                    // A finished job is looked at once more: only then are all its events known to be here.
                    if status.is_finished() && ring.batches.back().is_some_and(|last| last.frames.len() < PAGE as usize)
                    {
                        Some(End::Finished(status))
                    } else {
                        None
                    }
                }
            },
        };
        ring.end = end;
        drop(ring);
        self.news.send_replace(());
        end.is_some()
    }
}

/// Reads a job's events from a number on, waits for more, and ends with the job.
pub(super) struct Feed {
    app: App,
    id: JobId,
    form: Form,
    filter: EventFilter,
    after: u64,
    follow: bool,
    /// The ring, once the watcher follows; with the number up to which the store is to be read first.
    channel: Option<(Arc<Channel>, watch::Receiver<()>)>,
    store_up_to: Option<u64>,
    finished: Option<Status>,
}

/// What the ring has for a watcher.
enum Next {
    Events(Bytes),
    Behind(u64),
    Ended(End),
    Nothing,
}

impl Feed {
    pub(super) fn new(app: App, id: JobId, form: Form, filter: EventFilter, after: u64, follow: bool) -> Feed {
        Feed { app, id, form, filter, after, follow, channel: None, store_up_to: None, finished: None }
    }

    /// The next events, written out; `None` when the job has finished, is gone, or the server drains. Dropped while it waits, it has
    /// taken nothing.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.channel.is_none() || self.store_up_to.is_some() {
                if let Some(events) = self.store_page().await? {
                    return Some(events);
                }
                continue;
            }
            match self.ring_batch() {
                Next::Events(bytes) if bytes.is_empty() => {} // none that this watcher wants
                Next::Events(bytes) => return Some(bytes),
                Next::Behind(published) => self.store_up_to = Some(published),
                Next::Ended(End::Finished(status)) => {
                    self.finished = Some(status);
                    return None;
                }
                Next::Ended(End::Gone) => return None,
                Next::Nothing => {
                    let (_, news) = self.channel.as_mut()?;
                    tokio::select! {
                        changed = news.changed() => changed.ok()?,
                        () = self.app.draining().cancelled() => return None,
                    }
                }
            }
        }
    }

    /// A page from the store; nothing (and from then on the ring) when it has been read to where the ring begins.
    async fn store_page(&mut self) -> Option<Option<Bytes>> {
        let (status, _) = self.app.store().job_status(self.id).await.ok()?;
        if self.follow && !status.is_finished() && self.channel.is_none() {
            let (channel, published) = self.app.feeds().join(self.app.store(), self.id).await?;
            let news = channel.news.subscribe();
            self.channel = Some((channel, news));
            self.store_up_to = Some(published);
        }
        let events = self.app.store().event_list(self.id, &self.filter, Some(self.after), false, PAGE).await.ok()?;
        if let Some(batch) = Batch::new(events) {
            self.after = batch.span.1;
            return Some(Some(if self.form == Form::Sse { batch.sse } else { batch.line }));
        }
        if status.is_finished() {
            self.finished = Some(status);
            return None;
        }
        if !self.follow {
            return None;
        }
        self.after = self.after.max(self.store_up_to.take().unwrap_or(0));
        Some(None)
    }

    fn ring_batch(&mut self) -> Next {
        let Some((channel, news)) = &mut self.channel else { return Next::Nothing };
        news.borrow_and_update();
        let ring = lock(&channel.ring);
        if self.after < ring.before {
            return Next::Behind(ring.published);
        }
        // The newest are at the end: who keeps up finds its place at once.
        let seen = ring.batches.iter().rposition(|batch| batch.span.1 <= self.after).map_or(0, |at| at + 1);
        let Some(batch) = ring.batches.get(seen).cloned() else {
            return ring.end.map_or(Next::Nothing, Next::Ended);
        };
        drop(ring);
        let bytes = batch.wanted(self.form, &self.filter, self.after);
        self.after = batch.span.1;
        Next::Events(bytes)
    }

    /// The status that the job has ended with, once [`Feed::next`] has told all.
    pub(super) fn finished(&self) -> Option<Status> {
        self.finished
    }
}
