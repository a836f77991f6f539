//! Measures of predicted numbers, in the target's own unit.

use super::classes::mean;
use super::{Measure, Undefined};

/// How far predicted numbers are from true ones.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberScores {
    /// Rows compared.
    pub rows: u64,
    /// Mean absolute error.
    pub mae: Measure,
    /// Mean squared error.
    pub mse: Measure,
    /// Root of the mean squared error.
    pub rmse: Measure,
    /// Median absolute error.
    pub median_absolute_error: Measure,
    /// Largest absolute error.
    pub max_error: Measure,
    /// Mean of |error| / |true value|, as a share; undefined where a true value is 0, where scikit-learn divides by 2e-16 instead.
    pub mape: Measure,
    /// Share of the variance that is explained; undefined where all true values are equal, where scikit-learn says 1 or 0.
    pub r2: Measure,
    /// The mean of true − predicted: not 0 means that the model is off to one side.
    pub bias: Measure,
}

/// Compares predicted numbers with true ones.
pub fn score_numbers(truth: &[f64], predicted: &[f64]) -> NumberScores {
    let residuals = || truth.iter().zip(predicted).map(|(truth, predicted)| truth - predicted);
    let mut sizes: Vec<f64> = residuals().map(f64::abs).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let mse = mean(residuals().map(|residual| residual * residual));
    let zero = truth.contains(&0.0);
    let relative = mean(truth.iter().zip(predicted).map(|(truth, predicted)| ((truth - predicted) / truth).abs()));
    NumberScores {
        rows: sizes.len() as u64,
        mae: mean(residuals().map(f64::abs)),
        mse,
        rmse: mse.map(f64::sqrt),
        median_absolute_error: quantile(&sizes, 0.5),
        max_error: quantile(&sizes, 1.0),
        mape: if zero { Err(Undefined("a true value is 0")) } else { relative },
        r2: r2(truth, predicted),
        bias: mean(residuals()),
    }
}

fn r2(truth: &[f64], predicted: &[f64]) -> Measure {
    let middle = mean(truth.iter().copied())?;
    if truth.iter().all(|value| *value == truth[0]) {
        return Err(Undefined("all true values are equal"));
    }
    let around: f64 = truth.iter().map(|value| (value - middle).powi(2)).sum();
    let left: f64 = truth.iter().zip(predicted).map(|(truth, predicted)| (truth - predicted).powi(2)).sum();
    Ok(1.0 - left / around)
}

/// The quantile of sorted numbers, linearly interpolated (numpy's default).
pub fn quantile(sorted: &[f64], q: f64) -> Measure {
    let last = sorted.len().checked_sub(1).ok_or(super::NO_ROWS)?;
    let at = q * last as f64;
    let (below, share) = (at.floor() as usize, at - at.floor());
    let (low, high) = (sorted[below.min(last)], sorted[(below + 1).min(last)]);
    Ok(if share > 0.0 { low + (high - low) * share } else { low })
}
