//! What a run tells and when it ends.

use super::super::*;
use super::kit::*;
use crate::data::TargetColumn;
use crate::nn::clipping::Clipping;
use crate::nn::optimizer::{Adagrad, Adam, Lbfgs, Method, Momentum, Nadam, Sgd};
use crate::nn::schedule::{Plateau, Rule, Schedule, Unit};
use crate::nn::{Activation, Loss, Normalization, Optimizer};
use crate::num::{sets, with_set};

#[test]
fn a_run_learns_and_tells_every_epoch() {
    let mut plan = plan();
    plan.optimizer = Optimizer::new(Method::Adam(Adam::default()), 0.02);
    plan.epochs = 30;
    let (outcome, diary) = run::<f32>(&plan, &dataset(&plan));
    assert_eq!(outcome.reason, StopReason::EpochsDone);
    assert_eq!((outcome.at.epoch, outcome.at.step, outcome.at.rows), (30, 30 * 8, 30 * 61));
    let epochs: Vec<u64> = diary.epochs.iter().map(|(epoch, _)| *epoch).collect();
    assert_eq!(epochs, (0..=30).collect::<Vec<_>>());
    let loss = diary.curve("loss");
    assert!(loss[0] > 1.0 && loss[30] < 0.4, "{loss:?}");
    assert!(*diary.curve("val_accuracy").last().unwrap() > 0.8);
    assert_eq!(diary.curve("gradient_norm").len(), 30);
    assert_eq!(diary.steps.len(), 240);
    assert!(value(&outcome.last, "test_loss").is_some());
    let best = outcome.best.unwrap();
    let val_loss = diary.curve("val_loss");
    let least = val_loss[1..].iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!((best.value, best.metric.as_str()), (least, "val_loss"));
    assert_eq!(outcome.set.best.unwrap().epoch, best.epoch);
}

#[test]
fn the_loss_of_an_epoch_weighs_every_example_alike() {
    let mut plan = plan();
    plan.epochs = 1;
    plan.optimizer.learning_rate = 0.0;
    let data = dataset::<f64>(&plan);
    let (_, diary) = run(&plan, &data);
    let loss = diary.curve("loss");
    // Nothing moves at rate 0: seven batches of eight and one of five must give what all rows give together.
    assert!((loss[0] - loss[1]).abs() < 1e-14);
    assert!((loss[1] - diary.curve("train_eval_loss")[1]).abs() < 1e-14);
}

#[test]
fn the_penalty_is_told_apart_from_the_loss() {
    let mut plan = plan();
    plan.optimizer.learning_rate = 0.0;
    plan.regularization.l2 = 0.5;
    plan.epochs = 1;
    let (_, diary) = run::<f64>(&plan, &dataset(&plan));
    let (loss, penalty) = (diary.curve("loss")[1], diary.curve("penalty")[0]);
    assert!(penalty > 0.1);
    assert!((diary.curve("objective")[0] - loss - penalty).abs() < 1e-12);
    assert!((diary.curve("val_loss")[0] - diary.curve("val_loss")[1]).abs() == 0.0);
}

#[test]
fn several_tasks_are_told_apart_and_numbers_in_their_own_unit() {
    let mut plan = plan_with_words();
    plan.architecture.heads[1].weight = 0.5;
    plan.optimizer.learning_rate = 0.0;
    plan.epochs = 1;
    let data = dataset::<f64>(&plan);
    let (_, diary) = run(&plan, &data);
    let at = |name: &str| diary.curve(name)[1];
    // Squared errors are told times std² = 4; the sum is what is trained on.
    assert!((at("loss") - (at("loss/kind") + 0.5 * at("loss/size") / 4.0)).abs() < 1e-12);
    assert_eq!(at("val_accuracy"), at("val_accuracy/kind"));
    assert!(!diary.epochs[1].1.iter().any(|(name, _)| name == "accuracy/size"));
    let network = crate::nn::Network::new(plan.architecture.clone());
    let evaluation = evaluate(
        &network,
        &network.initialise::<f64>(plan.seed),
        &network.initial_buffers(),
        data.validation.as_ref().unwrap().labels(),
        &plan.units,
        1,
    );
    assert_eq!(evaluation.loss, at("val_loss"));
    let size = &evaluation.tasks[1];
    assert!((size.loss - at("val_loss/size")).abs() < 1e-12 && (size.mse.unwrap() - at("val_loss/size")).abs() < 1e-9);
    assert_eq!(size.labelled, 26.0);
    let kind = &evaluation.tasks[0];
    let confusion = kind.confusion.as_ref().unwrap();
    let right: u64 = (0..3).map(|class| confusion[class][class]).sum();
    assert_eq!(right as f64 / 30.0, kind.accuracy.unwrap());
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 30);
}

#[test]
fn it_stops_early_and_gives_back_the_best() {
    let mut plan = plan();
    plan.epochs = 400;
    plan.optimizer.learning_rate = 0.8;
    let monitor = Monitor { metric: "val_loss".into(), maximise: false };
    let stopping = EarlyStopping { monitor, patience: 6, min_delta: 0.0, start_epoch: 0, restore_best: true };
    plan.early_stopping = Some(stopping);
    let data = dataset::<f32>(&plan);
    let (outcome, diary) = run(&plan, &data);
    assert_eq!(outcome.reason, StopReason::EarlyStopping);
    let best = outcome.best.clone().unwrap();
    assert_eq!(outcome.at.epoch, best.epoch + 6);
    assert_eq!(diary.patience.last(), Some(&Some(0)));
    let saved = decoded(&outcome.set.best);
    assert_eq!((saved.epoch, saved.can_resume()), (best.epoch, false));
    assert_eq!(saved.metric, Some(("val_loss".into(), best.value)));
    let network = saved.network();
    let validation = data.validation.as_ref().unwrap().labels();
    let again = evaluate::<f32>(&network, &saved.parameters(), &saved.buffers(), validation, &plan.units, 1);
    assert_eq!(again.loss, best.value);
    // Without restoring, the model is the last.
    plan.early_stopping.as_mut().unwrap().restore_best = false;
    let (outcome, _) = run(&plan, &data);
    assert_eq!(outcome.set.best, outcome.set.last);
    assert_eq!(outcome.best.unwrap().value, best.value);
}

#[test]
fn without_validation_the_last_is_the_best() {
    let mut plan = plan();
    plan.best = None;
    let mut data = dataset::<f32>(&plan);
    data.validation = None;
    let (outcome, diary) = run(&plan, &data);
    assert_eq!(outcome.set.best, outcome.set.last);
    assert_eq!(outcome.best.as_ref().unwrap().epoch, 5);
    assert_eq!(outcome.best.unwrap().value, *diary.curve("loss").last().unwrap());
}

#[test]
fn it_ends_when_a_metric_reaches_its_target() {
    let mut plan = plan();
    plan.epochs = 100;
    plan.target = Some(TargetValue { monitor: Monitor { metric: "val_accuracy".into(), maximise: true }, value: 0.8 });
    let (outcome, diary) = run::<f32>(&plan, &dataset(&plan));
    assert_eq!(outcome.reason, StopReason::TargetReached);
    let accuracy = diary.curve("val_accuracy");
    assert!(accuracy[..accuracy.len() - 1].iter().skip(1).all(|value| *value < 0.8));
}

#[test]
fn a_wish_to_stop_holds_at_the_next_step() {
    let plan = plan();
    let data = dataset::<f32>(&plan);
    for (directive, reason) in [
        (Directive::Pause, StopReason::Paused),
        (Directive::Cancel, StopReason::Cancelled),
        (Directive::Drain, StopReason::Drained),
        (Directive::Stop(StopReason::MaxSeconds), StopReason::MaxSeconds),
    ] {
        let mut diary = Diary { answer: Some((11, directive)), ..Diary::default() };
        let outcome = fit(&plan, &data, Start::Fresh, &mut diary).unwrap();
        assert_eq!((outcome.reason, outcome.at.step), (reason, 11));
        assert!(decoded(&outcome.set.last).can_resume());
        assert!(outcome.set.best.is_some());
    }
}

#[test]
fn a_divergence_names_the_place_and_keeps_the_last_finite_state() {
    let mut plan = plan();
    plan.architecture.heads = vec![head("size", 1, Loss::Mse { half: false })];
    plan.optimizer.learning_rate = 1e18;
    let mut data = dataset::<f32>(&plan);
    for part in [Some(&mut data.train), data.validation.as_mut(), data.test.as_mut()].into_iter().flatten() {
        let mut examples = in_memory(std::mem::take(part));
        examples.targets = vec![TargetColumn::Values { width: 1, values: vec![1.0; examples.rows] }];
        *part = examples.into();
    }
    let mut diary = Diary::default();
    let failure = fit(&plan, &data, Start::Fresh, &mut diary).unwrap_err();
    let Failure::Diverged(divergence) = failure else { panic!("{failure}") };
    assert!(divergence.step <= 8 && !divergence.rows.is_empty() && divergence.rows.len() <= 8, "{divergence:?}");
    assert!(divergence.rows.iter().all(|row| (100..161).contains(row)));
    let kept = decoded(&diary.sets.last().unwrap().last);
    assert_eq!(kept.step + 1, divergence.step);
    assert!(kept.parameters::<f32>().iter().all(|w| w.is_finite()));
    assert_eq!(diary.steps.len() as u64, kept.step);
}

#[test]
fn a_bad_number_in_the_data_is_found_in_its_row() {
    let plan = plan();
    let mut data = dataset::<f32>(&plan);
    let mut train = in_memory(data.train);
    train.dense[17 * FEATURES + 2] = f32::NAN;
    data.train = train.into();
    let failure = fit(&plan, &data, Start::Fresh, &mut Unobserved).unwrap_err();
    let Failure::Diverged(divergence) = failure else { panic!("{failure}") };
    assert_eq!((divergence.tensor.as_str(), divergence.kind, &divergence.rows[..]), ("input", "input", &[117][..]));
}

#[test]
fn batches_are_those_that_the_client_gave() {
    let mut plan = plan();
    plan.epochs = 2;
    plan.batching = Batching::Given(vec![vec![100, 105, 103], vec![160, 100], vec![101, 101, 101, 102]]);
    let data = dataset::<f64>(&plan);
    let (outcome, _) = run(&plan, &data);
    assert_eq!((outcome.at.step, outcome.at.rows), (6, 18));
    plan.batching = Batching::Given(vec![vec![100], vec![99]]);
    let failure = fit(&plan, &data, Start::Fresh, &mut Unobserved).unwrap_err();
    assert!(failure.to_string().contains("batch 1 names row 99"), "{failure}");
}

#[test]
fn a_last_batch_of_one_row_joins_the_one_before_where_batches_are_normalised() {
    let mut plan = plan();
    plan.batching = Batching::Rows { size: 10, shuffle: true };
    plan.architecture.hidden[0].normalization = Normalization::Batch;
    let data = dataset::<f32>(&plan);
    let (outcome, _) = run(&plan, &data);
    assert_eq!((outcome.at.step, outcome.at.rows), (30, 5 * 61));
    plan.batching = Batching::Rows { size: 1, shuffle: true };
    assert!(matches!(fit(&plan, &data, Start::Fresh, &mut Unobserved), Err(Failure::Mismatch(_))));
}

#[test]
fn sampled_tasks_leave_the_other_head_alone() {
    let mut plan = plan_with_words();
    plan.task_sampling = TaskSampling::Uniform;
    plan.optimizer.method = Method::Sgd(Sgd { momentum: Momentum::Constant(0.9), ..Sgd::default() });
    let data = dataset::<f64>(&plan);
    let (outcome, diary) = run(&plan, &data);
    let last = decoded(&outcome.set.last);
    // Each head counts its own steps, the trunk all.
    let network = last.network();
    let scalars = &last.state.as_ref().unwrap().scalars;
    let steps = |segment: usize| scalars[2 * segment];
    let of_heads: Vec<f64> = (0..2).map(|h| steps(network.head_segments(h).start)).collect();
    assert_eq!(of_heads[0] + of_heads[1], 40.0);
    assert!(of_heads[0] > 8.0 && of_heads[1] > 8.0);
    assert_eq!(steps(0), 40.0);
    let one_task = |(_, metrics): &(u64, Vec<(String, f64)>)| {
        value(metrics, "loss/kind").unwrap().is_nan() != value(metrics, "loss/size").unwrap().is_nan()
    };
    assert!(diary.steps.iter().all(one_task));
    // A task without labels is never drawn.
    plan.task_sampling = TaskSampling::Proportional;
    let unlabelled = Dataset { train: without_labels(in_memory(data.train.clone()), |_| true).into(), ..data };
    let (_, diary) = run(&plan, &unlabelled);
    assert!(diary.steps.iter().all(|(_, metrics)| value(metrics, "loss/kind").unwrap().is_nan()));
}

#[test]
fn several_tasks_tell_how_they_pull_at_what_they_share() {
    let mut plan = plan_with_words();
    plan.optimizer.learning_rate = 0.0;
    plan.epochs = 1;
    let data = dataset::<f64>(&plan);
    let pulls = |plan: &Plan| {
        let (outcome, diary) = run(plan, &data);
        let at_the_end = |name: &str| diary.curve(name).last().copied();
        let names = ["gradient_norm/kind", "gradient_norm/size", "gradient_cosine/kind/size"];
        (names.map(at_the_end), decoded(&outcome.set.last).parameters::<f64>())
    };
    let ([kind, size, cosine], weights) = pulls(&plan);
    assert!(kind.unwrap() > 0.0 && size.unwrap() > 0.0 && cosine.unwrap().abs() <= 1.0);
    // At rate 0 the weights stay, so a task of twice the weight pulls exactly twice as hard, in the same direction.
    plan.architecture.heads[1].weight = 2.0;
    let ([again, doubled, same], _) = pulls(&plan);
    assert_eq!((again, doubled, same), (kind, size.map(|size| 2.0 * size), cosine));
    plan.architecture.heads[1].weight = 1.0;
    plan.optimizer.learning_rate = 0.1;
    let (_, watched) = pulls(&plan);
    plan.record.layer_statistics = Switch::Off;
    let (silent, unwatched) = pulls(&plan);
    assert_eq!(silent, [None; 3]);
    assert!(watched == unwatched && watched != weights, "looking must not change a bit");
}

/// Batches of 8 leave too little room for a look, batches of 128 are where the look works in the room of the steps.
#[test]
fn a_look_into_the_layers_changes_no_bit_and_sees_the_same_in_any_room() {
    let mut plan = plan_with_words();
    plan.optimizer = Optimizer::new(Method::Adam(Adam::default()), 0.0);
    plan.epochs = 3;
    let data = Dataset::<f64> {
        train: examples(&plan, 300, 1).into(),
        validation: Some(examples(&plan, 600, 2).into()),
        test: None,
    };
    let mut seen = Vec::new();
    for size in [8, 128] {
        plan.batching = Batching::Rows { size, shuffle: true };
        // At rate 0 the weights stay, so slopes and activations of the same rows are the same, whatever the steps left behind.
        plan.optimizer.learning_rate = 0.0;
        seen.push(run(&plan, &data).1.layers);
        plan.optimizer.learning_rate = 0.01;
        let trained = |plan: &Plan| {
            let (outcome, diary) = run(plan, &data);
            (decoded(&outcome.set.last).parameters::<f64>(), diary.epochs)
        };
        let watched = trained(&plan);
        plan.record.layer_statistics = Switch::Off;
        let unwatched = trained(&plan);
        plan.record.layer_statistics = Switch::default();
        assert!(watched.0 == unwatched.0, "looking must not change a bit, batches of {size}");
        assert!(watched.1.len() == 4 && watched.1[3].1.iter().any(|(name, _)| name == "val_loss"));
    }
    let norms: Vec<f64> = seen[0].iter().filter_map(|look| value(look, "layer/hidden.0/gradient_norm")).collect();
    assert!(norms.len() >= 3 && norms.iter().all(|norm| *norm > 0.0), "{seen:?}");
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn the_plateau_cuts_the_rate_and_says_so() {
    let mut plan = plan();
    plan.optimizer.learning_rate = 0.0001;
    plan.epochs = 8;
    let rule = Rule::Plateau(Plateau {
        monitor: "val_loss".into(),
        maximise: false,
        factor: 0.5,
        patience: 2,
        min_delta: 1.0,
        cooldown: 0,
        min_learning_rate: 0.0,
    });
    plan.schedule = Schedule { rule, unit: Unit::Epoch, warmup: None };
    let (_, diary) = run::<f32>(&plan, &dataset(&plan));
    let used: Vec<f64> = diary.curve("learning_rate")[1..].iter().map(|rate| rate / 1e-4).collect();
    let golden = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25];
    assert!(used.iter().zip(golden).all(|(used, golden)| (used - golden).abs() < 1e-12), "{used:?}");
    assert!(matches!(diary.events[0], Event::RateCut { epoch: 4, .. }));
}

#[test]
fn clipped_steps_are_counted_and_the_norm_is_told_as_it_was() {
    let mut plan = plan();
    plan.clipping = Some(Clipping::Norm(1e-3));
    let (_, diary) = run::<f32>(&plan, &dataset(&plan));
    assert_eq!(diary.curve("clipped_share"), [1.0; 5]);
    assert!(diary.curve("gradient_norm").iter().all(|norm| *norm > 1e-2));
}

#[test]
fn proximal_l1_makes_exact_zeros() {
    let mut plan = plan();
    plan.regularization.l1 = 0.05;
    plan.epochs = 20;
    let zeros = |plan: &Plan| {
        let (outcome, _) = run::<f32>(plan, &dataset(plan));
        decoded(&outcome.set.last).parameters::<f32>().iter().filter(|w| **w == 0.0).count()
    };
    assert_eq!(zeros(&plan), 0);
    plan.regularization.l1_proximal = true;
    assert!(zeros(&plan) > 10);
}

#[test]
fn threads_change_no_bit() {
    let mut plan = plan_with_words();
    plan.architecture.hidden = vec![layer(200), layer(150)];
    plan.architecture.hidden[0].dropout = 0.3;
    plan.batching = Batching::Full;
    let data = dataset::<f32>(&plan);
    let (one, _) = run(&plan, &data);
    plan.threads = 2;
    let (two, _) = run(&plan, &data);
    assert_eq!(one.set, two.set);
}

#[test]
fn sets_of_instructions_change_no_bit() {
    for method in [Method::Adam(Adam::default()), Method::Adagrad(Adagrad::default()), Method::Nadam(Nadam::default())]
    {
        let mut plan = plan_with_words();
        plan.architecture.hidden = vec![layer(37), layer(20)];
        plan.architecture.hidden[0].dropout = 0.2;
        plan.architecture.hidden[0].normalization = Normalization::Batch;
        plan.architecture.hidden[1].normalization = Normalization::Layer;
        plan.architecture.hidden[1].activation = Activation::Gelu;
        plan.regularization.l2 = 1e-4;
        plan.clipping = Some(Clipping::Norm(0.5));
        plan.optimizer = Optimizer::new(method, 0.01);
        let data = dataset::<f32>(&plan);
        let bytes = |set| with_set(set, || run(&plan, &data).0.set.last.unwrap().bytes);
        let sets = sets();
        let expected = bytes(sets[0]);
        for &set in &sets[1..] {
            assert!(bytes(set) == expected, "{} differs with {set:?}", method.name());
        }
    }
}

#[test]
fn lbfgs_gets_far_in_few_epochs() {
    let mut plan = plan();
    plan.batching = Batching::Full;
    plan.optimizer = Optimizer::new(Method::Lbfgs(Lbfgs::default()), 1.0);
    plan.regularization.l2 = 1e-3;
    let (_, diary) = run(&plan, &dataset::<f32>(&plan));
    let objective = diary.curve("objective");
    let (first, last) = (objective[0], objective[4]);
    assert!(last < 0.5 * first, "{objective:?}");
}

/// Rows that are read from files while the run goes on give the bits that rows in memory give, through an interruption too.
#[test]
fn streamed_rows_give_the_same_bits() {
    for (sampling, batching) in [
        (TaskSampling::Joint, Batching::Rows { size: 8, shuffle: true }),
        (TaskSampling::Uniform, Batching::Rows { size: 7, shuffle: true }),
        (TaskSampling::Joint, Batching::Rows { size: 16, shuffle: false }),
    ] {
        let plan = Plan { task_sampling: sampling, batching, ..plan() };
        let (whole, told) = run(&plan, &dataset::<f32>(&plan));
        let (streamed, told_again) = run(&plan, &spooled(dataset::<f32>(&plan)));
        assert_eq!(whole.set.last.map(|saved| saved.bytes), streamed.set.last.map(|saved| saved.bytes));
        assert_eq!(told.epochs, told_again.epochs);
    }
}
