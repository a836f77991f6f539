//! The checkpoints of a job and the weights in them.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::job_id;
use crate::api::App;
use crate::api::conditional::{self, Download};
use crate::api::datasets;
use crate::api::extract::Query;
use crate::api::list::{self, PageParams};
use crate::api::models;
use crate::api::problem::{Problem, ProblemBody};
use crate::api::time;
use crate::export;
use crate::store::Checkpoint;
use crate::train::checkpoint::decode;

/// A checkpoint of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Checkpoint)]
pub(super) struct CheckpointBody {
    /// Its id.
    id: String,
    /// The job.
    job: String,
    /// Steps completed.
    step: u64,
    /// Epochs completed.
    epoch: u64,
    /// It is the best so far.
    best: bool,
    /// It is the last so far.
    last: bool,
    /// The monitored metric there.
    #[schema(example = "val_loss")]
    metric: Option<String>,
    /// Its value.
    value: Option<f64>,
    /// Length of all of it.
    bytes: u64,
    /// SHA-256 of all of it.
    sha256: String,
    /// SHA-256 of the weights alone: equal for equal weights.
    weights_sha256: String,
    /// When it was written.
    created_at: String,
    /// Where the weights are.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    links: Value,
}

/// A page of checkpoints.
#[derive(ToSchema)]
#[schema(as = CheckpointPage)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(super) struct CheckpointPageBody {
    data: Vec<CheckpointBody>,
    has_more: bool,
    next_cursor: Option<String>,
}

fn body(checkpoint: &Checkpoint) -> CheckpointBody {
    let base = format!("/v1/jobs/{}/checkpoints/{}", checkpoint.job, checkpoint.id);
    CheckpointBody {
        id: checkpoint.id.to_string(),
        job: checkpoint.job.to_string(),
        step: checkpoint.step,
        epoch: checkpoint.epoch,
        best: checkpoint.best,
        last: checkpoint.last,
        metric: checkpoint.metric.as_ref().map(|(name, _)| name.clone()),
        value: checkpoint.metric.as_ref().map(|(_, value)| *value).filter(|value| value.is_finite()),
        bytes: checkpoint.bytes,
        sha256: checkpoint.sha256.clone(),
        weights_sha256: checkpoint.weights_sha256.clone(),
        created_at: time::text(checkpoint.created_at),
        links: serde_json::json!({"self": base, "weights": format!("{base}/weights")}),
    }
}

/// Lists the checkpoints of a job, newest first.
#[utoipa::path(get, path = "/v1/jobs/{job}/checkpoints", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), PageParams),
    responses((status = 200, description = "The checkpoints", body = CheckpointPageBody),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get_all(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(page): Query<PageParams>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let all = app.store().checkpoint_list(job_id(&job)?).await?;
    // The list of one job is short; its cursor is an id, newest first.
    let rest: Vec<&Checkpoint> = match &page.after {
        Some(cursor) => all.iter().skip_while(|one| one.id.to_string() != *cursor).skip(1).collect(),
        None => all.iter().collect(),
    };
    let limit = page.limit as usize;
    let shown = rest.get(..limit).unwrap_or(&rest);
    let next = shown.last().filter(|_| rest.len() > limit).map(|one| one.id.to_string());
    let items = shown.iter().map(|one| serde_json::to_value(body(one)).map_err(Problem::internal));
    list::reply(items.collect::<Result<_, _>>()?, next, page.format, &headers, &uri)
}

/// Gives a checkpoint of a job.
#[utoipa::path(get, path = "/v1/jobs/{job}/checkpoints/{checkpoint}", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"),
        ("checkpoint" = String, Path, description = "Id, `best`, `last` or `step-N`", example = "best")),
    responses((status = 200, description = "The checkpoint", body = CheckpointBody),
              (status = 404, description = "No such checkpoint", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get_one(
    State(app): State<App>,
    Path((job, checkpoint)): Path<(String, String)>,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = app.store().checkpoint_get(job_id(&job)?, &checkpoint).await?;
    let tag = format!("W/\"{}.{}{}\"", found.id, u8::from(found.best), u8::from(found.last));
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    Ok(conditional::tagged(axum::Json(body(&found)).into_response(), &tag))
}

/// Gives the weights as safetensors.
#[utoipa::path(get, path = "/v1/jobs/{job}/checkpoints/{checkpoint}/weights", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"),
        ("checkpoint" = String, Path, description = "Id, `best`, `last` or `step-N`", example = "best")),
    responses((status = 200, description = "A safetensors file", body = String, content_type = "application/octet-stream"),
              (status = 206, description = "The part that `Range` asks for", body = String, content_type = "application/octet-stream"),
              (status = 404, description = "No such checkpoint", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn weights(
    State(app): State<App>,
    Path((job, checkpoint)): Path<(String, String)>,
    Query(()): Query<()>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let (found, bytes) = models::read(&app, id, &checkpoint).await?;
    let file = app.blocking(move || Ok(export::safetensors(&decode(&bytes).map_err(Problem::internal)?))).await?;
    let sha256 = datasets::sha256_hex(&file);
    let download = Download {
        file_name: format!("{id}-step-{}.safetensors", found.step),
        content_type: "application/octet-stream",
        sha256: &sha256,
        length: file.len() as u64,
    };
    download.bytes(&method, &headers, file.into())
}

/// Deletes a checkpoint and gives its space back.
#[utoipa::path(delete, path = "/v1/jobs/{job}/checkpoints/{checkpoint}", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"),
        ("checkpoint" = String, Path, description = "Id, `best`, `last` or `step-N`", example = "step-100")),
    responses((status = 204, description = "It is gone"),
              (status = 404, description = "No such checkpoint", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "The job still needs it", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<App>,
    Path((job, checkpoint)): Path<(String, String)>,
    Query(()): Query<()>,
) -> Result<StatusCode, Problem> {
    app.store().checkpoint_delete(job_id(&job)?, &checkpoint).await?;
    Ok(StatusCode::NO_CONTENT)
}
