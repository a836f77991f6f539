//! A server that is told to stop leaves in time, whatever its jobs are in the midst of, and they go on after the next start.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

/// So long a drain may take here; what comes on top is for a busy machine.
const DRAIN_SECONDS: u64 = 2;
const WITHIN: Duration = Duration::from_secs(12);

fn settings() -> Settings {
    Settings::default().arg("--drain-seconds", &DRAIN_SECONDS.to_string())
}

fn table(rows: u64) -> String {
    let row = |n: u64| format!("{},{},{},{}\n", n % 977, n * n % 1009, n % 13, (n * n) % 3);
    std::iter::once("a,b,c,y\n".to_owned()).chain((0..rows).map(row)).collect()
}

/// One step of it is far longer than the drain: all rows at once, through layers that are wide for them.
fn long_steps() -> Value {
    json!({
        "dataset": "table", "target": "y", "hidden_layers": [1500, 1500], "batch_size": 20_000, "epochs": 1000,
        "early_stopping": false, "split": false, "record": {"layer_statistics": false}
    })
}

fn has_event(server: &Server, id: &str, code: &str) -> bool {
    let events = server.get(&format!("/v1/jobs/{id}/events?order=asc&limit=200")).ok();
    events["data"]
        .as_array()
        .unwrap()
        .iter()
        .any(|event| event["data"]["code"] == code || event["data"]["kind"] == code)
}

/// Stops the server, starts it again, and gives the job as it then is.
fn stopped_and_started(server: &mut Server, id: &str) -> Value {
    let asked = Instant::now();
    assert_eq!(server.stop().code(), Some(0), "a drain ends in order");
    assert!(asked.elapsed() < WITHIN, "leaving took {:?}", asked.elapsed());
    server.restart_with(settings());
    server.get(&format!("/v1/jobs/{id}")).ok()
}

fn reasons(job: &Value) -> Vec<String> {
    job["transitions"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_job_in_the_midst_of_a_long_step_is_given_back_in_time_and_is_no_poison() {
    let mut server = Server::with(settings());
    server.upload("table", table(20_000));
    let id = server.submit(&long_steps());
    // Four times: three crashes without getting further would have ended it.
    for _ in 0..4 {
        server.until(&id, |job| job["status"] == "running");
        let job = stopped_and_started(&mut server, &id);
        assert!(["queued", "running"].iter().any(|status| job["status"] == *status), "{job:#}");
        let told = reasons(&job);
        assert!(told.iter().any(|reason| reason.contains("shut")), "{told:?}");
        assert!(told.iter().all(|reason| !reason.contains("the server stopped")), "{told:?}");
    }
    // A cancel that the worker could not obey in time holds all the same.
    server.until(&id, |job| job["status"] == "running");
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!(stopped_and_started(&mut server, &id)["status"], "cancelled");
}

#[test]
fn in_each_phase_of_a_job_a_stop_comes_in_time_and_changes_no_bit() {
    let mut server = Server::with(settings());
    // Long enough that each phase can be met: the file is read, encoded, checked, trained on and evaluated.
    server.upload("long", table(60_000));
    let spec = json!({
        "dataset": "long", "target": "y", "hidden_layers": [16], "batch_size": 4096, "epochs": 6, "seed": 3,
        "split": {"validation": 0.5}, "early_stopping": false, "checks": ["overfit"], "checkpoints": {"every": {"epochs": 1}}
    });
    let expected = server.train(&spec);
    let expected = server.weights(expected["id"].as_str().unwrap(), "last");
    let id = server.submit(&spec);
    // Loading: it was only just taken.
    server.until(&id, |job| job["status"] == "running");
    stopped_and_started(&mut server, &id);
    // Checks or what follows them: the parts are told when they are over.
    server.until(&id, |_| has_event(&server, &id, "overfit") || has_event(&server, &id, "parts"));
    stopped_and_started(&mut server, &id);
    // Training and, at the end of each epoch, evaluation: stopped after one epoch and after three.
    for epochs in [1, 3] {
        server.until(&id, |job| job["progress"]["epoch"].as_u64() >= Some(epochs));
        stopped_and_started(&mut server, &id);
    }
    let job = server.finished(&id);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert!(server.weights(&id, "last") == expected);
    assert!(has_event(&server, &id, "overfit"), "a check that a stop cut short is run by the next attempt");
}
