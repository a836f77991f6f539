//! The checks that a job asked for, before its first step. What they are is `practice`'s; here they are run once, kept and told.

use chrono::Utc;
use serde_json::json;

use super::failure::Failure;
use super::recorder::Recorder;
use super::run::Session;
use crate::data::{Encoder, Rows};
use crate::practice::diagnosis::Checked;
use crate::practice::{self, HeldOut, Verdict};
use crate::spec::ResolvedSpec;
use crate::store::{Level, NewEvent, NewReport};
use crate::train::{Plan, Real, Start};

/// What the checks look at.
pub(super) struct Subject<'a, T> {
    pub spec: &'a ResolvedSpec,
    pub plan: &'a Plan,
    pub table: &'a dyn Rows,
    pub encoder: &'a Encoder,
    pub train_rows: &'a [u32],
    pub held_out: HeldOut<'a>,
    pub start: &'a Start<T>,
}

/// Runs the checks that the job asked for and that have no report yet; what all of them say goes into `checked`.
///
/// # Errors
/// A failed check, where the job asked to stop for one.
pub(super) fn run<T: Real>(
    session: &Session<'_>,
    recorder: &mut Recorder,
    subject: &Subject<'_, T>,
    checked: &mut Checked,
) -> Result<(), Failure> {
    // Those of a state that is gone on from were run before its steps.
    let resumed = matches!(subject.start, Start::Resume { .. });
    for kind in subject.spec.checks() {
        if session.control.asked().is_some() {
            return Ok(());
        }
        let (known, _) =
            session.runtime.block_on(session.store.report_list(Some(session.job.id), Some(kind), 1, None))?;
        match known.first() {
            Some(report) => checked.add(kind, &report.verdict, &report.document),
            None if resumed => {}
            None => check(session, recorder, subject, kind, checked)?,
        }
    }
    Ok(())
}

fn check<T: Real>(
    session: &Session<'_>,
    recorder: &mut Recorder,
    subject: &Subject<'_, T>,
    kind: &'static str,
    checked: &mut Checked,
) -> Result<(), Failure> {
    let Subject { spec, plan, table, encoder, train_rows, held_out, start } = subject;
    let weights = first_weights(start);
    let weights = weights.as_ref().map(|(parameters, buffers)| (parameters.as_slice(), buffers.as_slice()));
    let penalties = spec.penalties();
    let subject = practice::Subject {
        plan,
        penalties: &penalties,
        table: *table,
        encoder,
        train_rows,
        held_out: *held_out,
        weights,
        stopped: &|| session.control.asked().is_some(),
    };
    let report = practice::check(kind, &subject)?;
    if session.control.asked().is_some() {
        return Ok(()); // cut short, or run anew by the next attempt
    }
    let Some(practice::Report { verdict, advice, document }) = report else {
        let message = format!("the check {kind} is not run by this version");
        let data = json!({"code": "check_unknown", "kind": kind});
        recorder.event(NewEvent { level: Level::Warn, kind: "check", message, data, at: Utc::now() });
        return Ok(());
    };
    checked.add(kind, verdict.name(), &document);
    recorder.latest().reports.push(NewReport { kind: kind.to_owned(), verdict: verdict.name().to_owned(), document });
    let level = if verdict == Verdict::Failed { Level::Warn } else { Level::Info };
    let message = format!("{kind} check: {}. {advice}", verdict.name());
    let data = json!({"kind": kind, "verdict": verdict.name(), "advice": advice});
    recorder.event(NewEvent { level, kind: "check", message, data, at: Utc::now() });
    if verdict == Verdict::Failed && spec.stop_on_failed_check() {
        let report = format!("/v1/jobs/{}/checks?kind={kind}", session.job.id);
        let more = json!({"check": kind, "advice": advice, "report": report});
        return Err(Failure::new("failed_check", "A check failed", format!("the {kind} check failed: {advice}"), more));
    }
    Ok(())
}

/// The weights that a warm start brings along, in the number type of the checks.
fn first_weights<T: Real>(start: &Start<T>) -> Option<(Vec<f64>, Vec<f64>)> {
    let Start::Weights { parameters, buffers } = start else { return None };
    let wide = |values: &[T]| values.iter().map(|value| value.to_f64()).collect();
    Some((wide(parameters), wide(buffers.as_deref().unwrap_or(&[]))))
}
