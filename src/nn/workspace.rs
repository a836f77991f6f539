//! The room that passes work in, made once for a plan, and what the last pass left there to be read.

use crate::num::{Packed, Real, Threads, reduce};

use super::embedding::Touched;
use super::head::{LossSpace, TaskLoss};
use super::layer::{Dense, Space};
use super::network::Network;

/// Everything that a pass writes but parameters, buffers and gradient.
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    pub(super) most_rows: usize,
    pub(super) rows: usize,
    pub(super) training: bool,
    pub(super) joined: Vec<T>,
    pub(super) input_mask: Vec<T>,
    pub(super) d_tokens: Vec<T>,
    pub(super) trunk: Vec<Space<T>>,
    /// The layers of each head; the last is its output.
    pub(super) heads: Vec<Vec<Space<T>>>,
    pub(super) d_shared: Vec<T>,
    pub(super) losses: Vec<LossSpace<T>>,
    pub(super) touched: Vec<Touched>,
    pub(super) gradient_is_fresh: bool,
    pub(super) tasks: Vec<TaskLoss>,
    pub(super) packed: Packed<T>,
    pub(super) threads: Threads,
}

/// What the last pass left in a hidden layer, `[rows, units]` each.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a, T> {
    /// The layer: `hidden.0`, `head.pos.hidden.1`.
    pub name: &'a str,
    /// Units.
    pub units: usize,
    /// What the activation got.
    pub pre_activations: &'a [T],
    /// What it gave, before dropout.
    pub activations: &'a [T],
}

impl<T: Real> Workspace<T> {
    /// The raw outputs of a head, `[rows, outputs]`.
    pub fn outputs(&self, network: &Network, head: usize) -> &[T] {
        let outputs = network.architecture().heads[head].outputs;
        self.heads[head].last().map_or(&[], |space| &space.z[..self.rows * outputs])
    }

    /// The rows of a batch that there is room for.
    pub fn most_rows(&self) -> usize {
        self.most_rows
    }

    /// The threads that passes in this room may use.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Loss and accuracy of each task in the last pass; zeros for tasks that took no part.
    pub fn tasks(&self) -> &[TaskLoss] {
        &self.tasks
    }

    /// The rows of a table that the last gradient wrote; all others are 0.
    pub fn touched(&self, table: usize) -> &[u32] {
        self.touched[table].rows()
    }

    /// Every hidden layer as the last pass left it: the trunk's, then each head's.
    pub fn layers<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = LayerView<'a, T>> {
        self.hidden(network).map(|(layer, space)| LayerView {
            name: &layer.name,
            units: layer.units,
            pre_activations: &space.z[..self.rows * layer.units],
            activations: layer.activations(space, self.rows),
        })
    }

    fn hidden<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = (&'a Dense, &'a Space<T>)> {
        let of_head = |(layers, spaces): (&'a Vec<Dense>, &'a Vec<Space<T>>)| {
            layers.iter().zip(spaces).take(layers.len().saturating_sub(1))
        };
        network.trunk.iter().zip(&self.trunk).chain(network.heads.iter().zip(&self.heads).flat_map(of_head))
    }

    /// Which side of its corners each unit with corners is on, for the gradient check.
    pub(super) fn sides(&self, network: &Network, into: &mut Vec<u8>) {
        for (layer, space) in self.hidden(network) {
            let kinks = layer.activation.kinks();
            if !kinks.is_empty() {
                let side = |z: &T| kinks.iter().filter(|kink| *z > T::from_f64(**kink)).count() as u8;
                into.extend(space.z[..self.rows * layer.units].iter().map(side));
            }
        }
    }
}

/// What a number that is not finite belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Encoded inputs of the batch.
    Input,
    /// What a layer's activation got.
    PreActivation,
    /// What it gave.
    Activation,
    /// Raw outputs of a head.
    Output,
    /// Loss of a head.
    Loss,
    /// Slope of a parameter.
    Gradient,
    /// A parameter itself.
    Parameter,
}

/// The first tensor, in the order of computation, that holds a number which is not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The layer or tensor: `input`, `hidden.1`, `head.species`, `hidden.0.weight`.
    pub tensor: String,
    /// What of it.
    pub kind: TensorKind,
    /// Rows of the batch in which it stands; empty for parameters and their slopes.
    pub rows: Vec<usize>,
}

/// Looks for the first number that is not finite, in the order in which a step computes: parameters as they were, inputs, layers, outputs, losses, slopes.
pub fn first_non_finite<T: Real>(
    network: &Network,
    parameters: &[T],
    features: &[T],
    space: &Workspace<T>,
    gradient: &[T],
) -> Option<NonFinite> {
    let of_layout = |values: &[T], kind: TensorKind| {
        let bad = network.layout().segments().iter().find(|segment| !reduce::all_finite(&values[segment.range()]))?;
        Some(NonFinite { tensor: bad.name.clone(), kind, rows: Vec::new() })
    };
    let of_rows = |name: &str, kind: TensorKind, values: &[T], width: usize| {
        if width == 0 || reduce::all_finite(values) {
            return None;
        }
        let bad = |(row, values): (usize, &[T])| (!reduce::all_finite(values)).then_some(row);
        let rows = values.chunks_exact(width).enumerate().filter_map(bad).collect();
        Some(NonFinite { tensor: name.to_owned(), kind, rows })
    };
    let layers = || {
        space.layers(network).find_map(|layer| {
            of_rows(layer.name, TensorKind::PreActivation, layer.pre_activations, layer.units)
                .or_else(|| of_rows(layer.name, TensorKind::Activation, layer.activations, layer.units))
        })
    };
    let outputs = || {
        network.heads.iter().enumerate().find_map(|(index, layers)| {
            let output = layers.last()?;
            of_rows(&output.name, TensorKind::Output, space.outputs(network, index), output.units)
        })
    };
    let losses = || {
        let bad = space.tasks.iter().position(|task| !task.loss_sum.is_finite())?;
        let tensor = network.heads[bad].last()?.name.clone();
        Some(NonFinite { tensor, kind: TensorKind::Loss, rows: Vec::new() })
    };
    of_layout(parameters, TensorKind::Parameter)
        .or_else(|| of_rows("input", TensorKind::Input, features, network.architecture().features))
        .or_else(layers)
        .or_else(outputs)
        .or_else(losses)
        .or_else(|| of_layout(gradient, TensorKind::Gradient))
}
