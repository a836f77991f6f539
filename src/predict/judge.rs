//! Predictions beside the true values of the same rows: what measures are made from.

use super::{PredictError, PredictedValues, Predictor};
use crate::data::encoder::TargetKind;
use crate::data::examples::MISSING_CLASS;
use crate::data::{Rows, TargetColumn};
use crate::nn::head::argmax;

/// Predictions and true values of one target, over the rows that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The target's name.
    pub name: String,
    /// Rows of the table.
    pub rows: Vec<u32>,
    /// What was predicted of them and what is true.
    pub values: JudgedValues,
}

/// What was predicted and what is true.
#[derive(Clone, Debug, PartialEq)]
pub enum JudgedValues {
    /// One of several classes (two for a binary target).
    Classes {
        /// The labels in the order of the classes.
        labels: Vec<String>,
        /// Rows of each class in the training part.
        training_counts: Vec<u64>,
        /// The class of each row; of shares, the largest.
        truth: Vec<u32>,
        /// The predicted class.
        best: Vec<u32>,
        /// `[rows, labels]`.
        probabilities: Vec<f64>,
    },
    /// Several yes-or-no labels, each with rows of its own.
    Labels(Vec<JudgedLabel>),
    /// Numbers in the target's own unit.
    Numbers {
        /// What is true.
        truth: Vec<f64>,
        /// What was predicted.
        predicted: Vec<f64>,
        /// Mean of the training part.
        training_mean: f64,
    },
}

/// One yes-or-no label.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedLabel {
    /// Its column.
    pub label: String,
    /// Rows of the table.
    pub rows: Vec<u32>,
    /// Whether it holds, 0 or 1.
    pub truth: Vec<u32>,
    /// Probability that it does.
    pub probabilities: Vec<f64>,
    /// Rows of the training part where it does not and where it does.
    pub training_counts: [u64; 2],
}

impl Predictor {
    /// Predicts rows of a table and puts the true values beside them, one entry a target; rows without a true value are left out.
    ///
    /// # Errors
    /// [`PredictError`] where an input or target column is missing or a cell is not what was learned.
    pub fn judge(&self, table: &dyn Rows, rows: &[u32]) -> Result<Vec<Judged>, PredictError> {
        let truths = self.encoder.truths(table, rows)?;
        let predicted = self.predict_table(table, rows)?;
        let together = self.encoder.targets().iter().zip(truths).zip(predicted.targets);
        let judged = together.map(|((target, truth), predicted)| match predicted.values {
            PredictedValues::Classes { labels, best, probabilities } => {
                let truth = classes(&truth);
                let kept: Vec<usize> = (0..rows.len()).filter(|at| truth[*at] != MISSING_CLASS).collect();
                let k = labels.len();
                let values = JudgedValues::Classes {
                    truth: kept.iter().map(|at| truth[*at]).collect(),
                    best: kept.iter().map(|at| best[*at]).collect(),
                    probabilities: kept.iter().flat_map(|at| &probabilities[at * k..(at + 1) * k]).copied().collect(),
                    training_counts: target.class_counts.clone(),
                    labels,
                };
                Judged { name: predicted.name, rows: kept.iter().map(|at| rows[*at]).collect(), values }
            }
            PredictedValues::Labels { labels, probabilities } => {
                let of = |(place, label): (usize, String)| {
                    let value = |at: usize| entry(&truth, at, place);
                    let kept: Vec<usize> = (0..rows.len()).filter(|at| !value(*at).is_nan()).collect();
                    let ones = target.class_counts.get(place).copied().unwrap_or(0);
                    JudgedLabel {
                        label,
                        rows: kept.iter().map(|at| rows[*at]).collect(),
                        truth: kept.iter().map(|at| u32::from(value(*at) > 0.5)).collect(),
                        probabilities: kept.iter().map(|at| probabilities[at * target.classes.len() + place]).collect(),
                        training_counts: [target.labelled.saturating_sub(ones), ones],
                    }
                };
                let labels = labels.into_iter().enumerate().map(of).collect();
                Judged { name: predicted.name, rows: rows.to_vec(), values: JudgedValues::Labels(labels) }
            }
            PredictedValues::Numbers(numbers) => {
                let kept: Vec<usize> = (0..rows.len()).filter(|at| !entry(&truth, *at, 0).is_nan()).collect();
                let training_mean = match target.kind {
                    TargetKind::Regression { .. } => target.mean,
                    _ => f64::NAN,
                };
                let values = JudgedValues::Numbers {
                    truth: kept.iter().map(|at| entry(&truth, *at, 0)).collect(),
                    predicted: kept.iter().map(|at| numbers[*at]).collect(),
                    training_mean,
                };
                Judged { name: predicted.name, rows: kept.iter().map(|at| rows[*at]).collect(), values }
            }
        });
        Ok(judged.collect())
    }
}

/// One number of a row; NaN where it is missing.
fn entry(truth: &TargetColumn<f64>, row: usize, place: usize) -> f64 {
    match truth {
        TargetColumn::Values { width, values } | TargetColumn::Distribution { width, values } => {
            values.get(row * width + place).copied().unwrap_or(f64::NAN)
        }
        TargetColumn::Classes(_) => f64::NAN,
    }
}

/// The class of each row.
fn classes(truth: &TargetColumn<f64>) -> Vec<u32> {
    match truth {
        TargetColumn::Classes(classes) => classes.clone(),
        TargetColumn::Values { width, values } | TargetColumn::Distribution { width, values } => {
            let class = |row: &[f64]| match row {
                row if row.iter().any(|value| value.is_nan()) => MISSING_CLASS,
                [single] => u32::from(*single > 0.5),
                several => argmax(several) as u32,
            };
            values.chunks_exact((*width).max(1)).map(class).collect()
        }
    }
}
