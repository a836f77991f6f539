//! Jobs changed: renamed, tagged, cancelled, paused, resumed, deleted.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::wire::{self, JobBody};
use super::{job_id, wait};
use crate::api::App;
use crate::api::conditional;
use crate::api::datasets::Force;
use crate::api::extract::{JsonBody, Query, nearest};
use crate::api::problem::{Fault, Kind, Problem, ProblemBody, shortened};
use crate::store::{Asked, JobPatch};

/// A deletion by force waits this long for the worker to let go.
const LET_GO_SECONDS: f64 = 20.0;
/// The longest label.
const LABEL_CHARS: usize = 200;
/// The most tags.
const TAGS: usize = 64;

/// Changes `name`, `tags` (all of them) or `priority` (higher goes first).
#[utoipa::path(patch, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "The job's id")),
    request_body(content = crate::api::openapi::JobPatch, example = json!({"name": "baseline", "tags": {"team": "a"}, "priority": 5})),
    responses((status = 200, description = "The job", body = JobBody),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "A field is wrong", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn patch(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let (_, revision) = app.store().job_status(id).await?;
    conditional::require_match(&headers, &wire::tag(revision))?;
    let job = app.store().job_patch(id, read_patch(&body)?).await?;
    Ok(conditional::tagged(axum::Json(wire::body(&job)).into_response(), &wire::tag(job.revision)))
}

fn read_patch(body: &Value) -> Result<JobPatch, Problem> {
    let mut patch = JobPatch::default();
    let mut faults = Vec::new();
    let Some(fields) = body.as_object() else {
        return Err(Problem::faults(
            Kind::InvalidBody,
            vec![Fault::at("", "must be an object with name, tags or priority")],
        ));
    };
    for (field, value) in fields {
        let read = match field.as_str() {
            "name" => read_name(value).map(|name| patch.name = Some(name)),
            "tags" => read_tags(value).map(|tags| patch.tags = Some(tags)),
            "priority" => read_priority(value).map(|priority| patch.priority = Some(priority)),
            other => Err(match nearest(other, ["name", "tags", "priority"].into_iter()) {
                Some(known) => format!("unknown field; did you mean `{known}`?"),
                None => {
                    "unknown field; a job's name, tags and priority can be changed; `fork` changes the rest".to_owned()
                }
            }),
        };
        if let Err(detail) = read {
            faults.push(Fault::at(format!("/{}", shortened(field).replace('~', "~0").replace('/', "~1")), detail));
        }
    }
    if faults.is_empty() { Ok(patch) } else { Err(Problem::faults(Kind::InvalidBody, faults)) }
}

fn read_name(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) if (1..=LABEL_CHARS).contains(&name.chars().count()) => Ok(Some(name.clone())),
        _ => Err(format!("must be a text of 1 to {LABEL_CHARS} characters, or null")),
    }
}

fn read_tags(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let fault = || format!("must be an object of at most {TAGS} texts of at most {LABEL_CHARS} characters");
    let empty = Map::new();
    let fields = if value.is_null() { &empty } else { value.as_object().ok_or_else(fault)? };
    if fields.len() > TAGS {
        return Err(fault());
    }
    let short = |text: &str| text.chars().count() <= LABEL_CHARS;
    let tag = |(key, value): (&String, &Value)| {
        let value = value.as_str().filter(|value| short(value) && short(key) && !key.is_empty());
        Ok((key.clone(), value.ok_or_else(fault)?.to_owned()))
    };
    fields.iter().map(tag).collect()
}

fn read_priority(value: &Value) -> Result<i32, String> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number
        .filter(|number| (-1000..=1000).contains(number))
        .ok_or_else(|| "must be a whole number from -1000 to 1000".to_owned())
}

/// Ends a job: a queued one at once, a running one at its next step.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", tag = "jobs",
    params(("job" = String, Path, description = "The job's id")),
    responses((status = 202, description = "It will end", body = JobBody), (status = 200, description = "It was cancelled already", body = JobBody),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "It has finished", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let asked = app.store().job_cancel(id, "a client asked for it").await?;
    app.workers().cancel(id);
    Ok(accepted(&asked))
}

/// Stops a job until it is resumed; a running one keeps its state at its next step.
#[utoipa::path(post, path = "/v1/jobs/{job}/pause", tag = "jobs",
    params(("job" = String, Path, description = "The job's id")),
    responses((status = 202, description = "It will pause", body = JobBody), (status = 200, description = "It was paused already", body = JobBody),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "It has finished", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn pause(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let asked = app.store().job_pause(id, "a client asked for it").await?;
    app.workers().pause(id);
    Ok(accepted(&asked))
}

/// Lets a paused job go on, to the same bits as if it had not paused.
#[utoipa::path(post, path = "/v1/jobs/{job}/resume", tag = "jobs",
    params(("job" = String, Path, description = "The job's id")),
    responses((status = 202, description = "It will go on", body = JobBody), (status = 200, description = "It was not paused", body = JobBody),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "It has finished", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn resume(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let asked = app.store().job_resume(id, "a client asked for it").await?;
    app.workers().wake();
    Ok(accepted(&asked))
}

fn accepted(asked: &Asked) -> Response {
    let status = if asked.changed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let response = (status, axum::Json(wire::body(&asked.job))).into_response();
    conditional::tagged(response, &wire::tag(asked.job.revision))
}

/// Deletes a finished job and everything it has; `force` cancels it first.
#[utoipa::path(delete, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), Force),
    responses((status = 204, description = "It is gone"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "It has not finished", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(Force { force }): Query<Force>,
) -> Result<StatusCode, Problem> {
    let id = job_id(&job)?;
    let (status, _) = app.store().job_status(id).await?;
    if force && !status.is_finished() {
        app.store().job_cancel(id, "a client deletes it").await?;
        app.workers().cancel(id);
        wait::finished(&app, id, LET_GO_SECONDS).await?;
    }
    app.store().job_delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let patch = read_patch(&json!({"priority": 3, "name": null})).unwrap();
        assert_eq!((patch.priority, patch.name, patch.tags), (Some(3), Some(None), None));
    }

    #[test]
    fn every_wrong_field_of_a_patch_is_named() {
        let problem = read_patch(&json!({"nmae": "a", "priority": 1.5, "tags": {"a": 1}})).unwrap_err();
        assert!(problem.detail().contains("did you mean `name`"), "{}", problem.detail());
        assert!(problem.detail().contains("and 2 more"), "{}", problem.detail());
    }
}
