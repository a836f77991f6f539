//! The checks that a careful person makes before a run, alone and as part of a job.

use serde_json::{Value, json};

use crate::kit::Server;

fn check(server: &Server, kind: &str, spec: &Value) -> Value {
    server.post("/v1/checks", &json!({"kind": kind, "spec": spec})).ok()
}

#[test]
fn the_range_test_finds_a_rate_that_trains_well_and_leaves_no_trace() {
    let server = Server::start();
    server.sample("digits");
    let spec = |rate: f64, checks: Value| {
        json!({
            "dataset": "digits", "target": "digit", "hidden_layers": [64, 64], "activation": "tanh", "seed": 5, "epochs": 20,
            "optimizer": {"type": "sgd", "learning_rate": rate, "momentum": 0.9}, "early_stopping": false, "checks": checks
        })
    };
    let report = check(&server, "lr_range", &spec(1e-4, json!([])));
    assert_eq!(report["verdict"], "passed", "{report:#}");
    let suggestion = report["suggestion"].as_f64().unwrap();
    assert!(report["advice"].as_str().unwrap().contains("far below"), "{report:#}");
    let curve = &report["curve"];
    assert_eq!(curve["loss"].as_array().unwrap().len(), curve["learning_rate"].as_array().unwrap().len());
    let accuracy = |rate: f64| server.train(&spec(rate, json!([])))["last"]["val_accuracy"].as_f64().unwrap();
    assert!(accuracy(suggestion) > 0.95 && accuracy(1e-4) < 0.8, "suggested {suggestion}");

    let with = server.train(&spec(0.01, json!(["lr_range", "init", "input_independent"])));
    let without = server.train(&spec(0.01, json!([])));
    let weights = |job: &Value| server.weights(job["id"].as_str().unwrap(), "last");
    assert!(weights(&with) == weights(&without), "a check must not change a bit of the job");
    let reports = server.get(&format!("/v1/jobs/{}/checks", with["id"].as_str().unwrap())).ok();
    assert_eq!(reports["data"].as_array().unwrap().len(), 3, "{reports:#}");
}

#[test]
fn layers_that_start_flat_are_told_and_those_that_fit_pass() {
    let server = Server::start();
    server.sample("digits");
    let spec = |init: Value| json!({"dataset": "digits", "target": "digit", "hidden_layers": [64, 64, 64], "activation": "tanh", "init": {"weights": init}});
    let wide = check(&server, "init", &spec(json!({"type": "glorot_uniform", "gain": 4})));
    assert_eq!(wide["verdict"], "failed", "{wide:#}");
    assert!(wide["advice"].as_str().unwrap().contains("flat"), "{wide:#}");
    let fitting = check(&server, "init", &spec(json!("auto")));
    assert_eq!(fitting["verdict"], "passed", "{fitting:#}");
    assert_eq!(fitting["layers"].as_array().unwrap().len(), 3);
}

#[test]
fn labels_that_do_not_depend_on_the_inputs_are_noticed() {
    let server = Server::start();
    server.sample("iris");
    let seeing = check(&server, "input_independent", &json!({"dataset": "iris", "target": "species"}));
    assert_eq!(seeing["verdict"], "passed", "{seeing:#}");
    let mut csv = String::from("a,b,label\n");
    let mut state = 7_u32;
    let mut draw = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % n
    };
    for _ in 0..2_000 {
        csv.push_str(&format!("{}.5,{}.25,{}\n", draw(100), draw(50), ["x", "y", "z"][draw(3) as usize]));
    }
    server.upload("noise", csv);
    let blind =
        check(&server, "input_independent", &json!({"dataset": "noise", "target": "label", "hidden_layers": [8]}));
    assert_eq!(blind["verdict"], "failed", "{blind:#}");
}
