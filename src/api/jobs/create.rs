//! A job comes in: `POST /v1/jobs`, its dry run, and forks.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::wire::{self, JobBody};
use super::{job_id, wait};
use crate::api::App;
use crate::api::conditional;
use crate::api::diagnosis;
use crate::api::edge::RequestId;
use crate::api::extract::{FromParams, JsonBody, Params, Query};
use crate::api::idempotency::Idempotency;
use crate::api::problem::{Fault, Kind, Problem, ProblemBody, shortened};
use crate::api::specs;
use crate::id::JobId;
use crate::spec;
use crate::store::{EventFilter, IdempotencyKey, Job};
use crate::worker;

/// How to answer a new job.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CreateParams {
    /// Only tells what the job would be; nothing is stored.
    #[param(required = false, default = false)]
    dry_run: bool,
    /// Answers when the job has finished, or after so many seconds (0 to 60).
    #[param(required = false, minimum = 0, maximum = 60)]
    wait: Option<f64>,
}

impl FromParams for CreateParams {
    fn read(params: &mut Params) -> CreateParams {
        CreateParams { dry_run: params.flag("dry_run").unwrap_or(false), wait: wait::read(params) }
    }
}

/// Starts a job. The least spec is `{"dataset":"iris","target":"species"}`.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs",
    params(CreateParams, ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    request_body(content = crate::api::openapi::JobSpec, example = json!({"dataset": "iris", "target": "species"})),
    responses((status = 201, description = "The job", body = JobBody, headers(("Location" = String, description = "Where the job is"))),
              (status = 200, description = "With `dry_run`: what the job would be", body = Value),
              (status = 422, description = "The spec has faults, all of them named", body = ProblemBody, content_type = "application/problem+json"),
              (status = 429, description = "The queue is full", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(app): State<App>,
    Query(params): Query<CreateParams>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    idempotency: Idempotency,
    JsonBody(request): JsonBody,
) -> Result<Response, Problem> {
    begin(app, params, idempotency, Submission { sent: request, fork: None, request_id, key: None }).await
}

/// Why a job is forked, and how to answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ForkParams {
    #[param(ignore)]
    create: CreateParams,
    /// The code of the finding that led to it, kept in the new job's `parent`. With the body `{}` the change that the finding offers
    /// is made.
    #[param(required = false, example = "steps_too_small")]
    finding: Option<String>,
}

impl FromParams for ForkParams {
    fn read(params: &mut Params) -> ForkParams {
        ForkParams { create: CreateParams::read(params), finding: params.text("finding") }
    }
}

/// Starts a changed copy of a job: the body is a merge patch (RFC 7396) of its request; the seed is kept.
#[utoipa::path(post, path = "/v1/jobs/{job}/fork", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), CreateParams, ForkParams,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    request_body(content = Value, example = json!({"optimizer": {"learning_rate": 0.01}})),
    responses((status = 201, description = "The new job", body = JobBody),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The changed spec has faults", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn fork(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(params): Query<ForkParams>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    idempotency: Idempotency,
    JsonBody(patch): JsonBody,
) -> Result<Response, Problem> {
    let fork = Fork { of: job_id(&job)?, finding: params.finding };
    begin(app, params.create, idempotency, Submission { sent: patch, fork: Some(fork), request_id, key: None }).await
}

/// The finding of that code, as the job has it now or as it was told while the job ran.
async fn found(app: &App, job: &Job, code: &str) -> Result<Value, Problem> {
    let mut known = diagnosis::findings(app, job).await?;
    let filter = EventFilter { kind: vec!["finding".to_owned()], ..EventFilter::default() };
    let told = app.store().event_list(job.id, &filter, None, true, 100).await?;
    known.extend(told.into_iter().map(|event| event.data));
    if let Some(finding) = known.iter().find(|finding| finding["code"] == code) {
        return Ok(finding.clone());
    }
    // Most stand in the diagnosis and were told as events too.
    let mut codes: Vec<&str> = Vec::new();
    for code in known.iter().filter_map(|finding| finding["code"].as_str()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let there = if codes.is_empty() { "it has none".to_owned() } else { format!("it has {}", codes.join(", ")) };
    let detail = format!("the diagnosis of this job has no finding `{}`; {there}", shortened(code));
    Err(Problem::faults(Kind::InvalidBody, vec![Fault::parameter("finding", detail)]))
}

/// The parent's request with the patch applied, on the same dataset and with the same seed unless the patch says otherwise.
async fn patched(app: &App, parent: &Job, patch: &Value) -> Result<Value, Problem> {
    let mut request = parent.request.clone().unwrap_or_else(|| json!({}));
    let named = request.get("dataset").and_then(Value::as_str).unwrap_or("").to_owned();
    let same = app.store().dataset_get(&named).await.is_ok_and(|dataset| dataset.id == parent.dataset.id);
    if !same && !named.starts_with("sample:") {
        request["dataset"] = json!(parent.dataset.id);
    }
    if request.get("seed").is_none_or(Value::is_null)
        && let Some(seed) = parent.spec.as_ref().and_then(|spec| spec.get("seed"))
    {
        request["seed"] = seed.clone();
    }
    Ok(spec::merge_patch(&request, patch))
}

/// What is asked to become a job.
struct Submission {
    /// The body: a spec, or the patch of a fork.
    sent: Value,
    fork: Option<Fork>,
    request_id: String,
    key: Option<IdempotencyKey>,
}

/// Of which job, and because of which finding.
struct Fork {
    of: JobId,
    finding: Option<String>,
}

impl Submission {
    /// The spec as a client would have sent it, and where it comes from. Looked up only when the job is made: the first answer to a
    /// key is given again even when the parent is gone.
    async fn request(&self, app: &App) -> Result<(Value, Option<Value>), Problem> {
        let Some(fork) = &self.fork else { return Ok((self.sent.clone(), None)) };
        let parent = app.store().job_get(fork.of).await?;
        let finding = match &fork.finding {
            Some(code) => Some(found(app, &parent, code).await?),
            None => None,
        };
        let of = |name: &str| finding.as_ref().map_or(Value::Null, |finding| finding[name].clone());
        let is_empty = self.sent.as_object().is_some_and(serde_json::Map::is_empty);
        let patch = if finding.is_some() && is_empty { of("patch") } else { self.sent.clone() };
        if patch.is_null() && finding.is_some() {
            let advice = of("advice").as_str().unwrap_or_default().to_owned();
            let detail = format!("this finding offers no change: send one of your own. {advice}");
            return Err(Problem::faults(Kind::InvalidBody, vec![Fault::at("", detail)]));
        }
        let request = patched(app, &parent, &patch).await?;
        let from = json!({
            "job": parent.id, "relation": "fork", "finding": of("code"), "message": of("message"), "patch": patch,
        });
        Ok((request, Some(from)))
    }
}

async fn begin(
    app: App,
    params: CreateParams,
    idempotency: Idempotency,
    submission: Submission,
) -> Result<Response, Problem> {
    let response = if specs::is_large(&submission.sent) {
        // Copied, proved, told and written down in many milliseconds: the others of this thread must not wait for it.
        let (runtime, of) = (tokio::runtime::Handle::current(), app.clone());
        app.blocking(move || runtime.block_on(answer(of, params, idempotency, submission))).await?
    } else {
        answer(app.clone(), params, idempotency, submission).await?
    };
    match params.wait.filter(|_| !params.dry_run) {
        Some(seconds) => after(&app, response, seconds).await,
        None => Ok(response),
    }
}

async fn answer(
    app: App,
    params: CreateParams,
    idempotency: Idempotency,
    mut submission: Submission,
) -> Result<Response, Problem> {
    if params.dry_run {
        let (request, _) = submission.request(&app).await?;
        let proved = specs::prove(&app, &request, false).await?;
        return Ok(axum::Json(spec::preview(&proved.spec, &proved.schema)).into_response());
    }
    let body = serde_json::to_vec(&submission.sent).map_err(Problem::internal)?;
    submission.key = idempotency.key();
    let again = app.clone();
    let made = async move |id: String| created(&again.store().job_get(job_id(&id)?).await?);
    idempotency.answer(&app, &body, insert(app.clone(), submission), made).await
}

async fn insert(app: App, submission: Submission) -> Result<Response, Problem> {
    let (request, parent) = submission.request(&app).await?;
    let proved = specs::prove(&app, &request, true).await?;
    let dataset = specs::stored(proved.dataset)?;
    let mut new = worker::new_job(request, &proved.spec, &dataset);
    new.also_uses = proved.others.iter().map(|dataset| dataset.id).collect();
    new.request_id = Some(submission.request_id);
    new.parent = parent;
    new.idempotency = submission.key;
    new.queue_limit = Some(app.limits().queue);
    let job = app.store().job_insert(new).await?;
    app.workers().wake();
    tracing::info!(job.id = %job.id, "a job came in");
    created(&job)
}

fn created(job: &Job) -> Result<Response, Problem> {
    let mut response = (StatusCode::CREATED, axum::Json(wire::body(job))).into_response();
    let location = HeaderValue::from_str(&format!("/v1/jobs/{}", job.id)).map_err(Problem::internal)?;
    response.headers_mut().insert(LOCATION, location);
    Ok(conditional::tagged(response, &wire::tag(job.revision)))
}

/// The same answer with the job as it is when it has finished or the time is over.
async fn after(app: &App, response: Response, seconds: f64) -> Result<Response, Problem> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("");
    let id: JobId = job_id(location.rsplit('/').next().unwrap_or(""))?;
    wait::finished(app, id, seconds).await?;
    let job = app.store().job_get(id).await?;
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.remove(axum::http::header::ETAG);
    let body = serde_json::to_vec(&wire::body(&job)).map_err(Problem::internal)?;
    Ok(conditional::tagged(Response::from_parts(parts, body.into()), &wire::tag(job.revision)))
}
