//! Faults of training planted on purpose, one for each rule that the grid of runs does not reach, and the change that mends them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::kit::Server;
use crate::planted::{diagnosed, mended, one, val_loss};

/// Smooth numbers with a rare class: the share `rare` of rows is `yes`, told by the sum of the numbers.
fn uneven(rows: u32, rare: f64) -> String {
    let mut csv = String::from("a,b,c,answer\n");
    for row in 0..rows {
        let wave = |step: f64| ((f64::from(row) + 1.0) * step).sin();
        let (a, b, c) = (wave(12.9898), wave(78.233), wave(37.719));
        let rank = f64::from(row.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        // The inputs say little of it: the network learns, and says the frequent class all the same.
        let yes = rank + 0.04 * (a + b) < rare;
        let _ = writeln!(csv, "{a:.4},{b:.4},{c:.4},{}", if yes { "yes" } else { "no" });
    }
    csv
}

#[test]
fn a_rare_class_that_is_never_said_is_found_and_weighed() {
    let server = Server::start();
    server.upload("uneven", uneven(1500, 0.05));
    let spec = json!({
        "dataset": "uneven", "target": "answer", "hidden_layers": [8], "epochs": 30, "seed": 1, "early_stopping": false, "checks": [],
        "optimizer": {"type": "adam", "learning_rate": 0.002}
    });
    let (job, findings) = diagnosed(&server, &spec);
    let found = one(&findings, "rare_class_ignored");
    assert_eq!(found["patch"]["targets"][0]["class_weight"], "balanced", "{found:#}");
    let recall = |job: &Value| {
        let path = format!("/v1/jobs/{}/evaluation?bootstrap=0", job["id"].as_str().unwrap());
        let evaluation = server.get(&path).ok();
        crate::kit::find_number(&evaluation, "balanced_accuracy").unwrap_or_else(|| panic!("{evaluation:#}"))
    };
    let better = mended(&server, &job, "rare_class_ignored");
    assert!(recall(&better) > recall(&job) + 0.05, "{} after {}", recall(&better), recall(&job));
}

#[test]
fn first_steps_spent_on_how_frequent_the_classes_are_are_found_and_saved() {
    let server = Server::start();
    server.upload("uneven", uneven(600, 0.05));
    let spec = json!({
        "dataset": "uneven", "target": "answer", "hidden_layers": [8], "epochs": 5, "seed": 1, "early_stopping": false, "checks": [],
        "init": {"output_bias": 0.0}, "optimizer": {"type": "sgd", "learning_rate": 0.05}
    });
    let (job, findings) = diagnosed(&server, &spec);
    one(&findings, "frequencies_first");
    let better = mended(&server, &job, "frequencies_first");
    assert_eq!(better["spec"]["init"]["output_bias"], "prior");
    assert!(val_loss(&better) < val_loss(&job), "{} after {}", val_loss(&better), val_loss(&job));
}

#[test]
fn a_signal_that_grows_on_the_way_down_is_found_and_clipped() {
    let server = Server::start();
    server.sample("digits");
    // Wide weights and units that never quite saturate: each layer's slope is about twice the next one's.
    let spec = json!({
        "dataset": "digits", "target": "digit", "hidden_layers": [32, 32, 32, 32, 32, 32, 32, 32, 32], "activation": "softsign", "epochs": 4,
        "init": {"weights": {"type": "normal", "std": 3.0}}, "optimizer": {"type": "sgd", "learning_rate": 0.001}, "seed": 1,
        "early_stopping": false, "checks": []
    });
    let (job, findings) = diagnosed(&server, &spec);
    one(&findings, "exploding_gradient");
    let better = mended(&server, &job, "exploding_gradient");
    assert!(val_loss(&better) < val_loss(&job), "{} after {}", val_loss(&better), val_loss(&job));
}

#[test]
fn a_loss_that_still_bounces_at_the_end_is_found_and_settles_with_a_falling_rate() {
    let server = Server::start();
    server.sample("diabetes");
    let spec = json!({
        "dataset": "diabetes", "target": "progression", "hidden_layers": [], "epochs": 40, "batch_size": 2, "seed": 8,
        "optimizer": {"type": "adam", "learning_rate": 0.02}, "early_stopping": false, "checks": [], "split": {"validation": 0.2}
    });
    let (job, findings) = diagnosed(&server, &spec);
    let found = one(&findings, "noisy_end");
    assert_eq!(found["patch"], json!({"schedule": {"type": "cosine"}}), "{found:#}");
    let better = mended(&server, &job, "noisy_end");
    assert!(val_loss(&better) < val_loss(&job), "{} after {}", val_loss(&better), val_loss(&job));
}

#[test]
fn a_model_of_the_last_epoch_and_momentum_that_carries_too_far_are_found() {
    let server = Server::start();
    server.sample("digits");
    server.sample("diabetes");
    let spec = json!({
        "dataset": "diabetes", "target": "progression", "hidden_layers": [64], "epochs": 60, "seed": 1, "checks": [],
        "optimizer": {"type": "adam", "learning_rate": 0.01}, "early_stopping": {"patience": 1000, "restore_best": false}
    });
    let (job, findings) = diagnosed(&server, &spec);
    assert!(job["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "restore_best_false"));
    let found = one(&findings, "best_not_kept");
    assert_eq!(found["patch"], json!({"early_stopping": {"restore_best": true}}), "{found:#}");
    let kept = |job: &Value| {
        let path = format!("/v1/jobs/{}/evaluation?bootstrap=0&split=validation", job["id"].as_str().unwrap());
        crate::kit::find_number(&server.get(&path).ok(), "loss").unwrap()
    };
    let better = mended(&server, &job, "best_not_kept");
    assert!(kept(&better) < kept(&job), "{} after {}", kept(&better), kept(&job));

    let heavy = json!({
        "dataset": "digits", "target": "digit", "hidden_layers": [32, 32], "activation": "tanh", "epochs": 8, "seed": 1, "checks": [],
        "optimizer": {"type": "sgd", "learning_rate": 0.3, "momentum": 0.99}, "early_stopping": false
    });
    let (job, findings) = diagnosed(&server, &heavy);
    assert_eq!(findings[0]["code"], "momentum_too_high", "{findings:#?}");
    let better = mended(&server, &job, "momentum_too_high");
    assert_eq!(better["spec"]["optimizer"]["momentum"], 0.9);
    assert!(val_loss(&better) < 0.5 * val_loss(&job), "{} after {}", val_loss(&better), val_loss(&job));
}

#[test]
fn a_task_that_did_better_alone_is_told_so_with_the_job_that_did() {
    let server = Server::start();
    let mut csv = String::from("a,b,c,side,noise\n");
    for row in 0..900_u32 {
        let wave = |step: f64| ((f64::from(row) + 1.0) * step).sin();
        let (a, b, c) = (wave(12.9898), wave(78.233), wave(37.719));
        let noise = (row.wrapping_mul(2_654_435_761) >> 20) % 7;
        let _ = writeln!(csv, "{a:.4},{b:.4},{c:.4},{},n{noise}", if a * b > 0.0 { "same" } else { "other" });
    }
    server.upload("two-tasks", csv);
    let spec = |targets: Value| {
        json!({
            "dataset": "two-tasks", "targets": targets, "hidden_layers": [16], "epochs": 20, "seed": 1, "checks": [],
            "early_stopping": false, "optimizer": {"type": "adam", "learning_rate": 0.01}, "split": {"validation": 0.3}
        })
    };
    let alone = server.train(&spec(json!(["side"])));
    let (job, findings) = diagnosed(&server, &spec(json!(["side", {"column": "noise", "weight": 30}])));
    let found = one(&findings, "negative_transfer");
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("Sharing hurts side") && message.contains(alone["id"].as_str().unwrap()), "{message}");
    let reached = |job: &Value| job["last"]["val_accuracy/side"].as_f64().unwrap();
    let better = mended(&server, &job, "negative_transfer");
    assert!(reached(&better) > reached(&job), "{} after {}", reached(&better), reached(&job));
}

#[test]
fn words_that_came_up_too_seldom_to_move_are_found_and_surprising_combinations_are_noted() {
    let server = Server::start();
    let mut csv = String::from("note,length,mood\n");
    for row in 0..300_u32 {
        let mood = if row % 2 == 0 { "up" } else { "down" };
        let _ = writeln!(csv, "common {mood}side rare{row},{:.2},{mood}", f64::from(row * 37 % 101) / 7.0);
    }
    server.upload("notes", csv);
    let spec = json!({
        "dataset": "notes", "target": "mood", "hidden_layers": [8], "epochs": 3, "seed": 1, "checks": [], "early_stopping": false,
        "inputs": {"embeddings": {"words": {"dim": 4}}, "columns": {"note": {"as": "text", "embedding": "words"}}},
        "optimizer": {"type": "sgd", "learning_rate": 0.01, "momentum": 0.5, "weight_decay": 0.0001, "weight_decay_biases": true}
    });
    let (job, findings) = diagnosed(&server, &spec);
    let found = one(&findings, "rare_words");
    assert!(found["evidence"]["rare_share"].as_f64().unwrap() > 0.9, "{found:#}");
    assert_eq!(one(&findings, "decayed_biases")["severity"], "info");
    let better = mended(&server, &job, "rare_words");
    assert_eq!((&better["status"], &better["spec"]["optimizer"]["type"]), (&json!("succeeded"), &json!("adagrad")));
    let penalised = mended(
        &server,
        &server.train(&json!({
            "dataset": "notes", "target": "length", "hidden_layers": [{"units": 8, "dropout": 0.2}], "epochs": 2, "seed": 1,
            "regularization": {"l2": 0.001}, "checks": [], "targets": null
        })),
        "adam_with_l2",
    );
    assert_eq!(
        (&penalised["spec"]["optimizer"]["type"], &penalised["spec"]["regularization"]["l2"]),
        (&json!("adamw"), &json!(0.0))
    );
    let steady = mended(&server, &penalised, "dropout_before_regression");
    assert_eq!(steady["spec"]["hidden_layers"][0]["dropout"], 0.0);
}
