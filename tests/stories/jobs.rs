//! Jobs over HTTP: asked for, listed, watched, changed, and let go of, with and without patience.

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

/// Ends in no time worth speaking of.
fn quick() -> Value {
    json!({"dataset": "iris", "target": "species", "epochs": 3, "early_stopping": false})
}

/// Would train for hours if nobody stopped it.
fn endless() -> Value {
    json!({"dataset": "iris", "target": "species", "epochs": 1_000_000, "early_stopping": false})
}

fn id(job: &Value) -> String {
    job["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_dry_run_tells_everything_and_keeps_nothing() {
    let server = Server::start();
    let spec = json!({"dataset": "sample:iris", "target": "species"});
    let preview = server.post("/v1/jobs?dry_run=true", &spec).ok();
    for part in ["spec", "layers", "parameters", "steps", "memory_bytes", "schedule", "warnings"] {
        assert!(!preview[part].is_null(), "no {part} in {preview:#}");
    }
    assert_eq!(server.get("/v1/jobs").ok()["data"], json!([]));
    assert_eq!(server.get("/v1/datasets").ok()["data"], json!([]), "the sample was not installed");
    let problem = server.post("/v1/jobs?dryrun=true", &spec).problem(400, "malformed_request");
    assert!(problem.to_string().contains("did you mean `dry_run`"), "{problem:#}");
}

#[test]
fn the_resolved_spec_is_a_body_of_its_own() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&quick());
    let spec = server.get(&format!("/v1/jobs/{}/spec", id(&job))).ok();
    assert_eq!(spec, job["spec"]);
    let again = server.train(&spec);
    assert_eq!(again["spec"], spec);
    assert_eq!(again["best"], job["best"]);
}

#[test]
fn a_job_is_created_waited_for_and_looks_as_promised() {
    let server = Server::start();
    server.sample("iris");
    let answer = server.send(
        "POST",
        "/v1/jobs?wait=60",
        &[("content-type", "application/json"), ("x-request-id", "asked-by-story")],
        Some(quick().to_string().as_bytes()),
    );
    assert_eq!(answer.status, 201, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    let job = answer.ok();
    assert_eq!(location, format!("/v1/jobs/{}", id(&job)));
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("succeeded"), &json!("epochs_done")));
    assert_eq!(job["progress"]["epoch"], 3);
    assert_eq!(job["progress"]["fraction"], 1.0);
    assert_eq!(job["request"], quick());
    let states: Vec<&Value> = job["transitions"].as_array().unwrap().iter().map(|change| &change["to"]).collect();
    assert_eq!(states, [&json!("queued"), &json!("running"), &json!("succeeded")]);
    for field in ["created_at", "started_at", "finished_at"] {
        let time = job[field].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{field} is {time}");
    }
    assert_eq!(server.get(&format!("{location}/status")).text(), "succeeded");
    for link in job["links"].as_object().unwrap().values() {
        let path = link.as_str().unwrap();
        if !path.ends_with("predictions") {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
    }
    assert!(
        server.log().contains("request_id=asked-by-story") || server.log().contains("request_id=\"asked-by-story\"")
    );
}

#[test]
fn the_list_is_filtered_sorted_cut_and_given_in_the_form_asked_for() {
    let server = Server::with(Settings::workers(2));
    server.sample("iris");
    for (name, rate) in [("a", 0.1), ("b", 0.01), ("c", 0.001)] {
        let mut spec = quick();
        spec["name"] = json!(name);
        spec["tags"] = json!({"team": if name == "a" { "red" } else { "blue" }});
        spec["optimizer"] = json!({"type": "sgd", "learning_rate": rate});
        server.train(&spec);
    }
    let names = |query: &str| -> Vec<String> {
        let page = server.get(&format!("/v1/jobs?{query}")).ok();
        page["data"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["c", "b", "a"], "newest first");
    assert_eq!(names("tag=team:blue"), ["c", "b"]);
    assert_eq!(names("name=a&name=b"), ["b", "a"]);
    assert_eq!(names("status=succeeded&sort=name"), ["a", "b", "c"]);
    assert_eq!(names("sort=-spec.optimizer.learning_rate&limit=1"), ["a"]);
    assert!(names("status=failed").is_empty());
    assert_eq!(names("dataset=iris").len(), 3);

    let first = server.get("/v1/jobs?limit=2&sort=name");
    assert!(first.header("link").unwrap().contains("rel=\"next\""));
    let first = first.ok();
    assert_eq!(first["has_more"], true);
    assert!(first["data"][0].get("spec").is_none(), "lists leave out the documents");
    assert_eq!(names(&format!("limit=2&sort=name&after={}", first["next_cursor"].as_str().unwrap())), ["c"]);

    let rows = server.get("/v1/jobs?format=rows&sort=name&fields=name,best.value,spec.epochs").ok();
    assert_eq!(rows[0]["name"], "a");
    assert!(rows[0]["best.value"].is_number());
    assert_eq!(rows[0]["spec.epochs"], 3);
    let csv = server.get("/v1/jobs?format=csv&sort=name&fields=name,tags.team").text();
    assert_eq!(csv, "name,tags.team\na,red\nb,blue\nc,blue\n");
    let lines = server.send("GET", "/v1/jobs?fields=name", &[("accept", "application/x-ndjson")], None).text();
    assert_eq!(lines.lines().count(), 3);
}

#[test]
fn a_running_job_is_cancelled_within_a_second_and_then_nothing_changes_it() {
    let server = Server::start();
    server.sample("iris");
    let id = server.submit(&endless());
    server.until(&id, |job| job["status"] == "running");
    let asked = std::time::Instant::now();
    let answer = server.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!(answer.status, 202, "{answer:?}");
    let job = server.finished(&id);
    assert!(asked.elapsed().as_secs_f64() < 1.0, "{:?}", asked.elapsed());
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).status, 200, "it holds already");
    let problem = server.post(&format!("/v1/jobs/{id}/resume"), &json!({})).problem(409, "wrong_state");
    assert!(problem["detail"].as_str().unwrap().contains("cancelled"), "{problem:#}");
}

#[test]
fn a_queued_job_is_cancelled_at_once_and_can_be_changed_while_it_waits() {
    let server = Server::start();
    server.sample("iris");
    let busy = server.submit(&endless());
    server.until(&busy, |job| job["status"] == "running");
    let waiting = server.submit(&quick());
    let path = format!("/v1/jobs/{waiting}");
    let patched = server.patch(&path, &json!({"name": "second", "priority": 7, "tags": {"a": "b"}})).ok();
    assert_eq!(
        (&patched["name"], &patched["priority"], &patched["tags"]),
        (&json!("second"), &json!(7), &json!({"a": "b"}))
    );
    let problem = server.patch(&path, &json!({"nmae": "x", "priority": "high"})).problem(422, "invalid_body");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem:#}");
    server.delete(&path).problem(409, "wrong_state");
    assert_eq!(server.post(&format!("{path}/cancel"), &json!({})).ok()["status"], "cancelled");
    assert_eq!(server.delete(&path).status, 204);
    server.get(&path).problem(404, "not_found");
    server.delete("/v1/datasets/iris").problem(409, "in_use");
    assert_eq!(server.delete(&format!("/v1/jobs/{busy}?force=true")).status, 204);
    assert_eq!(server.get("/v1/jobs").ok()["data"], json!([]));
}

#[test]
fn a_fork_changes_what_its_patch_names_and_keeps_the_seed() {
    let server = Server::start();
    server.sample("iris");
    let parent = server.train(&quick());
    let path = format!("/v1/jobs/{}/fork", id(&parent));
    let patch = json!({"optimizer": {"type": "sgd", "learning_rate": 0.05}, "epochs": 4});
    let headers = [("content-type", "application/merge-patch+json")];
    let answer = server.send("POST", &format!("{path}?wait=60"), &headers, Some(patch.to_string().as_bytes()));
    assert_eq!(answer.status, 201, "{answer:?}");
    let child = answer.ok();
    assert_eq!(child["parent"]["job"], parent["id"]);
    assert_eq!((&child["parent"]["relation"], &child["parent"]["patch"]), (&json!("fork"), &patch));
    assert_eq!(child["spec"]["seed"], parent["spec"]["seed"]);
    assert_eq!(child["spec"]["epochs"], 4);
    assert_eq!(child["spec"]["optimizer"]["type"], "sgd");
    assert_eq!(child["request"]["target"], "species");
    server.post(&path, &json!({"epochs": -1})).problem(422, "invalid_job_spec");
    let children = server.get(&format!("/v1/jobs?parent={}", id(&parent))).ok();
    assert_eq!(children["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_repeated_request_with_its_key_makes_one_job() {
    let mut server = Server::start();
    server.sample("iris");
    let ask = |server: &Server, spec: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "job-1")];
        server.send("POST", "/v1/jobs", &headers, Some(spec.to_string().as_bytes()))
    };
    let first = ask(&server, &quick());
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{first:?}");
    let first = first.ok();
    let again = ask(&server, &quick());
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.ok(), first);
    server.restart();
    assert_eq!(ask(&server, &quick()).ok()["id"], first["id"]);
    ask(&server, &endless()).problem(422, "idempotency_key_reused");
    assert_eq!(server.get("/v1/jobs").ok()["data"].as_array().unwrap().len(), 1);
    // A refused request made nothing; its key is free again.
    let headers = [("content-type", "application/json"), ("idempotency-key", "job-2")];
    server.send("POST", "/v1/jobs", &headers, Some(b"{}")).problem(422, "invalid_job_spec");
    assert_eq!(server.send("POST", "/v1/jobs", &headers, Some(quick().to_string().as_bytes())).status, 201);
}

#[test]
fn a_poll_that_finds_no_change_costs_no_body() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&quick());
    let base = format!("/v1/jobs/{}", id(&job));
    for path in [base.clone(), format!("{base}/metrics"), format!("{base}/loss.svg")] {
        let answer = server.get(&path);
        let tag = answer.header("etag").expect("a tag").to_owned();
        let again = server.send("GET", &path, &[("if-none-match", &tag)], None);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    // A wait for a change that does not come ends with 304 when its time is over.
    let tag = server.get(&base).header("etag").unwrap().to_owned();
    let waited = server.send("GET", &format!("{base}?wait=0.2"), &[("if-none-match", &tag)], None);
    assert_eq!(waited.status, 304);
    server.get(&format!("{base}?wait=61")).problem(400, "malformed_request");
}
