//! The OpenAPI document: its head, what all operations share, and the page that shows it.

use axum::Router;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::ToSchema;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use super::datasets::DatasetBody;
use super::{App, StartError};

/// The document without its paths.
pub(super) fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Trainyard")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Training as a service for feed-forward neural networks: upload data, post a job, watch the loss, ask for \
             predictions, take the model away.",
        ))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .build();
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The server's API key; a server on loopback may have none."))
            .build(),
    );
    OpenApiBuilder::new()
        .info(info)
        .components(Some(ComponentsBuilder::new().security_scheme("key", bearer).build()))
        .security(Some([SecurityRequirement::new::<_, _, &str>("key", [])]))
        .build()
}

/// Adds what every operation has in common.
pub(super) fn finish(document: &mut OpenApi) {
    let _ = document;
}

/// `/openapi.json` and `/docs`.
pub(super) fn routes(document: OpenApi) -> Result<Router<App>, StartError> {
    let text = document.to_json().map_err(|error| StartError::Flag(format!("the OpenAPI document: {error}")))?;
    let text = bytes::Bytes::from(text);
    let json = HeaderValue::from_static("application/json");
    let serve = async move || ([(CONTENT_TYPE, json.clone())], text.clone()).into_response();
    let page = SwaggerUi::new("/docs").config(Config::new([Url::new("trainyard", "/openapi.json")]));
    Ok(Router::new().route("/openapi.json", get(serve)).merge(page))
}

/// A page of datasets.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(super) struct DatasetPage {
    /// The datasets, newest first, without `columns`.
    data: Vec<DatasetBody>,
    /// Whether there are more.
    has_more: bool,
    /// Goes into `?after=` for the next page.
    next_cursor: Option<String>,
}
