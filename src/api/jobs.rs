//! Jobs and everything that a job gives, one file a part.

mod change;
mod checkpoints;
mod create;
mod embeddings;
pub(super) mod events;
pub(super) mod feed;
pub(super) mod layers;
pub(super) mod lineage;
pub(super) mod metrics;
mod read;
mod wait;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::error::no_such;
use super::problem::Problem;
use crate::id::JobId;

/// The routes of jobs.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read::get_all, create::create))
        .routes(routes!(read::get_one, change::patch, change::delete))
        .routes(routes!(read::status))
        .routes(routes!(read::spec))
        .routes(routes!(change::cancel))
        .routes(routes!(change::pause))
        .routes(routes!(change::resume))
        .routes(routes!(create::fork))
        .routes(routes!(metrics::get))
        .routes(routes!(metrics::picture))
        .routes(routes!(events::get))
        .routes(routes!(events::log))
        .routes(routes!(checkpoints::get_all))
        .routes(routes!(checkpoints::get_one, checkpoints::delete))
        .routes(routes!(checkpoints::weights))
        .routes(routes!(embeddings::get))
        .routes(routes!(layers::get))
        .routes(routes!(layers::picture))
        .routes(routes!(lineage::get))
}

/// The id in an address; what is none names no job.
pub(super) fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|error| no_such("job", text, &error))
}
