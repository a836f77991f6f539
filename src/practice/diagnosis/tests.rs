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
            alone: None,
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

fn found(facts: &Facts, curves: &Curves, checked: &Checked) -> Vec<Finding> {
    diagnose(&Run { facts, curves, is_over: true, epochs_done: true, diverged: None, checked })
}

fn finding(facts: &Facts, curves: &Curves, code: &str) -> Option<Finding> {
    found(facts, curves, &Checked::default()).into_iter().find(|finding| finding.code == code)
}

#[test]
fn a_model_of_the_last_epoch_is_told_of_a_better_one_only_where_it_was_not_kept() {
    let validation = |epoch: u64| if epoch < 8 { 2.3 - 0.2 * epoch as f64 } else { 0.9 + 0.1 * (epoch - 7) as f64 };
    let falling = |epoch: u64| 2.3 / (1 + epoch) as f64;
    let turning = curves(&[("loss", &falling), ("val_loss", &validation)], 20);
    assert_eq!(finding(&facts(), &turning, "best_not_kept"), None);
    let found = finding(&Facts { keeps_last: true, ..facts() }, &turning, "best_not_kept").unwrap();
    assert!(found.message.contains("after epoch 7") && found.message.contains("epoch 20"), "{}", found.message);
    assert_eq!((found.severity, found.changes), (Severity::Warn, vec![Change::RestoreBest]));
    let smooth = curves(&[("loss", &falling), ("val_loss", &falling)], 20);
    assert_eq!(finding(&Facts { keeps_last: true, ..facts() }, &smooth, "best_not_kept"), None);
}

#[test]
fn steps_that_are_too_large_by_their_momentum_are_told_so_and_not_twice() {
    let bouncing = |epoch: u64| if epoch.is_multiple_of(2) { 4.0 } else { 6.0 };
    let of = curves(&[("loss", &bouncing), ("layer/hidden.0/update_ratio", &|_| 0.4)], 20);
    let heavy = Facts { momentum: 0.99, learning_rate: 0.1, ..facts() };
    let told = found(&heavy, &of, &Checked::default());
    let codes: Vec<&str> = told.iter().map(|finding| finding.code).collect();
    assert_eq!(codes[0], "momentum_too_high", "{codes:?}");
    assert!(!codes.contains(&"steps_too_large"), "{codes:?}");
    assert_eq!(told[0].changes, [Change::Momentum(0.9), Change::LearningRate(0.03)]);
    // Ordinary momentum, and a rate that the range test found to be far below what works.
    assert_eq!(finding(&Facts { momentum: 0.9, learning_rate: 0.5, ..facts() }, &of, "momentum_too_high"), None);
    let checked = Checked { suggested_rate: Some(1.0), ..Checked::default() };
    assert!(found(&heavy, &of, &checked).iter().all(|finding| finding.code != "momentum_too_high"));
}

#[test]
fn a_task_that_did_better_alone_is_told_by_how_much_beside_the_error_of_its_rows() {
    let task = |name: &str, alone: Option<f64>| TaskFacts {
        name: name.into(),
        classes: Some(2),
        weight: 1.0,
        alone: alone.map(|accuracy| Alone { job: "job_1".into(), accuracy, rows: 400 }),
        ..TaskFacts::default()
    };
    let of = |reached: f64| curves(&[("loss", &|_| 1.0), ("val_accuracy/role", &move |_| reached)], 10);
    let with = |alone: f64| Facts { tasks: vec![task("role", Some(alone)), task("kind", None)], ..facts() };
    let told = finding(&with(0.894), &of(0.856), "negative_transfer").unwrap();
    assert!(told.message.contains("85.6 %") && told.message.contains("job_1 reached 89.4 %"), "{}", told.message);
    assert_eq!((told.severity, &told.changes[0]), (Severity::Warn, &Change::TaskWeight("kind".into(), 0.33)));
    assert_eq!(finding(&with(0.894), &of(0.876), "negative_transfer").unwrap().severity, Severity::Info);
    assert_eq!(finding(&with(0.894), &of(0.885), "negative_transfer"), None, "within the error");
    assert_eq!(finding(&with(0.894), &of(0.92), "negative_transfer"), None);
}

#[test]
fn words_that_came_up_too_seldom_are_counted_over_all_epochs() {
    let of = |epochs: u64| curves(&[("loss", &|_| 2.0)], epochs);
    let table = TableFacts { name: "word".into(), words_by_count: [50, 20, 5, 5, 20] };
    let facts = Facts { tables: vec![table], ..facts() };
    // Two epochs touch words that occur once or twice fewer than five times.
    let told = finding(&facts, &of(2), "rare_words").unwrap();
    assert_eq!(told.evidence[0], ("rare_share", 0.7), "{told:?}");
    assert_eq!(told.changes, [Change::Optimizer("adagrad", 0.05)]);
    assert_eq!(finding(&facts, &of(5), "rare_words"), None, "five epochs touch each word five times");
    assert_eq!(finding(&Facts { optimizer: "adam".into(), ..facts }, &of(2), "rare_words"), None);
}

#[test]
fn combinations_that_surprise_are_notes_with_the_change() {
    let pitfall = |code: &str, pointer: &str| Pitfall {
        code: code.into(),
        pointer: pointer.into(),
        detail: "this does that: so do the other".into(),
    };
    let pitfalls = vec![
        pitfall("adam_with_l2", "/regularization/l2"),
        pitfall("dropout_before_regression", "/hidden_layers/1"),
        pitfall("decayed_biases", "/optimizer/weight_decay_biases"),
    ];
    let smooth = |epoch: u64| 2.3 / (1 + epoch) as f64;
    let smooth = curves(&[("loss", &smooth), ("val_loss", &smooth)], 20);
    assert_eq!(finding(&facts(), &smooth, "adam_with_l2"), None);
    let facts = Facts { pitfalls, ..facts() };
    for (code, change) in [
        ("adam_with_l2", Change::DecoupledDecay(0.01)),
        ("dropout_before_regression", Change::NoLastDropout),
        ("decayed_biases", Change::BiasesWithoutDecay),
    ] {
        let told = finding(&facts, &smooth, code).unwrap();
        assert_eq!((told.severity, told.changes), (Severity::Info, vec![change]), "{code}");
        assert!(told.message.ends_with("not as one expects: this does that."), "{}", told.message);
    }
}
