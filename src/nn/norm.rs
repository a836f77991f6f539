//! Normalisation of pre-activations over the batch (Ioffe and Szegedy 2015) or over the units of a row (Ba et al. 2016), forward and backward side by side.
//! Shapes: B rows, U units; `z` `[B, U]` comes in and becomes y = scale * x̂ + shift; x̂ `[B, U]` and 1/√(σ² + ε) are kept for the way back.

use crate::num::{Pass, Real, reduce, run};

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

/// Training: normalises over the batch with the biased variance; the running variance takes the unbiased one. `scratch` is `[2 U]`.
pub(super) fn batch_forward<T: Real>(
    affine: Affine<'_, T>,
    z: &mut [T],
    normalized: &mut [T],
    inverse_std: &mut [T],
    running_mean: &mut [T],
    running_variance: &mut [T],
    scratch: &mut [T],
) {
    let units = affine.scale.len();
    let rows = z.len() / units;
    let per_row = T::from_f64(1.0 / rows as f64);
    let unbiased = T::from_f64(rows as f64 / (rows as f64 - 1.0).max(1.0));
    let momentum = T::from_f64(MOMENTUM);
    let (mean, variance) = scratch.split_at_mut(units);
    reduce::column_sums(z, mean);
    mean.iter_mut().for_each(|mean| *mean *= per_row);
    normalized.copy_from_slice(z);
    run(Rows { x: normalized, y: &[], by: Minus(mean) });
    reduce::column_dots(normalized, normalized, variance);
    for unit in 0..units {
        let variance = variance[unit] * per_row;
        inverse_std[unit] = T::ONE / (variance + T::from_f64(EPSILON)).sqrt();
        running_mean[unit] += momentum * (mean[unit] - running_mean[unit]);
        running_variance[unit] += momentum * (variance * unbiased - running_variance[unit]);
    }
    run(Rows { x: normalized, y: &[], by: Times(inverse_std) });
    run(Rows { x: z, y: normalized, by: affine });
}

/// Inference: normalises with the running statistics.
pub(super) fn batch_infer<T: Real>(affine: Affine<'_, T>, z: &mut [T], running_mean: &[T], running_variance: &[T]) {
    run(Rows { x: z, y: &[], by: Known { affine, mean: running_mean, variance: running_variance } });
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
    let per_row = T::from_f64(scale.len() as f64 / d.len() as f64);
    reduce::column_dots(d, normalized, d_scale);
    reduce::column_sums(d, d_shift);
    run(Rows { x: d, y: normalized, by: Back { scale, inverse_std, d_scale, d_shift, per_row } });
}

/// Something done to each element x of a row, by its unit and the element y of the other matrix.
trait ByUnit<T>: Copy {
    fn units(self) -> usize;
    fn at(self, unit: usize, x: T, y: T) -> T;
}

/// All rows of x `[B, U]`; y has the same shape or is empty.
struct Rows<'a, T, F> {
    x: &'a mut [T],
    y: &'a [T],
    by: F,
}

impl<T: Real, F: ByUnit<T>> Pass for Rows<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let units = self.by.units();
        if self.y.is_empty() {
            for x in self.x.chunks_exact_mut(units) {
                x.iter_mut().enumerate().for_each(|(unit, x)| *x = self.by.at(unit, *x, T::ZERO));
            }
        } else {
            for (x, y) in self.x.chunks_exact_mut(units).zip(self.y.chunks_exact(units)) {
                x.iter_mut().zip(y).enumerate().for_each(|(unit, (x, y))| *x = self.by.at(unit, *x, *y));
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Minus<'a, T>(&'a [T]);

impl<T: Real> ByUnit<T> for Minus<'_, T> {
    #[inline(always)]
    fn units(self) -> usize {
        self.0.len()
    }
    #[inline(always)]
    fn at(self, unit: usize, x: T, _: T) -> T {
        x - self.0[unit]
    }
}

#[derive(Clone, Copy)]
struct Times<'a, T>(&'a [T]);

impl<T: Real> ByUnit<T> for Times<'_, T> {
    #[inline(always)]
    fn units(self) -> usize {
        self.0.len()
    }
    #[inline(always)]
    fn at(self, unit: usize, x: T, _: T) -> T {
        x * self.0[unit]
    }
}

impl<T: Real> ByUnit<T> for Affine<'_, T> {
    #[inline(always)]
    fn units(self) -> usize {
        self.scale.len()
    }
    #[inline(always)]
    fn at(self, unit: usize, _: T, normalized: T) -> T {
        self.scale[unit].mul_add(normalized, self.shift[unit])
    }
}

/// Mean and variance known beforehand.
#[derive(Clone, Copy)]
struct Known<'a, T> {
    affine: Affine<'a, T>,
    mean: &'a [T],
    variance: &'a [T],
}

impl<T: Real> ByUnit<T> for Known<'_, T> {
    #[inline(always)]
    fn units(self) -> usize {
        self.mean.len()
    }
    #[inline(always)]
    fn at(self, unit: usize, z: T, _: T) -> T {
        let inverse_std = T::ONE / (self.variance[unit] + T::from_f64(EPSILON)).sqrt();
        self.affine.scale[unit].mul_add((z - self.mean[unit]) * inverse_std, self.affine.shift[unit])
    }
}

/// The way back through a batch normalisation.
#[derive(Clone, Copy)]
struct Back<'a, T> {
    scale: &'a [T],
    inverse_std: &'a [T],
    d_scale: &'a [T],
    d_shift: &'a [T],
    per_row: T,
}

impl<T: Real> ByUnit<T> for Back<'_, T> {
    #[inline(always)]
    fn units(self) -> usize {
        self.scale.len()
    }
    #[inline(always)]
    fn at(self, unit: usize, d: T, normalized: T) -> T {
        let (mean, mean_product) = (self.d_shift[unit] * self.per_row, self.d_scale[unit] * self.per_row);
        self.scale[unit] * self.inverse_std[unit] * (d - mean - normalized * mean_product)
    }
}

/// Normalises each row over its units, in training and in inference alike.
pub(super) fn layer_forward<T: Real>(affine: Affine<'_, T>, z: &mut [T], normalized: &mut [T], inverse_std: &mut [T]) {
    let units = affine.scale.len();
    let per_unit = T::from_f64(1.0 / units as f64);
    for ((row, normalized), inverse_std) in
        z.chunks_exact_mut(units).zip(normalized.chunks_exact_mut(units)).zip(inverse_std)
    {
        let mean = reduce::sum(row) * per_unit;
        row.iter_mut().for_each(|z| *z -= mean);
        let variance = reduce::sum_of_squares(row) * per_unit;
        *inverse_std = T::ONE / (variance + T::from_f64(EPSILON)).sqrt();
        normalized.iter_mut().zip(row).for_each(|(normalized, z)| *normalized = *z * *inverse_std);
    }
    run(Rows { x: z, y: normalized, by: affine });
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
    reduce::column_dots(d, normalized, d_scale);
    reduce::column_sums(d, d_shift);
    run(Rows { x: d, y: &[], by: Times(scale) });
    for ((d, normalized), &inverse_std) in
        d.chunks_exact_mut(units).zip(normalized.chunks_exact(units)).zip(inverse_std)
    {
        let (mean, mean_product) = (reduce::sum(d) * per_unit, reduce::dot(d, normalized) * per_unit);
        d.iter_mut().zip(normalized).for_each(|(d, &x)| *d = inverse_std * (*d - mean - x * mean_product));
    }
}
