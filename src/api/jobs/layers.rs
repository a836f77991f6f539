//! What went on inside the layers of a job: `layer/NAME/WHAT` of its metrics, after one epoch as a row a layer, or over all epochs as a
//! picture of one statistic.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::metrics::{LAYER, PICTURE_POINTS, with_index};
use super::{job_id, wire};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, Format};
use crate::api::problem::{Kind, Problem, ProblemBody};
use crate::id::JobId;
use crate::plot::{LineChart, Series, lines};
use crate::store::{Axis, MetricColumn, MetricQuery};

/// Which epoch.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LayerParams {
    /// Epochs completed; 0 is the untrained network. The last look when it is not said.
    #[param(required = false, minimum = 0)]
    epoch: Option<u64>,
    /// `rows`, `csv` or `ndjson`: a row a layer.
    #[param(required = false, inline)]
    format: Option<Format>,
}

impl FromParams for LayerParams {
    fn read(params: &mut Params) -> LayerParams {
        LayerParams { epoch: params.number("epoch", 0..=u64::MAX), format: Format::read(params) }
    }
}

/// What is recorded of layers, and whether it is drawn on a logarithmic axis.
pub(in crate::api) const STATISTICS: [(&str, bool); 10] = [
    ("update_ratio", true),
    ("saturated_share", false),
    ("dead_share", false),
    ("zero_share", false),
    ("activation_mean", false),
    ("activation_std", false),
    ("pre_activation_std", false),
    ("gradient_rms", true),
    ("gradient_norm", true),
    ("weight_norm", false),
];

/// What a statistic says, in words.
pub(in crate::api) fn meaning(statistic: &str) -> &'static str {
    match statistic {
        "update_ratio" => "how far a step moves a layer, as a share of its weights; about a thousandth is healthy",
        "saturated_share" => "share of what a layer gives where its curve is flat",
        "dead_share" => "share of units that are 0 on every row",
        "zero_share" => "share of what a layer gives that is 0",
        "activation_mean" => "mean of what a layer gives",
        "activation_std" => "spread of what a layer gives",
        "pre_activation_std" => "spread of what goes into the activation",
        "gradient_rms" => "size of the slope of a weight, as root mean square",
        "gradient_norm" => "size of the slope of a layer",
        "weight_norm" => "size of a layer's weights",
        _ => "",
    }
}

/// Which statistic.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LayerPictureParams {
    /// `update_ratio`, `saturated_share`, `dead_share`, `zero_share`, `activation_mean`, `activation_std`, `pre_activation_std`, `gradient_rms`,
    /// `gradient_norm` or `weight_norm`.
    #[param(required = false, default = "update_ratio", value_type = Option<String>)]
    statistic: &'static str,
    /// Draws on a logarithmic axis; ratios and gradients are drawn so unless it is false.
    #[param(required = false)]
    log: Option<bool>,
}

impl FromParams for LayerPictureParams {
    fn read(params: &mut Params) -> LayerPictureParams {
        let known = STATISTICS.map(|(name, _)| (name, name));
        LayerPictureParams {
            statistic: params.choice("statistic", &known).unwrap_or("update_ratio"),
            log: params.flag("log"),
        }
    }
}

/// Draws a statistic of all layers over the epochs as SVG.
#[utoipa::path(get, path = "/v1/jobs/{job}/layers.svg", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), LayerPictureParams),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
              (status = 304, description = "Nothing has changed"),
              (status = 400, description = "No such statistic", body = ProblemBody, content_type = "application/problem+json"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn picture(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<LayerPictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let (_, revision) = app.store().job_status(id).await?;
    let tag = wire::tag(revision);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let mut chart = chart(&app, id, wanted.statistic).await?;
    chart.log_y = wanted.log.unwrap_or(chart.log_y);
    let svg = app.blocking(move || Ok(lines(&chart))).await?;
    Ok(conditional::tagged(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(), &tag))
}

/// A statistic of every layer that has it, by epoch.
pub(in crate::api) async fn chart(app: &App, id: JobId, statistic: &str) -> Result<LineChart, Problem> {
    let mut names = app.store().metric_names(id, Axis::Epoch).await?;
    names.retain(|name| name.strip_prefix(LAYER).is_some_and(|rest| rest.rsplit('/').next() == Some(statistic)));
    let mut series = Vec::new();
    if !names.is_empty() {
        names.insert(0, "epoch".to_owned());
        let query =
            MetricQuery { axis: Axis::Epoch, names, after: 0, limit: usize::MAX, max_points: Some(PICTURE_POINTS) };
        let read = app.store().metric_read(id, &query).await?;
        if let Some((epochs, layers)) = read.columns.split_first() {
            series = layers.iter().map(|column| curve(&epochs.values, column, statistic)).collect();
        }
    }
    let log = STATISTICS.iter().any(|(name, log)| *name == statistic && *log);
    Ok(LineChart {
        title: format!("{} · {}", statistic.replace('_', " "), meaning(statistic)),
        x_label: "epoch".into(),
        y_label: statistic.replace('_', " "),
        log_y: log,
        series,
        ..LineChart::default()
    })
}

/// Epochs without a look have no point: the line goes from look to look.
fn curve(epochs: &[Option<f64>], column: &MetricColumn, statistic: &str) -> Series {
    let name = column.name.trim_start_matches(LAYER).trim_end_matches(statistic).trim_end_matches('/');
    let looked = epochs.iter().zip(&column.values).filter_map(|(epoch, value)| Some(((*epoch)?, (*value)?)));
    Series { name: name.to_owned(), points: looked.collect() }
}

/// Tells of each layer the mean, spread, saturated and dead share of its activations, the size of its gradients and weights, and how far a step moves it.
#[utoipa::path(get, path = "/v1/jobs/{job}/layers", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), LayerParams),
    responses((status = 200, description = "`{\"epoch\",\"epochs\":[…],\"layers\":[{\"name\",\"activation_mean\",\"activation_std\",\"pre_activation_std\",\"saturated_share\",\"dead_share\",\"zero_share\",\"gradient_norm\",\"gradient_rms\",\"weight_norm\",\"update_ratio\"}]}`; what a layer does not have is left out", body = Value),
              (status = 404, description = "No such job, or no look after that epoch", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(params): Query<LayerParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let mut names = app.store().metric_names(id, Axis::Epoch).await?;
    names.retain(|name| name.starts_with(LAYER));
    let Some(first) = names.first().cloned() else {
        let detail = "no statistics of layers were recorded for this job (\"record\":{\"layer_statistics\":…})";
        return Err(Problem::new(Kind::NotFound, detail));
    };
    // First one column of all epochs, to see after which of them it was looked; then all columns of that point.
    let query = |names: &[String], after: u64, limit: usize| MetricQuery {
        axis: Axis::Epoch,
        names: with_index(names),
        after,
        limit,
        max_points: None,
    };
    let mut looks: Vec<(u64, u64)> = Vec::new();
    let mut after = 0;
    loop {
        let read = app.store().metric_read(id, &query(std::slice::from_ref(&first), after, 100_000)).await?;
        let column = |name: &str| read.columns.iter().find(|column| column.name == name);
        if let (Some(epochs), Some(values)) = (column("epoch"), column(&first)) {
            let known = epochs.values.iter().zip(&values.values).zip(after..);
            looks
                .extend(known.filter_map(|((epoch, value), at)| Some((epoch.filter(|_| value.is_some())? as u64, at))));
        }
        if !read.has_more {
            break;
        }
        after = read.next;
    }
    let epochs: Vec<u64> = looks.iter().map(|(epoch, _)| *epoch).collect();
    let wanted = params.epoch.or(epochs.last().copied());
    let Some(&(epoch, point)) = looks.iter().find(|(epoch, _)| Some(*epoch) == wanted) else {
        let detail = format!("there was no look into the layers after that epoch; there were after {epochs:?}");
        return Err(Problem::new(Kind::NotFound, detail));
    };
    let read = app.store().metric_read(id, &query(&names, point, 1)).await?;
    let mut layers: Vec<Map<String, Value>> = Vec::new();
    for column in &read.columns {
        let Some((layer, what)) = column.name.strip_prefix(LAYER).and_then(|rest| rest.rsplit_once('/')) else {
            continue;
        };
        let place = layers.iter().position(|known| known["name"] == layer).unwrap_or_else(|| {
            layers.push(Map::from_iter([("name".to_owned(), json!(layer))]));
            layers.len() - 1
        });
        layers[place].insert(what.to_owned(), json!(column.values.first().copied().flatten()));
    }
    let layers: Vec<Value> = layers.into_iter().map(Value::Object).collect();
    match Format::chosen(params.format, &headers) {
        Format::Json => Ok(axum::Json(json!({"epoch": epoch, "epochs": epochs, "layers": layers})).into_response()),
        other => list::table(&layers, other),
    }
}
