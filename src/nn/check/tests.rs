//! Every derivative against differences: each activation with each head, whole drawn networks, and faults planted on purpose.

use super::*;
use crate::nn::activation::Activation;
use crate::nn::fault::{self, Site};
use crate::nn::{
    Architecture, EmbeddingTable, Head, HiddenLayer, InitKind, MISSING_CLASS, Normalization, Pooling, TokenInput,
    Tokens, WeightInit,
};
use crate::num::random::{normal, uniform};
use proptest::prelude::*;

/// Owned rows for a network, drawn from a seed.
struct Rows {
    rows: usize,
    features: Vec<f64>,
    offsets: Vec<Vec<u32>>,
    ids: Vec<Vec<u32>>,
    classes: Vec<Vec<u32>>,
    values: Vec<Vec<f64>>,
    /// Whether classes are given as distributions.
    soft: bool,
    weights: Option<Vec<f64>>,
}

impl Rows {
    fn draw(architecture: &Architecture, rows: usize, seed: u64, weighted: bool) -> Self {
        let mut draw = generator(seed, Stream::Sample, 0, 0);
        let mut ids = Vec::new();
        let mut offsets = Vec::new();
        for input in &architecture.tokens {
            let size = architecture.tables[input.table].rows as u32;
            let (mut own, mut ends) = (Vec::new(), vec![0]);
            for row in 0..rows {
                let count = match input.pooling {
                    Pooling::Single => 1,
                    Pooling::Window { length } => length,
                    Pooling::Sum | Pooling::Mean => row % 4, // the empty bag among them
                };
                own.extend((0..count).map(|_| below(&mut draw, size)));
                ends.push(own.len() as u32);
            }
            ids.push(own);
            offsets.push(ends);
        }
        let features = (0..rows * architecture.features).map(|_| normal(&mut draw)).collect();
        let (mut classes, mut values) = (Vec::new(), Vec::new());
        for head in &architecture.heads {
            // One row of each task has no label.
            let missing = below(&mut draw, rows as u32) as usize;
            let class = |row: usize, draw: &mut _| {
                if row == missing { MISSING_CLASS } else { below(draw, head.outputs as u32) }
            };
            classes.push((0..rows).map(|row| class(row, &mut draw)).collect());
            let mut value = |at: usize| {
                if at / head.outputs == missing {
                    return f64::NAN;
                }
                match head.loss {
                    Loss::BinaryCrossEntropy { .. } => f64::from(below(&mut draw, 2)),
                    Loss::Poisson => f64::from(below(&mut draw, 5)),
                    // Of a distribution, before the division by its sum.
                    Loss::CrossEntropy { .. } => 0.1 + uniform(&mut draw),
                    _ => 2.0 * normal(&mut draw),
                }
            };
            let mut all: Vec<f64> = (0..rows * head.outputs).map(&mut value).collect();
            if matches!(head.loss, Loss::CrossEntropy { .. }) {
                for row in all.chunks_exact_mut(head.outputs) {
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|share| *share /= sum);
                }
            }
            values.push(all);
        }
        let weights = weighted.then(|| (0..rows).map(|_| 0.5 + uniform(&mut draw)).collect());
        Rows { rows, features, offsets, ids, classes, values, soft: false, weights }
    }

    fn check(&self, network: &Network, parameters: &[f64], options: &CheckOptions) -> GradientReport {
        let tokens: Vec<_> = self.offsets.iter().zip(&self.ids).map(|(offsets, ids)| Tokens { offsets, ids }).collect();
        let targets: Vec<_> = network
            .architecture()
            .heads
            .iter()
            .enumerate()
            .map(|(index, head)| match head.loss {
                Loss::CrossEntropy { .. } if self.soft => Targets::Distribution(&self.values[index]),
                Loss::CrossEntropy { .. } => Targets::Classes(&self.classes[index]),
                _ => Targets::Values(&self.values[index]),
            })
            .collect();
        let batch = Batch {
            rows: self.rows,
            features: &self.features,
            tokens: &tokens,
            targets: &targets,
            weights: self.weights.as_deref(),
        };
        check(network, parameters, &network.initial_buffers(), &batch, options)
    }
}

pub fn hidden(units: usize, activation: Activation) -> HiddenLayer {
    HiddenLayer {
        units,
        activation,
        dropout: 0.0,
        normalization: Normalization::None,
        init: WeightInit::of(InitKind::GlorotNormal),
        bias: 0.05,
    }
}

pub fn head(name: &str, outputs: usize, loss: Loss) -> Head {
    Head {
        name: name.into(),
        hidden: Vec::new(),
        outputs,
        loss,
        weight: 1.0,
        class_weights: None,
        init: WeightInit::of(InitKind::GlorotNormal),
        output_bias: vec![0.0; outputs],
    }
}

pub fn dense(features: usize, layers: Vec<HiddenLayer>, heads: Vec<Head>) -> Architecture {
    Architecture {
        features,
        input_dropout: 0.0,
        input_noise: 0.0,
        tables: Vec::new(),
        tokens: Vec::new(),
        hidden: layers,
        heads,
        activation_sparsity: None,
    }
}

const HEADS: [(usize, Loss); 9] = [
    (3, Loss::CrossEntropy { label_smoothing: 0.0 }),
    (4, Loss::CrossEntropy { label_smoothing: 0.1 }),
    (1, Loss::BinaryCrossEntropy { pos_weight: 1.0 }),
    (3, Loss::BinaryCrossEntropy { pos_weight: 2.5 }),
    (2, Loss::Mse { half: false }),
    (1, Loss::Mse { half: true }),
    (2, Loss::Mae),
    (1, Loss::Huber { delta: 0.7 }),
    (2, Loss::Poisson),
];

fn explain(report: &GradientReport) -> String {
    let all = report.tensors.iter().chain(&report.penalties);
    all.map(|t| format!("{} {:?} checked {} kinks {} {:?}\n", t.name, t.verdict, t.checked, t.kinks, t.worst)).collect()
}

#[test]
fn every_activation_with_every_head_agrees_with_differences() {
    for (name, activation) in Activation::ALL {
        for (outputs, loss) in HEADS {
            let network = Network::new(dense(
                5,
                vec![hidden(7, activation), hidden(6, activation)],
                vec![head("y", outputs, loss)],
            ));
            let rows = Rows::draw(network.architecture(), 4, 11, false);
            let report = rows.check(&network, &network.initialise(3), &CheckOptions::default());
            assert_eq!(report.verdict, Verdict::Passed, "{name} with {loss:?}\n{}", explain(&report));
            assert!(
                report.tensors.iter().all(|t| t.verdict == Verdict::Passed),
                "{name} {loss:?}\n{}",
                explain(&report)
            );
        }
    }
}

#[test]
fn a_wrong_derivative_of_any_activation_is_noticed() {
    for (name, activation) in Activation::ALL {
        if activation == Activation::Identity {
            continue; // multiplies by nothing
        }
        let softmax = Loss::CrossEntropy { label_smoothing: 0.0 };
        let network =
            Network::new(dense(5, vec![hidden(7, activation), hidden(6, activation)], vec![head("y", 3, softmax)]));
        let rows = Rows::draw(network.architecture(), 4, 11, false);
        let run = || rows.check(&network, &network.initialise(3), &CheckOptions::default());
        let report = fault::with_broken(Site::Activation(activation), 1.001, run);
        assert_eq!(report.verdict, Verdict::Failed, "{name}");
        let bad: Vec<_> =
            report.tensors.iter().filter(|t| t.verdict == Verdict::Failed).map(|t| t.name.as_str()).collect();
        assert!(bad.contains(&"hidden.0.weight") && !bad.contains(&"head.y.weight"), "{name}: {bad:?}");
    }
}

/// A network that has everything that has a derivative.
fn with_everything() -> Architecture {
    let layers = vec![
        HiddenLayer { normalization: Normalization::Batch, dropout: 0.3, ..hidden(6, Activation::Sigmoid) },
        HiddenLayer { normalization: Normalization::Layer, ..hidden(5, Activation::Tanh) },
        hidden(4, Activation::Tanh),
    ];
    let init = WeightInit::of(InitKind::Normal { std: 0.8 });
    Architecture {
        tables: vec![EmbeddingTable { name: "words".into(), rows: 6, dim: 2, init }],
        tokens: vec![TokenInput { table: 0, pooling: Pooling::Mean }],
        activation_sparsity: Some(Sparsity::Kl { target: 0.1, weight: 0.5 }),
        ..dense(3, layers, vec![head("y", 3, Loss::CrossEntropy { label_smoothing: 0.0 })])
    }
}

#[test]
fn a_wrong_derivative_of_any_part_is_noticed() {
    let network = Network::new(with_everything());
    let rows = Rows::draw(network.architecture(), 9, 11, true);
    let options = CheckOptions { penalties: Penalties { l1: 0.01, l2: 0.1 }, ..CheckOptions::default() };
    let mut parameters = network.initialise::<f64>(3);
    let mut draw = generator(4, Stream::Sample, 1, 0);
    parameters.iter_mut().for_each(|p| *p += 0.1 * normal(&mut draw));
    let run = || rows.check(&network, &parameters, &options);
    let report = run();
    assert_eq!(report.verdict, Verdict::Passed, "{}", explain(&report));
    let sites = [
        (Site::Loss, "head.y.bias"),
        (Site::Weight, "head.y.weight"),
        (Site::Bias, "hidden.1.bias"),
        (Site::Input, "hidden.2.bias"),
        (Site::Normalization, "hidden.1.bias"),
        (Site::NormScale, "hidden.0.norm.weight"),
        (Site::Dropout, "hidden.0.norm.bias"),
        (Site::Embedding, "embedding.words.weight"),
        (Site::Sparsity, "hidden.2.bias"),
        (Site::Penalty, "hidden.1.weight"),
    ];
    for (site, tensor) in sites {
        let report = fault::with_broken(site, 1.001, run);
        assert_eq!(report.verdict, Verdict::Failed, "{site:?}");
        let all = report.tensors.iter().chain(&report.penalties);
        let bad: Vec<_> = all.filter(|t| t.verdict == Verdict::Failed).map(|t| t.name.as_str()).collect();
        assert!(bad.contains(&tensor), "{site:?}: {bad:?}");
    }
}

#[test]
fn a_wrong_derivative_of_any_loss_is_noticed() {
    for (outputs, loss) in HEADS {
        let layers = vec![hidden(6, Activation::Tanh)];
        let network = Network::new(dense(4, layers, vec![head("y", outputs, loss)]));
        let rows = Rows::draw(network.architecture(), 5, 11, false);
        let run = || rows.check(&network, &network.initialise(3), &CheckOptions::default());
        assert_eq!(fault::with_broken(Site::Loss, 1.001, run).verdict, Verdict::Failed, "{loss:?}");
    }
}

#[test]
fn softsign_and_elu_units_at_rest_are_no_fault() {
    for activation in [Activation::Softsign, Activation::Elu { alpha: 1.0 }] {
        let layers = vec![HiddenLayer { bias: 0.0, ..hidden(4, activation) }];
        let network = Network::new(dense(3, layers, vec![head("y", 1, Loss::Mse { half: false })]));
        let mut rows = Rows::draw(network.architecture(), 3, 5, false);
        rows.features[..3].fill(0.0); // so that units of the first row are at 0 exactly
        let report = rows.check(&network, &network.initialise(3), &CheckOptions::default());
        assert_eq!(report.verdict, Verdict::Passed, "{}", explain(&report));
        assert!(report.tensors.iter().any(|tensor| tensor.kinks > 0));
    }
}

#[test]
fn units_at_corners_are_counted_apart() {
    // All weights 0: every relu sits on its corner, and each weight pushes it over.
    let layers = vec![HiddenLayer { bias: 0.0, init: WeightInit::of(InitKind::Zeros), ..hidden(4, Activation::Relu) }];
    let network = Network::new(dense(3, layers, vec![head("y", 1, Loss::Mse { half: false })]));
    let rows = Rows::draw(network.architecture(), 3, 5, false);
    let report = rows.check(&network, &network.initialise(3), &CheckOptions::default());
    assert_eq!((report.tensors[0].verdict, report.tensors[0].kinks), (Verdict::Unchecked, 12));
}

fn activation() -> impl Strategy<Value = Activation> {
    (0..Activation::ALL.len()).prop_map(|index| Activation::ALL[index].1)
}

fn layer() -> impl Strategy<Value = HiddenLayer> {
    let normalization =
        prop_oneof![3 => Just(Normalization::None), 1 => Just(Normalization::Batch), 1 => Just(Normalization::Layer)];
    (3..7usize, activation(), prop_oneof![Just(0.0), Just(0.4)], normalization).prop_map(
        |(units, activation, dropout, normalization)| HiddenLayer {
            dropout,
            normalization,
            ..hidden(units, activation)
        },
    )
}

fn any_head() -> impl Strategy<Value = Head> {
    (0..HEADS.len(), prop::collection::vec(layer(), 0..2), 0.2..2.0f64, any::<bool>()).prop_map(
        |(index, layers, weight, weighted)| {
            let (outputs, loss) = HEADS[index];
            let class_weights = match loss {
                Loss::CrossEntropy { .. } if weighted => Some((0..outputs).map(|k| 0.5 + k as f64).collect()),
                Loss::BinaryCrossEntropy { .. } if weighted => Some(vec![0.5, 2.0]),
                _ => None,
            };
            Head { hidden: layers, weight, class_weights, ..head("", outputs, loss) }
        },
    )
}

fn pooling() -> impl Strategy<Value = Pooling> {
    prop_oneof![Just(Pooling::Single), Just(Pooling::Window { length: 3 }), Just(Pooling::Sum), Just(Pooling::Mean)]
}

prop_compose! {
    fn architecture()(
        features in 0..4usize,
        tokens in prop::collection::vec((0..2usize, pooling()), 0..3),
        hidden in prop::collection::vec(layer(), 0..3),
        mut heads in prop::collection::vec(any_head(), 1..4),
        input_dropout in prop_oneof![2 => Just(0.0), 1 => Just(0.2)],
        input_noise in prop_oneof![2 => Just(0.0), 1 => Just(0.1)],
        sparsity in prop_oneof![3 => Just(None), 1 => Just(Some(Sparsity::L1 { weight: 0.3 })), 1 => Just(Some(Sparsity::Kl { target: 0.1, weight: 0.2 }))],
    ) -> Architecture {
        for (index, head) in heads.iter_mut().enumerate() {
            head.name = format!("task{index}");
        }
        let features = if tokens.is_empty() { features + 1 } else { features };
        let bounded = |layer: &HiddenLayer| matches!(layer.activation, Activation::Sigmoid | Activation::Tanh);
        // The divergence is for activations within an interval only; `spec` refuses it for others.
        let activation_sparsity = match sparsity {
            Some(Sparsity::Kl { .. }) if !hidden.iter().all(bounded) => None,
            any => any,
        };
        let table = |name: &str, rows| EmbeddingTable { name: name.into(), rows, dim: 2, init: WeightInit::of(InitKind::Normal { std: 0.8 }) };
        Architecture {
            features,
            input_dropout,
            input_noise,
            tables: vec![table("words", 6), table("places", 4)],
            tokens: tokens.into_iter().map(|(table, pooling)| TokenInput { table, pooling }).collect(),
            hidden,
            heads,
            activation_sparsity,
        }
    }
}

/// The bytes of the gradient and the losses of two steps, computed on so many threads.
fn steps_on(threads: usize, network: &Network, rows: &Rows, parameters: &[f32]) -> Vec<u8> {
    let features: Vec<f32> = rows.features.iter().map(|x| *x as f32).collect();
    let values: Vec<Vec<f32>> = rows.values.iter().map(|all| all.iter().map(|x| *x as f32).collect()).collect();
    let tokens: Vec<_> = rows.offsets.iter().zip(&rows.ids).map(|(offsets, ids)| Tokens { offsets, ids }).collect();
    let heads = network.architecture().heads.iter().enumerate();
    let targets: Vec<_> = heads
        .map(|(index, head)| match head.loss {
            Loss::CrossEntropy { .. } => Targets::Classes(&rows.classes[index]),
            _ => Targets::Values(&values[index]),
        })
        .collect();
    let batch = Batch { rows: rows.rows, features: &features, tokens: &tokens, targets: &targets, weights: None };
    let (mut space, mut gradient) = (network.workspace(rows.rows, threads), vec![0.0; network.layout().len()]);
    let (mut buffers, penalties) = (network.initial_buffers(), Penalties { l1: 1e-4, l2: 1e-3 });
    let mut bytes = Vec::new();
    for step in 0..2 {
        let noise = Noise { seed: 1, epoch: 0, step };
        let loss =
            network.gradient(parameters, &mut buffers, &batch, noise, &penalties, None, &mut space, &mut gradient);
        bytes.extend(gradient.iter().flat_map(|g| g.to_le_bytes()));
        bytes.extend(loss.total().to_le_bytes());
    }
    bytes
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    // Large enough that the products are split.
    let layers = vec![
        HiddenLayer { normalization: Normalization::Batch, dropout: 0.3, ..hidden(192, Activation::Relu) },
        HiddenLayer { normalization: Normalization::Layer, ..hidden(160, Activation::Gelu) },
    ];
    let softmax = Loss::CrossEntropy { label_smoothing: 0.1 };
    let heads = vec![head("a", 7, softmax), head("b", 1, Loss::Mae)];
    let network = Network::new(dense(200, layers, heads));
    let rows = Rows::draw(network.architecture(), 96, 5, false);
    let parameters = network.initialise::<f32>(3);
    let one = steps_on(1, &network, &rows, &parameters);
    for threads in [2, 3] {
        assert!(steps_on(threads, &network, &rows, &parameters) == one, "{threads} threads");
    }
}

proptest! {
    // Always the same draws: of some ten thousand networks one is so badly conditioned that differences are no measure.
    #![proptest_config(ProptestConfig { cases: 120, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn whole_drawn_networks_agree_with_differences(
        architecture in architecture(), seed in 0..1000u64, weighted: bool, soft: bool, l1 in prop_oneof![Just(0.0), Just(0.01)], l2 in prop_oneof![Just(0.0), Just(0.1)],
    ) {
        let network = Network::new(architecture);
        let rows = Rows { soft, ..Rows::draw(network.architecture(), 9, seed, weighted) };
        let options = CheckOptions {
            coordinates: 12,
            noise: Noise { seed, epoch: 2, step: 7 },
            penalties: Penalties { l1, l2 },
            ..CheckOptions::default()
        };
        let mut parameters = network.initialise::<f64>(seed);
        // Scales and shifts at 1 and 0 would hide faults.
        let mut draw = generator(seed, Stream::Sample, 1, 0);
        parameters.iter_mut().for_each(|p| *p += 0.1 * normal(&mut draw));
        let report = rows.check(&network, &parameters, &options);
        prop_assert!(report.verdict != Verdict::Failed, "{:#?}\n{}", network.architecture(), explain(&report));
    }
}
