//! The diagnosis while a job runs and at its end: each finding is told once, as an event.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::Value;

use super::recorder::Recorder;
use crate::id::JobId;
use crate::practice::diagnosis::{Checked, Curves, Diverged, Facts, Finding, Run, Severity, diagnose};
use crate::spec;
use crate::store::{Axis, Level, MetricColumn, MetricQuery, Metrics, NewEvent, Store, StoreError};

/// Time between two looks at a running job.
const BETWEEN: Duration = Duration::from_secs(2);

/// What is watched of one attempt.
pub(super) struct Findings {
    facts: Facts,
    curves: Curves,
    checked: Checked,
    /// The resolved spec, from which patches are rendered.
    spec: Value,
    told: Vec<&'static str>,
    looked_at: Instant,
}

/// How a job ended.
pub(super) struct End {
    pub epochs_done: bool,
    pub diverged: Option<Diverged>,
}

impl Findings {
    /// `curves` are what earlier attempts recorded.
    pub fn new(facts: Facts, spec: Value, curves: Curves) -> Findings {
        Findings { facts, curves, checked: Checked::default(), spec, told: Vec::new(), looked_at: Instant::now() }
    }

    pub fn checked(&mut self) -> &mut Checked {
        &mut self.checked
    }

    pub fn curves(&mut self) -> &mut Curves {
        &mut self.curves
    }

    /// Looks at a running job where it is time; what may still mend itself is not told yet.
    pub fn look(&mut self, recorder: &mut Recorder, now: Instant) {
        if now.duration_since(self.looked_at) < BETWEEN {
            return;
        }
        self.looked_at = now;
        let serious = |finding: &Finding| finding.severity > Severity::Info;
        self.tell(recorder, None, serious);
    }

    /// Tells what is left when the job is over.
    pub fn end(&mut self, recorder: &mut Recorder, end: End) {
        self.tell(recorder, Some(end), |_| true);
    }

    fn tell(&mut self, recorder: &mut Recorder, end: Option<End>, wanted: impl Fn(&Finding) -> bool) {
        let run = Run {
            facts: &self.facts,
            curves: &self.curves,
            is_over: end.is_some(),
            epochs_done: end.as_ref().is_some_and(|end| end.epochs_done),
            diverged: end.and_then(|end| end.diverged),
            checked: &self.checked,
        };
        for finding in diagnose(&run).iter().filter(|finding| wanted(finding)) {
            if !self.told.contains(&finding.code) {
                self.told.push(finding.code);
                recorder.event(event(finding, &self.spec));
            }
        }
    }
}

fn event(finding: &Finding, spec: &Value) -> NewEvent {
    let level = match finding.severity {
        Severity::Info => Level::Info,
        Severity::Warn => Level::Warn,
        Severity::Error => Level::Error,
    };
    let message = format!("{} {}", finding.message, finding.advice);
    NewEvent { level, kind: "finding", message, data: spec::finding_json(finding, spec), at: Utc::now() }
}

/// Points read at a time.
const PAGE: usize = 10_000;

/// All that a job recorded by epoch, and its loss by step.
///
/// # Errors
/// What the store says.
pub async fn recorded_curves(store: &Store, job: JobId) -> Result<Curves, StoreError> {
    let mut curves = Curves::default();
    for (axis, names) in [(Axis::Epoch, Vec::new()), (Axis::Step, vec!["step".to_owned(), "loss".to_owned()])] {
        let mut after = 0;
        loop {
            let query = MetricQuery { axis, names: names.clone(), after, limit: PAGE, max_points: None };
            let read = store.metric_read(job, &query).await?;
            add(&mut curves, axis, &read);
            if !read.has_more {
                break;
            }
            after = read.next;
        }
    }
    Ok(curves)
}

fn add(curves: &mut Curves, axis: Axis, read: &Metrics) {
    let key = read.columns.iter().find(|column| column.name == axis.as_str());
    for point in 0..read.points {
        let Some(at) = key.and_then(|key| key.values.get(point).copied().flatten()) else { continue };
        // A number that is not finite is told as one; a point without a value is left out.
        let value = |column: &MetricColumn| {
            let spoilt = || column.nonfinite.iter().any(|(place, _)| *place == point).then_some(f64::INFINITY);
            column.values.get(point).copied().flatten().or_else(spoilt)
        };
        let present = read.columns.iter().filter_map(|column| Some((column.name.as_str(), value(column)?)));
        match axis {
            Axis::Epoch => curves.epoch(at as u64, present),
            Axis::Step => {
                present.filter(|(name, _)| *name == "loss").for_each(|(_, loss)| curves.step(at as u64, loss))
            }
        }
    }
}
