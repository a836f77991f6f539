//! How a hidden layer stands after a pass: mean and spread of what it gives, and the shares of it that carry no slope.

use crate::num::Real;

use super::activation::Activation;
use super::workspace::LayerView;

/// What was seen of a hidden layer over the rows of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// Standard deviation of what the activation got.
    pub pre_activation_std: f64,
    /// Mean of what it gave.
    pub activation_mean: f64,
    /// Its standard deviation.
    pub activation_std: f64,
    /// Share of it where the curve is all but flat; `None` for curves without limits. The bounds are the usual ones of plots of saturation.
    pub saturated_share: Option<f64>,
    /// Share of units that are 0 on every row; `None` for curves that are not 0 over a range.
    pub dead_share: Option<f64>,
    /// Share of zeros; `None` likewise.
    pub zero_share: Option<f64>,
}

/// Looks at a layer as the last pass left it.
pub fn activity<T: Real>(layer: &LayerView<'_, T>, activation: Activation) -> Activity {
    let (activation_mean, activation_std) = moments(layer.activations);
    let flat: Option<fn(f64) -> bool> = match activation {
        Activation::Sigmoid => Some(|a| !(0.05..=0.95).contains(&a)),
        Activation::Tanh | Activation::HardTanh | Activation::Softsign => Some(|a| a.abs() > 0.95),
        _ => None,
    };
    let rectifies = matches!(activation, Activation::Relu);
    let fires = |unit: usize| layer.activations.iter().skip(unit).step_by(layer.units).any(|a| *a > T::ZERO);
    let dead = || (0..layer.units).filter(|unit| !fires(*unit)).count() as f64 / layer.units.max(1) as f64;
    Activity {
        pre_activation_std: moments(layer.pre_activations).1,
        activation_mean,
        activation_std,
        saturated_share: flat.map(|flat| share(layer.activations, |a| flat(a.to_f64()))),
        dead_share: rectifies.then(dead),
        zero_share: rectifies.then(|| share(layer.activations, |a| a == T::ZERO)),
    }
}

fn share<T: Real>(values: &[T], wanted: impl Fn(T) -> bool) -> f64 {
    values.iter().filter(|value| wanted(**value)).count() as f64 / values.len().max(1) as f64
}

/// Mean and standard deviation, added up in f64.
fn moments<T: Real>(values: &[T]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|x| x.to_f64()).sum::<f64>() / count;
    let variance = values.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}
