//! Datasets: uploaded by raw body, `PUT` or form; listed, profiled, read back and deleted.
//!
//! Not here: how bytes become a table (`data`), where they lie (`store`).

mod upload;
mod wire;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use upload::{answer, install, profile_of, sample, sample_body};
pub(crate) use wire::{DatasetBody, schema};

use super::App;
use super::conditional::{self, Download};
use super::extract::{FromParams, Params, Query};
use super::list::{self, Format, PageParams};
use super::problem::{Problem, ProblemBody};
use crate::data::Table;

/// The routes of datasets.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_all, upload::create))
        .routes(routes!(get_one, upload::replace, delete))
        .routes(routes!(rows))
        .routes(routes!(file))
}

/// Filters of the list of datasets.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only the dataset of this name.
    #[param(required = false)]
    name: Option<String>,
}

impl FromParams for ListParams {
    fn read(params: &mut Params) -> ListParams {
        ListParams { name: params.text("name") }
    }
}

/// Lists datasets, newest first.
#[utoipa::path(get, path = "/v1/datasets", tag = "datasets", params(ListParams, PageParams),
    responses((status = 200, description = "A page of datasets, without their columns", body = super::openapi::DatasetPage)))]
async fn get_all(
    State(app): State<App>,
    Query((filter, page)): Query<(ListParams, PageParams)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (datasets, next) = app.store().dataset_list(filter.name.as_deref(), page.limit, page.after.as_deref()).await?;
    let items = datasets.iter().map(wire::summary).collect();
    list::reply(items, next, page.format, &headers, &uri)
}

/// Gives a dataset with the profile of each column.
#[utoipa::path(get, path = "/v1/datasets/{dataset}", tag = "datasets",
    params(("dataset" = String, Path, description = "Id, name or `sha256:…`", example = "iris")),
    responses((status = 200, description = "The dataset", body = DatasetBody),
              (status = 404, description = "No such dataset", body = ProblemBody, content_type = "application/problem+json")))]
async fn get_one(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.store().dataset_get(&key).await?;
    let tag = wire::tag(&dataset);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    Ok(conditional::tagged(axum::Json(wire::body(&dataset)).into_response(), &tag))
}

/// Whether to delete what is still used.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Force {
    /// Deletes although something still uses it.
    #[param(required = false, default = false)]
    pub(crate) force: bool,
}

impl FromParams for Force {
    fn read(params: &mut Params) -> Force {
        Force { force: params.flag("force").unwrap_or(false) }
    }
}

/// Deletes a dataset and its files.
#[utoipa::path(delete, path = "/v1/datasets/{dataset}", tag = "datasets",
    params(("dataset" = String, Path, description = "Id or name", example = "iris"), Force),
    responses((status = 204, description = "It is gone"),
              (status = 404, description = "No such dataset", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "Unfinished jobs use it", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(Force { force }): Query<Force>,
) -> Result<StatusCode, Problem> {
    app.store().dataset_delete(&key, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which rows.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct RowParams {
    /// Zero-based first row.
    #[param(required = false, default = 0)]
    offset: usize,
    /// How many rows.
    #[param(required = false, minimum = 1, maximum = 1000, default = 50)]
    limit: usize,
    /// `rows`, `csv` or `ndjson`.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for RowParams {
    fn read(params: &mut Params) -> RowParams {
        RowParams {
            offset: params.number("offset", 0..=usize::MAX).unwrap_or(0),
            limit: params.number("limit", 1..=1000).unwrap_or(50),
            format: Format::read(params),
        }
    }
}

/// Gives rows of the table, as they were understood.
#[utoipa::path(get, path = "/v1/datasets/{dataset}/rows", tag = "datasets",
    params(("dataset" = String, Path, description = "Id or name", example = "iris"), RowParams),
    responses((status = 200, description = "Rows: `{\"data\":[{…}],\"offset\":0,\"rows\":150}`", body = Value),
              (status = 404, description = "No such dataset", body = ProblemBody, content_type = "application/problem+json")))]
async fn rows(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(wanted): Query<RowParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.store().dataset_get(&key).await?;
    let path = app.store().dataset_table(&dataset);
    let (offset, limit) = (wanted.offset, wanted.limit);
    let rows =
        app.blocking(move || Ok(read_rows(&Table::open_rows(&path, offset..offset.saturating_add(limit))?))).await?;
    match Format::chosen(wanted.format, &headers) {
        Format::Json => Ok(axum::Json(json!({"data": rows, "offset": offset, "rows": dataset.rows})).into_response()),
        other => list::table(&rows, other),
    }
}

fn read_rows(table: &Table) -> Vec<Value> {
    let row = |at: usize| -> Map<String, Value> {
        table.columns.iter().map(|column| (column.name.clone(), column.cell(at).to_json())).collect()
    };
    (0..table.rows).map(|at| Value::Object(row(at))).collect()
}

/// Gives the bytes as they were uploaded.
#[utoipa::path(get, path = "/v1/datasets/{dataset}/file", tag = "datasets",
    params(("dataset" = String, Path, description = "Id or name", example = "iris")),
    responses((status = 200, description = "The file", body = String, content_type = "text/csv"),
              (status = 206, description = "The part that `Range` asks for", body = String, content_type = "text/csv"),
              (status = 404, description = "No such dataset", body = ProblemBody, content_type = "application/problem+json")))]
async fn file(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(()): Query<()>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = app.store().dataset_get(&key).await?;
    let path = app.store().dataset_original(&dataset);
    let stem = dataset.name.as_ref().map_or_else(|| dataset.id.to_string(), ToString::to_string);
    let download = Download {
        file_name: if stem.contains('.') { stem } else { format!("{stem}.{}", dataset.format) },
        content_type: "application/octet-stream",
        sha256: &dataset.sha256,
        length: dataset.bytes,
    };
    let mut response = download.file(&method, &headers, &path).await?;
    if response.headers().contains_key(CONTENT_TYPE) && dataset.format == "csv" {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/csv"));
    }
    Ok(response)
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
