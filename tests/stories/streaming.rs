//! Data that do not fit into the memory that jobs may have are streamed from a file, to the same bits as in memory.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

const COLUMNS: usize = 40;

/// Numbers, a colour that tells a little, and a label that follows from some of them.
fn rows(count: usize) -> String {
    let mut text = (0..COLUMNS).map(|column| format!("x{column},")).collect::<String>() + "colour,label\n";
    let mut state = 11u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / 8_388_608.0 - 1.0
    };
    for _ in 0..count {
        let numbers: Vec<f64> = (0..COLUMNS).map(|_| draw()).collect();
        let colour = ["red", "green", "blue"][((draw() + 1.0) * 1.49) as usize];
        let label = numbers[0] + numbers[1] * numbers[2] + if colour == "red" { 0.5 } else { 0.0 } > 0.0;
        numbers.iter().for_each(|x| write!(text, "{x:.4},").unwrap());
        writeln!(text, "{colour},{}", if label { "yes" } else { "no" }).unwrap();
    }
    text
}

fn spec(threads: u64) -> Value {
    json!({
        "dataset": "rows", "target": "label", "seed": 5, "threads": threads, "hidden_layers": [{"units": 24, "dropout": 0.1}],
        "split": {"validation": 0.2, "test": 0.1}, "batch_size": 32, "epochs": 12, "early_stopping": false,
        "checkpoints": {"every": {"steps": 50}}
    })
}

fn weights(server: &Server, job: &Value) -> [Vec<u8>; 2] {
    let id = job["id"].as_str().unwrap();
    [server.weights(id, "best"), server.weights(id, "last")]
}

#[test]
fn a_dataset_larger_than_the_memory_of_jobs_trains_to_the_same_bytes_through_a_kill_too() {
    let text = rows(4_000);
    let mut plenty = Server::start();
    plenty.upload("rows", &text);
    let preview = plenty.post("/v1/jobs?dry_run=true", &spec(1)).ok();
    assert_eq!(preview["data_in_memory"], true, "{preview:#}");
    let needed = preview["memory_bytes"].as_u64().unwrap();
    let expected = plenty.train(&spec(1));
    let expected_weights = weights(&plenty, &expected);
    let judged = |server: &Server, job: &Value| {
        let id = job["id"].as_str().unwrap();
        let body = server.get(&format!("/v1/jobs/{id}/evaluation?split=test&bootstrap=0")).ok();
        (body["loss"].clone(), body["targets"]["label"]["confusion_matrix"].clone())
    };

    let budget = |bytes: u64| Settings::default().arg("--memory-bytes", &bytes.to_string());
    let mut little = Server::with(budget(needed - 1));
    little.upload("rows", &text);
    let preview = little.post("/v1/jobs?dry_run=true", &spec(2)).ok();
    assert_eq!(preview["data_in_memory"], false, "{preview:#}");
    assert!(preview["memory_bytes"].as_u64().unwrap() < needed);

    let streamed = little.train(&spec(2));
    assert!(weights(&little, &streamed) == expected_weights, "two threads, streamed");
    assert_eq!(judged(&little, &streamed), judged(&plenty, &expected));

    let killed = little.submit(&spec(1));
    little.until(&killed, |job| job["progress"]["step"].as_u64() > Some(120));
    little.kill();
    assert_eq!(std::fs::read_dir(little.data_dir().join("incoming")).unwrap().count(), 0, "a spool has no name");
    little.restart_with(budget(needed - 1));
    let killed = little.finished(&killed);
    assert_eq!((&killed["status"], &killed["attempt"]), (&json!("succeeded"), &json!(2)), "{killed:#}");
    assert!(weights(&little, &killed) == expected_weights, "through a kill");

    let moved = plenty.submit(&spec(1));
    plenty.until(&moved, |job| job["progress"]["step"].as_u64() > Some(120));
    plenty.kill();
    plenty.restart_with(budget(needed - 1));
    let moved = plenty.finished(&moved);
    assert_eq!((&moved["status"], &moved["attempt"]), (&json!("succeeded"), &json!(2)), "{moved:#}");
    assert!(
        moved["memory_bytes"].as_u64().unwrap() < needed,
        "what was in memory is streamed where there is less of it"
    );
    assert!(weights(&plenty, &moved) == expected_weights, "begun in memory, ended from a file");
}

#[test]
fn batches_of_all_rows_need_them_in_memory_and_say_so() {
    let server = Server::start();
    server.upload("rows", rows(1_000));
    let mut full = spec(1);
    full["batch_size"] = json!("full");
    let needed = server.post("/v1/jobs?dry_run=true", &full).ok()["memory_bytes"].as_u64().unwrap();
    let little = Server::with(Settings::default().arg("--memory-bytes", &(needed - 1).to_string()));
    little.upload("rows", rows(1_000));
    let problem = little.post("/v1/jobs", &full).problem(422, "invalid_job_spec");
    assert!(problem["detail"].as_str().unwrap().contains("needs all rows in memory"), "{problem:#}");
}
