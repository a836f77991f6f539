//! Predictions of a job's model: for rows in JSON, for a dataset, and for CSV or NDJSON of any length as it streams.

mod input;
mod output;
mod stream;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::extract::{FromParams, Params, Query, is_json, parse_json, read_body};
use super::jobs::job_id;
use super::list::Format;
use super::models::{self, Model};
use super::places::Peer;
use super::problem::{Kind, Problem, ProblemBody, shortened};
use crate::data::{Rows, StoredTable};
use input::Sent;
use output::Layout;

/// A JSON answer holds at most so many rows; a stream has no end.
const MOST_ROWS: usize = 1_000_000;

/// The route of predictions.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Which model, and what to tell.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query)]
struct PredictParams {
    /// Id, `best`, `last` or `step-N`.
    #[param(required = false, default = "best")]
    checkpoint: String,
    /// Columns of the input that the answer repeats.
    #[param(required = false, example = json!(["id"]))]
    include: Vec<String>,
    /// What a bad row of a stream does: `continue` (its `error` says why) or `stop` (the answer ends there).
    #[param(required = false, value_type = Option<String>, default = "continue")]
    on_error: OnError,
    /// The form of the answer to a JSON body: `json`, `rows`, `csv` or `ndjson`.
    #[param(required = false, inline)]
    format: Option<Format>,
}

/// What a bad row of a stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnError {
    Continue,
    Stop,
}

impl FromParams for PredictParams {
    fn read(params: &mut Params) -> PredictParams {
        let choices = [("continue", OnError::Continue), ("stop", OnError::Stop)];
        PredictParams {
            checkpoint: params.text("checkpoint").unwrap_or_else(|| "best".to_owned()),
            include: params.list("include"),
            on_error: params.choice("on_error", &choices).unwrap_or(OnError::Continue),
            format: Format::read(params),
        }
    }
}

/// What to predict: exactly one of the three.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON that `input` reads")]
struct PredictionRequest {
    /// One object a row.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]))]
    rows: Option<Value>,
    /// One list a column, all of the same length.
    #[schema(value_type = Option<Object>)]
    columns: Option<Value>,
    /// A dataset's id or name.
    dataset: Option<String>,
}

/// Predictions in the order of the rows.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON that `output` writes")]
struct PredictionAnswer {
    /// The job.
    model: String,
    /// The checkpoint that was used.
    checkpoint: String,
    /// `{"row":0,"species":{"label":"setosa","probabilities":{"setosa":0.98}}}`; a number has `{"value":12.3}`.
    #[schema(value_type = Vec<Object>)]
    predictions: Value,
    /// Columns that the model does not know, which were ignored.
    warnings: Vec<String>,
}

/// Predicts. A JSON body is answered in JSON; a CSV or NDJSON body of any length is answered in kind as it streams.
///
/// Targets and other columns that are no inputs are ignored. Columns that the model has never seen are ignored too, and
/// named in `warnings` (of a stream: in the header `X-Warning`).
#[utoipa::path(post, path = "/v1/jobs/{job}/predictions", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"), PredictParams),
    request_body(content((PredictionRequest = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
    responses((status = 200, description = "The predictions", content((PredictionAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
              (status = 404, description = "No such job or checkpoint", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "The job has no checkpoint yet", body = ProblemBody, content_type = "application/problem+json"),
              (status = 415, description = "Neither JSON nor CSV nor NDJSON", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "An input column is missing, or a cell has a wrong type", body = ProblemBody, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(params): Query<PredictParams>,
    client: Peer,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let body = kind(&headers)?;
    let place = || app.predicting().take(client);
    let model = models::load(&app, job_id(&job)?, &params.checkpoint).await?;
    match body {
        Body::Json => {
            let bytes = read_body(request, app.limits().json_bytes).await?;
            at_once(&app, model, params, &headers, parse_json(&bytes)?).await
        }
        Body::Csv => stream::answer(model, params, stream::Kind::Csv, request.into_body(), place()?).await,
        Body::Ndjson => stream::answer(model, params, stream::Kind::Ndjson, request.into_body(), place()?).await,
    }
}

enum Body {
    Json,
    Csv,
    Ndjson,
}

fn kind(headers: &HeaderMap) -> Result<Body, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    match kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "text/csv" | "application/csv" => Ok(Body::Csv),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Ok(Body::Ndjson)
        }
        _ if is_json(kind) => Ok(Body::Json),
        _ => Err(Problem::new(
            Kind::UnsupportedMedia,
            format!(
                "this address takes JSON (`curl --json '{{\"rows\":[…]}}'`), CSV (`-H 'content-type: text/csv' --data-binary \
                 @file.csv`) or NDJSON (`-H 'content-type: application/x-ndjson'`), got `{}`",
                shortened(kind)
            ),
        )),
    }
}

/// Answers a JSON body: all rows or none.
async fn at_once(
    app: &App,
    model: Arc<Model>,
    params: PredictParams,
    headers: &HeaderMap,
    body: Value,
) -> Result<Response, Problem> {
    let format = Format::chosen(params.format, headers);
    let table = match input::dataset(&body)? {
        Some(key) => Some(app.store().dataset_get(&key).await?),
        None => None,
    };
    let path = table.map(|dataset| app.store().dataset_table(&dataset));
    app.blocking(move || {
        let layout = Layout::new(&model.predictor, params.include.clone());
        let (predicted, included, warnings) = match path {
            Some(path) => of_table(&model, &path, &params.include)?,
            None => of_rows(&model, &input::rows(&body)?, &params.include)?,
        };
        match format {
            Format::Json => {
                let rows: Vec<Value> = (0..predicted.rows)
                    .map(|row| layout.json(&predicted, row, row as u64, included.get(row)))
                    .collect();
                Ok(axum::Json(json!({
                    "model": model.job,
                    "checkpoint": model.checkpoint,
                    "predictions": rows,
                    "warnings": warnings,
                }))
                .into_response())
            }
            other => layout.table(&predicted, &included, other),
        }
    })
    .await
}

type Predicted = (crate::predict::Predictions, Vec<Vec<Value>>, Vec<String>);

fn of_rows(model: &Model, sent: &Sent<'_>, include: &[String]) -> Result<Predicted, Problem> {
    let prepared = sent.prepare(model, include)?;
    let predicted = model.predictor.predict_cells(&prepared.cells);
    if predicted.faults.is_empty() {
        return Ok((predicted, prepared.included, prepared.warnings));
    }
    let told = predicted.faults.iter().take(input::MOST_FAULTS);
    let faults = told.map(|fault| sent.fault(fault.row, &fault.column, fault.detail.clone()));
    Err(Problem::faults(Kind::InvalidRows, faults.collect()))
}

fn of_table(model: &Model, path: &std::path::Path, include: &[String]) -> Result<Predicted, Problem> {
    let stored = StoredTable::open(path)?;
    if stored.rows() > MOST_ROWS {
        let detail = format!(
            "the dataset has {} rows, an answer at once at most {MOST_ROWS}; send its file as text/csv, which streams",
            stored.rows()
        );
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    let table = &stored.read(None, 0..MOST_ROWS)?;
    let header: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let matched = input::Matched::new(model, &header, include)?;
    let rows: Vec<u32> = (0..table.rows as u32).collect();
    let predicted = model.predictor.predict_table(table, &rows)?;
    let included = (0..table.rows)
        .map(|row| {
            let cell = |at: &usize| table.columns.get(*at).map_or(Value::Null, |column| column.cell(row).to_json());
            matched.included.iter().map(cell).collect()
        })
        .collect();
    Ok((predicted, included, matched.warnings))
}
