//! One dense layer, forward and backward side by side: product, bias, normalisation, activation, dropout; and layers one after the other.
//! Shapes: B rows, I inputs, U units; input `[B, I]`, weight `[U, I]`, everything else `[B, U]`.

use std::ops::Range;

use crate::num::{Matrix, Packed, Real, Threads, product, reduce};

use super::activation::Activation;
use super::architecture::{HiddenLayer, Normalization, Sparsity};
use super::dropout::{self, Noise};
#[cfg(test)]
use super::fault::{self, Site};
use super::layout::{Layout, Role};
use super::norm::{self, Affine};
use super::sparsity;

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

#[derive(Clone, Debug)]
struct NormAt {
    scale: usize,
    shift: usize,
    /// Places of running mean and variance in the buffers.
    running: Option<(Range<usize>, Range<usize>)>,
}

/// What a pass leaves behind for the way back and for statistics.
#[derive(Clone, Debug)]
pub(super) struct Space<T> {
    /// What the activation got, `[B, U]`.
    pub z: Vec<T>,
    /// What it gave; empty where that is `z` itself.
    a: Vec<T>,
    /// `a` after dropout; empty in layers without.
    dropped: Vec<T>,
    mask: Vec<T>,
    normalized: Vec<T>,
    inverse_std: Vec<T>,
    /// For each unit: what a pass needs in between.
    scratch: Vec<T>,
    /// Slope with respect to the output, then the product.
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

/// What all layers of a pass work with.
pub(super) struct Setting<'a, T> {
    pub layout: &'a Layout,
    pub parameters: &'a [T],
    pub rows: usize,
    pub training: bool,
    pub packed: &'a mut Packed<T>,
    pub threads: &'a Threads,
}

impl<'a, T> Setting<'a, T> {
    fn of(&self, segment: usize) -> &'a [T] {
        &self.parameters[self.layout.segments()[segment].range()]
    }
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
                let mean = buffers.push(format!("{name}.norm.running_mean"), Role::RunningMean, &[units]);
                let variance = buffers.push(format!("{name}.norm.running_var"), Role::RunningVariance, &[units]);
                (buffers.segments()[mean].range(), buffers.segments()[variance].range())
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
        let all_when = |needed: bool| if needed { vec![T::ZERO; rows * self.units] } else { Vec::new() };
        let statistics = match self.normalization {
            Normalization::None => 0,
            Normalization::Batch => self.units,
            Normalization::Layer => rows,
        };
        Space {
            z: all_when(true),
            a: all_when(self.activation != Activation::Identity),
            dropped: all_when(self.dropout > 0.0),
            mask: all_when(self.dropout > 0.0),
            normalized: all_when(self.norm.is_some()),
            inverse_std: vec![T::ZERO; statistics],
            scratch: vec![T::ZERO; if self.norm.is_some() { 2 * self.units } else { 0 }],
            d: all_when(true),
            mean_activation: vec![T::ZERO; self.units],
        }
    }

    /// y = dropout(f(norm(x Wᵀ + b))).
    pub fn forward<T: Real>(
        &self,
        set: &mut Setting<'_, T>,
        input: &[T],
        mode: &mut Mode<'_, T>,
        space: &mut Space<T>,
    ) {
        let size = set.rows * self.units;
        let z = &mut space.z[..size];
        let weight = Matrix::transposed(set.of(self.weight), self.inputs);
        let bias = self.bias.map(|bias| set.of(bias));
        let shape = (set.rows, self.inputs, self.units);
        product(Matrix::rows(input, self.inputs), weight, bias, z, shape, set.packed, set.threads);
        if let Some(norm) = &self.norm {
            let affine = Affine { scale: set.of(norm.scale), shift: set.of(norm.shift) };
            let normalized = &mut space.normalized[..size];
            match (&norm.running, &mut *mode) {
                (None, _) => norm::layer_forward(affine, z, normalized, &mut space.inverse_std[..set.rows]),
                (Some((mean, variance)), Mode::Train(_, buffers)) => {
                    let (before, from_variance) = buffers.split_at_mut(variance.start);
                    let (mean, variance) = (&mut before[mean.clone()], &mut from_variance[..self.units]);
                    let scratch = &mut space.scratch;
                    norm::batch_forward(affine, z, normalized, &mut space.inverse_std, mean, variance, scratch);
                }
                (Some((mean, variance)), Mode::Infer(buffers)) => {
                    norm::batch_infer(affine, z, &buffers[mean.clone()], &buffers[variance.clone()]);
                }
            }
        }
        if self.activation != Activation::Identity {
            self.activation.forward(z, &mut space.a[..size]);
        }
        if self.dropout > 0.0
            && let Mode::Train(noise, _) = mode
        {
            let Space { dropped, mask, .. } = space;
            dropped[..size].copy_from_slice(if space.a.is_empty() { &space.z[..size] } else { &space.a[..size] });
            dropout::forward(self.dropout, *noise, self.lane, &mut dropped[..size], &mut mask[..size]);
        }
    }

    /// What the activation gave.
    pub fn activations<'a, T: Real>(&self, space: &'a Space<T>, rows: usize) -> &'a [T] {
        let from = if self.activation == Activation::Identity { &space.z } else { &space.a };
        &from[..rows * self.units]
    }

    /// What the layer gives to the next.
    pub fn result<'a, T: Real>(&self, space: &'a Space<T>, rows: usize, training: bool) -> &'a [T] {
        if training && self.dropout > 0.0 { &space.dropped[..rows * self.units] } else { self.activations(space, rows) }
    }

    /// `space.d` holds the slope with respect to the output; writes the slopes of the layer's tensors into `gradient` and leaves in
    /// `space.d` the one with respect to the product.
    pub fn backward<T: Real>(
        &self,
        set: &mut Setting<'_, T>,
        input: &[T],
        sparsity: Option<Sparsity>,
        space: &mut Space<T>,
        gradient: &mut [T],
    ) {
        let size = set.rows * self.units;
        let layout = set.layout;
        let d = &mut space.d[..size];
        if self.dropout > 0.0 {
            dropout::backward(&space.mask[..size], d);
            #[cfg(test)]
            fault::spoil(Site::Dropout, d);
        }
        let z = &space.z[..size];
        let a = if space.a.is_empty() { z } else { &space.a[..size] };
        if let Some(sparsity) = sparsity {
            sparsity::add_slope(sparsity, self.activation, a, &space.mean_activation, d);
        }
        match self.bias.filter(|_| self.norm.is_none()) {
            Some(bias) => {
                let d_bias = &mut gradient[layout.segments()[bias].range()];
                self.activation.backward_and_sum(z, a, d, d_bias);
                #[cfg(test)]
                fault::spoil(Site::Bias, d_bias);
            }
            None => self.activation.backward(z, a, d),
        }
        if let Some(norm) = &self.norm {
            let scale = set.of(norm.scale);
            let (before, from_shift) = gradient.split_at_mut(layout.segments()[norm.shift].offset);
            let d_scale = &mut before[layout.segments()[norm.scale].range()];
            let d_shift = &mut from_shift[..self.units];
            let normalized = &space.normalized[..size];
            match self.normalization {
                Normalization::Layer => {
                    norm::layer_backward(scale, normalized, &space.inverse_std[..set.rows], d, d_scale, d_shift);
                }
                _ => norm::batch_backward(scale, normalized, &space.inverse_std, d, d_scale, d_shift),
            }
            #[cfg(test)]
            {
                fault::spoil(Site::Normalization, d);
                fault::spoil(Site::NormScale, d_scale);
            }
        }
        if let (Some(bias), Some(_)) = (self.bias, &self.norm) {
            let d_bias = &mut gradient[layout.segments()[bias].range()];
            reduce::column_sums(d, d_bias);
            #[cfg(test)]
            fault::spoil(Site::Bias, d_bias);
        }
        let d_weight = &mut gradient[layout.segments()[self.weight].range()];
        let shape = (self.units, set.rows, self.inputs);
        let (left, right) = (Matrix::transposed(d, self.units), Matrix::rows(input, self.inputs));
        product(left, right, None, d_weight, shape, set.packed, set.threads);
        #[cfg(test)]
        fault::spoil(Site::Weight, d_weight);
    }

    /// The slope with respect to the inputs `first..`, `[B, inputs - first]`, from the one in `space.d`.
    pub fn input_slope<T: Real>(&self, set: &mut Setting<'_, T>, first: usize, space: &Space<T>, into: &mut [T]) {
        let weight = Matrix::columns_from(set.of(self.weight), self.inputs, first);
        let shape = (set.rows, self.units, self.inputs - first);
        product(Matrix::rows(&space.d, self.units), weight, None, into, shape, set.packed, set.threads);
        #[cfg(test)]
        fault::spoil(Site::Input, into);
    }

    /// The sparsity penalty of the last forward pass.
    pub fn sparsity_penalty<T: Real>(&self, sparsity: Sparsity, rows: usize, space: &mut Space<T>) -> f64 {
        let from = if space.a.is_empty() { &space.z } else { &space.a };
        sparsity::value(sparsity, self.activation, &from[..rows * self.units], &mut space.mean_activation)
    }
}

/// Layers one after the other, from `input`.
pub(super) fn forward_all<T: Real>(
    layers: &[Dense],
    set: &mut Setting<'_, T>,
    input: &[T],
    mode: &mut Mode<'_, T>,
    spaces: &mut [Space<T>],
) {
    for (index, layer) in layers.iter().enumerate() {
        let (before, this) = spaces.split_at_mut(index);
        let input = before.last().map_or(input, |space| layers[index - 1].result(space, set.rows, set.training));
        layer.forward(set, input, mode, &mut this[0]);
    }
}

/// What the last of the layers gives, or the input where there are none.
pub(super) fn result_of_all<'a, T: Real>(
    layers: &[Dense],
    spaces: &'a [Space<T>],
    input: &'a [T],
    rows: usize,
    training: bool,
) -> &'a [T] {
    match (layers.last(), spaces.last()) {
        (Some(layer), Some(space)) => layer.result(space, rows, training),
        _ => input,
    }
}

/// The way back through [`forward_all`]: the last layer's `d` holds the slope with respect to its output, and each one's is left as
/// [`Dense::backward`] leaves it.
pub(super) fn backward_all<T: Real>(
    layers: &[Dense],
    set: &mut Setting<'_, T>,
    input: &[T],
    sparsity: Option<Sparsity>,
    spaces: &mut [Space<T>],
    gradient: &mut [T],
) {
    for (index, layer) in layers.iter().enumerate().rev() {
        let (before, this) = spaces.split_at_mut(index);
        let input = before.last().map_or(input, |space| layers[index - 1].result(space, set.rows, true));
        layer.backward(set, input, sparsity, &mut this[0], gradient);
        if let Some(below) = before.last_mut() {
            layer.input_slope(set, 0, &this[0], &mut below.d[..set.rows * layer.inputs]);
        }
    }
}
