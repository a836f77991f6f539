//! The one shape of every error answer: RFC 9457 `application/problem+json`, with a stable code and a page that explains it.
//!
//! Not here: which error of which room becomes which problem (`error`).

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Declares every problem type once: its variant, status, code, title and what its page says.
macro_rules! kinds {
    ($($variant:ident $status:literal $code:literal $title:literal $about:literal;)+) => {
        /// A problem type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $(#[doc = $title] $variant),+ }

        impl Kind {
            pub(crate) const ALL: &[Kind] = &[$(Kind::$variant),+];

            pub(crate) fn status(self) -> StatusCode {
                let status: u16 = match self { $(Kind::$variant => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            /// The stable name for programs.
            pub(crate) fn code(self) -> &'static str { match self { $(Kind::$variant => $code),+ } }
            pub(crate) fn title(self) -> &'static str { match self { $(Kind::$variant => $title),+ } }
            fn about(self) -> &'static str { match self { $(Kind::$variant => $about),+ } }
        }
    };
}

kinds! {
    Malformed 400 "malformed_request" "The request cannot be read"
        "The body is not JSON, is nested too deeply, or a query parameter is unknown or out of its range. `errors` names each place.";
    Unauthorized 401 "unauthorized" "A key is needed"
        "Send the server's API key as `Authorization: Bearer KEY`. With curl: `-H \"Authorization: Bearer $TRAINYARD_API_KEY\"`.";
    ForbiddenHost 403 "forbidden_host" "This host name is not served"
        "The `Host` header names a host that this server does not answer for, which is how DNS rebinding attacks look. Use localhost or 127.0.0.1, or start the server with `--allowed-host NAME`.";
    ForbiddenOrigin 403 "forbidden_origin" "Pages of this origin may not write"
        "A browser page of another origin tried to change something. Start the server with `--cors-origin ORIGIN` if that page is yours.";
    NotFound 404 "not_found" "There is nothing here"
        "No route, dataset, job, checkpoint or report answers to this address. `detail` says which part was not found; the lists show what is there.";
    MethodNotAllowed 405 "method_not_allowed" "This method does nothing here"
        "The `Allow` header lists the methods that this address answers.";
    NotAcceptable 406 "not_acceptable" "The answer is not available in that form"
        "`format` or `Accept` asks for a form that this address does not have. `detail` lists those it has.";
    Timeout 408 "request_timeout" "The request took too long"
        "The body arrived too slowly, or the answer could not be computed in the time allowed.";
    NameTaken 409 "name_taken" "The name is taken"
        "Another dataset with other bytes or other parse options has this name. Choose another name, delete the old one, or move the name with `PUT /v1/datasets/{name}`.";
    WrongState 409 "wrong_state" "The state does not allow this"
        "The job or dataset is in a state in which this cannot be done. `detail` names the state and what is possible.";
    InUse 409 "in_use" "Something still needs it"
        "Unfinished jobs use this, so it is not deleted. Wait for them, cancel them, or add `?force=true`.";
    InProgress 409 "idempotency_in_progress" "The first request with this key is still under way"
        "A request with the same `Idempotency-Key` has not been answered yet. Try again in a moment; the same answer will be given.";
    Precondition 412 "precondition_failed" "It has changed since"
        "The `If-Match` header does not name the present version.";
    TooLarge 413 "too_large" "The body is too large"
        "The body, as sent or as unpacked, goes beyond a bound of this server; `detail` names the bound. The operator sets it with `--max-upload-bytes` or `--max-json-bytes`.";
    UnsupportedMedia 415 "unsupported_media_type" "This body is of the wrong type"
        "JSON routes take `Content-Type: application/json`; `curl --json '{…}'` sends it. Uploads take any type.";
    Range 416 "range_not_satisfiable" "The range lies outside the file"
        "`Content-Range` tells the file's length.";
    InvalidSpec 422 "invalid_job_spec" "The job spec has faults"
        "`errors` lists every fault with a JSON pointer to its place and what would be right. `GET /v1/capabilities` lists all fields with their ranges and defaults.";
    InvalidBody 422 "invalid_body" "The body has faults"
        "The body is JSON, but a field is unknown, missing or out of its range. `errors` lists the places.";
    InvalidDataset 422 "invalid_dataset" "The data file cannot be used"
        "The file is not a table that this server reads, or breaks in a line. `detail` names line and column. Nothing of it was kept.";
    InvalidRows 422 "invalid_rows" "The rows cannot be predicted"
        "An input column is missing, or a cell has the wrong type. `errors` names row and column.";
    InvalidWeights 422 "invalid_weights" "The weights cannot be used"
        "The file is not safetensors, or its tensors do not fit the network.";
    KeyReused 422 "idempotency_key_reused" "This key belongs to another request"
        "The `Idempotency-Key` was used before with another body or address. Use a new key for a new request.";
    TooMany 429 "too_many_requests" "Too much at once"
        "The queue is full, or too many streams or waiting requests are open. `Retry-After` says when to try again.";
    Internal 500 "internal_error" "The server failed"
        "This is a defect of the server. Its log holds the cause under the `request_id`.";
    Busy 503 "unavailable" "Not just now"
        "The server is draining, or its store is busy. `Retry-After` says when to try again.";
    DiskFull 507 "disk_full" "The data directory is nearly full"
        "Reading, predicting and deleting go on; new data and jobs wait until there is room.";
}

impl Kind {
    /// The code as it stands in the address: `invalid-job-spec`.
    fn slug(self) -> String {
        self.code().replace('_', "-")
    }

    /// The kind that fits a bare status, for answers that a library made.
    fn of_status(status: StatusCode) -> Kind {
        match status.as_u16() {
            401 => Kind::Unauthorized,
            403 => Kind::ForbiddenOrigin,
            404 => Kind::NotFound,
            405 => Kind::MethodNotAllowed,
            406 => Kind::NotAcceptable,
            408 => Kind::Timeout,
            409 => Kind::WrongState,
            412 => Kind::Precondition,
            413 => Kind::TooLarge,
            415 => Kind::UnsupportedMedia,
            416 => Kind::Range,
            422 => Kind::InvalidBody,
            429 => Kind::TooMany,
            503 => Kind::Busy,
            507 => Kind::DiskFull,
            code if code < 500 => Kind::Malformed,
            _ => Kind::Internal,
        }
    }
}

/// Why a job failed, as its `error` tells; these are no answers, but have pages too: code, title, explanation.
const FAILURES: [(&str, &str, &str); 12] = [
    (
        "diverged",
        "The numbers stopped being finite",
        "A loss, weight or gradient became infinite or not a number. `error` names the first tensor, the step and the rows. Lower the learning rate, clip gradients, or look at those rows. The last finite checkpoint is kept.",
    ),
    (
        "failed_check",
        "A check failed",
        "A check that the spec asked for failed, and `on_failed_check` is `stop`. The report under `/checks` says what was found and what to do.",
    ),
    (
        "data",
        "The data cannot be trained on",
        "The dataset cannot be split or encoded as the spec asks. `error` names column and row.",
    ),
    (
        "gone",
        "Something the job needs is gone",
        "A dataset, job or weights file that the spec names was deleted before the job ran.",
    ),
    (
        "damaged",
        "Stored bytes are damaged",
        "A checksum does not agree with the stored bytes. Upload the file again, or go on from an earlier checkpoint.",
    ),
    (
        "weights",
        "The weights do not fit",
        "The uploaded weights do not have the names and shapes of the network. `error` lists each tensor.",
    ),
    (
        "store",
        "The store failed",
        "The server could not write what the job made, for want of room or because the disk failed. The log has the cause.",
    ),
    (
        "mismatch",
        "The parts do not belong together",
        "The state to start from was made by another network or optimizer than the spec describes.",
    ),
    (
        "crashed_repeatedly",
        "The job ends the server",
        "The server died three times while the job ran, and the job got no further in between; it is not tried again. `error` says how often. Look at the server's log and at the memory that the job needs; a smaller network or batch may help.",
    ),
    (
        "internal",
        "A fault in the server",
        "A defect of the server ended the job. Its log holds the cause under the job's id.",
    ),
    (
        "fold_failed",
        "A fold failed",
        "A job of a cross-validation failed, and with it the whole. `error` names the fold and what became of it.",
    ),
    (
        "autotrain_failed",
        "The run found no model",
        "A run of autotrain ended without a model. `error` says at which step and why.",
    ),
];

/// One place that is wrong, and what would be right.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/optimizer/learning_rate")]
    pub pointer: Option<String>,
    /// Query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Zero-based row of a body of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Line of a file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Name of a table's column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is wrong and what would be right.
    #[schema(example = "must be a finite number > 0, got -0.1")]
    pub detail: String,
}

impl Fault {
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Fault {
        Fault { pointer: Some(pointer.into()), detail: detail.into(), ..Fault::default() }
    }

    pub(crate) fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Fault {
        Fault { parameter: Some(name.into()), detail: detail.into(), ..Fault::default() }
    }
}

/// The body of every error answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Address of a page that explains this type of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-job-spec")]
    type_: String,
    /// The type's stable name for programs.
    #[schema(example = "invalid_job_spec")]
    code: &'static str,
    /// The type in a few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time, and what to do.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// The request's id, as in `X-Request-Id` and the server's log.
    request_id: String,
    /// Every fault of an invalid body or query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// An error answer in the making: a type, what is wrong this time, and the places.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// A problem whose detail sums up `errors`, of which there is at least one.
    pub(crate) fn faults(kind: Kind, errors: Vec<Fault>) -> Problem {
        let detail = match errors.as_slice() {
            [] => kind.title().to_owned(),
            [one] => one.sentence(),
            [first, rest @ ..] => format!("{}; and {} more", first.sentence(), rest.len()),
        };
        Problem { kind, detail, errors, headers: Vec::new() }
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Problem {
        Problem::new(Kind::NotFound, format!("there is no {what} `{}`", shortened(name)))
    }

    /// Logs `cause` under the request's id; the client learns only that it happened.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Problem {
        tracing::error!(error = %cause, "internal error");
        Problem::new(Kind::Internal, "the server failed; its log holds the cause under this request id")
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Problem {
        self.header(axum::http::header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub(crate) fn with_errors(mut self, errors: Vec<Fault>) -> Problem {
        self.errors = errors;
        self
    }

    /// The places at fault.
    pub(crate) fn into_errors(self) -> Vec<Fault> {
        self.errors
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl Fault {
    fn sentence(&self) -> String {
        match (&self.pointer, &self.parameter, self.row, self.line, &self.column) {
            (Some(pointer), ..) if pointer.is_empty() => self.detail.clone(),
            (Some(pointer), ..) => format!("{pointer}: {}", self.detail),
            (_, Some(parameter), ..) => format!("?{parameter}: {}", self.detail),
            _ => self.detail.clone(),
        }
    }
}

/// Foreign text in a message is cut, so that a name of a megabyte does not come back as one.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(std::iter::once('…')).collect()
}

/// Carries the problem to [`render`], which knows the request's id and path.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns an answer that carries a [`Problem`], or an error that a library answered in its own words, into problem+json.
pub(crate) fn render(mut response: Response, path: &str, request_id: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if already_shaped(response.headers()) => return response,
        None => {
            let kind = Kind::of_status(status);
            Problem::new(kind, detail_of(kind))
        }
    };
    let body = ProblemBody {
        type_: format!("/problems/{}", problem.kind.slug()),
        code: problem.kind.code(),
        title: problem.kind.title(),
        status: problem.kind.status().as_u16(),
        detail: problem.detail,
        instance: shortened(path),
        request_id: request_id.to_owned(),
        errors: problem.errors,
    };
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.status = problem.kind.status();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    Response::from_parts(parts, Body::from(bytes))
}

/// Replayed answers come as bytes that were rendered before.
fn already_shaped(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}

/// What an answer that a library made has to say; the router adds `Allow` after this.
fn detail_of(kind: Kind) -> &'static str {
    match kind {
        Kind::MethodNotAllowed => "this address does not answer that method; `Allow` lists those that it does",
        Kind::UnsupportedMedia => "this Content-Encoding is not read here; gzip, br and zstd are",
        _ => kind.title(),
    }
}

/// The page of one problem type.
#[utoipa::path(
    get, path = "/problems/{type}", tag = "operating",
    params(("type" = String, Path, description = "The problem's type", example = "invalid-job-spec")),
    responses((status = 200, description = "A page that explains the problem", content_type = "text/html"),
              (status = 404, description = "No such type", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn page(Path(slug): Path<String>) -> Result<Html<String>, Problem> {
    let known = Kind::ALL.iter().map(|kind| (Some(kind.status().as_u16()), kind.code(), kind.title(), kind.about()));
    let failures = FAILURES.iter().map(|(code, title, about)| (None, *code, *title, *about));
    let found = known.chain(failures).find(|(_, code, ..)| code.replace('_', "-") == slug);
    let (status, code, title, about) = found.ok_or_else(|| Problem::not_found("problem type", &slug))?;
    let about = about.replace('&', "&amp;").replace('<', "&lt;");
    let status = status.map_or("why a job failed".to_owned(), |status| format!("status <strong>{status}</strong>"));
    Ok(Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <h1>{title}</h1><p>Code <code>{code}</code>, {status}</p><p>{about}</p></html>\n",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_page_and_a_status_of_an_error() {
        let mut slugs: Vec<String> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.status().as_u16() >= 400));
    }

    #[test]
    fn the_detail_sums_up_the_faults() {
        let faults = vec![Fault::at("/epochs", "must be a whole number"), Fault::at("/seed", "must be a whole number")];
        assert_eq!(Problem::faults(Kind::InvalidSpec, faults).detail, "/epochs: must be a whole number; and 1 more");
    }

    #[test]
    fn an_answer_that_a_library_made_gets_our_shape_and_keeps_its_headers() {
        let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
        response.headers_mut().insert("allow", HeaderValue::from_static("GET,HEAD"));
        let response = render(response, "/v1/jobs", "r1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()["allow"], "GET,HEAD");
    }
}
