//! The checks as a job runs them, on small networks and made-up rows.

use super::*;
use crate::data::{Examples, TargetColumn};
use crate::nn::{Activation, Architecture, Head, HiddenLayer, InitKind, Loss, Normalization, Penalties, WeightInit};

fn layer(units: usize, activation: Activation, kind: InitKind, gain: f64) -> HiddenLayer {
    HiddenLayer {
        units,
        activation,
        dropout: 0.0,
        normalization: Normalization::None,
        init: WeightInit { kind, gain },
        bias: 0.0,
    }
}

fn classes(k: usize, hidden: Vec<HiddenLayer>) -> Architecture {
    Architecture {
        features: 4,
        input_dropout: 0.0,
        input_noise: 0.0,
        tables: Vec::new(),
        tokens: Vec::new(),
        hidden,
        heads: vec![Head {
            name: "kind".into(),
            hidden: Vec::new(),
            outputs: k,
            loss: Loss::CrossEntropy { label_smoothing: 0.0 },
            weight: 1.0,
            class_weights: None,
            init: WeightInit { kind: InitKind::GlorotUniform, gain: 1.0 },
            output_bias: vec![0.0; k],
        }],
        activation_sparsity: None,
    }
}

/// Rows whose features are spread over about one unit, of `k` classes in turn.
fn rows(n: usize, k: u32) -> Examples<f64> {
    let wave = |i: usize| ((i as f64) * 12.9898).sin() * 1.4;
    Examples {
        rows: n,
        features: 4,
        dense: (0..n * 4).map(wave).collect(),
        tokens: Vec::new(),
        targets: vec![TargetColumn::Classes((0..n as u32).map(|row| row % k).collect())],
        weights: None,
        row_ids: (0..n as u32).collect(),
    }
}

#[test]
fn the_gradient_of_a_sound_network_passes_and_says_where_it_was_checked() {
    let network = classes(3, vec![layer(6, Activation::Tanh, InitKind::GlorotUniform, 1.0)]);
    let penalties = Penalties { l1: 0.0, l2: 1e-2 };
    let report = check_gradient(&network, &penalties, 7, &rows(3, 3), None, &|| false);
    assert_eq!(report.verdict, Verdict::Passed, "{report:#?}");
    let points: Vec<&str> = report.points.iter().map(|point| point.at).collect();
    assert_eq!(points, ["init", "burn_in"]);
    let names: Vec<&str> = report.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["hidden.0.weight", "hidden.0.bias", "head.kind.weight", "head.kind.bias"]);
    assert_eq!(report.penalties.len(), 2);
    assert!(report.tensors.iter().all(|tensor| tensor.max_relative < 1e-6));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "passed");
    assert!(json["tensors"][0]["worst"]["analytic"].is_f64());
}

#[test]
fn rows_are_spread_over_the_training_part_and_more_where_batches_are_normalised() {
    let plain = classes(3, vec![layer(6, Activation::Relu, InitKind::HeNormal { alpha: 0.0 }, 1.0)]);
    let training: Vec<u32> = (0..90).collect();
    assert_eq!(gradient_rows(&plain, &training), [15, 45, 75]);
    let mut normalised = plain.clone();
    normalised.hidden[0].normalization = Normalization::Batch;
    assert_eq!(gradient_rows(&normalised, &training).len(), 8);
    assert_eq!(gradient_rows(&normalised, &[4, 5]), [4, 5]);
}

#[test]
fn a_sound_start_is_near_chance() {
    let network = classes(3, vec![layer(16, Activation::Tanh, InitKind::GlorotUniform, 1.0)]);
    let report = check_initial_loss(&network, 1, &rows(300, 3), None);
    assert_eq!(report.verdict, Verdict::Passed, "{report:#?}");
    let task = &report.tasks[0];
    assert!((task.uniform - 3.0_f64.ln()).abs() < 1e-12);
    assert!((task.chance - 3.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn weights_that_start_far_too_large_are_found() {
    let wide = vec![layer(64, Activation::Tanh, InitKind::GlorotUniform, 4.0); 2];
    let mut network = classes(3, wide);
    network.heads[0].init.gain = 4.0;
    let report = check_initial_loss(&network, 1, &rows(300, 3), None);
    assert_eq!(report.verdict, Verdict::Failed, "{report:#?}");
    assert!(report.advice.contains("confidently wrong"));
    let network = classes(3, vec![layer(8, Activation::Identity, InitKind::Constant { value: 1e308 }, 1.0)]);
    let report = check_initial_loss(&network, 1, &rows(30, 3), None);
    assert_eq!((report.verdict, report.tasks[0].seen), (Verdict::Failed, None));
}

#[test]
fn a_few_rows_are_learned_by_heart() {
    let network = classes(3, vec![layer(32, Activation::Tanh, InitKind::GlorotUniform, 1.0)]);
    let report = check_overfit(&network, 1, &rows(20, 3), &|| false);
    assert_eq!((report.verdict, report.accuracy), (Verdict::Passed, Some(1.0)), "{report:#?}");
    assert!(report.steps < 500 && report.curve.step.len() <= 101);
    let mut smoothed = network.clone();
    smoothed.heads[0].loss = Loss::CrossEntropy { label_smoothing: 0.1 };
    let report = check_overfit(&smoothed, 1, &rows(20, 3), &|| false);
    assert_eq!(report.verdict, Verdict::Passed, "{report:#?}");
    assert!(report.least_loss > 0.2);
}

#[test]
fn a_narrow_tanh_layer_learns_irises_by_heart_with_a_rate_that_suits_it() {
    let sample = crate::data::samples::get("iris").unwrap().csv();
    let text = std::str::from_utf8(sample.as_ref()).unwrap();
    let lines: Vec<Vec<&str>> =
        text.lines().skip(1).step_by(7).take(20).map(|line| line.split(',').collect()).collect();
    let mut irises = rows(20, 3);
    for column in 0..4 {
        let values: Vec<f64> = lines.iter().map(|line| line[column].parse().unwrap()).collect();
        let mean = values.iter().sum::<f64>() / 20.0;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20.0).sqrt();
        (0..20).for_each(|row| irises.dense[4 * row + column] = (values[row] - mean) / std);
    }
    let kinds = ["setosa", "versicolor", "virginica"];
    let kind = |line: &Vec<&str>| kinds.iter().position(|kind| *kind == line[4]).unwrap() as u32;
    irises.targets = vec![TargetColumn::Classes(lines.iter().map(kind).collect())];
    let network = classes(3, vec![layer(16, Activation::Tanh, InitKind::GlorotUniform, 1.0)]);
    for seed in 0..4 {
        let report = check_overfit(&network, seed, &irises, &|| false);
        assert_eq!(report.verdict, Verdict::Passed, "{report:#?}");
    }
}

#[test]
fn contradicting_labels_cannot_be_learned_and_are_named() {
    let network = classes(3, vec![layer(32, Activation::Tanh, InitKind::GlorotUniform, 1.0)]);
    let mut contradicting = rows(20, 3);
    contradicting.dense.fill(0.5);
    let report = check_overfit(&network, 1, &contradicting, &|| false);
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(report.contradicting_rows >= 17 && report.advice.contains("another label"), "{report:#?}");
}
