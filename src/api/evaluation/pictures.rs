//! An evaluation as pictures: confusion matrix, ROC, precision over recall, calibration, residuals, importance.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use super::folds::{Folds, PART};
use super::{OnParams, Opened, Question, explain};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::jobs::job_id;
use crate::api::problem::{Fault, Kind, Problem, ProblemBody};
use crate::plot::{Bars, LineChart, Matrix, Series, bars, lines, matrix};
use crate::predict::{Judged, JudgedValues};
use crate::score;

/// Classes with a curve of their own, at most.
const MOST_CURVES: usize = 12;
/// Classes that a picture of a matrix can hold.
const MOST_CELLS: usize = 60;
/// Points of a cloud, at most.
const MOST_POINTS: usize = 2_000;
/// Targets that a page draws.
const MOST_TARGETS: usize = 4;
/// Columns in a picture of importance.
const MOST_BARS: usize = 30;

/// Of which target.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PictureParams {
    #[param(ignore)]
    on: OnParams,
    /// The target; the first without it.
    #[param(required = false)]
    target: Option<String>,
}

impl FromParams for PictureParams {
    fn read(params: &mut Params) -> PictureParams {
        PictureParams { on: OnParams::read(params), target: params.text("target") }
    }
}

#[derive(Clone, Copy)]
enum Picture {
    Confusion,
    Roc,
    PrecisionRecall,
    Calibration,
    Residuals,
    Importance,
}

const PICTURES: [(&str, Picture); 6] = [
    ("confusion.svg", Picture::Confusion),
    ("roc.svg", Picture::Roc),
    ("precision-recall.svg", Picture::PrecisionRecall),
    ("calibration.svg", Picture::Calibration),
    ("residuals.svg", Picture::Residuals),
    ("importance.svg", Picture::Importance),
];

/// Draws an evaluation as SVG.
#[utoipa::path(get, path = "/v1/jobs/{job}/evaluation/{picture}", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"),
        ("picture" = String, Path, description = "`confusion.svg`, `roc.svg`, `precision-recall.svg`, `calibration.svg`, `residuals.svg` or `importance.svg`", example = "roc.svg"),
        OnParams, PictureParams),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such job, checkpoint, dataset or picture", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "The job has no checkpoint yet", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The target has no such picture", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn picture(
    State(app): State<App>,
    Path((job, picture)): Path<(String, String)>,
    Query(wanted): Query<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = PICTURES.iter().find(|(name, _)| *name == picture);
    let Some((name, kind)) = known else { return Err(Problem::not_found("picture", &picture)) };
    let found = app.store().job_get(job_id(&job)?).await?;
    if let (Some(folds), false) = (Folds::of(&app, &found, &wanted.on).await?, matches!(kind, Picture::Importance)) {
        let tag = folds.tag(&format!("{name}.{}", wanted.target.as_deref().unwrap_or("")));
        if conditional::has(&headers, &tag) {
            return Ok(conditional::not_modified(&tag));
        }
        let (kind, target) = (*kind, wanted.target);
        let part = if wanted.on.dataset.is_some() { "dataset" } else { PART };
        let svg = move || {
            let mut judged = folds.judged()?;
            let place = target.as_ref().map_or(Some(0), |name| judged.iter().position(|one| one.name == *name));
            match place.filter(|place| *place < judged.len()) {
                Some(place) => draw_judged(kind, judged.swap_remove(place), part),
                None => Err(Problem::not_found("target", target.as_deref().unwrap_or("first"))),
            }
        };
        let svg = app.blocking(svg).await?;
        return Ok(conditional::tagged(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(), &tag));
    }
    let question = Question::of(&app, &job, &wanted.on).await?;
    let place = match &wanted.target {
        None => 0,
        Some(name) => {
            let targets = question.model.predictor.encoder().targets();
            targets.iter().position(|target| target.name == *name).ok_or_else(|| Problem::not_found("target", name))?
        }
    };
    let tag = question.tag(&format!("{name}.{place}"));
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let svg = app.blocking(move || draw(*kind, &question.open()?, place)).await?;
    Ok(conditional::tagged(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(), &tag))
}

/// The pictures that the first targets have, each with its title: classes confused, how far probabilities can be trusted, residuals.
pub(super) fn of_page(opened: &Opened) -> Vec<(String, String)> {
    let targets: Vec<String> =
        opened.question.model.predictor.encoder().targets().iter().map(|target| target.name.clone()).collect();
    let kinds =
        [("confusion", Picture::Confusion), ("calibration", Picture::Calibration), ("residuals", Picture::Residuals)];
    let mut found = Vec::new();
    for (place, target) in targets.iter().enumerate().take(MOST_TARGETS) {
        for (name, kind) in kinds {
            // A target that has no such picture is no fault here.
            found.extend(draw(kind, opened, place).ok().map(|svg| (format!("{name} of {target}"), svg)));
        }
    }
    found
}

fn draw(kind: Picture, opened: &Opened, place: usize) -> Result<String, Problem> {
    if matches!(kind, Picture::Importance) {
        let (found, rows) = explain::importances(opened, 5)?;
        let values = found.iter().take(MOST_BARS).map(|one| (one.column.clone(), one.loss.mean, one.loss.std));
        let title = format!("rise of the loss when a column is dealt out anew · {} rows of {}", rows, opened.part);
        return Ok(bars(&Bars { title, values: values.collect(), ..Bars::default() }));
    }
    let judged = opened.question.model.predictor.judge(&opened.table, &opened.judged_rows())?;
    let Some(judged) = judged.into_iter().nth(place) else { return Err(Problem::not_found("target", "first")) };
    draw_judged(kind, judged, opened.part)
}

fn draw_judged(kind: Picture, judged: Judged, part: &str) -> Result<String, Problem> {
    let Judged { name, values, rows } = judged;
    let title = |what: &str| format!("{what} of {name} · {} rows of {part}", rows.len());
    match (kind, &values) {
        (Picture::Residuals, JudgedValues::Numbers { truth, predicted, .. }) => {
            let stride = truth.len().div_ceil(MOST_POINTS).max(1);
            let points =
                predicted.iter().zip(truth).step_by(stride).map(|(predicted, truth)| (*predicted, truth - predicted));
            let cloud = Series { name: "rows".into(), points: points.collect() };
            let ends = cloud.points.iter().map(|point| point.0);
            let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
            let exact = Series { name: "no error".into(), points: vec![(low, 0.0), (high, 0.0)] };
            Ok(lines(&LineChart {
                title: title("residuals"),
                x_label: "predicted".into(),
                y_label: "true − predicted".into(),
                marks: true,
                series: vec![cloud],
                guide: Some(exact),
                ..LineChart::default()
            }))
        }
        (Picture::Confusion, JudgedValues::Classes { labels, truth, best, .. }) if labels.len() <= MOST_CELLS => {
            let counts = score::confusion(labels.len(), truth, best).matrix;
            Ok(matrix(&Matrix { title: title("confusion"), labels: labels.clone(), counts }))
        }
        (Picture::Roc | Picture::PrecisionRecall | Picture::Calibration, values) => {
            let curves = curves(kind, values);
            if curves.is_empty() {
                return Err(not_drawn("only targets of classes and labels have it"));
            }
            let (what, x, y) = match kind {
                Picture::Roc => ("ROC", "false positive rate", "true positive rate"),
                Picture::Calibration => ("calibration", "said", "observed"),
                _ => ("precision over recall", "recall", "precision"),
            };
            let diagonal = Series { name: "by chance".into(), points: vec![(0.0, 0.0), (1.0, 1.0)] };
            let ideal = Series { name: "as it should be".into(), ..diagonal.clone() };
            let guide = match kind {
                Picture::Roc => Some(diagonal),
                Picture::Calibration => Some(ideal),
                _ => None,
            };
            Ok(lines(&LineChart {
                title: title(what),
                x_label: x.into(),
                y_label: y.into(),
                series: curves,
                guide,
                ..LineChart::default()
            }))
        }
        (Picture::Residuals, _) => Err(not_drawn("only targets of numbers have residuals")),
        _ => Err(not_drawn("only targets of up to 60 classes have a confusion matrix")),
    }
}

fn not_drawn(detail: &str) -> Problem {
    Problem::faults(Kind::InvalidBody, vec![Fault::parameter("target", detail)])
}

/// A curve for each class against the others (of two classes, for the second), or for each label; the calibration of several classes is
/// that of the predicted one.
fn curves(kind: Picture, values: &JudgedValues) -> Vec<Series> {
    let curve = |name: &str, scores: &[f64], positive: &[bool]| {
        let points = match kind {
            Picture::Roc => score::roc_curve(scores, positive),
            Picture::PrecisionRecall => score::precision_recall_curve(scores, positive),
            _ => {
                let bins = score::calibration(scores, positive);
                bins.iter().filter_map(|bin| Some((bin.confidence.ok()?, bin.observed.ok()?))).collect()
            }
        };
        Series { name: name.to_owned(), points }
    };
    match values {
        JudgedValues::Numbers { .. } => Vec::new(),
        JudgedValues::Labels(labels) => {
            let one = |label: &crate::predict::JudgedLabel| {
                let positive: Vec<bool> = label.truth.iter().map(|truth| *truth == 1).collect();
                curve(&label.label, &label.probabilities, &positive)
            };
            labels.iter().take(MOST_CURVES).map(one).collect()
        }
        JudgedValues::Classes { labels, truth, best, probabilities, .. } => {
            let k = labels.len();
            if matches!(kind, Picture::Calibration) && k > 2 {
                // As the evaluation tells it: how sure of the predicted class, and how often right.
                let sure = probabilities.chunks_exact(k).zip(best).map(|(row, best)| row[*best as usize]);
                let right: Vec<bool> = truth.iter().zip(best).map(|(truth, best)| truth == best).collect();
                return vec![curve("predicted class", &sure.collect::<Vec<f64>>(), &right)];
            }
            let drawn = if k == 2 { 1..2 } else { 0..k.min(MOST_CURVES) };
            let one = |class: usize| {
                let scores: Vec<f64> = probabilities.chunks_exact(k).map(|row| row[class]).collect();
                let positive: Vec<bool> = truth.iter().map(|truth| *truth as usize == class).collect();
                curve(&labels[class], &scores, &positive)
            };
            drawn.map(one).collect()
        }
    }
}
