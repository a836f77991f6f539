//! A network: its layers, where their tensors lie, how they start. Owns no values: parameters, buffers and work space are the caller's.
//! What goes through it is in `pass`.

use crate::num::{Packed, Real, Threads, zeros};

use super::architecture::{Architecture, HiddenLayer, Normalization, TokenInput};
use super::embedding::{self, Touched};
use super::head::LossSpace;
use super::init::WeightInit;
use super::layer::Dense;
use super::layout::{Layout, Role};
use super::workspace::Workspace;
use crate::num::random::{Stream, generator};

/// The random lane of the joined input; layers have theirs from 1 on.
pub(super) const INPUT_LANE: u64 = 0;

/// A network of some architecture, ready to compute.
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    layout: Layout,
    buffers: Layout,
    /// The tensor of each embedding table.
    pub(super) tables: Vec<usize>,
    pub(super) trunk: Vec<Dense>,
    /// The layers of each head; the last is its output.
    pub(super) heads: Vec<Vec<Dense>>,
    /// Width of the joined input.
    pub(super) inputs: usize,
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
        let token_width = |input: &TokenInput| embedding::width(input.pooling, architecture.tables[input.table].dim);
        let inputs = architecture.features + architecture.tokens.iter().map(token_width).sum::<usize>();
        let mut lane = INPUT_LANE;
        let mut stack = |prefix: &str, mut width: usize, layers: &[HiddenLayer], layout: &mut Layout| {
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
            let (mut layers, width) = stack(&format!("{name}."), trunk_width, &head.hidden, &mut layout);
            layers.push(Dense::output(name, width, head.outputs, INPUT_LANE, &mut layout));
            heads.push(layers);
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
        0..self.first_segment(0)
    }

    /// The tensors (indices into the layout) of one head.
    pub fn head_segments(&self, head: usize) -> std::ops::Range<usize> {
        self.first_segment(head)..self.first_segment(head + 1)
    }

    /// The first tensor of a head, or, beyond the last, the end.
    fn first_segment(&self, head: usize) -> usize {
        self.heads
            .get(head)
            .and_then(|layers| layers.first())
            .map_or(self.layout.segments().len(), |layer| layer.weight)
    }

    /// First parameters: each tensor has a random lane of its own, so that one layer's rule does not move another layer's draw.
    pub fn initialise<T: Real>(&self, seed: u64) -> Vec<T> {
        let mut parameters = zeros(self.layout.len());
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
            for (layer, spec) in layers.iter().zip(&head.hidden) {
                dense(layer, &spec.init, spec.bias, &[]);
            }
            if let Some(output) = layers.last() {
                dense(output, &head.init, 0.0, &head.output_bias);
            }
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
        let spaces = |layers: &[Dense]| layers.iter().map(|layer| layer.space(rows)).collect();
        let zeros_when = |needed: bool, width: usize| vec![T::ZERO; if needed { rows * width } else { 0 }];
        let token_width = self.inputs - self.architecture.features;
        let shared_width = self.trunk.last().map_or(token_width, |layer| layer.units);
        let longest = self.layers().map(|layer| layer.units.max(layer.inputs)).max().unwrap_or(0).max(rows);
        Workspace {
            most_rows: rows,
            rows: 0,
            training: false,
            joined: zeros_when(self.joins_inputs(), self.inputs),
            input_mask: zeros_when(self.architecture.input_dropout > 0.0, self.inputs),
            d_tokens: zeros_when(true, token_width),
            trunk: spaces(&self.trunk),
            heads: self.heads.iter().map(|head| spaces(head)).collect(),
            d_shared: zeros_when(self.heads.len() > 1, shared_width),
            losses: self.architecture.heads.iter().map(|head| LossSpace::new(rows * head.outputs)).collect(),
            touched: self.architecture.tables.iter().map(|table| Touched::new(table.rows)).collect(),
            gradient_is_fresh: true,
            tasks: Vec::with_capacity(self.heads.len()),
            packed: Packed::with_capacity(longest, threads),
            threads: Threads::new(threads),
        }
    }

    fn layers(&self) -> impl Iterator<Item = &Dense> {
        self.trunk.iter().chain(self.heads.iter().flatten())
    }

    pub(super) fn joins_inputs(&self) -> bool {
        let changed = self.architecture.input_dropout > 0.0 || self.architecture.input_noise > 0.0;
        changed || !self.architecture.tokens.is_empty()
    }

    /// Whether batches of one row cannot be trained on.
    pub fn needs_two_rows(&self) -> bool {
        self.layers().any(|layer| layer.normalization == Normalization::Batch)
    }
}
