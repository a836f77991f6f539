//! The diagnosis while a job runs and at its end: each finding is told once, as an event.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::{Map, Value, json};

use super::recorder::Recorder;
use crate::practice::diagnosis::{Curves, Diverged, Facts, Finding, Run, Severity, diagnose};
use crate::spec;
use crate::store::{Level, NewEvent};

/// Time between two looks at a running job.
const BETWEEN: Duration = Duration::from_secs(2);

/// What is watched of one attempt.
pub(super) struct Findings {
    facts: Facts,
    curves: Curves,
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
    pub fn new(facts: Facts, spec: Value) -> Findings {
        Findings { facts, curves: Curves::default(), spec, told: Vec::new(), looked_at: Instant::now() }
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
            // Failed checks were told when they failed.
            gradient_failed: false,
            overfit_failed: false,
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
    let Finding { code, severity, message, evidence, advice, changes, .. } = finding;
    let level = match severity {
        Severity::Info => Level::Info,
        Severity::Warn => Level::Warn,
        Severity::Error => Level::Error,
    };
    let evidence: Map<String, Value> =
        evidence.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let patch = if changes.is_empty() { Value::Null } else { spec::patch_of(changes, spec) };
    let data =
        json!({"code": code, "severity": severity.name(), "evidence": evidence, "advice": advice, "patch": patch});
    NewEvent { level, kind: "finding", message: format!("{message} {advice}"), data, at: Utc::now() }
}
