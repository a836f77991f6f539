//! Gets what training tells to the one writer: gathered, in order, complete, and without holding up a step for long.
//!
//! One record is under way at a time. While it is, what comes is gathered; when it is written and enough time has passed, the next
//! goes. A checkpoint carries everything gathered before it, so that no state is durable before the numbers that led to it.

use std::time::{Duration, Instant};

use crate::store::{
    Axis, CheckpointSet, Finish, Lease, MetricColumn, NewEvent, Pending, Points, Record, Status, Store, StoreError,
};

/// Time between two records: what a watcher sees is at most so old.
const INTERVAL: Duration = Duration::from_millis(200);
/// So many points are sent without waiting for the interval: some hundred kilobytes of numbers.
const MANY: usize = 8_000;
/// With so many points gathered, training waits for the writer: memory stays bounded on a disk that does not keep up.
const TOO_MANY: usize = 100_000;

/// Gathers what came to pass and sends it.
pub(super) struct Recorder {
    store: Store,
    lease: Lease,
    record: Record,
    epochs: Gathered,
    steps: Gathered,
    under_way: Option<Pending<()>>,
    sent_at: Instant,
    refused: Option<StoreError>,
}

impl Recorder {
    pub fn new(store: Store, lease: Lease) -> Self {
        Self {
            store,
            lease,
            record: Record::default(),
            epochs: Gathered::default(),
            steps: Gathered::default(),
            under_way: None,
            sent_at: Instant::now(),
            refused: None,
        }
    }

    /// Adds a point; a key that comes again replaces nothing.
    pub fn point<'a>(&mut self, axis: Axis, key: u64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        match axis {
            Axis::Epoch => self.epochs.push(key, values),
            Axis::Step => self.steps.push(key, values),
        }
    }

    pub fn event(&mut self, event: NewEvent) {
        self.record.events.push(event);
    }

    /// Gives access to what replaces its former value: progress, best, last, …
    pub fn latest(&mut self) -> &mut Record {
        &mut self.record
    }

    /// Says whether it is time to send what is gathered. Asked at each step: it is two comparisons and a look at a channel.
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.learn();
        let points = self.points();
        points >= TOO_MANY || (self.is_free() && (points >= MANY || now.duration_since(self.sent_at) >= INTERVAL))
    }

    /// Sends what is gathered if it is time.
    pub fn tick(&mut self, now: Instant) {
        if self.points() >= TOO_MANY {
            self.wait();
        }
        if self.is_due(now) {
            self.send(now, None);
        }
    }

    fn points(&self) -> usize {
        self.epochs.keys.len() + self.steps.keys.len()
    }

    /// Says whether a checkpoint could be sent now without waiting.
    pub fn is_free(&self) -> bool {
        self.under_way.is_none() && self.refused.is_none()
    }

    /// Sends what is gathered with checkpoints made at its end, in one transaction. Waits only if a record is under way.
    pub fn checkpoint(&mut self, set: CheckpointSet) {
        self.wait();
        self.send(Instant::now(), Some(set));
    }

    /// Tells why the store refuses to write for this job, if it does: then the job must stop.
    pub fn refused(&mut self) -> Option<&StoreError> {
        self.learn();
        self.refused.as_ref()
    }

    /// Forgets what another arithmetic made of the job.
    ///
    /// # Errors
    /// What the store says.
    pub fn begin_anew(&mut self, runtime: &tokio::runtime::Handle, arithmetic_version: u32) -> Result<(), StoreError> {
        runtime.block_on(self.store.job_begin_anew(&self.lease, arithmetic_version))
    }

    /// Waits until what was sent is written.
    pub fn wait(&mut self) {
        if let Some(pending) = self.under_way.take()
            && let Err(error) = pending.wait()
        {
            self.refused.get_or_insert(error);
        }
    }

    /// Writes the rest and lets go of the job.
    ///
    /// # Errors
    /// What the store says; then nothing of this call is written, and `finish` can be tried anew without the rest.
    pub fn finish(&mut self, set: Option<CheckpointSet>, finish: Finish) -> Result<Status, StoreError> {
        self.wait();
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        let record = self.take();
        self.store.job_finish(&self.lease, record, set, finish).wait()
    }

    fn send(&mut self, now: Instant, set: Option<CheckpointSet>) {
        if self.refused.is_some() {
            return; // What follows a lost record must not be written: the next attempt makes it anew, in order.
        }
        let record = self.take();
        self.under_way = Some(match set {
            Some(set) => self.store.job_checkpoint(&self.lease, record, set),
            None => self.store.job_record(&self.lease, record),
        });
        self.sent_at = now;
    }

    fn take(&mut self) -> Record {
        let mut record = std::mem::take(&mut self.record);
        record.points.extend([self.epochs.take(Axis::Epoch), self.steps.take(Axis::Step)].into_iter().flatten());
        record
    }

    /// Looks whether what was sent is written.
    fn learn(&mut self) {
        if let Some(result) = self.under_way.as_mut().and_then(Pending::ready) {
            self.under_way = None;
            if let Err(error) = result {
                self.refused.get_or_insert(error);
            }
        }
    }
}

/// Points of one axis, column by column.
#[derive(Default)]
struct Gathered {
    keys: Vec<u64>,
    columns: Vec<(String, Vec<f64>)>,
}

impl Gathered {
    fn push<'a>(&mut self, key: u64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        if self.keys.last().is_some_and(|last| key <= *last) {
            return;
        }
        let before = self.keys.len();
        self.keys.push(key);
        for (place, (name, value)) in values.into_iter().enumerate() {
            // Training tells its metrics in the same order each time: the column is mostly the one at this place.
            let at = match self.columns.get(place) {
                Some((known, _)) if known == name => Some(place),
                _ => self.columns.iter().position(|(known, _)| known == name),
            };
            let at = at.unwrap_or_else(|| {
                self.columns.push((name.to_owned(), Vec::new()));
                self.columns.len() - 1
            });
            if let Some((_, column)) = self.columns.get_mut(at) {
                column.resize(before, MetricColumn::ABSENT);
                column.push(value);
            }
        }
    }

    fn take(&mut self, axis: Axis) -> Option<Points> {
        if self.keys.is_empty() {
            return None;
        }
        let keys = std::mem::take(&mut self.keys);
        let mut columns = std::mem::take(&mut self.columns);
        for (_, column) in &mut columns {
            column.resize(keys.len(), MetricColumn::ABSENT);
        }
        Some(Points { axis, keys, columns })
    }
}
