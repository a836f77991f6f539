//! The whole strategy with one request: it ends with a model and says why, whatever happens to the server meanwhile.

use serde_json::{Value, json};

use crate::kit::{Server, Settings, find_number};

fn least(changes: Value) -> Value {
    let mut request = json!({"dataset": "iris", "target": "species", "budget": {"jobs": 6}, "folds": 3, "seed": 2});
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn begin(server: &Server, request: &Value) -> String {
    let answer = server.post("/v1/autotrain", request);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn ended(server: &Server, id: &str) -> Value {
    for _ in 0..20 {
        let run = server.get(&format!("/v1/autotrain/{id}?wait=30")).ok();
        if !run["finished_at"].is_null() {
            return run;
        }
    }
    panic!("{id} has not ended\n{}", server.log());
}

/// What must be the same in two runs of the same request: everything but ids and times.
fn essence(run: &Value) -> Value {
    let steps = run["steps"].as_array().unwrap().iter().map(|step| {
        let trials = step["outcome"]["trials"].as_array().into_iter().flatten();
        let losses: Vec<&Value> = trials.map(|trial| &trial["losses"]).collect();
        json!([step["title"], step["reason"], step["recipes"], losses])
    });
    json!({"steps": steps.collect::<Vec<_>>(), "test": run["result"]["test"], "recipe": run["result"]["recipe"]})
}

#[test]
fn one_request_leads_to_a_model_and_a_page_that_says_why() {
    let server = Server::with(Settings::workers(2));
    server.sample("iris");
    let began = std::time::Instant::now();
    let answer = server.post("/v1/autotrain?wait=60", &least(json!({"name": "doctor"})));
    assert_eq!(answer.status, 201, "{answer:?}");
    let waited = answer.json();
    assert!(!waited["finished_at"].is_null() || began.elapsed().as_secs() >= 60, "it did not wait: {waited:#}");
    let id = waited["id"].as_str().unwrap().to_owned();
    let run = ended(&server, &id);
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let kinds: Vec<&str> = run["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..5], ["data", "network", "overfit", "range", "train"], "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"final"));
    for step in run["steps"].as_array().unwrap() {
        assert!(step["reason"].as_str().unwrap().len() > 40 && !step["finished_at"].is_null(), "{step:#}");
    }

    // The rate of the first recipe is the strategy's own: nobody is told that it is wrong.
    let said = run["steps"][3]["outcome"]["reports"][0]["advice"].as_str().unwrap();
    assert!(said.contains("falls fastest") && !said.contains("0.003"), "{said}");
    let findings = run["result"]["findings"].as_array().unwrap();
    let known = ["within_noise", "best_at_the_border"];
    assert!(findings.iter().all(|finding| known.contains(&finding["code"].as_str().unwrap())), "{findings:#?}");

    // The budget: five cross-validations and the model.
    let jobs = server.get(&format!("/v1/jobs?autotrain={id}&limit=100")).ok();
    let jobs = jobs["data"].as_array().unwrap();
    assert_eq!((jobs.len(), &run["result"]["trainings"]), (6, &json!(6)));
    assert!(jobs[1..].iter().all(|job| job["folds"]["count"] == 3), "{jobs:#?}");

    // The model: an ordinary job, the only one in the list, tested on rows that no trial has seen.
    let listed = server.get("/v1/jobs").ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let model = &listed["data"][0];
    assert_eq!((&model["id"], &model["parent"]["autotrain"]), (&run["model"], &json!(id)));
    let tested = run["result"]["test"]["test_accuracy"].as_f64().unwrap();
    assert!(tested > 0.85, "{run:#}");
    let path = format!("/v1/jobs/{}/evaluation?split=test", run["model"].as_str().unwrap());
    let evaluation = server.get(&path).ok();
    assert!((29..=31).contains(&evaluation["rows"].as_u64().unwrap()), "two equal rows stay together: {evaluation}");
    assert!((find_number(&evaluation, "accuracy").unwrap() - tested).abs() < 1e-12);
    let trial = jobs[1]["id"].as_str().unwrap();
    let fold = server.get(&format!("/v1/jobs?parent={trial}")).ok()["data"][0].clone();
    assert!(fold["last"].as_object().unwrap().keys().all(|name| !name.starts_with("test_")), "{fold:#}");
    let row = json!({"rows": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]});
    let path = format!("/v1/jobs/{}/predictions", run["model"].as_str().unwrap());
    assert_eq!(server.post(&path, &row).ok()["predictions"][0]["species"]["label"], "setosa");

    let page = server.get(&format!("/v1/autotrain/{id}/report"));
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    let page = page.text();
    for step in run["steps"].as_array().unwrap() {
        assert!(page.contains(step["title"].as_str().unwrap()));
    }
    assert!(page.matches("data:image/svg+xml;base64,").count() >= 5 && !page.contains("<script"));

    // Gone with its trials; the model stays.
    assert_eq!(server.delete(&format!("/v1/autotrain/{id}")).status, 204);
    assert_eq!(server.get(&format!("/v1/autotrain/{id}")).status, 404);
    assert_eq!(server.get(&format!("/v1/jobs/{trial}")).status, 404);
    assert_eq!(server.get("/v1/jobs?folds=true").ok()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_that_is_killed_with_its_server_ends_with_the_same_model() {
    let undisturbed = Server::with(Settings::workers(2));
    undisturbed.sample("iris");
    let expected = ended(&undisturbed, &begin(&undisturbed, &least(json!({}))));

    let mut server = Server::start();
    server.sample("iris");
    let id = begin(&server, &least(json!({})));
    let steps = |server: &Server, at_least: usize| loop {
        let answer = server.get(&format!("/v1/autotrain/{id}"));
        let tag = answer.header("etag").unwrap().to_owned();
        if answer.ok()["steps"].as_array().unwrap().len() >= at_least {
            return;
        }
        server.send("GET", &format!("/v1/autotrain/{id}?wait=5"), &[("if-none-match", &tag)], None);
    };
    for at_least in [2, 5, 6] {
        steps(&server, at_least);
        server.restart();
    }
    let run = ended(&server, &id);
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(essence(&run), essence(&expected));
    let weights = |server: &Server, run: &Value| server.weights(run["model"].as_str().unwrap(), "last");
    assert!(weights(&server, &run) == weights(&undisturbed, &expected));
}

#[cfg(debug_assertions)] // release builds have no failpoints
#[test]
fn a_death_at_any_write_of_a_run_loses_nothing_and_repeats_nothing() {
    let request = least(json!({"budget": {"jobs": 2}}));
    let headers = [("content-type", "application/json"), ("idempotency-key", "the run")];
    for name in trainyard::store::AUTOTRAIN_FAILPOINTS {
        // The fifth step is the first that has jobs.
        let place = if name.contains("job") || name.contains("step") { format!("{name}:5") } else { name.to_owned() };
        let mut server = Server::with(Settings::default().env("TRAINYARD_FAILPOINT", &place));
        server.sample("iris");
        let first = server.try_send("POST", "/v1/autotrain", &headers, Some(request.to_string().as_bytes()));
        assert!(first.is_ok() || name == "autotrain.inserted", "{name}");
        assert!(server.was_killed(), "{name} is never passed");
        server.restart_with(Settings::default());
        let again = server.send("POST", "/v1/autotrain", &headers, Some(request.to_string().as_bytes()));
        assert_eq!(again.status, 201, "{again:?}");
        let run = ended(&server, again.json()["id"].as_str().unwrap());
        assert_eq!(run["status"], "succeeded", "{name}: {run:#}");
        assert_eq!(server.get("/v1/autotrain").ok()["data"].as_array().unwrap().len(), 1, "{name}");
        let jobs = server.get("/v1/jobs?folds=true").ok();
        assert_eq!(jobs["data"].as_array().unwrap().len(), 5, "{name}: a cross-validation of three, and the model");
    }
}

#[test]
fn a_run_ends_when_it_is_cancelled_and_its_jobs_with_it() {
    let server = Server::start();
    server.sample("digits");
    let id = begin(&server, &json!({"dataset": "digits", "target": "digit"}));
    assert_eq!(server.delete(&format!("/v1/autotrain/{id}")).problem(409, "wrong_state")["status"], 409);
    loop {
        let jobs = server.get(&format!("/v1/jobs?autotrain={id}&status=running")).ok();
        if !jobs["data"].as_array().unwrap().is_empty() {
            break;
        }
        let run = server.get(&format!("/v1/autotrain/{id}?wait=1")).ok();
        assert!(run["finished_at"].is_null(), "{run:#}");
    }
    assert_eq!(server.post(&format!("/v1/autotrain/{id}/cancel"), &json!({})).status, 202);
    let run = ended(&server, &id);
    assert_eq!((&run["status"], &run["model"]), (&json!("cancelled"), &Value::Null));
    let left = server.get("/v1/jobs?folds=true&status=queued&status=running&status=paused").ok();
    assert_eq!(left["data"], json!([]));
    assert_eq!(server.post(&format!("/v1/autotrain/{id}/cancel"), &json!({})).status, 200);
    assert_eq!(server.get("/v1/autotrain?status=cancelled").ok()["data"].as_array().unwrap().len(), 1);
    assert!(server.get(&format!("/v1/autotrain/{id}/report")).text().contains("cancelled"));
    assert_eq!(server.delete(&format!("/v1/autotrain/{id}")).status, 204);
}

#[test]
fn a_budget_in_seconds_is_kept_and_another_dataset_can_test() {
    let server = Server::with(Settings::workers(2));
    server.sample("diabetes");
    let began = std::time::Instant::now();
    let request = json!({
        "dataset": "diabetes", "target": "progression", "test": {"dataset": "diabetes"}, "budget": {"seconds": 6}, "folds": 3
    });
    let run = ended(&server, &begin(&server, &request));
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert!(began.elapsed().as_secs_f64() < 60.0, "{:?}", began.elapsed());
    assert!(run["result"]["test"]["test_loss"].as_f64().is_some_and(|loss| loss < 4500.0), "{}", run["result"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_every_fault() {
    let server = Server::start();
    server.sample("iris");
    let refused = |request: Value| {
        let problem = server.post("/v1/autotrain", &request).problem(422, "invalid_job_spec");
        let errors = problem["errors"].as_array().unwrap().clone();
        let at = |error: &Value| error["pointer"].as_str().unwrap().to_owned();
        errors.iter().map(|error| (at(error), error["detail"].as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    let told = refused(json!({
        "dataset": "iris", "target": "specis", "epochs": 5, "budget": {"jobs": 0}, "test": {"dataset": "nowhere"}
    }));
    let has = |pointer: &str, word: &str| {
        assert!(told.iter().any(|(at, detail)| at == pointer && detail.contains(word)), "{pointer} {word}: {told:?}");
    };
    has("/target", "did you mean \"species\"");
    has("/epochs", "autotrain chooses it");
    has("/budget/jobs", "from 2 to 1000");
    let told = refused(json!({"dataset": "iris", "target": "species", "test": {"dataset": "nowhere"}}));
    assert_eq!(told[0].0, "/test/dataset", "{told:?}");
    let told = refused(json!({"dataset": "iris", "target": "species", "group": "species", "folds": 5}));
    assert!(told[0].0 == "/folds" && told[0].1.contains("3 groups"), "{told:?}");
    let told = refused(json!({"dataset": "nowhere", "target": "species"}));
    assert_eq!(told[0].0, "/dataset", "{told:?}");
    assert_eq!(server.post("/v1/autotrain", &json!([1])).status, 422);
    assert_eq!(server.get("/v1/autotrain").ok()["data"], json!([]));
    assert_eq!(server.get("/v1/autotrain/auto_1").problem(404, "not_found")["status"], 404);
}

/// The same rows that scikit-learn's search learned from, and the same that it was judged by: `bench/autotrain` has its script, and compares
/// on all data sets, with the time.
#[test]
fn it_reaches_a_random_search_of_scikit_learn_within_a_standard_error() {
    let marks: Value = serde_json::from_slice(&crate::kit::file("bench/autotrain/reference.json")).unwrap();
    let server = Server::with(Settings::workers(2));
    for (name, target) in [("wine", "cultivar"), ("diabetes", "progression")] {
        let mark = &marks[name];
        let held: Vec<usize> =
            mark["test_rows"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap() as usize).collect();
        let text = String::from_utf8(crate::kit::file(&format!("src/data/samples/{name}.csv"))).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        let part = |keep: bool| {
            let kept = rows.lines().enumerate().filter(|(row, _)| held.contains(row) == keep);
            kept.fold(header.to_owned(), |text, (_, line)| text + "\n" + line)
        };
        server.upload(&format!("{name}-train"), part(false));
        server.upload(&format!("{name}-test"), part(true));
        let request = json!({
            "dataset": format!("{name}-train"), "target": target, "test": {"dataset": format!("{name}-test")},
            "budget": {"jobs": 12}
        });
        let run = ended(&server, &begin(&server, &request));
        assert_eq!(run["status"], "succeeded", "{run:#}");
        let path = format!("/v1/jobs/{}/evaluation?split=test&bootstrap=0", run["model"].as_str().unwrap());
        let reached = find_number(&server.get(&path).ok(), mark["measure"].as_str().unwrap()).unwrap();
        let (value, error) = (mark["value"].as_f64().unwrap(), mark["standard_error"].as_f64().unwrap());
        println!("{name}: {reached:.4}, scikit-learn {value:.4} ± {error:.4}");
        assert!(reached >= value - error, "{name}: {reached} against {value} ± {error}\n{:#}", run["result"]);
    }
}

#[test]
fn the_doctor_tells_each_step_and_writes_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let sample = crate::kit::file("src/data/samples/iris.csv");
    std::fs::write(folder.path().join("flowers.csv"), &sample).unwrap();
    let doctor = |arguments: &[&str]| {
        crate::kit::trainyard().arg("doctor").args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let told = doctor(&["flowers.csv", "--target", "species", "--jobs", "3"]);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&told.stderr));
    for words in ["1. Look at the data", "Find the range of the learning rate", "Train the model", "model       job_"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let page = std::fs::read_to_string(folder.path().join("doctor.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Train the model"));
    let wrong = doctor(&["flowers.csv", "--target", "specis"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"species\""));
    let unreachable = doctor(&["sample:iris", "--target", "species", "--url", "http://127.0.0.1:1"]);
    assert_eq!(unreachable.status.code(), Some(4), "{}", String::from_utf8_lossy(&unreachable.stderr));
}
