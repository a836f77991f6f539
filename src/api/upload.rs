//! Bytes that come in: as a raw body of any type or as a form's file, streamed to disk under a bound.

use std::time::Instant;

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt;

use super::App;
use super::drain::Arrived;
use super::extract::{body_problem, declared_length, too_large};
use super::problem::{Kind, Problem, shortened};
use crate::store::{Staged, Upload};

/// A packed body may unpack to so many times its size,
const UNPACKED_RATIO: u64 = 100;
/// and to this much whatever its size.
const UNPACKED_FREE: u64 = 4 << 20;
/// After this time an upload must have come with a least speed.
const DRIBBLE_SECONDS: u64 = 60;
const LEAST_BYTES_PER_SECOND: u64 = 100;
/// A text field of a form is no file.
const FORM_FIELD_BYTES: usize = 64 << 10;
/// And there are not that many.
const FORM_FIELDS: usize = 100;

/// A file that has come in, on disk but not yet named, and what stood beside it.
pub(crate) struct Received {
    pub(crate) file: Staged,
    /// The file's name on the client's side, where a form tells it.
    pub(crate) file_name: Option<String>,
    /// The form's other fields.
    pub(crate) fields: Vec<(String, String)>,
}

/// Takes a raw body, or the file of a form.
pub(crate) async fn receive(app: &App, request: Request) -> Result<Received, Problem> {
    let limit = app.limits().upload_bytes;
    let gate = Gate { limit, arrived: request.extensions().get::<Arrived>().cloned(), began: Instant::now() };
    // A form is a little larger than its file.
    if declared_length(request.headers()).is_some_and(|length| length > limit.saturating_add(FORM_FIELD_BYTES as u64)) {
        return Err(too_large(limit));
    }
    if is_form(request.headers()) {
        form(app, request, &gate).await
    } else {
        raw(app, request.into_body(), &gate).await
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    kind.trim_start().get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
}

/// What an upload may not do: be too large, unpack to far more than arrived, or dribble.
struct Gate {
    limit: u64,
    arrived: Option<Arrived>,
    began: Instant,
}

impl Gate {
    async fn append(&self, upload: &mut Upload, bytes: &[u8]) -> Result<(), Problem> {
        let unpacked = upload.bytes() + bytes.len() as u64;
        if unpacked > self.limit {
            return Err(too_large(self.limit));
        }
        let arrived = self.arrived.as_ref().map_or(unpacked, Arrived::bytes);
        if unpacked > arrived.saturating_mul(UNPACKED_RATIO).saturating_add(UNPACKED_FREE) {
            let detail = format!("the body unpacks to more than {UNPACKED_RATIO} times its size; send it unpacked");
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let seconds = self.began.elapsed().as_secs();
        if seconds > DRIBBLE_SECONDS && arrived < seconds * LEAST_BYTES_PER_SECOND {
            return Err(Problem::new(
                Kind::Timeout,
                format!("less than {LEAST_BYTES_PER_SECOND} bytes a second arrive"),
            ));
        }
        Ok(upload.write(bytes).await?)
    }
}

async fn raw(app: &App, mut body: Body, gate: &Gate) -> Result<Received, Problem> {
    let mut upload = app.store().upload_begin().await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| body_problem(error.into(), gate.limit))?;
        if let Ok(bytes) = frame.into_data() {
            gate.append(&mut upload, &bytes).await?;
        }
    }
    Ok(Received { file: upload.finish().await?, file_name: None, fields: Vec::new() })
}

async fn form(app: &App, request: Request, gate: &Gate) -> Result<Received, Problem> {
    let mut form = Multipart::from_request(request, app).await.map_err(|error| malformed(&error.body_text()))?;
    let mut file = None;
    let mut file_name = None;
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| malformed(&error.body_text()))? {
        let name = field.name().unwrap_or("").to_owned();
        if file.is_none() && (name == "file" || field.file_name().is_some()) {
            file_name = field.file_name().map(str::to_owned);
            file = Some(form_file(app, field, gate).await?);
        } else if fields.len() < FORM_FIELDS {
            fields.push((name, form_text(field).await?));
        } else {
            return Err(malformed(&format!("it has more than {FORM_FIELDS} fields")));
        }
    }
    let file = file.ok_or_else(|| malformed("it has no file; `curl -F file=@iris.csv` sends one"))?;
    Ok(Received { file, file_name, fields })
}

async fn form_file(app: &App, mut field: Field<'_>, gate: &Gate) -> Result<Staged, Problem> {
    let mut upload = app.store().upload_begin().await?;
    while let Some(bytes) = field.chunk().await.map_err(|error| malformed(&error.body_text()))? {
        gate.append(&mut upload, &bytes).await?;
    }
    Ok(upload.finish().await?)
}

async fn form_text(mut field: Field<'_>) -> Result<String, Problem> {
    let mut text = Vec::new();
    while let Some(bytes) = field.chunk().await.map_err(|error| malformed(&error.body_text()))? {
        if text.len() + bytes.len() > FORM_FIELD_BYTES {
            return Err(Problem::new(Kind::TooLarge, format!("a form's field takes at most {FORM_FIELD_BYTES} bytes")));
        }
        text.extend_from_slice(&bytes);
    }
    String::from_utf8(text).map_err(|_| malformed("a field is not UTF-8"))
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Kind::Malformed, format!("the form cannot be read: {}", shortened(detail)))
}
