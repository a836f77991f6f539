//! Normalisation of pre-activations over the batch (Ioffe and Szegedy 2015) or over the units of a row (Ba et al. 2016), forward and backward side by side.
//! Shapes: B rows, U units; `z` `[B, U]` comes in and becomes y = scale * x̂ + shift; x̂ `[B, U]` and 1/√(σ² + ε) are kept for the way back.

use crate::num::Real;

/// ε of torch.
const EPSILON: f64 = 1e-5;
/// Share of the new batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Scale and shift of each unit, `[U]` each.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a, T> {
    pub scale: &'a [T],
    pub shift: &'a [T],
}

/// Training: normalises over the batch with the biased variance; the running variance takes the unbiased one.
pub(super) fn batch_forward<T: Real>(
    affine: Affine<'_, T>,
    z: &mut [T],
    normalized: &mut [T],
    inverse_std: &mut [T],
    running_mean: &mut [T],
    running_variance: &mut [T],
) {
    let units = affine.scale.len();
    let rows = z.len() / units;
    let per_row = T::from_f64(1.0 / rows as f64);
    let unbiased = T::from_f64(rows as f64 / (rows as f64 - 1.0).max(1.0));
    let momentum = T::from_f64(MOMENTUM);
    for unit in 0..units {
        let column = || (0..rows).map(move |row| row * units + unit);
        let mut sum = T::ZERO;
        column().for_each(|at| sum += z[at]);
        let mean = sum * per_row;
        let mut squares = T::ZERO;
        column().for_each(|at| squares = (z[at] - mean).mul_add(z[at] - mean, squares));
        let variance = squares * per_row;
        inverse_std[unit] = T::ONE / (variance + T::from_f64(EPSILON)).sqrt();
        running_mean[unit] += momentum * (mean - running_mean[unit]);
        running_variance[unit] += momentum * (variance * unbiased - running_variance[unit]);
        for at in column() {
            normalized[at] = (z[at] - mean) * inverse_std[unit];
            z[at] = affine.scale[unit].mul_add(normalized[at], affine.shift[unit]);
        }
    }
}

/// Inference: normalises with the running statistics.
pub(super) fn batch_infer<T: Real>(affine: Affine<'_, T>, z: &mut [T], running_mean: &[T], running_variance: &[T]) {
    let units = affine.scale.len();
    for row in z.chunks_exact_mut(units) {
        for unit in 0..units {
            let inverse_std = T::ONE / (running_variance[unit] + T::from_f64(EPSILON)).sqrt();
            row[unit] = affine.scale[unit].mul_add((row[unit] - running_mean[unit]) * inverse_std, affine.shift[unit]);
        }
    }
}

/// dz = (scale / √(σ² + ε)) · (dy - mean(dy) - x̂ · mean(dy · x̂)), means over the batch. `d` is dy and becomes dz; the slopes of scale and shift are written.
pub(super) fn batch_backward<T: Real>(
    scale: &[T],
    normalized: &[T],
    inverse_std: &[T],
    d: &mut [T],
    d_scale: &mut [T],
    d_shift: &mut [T],
) {
    let units = scale.len();
    let rows = d.len() / units;
    let per_row = T::from_f64(1.0 / rows as f64);
    for unit in 0..units {
        let column = || (0..rows).map(move |row| row * units + unit);
        let (mut sum, mut product) = (T::ZERO, T::ZERO);
        for at in column() {
            sum += d[at];
            product = d[at].mul_add(normalized[at], product);
        }
        d_scale[unit] = product;
        d_shift[unit] = sum;
        let factor = scale[unit] * inverse_std[unit];
        let (mean, mean_product) = (sum * per_row, product * per_row);
        column().for_each(|at| d[at] = factor * (d[at] - mean - normalized[at] * mean_product));
    }
}

/// Normalises each row over its units, in training and in inference alike.
pub(super) fn layer_forward<T: Real>(affine: Affine<'_, T>, z: &mut [T], normalized: &mut [T], inverse_std: &mut [T]) {
    let units = affine.scale.len();
    let per_unit = T::from_f64(1.0 / units as f64);
    for ((row, normalized), inverse_std) in
        z.chunks_exact_mut(units).zip(normalized.chunks_exact_mut(units)).zip(inverse_std)
    {
        let mean = crate::num::reduce::sum(row) * per_unit;
        row.iter_mut().for_each(|z| *z -= mean);
        let variance = crate::num::reduce::sum_of_squares(row) * per_unit;
        *inverse_std = T::ONE / (variance + T::from_f64(EPSILON)).sqrt();
        for unit in 0..units {
            normalized[unit] = row[unit] * *inverse_std;
            row[unit] = affine.scale[unit].mul_add(normalized[unit], affine.shift[unit]);
        }
    }
}

/// The same formula as [`batch_backward`], means over the units of a row.
pub(super) fn layer_backward<T: Real>(
    scale: &[T],
    normalized: &[T],
    inverse_std: &[T],
    d: &mut [T],
    d_scale: &mut [T],
    d_shift: &mut [T],
) {
    let units = scale.len();
    let per_unit = T::from_f64(1.0 / units as f64);
    d_scale.fill(T::ZERO);
    d_shift.fill(T::ZERO);
    for ((d, normalized), &inverse_std) in
        d.chunks_exact_mut(units).zip(normalized.chunks_exact(units)).zip(inverse_std)
    {
        let (mut sum, mut product) = (T::ZERO, T::ZERO);
        for unit in 0..units {
            d_scale[unit] = d[unit].mul_add(normalized[unit], d_scale[unit]);
            d_shift[unit] += d[unit];
            d[unit] *= scale[unit];
            sum += d[unit];
            product = d[unit].mul_add(normalized[unit], product);
        }
        let (mean, mean_product) = (sum * per_unit, product * per_unit);
        for unit in 0..units {
            d[unit] = inverse_std * (d[unit] - mean - normalized[unit] * mean_product);
        }
    }
}
