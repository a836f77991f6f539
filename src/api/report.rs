//! The report of a job: one page for people with everything that is known of it, to read, to print, to keep. It asks for nothing
//! once it is there.
//!
//! Not here: what a page looks like (`page`), what is found and measured (`diagnosis`, `evaluation`, `checks`).

mod sections;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use maud::html;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::conditional;
use super::extract::Query;
use super::jobs::{job_id, wire};
use super::page;
use super::problem::{Problem, ProblemBody};
use crate::store::Job;

/// The route of reports.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// Gives one self-contained page about a job: curves, layers, checks, evaluation, findings, lineage and spec.
#[utoipa::path(get, path = "/v1/jobs/{job}/report", tag = "jobs",
    params(("job" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"),
              (status = 304, description = "Nothing has changed"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let job = app.store().job_get(id).await?;
    // Forks that came later change the page too, and do not change the job.
    let family = super::jobs::lineage::family(&app, id).await?;
    let revisions = family.steps.iter().map(|step| step.job.revision).sum::<u64>();
    let tag = format!("{}.{}.{revisions}\"", wire::tag(job.revision).trim_end_matches('"'), family.steps.len());
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let title = name_of(&job);
    let body = html! {
        main {
            (sections::head(&job, &title))
            (sections::findings(&app, &job).await?)
            (sections::folds(&job))
            (sections::curves(&app, &job, &family).await?)
            (sections::layers(&app, &job).await?)
            (sections::checks(&app, &job).await?)
            (sections::evaluation(&app, &job).await)
            (sections::lineage(&job, &family))
            (sections::spec(&job))
        }
    };
    Ok(conditional::tagged(page::answer(&title, &body)?, &tag))
}

/// What a job is called: its name, or its dataset and id.
fn name_of(job: &Job) -> String {
    let dataset = job.dataset.name.as_deref().unwrap_or("job");
    job.name.clone().unwrap_or_else(|| format!("{dataset} · {}", job.id))
}
