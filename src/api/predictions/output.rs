//! Predictions as they are written: JSON objects, CSV records, lines.

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::api::list::{self, Format, csv_cell};
use crate::api::problem::Problem;
use crate::data::encoder::TargetKind;
use crate::predict::{PredictedValues, Predictions, Predictor};

/// The columns of an answer.
pub(super) struct Layout {
    include: Vec<String>,
    header: Vec<String>,
}

impl Layout {
    pub(super) fn new(predictor: &Predictor, include: Vec<String>) -> Layout {
        let mut header = vec!["row".to_owned()];
        header.extend(include.iter().cloned());
        for target in predictor.encoder().targets() {
            header.push(target.name.clone());
            if !matches!(target.kind, TargetKind::Regression { .. }) {
                header.extend(target.classes.iter().map(|class| format!("{}_probability.{class}", target.name)));
            }
        }
        header.push("error".to_owned());
        Layout { include, header }
    }

    /// The names of the CSV columns.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// One prediction as an object: `{"row":0,"species":{"label":…,"probabilities":{…}}}`.
    pub(super) fn json(&self, predicted: &Predictions, at: usize, row: u64, included: Option<&Vec<Value>>) -> Value {
        let mut fields = self.start(row, included);
        for target in &predicted.targets {
            fields.insert(target.name.clone(), one(&target.values, at));
        }
        Value::Object(fields)
    }

    /// A row of a stream that could not be predicted.
    pub(super) fn json_error(&self, row: u64, included: Option<&Vec<Value>>, error: &str) -> Value {
        let mut fields = self.start(row, included);
        fields.insert("error".to_owned(), error.into());
        Value::Object(fields)
    }

    fn start(&self, row: u64, included: Option<&Vec<Value>>) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("row".to_owned(), row.into());
        for (name, value) in self.include.iter().zip(included.into_iter().flatten()) {
            fields.insert(name.clone(), value.clone());
        }
        fields
    }

    /// One prediction as CSV cells, in the order of [`Layout::header`].
    pub(super) fn csv(
        &self,
        predicted: &Predictions,
        at: usize,
        row: u64,
        included: Option<&Vec<Value>>,
    ) -> Vec<String> {
        let mut cells = self.csv_start(row, included);
        for target in &predicted.targets {
            match &target.values {
                PredictedValues::Classes { labels, best, probabilities } => {
                    cells.push(label(labels, best, at).to_owned());
                    cells.extend(slice(probabilities, labels.len(), at).iter().map(|p| text(*p)));
                }
                PredictedValues::Labels { labels, probabilities } => {
                    let shares = slice(probabilities, labels.len(), at);
                    cells.push(chosen(labels, shares).join(";"));
                    cells.extend(shares.iter().map(|p| text(*p)));
                }
                PredictedValues::Numbers(values) => {
                    cells.push(values.get(at).map_or(String::new(), |value| text(*value)))
                }
            }
        }
        cells.push(String::new());
        cells
    }

    /// A row of a stream that could not be predicted: empty but for its error.
    pub(super) fn csv_error(&self, row: u64, included: Option<&Vec<Value>>, error: &str) -> Vec<String> {
        let mut cells = self.csv_start(row, included);
        cells.resize(self.header.len().saturating_sub(1), String::new());
        cells.push(error.to_owned());
        cells
    }

    fn csv_start(&self, row: u64, included: Option<&Vec<Value>>) -> Vec<String> {
        let mut cells = vec![row.to_string()];
        cells.extend(included.into_iter().flatten().map(csv_cell));
        cells.resize(1 + self.include.len(), String::new());
        cells
    }

    /// All predictions as a bare array of flat objects, CSV or lines.
    pub(super) fn table(
        &self,
        predicted: &Predictions,
        included: &[Vec<Value>],
        format: Format,
    ) -> Result<Response, Problem> {
        let row = |at: usize| {
            if format == Format::Ndjson {
                return self.json(predicted, at, at as u64, included.get(at));
            }
            let cells = self.csv(predicted, at, at as u64, included.get(at));
            Value::Object(self.header.iter().cloned().zip(cells.into_iter().map(typed)).collect())
        };
        let rows: Vec<Value> = (0..predicted.rows).map(row).collect();
        match format {
            Format::Ndjson => list::lines(&rows),
            other => list::table(&rows, other),
        }
    }
}

/// A cell back as JSON: numbers as numbers, nothing as null.
fn typed(cell: String) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    match serde_json::from_str(&cell) {
        Ok(Value::Number(number)) => Value::Number(number),
        _ => Value::String(cell),
    }
}

fn one(values: &PredictedValues, at: usize) -> Value {
    match values {
        PredictedValues::Classes { labels, best, probabilities } => json!({
            "label": label(labels, best, at),
            "probabilities": shares(labels, slice(probabilities, labels.len(), at)),
        }),
        PredictedValues::Labels { labels, probabilities } => {
            let found = slice(probabilities, labels.len(), at);
            json!({"labels": chosen(labels, found), "probabilities": shares(labels, found)})
        }
        PredictedValues::Numbers(values) => match values.get(at) {
            Some(value) if value.is_finite() => json!({"value": value}),
            _ => json!({"value": null, "reason": "the prediction is not a finite number"}),
        },
    }
}

fn label<'a>(labels: &'a [String], best: &[u32], at: usize) -> &'a str {
    best.get(at).and_then(|index| labels.get(*index as usize)).map_or("", String::as_str)
}

fn slice(values: &[f64], width: usize, at: usize) -> &[f64] {
    values.get(at * width..(at + 1) * width).unwrap_or(&[])
}

fn shares(labels: &[String], probabilities: &[f64]) -> Value {
    labels.iter().cloned().zip(probabilities.iter().map(|p| json!(p))).collect::<Map<_, _>>().into()
}

fn chosen<'a>(labels: &'a [String], probabilities: &[f64]) -> Vec<&'a str> {
    labels.iter().zip(probabilities).filter(|(_, p)| **p > 0.5).map(|(label, _)| label.as_str()).collect()
}

fn text(value: f64) -> String {
    if value.is_finite() { json!(value).to_string() } else { String::new() }
}
