//! Autotrain: the whole strategy on a dataset, asked for with one request and told step by step.
//!
//! Not here: what is done next and why (`practice::strategy`), and who does it (`worker`). The page that shows a run is in `report`.

mod report;
mod wire;

use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::{IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::conditional;
use super::datasets::Force;
use super::edge::RequestId;
use super::error::no_such;
use super::extract::{FromParams, JsonBody, Params, Query};
use super::idempotency::{IDEMPOTENCY_REPLAYED, Idempotency};
use super::list::{self, PageParams};
use super::problem::{Fault, Kind, Problem, ProblemBody};
use super::specs;
use crate::id::AutotrainId;
use crate::practice::strategy;
use crate::spec;
use crate::store::{Autotrain, IdempotencyKey, JobDataset, NewAutotrain, Status};
use wire::{AutotrainBody, AutotrainPageBody, AutotrainRequest};

/// The longest wait of one request.
const LONGEST_SECONDS: f64 = 60.0;
/// A deletion by force waits this long for the jobs of the run to let go.
const LET_GO_SECONDS: f64 = 20.0;
/// A change without a signal is seen after so long.
const POLL: Duration = Duration::from_millis(500);

/// The routes of autotrain.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_all, create))
        .routes(routes!(get_one, delete))
        .routes(routes!(cancel))
        .routes(routes!(report::get))
}

fn run_id(text: &str) -> Result<AutotrainId, Problem> {
    text.parse().map_err(|error| no_such("autotrain run", text, &error))
}

/// Starts the whole strategy on a dataset: checks, the range of the learning rate, a small network, a larger one, regularisation, then the
/// model, which is tested once on rows that decided nothing.
///
/// The least request is `{"dataset":"iris","target":"species"}`. `budget` bounds it: `{"jobs":24}` counts trainings (a
/// cross-validation is one) and gives the same model each time; `{"seconds":600}` tries what fits. `test` is a share of the
/// rows, `{"dataset":…}` or `false`; `group` names a column whose values stay on one side; `folds` says how many parts validate.
#[utoipa::path(post, path = "/v1/autotrain", tag = "autotrain",
    params(CreateParams, ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    request_body(content = AutotrainRequest, example = json!({"dataset": "iris", "target": "species", "budget": {"jobs": 24}})),
    responses((status = 201, description = "The run", body = AutotrainBody, headers(("Location" = String, description = "Where the run is"))),
              (status = 422, description = "The request has faults, all of them named", body = ProblemBody, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    Query(CreateParams { wait }): Query<CreateParams>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    idempotency: Idempotency,
    JsonBody(request): JsonBody,
) -> Result<Response, Problem> {
    let body = serde_json::to_vec(&request).map_err(Problem::internal)?;
    let key = idempotency.key();
    let again = app.clone();
    let made = async move |id: String| created(&again.store().autotrain_get(run_id(&id)?).await?);
    let response = idempotency.answer(&app, &body, insert(app.clone(), request, request_id, key), made).await?;
    match wait {
        Some(seconds) => after(&app, response, seconds).await,
        None => Ok(response),
    }
}

/// The answer to a request that waits: the run as it is when it has ended or the time is over.
async fn after(app: &App, response: Response, seconds: f64) -> Result<Response, Problem> {
    let (first, _) = response.into_parts();
    let location = first.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("");
    let id = run_id(location.rsplit('/').next().unwrap_or(""))?;
    until(app, id, seconds, |status, _| status.is_finished()).await?;
    let mut answer = created(&app.store().autotrain_get(id).await?)?;
    if let Some(replayed) = first.headers.get(IDEMPOTENCY_REPLAYED) {
        answer.headers_mut().insert(IDEMPOTENCY_REPLAYED, replayed.clone());
    }
    Ok(answer)
}

/// How to answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct CreateParams {
    /// Answers when the run has ended, or after so many seconds (0 to 60).
    #[param(required = false, minimum = 0, maximum = 60)]
    wait: Option<f64>,
}

impl FromParams for CreateParams {
    fn read(params: &mut Params) -> CreateParams {
        CreateParams { wait: params.number("wait", 0.0..=LONGEST_SECONDS) }
    }
}

async fn insert(
    app: App,
    request: Value,
    request_id: String,
    idempotency: Option<IdempotencyKey>,
) -> Result<Response, Problem> {
    let (spec, dataset) = prove(&app, &request).await?;
    let new = NewAutotrain {
        name: spec.get("name").and_then(Value::as_str).map(str::to_owned),
        dataset,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        request_id: Some(request_id),
        request,
        spec,
        idempotency,
    };
    let run = app.store().autotrain_insert(new).await?;
    app.workers().wake();
    tracing::info!(autotrain.id = %run.id, "an autotrain run came in");
    created(&run)
}

/// Proves a request: its form, and that its first trial and its model would be jobs. Gives it with every default, and its dataset.
async fn prove(app: &App, request: &Value) -> Result<(Value, JobDataset), Problem> {
    if !request.is_object() {
        let detail = "must be an object, such as {\"dataset\":\"iris\",\"target\":\"species\"}";
        return Err(Problem::faults(Kind::InvalidSpec, vec![Fault::at("", detail)]));
    }
    // What is proved first knows no rows yet: only then is the dataset known.
    let shared = specs::prove(app, &spec::autotrain_job(request), true).await;
    let rows = shared.as_ref().map_or(u64::MAX, |proved| proved.schema.rows);
    let form = spec::autotrain(request, rows);
    let (proved, mut settings) = match (shared, form) {
        (Ok(proved), Ok(settings)) => (proved, settings),
        (shared, form) => {
            let mut faults = form.err().map(faults_of).unwrap_or_default();
            match shared {
                Err(problem) if problem.kind() != Kind::InvalidSpec => return Err(problem),
                Err(problem) => faults.extend(problem.into_errors()),
                Ok(_) => {}
            }
            return Err(together(faults));
        }
    };
    let recipe = strategy::first(&settings.situation(false));
    let mut faults = Vec::new();
    for job in [settings.trial(&recipe, None), settings.model(&recipe)] {
        match specs::prove(app, &job, true).await {
            Ok(proved) => {
                if let Some(other) = proved.others.first() {
                    settings.test_on(&other.id.to_string()); // its name may lead to other bytes later
                }
            }
            Err(problem) if problem.kind() == Kind::InvalidSpec => faults.extend(problem.into_errors()),
            Err(problem) => return Err(problem),
        }
    }
    if !faults.is_empty() {
        return Err(together(faults));
    }
    let dataset = specs::stored(proved.dataset)?;
    settings.learn_from(&dataset.id.to_string());
    let named = JobDataset {
        id: dataset.id,
        name: dataset.name.as_ref().map(ToString::to_string),
        sha256: dataset.sha256.clone(),
    };
    Ok((settings.to_json(), named))
}

fn faults_of(faults: Vec<spec::Fault>) -> Vec<Fault> {
    faults.into_iter().map(|fault| Fault::at(fault.pointer, fault.detail)).collect()
}

/// All faults in one problem, each once, at the place where the request says it.
fn together(faults: Vec<Fault>) -> Problem {
    let mut once: Vec<Fault> = Vec::with_capacity(faults.len());
    for mut fault in faults {
        if let Some(pointer) = &mut fault.pointer {
            // A request says of its split no more than this.
            for (job, own) in
                [("/split/test", "/test"), ("/split/group", "/group"), ("/split/k_folds", "/folds"), ("/split", "")]
            {
                if let Some(rest) = pointer.strip_prefix(job) {
                    *pointer = format!("{own}{rest}");
                }
            }
        }
        if !once.iter().any(|known| known.pointer == fault.pointer && known.detail == fault.detail) {
            once.push(fault);
        }
    }
    Problem::faults(Kind::InvalidSpec, once)
}

fn created(run: &Autotrain) -> Result<Response, Problem> {
    let mut response = (StatusCode::CREATED, axum::Json(wire::body(run))).into_response();
    let location = HeaderValue::from_str(&format!("/v1/autotrain/{}", run.id)).map_err(Problem::internal)?;
    response.headers_mut().insert(LOCATION, location);
    Ok(conditional::tagged(response, &wire::tag(run.revision)))
}

/// Which runs.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// `running`, `cancelling`, `succeeded`, `failed` or `cancelled`.
    #[param(required = false, value_type = Option<String>, example = "running")]
    status: Option<Status>,
}

impl FromParams for ListParams {
    fn read(params: &mut Params) -> ListParams {
        const NAMES: [(&str, Status); 5] = [
            ("running", Status::Running),
            ("cancelling", Status::Cancelling),
            ("succeeded", Status::Succeeded),
            ("failed", Status::Failed),
            ("cancelled", Status::Cancelled),
        ];
        ListParams { status: params.choice("status", &NAMES) }
    }
}

/// Lists runs, newest first, without their steps.
#[utoipa::path(get, path = "/v1/autotrain", tag = "autotrain", params(ListParams, PageParams),
    responses((status = 200, description = "A page of runs", body = AutotrainPageBody),
              (status = 400, description = "A parameter is wrong", body = ProblemBody, content_type = "application/problem+json")))]
async fn get_all(
    State(app): State<App>,
    Query((wanted, page)): Query<(ListParams, PageParams)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (runs, next) = app.store().autotrain_list(wanted.status, page.limit, page.after.as_deref()).await?;
    let item = |run: &Autotrain| -> Result<Value, Problem> {
        let mut item = serde_json::to_value(wire::body(run)).map_err(Problem::internal)?;
        if let Some(fields) = item.as_object_mut() {
            ["steps", "request", "spec"].into_iter().for_each(|field| drop(fields.shift_remove(field)));
        }
        Ok(item)
    };
    let items = runs.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    list::reply(items, next, page.format, &headers, &uri)
}

/// Whether to wait.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
struct WaitParams {
    /// Answers when the run has ended (with `If-None-Match`: has changed), or after so many seconds (0 to 60).
    #[param(required = false, minimum = 0, maximum = 60)]
    wait: Option<f64>,
}

impl FromParams for WaitParams {
    fn read(params: &mut Params) -> WaitParams {
        WaitParams { wait: params.number("wait", 0.0..=LONGEST_SECONDS) }
    }
}

/// Gives a run with its steps; waits for it where asked to.
#[utoipa::path(get, path = "/v1/autotrain/{run}", tag = "autotrain",
    params(("run" = String, Path, description = "The run's id"), WaitParams,
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` that you have; unchanged → `304`")),
    responses((status = 200, description = "The run", body = AutotrainBody), (status = 304, description = "It has not changed"),
              (status = 404, description = "No such run", body = ProblemBody, content_type = "application/problem+json")))]
async fn get_one(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(WaitParams { wait }): Query<WaitParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = run_id(&run)?;
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    match (wait, known) {
        (Some(seconds), Some(tag)) => until(&app, id, seconds, |_, revision| wire::tag(revision) != tag).await?,
        (Some(seconds), None) => until(&app, id, seconds, |status, _| status.is_finished()).await?,
        (None, _) => {}
    }
    let run = app.store().autotrain_get(id).await?;
    let tag = wire::tag(run.revision);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    Ok(conditional::tagged(axum::Json(wire::body(&run)).into_response(), &tag))
}

/// Waits until `met`, at most so many seconds; a draining server answers at once.
async fn until(app: &App, id: AutotrainId, seconds: f64, met: impl Fn(Status, u64) -> bool) -> Result<(), Problem> {
    let crowded = || Problem::new(Kind::TooMany, "too many requests wait already").retry_after(2);
    let _permit = app.waits().try_acquire().map_err(|_| crowded())?;
    let deadline = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_SECONDS));
    let mut changes = app.store().queue_changes();
    loop {
        changes.mark_unchanged();
        let (status, revision) = app.store().autotrain_status(id).await?;
        if met(status, revision) {
            return Ok(());
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(POLL) => {}
            () = tokio::time::sleep_until(deadline) => return Ok(()),
            () = app.draining().cancelled() => return Ok(()),
        }
    }
}

/// Ends a run and the jobs that it has under way.
#[utoipa::path(post, path = "/v1/autotrain/{run}/cancel", tag = "autotrain",
    params(("run" = String, Path, description = "The run's id")),
    responses((status = 202, description = "It will end", body = AutotrainBody), (status = 200, description = "It was cancelled already", body = AutotrainBody),
              (status = 404, description = "No such run", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "It has ended", body = ProblemBody, content_type = "application/problem+json")))]
async fn cancel(State(app): State<App>, Path(run): Path<String>, Query(()): Query<()>) -> Result<Response, Problem> {
    let (run, changed) = app.store().autotrain_cancel(run_id(&run)?, "a client asked for it").await?;
    let status = if changed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let response = (status, axum::Json(wire::body(&run))).into_response();
    Ok(conditional::tagged(response, &wire::tag(run.revision)))
}

/// Deletes a run that has ended, with its steps and its trials; the job that has the model stays. `force` cancels it first.
#[utoipa::path(delete, path = "/v1/autotrain/{run}", tag = "autotrain",
    params(("run" = String, Path, description = "The run's id"), Force),
    responses((status = 204, description = "It is gone"),
              (status = 404, description = "No such run", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "It has not ended", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(Force { force }): Query<Force>,
) -> Result<StatusCode, Problem> {
    let id = run_id(&run)?;
    let (status, _) = app.store().autotrain_status(id).await?;
    if force && !status.is_finished() {
        app.store().autotrain_cancel(id, "a client deletes it").await?;
        until(&app, id, LET_GO_SECONDS, |status, _| status.is_finished()).await?;
    }
    app.store().autotrain_delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
