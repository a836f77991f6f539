//! What went on inside the layers of a job after one epoch: `layer/NAME/WHAT` of its metrics, a row a layer.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::job_id;
use super::metrics::{LAYER, with_index};
use crate::api::App;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, Format};
use crate::api::problem::{Kind, Problem, ProblemBody};
use crate::store::{Axis, MetricQuery};

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
