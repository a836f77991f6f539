//! What each column does to a model: permutation importance (Breiman 2001) and partial dependence (Friedman 2001).

use super::{PredictError, PredictedValues, Predictor};
use crate::data::encoder::quantile;
use crate::data::{Cell, Column, DataError, Table, Values};
use crate::num::random::{Stream, permutation};

/// How much worse the model gets when the values of one column are dealt out anew among the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The column.
    pub column: String,
    /// Of the loss over all tasks.
    pub loss: Moved,
    /// Of each task's own loss, in the order of the targets.
    pub tasks: Vec<Moved>,
}

/// By how much a loss rose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Mean over the repeats.
    pub mean: f64,
    /// Standard deviation over the repeats (divided by n, as scikit-learn does).
    pub std: f64,
}

/// What the model says on average when one column has the same value in all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// The column.
    pub column: String,
    /// Along the column's values.
    pub points: Vec<DependencePoint>,
}

/// One value and what the model makes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DependencePoint {
    /// The value, as it stands in the table.
    pub row: u32,
    /// What was put in its place, where the column is one of numbers or times.
    pub put: Option<Put>,
    /// For each target the mean probability of each class or label, or the mean number.
    pub targets: Vec<Vec<f64>>,
}

/// A value that need not stand in the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Put {
    /// A number.
    Number(f64),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Predictor {
    /// Deals out each input column of these rows anew `repeats` times and evaluates.
    ///
    /// # Errors
    /// As [`Predictor::evaluate`].
    pub fn importance(&self, mut table: Table, repeats: u64, seed: u64) -> Result<Vec<Importance>, PredictError> {
        let all: Vec<u32> = (0..table.rows as u32).collect();
        let whole = self.evaluate(&table, &all, 1)?;
        let mut found = Vec::new();
        for name in self.encoder.input_columns() {
            let Some(place) = table.columns.iter().position(|column| column.name == name) else { continue };
            let original = table.columns[place].clone();
            let (mut order, mut losses, mut tasks) = (Vec::new(), Vec::new(), vec![Vec::new(); whole.tasks.len()]);
            for repeat in 0..repeats {
                // The same orders for each column: what differs between two columns is not the draw.
                permutation(seed, Stream::CheckRows, repeat, table.rows, &mut order);
                table.columns[place] = original.take(&order);
                let moved = self.evaluate(&table, &all, 1)?;
                losses.push(moved.loss - whole.loss);
                for ((rises, moved), before) in tasks.iter_mut().zip(&moved.tasks).zip(&whole.tasks) {
                    rises.push(moved.loss - before.loss);
                }
            }
            table.columns[place] = original;
            let tasks = tasks.iter().map(|rises| Moved::of(rises)).collect();
            found.push(Importance { column: name.to_owned(), loss: Moved::of(&losses), tasks });
        }
        Ok(found)
    }

    /// Puts each of up to `points` values of a column into all rows and predicts: its distinct values where there are no more, else
    /// for numbers and times evenly spaced ones between the 5th and the 95th percentile, for others the most frequent.
    ///
    /// # Errors
    /// [`PredictError`] where the column is no input.
    pub fn dependence(&self, table: &Table, column: &str, points: usize) -> Result<Dependence, PredictError> {
        let mut table = table.clone();
        let all: Vec<u32> = (0..table.rows as u32).collect();
        let place = table.columns.iter().position(|known| known.name == column);
        let is_input = self.encoder.input_columns().contains(&column);
        let Some(place) = place.filter(|_| is_input) else {
            let detail =
                format!("is no input of this model; its inputs are {}", self.encoder.input_columns().join(", "));
            let fault = crate::data::error::PlanFault { column: Some(column.to_owned()), detail };
            return Err(DataError::Plan(vec![fault]).into());
        };
        let original = table.columns[place].clone();
        let mut found = Vec::new();
        for (row, put) in grid(&original, points) {
            table.columns[place] = match put {
                Some(Put::Number(number)) => {
                    Column { values: Values::Numeric(vec![number; table.rows]), ..original.clone() }
                }
                Some(Put::Time(ms)) => Column { values: Values::Datetime(vec![ms; table.rows]), ..original.clone() },
                None => original.take(&vec![row; table.rows]),
            };
            let predicted = self.predict_table(&table, &all)?;
            let targets = predicted.targets.into_iter().map(|target| means(target.values)).collect();
            found.push(DependencePoint { row, put, targets });
        }
        Ok(Dependence { column: column.to_owned(), points: found })
    }
}

impl Moved {
    fn of(rises: &[f64]) -> Moved {
        let n = rises.len().max(1) as f64;
        let mean = rises.iter().sum::<f64>() / n;
        let variance = rises.iter().map(|rise| (rise - mean).powi(2)).sum::<f64>() / n;
        Moved { mean, std: variance.sqrt() }
    }
}

/// Values along a column: a row that has it, or what is put in its place.
fn grid(column: &Column, points: usize) -> Vec<(u32, Option<Put>)> {
    let present = || (0..column.len()).filter(|row| !column.is_missing(*row));
    let along: Option<Vec<Put>> = match &column.values {
        Values::Numeric(values) => {
            let values = spaced(present().map(|row| values[row]).collect(), points);
            Some(values.into_iter().map(Put::Number).collect())
        }
        Values::Datetime(times) => {
            let times = spaced(present().map(|row| times[row] as f64).collect(), points);
            Some(times.into_iter().map(|ms| Put::Time(ms.round() as i64)).collect())
        }
        Values::Text { .. } => None,
    };
    if let Some(along) = along {
        return along.into_iter().map(|put| (0, Some(put))).collect();
    }
    let mut seen: Vec<(Cell<'_>, u32, usize)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for row in present() {
        let cell = column.cell(row);
        let place = *places.entry(cell.to_json().to_string()).or_insert_with(|| {
            seen.push((cell, row as u32, 0));
            seen.len() - 1
        });
        seen[place].2 += 1;
    }
    seen.sort_by_key(|(_, row, count)| (std::cmp::Reverse(*count), *row));
    seen.truncate(points);
    seen.into_iter().map(|(_, row, _)| (row, None)).collect()
}

/// The distinct values where there are no more than `points`, else evenly spaced ones between the 5th and the 95th percentile.
fn spaced(mut values: Vec<f64>, points: usize) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    if distinct.len() <= points {
        return distinct;
    }
    let (low, high) = (quantile(&values, 0.05), quantile(&values, 0.95));
    (0..points).map(|i| low + (high - low) * i as f64 / (points - 1).max(1) as f64).collect()
}

fn means(values: PredictedValues) -> Vec<f64> {
    let (width, values) = match values {
        PredictedValues::Classes { labels, probabilities, .. } | PredictedValues::Labels { labels, probabilities } => {
            (labels.len(), probabilities)
        }
        PredictedValues::Numbers(numbers) => (1, numbers),
    };
    let rows = (values.len() / width.max(1)).max(1) as f64;
    (0..width).map(|place| values.iter().skip(place).step_by(width.max(1)).sum::<f64>() / rows).collect()
}
