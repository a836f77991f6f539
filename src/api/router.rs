//! Which address answers with which handler, and what stands before all of them.

use axum::Router;
use axum::body::HttpBody;
use axum::http::{HeaderName, Method, Response, header};
use axum::middleware::{from_fn, from_fn_with_state};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{self, Problem};
use super::{
    App, Config, StartError, autotrain, checks, compare, datasets, diagnosis, drain, edge, evaluation, guard, jobs,
    openapi, operating, predictions, report, samples, weights,
};

/// A body that pauses for longer than this is given up.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// Every route of the API with its description; what is added here is behind the key.
fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .merge(datasets::routes())
        .merge(samples::routes())
        .merge(jobs::routes())
        .merge(autotrain::routes())
        .merge(checks::routes())
        .merge(compare::routes())
        .merge(weights::routes())
        .merge(evaluation::routes())
        .merge(diagnosis::routes())
        .merge(report::routes())
        .merge(predictions::routes())
        .merge(operating::routes())
        .routes(routes!(problem::page))
}

/// The health routes, which need no key.
fn health() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(operating::healthz)).routes(routes!(operating::readyz))
}

/// The OpenAPI document of all routes.
pub(super) fn document() -> OpenApi {
    let mut document = documented().merge(health()).into_openapi();
    openapi::finish(&mut document);
    document
}

/// The whole server as one router: the page and the health routes in the open, everything else behind the key.
pub(super) fn build(app: &App, config: &Config) -> Result<Router, StartError> {
    let (routes, _) = documented().split_for_parts();
    let locked = routes
        .merge(openapi::routes(document())?)
        .fallback(nothing_here)
        .layer(from_fn_with_state(app.clone(), guard::key));
    let (health, _) = health().split_for_parts();
    let mut router = health
        .merge(locked)
        .with_state(app.clone())
        .merge(config.page.clone())
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(from_fn_with_state(app.clone(), guard::host_and_origin));
    if !config.cors_origins.is_empty() {
        router = router.layer(cors(&config.cors_origins)?);
    }
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    Ok(router
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn(drain::refused_bodies))
        .layer(from_fn(edge::wrap))
        .layer(compression.compress_when(DefaultPredicate::new().and(Whole))))
}

/// A file that answers ranges has a strong tag over its bytes; those bytes travel as they are.
#[derive(Clone)]
struct Whole;

impl Predicate for Whole {
    fn should_compress<B: HttpBody>(&self, response: &Response<B>) -> bool {
        !response.headers().contains_key(header::ACCEPT_RANGES)
    }
}

async fn nothing_here(uri: axum::http::Uri) -> Problem {
    Problem::not_found("address", uri.path())
}

fn cors(origins: &[String]) -> Result<CorsLayer, StartError> {
    let parse = |origin: &String| {
        let plain = origin.trim_end_matches('/');
        let fault =
            || StartError::Flag(format!("--cors-origin takes an origin such as https://lab.example, got `{origin}`"));
        if !plain.starts_with("http://") && !plain.starts_with("https://") {
            return Err(fault());
        }
        plain.parse().map_err(|_| fault())
    };
    let origins = origins.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let name = HeaderName::from_static;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::RANGE,
            name("idempotency-key"),
            name("last-event-id"),
            name("x-request-id"),
        ])
        .expose_headers([header::ETAG, header::LINK, header::LOCATION, header::RETRY_AFTER, name("x-request-id")])
        .max_age(Duration::from_secs(600)))
}
