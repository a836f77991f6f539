//! Health, readiness, what the server is and what a spec may ask of it.

use axum::extract::State;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::extract::Query;
use super::problem::{Kind, Problem, ProblemBody};

/// The routes that need the key.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(server)).routes(routes!(capabilities))
}

/// Tells what this server is: version, limits, workers, and what its data directory holds.
#[utoipa::path(get, path = "/v1/server", tag = "operating", responses((status = 200, description = "The server", body = Value)))]
async fn server(State(app): State<App>, Query(()): Query<()>) -> Result<axum::Json<Value>, Problem> {
    let usage = app.store().usage().await?;
    let jobs: serde_json::Map<String, Value> =
        usage.jobs.iter().map(|(status, count)| (status.as_str().to_owned(), (*count).into())).collect();
    let limits = app.limits();
    Ok(axum::Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": app.uptime().as_secs_f64(),
        "authentication": if app.api_key().is_some() { "bearer" } else { "none" },
        "draining": app.draining().is_cancelled(),
        "workers": {"count": app.worker_count(), "running": app.workers().running()},
        "open": {
            "waits": limits.waits.saturating_sub(app.waits().available_permits()),
            "streams": app.streams().taken(),
        },
        "limits": {
            "upload_bytes": limits.upload_bytes,
            "json_bytes": limits.json_bytes,
            "streams": limits.streams,
            "streams_per_client": limits.streams_per_client,
            "waits": limits.waits,
            "queue": limits.queue,
            "memory_bytes": limits.memory_bytes,
            "keep_free_bytes": limits.keep_free_bytes,
        },
        "data": {
            "database_bytes": usage.database_bytes,
            "files_bytes": usage.files_bytes,
            "free_bytes": usage.free_bytes,
            "nearly_full": app.store().is_nearly_full().await?,
            "datasets": usage.datasets,
        },
        "jobs": jobs,
    })))
}

/// Lists everything that a spec may ask for, with parameters, defaults and ranges.
#[utoipa::path(get, path = "/v1/capabilities", tag = "operating", responses((status = 200, description = "All choices", body = Value)))]
async fn capabilities(Query(()): Query<()>) -> axum::Json<Value> {
    axum::Json(crate::spec::capabilities())
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/healthz", tag = "operating", security(()),
    responses((status = 200, description = "The process answers", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server takes work: the store is writable, the workers live, and it is not draining.
#[utoipa::path(get, path = "/readyz", tag = "operating", security(()),
    responses((status = 200, description = "Ready", body = String, content_type = "text/plain"),
              (status = 503, description = "Not ready", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.draining().is_cancelled() {
        return Err(Problem::new(Kind::Busy, "the server is draining").retry_after(5));
    }
    if !app.workers().is_alive() {
        return Err(Problem::new(Kind::Busy, "the workers have stopped").retry_after(5));
    }
    app.store().ping().await?;
    Ok("ready\n")
}
