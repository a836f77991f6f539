//! Health, readiness and what the server is.

use axum::extract::State;

use super::App;
use super::problem::{Kind, Problem, ProblemBody};

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
