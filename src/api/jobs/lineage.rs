//! Where a job came from and what came of it: the tree of forks, each with the finding that led to it, what it changed, and what
//! became of the loss.

use std::collections::HashSet;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::job_id;
use crate::api::App;
use crate::api::compare;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, Format};
use crate::api::problem::{Problem, ProblemBody};
use crate::api::time;
use crate::id::JobId;
use crate::store::{Job, JobFilter, JobSort, SortKey, StoreError};

/// Jobs of a family that are told, at most.
const MOST_JOBS: usize = 300;
/// Ancestors that are walked up, at most.
const MOST_ANCESTORS: usize = 200;

/// In which form.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LineageParams {
    /// `rows`, `csv` or `ndjson`: a row a job.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for LineageParams {
    fn read(params: &mut Params) -> LineageParams {
        LineageParams { format: Format::read(params) }
    }
}

/// Tells the family of a job: the job it all began with, every fork of it and of its forks, each with the finding that led to it, the
/// fields it changed, and the loss before and after.
#[utoipa::path(get, path = "/v1/jobs/{job}/lineage", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), LineageParams),
    responses((status = 200, description = "`{\"root\",\"data\":[{\"job\",\"name\",\"status\",\"depth\",\"parent\",\"relation\",\"finding\",\"message\",\"changes\":[{\"pointer\",\"from\",\"to\"}],\"metric\",\"before\",\"after\",\"improved\",\"sentence\"}],\"truncated\"}`, parents before their forks", body = Value),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(params): Query<LineageParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let family = family(&app, job_id(&job)?).await?;
    let steps: Vec<Value> = family.steps.iter().map(step).collect();
    match Format::chosen(params.format, &headers) {
        Format::Json => {
            let root = family.steps.first().map(|first| first.job.id.to_string());
            Ok(axum::Json(json!({"root": root, "data": steps, "truncated": family.truncated})).into_response())
        }
        other => list::table(&steps, other),
    }
}

/// A job and its relatives by fork, parents before their children.
pub(in crate::api) struct Family {
    pub(in crate::api) steps: Vec<Step>,
    pub(in crate::api) truncated: bool,
}

/// One job of a family.
pub(in crate::api) struct Step {
    pub(in crate::api) job: Job,
    pub(in crate::api) depth: usize,
    /// What it changed of its parent, where that is still there.
    pub(in crate::api) changes: Vec<(String, Value, Value)>,
    /// The metric that both have, before and after.
    pub(in crate::api) gain: Option<Gain>,
}

/// A metric of a parent and of its fork.
pub(in crate::api) struct Gain {
    pub(in crate::api) metric: &'static str,
    pub(in crate::api) before: f64,
    pub(in crate::api) after: f64,
}

/// Walks up to the first ancestor that is still there, and down again over all forks.
pub(in crate::api) async fn family(app: &App, id: JobId) -> Result<Family, Problem> {
    let mut root = app.store().job_get(id).await?;
    let mut path = HashSet::from([id]);
    while path.len() <= MOST_ANCESTORS {
        let above = root.parent.as_ref().and_then(|parent| parent["job"].as_str()?.parse::<JobId>().ok());
        let Some(above) = above.filter(|above| !path.contains(above)) else { break };
        match app.store().job_get(above).await {
            Ok(job) => root = job,
            Err(StoreError::NotFound { .. }) => break,
            Err(error) => return Err(error.into()),
        }
        path.insert(above);
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut truncated = false;
    let mut open = vec![(root, 0, None::<usize>)];
    while let Some((job, depth, above)) = open.pop() {
        if steps.len() >= MOST_JOBS {
            truncated = true;
            break;
        }
        let mut children = Vec::new();
        let filter = JobFilter { parent: Some(job.id), ..JobFilter::default() };
        let oldest = JobSort { key: SortKey::Created, descending: false };
        let page = app.store().job_list(&filter, Some(&oldest), MOST_JOBS as u32, None, true).await?;
        truncated |= page.next.is_some();
        for child in page.jobs {
            let is_fork = child.parent.as_ref().is_some_and(|parent| parent["relation"] == "fork");
            if is_fork || path.contains(&child.id) {
                children.push(child);
            }
        }
        let parent = above.and_then(|above| steps.get(above)).map(|step| &step.job);
        let changes = parent.map(|parent| compare::changes(parent, &job)).unwrap_or_default();
        let gain = parent.and_then(|parent| gain(parent, &job));
        let place = steps.len();
        steps.push(Step { job, depth, changes, gain });
        // The oldest child is told first.
        open.extend(children.into_iter().rev().map(|child| (child, depth + 1, Some(place))));
    }
    Ok(Family { steps, truncated })
}

/// The validation loss of both where both have one, else the training loss: the best where that is what is monitored, else the last.
fn gain(parent: &Job, job: &Job) -> Option<Gain> {
    let value = |job: &Job, metric: &str| match &job.best {
        Some(best) if best.metric == metric => Some(best.value),
        _ => job.last.as_ref()?[metric].as_f64(),
    };
    ["val_loss", "loss"].into_iter().find_map(|metric| {
        let (before, after) = (value(parent, metric)?, value(job, metric)?);
        (before.is_finite() && after.is_finite()).then_some(Gain { metric, before, after })
    })
}

fn step(step: &Step) -> Value {
    let Step { job, depth, changes, gain } = step;
    let parent = job.parent.clone().unwrap_or(Value::Null);
    let changes: Vec<Value> =
        changes.iter().map(|(pointer, from, to)| json!({"pointer": pointer, "from": from, "to": to})).collect();
    json!({
        "job": job.id, "name": job.name, "status": job.status.as_str(), "created_at": time::text(job.created_at), "depth": depth,
        "parent": parent["job"], "relation": parent["relation"], "finding": parent["finding"], "message": parent["message"],
        "patch": parent["patch"], "changes": changes,
        "metric": gain.as_ref().map(|gain| gain.metric),
        "before": gain.as_ref().map(|gain| gain.before),
        "after": gain.as_ref().map(|gain| gain.after),
        "improved": gain.as_ref().map(|gain| gain.after < gain.before),
        "sentence": sentence(step),
    })
}

/// `steps too small → optimizer.learning_rate 0.0003 → 0.3 → val_loss 0.41 → 0.33`; `None` for the job it began with.
pub(in crate::api) fn sentence(step: &Step) -> Option<String> {
    let parent = step.job.parent.as_ref()?;
    let mut parts = Vec::new();
    if let Some(finding) = parent["finding"].as_str() {
        parts.push(finding.replace('_', " "));
    }
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let change = |(pointer, from, to): &(String, Value, Value)| {
        format!("{} {} → {}", pointer.trim_start_matches('/').replace('/', "."), shown(from), shown(to))
    };
    let mut changes: Vec<String> = step.changes.iter().take(4).map(change).collect();
    if step.changes.len() > 4 {
        changes.push(format!("{} more", step.changes.len() - 4));
    }
    if !changes.is_empty() {
        parts.push(changes.join(", "));
    }
    if let Some(Gain { metric, before, after }) = &step.gain {
        parts.push(format!("{metric} {} → {}", crate::plot::number(*before, 3), crate::plot::number(*after, 3)));
    }
    (!parts.is_empty()).then(|| parts.join(": "))
}
