//! The datasets that come with the binary.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::datasets::{self, DatasetBody};
use super::extract::Query;
use super::idempotency::Idempotency;
use super::list::{self, PageParams};
use super::problem::{Problem, ProblemBody};
use crate::data::samples;
use crate::store::DatasetPut;

/// The routes of samples.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_all)).routes(routes!(install))
}

/// Lists the bundled datasets with source and licence.
#[utoipa::path(get, path = "/v1/samples", tag = "datasets", params(PageParams),
    responses((status = 200, description = "All samples", body = super::openapi::SamplePage)))]
async fn get_all(Query(page): Query<PageParams>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let items = samples::list().iter().map(datasets::sample_body).collect();
    list::reply(items, None, page.format, &headers, &uri)
}

/// Installs a bundled dataset under its name.
#[utoipa::path(post, path = "/v1/samples/{name}", tag = "datasets",
    params(("name" = String, Path, description = "The sample's name", example = "iris"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    responses((status = 201, description = "The dataset", body = DatasetBody),
              (status = 200, description = "It was installed already", body = DatasetBody),
              (status = 404, description = "No such sample", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "The name is taken", body = ProblemBody, content_type = "application/problem+json")))]
async fn install(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(()): Query<()>,
    idempotency: Idempotency,
) -> Result<Response, Problem> {
    let sample = samples::get(&name).ok_or_else(|| Problem::not_found("sample", &name))?;
    let (again, key) = (app.clone(), idempotency.key());
    let made = async move |id: String| {
        Ok(datasets::answer(&DatasetPut { dataset: again.store().dataset_get(&id).await?, created: true }))
    };
    let installing = app.clone();
    let work =
        async move { Ok(datasets::answer(&datasets::install(&installing, sample.name, &sample.csv(), key).await?)) };
    idempotency.answer(&app, &[], work, made).await
}
