//! Partial dependence as a picture: lines along numbers and times, bars for categories.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::IntoParams;

use super::explain::{self, DependenceParams};
use super::{OnParams, Opened, Question};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::problem::{Problem, ProblemBody};
use crate::data::encoder::FittedTarget;
use crate::plot::{Bars, LineChart, Series, bars, lines};
use crate::predict::{Dependence, Put};

/// Classes with a line of their own, at most.
const MOST_LINES: usize = 12;
/// Milliseconds of a year in the Gregorian calendar's mean.
const YEAR_MS: f64 = 365.2425 * 86_400_000.0;

/// Of what.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PictureParams {
    #[param(ignore)]
    along: DependenceParams,
    /// The target; the first without it.
    #[param(required = false)]
    target: Option<String>,
    /// The class or label; without it all along numbers, and along categories the one that moves most.
    #[param(required = false)]
    class: Option<String>,
}

impl FromParams for PictureParams {
    fn read(params: &mut Params) -> PictureParams {
        let along = DependenceParams::read(params);
        PictureParams { along, target: params.text("target"), class: params.text("class") }
    }
}

/// Draws partial dependence as SVG.
#[utoipa::path(get, path = "/v1/jobs/{job}/partial-dependence.svg", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"), OnParams, DependenceParams, PictureParams),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such job, checkpoint, dataset, target or class", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The column is no input, or the dataset does not fit", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn picture(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = Question::of(&app, &job, &wanted.along.on).await?;
    let targets = question.model.predictor.encoder().targets();
    let place = match &wanted.target {
        None => 0,
        Some(name) => {
            targets.iter().position(|target| target.name == *name).ok_or_else(|| Problem::not_found("target", name))?
        }
    };
    let class = match (&wanted.class, targets.get(place)) {
        (None, _) => None,
        (Some(name), Some(target)) => {
            let class = target.classes.iter().position(|class| class == name);
            Some(class.ok_or_else(|| Problem::not_found("class", name))?)
        }
        (Some(name), None) => return Err(Problem::not_found("class", name)),
    };
    let DependenceParams { column, points, .. } = wanted.along;
    let digest = crate::api::datasets::sha256_hex(column.as_bytes());
    let tag = question.tag(&format!("dependence.svg.{digest}.{points}.{place}.{class:?}"));
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let svg = app.blocking(move || draw(&question.open()?, &column, points, place, class)).await?;
    Ok(conditional::tagged(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(), &tag))
}

fn draw(opened: &Opened, column: &str, points: usize, place: usize, class: Option<usize>) -> Result<String, Problem> {
    let (found, table) = explain::found(opened, column, points)?;
    let targets = opened.question.model.predictor.encoder().targets();
    let target = targets.get(place).ok_or_else(|| Problem::not_found("target", "first"))?;
    let what = |class: Option<usize>| match class.and_then(|class| target.classes.get(class)) {
        Some(class) if target.columns.len() == 1 => format!("mean probability of {} = {class}", target.name),
        Some(class) => format!("mean probability of {class}"),
        None => format!("mean {}", target.name),
    };
    let title = |what: String| format!("{what} along {column} · {} rows of {}", table.rows, opened.part);
    let along = |put: Put| match put {
        Put::Number(number) => number,
        Put::Time(ms) => 1970.0 + ms as f64 / YEAR_MS,
    };
    if found.points.iter().all(|point| point.put.is_some()) {
        let shown = shown(target, class);
        let line = |class: usize| Series {
            name: target.classes.get(class).cloned().unwrap_or_else(|| target.name.clone()),
            points: found
                .points
                .iter()
                .filter_map(|point| Some((along(point.put?), *point.targets.get(place)?.get(class)?)))
                .collect(),
        };
        let is_time = found.points.iter().any(|point| matches!(point.put, Some(Put::Time(_))));
        let one = (shown.len() == 1 && !target.classes.is_empty()).then(|| shown[0]);
        let heading = if shown.len() > 1 { format!("mean probability of {}", target.name) } else { what(one) };
        return Ok(lines(&LineChart {
            title: title(heading.clone()),
            x_label: if is_time { format!("{column} (year)") } else { column.to_owned() },
            y_label: if target.classes.is_empty() { heading } else { "mean probability".to_owned() },
            series: shown.into_iter().map(line).collect(),
            ..LineChart::default()
        }));
    }
    let class = class.unwrap_or_else(|| moves_most(target, &found, place));
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let bar = |point: &crate::predict::DependencePoint| {
        let mean = point.targets.get(place).and_then(|means| means.get(class)).copied().unwrap_or(f64::NAN);
        (text(explain::value(&table, column, point)), mean, 0.0)
    };
    let heading = what((!target.classes.is_empty()).then_some(class));
    Ok(bars(&Bars { title: title(heading), values: found.points.iter().map(bar).collect(), ..Bars::default() }))
}

/// The outputs that have a line: the number, the second of two classes, or each of several.
fn shown(target: &FittedTarget, class: Option<usize>) -> Vec<usize> {
    match (class, target.classes.len()) {
        (Some(class), _) => vec![class],
        (None, 0) => vec![0],
        (None, 2) if target.columns.len() == 1 => vec![1],
        (None, classes) => (0..classes.min(MOST_LINES)).collect(),
    }
}

/// The output that differs most from value to value.
fn moves_most(target: &FittedTarget, found: &Dependence, place: usize) -> usize {
    let range = |class: usize| {
        let means = found.points.iter().filter_map(|point| point.targets.get(place)?.get(class).copied());
        let (low, high) =
            means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
        high - low
    };
    let outputs = shown(target, None);
    outputs.into_iter().max_by(|a, b| range(*a).total_cmp(&range(*b)).then(b.cmp(a))).unwrap_or(0)
}
