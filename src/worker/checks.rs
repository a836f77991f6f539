//! The checks that a job asked for, before its first step. What they are is `practice`'s; here they are run once, kept and told.

use chrono::Utc;
use serde::Serialize;
use serde_json::json;

use super::failure::Failure;
use super::recorder::Recorder;
use super::run::Session;
use crate::data::{Encoder, Table};
use crate::practice::{self, Verdict};
use crate::spec::ResolvedSpec;
use crate::store::{Level, NewEvent, NewReport};
use crate::train::{Plan, Real, Start};

/// Rows of the training part on which the first loss is looked at.
const INITIAL_LOSS_ROWS: usize = 2_000;

/// What the checks look at.
pub(super) struct Subject<'a, T> {
    pub spec: &'a ResolvedSpec,
    pub plan: &'a Plan,
    pub table: &'a Table,
    pub encoder: &'a Encoder,
    pub train_rows: &'a [u32],
    pub start: &'a Start<T>,
}

/// Runs the checks that the job asked for and that have no report yet.
///
/// # Errors
/// A failed check, where the job asked to stop for one.
pub(super) fn run<T: Real>(
    session: &Session<'_>,
    recorder: &mut Recorder,
    subject: &Subject<'_, T>,
) -> Result<(), Failure> {
    if matches!(subject.start, Start::Resume { .. }) {
        return Ok(()); // they were run before the steps that are gone on from
    }
    for kind in subject.spec.checks() {
        if session.control.asked().is_some() {
            return Ok(());
        }
        let (known, _) =
            session.runtime.block_on(session.store.report_list(Some(session.job.id), Some(kind), 1, None))?;
        if known.is_empty() {
            check(recorder, subject, kind)?;
        }
    }
    Ok(())
}

fn check<T: Real>(recorder: &mut Recorder, subject: &Subject<'_, T>, kind: &'static str) -> Result<(), Failure> {
    let Subject { spec, plan, table, encoder, train_rows, start } = subject;
    let weights = first_weights(start);
    let weights = weights.as_ref().map(|(parameters, buffers)| (parameters.as_slice(), buffers.as_slice()));
    let (verdict, advice, document) = match kind {
        "gradient" => {
            let rows = practice::gradient_rows(&plan.architecture, train_rows);
            let examples = encoder.encode::<f64>(table, &rows)?;
            let report =
                practice::check_gradient(&plan.architecture, &spec.penalties(), spec.seed(), &examples, weights);
            (report.verdict, report.advice.clone(), document(&report)?)
        }
        "initial_loss" => {
            let stride = train_rows.len().div_ceil(INITIAL_LOSS_ROWS).max(1);
            let rows: Vec<u32> = train_rows.iter().copied().step_by(stride).collect();
            let examples = encoder.encode::<f64>(table, &rows)?;
            let report = practice::check_initial_loss(&plan.architecture, spec.seed(), &examples, weights);
            (report.verdict, report.advice.clone(), document(&report)?)
        }
        "overfit" => {
            let examples = encoder.encode::<f64>(table, &practice::overfit_rows(train_rows))?;
            let report = practice::check_overfit(&plan.architecture, spec.seed(), &examples);
            (report.verdict, report.advice.clone(), document(&report)?)
        }
        "init" => {
            let examples = encoder.encode::<f64>(table, &practice::beginning_rows(train_rows))?;
            let report = practice::check_init(&plan.architecture, spec.seed(), &examples);
            (report.verdict, report.advice.clone(), document(&report)?)
        }
        "input_independent" => {
            let examples = encoder.encode::<f64>(table, &practice::beginning_rows(train_rows))?;
            let report = practice::check_input_independent(
                &plan.architecture,
                &plan.optimizer,
                &spec.penalties(),
                plan.batch_rows(),
                spec.seed(),
                &examples,
            );
            (report.verdict, report.advice.clone(), document(&report)?)
        }
        "lr_range" => {
            let examples = encoder.encode::<f64>(table, &practice::range_rows(train_rows))?;
            let report = practice::check_lr_range(
                &plan.architecture,
                &plan.optimizer,
                &spec.penalties(),
                plan.batch_rows(),
                spec.seed(),
                &examples,
            );
            (report.verdict, report.advice.clone(), document(&report)?)
        }
        other => {
            let message = format!("the check {other} is not run by this version");
            let data = json!({"code": "check_unknown", "kind": other});
            recorder.event(NewEvent { level: Level::Warn, kind: "check", message, data, at: Utc::now() });
            return Ok(());
        }
    };
    recorder.latest().reports.push(NewReport {
        kind: kind.to_owned(),
        verdict: verdict.name().to_owned(),
        document: document.clone(),
    });
    let level = if verdict == Verdict::Failed { Level::Warn } else { Level::Info };
    let message = format!("{kind} check: {}. {advice}", verdict.name());
    let data = json!({"kind": kind, "verdict": verdict.name(), "advice": advice});
    recorder.event(NewEvent { level, kind: "check", message, data, at: Utc::now() });
    if verdict == Verdict::Failed && spec.stop_on_failed_check() {
        let more = json!({"check": kind, "advice": advice, "report": document});
        return Err(Failure::new("failed_check", "A check failed", format!("the {kind} check failed"), more));
    }
    Ok(())
}

/// The weights that a warm start brings along, in the number type of the checks.
fn first_weights<T: Real>(start: &Start<T>) -> Option<(Vec<f64>, Vec<f64>)> {
    let Start::Weights { parameters, buffers } = start else { return None };
    let wide = |values: &[T]| values.iter().map(|value| value.to_f64()).collect();
    Some((wide(parameters), wide(buffers.as_deref().unwrap_or(&[]))))
}

fn document(report: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(report).map_err(|error| {
        tracing::error!(%error, "a report is no JSON");
        Failure::new("internal", "A fault in the server", "the report of a check could not be written", json!({}))
    })
}
