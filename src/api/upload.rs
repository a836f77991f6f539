//! Bytes that come in: as a raw body of any type or as a form's file, streamed to disk under a bound.

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt;

use super::App;
use super::extract::{body_problem, declared_length, too_large};
use super::problem::{Kind, Problem, shortened};
use crate::store::{Staged, Upload};

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
    // A form is a little larger than its file.
    if declared_length(request.headers()).is_some_and(|length| length > limit.saturating_add(FORM_FIELD_BYTES as u64)) {
        return Err(too_large(limit));
    }
    if is_form(request.headers()) { form(app, request).await } else { raw(app, request.into_body()).await }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    kind.trim_start().get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
}

async fn raw(app: &App, mut body: Body) -> Result<Received, Problem> {
    let limit = app.limits().upload_bytes;
    let mut upload = app.store().upload_begin().await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| body_problem(error.into(), limit))?;
        if let Ok(bytes) = frame.into_data() {
            append(&mut upload, &bytes, limit).await?;
        }
    }
    Ok(Received { file: upload.finish().await?, file_name: None, fields: Vec::new() })
}

async fn form(app: &App, request: Request) -> Result<Received, Problem> {
    let mut form = Multipart::from_request(request, app).await.map_err(|error| malformed(&error.body_text()))?;
    let mut file = None;
    let mut file_name = None;
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| malformed(&error.body_text()))? {
        let name = field.name().unwrap_or("").to_owned();
        if file.is_none() && (name == "file" || field.file_name().is_some()) {
            file_name = field.file_name().map(str::to_owned);
            file = Some(form_file(app, field).await?);
        } else if fields.len() < FORM_FIELDS {
            fields.push((name, form_text(field).await?));
        } else {
            return Err(malformed(&format!("it has more than {FORM_FIELDS} fields")));
        }
    }
    let file = file.ok_or_else(|| malformed("it has no file; `curl -F file=@iris.csv` sends one"))?;
    Ok(Received { file, file_name, fields })
}

async fn form_file(app: &App, mut field: Field<'_>) -> Result<Staged, Problem> {
    let limit = app.limits().upload_bytes;
    let mut upload = app.store().upload_begin().await?;
    while let Some(bytes) = field.chunk().await.map_err(|error| malformed(&error.body_text()))? {
        append(&mut upload, &bytes, limit).await?;
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

async fn append(upload: &mut Upload, bytes: &[u8], limit: u64) -> Result<(), Problem> {
    if upload.bytes() + bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(upload.write(bytes).await?)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Kind::Malformed, format!("the form cannot be read: {}", shortened(detail)))
}
