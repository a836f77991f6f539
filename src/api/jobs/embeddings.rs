//! The vectors of an embedding table with their words: as a page, or all of them as CSV or lines for a program that draws them.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::job_id;
use crate::api::App;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, Format};
use crate::api::models;
use crate::api::problem::{Fault, Kind, Problem, ProblemBody};
use crate::export::{self, Embeddings};
use crate::train::checkpoint::decode;

/// Rows of one piece of a streamed answer.
const PIECE: usize = 256;
const PAGE: usize = 50;

/// Which vectors, and in what form.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EmbeddingParams {
    /// Whose weights: id, `best`, `last` or `step-N`.
    #[param(required = false, default = "best")]
    checkpoint: Option<String>,
    /// Rows of a page; `csv` and `ndjson` give all unless it is said.
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[param(required = false)]
    after: Option<String>,
    /// `csv`: word, count and a column a number; `ndjson`: an object a line; `json`: a page. It beats `Accept`.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for EmbeddingParams {
    fn read(params: &mut Params) -> EmbeddingParams {
        EmbeddingParams {
            checkpoint: params.text("checkpoint"),
            limit: params.number("limit", 1..=1000),
            after: params.text("after"),
            format: Format::read(params),
        }
    }
}

/// Gives the vectors of an embedding table with their words and how often each was in the training part.
#[utoipa::path(get, path = "/v1/jobs/{job}/embeddings/{table}", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"),
        ("table" = String, Path, description = "The table's name, as in `inputs.embeddings`; a column's own table has the column's name", example = "words"),
        EmbeddingParams),
    responses((status = 200, description = "`{\"data\":[{\"word\",\"count\",\"vector\"}],…}`, rows in the order of the table: `<pad>`, `<unk>`, then the vocabulary", body = Value,
               content((Value = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
              (status = 404, description = "No such job, checkpoint or table", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(app): State<App>,
    Path((job, table)): Path<(String, String)>,
    Query(params): Query<EmbeddingParams>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let key = params.checkpoint.as_deref().unwrap_or("best");
    let (_, bytes) = models::read(&app, job_id(&job)?, key).await?;
    let name = table.clone();
    let read = move || {
        let checkpoint = decode(&bytes).map_err(Problem::internal)?;
        export::embeddings(&checkpoint, &name).map_err(Problem::internal)
    };
    let all = app.blocking(read).await?.map_err(|known| no_table(&table, &known))?;
    let first = match &params.after {
        None => 0,
        Some(cursor) => cursor.parse::<usize>().map_err(|_| {
            let fault = Fault::parameter("after", "is not a cursor that this server gave".to_owned());
            Problem::faults(Kind::Malformed, vec![fault])
        })?,
    };
    let format = Format::chosen(params.format, &headers);
    let limit = match (params.limit, format) {
        (Some(limit), _) => limit as usize,
        (None, Format::Json | Format::Rows) => PAGE,
        (None, Format::Csv | Format::Ndjson) => usize::MAX,
    };
    let rows = first.min(all.words.len())..first.saturating_add(limit).min(all.words.len());
    if matches!(format, Format::Csv | Format::Ndjson) {
        return Ok(streamed(all, rows, format));
    }
    let next = (rows.end < all.words.len()).then(|| rows.end.to_string());
    list::reply(rows.map(|row| object(&all, row)).collect(), next, params.format, &headers, &uri)
}

fn no_table(name: &str, known: &[String]) -> Problem {
    let plain = Problem::not_found("embedding table", name).detail().to_owned();
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Problem::new(Kind::NotFound, format!("{plain} of this model; {known}"))
}

fn object(all: &Embeddings, row: usize) -> Value {
    json!({"word": all.words[row], "count": all.counts[row], "vector": vector(all, row)})
}

fn vector(all: &Embeddings, row: usize) -> &[f64] {
    &all.values[row * all.dim..][..all.dim]
}

/// All rows without ever holding the text of more than a piece.
fn streamed(all: Embeddings, rows: std::ops::Range<usize>, format: Format) -> Response {
    let csv = format == Format::Csv;
    let mut header = csv.then(|| {
        let columns = ["word".to_owned(), "count".to_owned()].into_iter().chain((0..all.dim).map(|i| format!("v{i}")));
        line(columns)
    });
    let mut at = rows.start;
    let pieces = std::iter::from_fn(move || {
        if at >= rows.end {
            return header.take();
        }
        let piece = at..rows.end.min(at + PIECE);
        at = piece.end;
        let mut text = header.take().unwrap_or_default();
        for row in piece {
            if csv {
                let numbers = vector(&all, row).iter().map(f64::to_string);
                let cells = [all.words[row].clone(), all.counts[row].to_string()].into_iter().chain(numbers);
                text.extend(line(cells));
            } else {
                text.extend(object(&all, row).to_string().into_bytes());
                text.push(b'\n');
            }
        }
        Some(text)
    });
    let body = Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)));
    let kind = if csv { "text/csv; charset=utf-8; header=present" } else { "application/x-ndjson" };
    ([(CONTENT_TYPE, kind)], body).into_response()
}

fn line(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory cannot fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}
