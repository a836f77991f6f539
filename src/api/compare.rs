//! Several jobs side by side: their numbers, how they ended, where their specs differ, and their curves in one picture.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::extract::{FromParams, Params, Query};
use super::jobs::{job_id, metrics, wire};
use super::list::{self, Format};
use super::problem::{Fault, Kind, Problem, ProblemBody};
use crate::plot::{LineChart, Series, lines};
use crate::store::{Axis, Job, MetricQuery};

/// At most so many jobs at once.
const MOST_JOBS: usize = 50;
/// Points of each job.
const POINTS: usize = 1_000;

/// The route of comparisons.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(picture))
}

/// Which jobs and numbers.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct CompareParams {
    /// Ids of jobs (repeatable).
    job: Vec<String>,
    /// Metrics; `val_loss` and `loss` when none is given.
    #[param(required = false)]
    names: Vec<String>,
    /// `epoch` or `step`.
    #[param(required = false, value_type = Option<String>)]
    by: Axis,
    /// `rows`, `csv` or `ndjson`: the metrics alone.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for CompareParams {
    fn read(params: &mut Params) -> CompareParams {
        CompareParams {
            job: params.list("job"),
            names: params.list("names"),
            by: params.choice("by", &[("epoch", Axis::Epoch), ("step", Axis::Step)]).unwrap_or(Axis::Epoch),
            format: Format::read(params),
        }
    }
}

/// Compares jobs: metrics as rows, how each ended, and every field in which their resolved specs differ.
#[utoipa::path(get, path = "/v1/compare", tag = "jobs", params(CompareParams),
    responses((status = 200, description = "`{\"metrics\":[…],\"jobs\":[…],\"spec_differences\":[…]}`", body = Value),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
async fn get(
    State(app): State<App>,
    Query(wanted): Query<CompareParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    few(&wanted.job)?;
    let chosen = if wanted.names.is_empty() { vec!["loss".to_owned(), "val_loss".to_owned()] } else { wanted.names };
    let mut jobs = Vec::with_capacity(wanted.job.len());
    let mut rows = Vec::new();
    for id in &wanted.job {
        let job = app.store().job_get(job_id(id)?).await?;
        rows.extend(points(&app, &job, wanted.by, &chosen).await?);
        jobs.push(job);
    }
    match Format::chosen(wanted.format, &headers) {
        Format::Json => {
            let summaries = jobs.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
            let differences = differences(&jobs);
            let body = json!({"metrics": rows, "jobs": summaries, "spec_differences": differences});
            Ok(axum::Json(body).into_response())
        }
        other => list::table(&rows, other),
    }
}

/// Which curves of which jobs.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct ComparePictureParams {
    /// Ids of jobs (repeatable).
    job: Vec<String>,
    /// Metrics; `val_loss` when none is given.
    #[param(required = false)]
    names: Vec<String>,
    /// Draws on a logarithmic axis.
    #[param(required = false, default = false)]
    log: bool,
}

impl FromParams for ComparePictureParams {
    fn read(params: &mut Params) -> ComparePictureParams {
        ComparePictureParams {
            job: params.list("job"),
            names: params.list("names"),
            log: params.flag("log").unwrap_or(false),
        }
    }
}

/// Draws the curves of several jobs over each other as SVG, each under the job's name.
#[utoipa::path(get, path = "/v1/compare.svg", tag = "jobs", params(ComparePictureParams),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
async fn picture(State(app): State<App>, Query(wanted): Query<ComparePictureParams>) -> Result<Response, Problem> {
    few(&wanted.job)?;
    let chosen = if wanted.names.is_empty() { vec!["val_loss".to_owned()] } else { wanted.names };
    let mut series = Vec::new();
    for id in &wanted.job {
        let job = app.store().job_get(job_id(id)?).await?;
        let name = job.name.clone().unwrap_or_else(|| job.id.to_string());
        let chart = metrics::curves(&app, job.id, Axis::Epoch, &chosen, String::new(), wanted.log).await?;
        series.extend(chart.series.into_iter().map(|curve| Series {
            name: if chosen.len() == 1 { name.clone() } else { format!("{name} {}", curve.name) },
            ..curve
        }));
    }
    let y_label = chosen.join(", ");
    let title = format!("{y_label} of {} jobs", wanted.job.len());
    let chart =
        LineChart { title, x_label: "epoch".into(), y_label, log_y: wanted.log, series, ..LineChart::default() };
    let svg = app.blocking(move || Ok(lines(&chart))).await?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

/// Refuses no jobs and too many.
fn few(jobs: &[String]) -> Result<(), Problem> {
    if jobs.is_empty() || jobs.len() > MOST_JOBS {
        let fault = Fault::parameter("job", format!("name 1 to {MOST_JOBS} jobs, got {}", jobs.len()));
        return Err(Problem::faults(Kind::Malformed, vec![fault]));
    }
    Ok(())
}

async fn points(app: &App, job: &Job, axis: Axis, names: &[String]) -> Result<Vec<Value>, Problem> {
    let names = metrics::with_index(names);
    let query = MetricQuery { axis, names, after: 0, limit: usize::MAX, max_points: Some(POINTS) };
    let read = app.store().metric_read(job.id, &query).await?;
    let with_job = |row: Value| {
        let mut fields = serde_json::Map::new();
        fields.insert("job".to_owned(), job.id.to_string().into());
        fields.insert("name".to_owned(), job.name.clone().into());
        fields.extend(row.as_object().cloned().unwrap_or_default());
        Value::Object(fields)
    };
    Ok(metrics::rows(&read).into_iter().map(with_job).collect())
}

fn summary(job: &Job) -> Result<Value, Problem> {
    let whole = serde_json::to_value(wire::body(job)).map_err(Problem::internal)?;
    Ok(wire::only(&whole, &["id", "name", "status", "best", "last", "train_seconds", "parameters"].map(str::to_owned)))
}

/// What a job changed of another one: pointer, value before, value after. Names and tags are no change.
pub(super) fn changes(before: &Job, after: &Job) -> Vec<(String, Value, Value)> {
    let pair = [before.clone(), after.clone()];
    let told = |difference: Value| -> Option<(String, Value, Value)> {
        let pointer = difference["pointer"].as_str()?.to_owned();
        let label = ["/name", "/tags", "/priority"].iter().any(|label| pointer.starts_with(label));
        (!label).then(|| (pointer, difference["values"][0].clone(), difference["values"][1].clone()))
    };
    differences(&pair).into_iter().filter_map(told).collect()
}

/// Every place in which the resolved specs differ, with the value of each job; `null` where one has none.
fn differences(jobs: &[Job]) -> Vec<Value> {
    let mut places: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (at, job) in jobs.iter().enumerate() {
        let mut leaves = Vec::new();
        walk(String::new(), job.spec.as_ref().unwrap_or(&Value::Null), &mut leaves);
        for (pointer, value) in leaves {
            let values = places.entry(pointer).or_insert_with(|| vec![Value::Null; jobs.len()]);
            if let Some(slot) = values.get_mut(at) {
                *slot = value;
            }
        }
    }
    let differs = |values: &Vec<Value>| values.iter().any(|value| values.first() != Some(value));
    places
        .into_iter()
        .filter(|(_, values)| differs(values))
        .map(|(pointer, values)| json!({"pointer": pointer, "values": values}))
        .collect()
}

fn walk(pointer: String, value: &Value, leaves: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, inner) in fields {
                walk(format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), inner, leaves);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, inner) in items.iter().enumerate() {
                walk(format!("{pointer}/{index}"), inner, leaves);
            }
        }
        other => leaves.push((pointer, other.clone())),
    }
}
