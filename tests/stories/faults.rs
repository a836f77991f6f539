//! Faults from outside: another process that locks the database, a second server, a flipped bit, a stop again and again.

use std::path::PathBuf;

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::kit::{Server, Settings, trainyard};

fn spec() -> Value {
    json!({
        "dataset": "iris", "target": "species", "seed": 4, "hidden_layers": [16], "epochs": 4000, "early_stopping": false,
        "checkpoints": {"every": {"steps": 50}, "keep": 3}
    })
}

async fn database(server: &Server) -> SqliteConnection {
    let path: PathBuf = server.data_dir().join("trainyard.db");
    SqliteConnection::connect(&path.display().to_string()).await.unwrap()
}

fn weights(server: &Server, id: &str) -> Vec<u8> {
    server.weights(id, "last")
}

#[test]
fn while_another_process_locks_the_database_reads_are_answered_and_writes_wait() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::start();
    server.sample("iris");
    let mut other = runtime.block_on(database(&server));
    runtime.block_on(async { sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await }).unwrap();
    let answer = std::thread::scope(|scope| {
        let submit = scope.spawn(|| server.post("/v1/jobs?wait=30", &json!({"dataset": "iris", "target": "species"})));
        server.healthy_while(|| {
            for _ in 0..20 {
                server.get("/v1/jobs").ok();
            }
        });
        assert!(!submit.is_finished(), "nothing is acknowledged that cannot be written");
        runtime.block_on(async { sqlx::query("COMMIT").execute(&mut other).await }).unwrap();
        submit.join().unwrap()
    });
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["status"], "succeeded");
}

#[test]
fn a_second_server_on_the_same_data_directory_exits_and_names_the_first() {
    let server = Server::start();
    let second =
        trainyard().args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(server.data_dir()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&server.pid().to_string()), "{said}");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_leads_to_the_same_bits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = Server::start();
    server.sample("iris");
    // Trained on all rows, no epoch is the best: the state before is all that is needed.
    let mut spec = spec();
    spec["split"] = json!(false);
    let expected = server.train(&spec);
    let expected = weights(&server, expected["id"].as_str().unwrap());
    let id = server.submit(&spec);
    server.until(&id, |job| job["progress"]["epoch"].as_u64() > Some(30));
    server.post(&format!("/v1/jobs/{id}/pause"), &json!({}));
    server.until(&id, |job| job["status"] == "paused");
    server.stop();
    runtime.block_on(async {
        let mut connection = database(&server).await;
        let flipped = sqlx::query(
            "UPDATE checkpoint_chunk SET content = CAST(zeroblob(64) || substr(content, 65) AS BLOB)
             WHERE number = 0 AND checkpoint = (SELECT checkpoint.seq FROM checkpoint JOIN job ON job.seq = checkpoint.job
                                                WHERE job.id = ? AND checkpoint.last = 1)",
        );
        assert_eq!(flipped.bind(&id).execute(&mut connection).await.unwrap().rows_affected(), 1);
        connection.close().await.unwrap();
    });
    let verified = trainyard().arg("verify").arg(server.data_dir()).output().unwrap();
    assert!(!verified.status.success(), "the damage is found by its checksum");
    server.restart();
    server.post(&format!("/v1/jobs/{id}/resume"), &json!({}));
    assert_eq!(server.finished(&id)["status"], "succeeded");
    let warnings = server.get(&format!("/v1/jobs/{id}/events?level=warn")).ok();
    let codes: Vec<&Value> = warnings["data"].as_array().unwrap().iter().map(|event| &event["data"]["code"]).collect();
    assert!(codes.contains(&&json!("checkpoint_damaged")) && !codes.contains(&&json!("begins_anew")), "{codes:?}");
    assert!(weights(&server, &id) == expected);
}

#[test]
fn a_job_that_is_stopped_again_and_again_is_no_poison_and_ends_with_the_same_bits() {
    let mut server = Server::start();
    server.sample("iris");
    let expected = server.train(&spec());
    let expected = weights(&server, expected["id"].as_str().unwrap());
    let id = server.submit(&spec());
    for _ in 0..5 {
        server.until(&id, |job| job["status"] == "running");
        assert_eq!(server.stop().code(), Some(0), "a drain ends in order");
        server.restart_with(Settings::default());
    }
    let job = server.finished(&id);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let reasons = job["transitions"].to_string();
    assert!(reasons.contains("the server shuts down"), "{reasons}");
    assert!(weights(&server, &id) == expected);
}

/// A job that gets nowhere before the server dies: its first step is long.
fn slow() -> Value {
    json!({
        "dataset": "digits", "target": "digit", "hidden_layers": [4000, 4000, 1000], "batch_size": 1797, "epochs": 1,
        "early_stopping": false
    })
}

#[test]
fn a_job_under_which_the_process_dies_three_times_fails_and_the_others_run() {
    let mut server = Server::with(Settings::default().arg("--drain-seconds", "1"));
    server.sample("digits");
    server.sample("iris");
    let poison = server.submit(&slow());
    let other = server.submit(&json!({"dataset": "iris", "target": "species", "epochs": 3}));
    // However it dies; a stop by the operator between is none of the three.
    for signal in ["ILL", "TERM", "ABRT", "KILL"] {
        server.until(&poison, |job| job["status"] == "running");
        server.signal(signal);
        server.restart();
    }
    let job = server.finished(&poison);
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("crashed_repeatedly")), "{job:#}");
    assert_eq!(job["error"]["crashes"], 3, "{job:#}");
    assert_eq!(server.finished(&other)["status"], "succeeded");
    assert!(server.get(&format!("/problems/{}", "crashed-repeatedly")).status == 200);
}
