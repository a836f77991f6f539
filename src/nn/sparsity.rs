//! The penalty on the activity of hidden units, value and slope side by side: L1, or the divergence of each unit's mean activation
//! from a wanted one (Ng, UFLDL "Autoencoders and sparsity"). Penalties on weights are in `penalty`.

use crate::num::{Real, reduce};

use super::activation::Activation;
use super::architecture::Sparsity;
use super::penalty::sign;

/// The penalty of one layer's activations `a`, `[rows, units]`. `means` `[units]` is left with the mean activation of each unit where the slope needs it.
pub(super) fn value<T: Real>(sparsity: Sparsity, activation: Activation, a: &[T], means: &mut [T]) -> f64 {
    match sparsity {
        Sparsity::L1 { weight } => weight * reduce::sum_of_absolutes(a).to_f64() / a.len() as f64,
        Sparsity::Kl { target, weight } => {
            let share = T::from_f64(means.len() as f64 / a.len() as f64);
            reduce::column_sums(a, means);
            means.iter_mut().for_each(|mean| *mean *= share);
            let divergence = |mean: &T| {
                let seen = unit_interval(activation, *mean).to_f64();
                target * Real::ln(target / seen) + (1.0 - target) * Real::ln((1.0 - target) / (1.0 - seen))
            };
            weight * means.iter().map(divergence).sum::<f64>()
        }
    }
}

/// Adds the slope of [`value`] with respect to `a` to `d`.
pub(super) fn add_slope<T: Real>(sparsity: Sparsity, activation: Activation, a: &[T], means: &[T], d: &mut [T]) {
    #[cfg(test)]
    let sparsity = {
        let factor = super::fault::factor(super::fault::Site::Sparsity);
        match sparsity {
            Sparsity::L1 { weight } => Sparsity::L1 { weight: weight * factor },
            Sparsity::Kl { target, weight } => Sparsity::Kl { target, weight: weight * factor },
        }
    };
    match sparsity {
        Sparsity::L1 { weight } => {
            let factor = T::from_f64(weight / a.len() as f64);
            d.iter_mut().zip(a).for_each(|(d, &a)| *d += factor * sign(a));
        }
        Sparsity::Kl { target, weight } => {
            let units = means.len();
            // The map of tanh to (0, 1) brings a factor of its own.
            let inner = if activation == Activation::Tanh { 0.5 } else { 1.0 };
            let factor = T::from_f64(inner * weight / (a.len() / units) as f64);
            let (target, rest) = (T::from_f64(target), T::from_f64(1.0 - target));
            for row in d.chunks_exact_mut(units) {
                for (d, &mean) in row.iter_mut().zip(means) {
                    let seen = unit_interval(activation, mean);
                    *d += factor * (rest / (T::ONE - seen) - target / seen);
                }
            }
        }
    }
}

/// A mean activation as a number within (0, 1).
fn unit_interval<T: Real>(activation: Activation, mean: T) -> T {
    let half = T::from_f64(0.5);
    let mean = if activation == Activation::Tanh { (mean + T::ONE) * half } else { mean };
    mean.maximum(T::from_f64(1e-12)).minimum(T::from_f64(if T::BYTES == 4 { 1.0 - 6e-8 } else { 1.0 - 1e-12 }))
}
