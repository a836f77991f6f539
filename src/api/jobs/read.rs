//! Jobs read: the list, one job, its status in a word, its resolved spec.

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, IF_NONE_MATCH};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::IntoParams;

use super::wire::{self, JobBody, JobPageBody};
use super::{job_id, wait};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, PageParams};
use crate::api::problem::{Problem, ProblemBody};
use crate::id::{AutotrainId, JobId};
use crate::store::{JobFilter, JobSort, SortKey, Status};

/// Which jobs, in which order, and what of them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Statuses (repeatable).
    #[param(required = false, value_type = Vec<String>, example = json!(["running"]))]
    status: Vec<Status>,
    /// Ids or names of datasets (repeatable).
    #[param(required = false)]
    dataset: Vec<String>,
    /// Tags as `key:value`, or `key` for any value (repeatable; all must hold).
    #[param(required = false, value_type = Vec<String>)]
    tag: Vec<(String, Option<String>)>,
    /// Names (repeatable).
    #[param(required = false)]
    name: Vec<String>,
    /// Ids (repeatable).
    #[param(required = false, value_type = Vec<String>)]
    id: Vec<JobId>,
    /// The job they came from.
    #[param(required = false, value_type = Option<String>)]
    parent: Option<JobId>,
    /// The autotrain run that made them.
    #[param(required = false, value_type = Option<String>)]
    autotrain: Option<AutotrainId>,
    /// Lists the folds of cross-validations and the trials of autotrain runs too; without it they are listed by `parent`, `autotrain` or `id`
    /// alone.
    #[param(required = false, default = false)]
    folds: bool,
    /// What to sort by, with `-` for the largest first: `created_at`, `best.value`, `last.val_loss`, `spec.optimizer.learning_rate`, ….
    #[param(required = false, value_type = Option<String>, example = "-best.value")]
    sort: Option<JobSort>,
    /// Only these fields: `id,best.value,spec.epochs`.
    #[param(required = false)]
    fields: Vec<String>,
}

impl FromParams for ListParams {
    fn read(params: &mut Params) -> ListParams {
        ListParams {
            status: parsed(params, "status"),
            dataset: params.list("dataset"),
            tag: params.every("tag").iter().map(|tag| key_value(tag)).collect(),
            name: params.every("name"),
            id: parsed(params, "id"),
            parent: parsed(params, "parent").pop(),
            autotrain: parsed(params, "autotrain").pop(),
            folds: params.flag("folds").unwrap_or(false),
            sort: sort(params),
            fields: params.list("fields"),
        }
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(params: &mut Params, name: &'static str) -> Vec<T> {
    let mut values = Vec::new();
    for text in params.list(name) {
        match text.parse() {
            Ok(value) => values.push(value),
            Err(error) => params.fault(name, format!("{error}")),
        }
    }
    values
}

fn key_value(tag: &str) -> (String, Option<String>) {
    tag.split_once(':').map_or((tag.to_owned(), None), |(key, value)| (key.to_owned(), Some(value.to_owned())))
}

fn sort(params: &mut Params) -> Option<JobSort> {
    let text = params.text("sort")?;
    let (descending, key) = text.strip_prefix('-').map_or((false, text.as_str()), |key| (true, key));
    match SortKey::parse(key) {
        Ok(key) => Some(JobSort { key, descending }),
        Err(detail) => {
            params.fault("sort", detail);
            None
        }
    }
}

/// Lists jobs, newest first unless `sort` says otherwise.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(ListParams, PageParams),
    responses((status = 200, description = "A page of jobs, without request, spec and transitions", body = JobPageBody),
              (status = 400, description = "A parameter is wrong", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get_all(
    State(app): State<App>,
    Query((wanted, page)): Query<(ListParams, PageParams)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let documents =
        wanted.fields.iter().any(|field| matches!(field.split('.').next(), Some("spec" | "request" | "transitions")));
    let filter = JobFilter {
        only_roots: wanted.parent.is_none() && wanted.autotrain.is_none() && wanted.id.is_empty() && !wanted.folds,
        status: wanted.status,
        dataset: wanted.dataset,
        tags: wanted.tag,
        name: wanted.name,
        id: wanted.id,
        parent: wanted.parent,
        autotrain: wanted.autotrain,
    };
    let after = page.after.as_deref();
    let found = app.store().job_list(&filter, wanted.sort.as_ref(), page.limit, after, documents).await?;
    let item = |job| -> Result<Value, Problem> {
        let whole = serde_json::to_value(wire::body(job)).map_err(Problem::internal)?;
        Ok(if wanted.fields.is_empty() { whole } else { wire::only(&whole, &wanted.fields) })
    };
    let items = found.jobs.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    list::reply(items, found.next, page.format, &headers, &uri)
}

/// Whether to wait for a change.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitParams {
    /// Answers when the job has finished (with `If-None-Match`: has changed), or after so many seconds (0 to 60).
    #[param(required = false, minimum = 0, maximum = 60)]
    wait: Option<f64>,
}

impl FromParams for WaitParams {
    fn read(params: &mut Params) -> WaitParams {
        WaitParams { wait: wait::read(params) }
    }
}

/// Gives a job; waits for it where asked to.
#[utoipa::path(get, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), WaitParams,
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` that you have; unchanged → `304`")),
    responses((status = 200, description = "The job", body = JobBody), (status = 304, description = "It has not changed"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get_one(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(WaitParams { wait }): Query<WaitParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    match (wait, known) {
        (Some(seconds), Some(tag)) => wait::changed(&app, id, seconds, tag).await?,
        (Some(seconds), None) => wait::finished(&app, id, seconds).await?,
        (None, _) => {}
    }
    let (_, revision) = app.store().job_status(id).await?;
    if conditional::has(&headers, &wire::tag(revision)) {
        return Ok(conditional::not_modified(&wire::tag(revision)));
    }
    let job = app.store().job_get(id).await?;
    Ok(conditional::tagged(axum::Json(wire::body(&job)).into_response(), &wire::tag(job.revision)))
}

/// Gives a job's status in one word.
#[utoipa::path(get, path = "/v1/jobs/{job}/status", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), WaitParams),
    responses((status = 200, description = "One word", body = String, content_type = "text/plain", example = "succeeded"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn status(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(WaitParams { wait }): Query<WaitParams>,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    if let Some(seconds) = wait {
        wait::finished(&app, id, seconds).await?;
    }
    let (status, _) = app.store().job_status(id).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], status.as_str()).into_response())
}

/// Gives the spec with every default filled in; it is a valid body of `POST /v1/jobs`.
#[utoipa::path(get, path = "/v1/jobs/{job}/spec", tag = "jobs",
    params(("job" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The resolved spec", body = crate::api::openapi::JobSpec),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn spec(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
) -> Result<axum::Json<Value>, Problem> {
    let job = app.store().job_get(job_id(&job)?).await?;
    Ok(axum::Json(job.spec.unwrap_or_default()))
}
