//! The rules of the diagnosis, one at a time.

use super::*;

fn facts() -> Facts {
    Facts {
        optimizer: "sgd".into(),
        learning_rate: 0.1,
        schedule: "constant".into(),
        prior_bias: true,
        batch_size: 32,
        training_rows: 1000,
        validation_rows: 400,
        steps_per_epoch: 32,
        epochs: 20,
        hidden: vec![HiddenFacts { units: 64, activation: "relu".into(), init: "he_normal".into(), gain: 1.0 }],
        tasks: vec![TaskFacts {
            name: "y".into(),
            classes: Some(10),
            majority: Some(0.1),
            minority: Some(0.1),
            even_classes: true,
            chance: Some(2.3),
            weight: 1.0,
        }],
        ..Facts::default()
    }
}

/// Curves by epoch, from the untrained network on.
fn curves(of: &[(&str, &dyn Fn(u64) -> f64)], epochs: u64) -> Curves {
    let mut curves = Curves::default();
    for epoch in 0..=epochs {
        curves.epoch(epoch, of.iter().map(|(name, value)| (*name, value(epoch))));
    }
    curves
}

fn codes(facts: &Facts, curves: &Curves) -> Vec<&'static str> {
    let run = Run { facts, curves, is_over: true, epochs_done: true, diverged: None, checked: &Checked::default() };
    diagnose(&run).iter().map(|finding| finding.code).collect()
}

#[test]
fn a_healthy_run_has_nothing_to_say() {
    let loss = |epoch: u64| if epoch == 0 { 2.35 } else { 0.05 + 0.5 / epoch as f64 };
    let accuracy = |epoch: u64| if epoch == 0 { 0.1 } else { 0.97 };
    let ratio = |_: u64| 2e-3;
    let curves = curves(
        &[("loss", &loss), ("val_loss", &loss), ("val_accuracy", &accuracy), ("layer/hidden.0/update_ratio", &ratio)],
        20,
    );
    assert!(codes(&facts(), &curves).iter().all(|code| *code == "still_improving"), "{:?}", codes(&facts(), &curves));
}

#[test]
fn memorising_is_told_with_the_epoch_that_was_best() {
    let loss = |epoch: u64| 2.3 / (1 + epoch) as f64;
    let validation = |epoch: u64| if epoch < 8 { 2.3 - 0.2 * epoch as f64 } else { 0.9 + 0.1 * (epoch - 7) as f64 };
    let curves = curves(&[("loss", &loss), ("val_loss", &validation)], 20);
    let run = Run {
        facts: &facts(),
        curves: &curves,
        is_over: true,
        epochs_done: true,
        diverged: None,
        checked: &Checked::default(),
    };
    let found = diagnose(&run);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("after epoch 7"), "{}", found[0].message);
    assert!(found[0].changes.contains(&Change::Dropout(0.3)) && found[0].changes.contains(&Change::EarlyStopping(10)));
}

#[test]
fn tiny_steps_cover_what_follows_from_them() {
    let loss = |_: u64| 2.3;
    let accuracy = |_: u64| 0.1;
    let ratio = |_: u64| 9e-6;
    let curves = curves(
        &[("loss", &loss), ("val_loss", &loss), ("val_accuracy", &accuracy), ("layer/hidden.0/update_ratio", &ratio)],
        20,
    );
    let slow = Facts { learning_rate: 1e-4, ..facts() };
    assert_eq!(codes(&slow, &curves), ["steps_too_small"]);
}

#[test]
fn a_long_curve_is_thinned_evenly_and_keeps_its_newest_point() {
    let mut curves = Curves::default();
    for step in 0..100_000 {
        curves.step(step, step as f64);
    }
    let points = curves.step_losses();
    assert!(points.len() > 500 && points.len() < 2_100, "{}", points.len());
    assert_eq!((points[0].0, points.last().unwrap().0), (0, 99_999));
    let gaps: Vec<u64> = points.windows(2).rev().skip(1).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap == gaps[0]));
}
