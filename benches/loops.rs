//! The bare training loop of the workloads of `bench/`, and small works to count the instructions of.
//!
//! `cargo bench --bench loops -- W1,W5 --threads 2`: µs a step, by CPU time, of `train::fit` alone: no server, no metrics kept, no checkpoints. What a
//! job through the API costs more is the server's. `--epochs 50 --repeats 40`: so many epochs, the least of so many runs; with the epochs of
//! `bench/workloads.py` that is what `bench/ours.py` measures with the server around it.
//! `cargo bench --bench loops -- count NAME TIMES`: does one small work so many times; `scripts/instructions` counts.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use trainyard::data::{Examples, TargetColumn, TokenColumn};
use trainyard::nn::architecture::{EmbeddingTable, Head, HiddenLayer, Loss, Normalization, Pooling, TokenInput};
use trainyard::nn::clipping::gradient_norm;
use trainyard::nn::optimizer::{Adagrad, Adam, Method, Momentum, Rows, Sgd, StepInfo};
use trainyard::nn::{
    Activation, Architecture, Batch, InitKind, Network, Noise, Optimizer, Penalties, Schedule, Targets, WeightInit,
};
use trainyard::num::{Matrix, Packed, Threads, product, room_for};
use trainyard::train::{
    Batching, Dataset, Every, OwnUnit, Plan, Precision, Record, Regularization, Start, TaskSampling, Unobserved, fit,
};

/// The workloads of `bench/workloads.py`, with numbers without meaning: rows, inputs, hidden units, outputs, batch.
struct Workload {
    name: &'static str,
    rows: usize,
    inputs: usize,
    hidden: &'static [usize],
    outputs: usize,
    batch: usize,
    activation: Activation,
    method: fn() -> Method,
    /// Words of each row, of a table of 50,000 vectors of 64; else inputs are numbers.
    words: usize,
    /// Epochs that take about a second.
    epochs: u64,
}

const RELU: Activation = Activation::Relu;
const WORKLOADS: [Workload; 6] = [
    Workload {
        name: "W1",
        rows: 150,
        inputs: 4,
        hidden: &[16, 16],
        outputs: 3,
        batch: 16,
        activation: Activation::Tanh,
        method: sgd,
        words: 0,
        epochs: 20_000,
    },
    Workload {
        name: "W2",
        rows: 1797,
        inputs: 64,
        hidden: &[128],
        outputs: 10,
        batch: 32,
        activation: RELU,
        method: adam,
        words: 0,
        epochs: 800,
    },
    Workload {
        name: "W3",
        rows: 60_000,
        inputs: 784,
        hidden: &[128],
        outputs: 10,
        batch: 64,
        activation: RELU,
        method: sgd,
        words: 0,
        epochs: 4,
    },
    Workload {
        name: "W4",
        rows: 20_000,
        inputs: 784,
        hidden: &[1024, 1024],
        outputs: 10,
        batch: 256,
        activation: RELU,
        method: adam,
        words: 0,
        epochs: 1,
    },
    Workload {
        name: "W5",
        rows: 200_000,
        inputs: 28,
        hidden: &[300, 300],
        outputs: 1,
        batch: 512,
        activation: RELU,
        method: adam,
        words: 0,
        epochs: 1,
    },
    Workload {
        name: "W6",
        rows: 200_000,
        inputs: 0,
        hidden: &[128],
        outputs: 20,
        batch: 128,
        activation: RELU,
        method: adagrad,
        words: 10,
        epochs: 1,
    },
];

fn sgd() -> Method {
    Method::Sgd(Sgd { momentum: Momentum::Constant(0.9), ..Sgd::default() })
}

fn adam() -> Method {
    Method::Adam(Adam::default())
}

fn adagrad() -> Method {
    Method::Adagrad(Adagrad::default())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let after =
        |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    if arguments.first().is_some_and(|first| first == "count") {
        let times = arguments.get(2).and_then(|times| times.parse().ok()).unwrap_or(1000);
        return count(arguments.get(1).map_or("", String::as_str), times);
    }
    let threads = after("--threads").and_then(|threads| threads.parse().ok()).unwrap_or(1);
    let epochs: Option<u64> = after("--epochs").and_then(|epochs| epochs.parse().ok());
    let repeats: usize = after("--repeats").and_then(|repeats| repeats.parse().ok()).unwrap_or(1).max(1);
    let wanted = arguments.first().filter(|first| first.starts_with('W')).map_or("W1,W2,W3,W4,W5,W6", String::as_str);
    println!("bare loop, {threads} thread(s)");
    for workload in WORKLOADS.iter().filter(|workload| wanted.split(',').any(|name| name == workload.name)) {
        // The time of many epochs less that of one, as `bench/ours.py` takes it.
        let epochs = epochs.unwrap_or(workload.epochs);
        let least = |epochs: u64| {
            let runs: Vec<(f64, f64)> = (0..repeats).map(|_| train(workload, epochs, threads)).collect();
            let least = |of: fn(&(f64, f64)) -> f64| runs.iter().map(of).fold(f64::INFINITY, f64::min);
            (least(|run| run.0), least(|run| run.1))
        };
        let (short, long) = (least(1), least(1 + epochs));
        let steps = (workload.rows.div_ceil(workload.batch) as u64 * epochs) as f64;
        println!(
            "{}: {:>10.2} µs a step by CPU time, {:>10.2} by wall time",
            workload.name,
            (long.0 - short.0) / steps * 1e6,
            (long.1 - short.1) / steps * 1e6
        );
    }
}

/// CPU and wall seconds of a run.
fn train(workload: &Workload, epochs: u64, threads: usize) -> (f64, f64) {
    let plan = plan(workload, epochs, threads);
    let data = Dataset { train: examples(workload).into(), validation: None, test: None };
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let outcome = fit(&plan, &data, Start::Fresh, &mut Unobserved);
    assert!(outcome.is_ok(), "{}: {outcome:?}", workload.name);
    (cpu_seconds() - cpu, wall.elapsed().as_secs_f64())
}

/// CPU time of the process.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own = text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok());
    own.map_or(0.0, |nanoseconds| nanoseconds / 1e9)
}

fn architecture(workload: &Workload) -> Architecture {
    let init = WeightInit { kind: InitKind::GlorotUniform, gain: 1.0 };
    let layer = |&units: &usize| HiddenLayer {
        units,
        activation: workload.activation,
        dropout: 0.0,
        normalization: Normalization::None,
        init,
        bias: 0.0,
    };
    let words = workload.words > 0;
    let table = EmbeddingTable { name: "words".to_owned(), rows: 50_000, dim: 64, init };
    Architecture {
        features: workload.inputs,
        input_dropout: 0.0,
        input_noise: 0.0,
        tables: if words { vec![table] } else { Vec::new() },
        tokens: if words {
            vec![TokenInput { table: 0, pooling: Pooling::Window { length: workload.words } }]
        } else {
            Vec::new()
        },
        hidden: workload.hidden.iter().map(layer).collect(),
        heads: vec![Head {
            name: "y".to_owned(),
            hidden: Vec::new(),
            outputs: workload.outputs,
            loss: match workload.outputs {
                1 => Loss::BinaryCrossEntropy { pos_weight: 1.0 },
                _ => Loss::CrossEntropy { label_smoothing: 0.0 },
            },
            weight: 1.0,
            class_weights: None,
            init,
            output_bias: vec![0.0; workload.outputs],
        }],
        activation_sparsity: None,
    }
}

fn plan(workload: &Workload, epochs: u64, threads: usize) -> Plan {
    Plan {
        architecture: architecture(workload),
        units: vec![OwnUnit::default()],
        optimizer: Optimizer::new((workload.method)(), 1e-3),
        schedule: Schedule::default(),
        sparse: vec![Default::default(); usize::from(workload.words > 0)],
        regularization: Regularization::default(),
        clipping: None,
        batching: Batching::Rows { size: workload.batch, shuffle: true },
        task_sampling: TaskSampling::Joint,
        epochs,
        seed: 1,
        precision: Precision::F32,
        threads,
        best: None,
        early_stopping: None,
        target: None,
        checkpoints: Every::Auto,
        record: Record::default(),
        encoder: Vec::new(),
    }
}

/// Numbers without a pattern that a kernel could profit from, on large pages as a server's rows are.
fn numbers(n: usize) -> Vec<f32> {
    let mut numbers = room_for(n);
    numbers.extend((0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5));
    numbers
}

fn examples(workload: &Workload) -> Examples<f32> {
    let rows = workload.rows;
    let ids: Vec<u32> =
        (0..(rows * workload.words) as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) % 50_000).collect();
    let offsets = (0..=rows as u32).map(|row| row * workload.words as u32).collect();
    Examples {
        rows,
        features: workload.inputs,
        dense: numbers(rows * workload.inputs),
        tokens: if workload.words > 0 { vec![TokenColumn { offsets, ids }] } else { Vec::new() },
        targets: vec![TargetColumn::Classes(
            (0..rows as u32).map(|row| row % workload.outputs.max(2) as u32).collect(),
        )],
        row_ids: (0..rows as u32).collect(),
        ..Examples::default()
    }
}

/// Does a small work so many times.
fn count(name: &str, times: usize) {
    let shapes = |shape: &str| shape.split('x').filter_map(|size| size.parse().ok()).collect::<Vec<usize>>();
    match name.split_once('-') {
        Some(("product", shape)) => {
            let [m, k, n] = shapes(shape)[..] else { return println!("a product has three sizes") };
            let (a, b, mut c, mut packed) = (numbers(m * k), numbers(k * n), vec![0.0; m * n], Packed::default());
            for _ in 0..times {
                let (a, b) = (Matrix::rows(&a, k), Matrix::rows(&b, n));
                product(a, b, None, black_box(&mut c), (m, k, n), &mut packed, &Threads::new(1));
            }
        }
        Some((work, workload)) => match WORKLOADS.iter().find(|known| known.name == workload) {
            Some(workload) => part_of_step(work, workload, times),
            None => println!("no such workload"),
        },
        None => println!("product-16x4x16, gather-W1, loss-W1, gradient-W1, norm-W1, optimizer-W1, step-W1"),
    }
}

/// Does a part of a step of a workload so many times.
fn part_of_step(work: &str, workload: &Workload, times: usize) {
    if work == "step" {
        let rows = workload.batch * times;
        let plan = plan(workload, 1, 1);
        let data = Dataset { train: examples(&Workload { rows, ..*workload }).into(), validation: None, test: None };
        assert!(fit(&plan, &data, Start::Fresh, &mut Unobserved).is_ok());
        return;
    }
    let network = Network::new(architecture(workload));
    let examples = examples(workload);
    let mut buffer = examples.buffer(workload.batch);
    let places: Vec<u32> = (0..workload.batch as u32).collect();
    examples.gather(&places, &mut buffer);
    let batch_of = &buffer.examples;
    let TargetColumn::Classes(classes) = &batch_of.targets[0] else { return };
    let targets = [Targets::Classes(classes)];
    let batch =
        Batch { rows: workload.batch, features: &batch_of.dense, tokens: &[], targets: &targets, weights: None };
    let mut parameters = network.initialise::<f32>(1);
    let mut buffers = network.initial_buffers();
    let mut gradient = numbers(network.layout().len());
    let mut space = network.workspace(workload.batch, 1);
    let optimizer = Optimizer::new((workload.method)(), 1e-3);
    let mut state = optimizer.state(network.layout());
    let info = StepInfo { learning_rate: 1e-3, epoch: 0, momentum: None };
    let (noise, penalties) = (Noise { seed: 1, epoch: 0, step: 0 }, Penalties::default());
    let mut another = examples.buffer(workload.batch);
    for _ in 0..times {
        match work {
            "gather" => examples.gather(black_box(&places), &mut another),
            "loss" => {
                black_box(network.loss(&parameters, &buffers, black_box(&batch), &mut space));
            }
            "gradient" => {
                let found = network.gradient(
                    &parameters,
                    &mut buffers,
                    &batch,
                    noise,
                    &penalties,
                    None,
                    &mut space,
                    &mut gradient,
                );
                black_box(found);
            }
            "norm" => {
                black_box(gradient_norm(network.layout(), black_box(&gradient), &|_| Rows::All));
            }
            _ => optimizer.step(
                network.layout(),
                info,
                black_box(&mut parameters),
                &gradient,
                &|_| Rows::All,
                &mut state,
            ),
        }
    }
}
