//! The same spec and seed give the same bytes: twice, with other threads, and through the death of the server.

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

/// Uses what could disturb a run: dropout, shuffling, momentum, early stopping's patience, a short last batch.
fn spec(dataset: &str) -> Value {
    json!({
        "dataset": dataset, "target": "digit", "seed": 11,
        "split": {"validation": 0.2, "method": "stratified"},
        "hidden_layers": [{"units": 48, "dropout": 0.2}, 32], "activation": "tanh",
        "optimizer": {"type": "adam", "learning_rate": 0.002}, "regularization": {"l2": 1e-5},
        "batch_size": 50, "epochs": 12, "early_stopping": {"patience": 50}
    })
}

fn with(mut spec: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

fn weights(server: &Server, job: &Value) -> [Vec<u8>; 2] {
    let id = job["id"].as_str().unwrap();
    [server.weights(id, "best"), server.weights(id, "last")]
}

#[test]
fn the_same_spec_and_seed_give_the_same_weights_and_another_seed_others() {
    let server = Server::start();
    server.sample("digits");
    let first = weights(&server, &server.train(&spec("digits")));
    let second = weights(&server, &server.train(&spec("digits")));
    assert!(first == second);
    let other = weights(&server, &server.train(&with(spec("digits"), json!({"seed": 12}))));
    assert!(first != other);
}

#[test]
fn one_thread_and_two_give_the_same_weights() {
    let server = Server::start();
    server.sample("digits");
    let spec = with(spec("digits"), json!({"hidden_layers": [{"units": 200, "dropout": 0.2}, 96], "epochs": 3}));
    let one = weights(&server, &server.train(&with(spec.clone(), json!({"threads": 1}))));
    let two = weights(&server, &server.train(&with(spec, json!({"threads": 2}))));
    assert!(one == two);
}

#[test]
fn a_job_whose_server_is_killed_ends_with_the_bytes_of_an_undisturbed_one() {
    let spec =
        with(spec("digits"), json!({"epochs": 250, "early_stopping": false, "checkpoints": {"every": {"steps": 40}}}));
    let undisturbed = Server::start();
    undisturbed.sample("digits");
    let expected = undisturbed.train(&spec);
    let expected_weights = weights(&undisturbed, &expected);

    let mut server = Server::start();
    server.sample("digits");
    let id = server.submit(&spec);
    for epoch in [2, 9, 31] {
        let job = server.until(&id, |job| job["progress"]["epoch"].as_u64() >= Some(epoch));
        assert!(job["finished_at"].is_null(), "too quick to be killed: {job:#}");
        server.restart();
    }
    let job = server.finished(&id);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["attempt"], 4, "three deaths, four attempts");
    assert_eq!(job["best"], expected["best"]);
    assert!(weights(&server, &job) == expected_weights);

    // Each epoch stands in the metrics once, with the numbers of the undisturbed run.
    let columns = |server: &Server, id: &str| {
        let metrics = server.get(&format!("/v1/jobs/{id}/metrics?names=loss,val_loss")).ok();
        assert_eq!(metrics["complete"], true);
        ["epoch", "loss", "val_loss"].map(|name| metrics["columns"][name].clone())
    };
    assert_eq!(columns(&server, &id), columns(&undisturbed, expected["id"].as_str().unwrap()));
}

#[test]
fn a_queued_job_and_a_finished_one_survive_a_restart() {
    let mut server = Server::with(Settings::workers(1));
    server.sample("iris");
    let spec = json!({"dataset": "iris", "target": "species", "seed": 3});
    let finished = server.train(&spec);
    let before = weights(&server, &finished);
    server.sample("digits");
    let running = server.submit(&with(self::spec("digits"), json!({"epochs": 40})));
    let queued = server.submit(&spec);
    server.until(&running, |job| job["status"] == "running");
    server.restart();
    assert!(weights(&server, &server.get(&format!("/v1/jobs/{}", finished["id"].as_str().unwrap())).ok()) == before);
    assert_eq!(server.finished(&running)["status"], "succeeded");
    let job = server.finished(&queued);
    assert_eq!(job["status"], "succeeded");
    assert!(weights(&server, &job) == before, "the same spec again");
}
