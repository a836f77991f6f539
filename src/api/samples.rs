//! The datasets that come with the binary, and those that it draws.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::datasets::{self, DatasetBody};
use super::extract::{FromParams, Params, Query};
use super::idempotency::Idempotency;
use super::list::{self, PageParams};
use super::problem::{Fault, Kind, Problem, ProblemBody};
use crate::data::samples;
use crate::id::Name;
use crate::store::DatasetPut;

/// The routes of samples.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_all)).routes(routes!(install))
}

/// What a generated sample is drawn by; each takes some of them, which `GET /v1/samples` lists with their ranges.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes the parameters, which are read by the sample's own list")]
struct DrawParams {
    /// Another seed, other data; the same seed, the same bytes.
    #[param(required = false, default = 1)]
    seed: u64,
    /// Data rows.
    #[param(required = false)]
    rows: u64,
    /// `spirals`: arms.
    #[param(required = false)]
    arms: u64,
    /// `spirals`: turns of an arm.
    #[param(required = false)]
    turns: f64,
    /// `blobs`: clouds.
    #[param(required = false)]
    clusters: u64,
    /// `blobs`: standard deviation of a cloud.
    #[param(required = false)]
    spread: f64,
    /// `rare-words`: words that tell the label.
    #[param(required = false)]
    rare: u64,
    /// `rare-words`: words that say nothing.
    #[param(required = false)]
    common: u64,
    /// `shared-words`: words.
    #[param(required = false)]
    words: u64,
    /// `shared-words`: hidden kinds of words.
    #[param(required = false)]
    kinds: u64,
    /// `shared-words`: training rows whose tag is known.
    #[param(required = false)]
    tagged: u64,
    /// `two-tasks`: training rows whose second label is known.
    #[param(required = false)]
    labelled: u64,
    /// How noisy it is, in the sample's own way.
    #[param(required = false)]
    noise: f64,
    /// The dataset's name; without it the sample's, and behind it what differs from the defaults.
    #[param(required = false, value_type = Option<String>)]
    name: String,
}

/// The parameters of all samples.
const DRAWN_BY: [&str; 13] = [
    "seed", "rows", "arms", "turns", "clusters", "spread", "rare", "common", "words", "kinds", "tagged", "labelled",
    "noise",
];

/// What was asked for, not yet read: which parameters there are depends on the sample.
struct Asked {
    values: Vec<(&'static str, String)>,
    name: Option<String>,
}

impl FromParams for Asked {
    fn read(params: &mut Params) -> Asked {
        let values = DRAWN_BY.into_iter().filter_map(|name| Some((name, params.text(name)?))).collect();
        Asked { values, name: params.text("name") }
    }
}

/// Lists the samples: bundled ones with source and licence, generated ones with what they are drawn by.
#[utoipa::path(get, path = "/v1/samples", tag = "datasets", params(PageParams),
    responses((status = 200, description = "All samples", body = super::openapi::SamplePage)))]
async fn get_all(Query(page): Query<PageParams>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let items = samples::list().iter().map(datasets::sample_body).collect();
    list::reply(items, None, page.format, &headers, &uri)
}

/// Installs a bundled dataset under its name, or draws a generated one and installs that.
///
/// The same parameters give the same bytes and so the same dataset. A spec can say as much by itself:
/// `"dataset":"sample:spirals?rows=500&seed=7"`.
#[utoipa::path(post, path = "/v1/samples/{name}", tag = "datasets",
    params(("name" = String, Path, description = "The sample's name", example = "iris"), DrawParams,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    responses((status = 201, description = "The dataset", body = DatasetBody),
              (status = 200, description = "It was installed already", body = DatasetBody),
              (status = 400, description = "A parameter that the sample does not have, or out of its range", body = ProblemBody, content_type = "application/problem+json"),
              (status = 404, description = "No such sample", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "The name is taken", body = ProblemBody, content_type = "application/problem+json")))]
async fn install(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    idempotency: Idempotency,
) -> Result<Response, Problem> {
    let sample = samples::get(&name).ok_or_else(|| Problem::not_found("sample", &name))?;
    let mut faults = Vec::new();
    let drawn = samples::choose(sample, asked.values.iter().map(|(name, value)| (*name, value.as_str())));
    let drawn = drawn.map_err(|wrong| {
        faults.extend(wrong.into_iter().map(|(name, detail)| Fault::parameter(name, detail)));
    });
    if let Some(Err(error)) = asked.name.as_ref().map(|name| name.parse::<Name>()) {
        faults.push(Fault::parameter("name", error.to_string()));
    }
    let Ok(drawn) = drawn else { return Err(Problem::faults(Kind::Malformed, faults)) };
    if !faults.is_empty() {
        return Err(Problem::faults(Kind::Malformed, faults));
    }
    let asked_for = format!("{:?} {:?}", asked.values, asked.name);
    let name = asked.name.or_else(|| drawn.name());
    let (again, key) = (app.clone(), idempotency.key());
    let made = async move |id: String| {
        Ok(datasets::answer(&DatasetPut { dataset: again.store().dataset_get(&id).await?, created: true }))
    };
    let installing = app.clone();
    let work = async move {
        let csv = installing.blocking(move || Ok(drawn.csv())).await?;
        Ok(datasets::answer(&datasets::install(&installing, name.as_deref(), &csv, key).await?))
    };
    idempotency.answer(&app, asked_for.as_bytes(), work, made).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_every_sample_is_taken_from_a_query() {
        let known = samples::list().iter().flat_map(|sample| sample.parameters.iter().map(|parameter| parameter.name));
        let known: std::collections::BTreeSet<&str> = known.collect();
        assert_eq!(known, DRAWN_BY.into_iter().collect());
    }
}
