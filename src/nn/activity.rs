//! How a hidden layer stands after a pass: mean and spread of what it gives, and the shares of it that carry no slope.

use crate::num::{Real, reduce};

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
    let (activation_mean, activation_std) = reduce::moments(layer.activations);
    let share = |count: usize| count as f64 / layer.activations.len().max(1) as f64;
    let beyond = |middle: f64, reach: f64| share(reduce::count_beyond(layer.activations, middle, reach));
    let saturated_share = match activation {
        Activation::Sigmoid => Some(beyond(0.5, 0.45)),
        Activation::Tanh | Activation::HardTanh | Activation::Softsign => Some(beyond(0.0, 0.95)),
        _ => None,
    };
    let rectifies = matches!(activation, Activation::Relu);
    Activity {
        pre_activation_std: reduce::moments(layer.pre_activations).1,
        activation_mean,
        activation_std,
        saturated_share,
        dead_share: rectifies.then(|| dead_share(layer)),
        zero_share: rectifies.then(|| share(layer.activations.iter().filter(|a| **a == T::ZERO).count())),
    }
}

/// The share of units that give no more than 0 on every row.
fn dead_share<T: Real>(layer: &LayerView<'_, T>) -> f64 {
    let mut most = vec![T::ZERO; layer.units];
    for row in layer.activations.chunks_exact(layer.units.max(1)) {
        most.iter_mut().zip(row).for_each(|(most, a)| *most = most.maximum(*a));
    }
    most.iter().filter(|most| **most == T::ZERO).count() as f64 / layer.units.max(1) as f64
}
