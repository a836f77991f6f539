//! A run as one page for people: what was done, with the numbers and the curves that say why the next step was taken.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{run_id, wire};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::Query;
use crate::api::page;
use crate::api::problem::{Problem, ProblemBody};
use crate::api::time;
use crate::id::JobId;
use crate::plot::{LineChart, Series, lines};
use crate::practice::strategy::{self, Checked, Done, Outcome, Plan, Trial};
use crate::store::{Autotrain, AutotrainStep, Axis, MetricQuery};

/// Points of a curve, at most: it is drawn some hundred pixels wide.
const POINTS: usize = 400;

/// Shows a run as one self-contained page: each step with its reason, its numbers and its curves. It can be saved, sent and printed.
#[utoipa::path(get, path = "/v1/autotrain/{run}/report", tag = "autotrain",
    params(("run" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"), (status = 304, description = "It has not changed"),
              (status = 404, description = "No such run", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = app.store().autotrain_get(run_id(&run)?).await?;
    let tag = wire::tag(run.revision);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let mut steps = Vec::with_capacity(run.steps.len());
    for step in &run.steps {
        steps.push(Shown { step: step.clone(), curves: curves(&app, step).await? });
    }
    let name = run.name.clone().or_else(|| run.dataset.name.clone()).unwrap_or_else(|| run.dataset.id.to_string());
    let title = format!("Autotrain of {name}");
    let heading = title.clone();
    let body = app.blocking(move || Ok(draw(&heading, &run, &steps))).await?;
    Ok(conditional::tagged(page::answer(&title, &body)?, &tag))
}

/// A step with the curves of its jobs.
struct Shown {
    step: AutotrainStep,
    curves: Vec<Series>,
}

/// The validation curves of a step's trials, the training curve of its model; jobs that are gone have none.
async fn curves(app: &App, step: &AutotrainStep) -> Result<Vec<Series>, Problem> {
    let (metric, recipes) = match wire::plan(step) {
        Some(Plan::Train { recipes, .. }) => ("val_loss", recipes),
        Some(Plan::Final { recipe }) => ("loss", vec![recipe]),
        _ => return Ok(Vec::new()),
    };
    let mut curves = Vec::new();
    for (job, recipe) in step.jobs.iter().zip(&recipes) {
        let points = curve(app, *job, metric).await?;
        if !points.is_empty() {
            curves.push(Series { name: strategy::describe(recipe), points });
        }
    }
    Ok(curves)
}

async fn curve(app: &App, job: JobId, metric: &str) -> Result<Vec<(f64, f64)>, Problem> {
    let query = MetricQuery {
        axis: Axis::Epoch,
        names: vec!["epoch".to_owned(), metric.to_owned()],
        after: 0,
        limit: usize::MAX,
        max_points: Some(POINTS),
    };
    let read = match app.store().metric_read(job, &query).await {
        Ok(read) => read,
        Err(crate::store::StoreError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let [epochs, values] = read.columns.as_slice() else { return Ok(Vec::new()) };
    let points = epochs.values.iter().zip(&values.values);
    Ok(points.filter_map(|(epoch, value)| Some(((*epoch)?, (*value)?))).collect())
}

fn draw(title: &str, run: &Autotrain, steps: &[Shown]) -> Markup {
    let done: Vec<Done> = steps
        .iter()
        .filter_map(|shown| Some(Done { plan: wire::plan(&shown.step)?, outcome: wire::outcome(&shown.step)? }))
        .collect();
    let seconds = run.finished_at.map(|end| (end - run.created_at).num_milliseconds() as f64 / 1000.0);
    let best = strategy::best(&done);
    let test = run.result.as_ref().and_then(|result| result.get("test")?.as_object().cloned()).unwrap_or_default();
    let mut facts = vec![
        ("status", run.status.to_string()),
        ("trainings", (strategy::trials(&done).count() + usize::from(run.model.is_some())).to_string()),
        ("validation loss", best.and_then(Trial::loss).map_or_else(|| "–".to_owned(), page::number)),
    ];
    for (name, value) in &test {
        facts.push((name.as_str(), page::number(value.as_f64())));
    }
    if let Some(seconds) = seconds {
        facts.push(("seconds", page::number(seconds)));
    }
    let target = run.spec.get("target").or_else(|| run.spec.get("targets"));
    html! {
        header {
            h1 { (title) }
            p.muted {
                code { (run.id) } " · dataset " code { (run.dataset.id) } " · target " (said(target)) " · "
                (time::text(run.created_at)) " · trainyard " (run.version)
            }
        }
        main {
            (page::facts(&facts))
            @if let Some(error) = &run.error { p.lead { (page::word("failed")) " " (said(error.get("detail"))) } }
            @if let Some(model) = run.model {
                p.lead { "The model is " code { (model) } ". " (conclusion_of_last(steps)) }
            }
            (before_believing(run))
            @if let Some(way) = way(&done) { (page::picture(&way, "the best validation loss so far, trial by trial", "")) }
            @for shown in steps { (section(shown)) }
            section {
                h2 { "What was asked" }
                (page::json(&run.spec))
            }
        }
    }
}

/// What the search itself says of its choice.
fn before_believing(run: &Autotrain) -> Markup {
    let found = run.result.as_ref().and_then(|result| result.get("findings")?.as_array().cloned()).unwrap_or_default();
    html! {
        @if !found.is_empty() {
            section {
                h2 { "Before one believes in the choice" }
                ul {
                    @for one in &found {
                        li { (said(one.get("message"))) " " span.muted { (said(one.get("advice"))) } }
                    }
                }
            }
        }
    }
}

fn said(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "–".to_owned(),
    }
}

fn conclusion_of_last(steps: &[Shown]) -> String {
    steps.last().and_then(|shown| shown.step.conclusion.clone()).unwrap_or_default()
}

/// Each trial, and the best so far: how the run got where it is.
fn way(done: &[Done]) -> Option<String> {
    let losses: Vec<f64> = strategy::trials(done).map(|trial| trial.loss().unwrap_or(f64::NAN)).collect();
    let place = |at: usize| at as f64 + 1.0;
    let each: Vec<(f64, f64)> = losses.iter().enumerate().map(|(at, loss)| (place(at), *loss)).collect();
    let mut least = f64::INFINITY;
    let best = losses.iter().enumerate().map(|(at, loss)| {
        least = least.min(if loss.is_nan() { f64::INFINITY } else { *loss });
        (place(at), least)
    });
    let best: Vec<(f64, f64)> = best.filter(|(_, loss)| loss.is_finite()).collect();
    (best.len() > 1).then(|| {
        lines(&LineChart {
            title: "validation loss by trial".to_owned(),
            x_label: "trial".to_owned(),
            y_label: "validation loss".to_owned(),
            log_y: true,
            series: vec![
                Series { name: "each".to_owned(), points: each },
                Series { name: "best so far".to_owned(), points: best },
            ],
            ..LineChart::default()
        })
    })
}

fn section(shown: &Shown) -> Markup {
    let step = &shown.step;
    html! {
        section {
            h2 { (step.number) ". " (step.title) }
            p { (step.reason) }
            @match wire::outcome(step) {
                Some(Outcome::Checked { reports }) => { @for report in &reports { (check(report)) } }
                Some(Outcome::Trained { trials }) => { (table(&trials)) }
                Some(Outcome::Model { test, .. }) => {
                    @let numbers: Vec<(&str, String)> =
                        test.iter().map(|(name, value)| (name.as_str(), page::number(*value))).collect();
                    (page::facts(&numbers))
                }
                None => p.muted { "Under way." },
            }
            @if !shown.curves.is_empty() {
                (page::picture(&picture(shown), &format!("curves of step {}", step.number), ""))
            }
            @if let Some(conclusion) = step.conclusion.as_ref().filter(|_| !step.jobs.is_empty()) {
                p { strong { "What came of it. " } (conclusion) }
            }
        }
    }
}

fn picture(shown: &Shown) -> String {
    let validates = matches!(wire::plan(&shown.step), Some(Plan::Train { .. }));
    lines(&LineChart {
        title: if validates { "validation loss, mean over the folds" } else { "training loss" }.to_owned(),
        x_label: "epoch".to_owned(),
        y_label: "loss".to_owned(),
        log_y: true,
        series: shown.curves.clone(),
        ..LineChart::default()
    })
}

fn check(report: &Checked) -> Markup {
    html! {
        h3 { (page::spaced(&report.check)) " " (page::word(&report.verdict)) }
        p { (report.advice) }
        @if let Some(svg) = check_picture(report) {
            (page::picture(&svg, &format!("curve of the check {}", report.check), ""))
        }
    }
}

/// The curves that checks report: the loss by rate, and the loss while a few rows are learned by heart.
fn check_picture(report: &Checked) -> Option<String> {
    let (x, x_label, log_x) = match report.check.as_str() {
        "lr_range" => ("learning_rate", "learning rate", true),
        "overfit" => ("step", "step", false),
        _ => return None,
    };
    let numbers = |name: &str| report.report.get("curve")?.get(name)?.as_array().cloned();
    let points: Vec<(f64, f64)> =
        numbers(x)?.iter().zip(&numbers("loss")?).filter_map(|(x, y)| Some((x.as_f64()?, y.as_f64()?))).collect();
    (points.len() > 1).then(|| {
        lines(&LineChart {
            title: page::spaced(&report.check),
            x_label: x_label.to_owned(),
            y_label: "loss".to_owned(),
            log_x,
            log_y: true,
            series: vec![Series { name: "loss".to_owned(), points }],
            ..LineChart::default()
        })
    })
}

fn table(trials: &[Trial]) -> Markup {
    let headings = [
        "what was tried",
        "#validation loss",
        "#± standard error",
        "#training loss",
        "#accuracy",
        "#best epoch",
        "#parameters",
        "#seconds",
        "job",
    ];
    let row = |trial: &Trial| {
        let number = |value: Option<f64>| html! { (page::number(value)) };
        vec![
            html! { (strategy::describe(&trial.recipe)) },
            if trial.loss().is_some() { number(trial.loss()) } else { page::word(&trial.status) },
            number(trial.error()),
            number(trial.train_loss),
            number(trial.accuracy),
            html! { (trial.epoch) },
            html! { (trial.parameters) },
            number(Some(trial.seconds)),
            html! { code { (trial.job) } },
        ]
    };
    page::table("trials", &headings, &trials.iter().map(row).collect::<Vec<_>>())
}
