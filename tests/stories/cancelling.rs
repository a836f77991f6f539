//! A cancel holds within a second, whatever the job is in the midst of, and what its thread still does is written nowhere.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

/// A second is promised; the rest is for a busy machine. What is interrupted here takes far longer.
const WITHIN: Duration = Duration::from_secs(4);

fn table(rows: u64) -> String {
    let row = |n: u64| format!("{},{},{},{}\n", n % 977, n * n % 1009, n % 13, (n * n) % 3);
    std::iter::once("a,b,c,y\n".to_owned()).chain((0..rows).map(row)).collect()
}

/// Cancels a job that is in the midst of something, and gives it as it then is.
fn cancelled(server: &Server, id: &str) -> Value {
    let asked = Instant::now();
    assert_eq!(server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).status, 202);
    let job = server.finished(id);
    assert!(asked.elapsed() < WITHIN, "{:?}: {job:#}", asked.elapsed());
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    job
}

#[test]
fn a_cancel_holds_at_once_in_the_midst_of_a_long_step_and_the_next_job_gets_the_place() {
    let server = Server::with(Settings::default());
    server.upload("table", table(20_000));
    let id = server.submit(&json!({
        "dataset": "table", "target": "y", "hidden_layers": [500, 500], "batch_size": 20_000, "epochs": 1000,
        "early_stopping": false, "split": false, "record": {"layer_statistics": false}, "checks": []
    }));
    server.until(&id, |job| job["progress"].is_object() || has_parts(&server, job));
    let then = cancelled(&server, &id);
    // The thread ends with its step; then the place is free, and nothing has been added to what was told.
    server.train(&json!({"dataset": "table", "target": "y", "epochs": 1, "hidden_layers": [4], "checks": []}));
    assert_eq!(server.get(&format!("/v1/jobs/{id}")).ok(), then);
}

fn has_parts(server: &Server, job: &Value) -> bool {
    let events = server.get(&format!("/v1/jobs/{}/events?type=log", job["id"].as_str().unwrap())).ok();
    events["data"].as_array().unwrap().iter().any(|event| event["data"]["code"] == "parts")
}

#[test]
fn a_cancel_holds_at_once_in_the_midst_of_a_long_check() {
    let server = Server::with(Settings::default());
    server.upload("table", table(500));
    // Hundreds of steps of twenty rows through four million weights.
    let id = server.submit(&json!({
        "dataset": "table", "target": "y", "hidden_layers": [2000, 2000], "epochs": 1000, "checks": ["overfit"]
    }));
    server.until(&id, |job| job["status"] == "running");
    let then = cancelled(&server, &id);
    assert!(then["progress"].is_null(), "{then:#}");
    // The check itself is left soon, too: the next job need not wait for the rest of it.
    server.train(&json!({"dataset": "table", "target": "y", "epochs": 1, "hidden_layers": [4], "checks": []}));
    assert_eq!(server.get(&format!("/v1/jobs/{id}")).ok(), then);
}
