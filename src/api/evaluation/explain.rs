//! What each column does to a job's model: permutation importance and partial dependence.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::{OnParams, Opened, Question};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::problem::{Problem, ProblemBody};
use crate::data::table::format_datetime;
use crate::data::{Rows, Table};
use crate::predict::{Dependence, DependencePoint, Importance, Moved, Put};

/// Rows that are looked at, at most: each column is predicted again and again.
const MOST_ROWS: usize = 2_000;

/// How often.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportanceParams {
    #[param(ignore)]
    on: OnParams,
    /// How often each column is dealt out anew.
    #[param(required = false, default = 5, minimum = 1, maximum = 100)]
    repeats: u64,
}

impl FromParams for ImportanceParams {
    fn read(params: &mut Params) -> ImportanceParams {
        ImportanceParams { on: OnParams::read(params), repeats: params.number("repeats", 1..=100).unwrap_or(5) }
    }
}

/// Permutation importance: by how much the loss rises when the values of one column are dealt out anew among the rows.
///
/// On at most 2,000 evenly spaced rows; the columns that matter most come first. Columns that say the same thing share their
/// importance: each alone may look unimportant.
#[utoipa::path(get, path = "/v1/jobs/{job}/importance", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"), OnParams, ImportanceParams),
    responses((status = 200, description = "`{\"columns\":[{\"column\":\"petal_length\",\"loss\":{\"mean\":1.2,\"std\":0.1}}]}`", body = Value),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such job, checkpoint or dataset", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "No rows to evaluate on, or the dataset does not fit", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn importance(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<ImportanceParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::of(&app, &job, &wanted.on).await?;
    let tag = question.tag(&format!("importance.{}", wanted.repeats));
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let body = app
        .blocking(move || {
            let opened = question.open()?;
            let (found, rows) = importances(&opened, wanted.repeats)?;
            let targets: Vec<String> =
                opened.question.model.predictor.encoder().targets().iter().map(|target| target.name.clone()).collect();
            let moved = |moved: &Moved| json!({"mean": moved.mean, "std": moved.std});
            let columns = found.iter().map(|one| {
                let each = targets.iter().cloned().zip(one.tasks.iter().map(moved)).collect::<Map<String, Value>>();
                json!({"column": one.column, "loss": moved(&one.loss), "targets": each})
            });
            Ok(json!({"split": opened.part, "rows": rows, "repeats": wanted.repeats, "seed": opened.question.seed,
                "columns": columns.collect::<Vec<_>>()}))
        })
        .await?;
    Ok(conditional::tagged(axum::Json(body).into_response(), &tag))
}

/// The columns, the most important first, and how many rows were looked at (blocking).
pub(super) fn importances(opened: &Opened, repeats: u64) -> Result<(Vec<Importance>, usize), Problem> {
    let rows = opened.some_rows(MOST_ROWS);
    let table = opened.table.pick(&rows)?;
    let mut found = opened.question.model.predictor.importance(table, repeats, opened.question.seed)?;
    found.sort_by(|a, b| b.loss.mean.total_cmp(&a.loss.mean));
    Ok((found, rows.len()))
}

/// Along which column.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DependenceParams {
    #[param(ignore)]
    pub(super) on: OnParams,
    /// An input of the model.
    #[param(example = "petal_length")]
    pub(super) column: String,
    /// Values along the column, at most.
    #[param(required = false, default = 20, minimum = 2, maximum = 200)]
    pub(super) points: usize,
}

impl FromParams for DependenceParams {
    fn read(params: &mut Params) -> DependenceParams {
        let column = params.text("column");
        if column.is_none() {
            params.fault("column", "is missing: name an input of the model");
        }
        DependenceParams {
            on: OnParams::read(params),
            column: column.unwrap_or_default(),
            points: params.number("points", 2..=200).unwrap_or(20),
        }
    }
}

/// Partial dependence: what the model says on average when a column has the same value in all rows.
///
/// On at most 2,000 evenly spaced rows. It shows values together that may never stand together; read it with the importance.
#[utoipa::path(get, path = "/v1/jobs/{job}/partial-dependence", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"), OnParams, DependenceParams),
    responses((status = 200, description = "`{\"column\":\"petal_length\",\"points\":[{\"value\":1.4,\"species\":{\"setosa\":0.97,…}}]}`", body = Value),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such job, checkpoint or dataset", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The column is no input, or the dataset does not fit", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn dependence(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<DependenceParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::of(&app, &job, &wanted.on).await?;
    let tag = question.tag(&format!(
        "dependence.{}.{}",
        crate::api::datasets::sha256_hex(wanted.column.as_bytes()),
        wanted.points
    ));
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let body = app.blocking(move || along(&question.open()?, &wanted.column, wanted.points)).await?;
    Ok(conditional::tagged(axum::Json(body).into_response(), &tag))
}

fn along(opened: &Opened, column: &str, points: usize) -> Result<Value, Problem> {
    let (found, table) = found(opened, column, points)?;
    let targets = opened.question.model.predictor.encoder().targets();
    let points = found.points.iter().map(|point| {
        let mut fields = Map::from_iter([("value".to_owned(), value(&table, column, point))]);
        for (target, means) in targets.iter().zip(&point.targets) {
            let told = match (target.classes.as_slice(), means.as_slice()) {
                ([], [mean]) => Value::from(*mean),
                (classes, means) => classes
                    .iter()
                    .cloned()
                    .zip(means.iter().map(|mean| Value::from(*mean)))
                    .collect::<Map<_, _>>()
                    .into(),
            };
            fields.insert(target.name.clone(), told);
        }
        Value::Object(fields)
    });
    Ok(json!({"column": found.column, "split": opened.part, "rows": table.rows, "points": points.collect::<Vec<_>>()}))
}

/// The dependence on a column, and how many rows were looked at (blocking).
pub(super) fn found(opened: &Opened, column: &str, points: usize) -> Result<(Dependence, Table), Problem> {
    let table = opened.table.pick(&opened.some_rows(MOST_ROWS))?;
    Ok((opened.question.model.predictor.dependence(&table, column, points)?, table))
}

/// The value at a point, as the table would show it.
pub(super) fn value(table: &Table, column: &str, point: &DependencePoint) -> Value {
    match point.put {
        Some(Put::Number(number)) => number.into(),
        Some(Put::Time(ms)) => format_datetime(ms).into(),
        None => table.column(column).map_or(Value::Null, |column| column.cell(point.row as usize).to_json()),
    }
}
