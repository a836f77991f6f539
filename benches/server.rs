//! Figures of the whole server, measured from outside as a user meets them: `cargo bench --bench server`.
//!
//! Prints medians of several runs. Not a statistical benchmark and not a gate: a busy machine gives larger numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a measuring program")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[allow(dead_code, reason = "the stories use the rest")]
#[path = "../tests/stories/kit.rs"]
mod kit;

use kit::Server;

fn main() {
    println!("trainyard {}, medians", env!("CARGO_PKG_VERSION"));

    let starts: Vec<f64> = (0..21).map(|_| start_to_ready()).collect();
    figure("start to ready", &starts, "ms");

    let server = Server::start();
    server.get("/v1/jobs").ok();
    figure("idle memory (resident)", &[resident_mb(server.pid())], "MB");

    server.sample("iris");
    for _ in 0..3 {
        iris(&server, 0);
    }
    let jobs: Vec<f64> = (1..=21).map(|seed| iris(&server, seed)).collect();
    figure("POST of an iris job, 200 epochs, to succeeded", &jobs, "ms");

    let hundred: Vec<f64> = (0..3).map(|_| milliseconds(|| queue_of_iris(&server, 100))).collect();
    figure("100 such jobs through the queue", &hundred, "ms");

    let job = server.train(&iris_spec(1));
    let path = format!("/v1/jobs/{}/predictions", job["id"].as_str().unwrap());
    let row = json!({"rows": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]});
    server.post(&path, &row).ok();
    let answers: Vec<f64> = (0..201).map(|_| milliseconds(|| drop(server.post(&path, &row).ok()))).collect();
    figure("prediction of one row", &answers, "ms");
    figure("memory after that (resident)", &[resident_mb(server.pid())], "MB");
}

/// From starting the process to the first `200` of `/readyz`, in a new data directory.
fn start_to_ready() -> f64 {
    let mut server = None;
    milliseconds(|| {
        let started = Server::start();
        assert_eq!(started.get("/readyz").status, 200);
        server = Some(started);
    })
}

fn iris(server: &Server, seed: u64) -> f64 {
    milliseconds(|| {
        let job: Value = server.post("/v1/jobs?wait=30", &iris_spec(seed)).ok();
        assert_eq!(job["status"], "succeeded", "{job:#}");
        assert_eq!(job["progress"]["epoch"], 200, "{job:#}");
    })
}

/// Claims, metric writes and ends of many short jobs, two at a time or as many as there are processors.
fn queue_of_iris(server: &Server, jobs: u64) {
    let ids: Vec<Value> = (0..jobs).map(|seed| server.post("/v1/jobs", &iris_spec(seed)).ok()["id"].clone()).collect();
    for id in ids {
        let id = id.as_str().unwrap();
        while server.get(&format!("/v1/jobs/{id}?wait=30")).ok()["status"] != "succeeded" {}
    }
}

fn iris_spec(seed: u64) -> Value {
    json!({"dataset": "iris", "target": "species", "epochs": 200, "early_stopping": false, "seed": seed})
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

/// Resident memory of a process once it has stopped growing.
fn resident_mb(pid: u32) -> f64 {
    let now = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("kB") / 1024.0
    };
    std::thread::sleep(Duration::from_secs(1));
    now()
}

fn figure(name: &str, values: &[f64], unit: &str) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    if sorted.len() == 1 {
        println!("{name:<48} {median:>9.2} {unit}");
    } else {
        let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
        println!("{name:<48} {median:>9.2} {unit}   ({low:.2} to {high:.2} in {} runs)", sorted.len());
    }
}
