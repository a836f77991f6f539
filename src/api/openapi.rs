//! The OpenAPI document: its head, what all operations share, and the page that shows it.

mod schemas;

use axum::Router;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    ResponseBuilder,
};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

pub(super) use schemas::{DatasetPage, JobPatch, JobSpec, SamplePage};

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

/// Adds what every operation has in common: an id, and the shape of all its errors.
pub(super) fn finish(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (verb, operation) in operations.into_iter().filter_map(|(verb, slot)| Some((verb, slot.as_mut()?))) {
            operation.operation_id = Some(operation_id(verb, path));
            if takes_format(operation) {
                add_forms(operation);
            }
            let responses = &mut operation.responses.responses;
            responses
                .entry("default".to_owned())
                .or_insert_with(|| problem("Any other error: a problem document").into());
            if operation.security.is_none() {
                responses.entry("401".to_owned()).or_insert_with(|| problem("The key is missing or wrong").into());
            }
        }
    }
}

fn takes_format(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "format"))
}

/// `?format=` also gives a bare array of flat objects, CSV, or a JSON object a line.
fn add_forms(operation: &mut Operation) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else { return };
    if let Some(RefOr::T(json)) = response.content.get_mut("application/json")
        && let Some(document) = json.schema.take()
    {
        let rows = ArrayBuilder::new().items(ObjectBuilder::new()).description(Some("With `format=rows`"));
        json.schema = Some(RefOr::T(OneOfBuilder::new().item(document).item(rows).into()));
    }
    let text = || RefOr::T(ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build());
    response.content.entry("text/csv".to_owned()).or_insert_with(text);
    response.content.entry("application/x-ndjson".to_owned()).or_insert_with(text);
}

fn problem(description: &str) -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

/// `get /v1/jobs/{job}/loss.svg` is `get_jobs_loss_svg`, `get /v1/jobs/{job}` is `get_jobs_by_job`.
fn operation_id(verb: &str, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != "v1").collect();
    let mut id = verb.to_owned();
    for (at, part) in parts.iter().enumerate() {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(parameter) if at + 1 == parts.len() => id.push_str(&format!("_by_{parameter}")),
            Some(_) => {}
            None => id.push_str(&format!("_{}", part.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))),
        }
    }
    id
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
