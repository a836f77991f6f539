//! A training step allocates nothing: everything it needs is made before, and used again. An allocator that counts says so.
#![allow(unsafe_code, reason = "the trait of an allocator is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use trainyard::data::{Examples, TargetColumn, TokenColumn};
use trainyard::nn::architecture::{EmbeddingTable, Head, HiddenLayer, Loss, Normalization, Pooling, TokenInput};
use trainyard::nn::clipping::Clipping;
use trainyard::nn::optimizer::{Adagrad, Adam, Method, Momentum, Sgd, Sparse};
use trainyard::nn::{Activation, Architecture, Optimizer, Schedule, WeightInit};
use trainyard::train::{
    Batching, CheckpointSet, Dataset, Directive, EpochReport, Every, Observer, ObserverError, OwnUnit, Plan, Precision,
    Progress, Record, Regularization, Start, StepReport, Switch, TaskSampling, fit,
};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Allocations of this thread so far.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Steps that other batches of the same sizes have prepared: the first may make room.
const PREPARED: u64 = 2;

/// Compares the count from one step of an epoch to the next.
#[derive(Default)]
struct Watch {
    last: Option<(u64, u64)>,
    compared: u64,
    allocations: u64,
}

impl Observer for Watch {
    fn epoch(&mut self, _: &EpochReport<'_>) {
        self.last = None;
    }
    fn step(&mut self, report: &StepReport<'_>) {
        let (step, count) = (report.at.step, COUNT.get());
        if let Some((before, counted)) = self.last
            && before + 1 == step
            && step > PREPARED
        {
            self.compared += 1;
            self.allocations += count - counted;
        }
        self.last = Some((step, count));
    }
    fn checkpoint_due(&mut self, _: &Progress) -> bool {
        false
    }
    fn checkpoint(&mut self, _: CheckpointSet) -> Result<(), ObserverError> {
        Ok(())
    }
    fn directive(&mut self, _: &Progress) -> Directive {
        Directive::Continue
    }
}

fn layer(units: usize, normalization: Normalization) -> HiddenLayer {
    HiddenLayer {
        units,
        activation: Activation::Tanh,
        dropout: 0.2,
        normalization,
        init: WeightInit::default(),
        bias: 0.0,
    }
}

fn head(name: &str, outputs: usize, loss: Loss) -> Head {
    Head {
        name: name.into(),
        hidden: Vec::new(),
        outputs,
        loss,
        weight: 1.0,
        class_weights: None,
        init: WeightInit::default(),
        output_bias: vec![0.0; outputs],
    }
}

/// Two tasks from dense features and words, with all that a step can have: dropout, noise, both normalisations, penalties, clipping.
fn plan(method: Method, sparse: Sparse, sampling: TaskSampling, threads: usize) -> Plan {
    Plan {
        architecture: Architecture {
            features: 5,
            input_dropout: 0.1,
            input_noise: 0.1,
            tables: vec![EmbeddingTable { name: "words".into(), rows: 40, dim: 6, init: WeightInit::default() }],
            tokens: vec![TokenInput { table: 0, pooling: Pooling::Mean }],
            hidden: vec![layer(200, Normalization::Batch), layer(120, Normalization::Layer)],
            heads: vec![
                head("kind", 3, Loss::CrossEntropy { label_smoothing: 0.1 }),
                head("size", 1, Loss::Mse { half: false }),
            ],
            activation_sparsity: None,
        },
        units: vec![OwnUnit::default(); 2],
        optimizer: Optimizer { weight_decay: 1e-4, ..Optimizer::new(method, 0.01) },
        schedule: Schedule::default(),
        sparse: vec![sparse],
        regularization: Regularization { l1: 1e-5, l2: 1e-5, max_norm: Some(3.0), ..Regularization::default() },
        clipping: Some(Clipping::Norm(0.5)),
        batching: Batching::Rows { size: 128, shuffle: true },
        task_sampling: sampling,
        epochs: 3,
        seed: 7,
        precision: Precision::F32,
        threads,
        best: None,
        early_stopping: None,
        target: None,
        checkpoints: Every::Auto,
        record: Record { step_metrics: Switch::On, ..Record::default() },
        encoder: Vec::new(),
    }
}

fn examples(rows: usize) -> Examples<f32> {
    let number = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5;
    Examples {
        rows,
        features: 5,
        dense: (0..5 * rows).map(number).collect(),
        tokens: vec![TokenColumn {
            offsets: (0..=rows as u32).map(|row| 3 * row).collect(),
            ids: (0..3 * rows as u32).map(|i| i.wrapping_mul(2_654_435_761) % 40).collect(),
        }],
        targets: vec![
            TargetColumn::Classes((0..rows as u32).map(|row| row % 3).collect()),
            TargetColumn::Values { width: 1, values: (0..rows).map(number).collect() },
        ],
        row_ids: (0..rows as u32).collect(),
        ..Examples::default()
    }
}

#[test]
fn a_training_step_allocates_nothing() {
    let momentum = Method::Sgd(Sgd { momentum: Momentum::Constant(0.9), ..Sgd::default() });
    let cases = [
        plan(momentum, Sparse::Exact, TaskSampling::Joint, 1),
        plan(Method::Adam(Adam::default()), Sparse::Lazy, TaskSampling::Joint, 2),
        plan(Method::Adagrad(Adagrad::default()), Sparse::Exact, TaskSampling::Proportional, 1),
    ];
    for (case, plan) in cases.iter().enumerate() {
        let mut watch = Watch::default();
        let data = Dataset { train: examples(3000).into(), validation: None, test: None };
        fit(plan, &data, Start::Fresh, &mut watch).unwrap();
        assert!(watch.compared > 40, "case {case}: {} steps were compared", watch.compared);
        assert_eq!(watch.allocations, 0, "case {case}: allocations in {} steps", watch.compared);
    }
}
