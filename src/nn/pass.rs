//! What goes through a network: a batch forward, its losses, and their slopes back to every parameter.

use crate::num::{Real, run, slices};

use super::architecture::Sparsity;
use super::batch::Batch;
use super::dropout::{self, Noise};
use super::embedding::{self, Columns};
use super::head;
use super::layer::{Mode, Setting, backward_all, forward_all, result_of_all};
use super::network::{INPUT_LANE, Network};
use super::penalty::Penalties;
use super::workspace::Workspace;

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
    /// Computes the loss of a batch in training mode and its slope with respect to every parameter: of the sum of the tasks' mean losses times their
    /// weights, plus `penalties`. `active` trains one task alone; the slopes of the other heads' own tensors are 0. Allocates nothing.
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
        let data = self.losses(batch, active, space);
        self.backward(parameters, batch, active, self.architecture().activation_sparsity, space, gradient);
        if *penalties != Penalties::default() {
            penalty += penalties.value(self.layout(), parameters);
            penalties.add_gradient(self.layout(), parameters, gradient);
        }
        BatchLoss { data, penalty }
    }

    /// The slope of one task's loss alone, without any penalty.
    pub(super) fn task_gradient<T: Real>(
        &self,
        parameters: &[T],
        buffers: &mut [T],
        batch: &Batch<'_, T>,
        noise: Noise,
        task: usize,
        space: &mut Workspace<T>,
        gradient: &mut [T],
    ) {
        self.clear_embeddings(space, gradient);
        self.forward(parameters, batch, Mode::Train(noise, buffers), space);
        self.losses(batch, Some(task), space);
        self.backward(parameters, batch, Some(task), None, space, gradient);
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
        let penalty = self.activity_penalty(batch.rows, space) + penalties.value(self.layout(), parameters);
        BatchLoss { data: self.losses(batch, None, space), penalty }
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
        BatchLoss { data: self.losses(batch, None, space), penalty: 0.0 }
    }

    fn clear_embeddings<T: Real>(&self, space: &mut Workspace<T>, gradient: &mut [T]) {
        for ((table, &segment), touched) in self.architecture().tables.iter().zip(&self.tables).zip(&mut space.touched)
        {
            let rows = &mut gradient[self.layout().segments()[segment].range()];
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
        let Workspace { joined, trunk, heads, packed, threads, .. } = space;
        let first: &[T] = if self.joins_inputs() { &joined[..rows * self.inputs] } else { batch.features };
        let mut set = Setting { layout: self.layout(), parameters, rows, training, packed, threads };
        forward_all(&self.trunk, &mut set, first, &mut mode, trunk);
        let shared = result_of_all(&self.trunk, trunk, first, rows, training);
        for (layers, spaces) in self.heads.iter().zip(heads) {
            forward_all(layers, &mut set, shared, &mut mode, spaces);
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
        let architecture = self.architecture();
        let features = architecture.features;
        let joined = &mut space.joined[..batch.rows * self.inputs];
        if features > 0 {
            for (line, row) in joined.chunks_exact_mut(self.inputs).zip(batch.features.chunks_exact(features)) {
                line[..features].copy_from_slice(row);
            }
        }
        let mut first = features;
        for (input, tokens) in architecture.tokens.iter().zip(batch.tokens) {
            let dim = architecture.tables[input.table].dim;
            let table = &parameters[self.layout().segments()[self.tables[input.table]].range()];
            let columns = Columns { tokens, pooling: input.pooling, dim, first, stride: self.inputs };
            run(embedding::Forward { table, columns, joined });
            first += embedding::width(input.pooling, dim);
        }
        if let Mode::Train(noise, _) = mode {
            if architecture.input_noise > 0.0 {
                dropout::add_noise(architecture.input_noise, *noise, joined, features, self.inputs);
            }
            if architecture.input_dropout > 0.0 {
                let mask = &mut space.input_mask[..batch.rows * self.inputs];
                dropout::forward(architecture.input_dropout, *noise, INPUT_LANE, joined, mask);
            }
        }
    }

    fn activity_penalty<T: Real>(&self, rows: usize, space: &mut Workspace<T>) -> f64 {
        let Some(sparsity) = self.architecture().activation_sparsity else { return 0.0 };
        let layers = self.trunk.iter().zip(&mut space.trunk);
        layers.map(|(layer, space)| layer.sparsity_penalty(sparsity, rows, space)).sum()
    }

    /// The losses of the outputs; each active head's `d` becomes the slope of its weighted mean.
    fn losses<T: Real>(&self, batch: &Batch<'_, T>, active: Option<usize>, space: &mut Workspace<T>) -> f64 {
        let Workspace { tasks, heads, losses, .. } = space;
        tasks.clear();
        let mut data = 0.0;
        for (index, head) in self.architecture().heads.iter().enumerate() {
            let task = match (batch.targets.get(index), heads[index].last_mut()) {
                (Some(targets), Some(output)) if active.is_none_or(|active| active == index) => {
                    let size = batch.rows * head.outputs;
                    let (z, d) = (&output.z[..size], &mut output.d[..size]);
                    head::loss(head, z, targets, batch.weights, d, &mut losses[index])
                }
                _ => head::TaskLoss::default(),
            };
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
        sparsity: Option<Sparsity>,
        space: &mut Workspace<T>,
        gradient: &mut [T],
    ) {
        let rows = batch.rows;
        let Workspace { joined, input_mask, d_tokens, trunk, heads, d_shared, touched, packed, threads, .. } = space;
        let architecture = self.architecture();
        let features = architecture.features;
        let token_width = self.inputs - features;
        let first: &[T] = if self.joins_inputs() { &joined[..rows * self.inputs] } else { batch.features };
        let mut set = Setting { layout: self.layout(), parameters, rows, training: true, packed, threads };

        // What the heads' slopes add up to: that of the trunk's output, or, without a trunk, that of the joined tokens.
        let (shared_width, shared_from) = self.trunk.last().map_or((token_width, features), |layer| (layer.units, 0));
        let mut shared_is_fresh = true;
        for (index, (layers, spaces)) in self.heads.iter().zip(heads).enumerate() {
            if active.is_some_and(|active| active != index) {
                for segment in self.head_segments(index) {
                    gradient[self.layout().segments()[segment].range()].fill(T::ZERO);
                }
                continue;
            }
            let shared = result_of_all(&self.trunk, trunk, first, rows, true);
            backward_all(layers, &mut set, shared, None, spaces, gradient);
            let (Some(lowest), Some(lowest_space), true) = (layers.first(), spaces.first(), shared_width > 0) else {
                continue;
            };
            let sum = trunk.last_mut().map_or(&mut *d_tokens, |space| &mut space.d);
            let sum = &mut sum[..rows * shared_width];
            if shared_is_fresh {
                lowest.input_slope(&mut set, shared_from, lowest_space, sum);
            } else {
                let own = &mut d_shared[..rows * shared_width];
                lowest.input_slope(&mut set, shared_from, lowest_space, own);
                slices::add(sum, own);
            }
            shared_is_fresh = false;
        }
        backward_all(&self.trunk, &mut set, first, sparsity, trunk, gradient);
        if token_width == 0 {
            return;
        }
        let d = &mut d_tokens[..rows * token_width];
        if let (Some(layer), Some(space)) = (self.trunk.first(), trunk.first()) {
            layer.input_slope(&mut set, features, space, d);
        }
        if architecture.input_dropout > 0.0 {
            for (d, mask) in d.chunks_exact_mut(token_width).zip(input_mask.chunks_exact(self.inputs)) {
                dropout::backward(&mask[features..], d);
            }
        }
        let mut column = 0;
        for (input, tokens) in architecture.tokens.iter().zip(batch.tokens) {
            let dim = architecture.tables[input.table].dim;
            let gradient = &mut gradient[self.layout().segments()[self.tables[input.table]].range()];
            let columns = Columns { tokens, pooling: input.pooling, dim, first: column, stride: token_width };
            run(embedding::Backward { gradient, columns, d, touched: &mut touched[input.table] });
            column += embedding::width(input.pooling, dim);
        }
    }
}
