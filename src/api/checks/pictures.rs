//! The picture of a report: what its numbers look like, one for each kind of check.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::api::App;
use crate::api::conditional;
use crate::api::error::no_such;
use crate::api::extract::Query;
use crate::api::jobs::job_id;
use crate::api::problem::{Kind, Problem, ProblemBody};
use crate::id::CheckId;
use crate::plot::{Bars, LineChart, Series, bars, lines};
use crate::store::Report;

/// Bars of a picture, at most.
const MOST_BARS: usize = 24;

/// Draws a report as SVG.
#[utoipa::path(get, path = "/v1/checks/{check}/picture.svg", tag = "checks",
    params(("check" = String, Path, description = "The report's id")),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such report", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn of_report(
    State(app): State<App>,
    Path(check): Path<String>,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: CheckId = check.parse().map_err(|error| no_such("check", &check, &error))?;
    answer(&app.store().report_get(id).await?, &headers)
}

/// Draws the newest report of a kind that a job has.
#[utoipa::path(get, path = "/v1/jobs/{job}/checks/{picture}", tag = "checks",
    params(("job" = String, Path, description = "The job's id"),
        ("picture" = String, Path, description = "The kind of the check with `.svg`", example = "overfit.svg")),
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml"),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such job, or no report of that kind", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn of_job(
    State(app): State<App>,
    Path((job, picture)): Path<(String, String)>,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let Some(kind) = picture.strip_suffix(".svg") else { return Err(Problem::not_found("picture", &picture)) };
    let (reports, _) = app.store().report_list(Some(id), Some(kind), 1, None).await?;
    match reports.first() {
        Some(report) => answer(report, &headers),
        None => Err(Problem::new(
            Kind::NotFound,
            format!(
                "this job has no report of the check `{}`: GET /v1/jobs/{id}/checks lists those it has",
                crate::api::problem::shortened(kind)
            ),
        )),
    }
}

fn answer(report: &Report, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("W/\"{}\"", report.id);
    if conditional::has(headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let svg = draw(&report.kind, &report.verdict, &report.document)
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("a report of {} has no picture", report.kind)))?;
    Ok(conditional::tagged(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(), &tag))
}

/// The picture of a report's document; `None` for a kind that this version does not know.
pub(in crate::api) fn draw(kind: &str, verdict: &str, document: &Value) -> Option<String> {
    let title = |what: &str| format!("{what} · {verdict}");
    match kind {
        "gradient" => Some(gradient(document, title("gradient check: largest relative difference of a tensor"))),
        "initial_loss" => Some(initial_loss(document, title("loss before the first step"))),
        "overfit" => Some(overfit(document, title("learning twenty rows by heart"))),
        "init" => Some(init(document, title("the untrained layers"))),
        "input_independent" => {
            Some(input_independent(document, title("with the inputs and without, running means of the loss")))
        }
        "lr_range" => Some(lr_range(document, title("learning-rate range test"))),
        "data" => Some(data(document, title("what each column alone tells of the target"))),
        _ => None,
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn curve(name: impl Into<String>, x: &Value, y: &Value) -> Series {
    Series { name: name.into(), points: numbers(x).into_iter().zip(numbers(y)).collect() }
}

fn each<'a>(document: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    document[name].as_array().into_iter().flatten()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The largest tensors' differences first; the line is where CS231n says "happy".
fn gradient(document: &Value, title: String) -> String {
    let mut values: Vec<(String, f64, f64)> = each(document, "tensors")
        .map(|tensor| (text(tensor, "name"), tensor["max_relative"].as_f64().unwrap_or(f64::NAN), 0.0))
        .collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    values.truncate(MOST_BARS);
    bars(&Bars { title, values, limit: Some(("uncomfortable from".into(), 1e-4)), log: true })
}

fn initial_loss(document: &Value, title: String) -> String {
    let tasks: Vec<&Value> = each(document, "tasks").collect();
    let mut values = Vec::new();
    for task in tasks.iter().take(MOST_BARS / 3) {
        let named =
            |what: &str| if tasks.len() == 1 { what.to_owned() } else { format!("{} {what}", text(task, "name")) };
        for (what, field) in [("seen", "seen"), ("guessing", "chance"), ("all outputs 0", "uniform")] {
            values.push((named(what), task[field].as_f64().unwrap_or(f64::NAN), 0.0));
        }
    }
    let limit = tasks.first().filter(|_| tasks.len() == 1).and_then(|task| task["limit"].as_f64());
    bars(&Bars { title, values, limit: limit.map(|limit| ("fails above".into(), limit)), ..Bars::default() })
}

fn overfit(document: &Value, title: String) -> String {
    let losses = curve("loss on the rows", &document["curve"]["step"], &document["curve"]["loss"]);
    let (first, least) = (document["first_loss"].as_f64(), document["least_loss"].as_f64().unwrap_or(0.0));
    let goal = first.map(|first| least + 0.01 * (first - least));
    let ends = losses.points.first().zip(losses.points.last()).map(|(first, last)| (first.0, last.0));
    let line = goal.zip(ends).map(|(goal, (from, to))| Series {
        name: "learned by heart below".into(),
        points: vec![(from, goal), (to, goal)],
    });
    lines(&LineChart {
        title,
        x_label: "step".into(),
        y_label: "loss".into(),
        log_y: true,
        series: std::iter::once(losses).chain(line).collect(),
        ..LineChart::default()
    })
}

/// Each layer a place from left to right; slopes beside the last layer's, so that all fit on one axis.
fn init(document: &Value, title: String) -> String {
    let layers: Vec<&Value> = each(document, "layers").collect();
    let number = |layer: &Value, field: &str| layer[field].as_f64().unwrap_or(f64::NAN);
    let series = |name: &str, of: &dyn Fn(&Value) -> f64| Series {
        name: name.into(),
        points: layers.iter().enumerate().map(|(place, layer)| (place as f64, of(layer))).collect(),
    };
    let last = layers.last().map_or(1.0, |layer| number(layer, "gradient_rms"));
    lines(&LineChart {
        title,
        x_label: "hidden layer".into(),
        y_label: "spread, share".into(),
        series: vec![
            series("spread of activations", &|layer| number(layer, "activation_std")),
            series("share that is flat", &|layer| number(layer, "saturated_share")),
            series("share of dead units", &|layer| number(layer, "dead_share")),
            series("slope beside the last layer's", &|layer| number(layer, "gradient_rms") / last),
        ],
        ..LineChart::default()
    })
}

fn input_independent(document: &Value, title: String) -> String {
    let both = &document["curve"];
    lines(&LineChart {
        title,
        x_label: "step".into(),
        y_label: "loss".into(),
        series: vec![
            curve("with the inputs", &both["step"], &both["seeing"]),
            curve("inputs all 0", &both["step"], &both["blind"]),
        ],
        ..LineChart::default()
    })
}

fn lr_range(document: &Value, title: String) -> String {
    let losses = curve("loss", &document["curve"]["learning_rate"], &document["curve"]["loss"]);
    let finite = || losses.points.iter().map(|point| point.1).filter(|loss| loss.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let named = [
        ("a tenth of the least", "minimum_tenth"),
        ("steepest", "steepest"),
        ("valley", "valley"),
        ("the spec's", "learning_rate"),
    ];
    let marks = named.iter().filter_map(|(name, field)| {
        let rate = document[*field].as_f64().filter(|rate| (1e-6..=10.0).contains(rate))?;
        Some(Series { name: format!("{name} {rate}"), points: vec![(rate, low), (rate, high)] })
    });
    let marks: Vec<Series> = marks.collect();
    lines(&LineChart {
        title,
        x_label: "learning rate".into(),
        y_label: "loss, smoothed".into(),
        log_x: true,
        series: std::iter::once(losses).chain(marks).collect(),
        ..LineChart::default()
    })
}

fn data(document: &Value, title: String) -> String {
    let columns: Vec<&Value> = each(document, "columns").collect();
    let several = columns.iter().any(|column| column["target"] != columns[0]["target"]);
    let name = |column: &Value| match several {
        true => format!("{} → {}", text(column, "column"), text(column, "target")),
        false => text(column, "column"),
    };
    let values = columns.iter().map(|column| (name(column), column["score"].as_f64().unwrap_or(f64::NAN), 0.0));
    bars(&Bars {
        title,
        values: values.take(MOST_BARS).collect(),
        limit: Some(("gives it away above".into(), 0.999)),
        ..Bars::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice::CHECKS;
    use serde_json::json;

    #[test]
    fn every_kind_of_check_has_a_picture_even_of_an_empty_report() {
        for kind in CHECKS {
            let svg = draw(kind, "passed", &json!({})).unwrap();
            assert!(svg.starts_with("<svg") && svg.contains("passed"), "{kind}: {svg}");
        }
        assert_eq!(draw("palmistry", "passed", &json!({})), None);
    }

    #[test]
    fn a_hostile_column_name_stays_text() {
        let report = json!({"columns": [{"column": "<script>x</script>", "target": "y", "score": 0.5}]});
        let svg = draw("data", "passed", &report).unwrap();
        assert!(!svg.contains("<script") && svg.contains("&lt;script"), "{svg}");
    }
}
