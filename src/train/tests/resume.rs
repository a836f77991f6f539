//! An interruption anywhere leaves no trace in any bit.

use proptest::prelude::*;

use super::super::*;
use super::kit::*;
use crate::nn::clipping::Clipping;
use crate::nn::optimizer::{
    Adadelta, Adagrad, Adam, Lbfgs, Method, Momentum, MomentumForm, Nadam, Rmsprop, Sgd, Sparse,
};
use crate::nn::schedule::{Plateau, Rule, Schedule, Unit, Warmup};
use crate::nn::{Normalization, Optimizer};
use crate::num::Real;

/// An epoch and what was told of it.
type Told = (u64, Vec<(String, f64)>);

/// Runs, stopping at each of `stops` and going on from the bytes alone; gives the last set and all epochs told.
fn with_interruptions<T: Real>(plan: &Plan, data: &Dataset<T>, stops: &[u64]) -> (Outcome, Vec<Told>) {
    let mut start = Start::Fresh;
    let mut epochs = Vec::new();
    let mut best: Option<Saved> = None;
    for stop in stops.iter().map(Some).chain([None]) {
        let mut diary = Diary { answer: stop.map(|stop| (*stop, Directive::Pause)), ..Diary::default() };
        let outcome = fit(plan, data, start, &mut diary).unwrap();
        epochs.append(&mut diary.epochs);
        best = outcome.set.best.clone().or(best);
        if outcome.reason != StopReason::Paused {
            let set = CheckpointSet { best, ..outcome.set.clone() };
            return (Outcome { set, ..outcome }, epochs);
        }
        start = Start::Resume {
            last: Box::new(decoded(&outcome.set.last)),
            best: best.as_ref().map(|saved| Box::new(checkpoint::decode(&saved.bytes).unwrap())),
            best_is_kept: true,
        };
    }
    unreachable!("the last leg has no stop")
}

fn assert_no_trace<T: Real>(plan: &Plan, stops: &[u64]) {
    let data = dataset::<T>(plan);
    let (undisturbed, told) = with_interruptions(plan, &data, &[]);
    let (interrupted, told_in_parts) = with_interruptions(plan, &data, stops);
    assert!(undisturbed.set.last == interrupted.set.last, "other bytes after stops at {stops:?}");
    // A best checkpoint that was the last when it was written carries a state beside the same weights.
    let weights = |set: &CheckpointSet| {
        let best = set.best.clone().unwrap();
        (best.step, best.epoch, best.metric, best.weights_sha256)
    };
    assert_eq!(weights(&undisturbed.set), weights(&interrupted.set), "another best after stops at {stops:?}");
    assert_eq!(undisturbed.best, interrupted.best);
    assert_eq!(undisturbed.reason, interrupted.reason);
    // Compare as text: NaN equals itself there.
    assert_eq!(format!("{told:?}"), format!("{told_in_parts:?}"));
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Sgd(Sgd::default())),
        (any::<bool>(), any::<bool>()).prop_map(|(nesterov, classical)| Method::Sgd(Sgd {
            momentum: Momentum::Rising { initial: 0.5, last: 0.9, epochs: 3 },
            form: if classical { MomentumForm::Classical } else { MomentumForm::Pytorch },
            dampening: if nesterov { 0.0 } else { 0.1 },
            nesterov,
        })),
        Just(Method::Adagrad(Adagrad { learning_rate_decay: 0.01, ..Adagrad::default() })),
        (any::<bool>(), prop_oneof![Just(0.0), Just(0.9)]).prop_map(|(centered, momentum)| Method::Rmsprop(Rmsprop {
            centered,
            momentum,
            ..Rmsprop::default()
        })),
        Just(Method::Adadelta(Adadelta::default())),
        any::<bool>().prop_map(|amsgrad| Method::Adam(Adam { amsgrad, ..Adam::default() })),
        Just(Method::AdamW(Adam::default())),
        Just(Method::Nadam(Nadam::default())),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::Constant),
        Just(Rule::Step { step_size: 2, gamma: 0.5 }),
        Just(Rule::Cosine { steps: 30, last: 0.001 }),
        Just(Rule::OneCycle { steps: 40, max_learning_rate: 0.05, rise: 0.3 }),
        Just(Rule::Plateau(Plateau {
            monitor: "val_loss".into(),
            maximise: false,
            factor: 0.5,
            patience: 0,
            min_delta: 0.01,
            cooldown: 1,
            min_learning_rate: 1e-4,
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stopping_and_going_on_leaves_no_trace(
        method in method(),
        rule in rule(),
        epoch_unit in any::<bool>(),
        warmup in any::<bool>(),
        dropout in any::<bool>(),
        normalization in prop_oneof![Just(Normalization::None), Just(Normalization::Batch), Just(Normalization::Layer)],
        lazy in any::<bool>(),
        sampling in prop_oneof![Just(TaskSampling::Joint), Just(TaskSampling::Proportional), Just(TaskSampling::Uniform)],
        patience in prop_oneof![Just(None), (1u64..3).prop_map(Some)],
        clip in any::<bool>(),
        weight_decay in prop_oneof![Just(0.0), Just(0.01)],
        f64 in any::<bool>(),
        stops in prop::collection::btree_set(0u64..48, 1..4),
    ) {
        let mut plan = plan_with_words();
        plan.epochs = 6;
        plan.optimizer = Optimizer { weight_decay, ..Optimizer::new(method, 0.02) };
        let unit = if epoch_unit && !matches!(rule, Rule::OneCycle { .. }) { Unit::Epoch } else { Unit::Step };
        plan.schedule = Schedule { rule, unit, warmup: warmup.then_some(Warmup { steps: 5, start_factor: 0.1 }) };
        plan.architecture.hidden[0].dropout = if dropout { 0.3 } else { 0.0 };
        plan.architecture.input_noise = if dropout { 0.1 } else { 0.0 };
        plan.architecture.hidden[0].normalization = normalization;
        plan.sparse = vec![if lazy { Sparse::Lazy } else { Sparse::Exact }];
        plan.task_sampling = sampling;
        plan.clipping = clip.then_some(Clipping::Norm(0.5));
        plan.early_stopping = patience.map(|patience| EarlyStopping {
            monitor: Monitor { metric: "val_loss".into(), maximise: false },
            patience,
            min_delta: 0.01,
            start_epoch: 0,
            restore_best: true,
        });
        let stops: Vec<u64> = stops.into_iter().collect();
        if f64 { assert_no_trace::<f64>(&plan, &stops) } else { assert_no_trace::<f32>(&plan, &stops) }
    }
}

#[test]
fn lbfgs_keeps_its_history_over_an_interruption() {
    let mut plan = plan_with_words();
    plan.batching = Batching::Full;
    plan.epochs = 6;
    plan.optimizer = Optimizer::new(Method::Lbfgs(Lbfgs { history: 4, max_iterations: 3 }), 1.0);
    assert_no_trace::<f64>(&plan, &[1, 4]);
    assert_no_trace::<f32>(&plan, &[2, 3]);
}

#[test]
fn writing_checkpoints_changes_nothing() {
    let plan = plan();
    let data = dataset::<f32>(&plan);
    let (quiet, _) = run(&plan, &data);
    let mut diary = Diary { due: (0..40).collect(), ..Diary::default() };
    let noisy = fit(&plan, &data, Start::Fresh, &mut diary).unwrap();
    assert_eq!(quiet.set.last, noisy.set.last);
    assert_eq!(diary.sets.len(), 40);
    // Any of them leads to the same end.
    for set in &diary.sets {
        let best = diary.sets.iter().rev().filter_map(|set| set.best.as_ref());
        let last = decoded(&set.last);
        let best =
            best.filter(|saved| saved.step <= last.step).map(|saved| checkpoint::decode(&saved.bytes).unwrap()).next();
        let again = fit(
            &plan,
            &data,
            Start::Resume { last: Box::new(last), best: best.map(Box::new), best_is_kept: true },
            &mut Unobserved,
        );
        assert_eq!(again.unwrap().set.last, quiet.set.last);
    }
}

#[test]
fn training_on_equals_one_long_run() {
    let mut plan = plan();
    let data = dataset::<f64>(&plan);
    plan.epochs = 9;
    let (long, _) = run(&plan, &data);
    plan.epochs = 4;
    let (short, _) = run(&plan, &data);
    plan.epochs = 9;
    let start = Start::Resume {
        last: Box::new(decoded(&short.set.last)),
        best: short.set.best.as_ref().map(|_| Box::new(decoded(&short.set.best))),
        best_is_kept: false,
    };
    let on = fit(&plan, &data, start, &mut Unobserved).unwrap();
    assert_eq!(on.set.last, long.set.last);
}

#[test]
fn damaged_bytes_are_refused_wherever_the_damage_is() {
    let plan = plan();
    let (outcome, _) = run::<f32>(&plan, &dataset(&plan));
    let bytes = outcome.set.last.unwrap().bytes.to_vec();
    assert!(checkpoint::decode(&bytes).is_ok());
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        assert!(checkpoint::decode(&damaged).is_err(), "a changed byte {at} went unseen");
        assert!(checkpoint::decode(&bytes[..at]).is_err(), "{at} bytes were taken for all");
    }
    let mut later = bytes;
    later[8] = 9;
    assert_eq!(checkpoint::decode(&later), Err(CheckpointError::Version(9, 1)));
}

#[test]
fn a_state_of_another_run_is_refused_in_words() {
    let mut plan = plan();
    let data = dataset::<f32>(&plan);
    let (outcome, _) = run(&plan, &data);
    let last = || Box::new(decoded(&outcome.set.last));
    let refusal = |plan: &Plan, data: &Dataset<f32>| {
        fit(plan, data, Start::Resume { last: last(), best: None, best_is_kept: true }, &mut Unobserved)
            .unwrap_err()
            .to_string()
    };
    plan.optimizer.method = Method::Adam(Adam::default());
    assert!(refusal(&plan, &data).contains("another optimizer"));
    plan.architecture.hidden = vec![layer(7)];
    assert!(refusal(&plan, &data).contains("the network has"));
    let data = dataset::<f64>(&plan);
    plan.architecture.hidden = vec![layer(6)];
    let failure =
        fit(&plan, &data, Start::Resume { last: last(), best: None, best_is_kept: true }, &mut Unobserved).unwrap_err();
    assert!(failure.to_string().contains("another precision"), "{failure}");
}
