//! Data directories of older versions open, are brought up to date, and their jobs go on.
//!
//! `tests/fixtures/schema-N` was written by the schema of that number: a finished job, a paused one with a checkpoint, an answer to an
//! idempotency key.

use std::path::PathBuf;

use serde_json::{Value, json};
use sqlx::Connection;

use crate::kit::{Server, Settings};

/// The schemas that are kept.
const SCHEMAS: [&str; 3] = ["schema-1", "schema-2", "schema-8"];

fn fixture(schema: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(schema)
}

fn named(server: &Server, name: &str) -> Value {
    let list = server.get(&format!("/v1/jobs?name={name}&fields=id,status,request,arithmetic_version")).ok();
    list["data"][0].clone()
}

fn go_on(server: &Server) -> Value {
    let id = named(server, "begun")["id"].as_str().unwrap().to_owned();
    assert_eq!(server.post(&format!("/v1/jobs/{id}/resume"), &json!({})).status, 202);
    server.finished(&id)
}

fn warnings(server: &Server, job: &Value) -> Vec<Value> {
    let events = server.get(&format!("/v1/jobs/{}/events?level=warn", job["id"].as_str().unwrap())).ok();
    events["data"].as_array().unwrap().clone()
}

/// The weights that the paused job's request gives when nothing comes between.
fn undisturbed(server: &Server) -> Vec<u8> {
    let job = server.train(&named(server, "begun")["request"]);
    server.weights(job["id"].as_str().unwrap(), "last")
}

#[test]
fn a_data_directory_of_each_older_schema_opens_and_its_paused_job_goes_on() {
    SCHEMAS.iter().for_each(|schema| opens_and_goes_on(schema));
}

fn opens_and_goes_on(schema: &str) {
    let mut server = Server::over(&fixture(schema), Settings::default());
    let done = named(&server, "done");
    assert_eq!(done["status"], "succeeded");
    assert!(!server.weights(done["id"].as_str().unwrap(), "best").is_empty());
    let keyed = named(&server, "keyed");
    let headers = [("content-type", "application/json"), ("idempotency-key", "kept")];
    let again = server.send("POST", "/v1/jobs?wait=30", &headers, Some(keyed["request"].to_string().as_bytes()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok()["id"], keyed["id"]);

    let job = go_on(&server);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let id = job["id"].as_str().unwrap();
    // To the same bits, unless this version computes by another arithmetic than the one that began it: then the job says so.
    assert!(!warnings(&server, &job).is_empty() || server.weights(id, "last") == undisturbed(&server));
    let metrics = server.get(&format!("/v1/jobs/{id}/metrics?names=loss&max_points=100")).ok();
    assert_eq!(metrics["downsampled"], true);
    server.restart();
    assert_eq!(named(&server, "begun")["status"], "succeeded");
}

#[test]
fn a_job_that_an_older_arithmetic_began_says_so_and_begins_anew() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = Server::over(&fixture("schema-1"), Settings::default());
    server.stop();
    let older = async |database: PathBuf| {
        let mut connection = sqlx::SqliteConnection::connect(&database.display().to_string()).await.unwrap();
        let change = sqlx::query("UPDATE job SET arithmetic_version = 0 WHERE name = 'begun'");
        assert_eq!(change.execute(&mut connection).await.unwrap().rows_affected(), 1);
        connection.close().await.unwrap();
    };
    runtime.block_on(older(server.data_dir().join("trainyard.db")));
    server.restart();
    let job = go_on(&server);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let told = warnings(&server, &job);
    assert!(told.iter().any(|event| event["data"]["code"] == "arithmetic_changed"), "{told:?}");
    assert_eq!(job["arithmetic_version"], server.train(&named(&server, "done")["request"])["arithmetic_version"]);
    let id = job["id"].as_str().unwrap();
    assert!(server.weights(id, "last") == undisturbed(&server));
    let epochs = server.get(&format!("/v1/jobs/{id}/metrics?names=loss&max_points=10000")).ok();
    assert_eq!(epochs["columns"]["epoch"][0], 0, "{epochs:#}");
}
