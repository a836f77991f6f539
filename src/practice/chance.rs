//! What a network can reach that does not look at its input: the yardstick of first losses and baselines.

use crate::data::TargetColumn;
use crate::data::examples::MISSING_CLASS;
use crate::nn::{Head, Loss};

/// The constant outputs (before softmax, sigmoid or exp) that fit the labels of one target best.
pub(super) fn best_constants(head: &Head, labels: &TargetColumn<f64>, weights: Option<&[f64]>) -> Vec<f64> {
    let row_weight = |row: usize| weights.and_then(|weights| weights.get(row)).copied().unwrap_or(1.0);
    let class_weight =
        |class: usize| head.class_weights.as_ref().and_then(|all| all.get(class)).copied().unwrap_or(1.0);
    match head.loss {
        Loss::CrossEntropy { .. } => {
            let mut shares = vec![0.0; head.outputs];
            match labels {
                TargetColumn::Classes(classes) => {
                    let labelled = classes.iter().enumerate().filter(|(_, class)| **class != MISSING_CLASS);
                    for (row, &class) in labelled {
                        if let Some(share) = shares.get_mut(class as usize) {
                            *share += row_weight(row) * class_weight(class as usize);
                        }
                    }
                }
                TargetColumn::Values { values, width } | TargetColumn::Distribution { values, width } => {
                    for (row, soft) in values.chunks_exact((*width).max(1)).enumerate() {
                        for (class, (share, q)) in shares.iter_mut().zip(soft).enumerate() {
                            *share += if q.is_nan() { 0.0 } else { q * row_weight(row) * class_weight(class) };
                        }
                    }
                }
            }
            let total: f64 = shares.iter().sum();
            // A class without a row gets what half a row would, so that its logarithm is finite.
            shares.iter().map(|share| (share.max(0.5) / total.max(0.5)).ln()).collect()
        }
        Loss::BinaryCrossEntropy { pos_weight } => (0..head.outputs)
            .map(|label| {
                let (mut no, mut yes) = (0.0, 0.0);
                each(labels, head.outputs, label, |row, y| {
                    let side = usize::from(y > 0.5);
                    let weight = row_weight(row) * class_weight(side);
                    yes += weight * y * pos_weight;
                    no += weight * (1.0 - y);
                });
                (f64::max(yes, 0.5) / f64::max(no, 0.5)).ln()
            })
            .collect(),
        Loss::Mae => (0..head.outputs).map(|output| median(labels, head.outputs, output)).collect(),
        Loss::Poisson => (0..head.outputs).map(|o| mean(labels, head.outputs, o, &row_weight).max(1e-6).ln()).collect(),
        Loss::Mse { .. } | Loss::Huber { .. } => {
            (0..head.outputs).map(|output| mean(labels, head.outputs, output, &row_weight)).collect()
        }
    }
}

fn each(labels: &TargetColumn<f64>, outputs: usize, output: usize, mut f: impl FnMut(usize, f64)) {
    match labels {
        TargetColumn::Classes(classes) => {
            let labelled = classes.iter().enumerate().filter(|(_, class)| **class != MISSING_CLASS);
            labelled.for_each(|(row, &class)| f(row, f64::from(class)));
        }
        TargetColumn::Values { values, .. } | TargetColumn::Distribution { values, .. } => {
            let column = values.iter().skip(output).step_by(outputs.max(1)).enumerate();
            column.filter(|(_, y)| !y.is_nan()).for_each(|(row, &y)| f(row, y));
        }
    }
}

fn mean(labels: &TargetColumn<f64>, outputs: usize, output: usize, weight: &impl Fn(usize) -> f64) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    each(labels, outputs, output, |row, y| {
        sum += weight(row) * y;
        total += weight(row);
    });
    if total > 0.0 { sum / total } else { 0.0 }
}

fn median(labels: &TargetColumn<f64>, outputs: usize, output: usize) -> f64 {
    let mut values = Vec::new();
    each(labels, outputs, output, |_, y| values.push(y));
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
