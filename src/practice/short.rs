//! A short run in f64 that is thrown away: what checks use that need to see a network learn a little.

use crate::data::{BatchBuffer, Examples};
use crate::nn::optimizer::{Method, Optimizer, Rows, State, StepInfo};
use crate::nn::{Architecture, BatchLoss, Network, Noise, Penalties, Workspace};
use crate::num::random::{Stream, below, generator};

use super::batch::with_batch;

/// Everything that a short run carries.
pub(super) struct ShortRun<'a> {
    pub network: Network,
    optimizer: Optimizer,
    penalties: Penalties,
    seed: u64,
    examples: &'a Examples<f64>,
    parameters: Vec<f64>,
    buffers: Vec<f64>,
    state: State<f64>,
    space: Workspace<f64>,
    gradient: Vec<f64>,
    order: Vec<u32>,
    batch_rows: usize,
    batch: BatchBuffer<f64>,
    step: u64,
}

impl<'a> ShortRun<'a> {
    /// Begins with new weights; batches go through the examples in one shuffled order, again and again.
    pub fn new(
        architecture: &Architecture,
        optimizer: Optimizer,
        penalties: &Penalties,
        batch_rows: usize,
        seed: u64,
        examples: &'a Examples<f64>,
    ) -> ShortRun<'a> {
        let network = Network::new(architecture.clone());
        let batch_rows = batch_rows.clamp(1, examples.rows.max(1));
        let mut order: Vec<u32> = (0..examples.rows as u32).collect();
        let mut draw = generator(seed, Stream::Shuffle, 0, 0);
        for last in (1..order.len()).rev() {
            order.swap(last, below(&mut draw, last as u32 + 1) as usize);
        }
        ShortRun {
            parameters: network.initialise(seed),
            buffers: network.initial_buffers(),
            state: optimizer.state(network.layout()),
            space: network.workspace(batch_rows, 1),
            gradient: vec![0.0; network.layout().len()],
            batch: examples.buffer(batch_rows),
            optimizer,
            penalties: *penalties,
            seed,
            examples,
            order,
            batch_rows,
            step: 0,
            network,
        }
    }

    /// Takes one step at this rate; gives the loss of its batch before the step.
    pub fn step(&mut self, learning_rate: f64) -> f64 {
        let first = self.step as usize * self.batch_rows;
        let rows: Vec<u32> =
            (first..first + self.batch_rows).map(|place| self.order[place % self.order.len()]).collect();
        self.examples.gather(&rows, &mut self.batch);
        let noise = Noise { seed: self.seed, epoch: 0, step: self.step };
        let ShortRun { network, parameters, buffers, penalties, space, gradient, batch, .. } = self;
        let BatchLoss { data, .. } = with_batch(&batch.examples, |batch| {
            network.gradient(parameters, buffers, batch, noise, penalties, None, space, gradient)
        });
        let info = StepInfo { learning_rate, epoch: 0, momentum: None };
        self.optimizer.step(
            self.network.layout(),
            info,
            &mut self.parameters,
            &self.gradient,
            &|_| Rows::All,
            &mut self.state,
        );
        self.step += 1;
        data
    }
}

/// Whether the optimizer takes steps one by one; L-BFGS searches along lines instead.
pub(super) fn steps_one_by_one(optimizer: &Optimizer) -> bool {
    !matches!(optimizer.method, Method::Lbfgs(_))
}
