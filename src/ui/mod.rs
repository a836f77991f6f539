//! Serves the built dashboard from the binary; it speaks only the public API.
//!
//! Not a file server: the routes of the dashboard are named here one by one, so that a mistyped API path stays a `404`
//! of the API and never becomes a page. The page and its assets are public; they hold no data, and ask for a key
//! themselves when the API wants one.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `npm run build` left in `web/dist`: in the binary of a release build, read from the folder in a debug build.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dashboard;

/// The routes of the dashboard's own pages; each answers with the same document, which then draws the page.
const PAGES: [&str; 9] = [
    "/",
    "/jobs",
    "/jobs/new",
    "/jobs/{id}",
    "/autotrain",
    "/autotrain/{id}",
    "/compare",
    "/datasets",
    "/datasets/{id}",
];

/// Only what the binary serves may run, be drawn or be asked; pictures may also come from memory, because they are
/// fetched with the key in a header.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
/// The hint page has no script and one inline style.
const HINT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// A name that changes with the content may be kept for ever.
const HASHED: &str = "public, max-age=31536000, immutable";
const REVALIDATED: &str = "no-cache";

/// Gives the routes of the dashboard: its pages, `/assets/…` and the icon. Nothing here reads state or needs a key.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let mut router = Router::new().route("/assets/{name}", get(asset)).route("/favicon.svg", get(icon));
    for page in PAGES {
        router = router.route(page, get(document));
    }
    router
}

/// Says whether the dashboard was built into this binary.
pub fn built() -> bool {
    Dashboard::get("index.html").is_some()
}

async fn document(headers: HeaderMap) -> Response {
    match Dashboard::get("index.html") {
        Some(file) => answer(&headers, file, REVALIDATED),
        None => hint(),
    }
}

async fn asset(headers: HeaderMap, Path(name): Path<String>) -> Response {
    // The build leaves its assets flat. A debug build reads the folder itself, so no name may lead out of it.
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return missing();
    }
    match Dashboard::get(&format!("assets/{name}")) {
        Some(file) => answer(&headers, file, HASHED),
        None => missing(),
    }
}

async fn icon(headers: HeaderMap) -> Response {
    match Dashboard::get("favicon.svg") {
        Some(file) => answer(&headers, file, REVALIDATED),
        None => missing(),
    }
}

fn answer(request: &HeaderMap, file: EmbeddedFile, caching: &'static str) -> Response {
    let tag = tag(&file);
    let unchanged = matches(request, &tag);
    let kind = content_type(file.metadata.mimetype());
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_response() };
    let headers = response.headers_mut();
    if !unchanged && let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    guard(headers, POLICY);
    response
}

/// A weak tag, since compression on the way may change the bytes: the first half of the content's SHA-256.
fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{hex}\"")
}

/// RFC 9110, 13.1.2: any of the listed tags, compared weakly, or `*`.
fn matches(request: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let ours = opaque(tag);
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|theirs| theirs.trim() == "*" || opaque(theirs) == ours)
}

fn content_type(mime: &str) -> String {
    if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

fn guard(headers: &mut HeaderMap, policy: &'static str) {
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// An old page may ask for an asset that a newer binary no longer has; nobody may keep that answer.
fn missing() -> Response {
    let mut response = (StatusCode::NOT_FOUND, "no such asset; reload the page\n").into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guard(response.headers_mut(), POLICY);
    response
}

fn hint() -> Response {
    let mut response = axum::response::Html(include_str!("hint.html")).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guard(response.headers_mut(), HINT_POLICY);
    response
}

#[cfg(test)]
mod tests;
