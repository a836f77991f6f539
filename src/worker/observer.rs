//! What training tells of a job, and what it is told: the clock, the wishes of clients and the store are on this side.
//!
//! It runs on the training thread, between two steps: everything here is cheap, and what is not is left to the writer.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::{Map, Value, json};

use super::control::{Control, Stop};
use super::findings::{End, Findings};
use super::recorder::Recorder;
use crate::store::{self, Axis, Level, NewEvent};
use crate::train::{
    Best, CheckpointSet, Directive, EpochReport, Event, Observer, ObserverError, Progress, Saved, StepReport,
    StopReason,
};

/// The first checkpoint is due when training has lasted so long: a shorter job is made anew as fast as it is read back.
const FIRST: Duration = Duration::from_millis(250);
/// Time between two checkpoints that nobody asked for.
const BETWEEN: Duration = Duration::from_secs(5);
/// Epoch events are thinned to ten a second; no other event is.
const EPOCH_EVENTS: Duration = Duration::from_millis(100);

/// What a job's own settings say of watching it.
pub(super) struct Settings {
    /// Training time after which it stops, over all attempts.
    pub max_seconds: Option<f64>,
    /// Checkpoints to keep.
    pub keep: u32,
    /// Training time of the attempts before.
    pub seconds_before: f64,
}

/// Watches one attempt of a job.
pub(super) struct Watch<'a> {
    recorder: &'a mut Recorder,
    control: &'a Control,
    settings: Settings,
    began: Instant,
    /// Milliseconds since 1970 at `began`; later times are counted from it, so that a clock that is set back makes no disorder.
    began_at: f64,
    /// Where the attempt began.
    origin: Option<Progress>,
    /// The time that the last step was told at: the questions that follow it need no other.
    told_at: Option<Instant>,
    checkpoint_at: Option<Instant>,
    epoch_event_at: Option<Instant>,
    /// The newest numbers; turned into documents only when a record is sent.
    last: Vec<(String, f64)>,
    last_epoch: u64,
    newest: Option<Progress>,
    patience_left: Option<u64>,
    findings: Findings,
}

impl<'a> Watch<'a> {
    pub fn new(recorder: &'a mut Recorder, control: &'a Control, settings: Settings, findings: Findings) -> Self {
        Self {
            recorder,
            control,
            settings,
            began: Instant::now(),
            began_at: Utc::now().timestamp_millis() as f64,
            origin: None,
            told_at: None,
            checkpoint_at: None,
            epoch_event_at: None,
            last: Vec::new(),
            last_epoch: 0,
            newest: None,
            patience_left: None,
            findings,
        }
    }

    /// As [`Self::stand`], for a run that ended without a word.
    pub fn stand_at_last(&mut self) {
        if let Some(at) = self.newest {
            self.stand(&at, true);
        }
    }

    /// Fills in where the job stands, for the record that is about to be sent; `over` says that no more will come.
    pub fn stand(&mut self, at: &Progress, over: bool) {
        let elapsed = self.began.elapsed().as_secs_f64();
        let progress = self.progress(at, elapsed, over);
        let last = (!self.last.is_empty()).then(|| last_document(self.last_epoch, &self.last));
        let record = self.recorder.latest();
        record.progress = Some(progress);
        record.step = Some(at.step);
        record.train_seconds = Some(self.settings.seconds_before + elapsed);
        if last.is_some() {
            record.last = last;
        }
    }

    fn progress(&self, at: &Progress, elapsed: f64, over: bool) -> Value {
        let origin = self.origin.unwrap_or(*at);
        let done = at.step.saturating_sub(origin.step);
        let rate = (elapsed > 0.0 && done > 0).then(|| at.rows.saturating_sub(origin.rows) as f64 / elapsed);
        let left = at.steps.saturating_sub(at.step);
        let eta = match done {
            _ if over => Some(0.0),
            0 => None,
            _ => Some(elapsed / done as f64 * left as f64),
        };
        json!({
            "epoch": at.epoch, "epochs": at.epochs, "step": at.step, "steps": at.steps,
            "fraction": if at.steps == 0 { 0.0 } else { at.step as f64 / at.steps as f64 },
            "samples_per_second": rate, "eta_seconds": eta, "patience_left": self.patience_left,
        })
    }

    /// The columns that every point has.
    fn index(&self, now: Instant, at: &Progress) -> [(&'static str, f64); 4] {
        let elapsed = now.duration_since(self.began).as_secs_f64();
        [
            ("time", self.began_at + (elapsed * 1000.0).floor()),
            ("step", at.step as f64),
            ("epoch", at.epoch as f64),
            ("train_seconds", self.settings.seconds_before + elapsed),
        ]
    }

    /// Tells what was found, now that the job is over.
    pub fn diagnose(&mut self, end: End) {
        self.findings.end(self.recorder, end);
    }

    fn out_of_time(&self, now: Instant) -> bool {
        self.settings
            .max_seconds
            .is_some_and(|most| self.settings.seconds_before + now.duration_since(self.began).as_secs_f64() >= most)
    }

    fn log(&mut self, level: Level, kind: &'static str, message: String, data: Value) {
        self.recorder.event(NewEvent { level, kind, message, data, at: Utc::now() });
    }
}

impl Observer for Watch<'_> {
    fn epoch(&mut self, report: &EpochReport<'_>) {
        let now = Instant::now();
        let at = report.at;
        let index = self.index(now, &at);
        let metrics = report.metrics.iter().chain(report.layers).map(|(name, value)| (name.as_str(), *value));
        self.recorder.point(Axis::Epoch, at.epoch, index.into_iter().chain(metrics));
        let metrics = report.metrics.iter().chain(report.layers).map(|(name, value)| (name.as_str(), *value));
        self.findings.curves().epoch(at.epoch, metrics);
        self.last.clear();
        self.last.extend_from_slice(report.metrics);
        self.last_epoch = at.epoch;
        self.patience_left = report.patience_left;
        if report.improved
            && let Some(best) = report.best
        {
            self.recorder.latest().best = Some(best_row(best));
        }
        let ends = at.epoch == at.epochs;
        if ends || self.epoch_event_at.is_none_or(|last| now.duration_since(last) >= EPOCH_EVENTS) {
            self.epoch_event_at = Some(now);
            let numbers = last_document(at.epoch, report.metrics);
            let message = epoch_line(&at, report.metrics);
            self.log(Level::Info, "epoch", message, numbers);
        }
    }

    fn step(&mut self, report: &StepReport<'_>) {
        let now = Instant::now();
        self.told_at = Some(now);
        let index = self.index(now, &report.at);
        let metrics = report.metrics.iter().map(|(name, value)| (name.as_str(), *value));
        self.recorder.point(Axis::Step, report.at.step, index.into_iter().chain(metrics));
        if let Some((_, loss)) = report.metrics.first() {
            self.findings.curves().step(report.at.step, *loss);
        }
    }

    fn checkpoint_due(&mut self, _at: &Progress) -> bool {
        let now = self.told_at.unwrap_or_else(Instant::now);
        let due = match self.checkpoint_at {
            None => now.duration_since(self.began) >= FIRST,
            Some(last) => now.duration_since(last) >= BETWEEN,
        };
        due && self.recorder.is_free()
    }

    fn checkpoint(&mut self, set: CheckpointSet) -> Result<(), ObserverError> {
        self.checkpoint_at = Some(Instant::now());
        if let Some(at) = self.newest {
            self.stand(&at, false);
        }
        if let Some(last) = &set.last {
            // A job with a state to go on from got further, whatever becomes of this process.
            self.recorder.latest().step = Some(last.step);
        }
        let set = checkpoint_rows(self.recorder, set, self.settings.keep);
        self.recorder.checkpoint(set);
        match self.recorder.refused() {
            Some(error) => Err(ObserverError(error.to_string())),
            None => Ok(()),
        }
    }

    fn directive(&mut self, at: &Progress) -> Directive {
        self.origin.get_or_insert(*at);
        self.newest = Some(*at);
        let now = self.told_at.take().unwrap_or_else(Instant::now);
        if self.recorder.is_due(now) {
            self.stand(at, false);
            self.findings.look(self.recorder, now);
            self.recorder.tick(now);
        }
        if self.recorder.refused().is_some() {
            // Nothing more can be written for this attempt: it ends, and whoever holds the job now goes on.
            return Directive::Cancel;
        }
        match self.control.asked() {
            Some(Stop::Cancel) => Directive::Cancel,
            Some(Stop::Pause) => Directive::Pause,
            Some(Stop::Drain) => Directive::Drain,
            None if self.out_of_time(now) => Directive::Stop(StopReason::MaxSeconds),
            None => Directive::Continue,
        }
    }

    fn event(&mut self, event: &Event) {
        let (level, message, data) = match event {
            Event::RateCut { epoch, from, to } => (
                Level::Info,
                format!("the learning rate was cut from {from} to {to} after epoch {epoch}"),
                json!({"code": "rate_cut", "epoch": epoch, "from": from, "to": to}),
            ),
            Event::StepSkipped { step } => (
                Level::Warn,
                format!("step {step} was left out: all its rows have the weight 0 or no label"),
                json!({"code": "step_skipped", "step": step}),
            ),
        };
        self.log(level, "log", message, data);
    }
}

/// Turns what training saved into rows, and tells of each checkpoint.
pub(super) fn checkpoint_rows(recorder: &mut Recorder, set: CheckpointSet, keep: u32) -> store::CheckpointSet {
    let same = set.last.as_ref().zip(set.best.as_ref()).is_some_and(|(last, best)| last.step == best.step);
    for (saved, what) in [(&set.best, "best"), (&set.last, "last")] {
        let Some(saved) = saved else { continue };
        if same && what == "best" {
            continue; // told once, with the last
        }
        let data = json!({
            "step": saved.step, "epoch": saved.epoch, "bytes": saved.bytes.len(),
            "best": what == "best" || same, "last": what == "last", "weights_sha256": saved.weights_sha256,
        });
        let message = format!("checkpoint of step {} ({})", saved.step, if same { "last and best" } else { what });
        recorder.event(NewEvent { level: Level::Info, kind: "checkpoint", message, data, at: Utc::now() });
    }
    store::CheckpointSet { last: set.last.map(checkpoint_row), best: set.best.map(checkpoint_row), keep }
}

fn checkpoint_row(saved: Saved) -> store::NewCheckpoint {
    let Saved { bytes, step, epoch, metric, weights_sha256 } = saved;
    store::NewCheckpoint { step, epoch, metric, weights_sha256, bytes }
}

pub(super) fn best_row(best: &Best) -> store::Best {
    store::Best { epoch: best.epoch, metric: best.metric.clone(), value: best.value }
}

/// The numbers of an epoch; one that is not finite is `null`.
fn last_document(epoch: u64, metrics: &[(String, f64)]) -> Value {
    let mut document = Map::new();
    document.insert("epoch".to_owned(), epoch.into());
    document.extend(metrics.iter().map(|(name, value)| (name.clone(), json!(value))));
    Value::Object(document)
}

/// A line for people: `epoch 12/200  loss 0.3512  val_loss 0.3301`.
fn epoch_line(at: &Progress, metrics: &[(String, f64)]) -> String {
    use std::fmt::Write;
    let mut line = format!("epoch {}/{}", at.epoch, at.epochs);
    for (name, value) in metrics.iter().take(6) {
        // Writing to a text cannot fail.
        let _ = write!(line, "  {name} {value:.4}");
    }
    line
}
