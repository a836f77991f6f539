//! What limits a job, and the change that would help: the rules of `practice::diagnosis` over what was recorded.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::conditional;
use super::extract::{FromParams, Params, Query};
use super::jobs::{job_id, wire};
use super::list::{self, Format};
use super::problem::{Kind, Problem, ProblemBody};
use super::specs;
use crate::practice::diagnosis::{Checked, Diverged, Facts, Finding, Run, diagnose};
use crate::spec;
use crate::store::{Job, StoreError};
use crate::worker;

/// Reports of a job that are looked through.
const REPORTS: u32 = 50;

/// The route of the diagnosis.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct DiagnosisParams {
    /// `rows`, `csv` or `ndjson`: a row a finding.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for DiagnosisParams {
    fn read(params: &mut Params) -> DiagnosisParams {
        DiagnosisParams { format: Format::read(params) }
    }
}

/// Says in plain words what limits a job, with the numbers it rests on, and offers the change as a merge patch that `POST …/fork` takes.
#[utoipa::path(get, path = "/v1/jobs/{job}/diagnosis", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), DiagnosisParams),
    responses((status = 200, description = "`{\"data\":[{\"code\",\"severity\":\"info|warn|error\",\"message\",\"evidence\",\"advice\",\"patch\",\"source\"}],\"complete\"}`, the worst first; `complete` is false while the job runs, `patch` null where only you can help", body = Value),
              (status = 304, description = "Nothing has changed"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(params): Query<DiagnosisParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = app.store().job_get(job_id(&job)?).await?;
    let tag = wire::tag(job.revision);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let complete = job.status.is_finished();
    let findings = findings(&app, &job).await?;
    let response = match Format::chosen(params.format, &headers) {
        Format::Json => axum::Json(json!({"data": findings, "complete": complete})).into_response(),
        other => list::table(&findings, other)?,
    };
    Ok(conditional::tagged(response, &tag))
}

/// What is found in a job, the worst first, as JSON; of a cross-validation what is found in its folds.
pub(super) async fn findings(app: &App, job: &Job) -> Result<Vec<Value>, Problem> {
    if job.members == 0 {
        return findings_of_one(app, job).await;
    }
    // Each finding once, with the numbers of the first fold and the list of all that have it.
    let mut told: Vec<Value> = Vec::new();
    for (member, fold) in app.store().family_members(job.id).await?.iter().zip(1..) {
        for mut finding in findings_of_one(app, member).await? {
            match told.iter_mut().find(|known| known["code"] == finding["code"]) {
                Some(known) => known["folds"].as_array_mut().into_iter().for_each(|folds| folds.push(json!(fold))),
                None => {
                    finding["folds"] = json!([fold]);
                    told.push(finding);
                }
            }
        }
    }
    told.sort_by_key(|finding| match finding["severity"].as_str() {
        Some("error") => 0,
        Some("warn") => 1,
        _ => 2,
    });
    Ok(told)
}

async fn findings_of_one(app: &App, job: &Job) -> Result<Vec<Value>, Problem> {
    let Some(facts) = facts(app, job).await? else { return Ok(Vec::new()) };
    let curves = worker::recorded_curves(app.store(), job.id).await?;
    let (reports, _) = app.store().report_list(Some(job.id), None, REPORTS, None).await?;
    let mut checked = Checked::default();
    // Oldest first: the newest report of a kind counts.
    for report in reports.iter().rev() {
        checked.add(&report.kind, &report.verdict, &report.document);
    }
    let run = Run {
        facts: &facts,
        curves: &curves,
        is_over: job.status.is_finished(),
        epochs_done: job.stop_reason.as_deref() == Some("epochs_done"),
        diverged: diverged(job),
        checked: &checked,
    };
    let spec = job.spec.clone().unwrap_or_default();
    Ok(diagnose(&run).iter().map(|finding: &Finding| spec::finding_json(finding, &spec)).collect())
}

/// The facts that the worker kept; `None` for a job that none has taken. Those of a job of an older version are found anew, which
/// needs its dataset.
async fn facts(app: &App, job: &Job) -> Result<Option<Facts>, Problem> {
    if let Some(kept) = app.store().job_facts(job.id).await? {
        return serde_json::from_value(kept).map(Some).map_err(Problem::internal);
    }
    if job.attempt == 0 {
        return Ok(None);
    }
    match app.store().dataset_get(&job.dataset.id.to_string()).await {
        Ok(_) => {
            let proved = specs::prove(app, &job.spec.clone().unwrap_or_default(), false).await?;
            Ok(Some(spec::facts(&proved.spec, &proved.schema)))
        }
        Err(StoreError::NotFound { .. }) => Err(Problem::new(
            Kind::NotFound,
            "the dataset of this job was deleted, and the version that ran it kept nothing else for a diagnosis",
        )),
        Err(error) => Err(error.into()),
    }
}

fn diverged(job: &Job) -> Option<Diverged> {
    let error = job.error.as_ref().filter(|error| error["code"] == "diverged")?;
    let number = |name: &str| error[name].as_u64().unwrap_or(0);
    Some(Diverged { tensor: error["tensor"].as_str()?.to_owned(), epoch: number("epoch"), step: number("step") })
}
