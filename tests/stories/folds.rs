//! Cross-validation: one job that leads a job for each fold, and is told as one.

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

fn spec(changes: Value) -> Value {
    let mut spec = json!({
        "dataset": "iris", "target": "species", "seed": 3, "hidden_layers": [8], "epochs": 20,
        "early_stopping": {"patience": 8}, "split": {"k_folds": 5}
    });
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

/// Long enough to be disturbed, with checkpoints to go on from.
fn long(epochs: u64) -> Value {
    spec(json!({
        "split": {"k_folds": 3}, "epochs": epochs, "early_stopping": false, "checkpoints": {"every": {"steps": 50}}
    }))
}

fn folds(server: &Server, leader: &str) -> Vec<Value> {
    let listed = server.get(&format!("/v1/jobs?parent={leader}&sort=created_at")).ok();
    listed["data"].as_array().unwrap().clone()
}

fn id(job: &Value) -> String {
    job["id"].as_str().unwrap().to_owned()
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

fn near(a: &Value, b: f64) -> bool {
    a.as_f64().is_some_and(|a| (a - b).abs() <= 1e-12 * (1.0 + b.abs()))
}

#[test]
fn every_row_is_held_out_once_and_the_job_tells_mean_and_spread() {
    let server = Server::start();
    server.sample("iris");
    let leader = server.train(&spec(json!({"name": "five"})));
    let members = folds(&server, &id(&leader));
    assert_eq!(members.len(), 5);
    for (member, fold) in members.iter().zip(1..) {
        assert_eq!(member["parent"]["relation"], "fold");
        assert_eq!((&member["parent"]["job"], &member["parent"]["fold"]), (&leader["id"], &json!(fold)));
        assert_eq!(member["status"], "succeeded");
        assert_eq!(leader["folds"]["jobs"][fold - 1]["job"], member["id"]);
    }
    assert_eq!(leader["stop_reason"], "folds_done");
    assert_eq!(leader["folds"]["succeeded"], 5);

    // In the job: the numbers of each fold's best epoch.
    let best: Vec<f64> = members.iter().map(|member| member["best"]["value"].as_f64().unwrap()).collect();
    let (mean, sd) = mean_and_sd(&best);
    let told = &leader["folds"]["metrics"]["val_loss"];
    assert!(near(&told["mean"], mean) && near(&told["sd"], sd), "{told}");
    assert!(near(&leader["best"]["value"], mean));

    // In the curves: the mean over the folds that got so far, and the folds by name.
    let names = "val_loss,sd/val_loss,fold/2/val_loss,folds";
    let curves = server.get(&format!("/v1/jobs/{}/metrics?names={names}", id(&leader))).ok();
    assert_eq!(curves["complete"], true);
    let own = |member: &Value| {
        let metrics = server.get(&format!("/v1/jobs/{}/metrics?names=val_loss", id(member))).ok();
        metrics["columns"]["val_loss"].as_array().unwrap().clone()
    };
    let all: Vec<Vec<Value>> = members.iter().map(own).collect();
    let longest = all.iter().map(Vec::len).max().unwrap();
    assert_eq!(curves["columns"]["epoch"].as_array().unwrap().len(), longest);
    for epoch in 0..longest {
        let values: Vec<f64> = all.iter().filter_map(|curve| curve.get(epoch)?.as_f64()).collect();
        assert_eq!(curves["columns"]["folds"][epoch], values.len() as f64);
        let (mean, sd) = mean_and_sd(&values);
        assert!(near(&curves["columns"]["val_loss"][epoch], mean), "epoch {epoch}");
        assert!(values.len() < 2 || near(&curves["columns"]["sd/val_loss"][epoch], sd), "epoch {epoch}");
        assert_eq!(&curves["columns"]["fold/2/val_loss"][epoch], all[1].get(epoch).unwrap_or(&Value::Null));
    }

    // In the evaluation: each row once, by the fold that did not learn from it.
    let pooled = server.get(&format!("/v1/jobs/{}/evaluation", id(&leader))).ok();
    assert_eq!((&pooled["rows"], &pooled["split"]), (&json!(150), &json!("out_of_fold")));
    let species = &pooled["targets"]["species"];
    let each = |member: &Value| {
        let found = server.get(&format!("/v1/jobs/{}/evaluation?split=validation", id(member))).ok();
        let rows = found["rows"].as_f64().unwrap();
        assert!((29.0..=31.0).contains(&rows), "two equal rows stay together: {rows}");
        (rows, found["targets"]["species"]["accuracy"].as_f64().unwrap())
    };
    let each: Vec<(f64, f64)> = members.iter().map(each).collect();
    let right = each.iter().map(|(rows, accuracy)| rows * accuracy).sum::<f64>();
    assert!(near(&species["accuracy"], right / 150.0), "{species}");
    let (mean, sd) = mean_and_sd(&each.iter().map(|(_, accuracy)| *accuracy).collect::<Vec<_>>());
    assert!(near(&species["folds"]["accuracy"]["mean"], mean) && near(&species["folds"]["accuracy"]["sd"], sd));
    assert!(species["baseline"]["linear"]["accuracy"].as_f64() > Some(0.9), "{}", species["baseline"]);
    let page = server.get(&format!("/v1/jobs/{}/report", id(&leader))).text();
    assert!(page.contains("<h2>Folds</h2>") && page.contains("mean ± sd"), "the page has the folds");
    let picture = server.get(&format!("/v1/jobs/{}/evaluation/confusion.svg", id(&leader)));
    assert!(picture.text().contains("150 rows of out_of_fold"));

    // Of another dataset each row is predicted by the mean of all folds: by Jensen no worse than they are on average.
    let elsewhere = |job: &Value| {
        let found = server.get(&format!("/v1/jobs/{}/evaluation?dataset=iris", id(job))).ok();
        assert_eq!((&found["rows"], &found["split"]), (&json!(150), &json!("dataset")), "{found:#}");
        found["targets"]["species"].clone()
    };
    let together = elsewhere(&leader);
    let alone: Vec<Value> = members.iter().map(elsewhere).collect();
    let of = |name: &str| alone.iter().map(|one| one[name].as_f64().unwrap()).collect::<Vec<f64>>();
    for name in ["accuracy", "log_loss"] {
        let (mean, sd) = mean_and_sd(&of(name));
        assert!(
            near(&together["folds"][name]["mean"], mean) && near(&together["folds"][name]["sd"], sd),
            "{together:#}"
        );
    }
    let mean = mean_and_sd(&of("log_loss")).0;
    let found = together["log_loss"].as_f64().unwrap();
    assert!(found < mean && found > mean / 2.0, "{found} against {mean}");

    // In the list: once.
    let listed = server.get("/v1/jobs").ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(server.get("/v1/jobs?folds=true").ok()["data"].as_array().unwrap().len(), 6);
    let events = server.get(&format!("/v1/jobs/{}/events?type=log", id(&leader))).ok();
    let told = events["data"].as_array().unwrap().iter().filter(|event| event["data"]["status"] == "succeeded").count();
    assert_eq!(told, 5, "{events:#}");
    let diagnosis = server.get(&format!("/v1/jobs/{}/diagnosis", id(&leader))).ok();
    assert_eq!(diagnosis["complete"], true);

    // A fold is an ordinary spec, and gives the fold's bytes when it is sent alone.
    let third = server.get(&format!("/v1/jobs/{}/spec", id(&members[2]))).ok();
    assert_eq!(third["split"]["fold"], 3);
    let alone = server.train(&third);
    assert!(server.weights(&id(&alone), "best") == server.weights(&id(&members[2]), "best"));

    assert_eq!(server.delete(&format!("/v1/jobs/{}", id(&members[0]))).problem(409, "wrong_state")["status"], 409);
    assert_eq!(server.delete(&format!("/v1/jobs/{}", id(&leader))).status, 204);
    assert!(members.iter().all(|member| server.get(&format!("/v1/jobs/{}", id(member))).status == 404));
}

#[test]
fn folds_are_killed_with_the_server_and_end_with_the_same_bytes() {
    let undisturbed = Server::with(Settings::workers(2));
    undisturbed.sample("iris");
    let expected = undisturbed.train(&long(2400));
    let wanted: Vec<Vec<u8>> =
        folds(&undisturbed, &id(&expected)).iter().map(|fold| undisturbed.weights(&id(fold), "last")).collect();

    let mut server = Server::start();
    server.sample("iris");
    let leader = server.submit(&long(2400));
    for done in [0.1, 0.4, 0.7] {
        let job = server.until(&leader, |job| job["progress"]["fraction"].as_f64() >= Some(done));
        assert!(job["finished_at"].is_null(), "too quick to be killed: {job:#}");
        server.restart();
        assert_ne!(server.get(&format!("/v1/jobs/{leader}")).ok()["status"], "failed");
    }
    let job = server.finished(&leader);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["best"], expected["best"]);
    assert_eq!(job["folds"]["metrics"], expected["folds"]["metrics"]);
    let found: Vec<Vec<u8>> = folds(&server, &leader).iter().map(|fold| server.weights(&id(fold), "last")).collect();
    assert!(found == wanted);
    let curve = |server: &Server, id: &str| {
        let metrics = server.get(&format!("/v1/jobs/{id}/metrics?names=loss,val_loss,sd/loss,folds")).ok();
        ["epoch", "step", "loss", "val_loss", "sd/loss", "folds"].map(|name| metrics["columns"][name].clone())
    };
    assert_eq!(curve(&server, &leader), curve(&undisturbed, &id(&expected)));
}

#[test]
fn a_wish_for_the_whole_reaches_every_fold() {
    let server = Server::start();
    server.sample("iris");
    let leader = server.submit(&long(4000));
    let statuses = |server: &Server| -> Vec<String> {
        folds(server, &leader).iter().map(|fold| fold["status"].as_str().unwrap().to_owned()).collect()
    };
    server.until(&leader, |job| job["status"] == "running");
    assert_eq!(statuses(&server).iter().filter(|status| *status == "running").count(), 1, "one worker, one fold");

    assert_eq!(server.post(&format!("/v1/jobs/{leader}/pause"), &json!({})).status, 202);
    server.until(&leader, |job| job["status"] == "paused");
    assert_eq!(statuses(&server), ["paused"; 3]);
    // A worker is free: the place was given back.
    server.train(&spec(json!({"split": {"validation": 0.2}})));
    assert_eq!(statuses(&server), ["paused"; 3]);

    assert_eq!(server.post(&format!("/v1/jobs/{leader}/resume"), &json!({})).status, 202);
    server.until(&leader, |job| job["status"] == "running");
    server.patch(&format!("/v1/jobs/{leader}"), &json!({"priority": 7})).ok();
    assert!(folds(&server, &leader).iter().all(|fold| fold["priority"] == 7));

    // One fold alone is not to be stopped: its leader would wait for ever.
    let first = id(&folds(&server, &leader)[0]);
    let refused = server.post(&format!("/v1/jobs/{first}/cancel"), &json!({})).problem(409, "wrong_state");
    assert!(refused["detail"].as_str().unwrap().contains(&leader), "{refused}");

    assert_eq!(server.post(&format!("/v1/jobs/{leader}/cancel"), &json!({})).status, 202);
    let job = server.finished(&leader);
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(statuses(&server), ["cancelled"; 3]);
}

#[test]
fn a_fold_that_fails_fails_the_whole_and_is_named() {
    let server = Server::start();
    server.sample("diabetes");
    let leader = server.submit(&json!({
        "dataset": "diabetes", "target": "progression", "split": {"k_folds": 4}, "hidden_layers": [16],
        "activation": "relu", "optimizer": {"type": "sgd", "learning_rate": 1e30}, "epochs": 50, "early_stopping": false
    }));
    let job = server.finished(&leader);
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("failed"), &json!("diverged")), "{job:#}");
    assert_eq!((&job["error"]["code"], &job["error"]["fold"]), (&json!("fold_failed"), &json!(1)));
    assert!(job["error"]["detail"].as_str().unwrap().starts_with("fold 1 of 4 (job_"), "{}", job["error"]);
    assert_eq!(job["error"]["error"]["code"], "diverged");
    let ends: Vec<Value> = folds(&server, &leader).iter().map(|fold| fold["status"].clone()).collect();
    // One that ran meanwhile may have diverged by itself; none is left that goes on.
    assert_eq!(ends[0], "failed", "{ends:?}");
    assert!(ends[1..].iter().all(|end| end == "failed" || end == "cancelled"), "{ends:?}");
}

#[test]
fn what_makes_no_folds_is_refused_with_the_remedy() {
    let server = Server::start();
    server.sample("iris");
    let refused = |split: Value, pointer: &str, word: &str| {
        let problem = server.post("/v1/jobs", &spec(json!({"split": split}))).problem(422, "invalid_job_spec");
        let found = problem["errors"].as_array().unwrap().iter().find(|error| error["pointer"] == pointer);
        assert!(found.is_some_and(|error| error["detail"].as_str().unwrap().contains(word)), "{problem:#}");
    };
    refused(json!({"k_folds": 1}), "/split/k_folds", "from 2 to 100");
    refused(json!({"k_folds": 5, "fold": 0}), "/split/fold", "from 1 to 5");
    refused(json!({"k_folds": 5, "validation": 0.2}), "/split/validation", "validates once");
    refused(json!({"k_folds": 5, "column": "species"}), "/split", "exclude each other");
    refused(json!({"k_folds": 5, "group": "species"}), "/split/k_folds", "3 groups");
    assert_eq!(server.get("/v1/jobs").ok()["data"], json!([]));

    let leader = server.submit(&spec(json!({})));
    let early = server.get(&format!("/v1/jobs/{leader}/evaluation"));
    assert!(early.status == 409 || early.status == 200, "{early:?}");
    server.finished(&leader);
    let row = json!({"rows": [{"sepal_length": 5.1}]});
    let none = server.post(&format!("/v1/jobs/{leader}/predictions"), &row).problem(409, "wrong_state");
    assert!(none["detail"].as_str().unwrap().contains("cross-validation"), "{none}");
}
