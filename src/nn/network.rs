//! A network: where its parameters lie, forward, loss, backward. Owns no values: parameters, buffers and work space are the caller's.

use crate::num::{Real, Threads};

use super::architecture::{Architecture, Normalization};
use super::batch::Batch;
use super::dropout::{self, Noise};
use super::embedding;
use super::head::{self, TaskLoss};
use super::init::{InitKind, WeightInit};
use super::layer::{Dense, Mode};
use super::layout::{Layout, Role};
use super::penalty::Penalties;
use super::workspace::{HeadSpace, Workspace};
use crate::num::random::{Stream, generator};

/// The random lane of the joined input; layers have theirs from 1 on.
const INPUT_LANE: u64 = 0;

/// A network of some architecture, ready to compute.
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    layout: Layout,
    buffers: Layout,
    /// The tensor of each embedding table.
    pub(super) tables: Vec<usize>,
    pub(super) trunk: Vec<Dense>,
    pub(super) heads: Vec<HeadLayers>,
    /// Width of the joined input.
    inputs: usize,
}

/// The layers of one head.
#[derive(Clone, Debug)]
pub(super) struct HeadLayers {
    pub hidden: Vec<Dense>,
    pub output: Dense,
}

/// What a pass over one batch found. Each task's own numbers are in [`Workspace::tasks`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BatchLoss {
    /// The sum of the tasks' mean losses, each times its weight, without penalties.
    pub data: f64,
    /// Penalties of weights and activations; 0 in inference.
    pub penalty: f64,
}

impl BatchLoss {
    /// What a training step descends: data loss and penalties.
    pub fn total(&self) -> f64 {
        self.data + self.penalty
    }
}

impl Network {
    /// Lays out a network.
    pub fn new(architecture: Architecture) -> Self {
        let (mut layout, mut buffers) = (Layout::default(), Layout::default());
        let tables = architecture
            .tables
            .iter()
            .map(|table| {
                layout.push(format!("embedding.{}.weight", table.name), Role::Embedding, &[table.rows, table.dim])
            })
            .collect();
        let token_width = |input: &super::architecture::TokenInput| {
            embedding::width(input.pooling, architecture.tables[input.table].dim)
        };
        let inputs = architecture.features + architecture.tokens.iter().map(token_width).sum::<usize>();
        let mut lane = INPUT_LANE;
        let mut stack = |prefix: &str,
                         mut width: usize,
                         layers: &[super::architecture::HiddenLayer],
                         layout: &mut Layout| {
            let mut stack = Vec::new();
            for (index, layer) in layers.iter().enumerate() {
                lane += 1;
                stack.push(Dense::hidden(format!("{prefix}hidden.{index}"), width, layer, lane, layout, &mut buffers));
                width = layer.units;
            }
            (stack, width)
        };
        let (trunk, trunk_width) = stack("", inputs, &architecture.hidden, &mut layout);
        let mut heads = Vec::new();
        for head in &architecture.heads {
            let name = format!("head.{}", head.name);
            let (hidden, width) = stack(&format!("{name}."), trunk_width, &head.hidden, &mut layout);
            let output = Dense::output(name, width, head.outputs, 0, &mut layout);
            heads.push(HeadLayers { hidden, output });
        }
        Network { architecture, layout, buffers, tables, trunk, heads, inputs }
    }

    /// What the network was made from.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The tensors of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The tensors of the buffers: running statistics, changed by training passes but never by an optimizer.
    pub fn buffers(&self) -> &Layout {
        &self.buffers
    }

    /// Width of the joined input: dense features, then each token input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The tensors (indices into the layout) that every task shares: embedding tables and trunk.
    pub fn shared_segments(&self) -> std::ops::Range<usize> {
        let first_of_heads = self.heads.first().map(|head| head.hidden.first().unwrap_or(&head.output).weight);
        0..first_of_heads.unwrap_or(self.layout.segments().len())
    }

    /// The tensors (indices into the layout) of one head.
    pub fn head_segments(&self, head: usize) -> std::ops::Range<usize> {
        let first = |head: &HeadLayers| head.hidden.first().unwrap_or(&head.output).weight;
        let end = self.heads.get(head + 1).map_or(self.layout.segments().len(), first);
        first(&self.heads[head])..end
    }

    /// First parameters: each tensor has a random lane of its own, so that one layer's rule does not move another layer's draw.
    pub fn initialise<T: Real>(&self, seed: u64) -> Vec<T> {
        let mut parameters = vec![T::ZERO; self.layout.len()];
        let lane = |segment: usize| {
            let mut generator = generator(seed, Stream::Init, 0, 0);
            generator.set_stream(segment as u64);
            generator
        };
        for (table, &segment) in self.architecture.tables.iter().zip(&self.tables) {
            let range = self.layout.segments()[segment].range();
            table.init.fill(&mut parameters[range], table.dim, table.rows, &mut lane(segment));
        }
        let mut dense = |layer: &Dense, init: &WeightInit, bias: f64, biases: &[f64]| {
            let range = self.layout.segments()[layer.weight].range();
            init.fill(&mut parameters[range], layer.inputs, layer.units, &mut lane(layer.weight));
            if let Some(segment) = layer.bias {
                let values = &mut parameters[self.layout.segments()[segment].range()];
                init.fill_bias(values, bias, layer.inputs, &mut lane(segment));
                if biases.iter().any(|bias| *bias != 0.0) {
                    values.iter_mut().zip(biases).for_each(|(value, &bias)| *value = T::from_f64(bias));
                }
            }
        };
        for (layer, spec) in self.trunk.iter().zip(&self.architecture.hidden) {
            dense(layer, &spec.init, spec.bias, &[]);
        }
        for (layers, head) in self.heads.iter().zip(&self.architecture.heads) {
            for (layer, spec) in layers.hidden.iter().zip(&head.hidden) {
                dense(layer, &spec.init, spec.bias, &[]);
            }
            dense(&layers.output, &head.init, 0.0, &head.output_bias);
        }
        for segment in self.layout.segments().iter().filter(|segment| segment.role == Role::NormScale) {
            parameters[segment.range()].fill(T::ONE);
        }
        parameters
    }

    /// First buffers: running means 0, running variances 1.
    pub fn initial_buffers<T: Real>(&self) -> Vec<T> {
        let mut buffers = vec![T::ZERO; self.buffers.len()];
        for segment in self.buffers.segments().iter().filter(|segment| segment.role == Role::RunningVariance) {
            buffers[segment.range()].fill(T::ONE);
        }
        buffers
    }

    /// Room for passes over up to `rows` rows on up to `threads` threads.
    pub fn workspace<T: Real>(&self, rows: usize, threads: usize) -> Workspace<T> {
        let rows = rows.max(1);
        let joined = self.joins_inputs();
        let token_width = self.inputs - self.architecture.features;
        let widest = self.layers().map(|layer| layer.units.max(layer.inputs)).max().unwrap_or(0);
        let trunk_width = self.trunk.last().map_or(self.inputs, |layer| layer.units);
        Workspace {
            rows: 0,
            training: false,
            joined: if joined { vec![T::ZERO; rows * self.inputs] } else { Vec::new() },
            input_mask: if self.architecture.input_dropout > 0.0 {
                vec![T::ZERO; rows * self.inputs]
            } else {
                Vec::new()
            },
            d_tokens: vec![T::ZERO; rows * token_width],
            trunk: self.trunk.iter().map(|layer| layer.space(rows)).collect(),
            heads: self
                .heads
                .iter()
                .map(|head| HeadSpace {
                    hidden: head.hidden.iter().map(|layer| layer.space(rows)).collect(),
                    output: head.output.space(rows),
                })
                .collect(),
            d_shared: if self.heads.len() > 1 { vec![T::ZERO; rows * trunk_width] } else { Vec::new() },
            touched: self.architecture.tables.iter().map(|table| embedding::Touched::new(table.rows)).collect(),
            gradient_is_fresh: true,
            tasks: vec![TaskLoss::default(); self.heads.len()],
            packed: crate::num::Packed::with_capacity(widest.max(rows).min(4096), threads),
            threads: Threads::new(threads),
        }
    }

    fn layers(&self) -> impl Iterator<Item = &Dense> {
        let heads = self.heads.iter().flat_map(|head| head.hidden.iter().chain([&head.output]));
        self.trunk.iter().chain(heads)
    }

    fn joins_inputs(&self) -> bool {
        let changed = self.architecture.input_dropout > 0.0 || self.architecture.input_noise > 0.0;
        changed || !self.architecture.tokens.is_empty()
    }

    /// Whether batches of one row cannot be trained on.
    pub fn needs_two_rows(&self) -> bool {
        self.layers().any(|layer| layer.normalization == Normalization::Batch)
    }

    /// Computes the loss of a batch in training mode and its slope with respect to every parameter: of the sum of the tasks' mean losses times their weights,
    /// plus `penalties`. `active` trains one task alone.
    ///
    /// `gradient` must be the same vector from call to call of one work space (or all zeros): of the embedding tables only the rows touched by the last call are
    /// cleared, and only those touched by this batch, [`Workspace::touched`], written.
    pub fn gradient<T: Real>(
        &self,
        parameters: &[T],
        buffers: &mut [T],
        batch: &Batch<'_, T>,
        noise: Noise,
        penalties: &Penalties,
        active: Option<usize>,
        space: &mut Workspace<T>,
        gradient: &mut [T],
    ) -> BatchLoss {
        self.clear_embeddings(space, gradient);
        self.forward(parameters, batch, Mode::Train(noise, buffers), space);
        let mut penalty = self.activity_penalty(batch.rows, space);
        let data = self.losses(batch, active, space, true);
        self.backward(parameters, batch, active, space, gradient);
        if penalties.l1 != 0.0 || penalties.l2 != 0.0 {
            penalty += penalties.value(&self.layout, parameters);
            penalties.add_gradient(&self.layout, parameters, gradient);
        }
        BatchLoss { data, penalty }
    }

    /// The objective of [`Network::gradient`] without its slope: what the gradient check differentiates.
    pub fn objective<T: Real>(
        &self,
        parameters: &[T],
        buffers: &mut [T],
        batch: &Batch<'_, T>,
        noise: Noise,
        penalties: &Penalties,
        space: &mut Workspace<T>,
    ) -> BatchLoss {
        self.forward(parameters, batch, Mode::Train(noise, buffers), space);
        let penalty = self.activity_penalty(batch.rows, space) + penalties.value(&self.layout, parameters);
        let data = self.losses(batch, None, space, false);
        BatchLoss { data, penalty }
    }

    /// Computes the raw outputs of a batch in inference mode; they are in [`Workspace::outputs`].
    pub fn infer<T: Real>(&self, parameters: &[T], buffers: &[T], batch: &Batch<'_, T>, space: &mut Workspace<T>) {
        self.forward(parameters, batch, Mode::Infer(buffers), space);
    }

    /// Computes the loss of a batch in inference mode.
    pub fn loss<T: Real>(
        &self,
        parameters: &[T],
        buffers: &[T],
        batch: &Batch<'_, T>,
        space: &mut Workspace<T>,
    ) -> BatchLoss {
        self.infer(parameters, buffers, batch, space);
        BatchLoss { data: self.losses(batch, None, space, false), penalty: 0.0 }
    }

    fn clear_embeddings<T: Real>(&self, space: &mut Workspace<T>, gradient: &mut [T]) {
        for ((table, &segment), touched) in self.architecture.tables.iter().zip(&self.tables).zip(&mut space.touched) {
            let rows = &mut gradient[self.layout.segments()[segment].range()];
            if space.gradient_is_fresh {
                rows.fill(T::ZERO);
            }
            touched.clear(rows, table.dim);
        }
        space.gradient_is_fresh = false;
    }

    fn forward<T: Real>(
        &self,
        parameters: &[T],
        batch: &Batch<'_, T>,
        mut mode: Mode<'_, T>,
        space: &mut Workspace<T>,
    ) {
        let rows = batch.rows;
        let training = matches!(mode, Mode::Train(..));
        (space.rows, space.training) = (rows, training);
        self.join_inputs(parameters, batch, &mode, space);
        let layouts = (&self.layout, &self.buffers);
        let Workspace { joined, trunk, heads, packed, threads, .. } = space;
        let first: &[T] = if self.joins_inputs() { &joined[..rows * self.inputs] } else { batch.features };
        for (index, layer) in self.trunk.iter().enumerate() {
            let (before, this) = trunk.split_at_mut(index);
            let input = before.last().map_or(first, |space| self.trunk[index - 1].result(space, rows, training));
            layer.forward(layouts, parameters, input, rows, &mut mode, &mut this[0], packed, threads);
        }
        let shared = match (self.trunk.last(), trunk.last()) {
            (Some(layer), Some(space)) => layer.result(space, rows, training),
            _ => first,
        };
        for (head, space) in self.heads.iter().zip(heads) {
            for (index, layer) in head.hidden.iter().enumerate() {
                let (before, this) = space.hidden.split_at_mut(index);
                let input = before.last().map_or(shared, |space| head.hidden[index - 1].result(space, rows, training));
                layer.forward(layouts, parameters, input, rows, &mut mode, &mut this[0], packed, threads);
            }
            let input = match (head.hidden.last(), space.hidden.last()) {
                (Some(layer), Some(space)) => layer.result(space, rows, training),
                _ => shared,
            };
            head.output.forward(layouts, parameters, input, rows, &mut mode, &mut space.output, packed, threads);
        }
    }

    fn join_inputs<T: Real>(
        &self,
        parameters: &[T],
        batch: &Batch<'_, T>,
        mode: &Mode<'_, T>,
        space: &mut Workspace<T>,
    ) {
        if !self.joins_inputs() {
            return;
        }
        let features = self.architecture.features;
        let joined = &mut space.joined[..batch.rows * self.inputs];
        if features > 0 {
            for (line, row) in joined.chunks_exact_mut(self.inputs).zip(batch.features.chunks_exact(features)) {
                line[..features].copy_from_slice(row);
            }
        }
        let mut first = features;
        for (input, tokens) in self.architecture.tokens.iter().zip(batch.tokens) {
            let dim = self.architecture.tables[input.table].dim;
            let table = &parameters[self.layout.segments()[self.tables[input.table]].range()];
            embedding::forward(table, dim, input.pooling, tokens, joined, first, self.inputs);
            first += embedding::width(input.pooling, dim);
        }
        if let Mode::Train(noise, _) = mode {
            if self.architecture.input_noise > 0.0 {
                dropout::add_noise(self.architecture.input_noise, *noise, joined, features, self.inputs);
            }
            if self.architecture.input_dropout > 0.0 {
                let mask = &mut space.input_mask[..batch.rows * self.inputs];
                dropout::forward(self.architecture.input_dropout, *noise, INPUT_LANE, joined, mask);
            }
        }
    }

    fn activity_penalty<T: Real>(&self, rows: usize, space: &mut Workspace<T>) -> f64 {
        let Some(sparsity) = self.architecture.activation_sparsity else { return 0.0 };
        self.trunk
            .iter()
            .zip(&mut space.trunk)
            .map(|(layer, space)| layer.sparsity_penalty(sparsity, rows, space))
            .sum()
    }

    /// The losses of the outputs; with `slopes`, each head's `output.d` becomes the slope of its weighted mean.
    fn losses<T: Real>(
        &self,
        batch: &Batch<'_, T>,
        active: Option<usize>,
        space: &mut Workspace<T>,
        slopes: bool,
    ) -> f64 {
        let Workspace { tasks, heads, .. } = space;
        tasks.clear();
        let mut data = 0.0;
        for (index, (head, space)) in self.architecture.heads.iter().zip(heads).enumerate() {
            let output = &mut space.output;
            let size = batch.rows * head.outputs;
            if active.is_some_and(|active| active != index) || index >= batch.targets.len() {
                tasks.push(TaskLoss::default());
                continue;
            }
            let weights = head.class_weights.as_deref();
            let d = slopes.then_some(&mut output.d[..size]);
            let task = head::loss(
                head.loss,
                head.outputs,
                weights,
                &output.z[..size],
                &batch.targets[index],
                batch.weights,
                d,
            );
            if slopes {
                let factor = if task.weight_sum > 0.0 { T::from_f64(head.weight / task.weight_sum) } else { T::ZERO };
                output.d[..size].iter_mut().for_each(|d| *d *= factor);
            }
            data += head.weight * task.mean();
            tasks.push(task);
        }
        data
    }

    fn backward<T: Real>(
        &self,
        parameters: &[T],
        batch: &Batch<'_, T>,
        active: Option<usize>,
        space: &mut Workspace<T>,
        gradient: &mut [T],
    ) {
        let rows = batch.rows;
        let layout = &self.layout;
        let Workspace { joined, input_mask, d_tokens, trunk, heads, d_shared, touched, packed, threads, .. } = space;
        let features = self.architecture.features;
        let token_width = self.inputs - features;
        let first: &[T] = if self.joins_inputs() { &joined[..rows * self.inputs] } else { batch.features };
        // What the heads' slopes add up to: that of the trunk's output, or, without a trunk, that of the joined tokens.
        let (shared_width, shared_from) = self.trunk.last().map_or((token_width, features), |layer| (layer.units, 0));
        let mut shared_is_fresh = true;
        for (index, (head, head_space)) in self.heads.iter().zip(heads).enumerate() {
            if active.is_some_and(|active| active != index) {
                for segment in self.head_segments(index) {
                    gradient[layout.segments()[segment].range()].fill(T::ZERO);
                }
                continue;
            }
            let (trunk_before, trunk_last) = trunk.split_at_mut(self.trunk.len().saturating_sub(1));
            let _ = trunk_before;
            let shared_input: &[T] = match (self.trunk.last(), trunk_last.first()) {
                (Some(layer), Some(space)) => layer.result(space, rows, true),
                _ => first,
            };
            let HeadSpace { hidden, output } = head_space;
            let input = match (head.hidden.last(), hidden.last()) {
                (Some(layer), Some(space)) => layer.result(space, rows, true),
                _ => shared_input,
            };
            head.output.backward(layout, parameters, input, rows, None, output, gradient, packed, threads);
            let mut above: (&Dense, &super::layer::Space<T>) = (&head.output, output);
            let mut rest = &mut hidden[..];
            for (depth, layer) in head.hidden.iter().enumerate().rev() {
                let (before, this) = rest.split_at_mut(depth);
                let this = &mut this[0];
                let (upper, upper_space) = above;
                upper.input_slope(
                    layout,
                    parameters,
                    0,
                    rows,
                    upper_space,
                    &mut this.d[..rows * layer.units],
                    packed,
                    threads,
                );
                let input = match before.last() {
                    Some(space) => head.hidden[depth - 1].result(space, rows, true),
                    None => shared_input,
                };
                layer.backward(layout, parameters, input, rows, None, this, gradient, packed, threads);
                above = (layer, this);
                rest = before;
            }
            if shared_width > 0 {
                let (lowest, lowest_space) = above;
                let sum = match trunk_last.first_mut() {
                    Some(space) => &mut space.d[..rows * shared_width],
                    None => &mut d_tokens[..rows * shared_width],
                };
                if shared_is_fresh {
                    lowest.input_slope(layout, parameters, shared_from, rows, lowest_space, sum, packed, threads);
                } else {
                    let own = &mut d_shared[..rows * shared_width];
                    lowest.input_slope(layout, parameters, shared_from, rows, lowest_space, own, packed, threads);
                    sum.iter_mut().zip(&*own).for_each(|(sum, &own)| *sum += own);
                }
            }
            shared_is_fresh = false;
        }
        for (depth, layer) in self.trunk.iter().enumerate().rev() {
            let (before, from) = trunk.split_at_mut(depth);
            let input = before.last().map_or(first, |space| self.trunk[depth - 1].result(space, rows, true));
            let this = &mut from[0];
            layer.backward(
                layout,
                parameters,
                input,
                rows,
                self.architecture.activation_sparsity,
                this,
                gradient,
                packed,
                threads,
            );
            match before.last_mut() {
                Some(below) => {
                    let below = &mut below.d[..rows * layer.inputs];
                    layer.input_slope(layout, parameters, 0, rows, this, below, packed, threads);
                }
                None if token_width > 0 => {
                    let d = &mut d_tokens[..rows * token_width];
                    layer.input_slope(layout, parameters, features, rows, this, d, packed, threads);
                }
                None => {}
            }
        }
        if token_width == 0 {
            return;
        }
        let d = &mut d_tokens[..rows * token_width];
        if self.architecture.input_dropout > 0.0 {
            for (d, mask) in d.chunks_exact_mut(token_width).zip(input_mask.chunks_exact(self.inputs)) {
                dropout::backward(&mask[features..], d);
            }
        }
        let mut column = 0;
        for (input, tokens) in self.architecture.tokens.iter().zip(batch.tokens) {
            let dim = self.architecture.tables[input.table].dim;
            let rows = &mut gradient[layout.segments()[self.tables[input.table]].range()];
            embedding::backward(rows, dim, input.pooling, tokens, d, column, token_width, &mut touched[input.table]);
            column += embedding::width(input.pooling, dim);
        }
    }
}

/// The rule for a layer of which nothing else is known.
impl Default for WeightInit {
    fn default() -> Self {
        WeightInit::of(InitKind::GlorotUniform)
    }
}
