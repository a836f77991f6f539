//! The numbers of a job, by epoch or by step: as columns, rows, CSV or a picture.

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{job_id, wire};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, Format};
use crate::api::problem::{Fault, Kind, Problem, ProblemBody};
use crate::api::time;
use crate::id::JobId;
use crate::plot::{LineChart, Series};
use crate::store::{Axis, MetricColumn, MetricQuery, Metrics, Status};

/// At most so many points an answer.
const MOST_POINTS: usize = 10_000;
/// A curve of more points than the picture has pixels is thinned.
pub(super) const PICTURE_POINTS: usize = 2_000;
/// What the names of the layers' statistics begin with: they are told where they are named, or by `…/layers`.
pub(super) const LAYER: &str = "layer/";
/// Curves of single folds, told by name.
const FOLD: &str = "fold/";
/// What stands before the named columns.
pub(in crate::api) const INDEX: [&str; 4] = ["time", "step", "epoch", "train_seconds"];

/// Which numbers.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MetricParams {
    /// Names, repeatable or separated by commas; all but those of the layers and of single folds when none is given.
    #[param(required = false, example = json!(["loss", "val_loss"]))]
    names: Vec<String>,
    /// `epoch` or `step`.
    #[param(required = false, value_type = Option<String>, example = "epoch")]
    by: Axis,
    /// The `next_cursor` of the answer before: only what came since.
    #[param(required = false)]
    after: Option<String>,
    /// Thins the whole to about so many points, keeping extremes; not with `after`.
    #[param(required = false, minimum = 2, maximum = 10000)]
    max_points: Option<usize>,
    /// `rows`, `csv` or `ndjson`.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for MetricParams {
    fn read(params: &mut Params) -> MetricParams {
        let read = MetricParams {
            names: params.list("names"),
            by: params.choice("by", &[("epoch", Axis::Epoch), ("step", Axis::Step)]).unwrap_or(Axis::Epoch),
            after: params.text("after"),
            max_points: params.number("max_points", 2..=MOST_POINTS),
            format: Format::read(params),
        };
        if read.after.is_some() && read.max_points.is_some() {
            params.fault("max_points", "thins the whole; it cannot stand beside `after`");
        }
        read
    }
}

/// Columns of equal length.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Metrics)]
pub(super) struct MetricsBody {
    /// `epoch` or `step`.
    #[schema(example = "epoch")]
    by: &'static str,
    /// `time`, `step`, `epoch`, `train_seconds` and the named metrics; epoch n means completed, epoch 0 is the untrained network.
    #[schema(value_type = std::collections::BTreeMap<String, Vec<Value>>)]
    columns: Map<String, Value>,
    /// Goes into `?after=` for what comes next.
    next_cursor: String,
    /// Whether more is stored beyond this answer.
    has_more: bool,
    /// Whether no more will ever come.
    complete: bool,
    /// The job's status.
    status: &'static str,
    /// Whether points were left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    downsampled: bool,
    /// Where a `null` stands for a number that is not finite.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nonfinite: Vec<NonfiniteBody>,
}

/// A value that JSON cannot hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Nonfinite)]
pub(super) struct NonfiniteBody {
    /// The column.
    name: String,
    /// The place in the column.
    index: usize,
    /// `nan`, `+inf` or `-inf`.
    value: &'static str,
}

/// Gives the metrics of a job.
#[utoipa::path(get, path = "/v1/jobs/{job}/metrics", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), MetricParams),
    responses((status = 200, description = "Columns of equal length", body = MetricsBody), (status = 304, description = "Nothing has changed"),
              (status = 400, description = "A parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<MetricParams>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    // The status before the points: what a finished job has is all there.
    let (status, revision) = app.store().job_status(id).await?;
    let tag = wire::tag(revision);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let names = match wanted.names.is_empty() {
        true => {
            let mut all = app.store().metric_names(id, wanted.by).await?;
            all.retain(|name| !name.starts_with(LAYER) && !name.starts_with(FOLD));
            all
        }
        false => wanted.names.clone(),
    };
    let query = MetricQuery {
        axis: wanted.by,
        names: with_index(&names),
        after: cursor(wanted.after.as_deref(), wanted.by)?,
        limit: MOST_POINTS,
        max_points: wanted.max_points,
    };
    let metrics = app.store().metric_read(id, &query).await?;
    let next = format!("{}{}", letter(wanted.by), metrics.next);
    let response = match Format::chosen(wanted.format, &headers) {
        Format::Json => axum::Json(body(metrics, wanted.by, status, next.clone())).into_response(),
        other => list::table(&rows(&metrics), other)?,
    };
    Ok(conditional::tagged(linked(response, &uri, &next), &tag))
}

fn linked(mut response: Response, uri: &Uri, next: &str) -> Response {
    if let Ok(link) = HeaderValue::from_str(&list::next_link(uri, next)) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The index columns stand before the named ones.
pub(in crate::api) fn with_index(names: &[String]) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    let named = names.iter().filter(|name| !INDEX.contains(&name.as_str())).cloned();
    INDEX.iter().map(|name| (*name).to_owned()).chain(named).collect()
}

fn letter(axis: Axis) -> char {
    match axis {
        Axis::Epoch => 'e',
        Axis::Step => 's',
    }
}

fn cursor(text: Option<&str>, axis: Axis) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(0) };
    let index = text.strip_prefix(letter(axis)).and_then(|digits| digits.parse().ok());
    index.ok_or_else(|| {
        let fault = Fault::parameter("after", "is not a cursor of these metrics by this axis");
        Problem::faults(Kind::Malformed, vec![fault])
    })
}

fn body(metrics: Metrics, axis: Axis, status: Status, next_cursor: String) -> MetricsBody {
    let nonfinite = metrics.columns.iter().flat_map(|column| {
        let place = |(index, value): &(usize, crate::store::Nonfinite)| NonfiniteBody {
            name: column.name.clone(),
            index: *index,
            value: value.as_str(),
        };
        column.nonfinite.iter().map(place)
    });
    MetricsBody {
        by: match axis {
            Axis::Epoch => "epoch",
            Axis::Step => "step",
        },
        nonfinite: nonfinite.collect(),
        columns: metrics.columns.iter().map(|column| (column.name.clone(), values(column))).collect(),
        next_cursor,
        has_more: metrics.has_more,
        complete: status.is_finished() && !metrics.has_more,
        status: status.as_str(),
        downsampled: metrics.downsampled,
    }
}

fn values(column: &MetricColumn) -> Value {
    column.values.iter().map(|value| cell(&column.name, *value)).collect()
}

/// Counts are whole numbers, moments are RFC 3339; the store keeps both as numbers (moments in milliseconds).
pub(in crate::api) fn cell(name: &str, value: Option<f64>) -> Value {
    match (name, value) {
        (_, None) => Value::Null,
        ("epoch" | "step", Some(value)) => Value::from(value as u64),
        ("time", Some(value)) => {
            chrono::DateTime::from_timestamp_millis(value as i64).map_or(Value::Null, |at| time::text(at).into())
        }
        (_, Some(value)) => Value::from(value),
    }
}

/// A point a row.
pub(in crate::api) fn rows(metrics: &Metrics) -> Vec<Value> {
    let row = |at: usize| -> Value {
        let value = |column: &MetricColumn| cell(&column.name, column.values.get(at).copied().flatten());
        Value::Object(metrics.columns.iter().map(|column| (column.name.clone(), value(column))).collect())
    };
    (0..metrics.points).map(row).collect()
}

/// Which curves.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PictureParams {
    /// Metrics to draw; `loss` and `val_loss` when none is given.
    #[param(required = false, example = json!(["loss", "val_loss"]))]
    names: Vec<String>,
    /// `epoch` or `step`.
    #[param(required = false, value_type = Option<String>)]
    by: Axis,
    /// Draws on a logarithmic axis.
    #[param(required = false, default = false)]
    log: bool,
}

impl FromParams for PictureParams {
    fn read(params: &mut Params) -> PictureParams {
        PictureParams {
            names: params.list("names"),
            by: params.choice("by", &[("epoch", Axis::Epoch), ("step", Axis::Step)]).unwrap_or(Axis::Epoch),
            log: params.flag("log").unwrap_or(false),
        }
    }
}

/// Draws the loss curves of a job as SVG.
#[utoipa::path(get, path = "/v1/jobs/{job}/loss.svg", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), PictureParams),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"), (status = 304, description = "Nothing has changed"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn picture(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let (_, revision) = app.store().job_status(id).await?;
    let tag = wire::tag(revision);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let job = app.store().job_get(id).await?;
    let title = job.name.unwrap_or_else(|| format!("{} {}", job.dataset.name.unwrap_or_default(), job.id));
    let chart = chart(&app, id, &wanted, title.trim().to_owned()).await?;
    let svg = app.blocking(move || Ok(crate::plot::lines(&chart))).await?;
    Ok(conditional::tagged(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(), &tag))
}

async fn chart(app: &App, id: JobId, wanted: &PictureParams, title: String) -> Result<LineChart, Problem> {
    let losses = wanted.names.is_empty();
    let chosen = if losses { vec!["loss".to_owned(), "val_loss".to_owned()] } else { wanted.names.clone() };
    let chart = curves(app, id, wanted.by, &chosen, title, wanted.log).await?;
    Ok(if losses { LineChart { y_label: "loss".to_owned(), ..chart } } else { chart })
}

/// Named metrics of a job as a chart; those that it does not have are left out.
pub(in crate::api) async fn curves(
    app: &App,
    id: JobId,
    by: Axis,
    chosen: &[String],
    title: String,
    log_y: bool,
) -> Result<LineChart, Problem> {
    let x = match by {
        Axis::Epoch => "epoch",
        Axis::Step => "step",
    };
    let mut names = vec![x.to_owned()];
    names.extend(chosen.iter().filter(|name| *name != x).cloned());
    let query = MetricQuery { axis: by, names, after: 0, limit: usize::MAX, max_points: Some(PICTURE_POINTS) };
    let metrics = app.store().metric_read(id, &query).await?;
    let (keys, curves) = match metrics.columns.split_first() {
        Some((keys, curves)) => (keys.values.clone(), curves),
        None => (Vec::new(), &[][..]),
    };
    let series = curves.iter().filter(|column| column.values.iter().any(Option::is_some)).map(|column| Series {
        name: column.name.clone(),
        points: keys.iter().zip(&column.values).filter_map(|(x, y)| Some(((*x)?, y.unwrap_or(f64::NAN)))).collect(),
    });
    Ok(LineChart {
        title,
        x_label: x.to_owned(),
        y_label: chosen.join(", "),
        log_y,
        series: series.collect(),
        ..LineChart::default()
    })
}
