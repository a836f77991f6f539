//! Uploaded weights: safetensors files to start from.

use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::conditional::Download;
use super::error::no_such;
use super::extract::{FromParams, Params, Query};
use super::idempotency::Idempotency;
use super::list::{self, PageParams};
use super::problem::{Fault, Kind, Problem, ProblemBody};
use super::time;
use super::upload::receive;
use crate::export::{self, TensorSummary};
use crate::id::{Name, ParseError, WeightsId};
use crate::store::{NewWeights, Staged, Weights};

/// The routes of weights.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_all, create)).routes(routes!(get_one, delete)).routes(routes!(file))
}

/// Uploaded weights.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Weights)]
struct WeightsBody {
    /// Its id.
    #[schema(example = "wts_01a20b4cfb0474edb3e48ff00d88a447")]
    id: String,
    /// A label.
    name: Option<String>,
    /// Length of the file.
    bytes: u64,
    /// SHA-256 of the file.
    sha256: String,
    /// `[{"name","dtype","shape"}]`.
    #[schema(value_type = Vec<Object>)]
    tensors: Value,
    /// When it was made.
    created_at: String,
    /// Where the file is.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    links: Value,
}

fn body(weights: &Weights) -> WeightsBody {
    let base = format!("/v1/weights/{}", weights.id);
    WeightsBody {
        id: weights.id.to_string(),
        name: weights.name.as_ref().map(ToString::to_string),
        bytes: weights.bytes,
        sha256: weights.sha256.clone(),
        tensors: weights.summary.clone(),
        created_at: time::text(weights.created_at),
        links: json!({"self": base, "file": format!("{base}/file")}),
    }
}

/// What to call the file.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct UploadParams {
    /// A label.
    #[param(required = false, pattern = "[A-Za-z0-9._-]{1,64}")]
    name: Option<String>,
}

impl FromParams for UploadParams {
    fn read(params: &mut Params) -> UploadParams {
        UploadParams { name: params.text("name") }
    }
}

/// Uploads a safetensors file, for `warm_start` or as word vectors.
#[utoipa::path(post, path = "/v1/weights", tag = "weights", params(UploadParams,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    request_body(content = String, content_type = "application/octet-stream", description = "The file, or a form with a `file`"),
    responses((status = 201, description = "The weights", body = WeightsBody), (status = 200, description = "The same bytes were there already", body = WeightsBody),
              (status = 413, description = "The file is too large", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "Not a safetensors file", body = ProblemBody, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    Query(params): Query<UploadParams>,
    idempotency: Idempotency,
    request: Request,
) -> Result<Response, Problem> {
    let received = receive(&app, request).await?;
    let wrong = |error: ParseError| Problem::faults(Kind::Malformed, vec![Fault::parameter("name", error.to_string())]);
    let name = params.name.map(|name| name.parse::<Name>().map_err(wrong)).transpose()?;
    let (sha256, key) = (received.file.sha256().to_owned(), idempotency.key());
    let again = app.clone();
    let made = async move |id: String| {
        let id: WeightsId = id.parse().map_err(|error| no_such("weights", &id, &error))?;
        Ok(answer(&again.store().weights_get(id).await?, true))
    };
    let work = insert(app.clone(), received.file, name, key);
    idempotency.answer(&app, sha256.as_bytes(), work, made).await
}

async fn insert(
    app: App,
    file: Staged,
    name: Option<Name>,
    idempotency: Option<crate::store::IdempotencyKey>,
) -> Result<Response, Problem> {
    let (file, summary) = app.blocking(move || summary(&file).map(|summary| (file, summary))).await?;
    let (weights, created) = app.store().weights_insert(NewWeights { name, summary, file, idempotency }).await?;
    Ok(answer(&weights, created))
}

/// The names, types and shapes of the tensors (blocking).
fn summary(file: &Staged) -> Result<Value, Problem> {
    let refused = |detail: String| Problem::new(Kind::InvalidWeights, format!("not a safetensors file: {detail}"));
    let tensors = export::summary(&mut file.open()?).map_err(refused)?;
    let body = |tensor: TensorSummary| json!({"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape});
    Ok(tensors.into_iter().map(body).collect())
}

fn answer(weights: &Weights, created: bool) -> Response {
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, axum::Json(body(weights))).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/weights/{}", weights.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Lists uploaded weights, newest first.
#[utoipa::path(get, path = "/v1/weights", tag = "weights", params(PageParams),
    responses((status = 200, description = "A page of weights", body = Value)))]
async fn get_all(
    State(app): State<App>,
    Query(page): Query<PageParams>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (weights, next) = app.store().weights_list(page.limit, page.after.as_deref()).await?;
    let items = weights.iter().map(|one| serde_json::to_value(body(one)).map_err(Problem::internal));
    list::reply(items.collect::<Result<_, _>>()?, next, page.format, &headers, &uri)
}

/// Tells what is in uploaded weights.
#[utoipa::path(get, path = "/v1/weights/{weights}", tag = "weights",
    params(("weights" = String, Path, description = "The id")),
    responses((status = 200, description = "The weights", body = WeightsBody),
              (status = 404, description = "No such weights", body = ProblemBody, content_type = "application/problem+json")))]
async fn get_one(
    State(app): State<App>,
    Path(weights): Path<String>,
    Query(()): Query<()>,
) -> Result<axum::Json<WeightsBody>, Problem> {
    Ok(axum::Json(body(&find(&app, &weights).await?)))
}

/// Gives the file as it was uploaded.
#[utoipa::path(get, path = "/v1/weights/{weights}/file", tag = "weights",
    params(("weights" = String, Path, description = "The id")),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
              (status = 404, description = "No such weights", body = ProblemBody, content_type = "application/problem+json")))]
async fn file(
    State(app): State<App>,
    Path(weights): Path<String>,
    Query(()): Query<()>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let weights = find(&app, &weights).await?;
    let download = Download {
        file_name: format!("{}.safetensors", weights.id),
        content_type: "application/octet-stream",
        sha256: &weights.sha256,
        length: weights.bytes,
    };
    download.file(&method, &headers, &app.store().weights_file(&weights)).await
}

/// Deletes uploaded weights.
#[utoipa::path(delete, path = "/v1/weights/{weights}", tag = "weights",
    params(("weights" = String, Path, description = "The id")),
    responses((status = 204, description = "They are gone"),
              (status = 404, description = "No such weights", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Path(weights): Path<String>,
    Query(()): Query<()>,
) -> Result<StatusCode, Problem> {
    let weights = find(&app, &weights).await?;
    app.store().weights_delete(weights.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, text: &str) -> Result<Weights, Problem> {
    let id: WeightsId = text.parse().map_err(|error| no_such("weights", text, &error))?;
    Ok(app.store().weights_get(id).await?)
}
