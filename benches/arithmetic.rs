//! Micro-benchmarks of the inner loops: `cargo bench --bench arithmetic`.
//!
//! Throughput is in multiply-adds (products), elements (sums, functions) or rows (steps, files) a second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use trainyard::data::csv::{self, ParseOptions};
use trainyard::data::examples::TargetColumn;
use trainyard::data::{Examples, samples};
use trainyard::nn::architecture::{EmbeddingTable, Head, HiddenLayer, Loss, Normalization, Pooling, TokenInput};
use trainyard::nn::optimizer::{Adagrad, Adam, Method, Momentum, Rows, Sgd, Sparse, StepInfo};
use trainyard::nn::{
    Activation, Architecture, Batch, InitKind, Network, Noise, Optimizer, Penalties, Targets, Tokens, WeightInit,
};
use trainyard::num::{Matrix, Packed, Real, Threads, product, reduce};

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = products, sums, functions, steps, losses, optimizers, tables, batches, files
}
criterion_main!(benches);

/// Numbers without a pattern that a kernel could profit from.
fn numbers<T: Real>(n: usize) -> Vec<T> {
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 24) - 0.5
    };
    (0..n).map(|_| T::from_f64(draw())).collect()
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for (m, k, n) in [(16, 16, 16), (32, 64, 10), (64, 784, 128), (256, 1024, 1024), (512, 300, 300)] {
        let (a, b, mut c) = (numbers::<f32>(m * k), numbers::<f32>(k * n), vec![0.0; m * n]);
        let mut packed = Packed::default();
        group.throughput(Throughput::Elements((m * k * n) as u64));
        for threads in [1, 2] {
            let pool = Threads::new(threads);
            group.bench_function(format!("f32 {m}x{k}x{n}, {threads} thread(s)"), |bencher| {
                bencher.iter(|| {
                    let (a, b) = (Matrix::rows(&a, k), Matrix::rows(&b, n));
                    product(a, b, None, black_box(&mut c), (m, k, n), &mut packed, &pool);
                });
            });
        }
    }
}

fn sums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sum");
    let x = numbers::<f32>(1 << 16);
    group.throughput(Throughput::Elements(x.len() as u64));
    let rows: Vec<u32> = (0..(x.len() / 64) as u32).collect();
    group.bench_function("sum of squares, f32", |bencher| bencher.iter(|| reduce::sum_of_squares(black_box(&x))));
    group.bench_function("dot product, f32", |bencher| bencher.iter(|| reduce::dot(black_box(&x), black_box(&x))));
    group.bench_function("sum of squares of rows of 64, f32", |bencher| {
        bencher.iter(|| reduce::sum_of_squares_of_rows(black_box(&x), 64, black_box(&rows)));
    });
}

fn functions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("function");
    let x = numbers::<f32>(1 << 12);
    group.throughput(Throughput::Elements(x.len() as u64));
    for (name, function) in [("exp", Real::exp as fn(f32) -> f32), ("tanh", Real::tanh), ("ln_1p", Real::ln_1p)] {
        group.bench_function(format!("{name}, f32"), |bencher| {
            bencher.iter(|| x.iter().map(|x| function(*x)).fold(0.0, |sum: f32, y| sum + y));
        });
    }
}

/// One gradient of a 64-64-10 classifier on 32 rows: what a step of the digits costs without its optimizer.
fn steps(criterion: &mut Criterion) {
    let network = digits();
    let rows = 32;
    let features = numbers::<f32>(rows * 64);
    let classes: Vec<u32> = (0..rows as u32).map(|row| row % 10).collect();
    let targets = [Targets::Classes(&classes)];
    let batch = Batch { rows, features: &features, tokens: &[], targets: &targets, weights: None };
    let parameters = network.initialise::<f32>(1);
    let mut buffers = network.initial_buffers();
    let mut gradient = vec![0.0; network.layout().len()];
    let mut space = network.workspace(rows, 1);
    let noise = Noise { seed: 1, epoch: 0, step: 0 };

    let mut group = criterion.benchmark_group("network");
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function("gradient of 64-64-10 relu, 32 rows, f32", |bencher| {
        bencher.iter(|| {
            let penalties = Penalties::default();
            network.gradient(
                &parameters,
                &mut buffers,
                &batch,
                noise,
                &penalties,
                None,
                &mut space,
                black_box(&mut gradient),
            )
        });
    });
    group.bench_function("prediction and loss of 64-64-10 relu, 32 rows, f32", |bencher| {
        bencher.iter(|| network.loss(&parameters, &buffers, black_box(&batch), &mut space));
    });
}

/// The loss and its slope: a product with a single input costs next to nothing beside them.
fn losses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loss");
    let rows = 128;
    let features = numbers::<f32>(rows);
    for (name, loss, outputs) in [
        ("softmax cross-entropy of 1,000 classes", Loss::CrossEntropy { label_smoothing: 0.0 }, 1000),
        ("binary cross-entropy of 1,000 labels", Loss::BinaryCrossEntropy { pos_weight: 1.0 }, 1000),
        ("squared error of 1,000 numbers", Loss::Mse { half: false }, 1000),
    ] {
        let init = WeightInit { kind: InitKind::GlorotUniform, gain: 1.0 };
        let network = Network::new(Architecture {
            features: 1,
            input_dropout: 0.0,
            input_noise: 0.0,
            tables: Vec::new(),
            tokens: Vec::new(),
            hidden: Vec::new(),
            heads: vec![Head {
                name: "y".to_owned(),
                hidden: Vec::new(),
                outputs,
                loss,
                weight: 1.0,
                class_weights: None,
                init,
                output_bias: vec![0.0; outputs],
            }],
            activation_sparsity: None,
        });
        let (classes, values): (Vec<u32>, Vec<f32>) =
            ((0..rows as u32).collect(), (0..rows * outputs).map(|i| (i % 2) as f32).collect());
        let targets = match loss {
            Loss::CrossEntropy { .. } => [Targets::Classes(&classes)],
            _ => [Targets::Values(&values)],
        };
        let batch = Batch { rows, features: &features, tokens: &[], targets: &targets, weights: None };
        let (parameters, buffers) = (network.initialise::<f32>(1), network.initial_buffers());
        let mut space = network.workspace(rows, 1);
        group.throughput(Throughput::Elements((rows * outputs) as u64));
        group.bench_function(format!("{name}, {rows} rows, f32"), |bencher| {
            bencher.iter(|| network.loss(&parameters, &buffers, black_box(&batch), &mut space));
        });
    }
}

fn digits() -> Network {
    let init = WeightInit { kind: InitKind::GlorotUniform, gain: 1.0 };
    Network::new(Architecture {
        features: 64,
        input_dropout: 0.0,
        input_noise: 0.0,
        tables: Vec::new(),
        tokens: Vec::new(),
        hidden: vec![HiddenLayer {
            units: 64,
            activation: Activation::Relu,
            dropout: 0.0,
            normalization: Normalization::None,
            init,
            bias: 0.0,
        }],
        heads: vec![Head {
            name: "digit".to_owned(),
            hidden: Vec::new(),
            outputs: 10,
            loss: Loss::CrossEntropy { label_smoothing: 0.0 },
            weight: 1.0,
            class_weights: None,
            init,
            output_bias: vec![0.0; 10],
        }],
        activation_sparsity: None,
    })
}

/// A step of the optimizer alone, over as many parameters as 784-128-10 has.
fn optimizers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optimizer");
    let network = digits();
    let layout = network.layout();
    group.throughput(Throughput::Elements(layout.len() as u64));
    let momentum = Sgd { momentum: Momentum::Constant(0.9), ..Sgd::default() };
    for (name, method) in [("SGD with momentum", Method::Sgd(momentum)), ("Adam", Method::Adam(Adam::default()))] {
        let optimizer = Optimizer::new(method, 1e-3);
        let (mut parameters, gradient) = (network.initialise::<f32>(1), numbers::<f32>(layout.len()));
        let mut state = optimizer.state(layout);
        let info = StepInfo { learning_rate: 1e-3, epoch: 0, momentum: None };
        group.bench_function(format!("{name}, {} parameters, f32", layout.len()), |bencher| {
            bencher.iter(|| {
                optimizer.step(layout, info, black_box(&mut parameters), &gradient, &|_| Rows::All, &mut state);
            });
        });
    }
}

/// Copying a batch out of the examples: no more than the copy itself.
fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    let (all, features, rows) = (20_000, 784, 64);
    let examples = Examples {
        rows: all,
        features,
        dense: numbers::<f32>(all * features),
        targets: vec![TargetColumn::Classes(vec![0; all])],
        row_ids: (0..all as u32).collect(),
        ..Examples::default()
    };
    let mut buffer = examples.buffer(rows);
    group.throughput(Throughput::Bytes((4 * rows * features) as u64));
    let mut first = 0;
    group.bench_function("gather 64 of 20,000 rows of 784, f32", |bencher| {
        bencher.iter(|| {
            first = (first + 7_919) % all as u32;
            let places: Vec<u32> = (0..rows as u32).map(|i| (first + i * 311) % all as u32).collect();
            examples.gather(black_box(&places), &mut buffer);
        });
    });
}

/// One AdaGrad step over 128 rows of ten words each: its cost must not grow with the table.
fn tables(criterion: &mut Criterion) {
    let init = WeightInit { kind: InitKind::Uniform { limit: 0.1 }, gain: 1.0 };
    let mut group = criterion.benchmark_group("table");
    let (rows, words) = (128, 10);
    group.throughput(Throughput::Elements(rows as u64));
    for table_rows in [2_000, 20_000, 200_000] {
        let network = Network::new(Architecture {
            features: 0,
            input_dropout: 0.0,
            input_noise: 0.0,
            tables: vec![EmbeddingTable { name: "words".to_owned(), rows: table_rows, dim: 64, init }],
            tokens: vec![TokenInput { table: 0, pooling: Pooling::Mean }],
            hidden: Vec::new(),
            heads: vec![Head {
                name: "kind".to_owned(),
                hidden: Vec::new(),
                outputs: 20,
                loss: Loss::CrossEntropy { label_smoothing: 0.0 },
                weight: 1.0,
                class_weights: None,
                init,
                output_bias: vec![0.0; 20],
            }],
            activation_sparsity: None,
        });
        // The same words in tables of every size, so that what is touched is the same too.
        let ids: Vec<u32> = (0..(rows * words) as u32).map(|i| i.wrapping_mul(2_654_435_761) % 2_000).collect();
        let offsets: Vec<u32> = (0..=rows as u32).map(|row| row * words as u32).collect();
        let classes: Vec<u32> = (0..rows as u32).map(|row| row % 20).collect();
        let (tokens, targets) = ([Tokens { offsets: &offsets, ids: &ids }], [Targets::Classes(&classes)]);
        let batch = Batch { rows, features: &[], tokens: &tokens, targets: &targets, weights: None };
        let mut parameters = network.initialise::<f32>(1);
        let mut gradient = vec![0.0; network.layout().len()];
        let mut space = network.workspace(rows, 1);
        let optimizer = Optimizer::new(Method::Adagrad(Adagrad::default()), 0.01);
        let mut state = optimizer.state(network.layout());
        let info = StepInfo { learning_rate: 0.01, epoch: 0, momentum: None };
        let (noise, penalties) = (Noise { seed: 1, epoch: 0, step: 0 }, Penalties::default());
        group.bench_function(format!("AdaGrad step, {table_rows} rows of 64, f32"), |bencher| {
            bencher.iter(|| {
                network.gradient(&parameters, &mut [], &batch, noise, &penalties, None, &mut space, &mut gradient);
                let touched = |segment| match segment {
                    0 => Rows::Touched(space.touched(0), Sparse::Exact),
                    _ => Rows::All,
                };
                optimizer.step(network.layout(), info, &mut parameters, black_box(&gradient), &touched, &mut state);
            });
        });
    }
}

fn files(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("file");
    if let Some(digits) = samples::get("digits") {
        group.throughput(Throughput::Bytes(digits.csv().len() as u64));
        group.bench_function("read the digits' CSV", |bencher| {
            bencher.iter(|| csv::ingest(black_box(&digits.csv()[..]), &ParseOptions::default()).is_ok());
        });
    }
}
