//! One dense layer, forward and backward side by side: product, bias, normalisation, activation, dropout.
//! Shapes: B rows, I inputs, U units; input `[B, I]`, weight `[U, I]`, everything else `[B, U]`.

use crate::num::{Matrix, Packed, Real, Threads, product};

use super::activation::Activation;
use super::architecture::{HiddenLayer, Normalization, Sparsity};
use super::dropout::{self, Noise};
use super::layout::{Layout, Role};
use super::norm::{self, Affine};
use super::penalty::sign;

/// Where a layer's tensors are, and what it does.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub name: String,
    pub inputs: usize,
    pub units: usize,
    pub activation: Activation,
    pub dropout: f64,
    pub normalization: Normalization,
    /// Its own lane of every random stream.
    pub lane: u64,
    pub weight: usize,
    pub bias: Option<usize>,
    norm: Option<NormAt>,
}

#[derive(Clone, Copy, Debug)]
struct NormAt {
    scale: usize,
    shift: usize,
    running: Option<(usize, usize)>,
}

/// What a pass leaves behind for the way back and for statistics.
#[derive(Clone, Debug)]
pub(super) struct Space<T> {
    /// What the activation got, `[B, U]`.
    pub z: Vec<T>,
    /// What it gave.
    pub a: Vec<T>,
    /// `a` after dropout; empty in layers without.
    dropped: Vec<T>,
    mask: Vec<T>,
    normalized: Vec<T>,
    inverse_std: Vec<T>,
    /// Slope with respect to the output, then the pre-activation.
    pub d: Vec<T>,
    /// Mean activation of each unit, for the sparsity penalty.
    mean_activation: Vec<T>,
}

/// How a pass treats dropout and normalisation.
pub(super) enum Mode<'a, T> {
    /// Masks are drawn, batches normalise by themselves and move the running statistics.
    Train(Noise, &'a mut [T]),
    /// No masks; running statistics.
    Infer(&'a [T]),
}

impl Dense {
    /// Lays out a hidden layer called `name`.
    pub fn hidden(
        name: String,
        inputs: usize,
        layer: &HiddenLayer,
        lane: u64,
        layout: &mut Layout,
        buffers: &mut Layout,
    ) -> Self {
        let units = layer.units;
        let weight = layout.push(format!("{name}.weight"), Role::Weight, &[units, inputs]);
        let batch = layer.normalization == Normalization::Batch;
        let bias = (!batch).then(|| layout.push(format!("{name}.bias"), Role::Bias, &[units]));
        let norm = (layer.normalization != Normalization::None).then(|| NormAt {
            scale: layout.push(format!("{name}.norm.weight"), Role::NormScale, &[units]),
            shift: layout.push(format!("{name}.norm.bias"), Role::NormShift, &[units]),
            running: batch.then(|| {
                (
                    buffers.push(format!("{name}.norm.running_mean"), Role::RunningMean, &[units]),
                    buffers.push(format!("{name}.norm.running_var"), Role::RunningVariance, &[units]),
                )
            }),
        });
        let (activation, dropout, normalization) = (layer.activation, layer.dropout, layer.normalization);
        Dense { name, inputs, units, activation, dropout, normalization, lane, weight, bias, norm }
    }

    /// Lays out the output layer called `name`.
    pub fn output(name: String, inputs: usize, units: usize, lane: u64, layout: &mut Layout) -> Self {
        let weight = layout.push(format!("{name}.weight"), Role::Weight, &[units, inputs]);
        let bias = Some(layout.push(format!("{name}.bias"), Role::Bias, &[units]));
        let (activation, normalization) = (Activation::Identity, Normalization::None);
        Dense { name, inputs, units, activation, dropout: 0.0, normalization, lane, weight, bias, norm: None }
    }

    pub fn space<T: Real>(&self, rows: usize) -> Space<T> {
        let all = || vec![T::ZERO; rows * self.units];
        let when = |needed: bool, length: usize| if needed { vec![T::ZERO; length] } else { Vec::new() };
        let statistics = match self.normalization {
            Normalization::None => 0,
            Normalization::Batch => self.units,
            Normalization::Layer => rows,
        };
        Space {
            z: all(),
            a: all(),
            dropped: when(self.dropout > 0.0, rows * self.units),
            mask: when(self.dropout > 0.0, rows * self.units),
            normalized: when(self.norm.is_some(), rows * self.units),
            inverse_std: vec![T::ZERO; statistics],
            d: all(),
            mean_activation: vec![T::ZERO; self.units],
        }
    }

    /// y = dropout(f(norm(x Wᵀ + b))).
    pub fn forward<T: Real>(
        &self,
        (layout, buffers): (&Layout, &Layout),
        parameters: &[T],
        input: &[T],
        rows: usize,
        mode: &mut Mode<'_, T>,
        space: &mut Space<T>,
        packed: &mut Packed<T>,
        threads: &Threads,
    ) {
        let of = |segment: usize| &parameters[layout.segments()[segment].range()];
        let size = rows * self.units;
        let z = &mut space.z[..size];
        let weight = Matrix::transposed(of(self.weight), self.inputs);
        let bias = self.bias.map(of);
        product(Matrix::rows(input, self.inputs), weight, bias, z, (rows, self.inputs, self.units), packed, threads);
        if let Some(norm) = self.norm {
            let affine = Affine { scale: of(norm.scale), shift: of(norm.shift) };
            match (norm.running, &mut *mode) {
                (None, _) => {
                    norm::layer_forward(affine, z, &mut space.normalized[..size], &mut space.inverse_std[..rows]);
                }
                (Some((mean, variance)), Mode::Train(_, values)) => {
                    let (mean, variance) = (&buffers.segments()[mean], &buffers.segments()[variance]);
                    let (before, from_variance) = values.split_at_mut(variance.offset);
                    norm::batch_forward(
                        affine,
                        z,
                        &mut space.normalized[..size],
                        &mut space.inverse_std,
                        &mut before[mean.range()],
                        &mut from_variance[..variance.len()],
                    );
                }
                (Some((mean, variance)), Mode::Infer(values)) => {
                    let (mean, variance) = (&buffers.segments()[mean], &buffers.segments()[variance]);
                    norm::batch_infer(affine, z, &values[mean.range()], &values[variance.range()]);
                }
            }
        }
        self.activation.forward(z, &mut space.a[..size]);
        if self.dropout > 0.0
            && let Mode::Train(noise, _) = mode
        {
            space.dropped[..size].copy_from_slice(&space.a[..size]);
            dropout::forward(self.dropout, *noise, self.lane, &mut space.dropped[..size], &mut space.mask[..size]);
        }
    }

    /// What the layer gives to the next.
    pub fn result<'a, T: Real>(&self, space: &'a Space<T>, rows: usize, training: bool) -> &'a [T] {
        let from = if training && self.dropout > 0.0 { &space.dropped } else { &space.a };
        &from[..rows * self.units]
    }

    /// `space.d` holds the slope with respect to the output; writes the slopes of the layer's tensors into `gradient` and leaves in `space.d` the one with respect to the product.
    pub fn backward<T: Real>(
        &self,
        layout: &Layout,
        parameters: &[T],
        input: &[T],
        rows: usize,
        sparsity: Option<Sparsity>,
        space: &mut Space<T>,
        gradient: &mut [T],
        packed: &mut Packed<T>,
        threads: &Threads,
    ) {
        let size = rows * self.units;
        let d = &mut space.d[..size];
        if self.dropout > 0.0 {
            dropout::backward(&space.mask[..size], d);
        }
        if let Some(sparsity) = sparsity {
            add_sparsity_slope(sparsity, self.activation, &space.a[..size], &space.mean_activation, d);
        }
        self.activation.backward(&space.z[..size], &space.a[..size], d);
        if let Some(norm) = self.norm {
            let scale = &parameters[layout.segments()[norm.scale].range()];
            let shift = layout.segments()[norm.shift].range();
            let (before, from_shift) = gradient.split_at_mut(shift.start);
            let d_scale = &mut before[layout.segments()[norm.scale].range()];
            let d_shift = &mut from_shift[..self.units];
            let normalized = &space.normalized[..size];
            match self.normalization {
                Normalization::Layer => {
                    norm::layer_backward(scale, normalized, &space.inverse_std[..rows], d, d_scale, d_shift)
                }
                _ => norm::batch_backward(scale, normalized, &space.inverse_std, d, d_scale, d_shift),
            }
        }
        if let Some(bias) = self.bias {
            let d_bias = &mut gradient[layout.segments()[bias].range()];
            d_bias.fill(T::ZERO);
            d.chunks_exact(self.units).for_each(|row| d_bias.iter_mut().zip(row).for_each(|(b, &d)| *b += d));
        }
        let d_weight = &mut gradient[layout.segments()[self.weight].range()];
        let shape = (self.units, rows, self.inputs);
        product(
            Matrix::transposed(d, self.units),
            Matrix::rows(input, self.inputs),
            None,
            d_weight,
            shape,
            packed,
            threads,
        );
    }

    /// The slope with respect to the inputs `first..`, `[B, inputs - first]`, from the one in `space.d`.
    pub fn input_slope<T: Real>(
        &self,
        layout: &Layout,
        parameters: &[T],
        first: usize,
        rows: usize,
        space: &Space<T>,
        into: &mut [T],
        packed: &mut Packed<T>,
        threads: &Threads,
    ) {
        let weight = &parameters[layout.segments()[self.weight].range()];
        let weight = Matrix::columns_from(weight, self.inputs, first);
        let shape = (rows, self.units, self.inputs - first);
        product(Matrix::rows(&space.d, self.units), weight, None, into, shape, packed, threads);
    }

    /// The sparsity penalty of the last forward pass.
    pub fn sparsity_penalty<T: Real>(&self, sparsity: Sparsity, rows: usize, space: &mut Space<T>) -> f64 {
        let a = &space.a[..rows * self.units];
        match sparsity {
            Sparsity::L1 { weight } => weight * crate::num::reduce::sum_of_absolutes(a).to_f64() / a.len() as f64,
            Sparsity::Kl { target, weight } => {
                space.mean_activation.fill(T::ZERO);
                for row in a.chunks_exact(self.units) {
                    space.mean_activation.iter_mut().zip(row).for_each(|(mean, &a)| *mean += a);
                }
                let share = T::from_f64(1.0 / rows as f64);
                space.mean_activation.iter_mut().for_each(|mean| *mean *= share);
                let divergence = |mean: &T| {
                    let seen = unit_interval(self.activation, *mean).to_f64();
                    target * (target / seen).ln() + (1.0 - target) * ((1.0 - target) / (1.0 - seen)).ln()
                };
                weight * space.mean_activation.iter().map(divergence).sum::<f64>()
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

fn add_sparsity_slope<T: Real>(sparsity: Sparsity, activation: Activation, a: &[T], means: &[T], d: &mut [T]) {
    match sparsity {
        Sparsity::L1 { weight } => {
            let factor = T::from_f64(weight / a.len() as f64);
            d.iter_mut().zip(a).for_each(|(d, &a)| *d += factor * sign(a));
        }
        Sparsity::Kl { target, weight } => {
            let units = means.len();
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
