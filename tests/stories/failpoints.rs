//! The server dies at each named place of a durable write, and nothing that was acknowledged is lost.

use serde_json::{Value, json};
use trainyard::store::FAILPOINTS;

use crate::kit::{Answer, Server, Settings, trainyard};

fn table(seed: u32) -> String {
    let row = |n: u32| format!("{},{},{}\n", n * 7 % 31, n * seed % 17, if n.is_multiple_of(3) { "yes" } else { "no" });
    std::iter::once("a,b,answer\n".to_owned()).chain((0..240).map(row)).collect()
}

fn spec() -> Value {
    json!({
        "dataset": "kept", "target": "answer", "seed": 5, "hidden_layers": [12], "epochs": 60, "batch_size": 20,
        "early_stopping": false, "checkpoints": {"every": {"steps": 40}}
    })
}

/// What a client does, step by step; a step whose answer did not come is done again with the same key.
const STEPS: [&str; 8] = ["upload", "upload another", "submit", "pause", "resume", "finish", "delete", "predict"];

/// Does one step; an error means that no answer came.
fn step(server: &Server, step: &str, job: &mut String) -> Result<(), ureq::Error> {
    let upload = |name: &str, seed: u32| {
        let headers = [("content-type", "text/csv"), ("idempotency-key", name)];
        server.try_send("POST", &format!("/v1/datasets?name={name}"), &headers, Some(table(seed).as_bytes()))
    };
    let expect = |answer: &Answer, statuses: &[u16]| assert!(statuses.contains(&answer.status), "{step}: {answer:?}");
    match step {
        "upload" => expect(&upload("kept", 5)?, &[200, 201]),
        "upload another" => expect(&upload("gone", 7)?, &[200, 201]),
        "submit" => {
            let headers = [("content-type", "application/json"), ("idempotency-key", "the job")];
            let answer = server.try_send("POST", "/v1/jobs", &headers, Some(spec().to_string().as_bytes()))?;
            expect(&answer, &[201]);
            *job = answer.json()["id"].as_str().unwrap().to_owned();
        }
        // A job that was quicker has finished: then these are refused.
        "pause" | "resume" => {
            let answer = server.try_send("POST", &format!("/v1/jobs/{job}/{step}"), &[], Some(b""))?;
            expect(&answer, &[200, 202, 409]);
        }
        "finish" => loop {
            let answer = server.try_send("GET", &format!("/v1/jobs/{job}?wait=10"), &[], None)?;
            expect(&answer, &[200]);
            match answer.json()["status"].as_str().unwrap() {
                "succeeded" => break,
                // The pause had been written when the server died, the resume had not.
                "paused" => drop(server.try_send("POST", &format!("/v1/jobs/{job}/resume"), &[], Some(b""))?),
                other => assert!(["queued", "running", "pausing"].contains(&other), "{answer:?}"),
            }
        },
        "delete" => expect(&server.try_send("DELETE", "/v1/datasets/gone", &[], None)?, &[204, 404]),
        "predict" => {
            let row = json!({"rows": [{"a": 3, "b": 4}]}).to_string();
            let headers = [("content-type", "application/json")];
            let path = format!("/v1/jobs/{job}/predictions");
            expect(&server.try_send("POST", &path, &headers, Some(row.as_bytes()))?, &[200]);
        }
        other => unreachable!("{other}"),
    }
    Ok(())
}

fn weights_after(server: &mut Server, dies: bool) -> Vec<u8> {
    let mut job = String::new();
    let mut deaths = 0;
    for name in STEPS {
        while let Err(error) = step(server, name, &mut job) {
            assert!(dies && deaths == 0, "{name}: {error}");
            assert!(server.was_killed(), "{name}: the server ended, but not at the failpoint");
            deaths += 1;
            server.restart_with(Settings::default());
        }
    }
    assert_eq!(deaths, u32::from(dies), "the place was never passed");
    let jobs = server.get("/v1/jobs").ok();
    assert_eq!(jobs["data"].as_array().unwrap().len(), 1, "one key, one job: {jobs:#}");
    let transitions = server.get(&format!("/v1/jobs/{job}")).ok()["transitions"].clone();
    let ends = transitions.as_array().unwrap().iter().filter(|one| one["to"] == "succeeded").count();
    assert_eq!(ends, 1, "{transitions:#}");
    let weights = server.weights(&job, "last");
    server.stop();
    let verified = trainyard().arg("verify").arg(server.data_dir()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    weights
}

#[test]
fn a_death_at_any_step_of_any_durable_write_loses_nothing_that_was_acknowledged() {
    let expected = weights_after(&mut Server::start(), false);
    for name in FAILPOINTS {
        // The first commits belong to the start, before there is anything to lose.
        let place = if name.starts_with("commit.") { format!("{name}:6") } else { name.to_owned() };
        let mut server = Server::with(Settings::default().env("TRAINYARD_FAILPOINT", &place));
        let weights = weights_after(&mut server, true);
        assert!(weights == expected, "killed at {name}: other weights");
    }
}
