//! Reports of checks: the gradient check of a job, all its checks, and any report by its id.

mod alone;
pub(super) mod pictures;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::error::no_such;
use super::extract::{FromParams, Params, Query};
use super::jobs::job_id;
use super::list::{self, PageParams};
use super::problem::{Kind, Problem, ProblemBody};
use super::time;
use crate::id::CheckId;
use crate::store::Report;

/// The routes of checks.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(gradient))
        .routes(routes!(of_job))
        .routes(routes!(get_all, alone::create))
        .routes(routes!(get_one))
        .routes(routes!(pictures::of_report))
        .routes(routes!(pictures::of_job))
}

/// The report with its id, kind and verdict in front.
fn body(report: &Report) -> Value {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), report.id.to_string().into());
    fields.insert("job".to_owned(), report.job.map_or(Value::Null, |job| job.to_string().into()));
    fields.insert("kind".to_owned(), report.kind.clone().into());
    fields.insert("verdict".to_owned(), report.verdict.clone().into());
    fields.insert("created_at".to_owned(), time::text(report.created_at).into());
    fields.insert("picture".to_owned(), format!("/v1/checks/{}/picture.svg", report.id).into());
    if let Some(document) = report.document.as_object() {
        for (key, value) in document {
            fields.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    Value::Object(fields)
}

/// Which reports.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct KindParams {
    /// `data`, `gradient`, `initial_loss`, `overfit`, ….
    #[param(required = false)]
    kind: Option<String>,
}

impl FromParams for KindParams {
    fn read(params: &mut Params) -> KindParams {
        KindParams { kind: params.text("kind") }
    }
}

/// Gives the latest gradient check of a job: each tensor against finite differences in f64.
#[utoipa::path(get, path = "/v1/jobs/{job}/gradient-check", tag = "checks",
    params(("job" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The report: `{\"verdict\":\"passed\",\"tensors\":[…]}`", body = Value),
              (status = 404, description = "No such job, or its spec asked for no such check", body = ProblemBody, content_type = "application/problem+json")))]
async fn gradient(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
) -> Result<axum::Json<Value>, Problem> {
    let id = job_id(&job)?;
    let (status, _) = app.store().job_status(id).await?;
    let (reports, _) = app.store().report_list(Some(id), Some("gradient"), 1, None).await?;
    match reports.first() {
        Some(report) => Ok(axum::Json(body(report))),
        None if status.is_finished() => Err(Problem::new(
            Kind::NotFound,
            "this job has no gradient check; a spec asks for it with \"checks\":[\"gradient\"]",
        )),
        None => Err(Problem::new(Kind::NotFound, format!("the job is {status}: it has no gradient check yet"))),
    }
}

/// Lists the reports of a job's checks, newest first.
#[utoipa::path(get, path = "/v1/jobs/{job}/checks", tag = "checks",
    params(("job" = String, Path, description = "The job's id"), KindParams, PageParams),
    responses((status = 200, description = "The reports", body = Value),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
async fn of_job(
    State(app): State<App>,
    Path(job): Path<String>,
    Query((wanted, page)): Query<(KindParams, PageParams)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    app.store().job_status(id).await?;
    let (reports, next) =
        app.store().report_list(Some(id), wanted.kind.as_deref(), page.limit, page.after.as_deref()).await?;
    list::reply(reports.iter().map(body).collect(), next, page.format, &headers, &uri)
}

/// Lists all reports, newest first.
#[utoipa::path(get, path = "/v1/checks", tag = "checks", params(KindParams, PageParams),
    responses((status = 200, description = "The reports", body = Value)))]
async fn get_all(
    State(app): State<App>,
    Query((wanted, page)): Query<(KindParams, PageParams)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (reports, next) =
        app.store().report_list(None, wanted.kind.as_deref(), page.limit, page.after.as_deref()).await?;
    list::reply(reports.iter().map(body).collect(), next, page.format, &headers, &uri)
}

/// Gives one report.
#[utoipa::path(get, path = "/v1/checks/{check}", tag = "checks",
    params(("check" = String, Path, description = "The report's id")),
    responses((status = 200, description = "The report", body = Value),
              (status = 404, description = "No such report", body = ProblemBody, content_type = "application/problem+json")))]
async fn get_one(
    State(app): State<App>,
    Path(check): Path<String>,
    Query(()): Query<()>,
) -> Result<axum::Json<Value>, Problem> {
    let id: CheckId = check.parse().map_err(|error| no_such("check", &check, &error))?;
    Ok(axum::Json(body(&app.store().report_get(id).await?)))
}
