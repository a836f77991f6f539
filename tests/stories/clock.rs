//! A wall clock that is set a day forward and two days back while jobs run: nothing depends on it but the times that are shown.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Server, Settings, skipped};

/// The library that shifts the time of a process, where the system has it (`libfaketime` of Debian).
fn library() -> Option<PathBuf> {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""];
    let path = |folder: &&str| Path::new("/usr/lib").join(folder).join("faketime/libfaketimeMT.so.1");
    folders.iter().map(path).find(|path| path.is_file())
}

#[test]
fn a_clock_that_jumps_by_days_changes_no_bit_no_order_and_no_waiting_time() {
    let Some(library) = library() else { return skipped("libfaketime is not installed") };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let set = |offset: &str| {
        // Replaced as a whole: the server may read it at any moment.
        std::fs::write(folder.path().join("next"), offset).unwrap();
        std::fs::rename(folder.path().join("next"), &clock).unwrap();
    };
    set("+0");
    let settings = Settings::workers(1)
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Server::with(settings);
    server.sample("iris");
    let spec = json!({
        "dataset": "iris", "target": "species", "seed": 4, "hidden_layers": [16], "epochs": 60000, "early_stopping": false,
        "checkpoints": {"every": {"steps": 3000}}, "limits": {"max_seconds": 3600}
    });
    let undisturbed = server.train(&spec);
    let expected = server.weights(undisturbed["id"].as_str().unwrap(), "last");
    let paused = server.submit(&spec);
    server.post(&format!("/v1/jobs/{paused}/pause"), &json!({}));
    server.until(&paused, |job| job["status"] == "paused");
    let id = server.submit(&spec);
    let mut queued = Vec::new();
    let mut seen = 0;
    for offset in ["+1d", "-1d", "+0"] {
        let now = server.until(&id, |job| job["progress"]["epoch"].as_u64() > Some(seen));
        seen = now["progress"]["epoch"].as_u64().unwrap() + 20;
        set(offset);
        queued.push(server.submit(&json!({"dataset": "iris", "target": "species", "epochs": 2})));
        if offset == "+1d" {
            let began = Instant::now();
            server.get(&format!("/v1/jobs/{paused}?wait=1")).ok();
            assert!(began.elapsed() >= Duration::from_millis(900) && began.elapsed() < Duration::from_secs(20));
        }
        assert_eq!(server.get("/readyz").status, 200);
    }
    let created: Vec<Value> =
        queued.iter().map(|id| server.get(&format!("/v1/jobs/{id}")).ok()["created_at"].clone()).collect();
    assert!(created[0].as_str() > created[2].as_str(), "the clock did not jump: {created:?}");
    let job = server.finished(&id);
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("succeeded"), &json!("epochs_done")), "{job:#}");
    assert!(server.weights(&id, "last") == expected);
    assert!(job["train_seconds"].as_f64().unwrap() < 3600.0, "{job:#}");
    for id in &queued {
        let job = server.finished(id);
        assert_eq!(job["status"], "succeeded", "{job:#}");
        assert!(job["queue_seconds"].as_f64().unwrap() >= 0.0, "{job:#}");
    }
    // Newest first is by the order in which they came, whatever the clock said.
    let list = server.get("/v1/jobs?fields=id&limit=3").ok();
    let listed: Vec<&str> = list["data"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert!(listed.into_iter().eq(queued.iter().rev().map(String::as_str)), "{list:#}");
    let metrics = server.get(&format!("/v1/jobs/{id}/metrics?names=loss")).ok();
    for column in ["train_seconds", "time"] {
        let values: Vec<String> = metrics["columns"][column]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| match value {
                Value::String(text) => text.clone(),
                number => format!("{:020.6}", number.as_f64().unwrap()),
            })
            .collect();
        assert!(values.is_sorted(), "{column}");
    }
}
