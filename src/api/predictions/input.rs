//! What a client sent to be predicted, matched with the columns that the model wants.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::extract::nearest;
use crate::api::models::Model;
use crate::api::problem::{Fault, Kind, Problem, shortened};
use crate::data::Cell;

/// Rows behind so many faults are not looked at: a body of nothing but faults must not make an answer that is many times as large.
pub(super) const MOST_FAULTS: usize = 100;
/// At most so many unknown columns are named in warnings.
const NAMED: usize = 20;

/// Where the model's inputs and the repeated columns stand among the columns that were sent.
pub(super) struct Matched {
    /// A place for each input of the model.
    pub(super) inputs: Vec<usize>,
    /// A place for each repeated column.
    pub(super) included: Vec<usize>,
    /// Columns that the model has never seen.
    pub(super) warnings: Vec<String>,
}

impl Matched {
    /// Finds the columns of `header`.
    pub(super) fn new(model: &Model, header: &[&str], include: &[String]) -> Result<Matched, Problem> {
        let place = |name: &str| header.iter().position(|column| *column == name);
        let encoder = model.predictor.encoder();
        let mut faults = Vec::new();
        let mut inputs = Vec::new();
        for name in encoder.input_columns() {
            match place(name) {
                Some(at) => inputs.push(at),
                None => faults.push(missing(name, header, model)),
            }
        }
        let mut included = Vec::new();
        for name in include {
            match place(name) {
                Some(at) => included.push(at),
                None => faults.push(Fault::parameter("include", format!("there is no column `{}`", shortened(name)))),
            }
        }
        if !faults.is_empty() {
            return Err(Problem::faults(Kind::InvalidRows, faults));
        }
        Ok(Matched { inputs, included, warnings: unknown(model, header.iter().copied()) })
    }
}

/// Those of some names that are no column the model knows.
fn strange<'n>(model: &Model, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let inputs: BTreeSet<&str> = model.predictor.encoder().input_columns().into_iter().collect();
    names.filter(|name| !inputs.contains(name) && !model.known.contains(*name)).collect()
}

fn missing(name: &str, header: &[&str], model: &Model) -> Fault {
    // What is there under a name of its own is not this column misspelt.
    let others = strange(model, header.iter().copied());
    let near = nearest(name, others.into_iter()).map_or(String::new(), |near| format!("; is it `{near}`?"));
    Fault {
        column: Some(name.to_owned()),
        detail: format!("the input column `{name}` is missing{near}"),
        ..Fault::default()
    }
}

/// A warning for each column that the model has never seen.
fn unknown<'a>(model: &Model, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let strange = strange(model, names);
    let mut warnings: Vec<String> = strange
        .iter()
        .take(NAMED)
        .map(|name| format!("the column `{}` is unknown to the model and was ignored", shortened(name)))
        .collect();
    if strange.len() > NAMED {
        warnings.push("further unknown columns were ignored".to_owned());
    }
    warnings
}

/// Rows of a JSON body.
pub(super) enum Sent<'a> {
    Rows(Vec<&'a Map<String, Value>>),
    Columns { names: Vec<&'a str>, columns: Vec<&'a [Value]>, rows: usize },
}

/// Rows as the model takes them.
pub(super) struct Prepared<'a> {
    /// Row-major, one for each input.
    pub(super) cells: Vec<Cell<'a>>,
    /// The repeated columns of each row.
    pub(super) included: Vec<Vec<Value>>,
    pub(super) warnings: Vec<String>,
}

/// The dataset that a body names, if it names one.
pub(super) fn dataset(body: &Value) -> Result<Option<String>, Problem> {
    let fields = fields(body)?;
    match fields.get("dataset") {
        None => Ok(None),
        Some(Value::String(key)) => Ok(Some(key.clone())),
        Some(_) => Err(body_fault("/dataset", "must be a dataset's id or name")),
    }
}

fn fields(body: &Value) -> Result<&Map<String, Value>, Problem> {
    let wanted = "must be an object with exactly one of rows, columns and dataset";
    let fields = body.as_object().ok_or_else(|| body_fault("", wanted))?;
    let known = ["rows", "columns", "dataset"];
    let strange = fields.keys().filter(|key| !known.contains(&key.as_str())).map(|key| {
        let near = nearest(key, known.into_iter());
        let advice =
            near.map_or("known are rows, columns and dataset".to_owned(), |near| format!("did you mean `{near}`?"));
        Fault::at(format!("/{}", escaped(key)), format!("unknown field; {advice}"))
    });
    let faults: Vec<Fault> = strange.collect();
    if !faults.is_empty() {
        return Err(Problem::faults(Kind::InvalidBody, faults));
    }
    if fields.len() == 1 { Ok(fields) } else { Err(body_fault("", wanted)) }
}

fn body_fault(pointer: &str, detail: &str) -> Problem {
    Problem::faults(Kind::InvalidBody, vec![Fault::at(pointer, detail)])
}

/// The rows of a body that has some.
pub(super) fn rows(body: &Value) -> Result<Sent<'_>, Problem> {
    let fields = fields(body)?;
    if let Some(rows) = fields.get("rows") {
        let wrong = |at: usize| Fault::at(format!("/rows/{at}"), "must be an object with a value for each column");
        let rows = rows.as_array().ok_or_else(|| body_fault("/rows", "must be a list of objects"))?;
        let no_objects = rows.iter().enumerate().filter(|(_, row)| !row.is_object());
        let faults: Vec<Fault> = no_objects.map(|(at, _)| wrong(at)).take(MOST_FAULTS).collect();
        if !faults.is_empty() {
            return Err(Problem::faults(Kind::InvalidRows, faults));
        }
        return Ok(Sent::Rows(rows.iter().filter_map(Value::as_object).collect()));
    }
    let columns = fields.get("columns").and_then(Value::as_object);
    let columns = columns.ok_or_else(|| body_fault("/columns", "must be an object of lists"))?;
    let mut lists = Vec::new();
    for (name, values) in columns {
        let values =
            values.as_array().ok_or_else(|| body_fault(&format!("/columns/{}", escaped(name)), "must be a list"))?;
        lists.push((name.as_str(), values.as_slice()));
    }
    let rows = lists.first().map_or(0, |(_, values)| values.len());
    if let Some((name, values)) = lists.iter().find(|(_, values)| values.len() != rows) {
        let detail = format!("has {} values, the first column has {rows}", values.len());
        return Err(body_fault(&format!("/columns/{}", escaped(name)), &detail));
    }
    let (names, columns) = lists.into_iter().unzip();
    Ok(Sent::Columns { names, columns, rows })
}

impl<'a> Sent<'a> {
    /// Brings the values into the order of the model's inputs.
    pub(super) fn prepare(&self, model: &Model, include: &[String]) -> Result<Prepared<'a>, Problem> {
        match self {
            Sent::Columns { names, columns, rows } => {
                let matched = Matched::new(model, names, include)?;
                let mut cells = Vec::with_capacity(rows * matched.inputs.len());
                let mut faults = Vec::new();
                for row in 0..*rows {
                    if faults.len() >= MOST_FAULTS {
                        break;
                    }
                    for at in &matched.inputs {
                        let value = columns.get(*at).and_then(|column| column.get(row)).unwrap_or(&Value::Null);
                        let name = names.get(*at).copied().unwrap_or("");
                        push(&mut cells, &mut faults, value, |detail| self.fault(row, name, detail));
                    }
                }
                all(faults)?;
                let value = |row: usize, at: usize| columns.get(at).and_then(|column| column.get(row)).cloned();
                let included = (0..*rows)
                    .map(|row| matched.included.iter().map(|at| value(row, *at).unwrap_or_default()).collect())
                    .collect();
                Ok(Prepared { cells, included, warnings: matched.warnings })
            }
            Sent::Rows(rows) => {
                let inputs = model.predictor.encoder().input_columns();
                let mut cells = Vec::with_capacity(rows.len() * inputs.len());
                let mut faults = Vec::new();
                for (at, row) in rows.iter().enumerate() {
                    if faults.len() >= MOST_FAULTS {
                        break;
                    }
                    for name in &inputs {
                        match row.get(*name) {
                            Some(value) => push(&mut cells, &mut faults, value, |detail| self.fault(at, name, detail)),
                            None => {
                                let keys: Vec<&str> = row.keys().map(String::as_str).collect();
                                let detail = missing(name, &keys, model).detail;
                                faults.push(self.fault(at, name, format!("{detail}; null stands for no value")));
                            }
                        }
                    }
                    for name in include.iter().filter(|name| !row.contains_key(*name)) {
                        faults.push(self.fault(at, name, "is to be included in the answer and is missing".to_owned()));
                    }
                }
                all(faults)?;
                let value = |row: &Map<String, Value>, name: &String| row.get(name).cloned().unwrap_or_default();
                let included = rows.iter().map(|row| include.iter().map(|name| value(row, name)).collect()).collect();
                let names: BTreeSet<&str> = rows.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
                Ok(Prepared { cells, included, warnings: unknown(model, names.into_iter()) })
            }
        }
    }

    /// A fault at the place where the client wrote it.
    pub(super) fn fault(&self, row: usize, column: &str, detail: String) -> Fault {
        let name = escaped(column);
        let pointer = match self {
            Sent::Rows(_) => format!("/rows/{row}/{name}"),
            Sent::Columns { .. } => format!("/columns/{name}/{row}"),
        };
        Fault { row: Some(row as u64), column: Some(column.to_owned()), ..Fault::at(pointer, detail) }
    }
}

fn all(faults: Vec<Fault>) -> Result<(), Problem> {
    if faults.is_empty() { Ok(()) } else { Err(Problem::faults(Kind::InvalidRows, faults)) }
}

fn push<'a>(cells: &mut Vec<Cell<'a>>, faults: &mut Vec<Fault>, value: &'a Value, fault: impl FnOnce(String) -> Fault) {
    match cell(value) {
        Some(cell) => cells.push(cell),
        None => faults.push(fault("must be a number, a text, true, false or null".to_owned())),
    }
}

/// A JSON value as a cell; lists and objects are none.
pub(super) fn cell(value: &Value) -> Option<Cell<'_>> {
    match value {
        Value::Null => Some(Cell::Missing),
        Value::Bool(value) => Some(Cell::Bool(*value)),
        Value::Number(number) => number.as_f64().map(Cell::Number),
        Value::String(text) => Some(Cell::Text(text)),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn escaped(key: &str) -> String {
    shortened(key).replace('~', "~0").replace('/', "~1")
}
