//! The diagnosis over a grid of runs: every bad run has a finding that names a cause, no good run has an error, and the change that is offered first helps.

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

/// A run of the grid and what became of it.
struct Played {
    label: String,
    accuracy: f64,
    val_loss: f64,
    findings: Vec<Value>,
    id: String,
}

/// Optimizers with rates from far too small to far too large.
const GRID: [(&str, f64, [f64; 5]); 5] = [
    ("sgd", 0.0, [1e-4, 1e-3, 0.1, 0.5, 10.0]),
    ("sgd", 0.9, [1e-5, 1e-3, 0.03, 0.3, 3.0]),
    ("adagrad", 0.0, [1e-5, 1e-3, 0.05, 1.0, 10.0]),
    ("rmsprop", 0.0, [1e-6, 1e-4, 2e-3, 0.1, 1.0]),
    ("adam", 0.0, [1e-6, 1e-4, 2e-3, 0.1, 1.0]),
];

fn play(server: &Server, label: String, spec: &Value) -> Played {
    let job = server.finished(&server.submit(spec));
    read(server, label, &job)
}

fn read(server: &Server, label: String, job: &Value) -> Played {
    let id = job["id"].as_str().unwrap().to_owned();
    let diagnosis = server.get(&format!("/v1/jobs/{id}/diagnosis")).ok();
    assert_eq!(diagnosis["complete"], true);
    // What was found is also told as it happens.
    let events = server.get(&format!("/v1/jobs/{id}/events?type=finding&limit=100")).ok();
    let told = |code: &Value| events["data"].as_array().unwrap().iter().any(|event| event["data"]["code"] == *code);
    let found = diagnosis["data"].as_array().unwrap();
    assert!(found.iter().all(|finding| told(&finding["code"])), "{diagnosis:#}\n{events:#}");
    let last = &job["last"];
    Played {
        label,
        accuracy: if job["status"] == "succeeded" { last["val_accuracy"].as_f64().unwrap_or(0.0) } else { 0.0 },
        val_loss: if job["status"] == "succeeded" {
            last["val_loss"].as_f64().unwrap_or(f64::INFINITY)
        } else {
            f64::INFINITY
        },
        findings: diagnosis["data"].as_array().unwrap().clone(),
        id,
    }
}

/// What a grid of runs came to.
struct Outcome {
    table: String,
    /// Bad runs without a cause, good ones with an error.
    unnamed: Vec<String>,
    alarmed: Vec<String>,
    bad: usize,
    helped: usize,
}

/// Plays every activation, optimizer and rate on a dataset; `spec` has the rest. Each bad run is forked by its first patch.
fn play_all(server: &Server, name: &str, spec: &Value, grid: &[(&str, f64, [f64; 5])], outcome: &mut Outcome) {
    for (optimizer, momentum, rates) in grid {
        for (activation, rate) in ["relu", "tanh", "sigmoid"].iter().flat_map(|a| rates.map(|rate| (*a, rate))) {
            let mut spec = spec.clone();
            spec["activation"] = json!(activation);
            spec["optimizer"] = json!({"type": optimizer, "learning_rate": rate});
            if *momentum > 0.0 {
                spec["optimizer"]["momentum"] = json!(momentum);
            }
            let run = play(server, format!("{name} {optimizer} {momentum} {activation} {rate}"), &spec);
            let codes: Vec<&str> = run.findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
            let errors = run.findings.iter().filter(|finding| finding["severity"] == "error").count();
            let causes = run.findings.iter().filter(|finding| finding["severity"] != "info").count();
            let mut line = format!("{:<38} {:.3} {:>9.4} {}", run.label, run.accuracy, run.val_loss, codes.join(" "));
            if run.accuracy < 0.9 {
                outcome.bad += 1;
                if causes == 0 {
                    outcome.unnamed.push(run.label.clone());
                }
                let patch = run.findings.iter().map(|finding| &finding["patch"]).find(|patch| !patch.is_null());
                if let Some(patch) = patch {
                    let fork = server.post(&format!("/v1/jobs/{}/fork", run.id), patch).ok();
                    let again = read(server, String::new(), &server.finished(fork["id"].as_str().unwrap()));
                    outcome.helped += usize::from(again.val_loss < run.val_loss);
                    line.push_str(&format!("  -> {:.3} {:.4} {patch}", again.accuracy, again.val_loss));
                }
            } else if run.accuracy > 0.95 && errors > 0 {
                outcome.alarmed.push(run.label.clone());
            }
            outcome.table.push_str(&line);
            outcome.table.push('\n');
        }
    }
}

/// Every bad run has a cause, no good one an error, and the first patch helps at least four of five bad ones.
fn judge(outcome: &Outcome, fewest_bad: usize) {
    let Outcome { table, unnamed, alarmed, bad, helped } = outcome;
    println!("{table}\n{bad} bad runs, {helped} helped by the first patch");
    assert!(unnamed.is_empty(), "no cause is named for {unnamed:#?}\n{table}");
    assert!(alarmed.is_empty(), "an error in good runs {alarmed:#?}\n{table}");
    assert!(*bad >= fewest_bad && helped * 10 >= bad * 8, "{helped} of {bad} were helped\n{table}");
}

fn nothing_yet() -> Outcome {
    Outcome { table: String::new(), unnamed: Vec::new(), alarmed: Vec::new(), bad: 0, helped: 0 }
}

#[test]
fn bad_runs_are_told_why_and_good_ones_are_left_alone() {
    let server = Server::with(Settings::workers(2));
    let mut outcome = nothing_yet();
    for (dataset, target, epochs) in [("digits", "digit", 15), ("iris", "species", 60)] {
        server.sample(dataset);
        let spec = json!({
            "dataset": dataset, "target": target, "hidden_layers": [32, 32], "epochs": epochs, "early_stopping": false, "checks": [],
            "seed": 3, "split": {"validation": 0.25}
        });
        play_all(&server, dataset, &spec, &GRID, &mut outcome);
    }
    judge(&outcome, 40);
}

/// Rates between and beyond those of the grid on which the thresholds were found.
const HELD_OUT: [(&str, f64, [f64; 5]); 3] = [
    ("sgd", 0.9, [3e-6, 3e-4, 0.01, 0.15, 5.0]),
    ("adagrad", 0.0, [3e-5, 3e-4, 0.03, 0.6, 5.0]),
    ("adam", 0.0, [3e-7, 5e-5, 1e-3, 0.3, 3.0]),
];

/// Other data, other networks, other seeds and other rates than those on which the thresholds were found.
#[test]
fn the_rules_hold_on_runs_that_they_were_not_made_on() {
    let server = Server::with(Settings::workers(2));
    let mut outcome = nothing_yet();
    for (dataset, target, hidden, seed) in
        [("wine", "cultivar", json!([24]), 11), ("breast-cancer", "diagnosis", json!([48, 16]), 29)]
    {
        server.sample(dataset);
        let spec = json!({
            "dataset": dataset, "target": target, "hidden_layers": hidden, "epochs": 40, "early_stopping": false, "checks": [],
            "seed": seed, "split": {"validation": 0.3}
        });
        play_all(&server, dataset, &spec, &HELD_OUT, &mut outcome);
    }
    judge(&outcome, 20);
}

#[test]
fn a_diagnosis_outlives_its_dataset_and_a_fork_remembers_why_it_was_made() {
    let server = Server::start();
    server.sample("digits");
    let slow = server.train(&json!({
        "dataset": "digits", "target": "digit", "name": "slow", "epochs": 15, "seed": 1,
        "optimizer": {"type": "sgd", "learning_rate": 0.0003}
    }));
    let id = slow["id"].as_str().unwrap();
    let fork = |query: &str, body: Value| server.post(&format!("/v1/jobs/{id}/fork?{query}"), &body);
    let none = fork("finding=palmistry", json!({})).problem(422, "invalid_body");
    assert!(none["errors"][0]["detail"].as_str().unwrap().contains("it has steps_too_small"), "{none:#}");
    assert_eq!(none["detail"].as_str().unwrap().matches("steps_too_small").count(), 1, "{none:#}");
    // The body may name more than the finding offers; `{}` takes what it offers.
    let renamed = fork("finding=steps_too_small&dry_run=true", json!({"epochs": 3})).ok();
    assert_eq!(renamed["spec"]["epochs"], 3);
    let better = fork("finding=steps_too_small&wait=60", json!({})).ok();
    assert_eq!(better["parent"]["finding"], "steps_too_small", "{better:#}");
    assert!(better["parent"]["patch"]["optimizer"]["learning_rate"].as_f64().unwrap() > 0.0003);
    let better = server.finished(better["id"].as_str().unwrap());
    let second = server.post(&format!("/v1/jobs/{}/fork", better["id"].as_str().unwrap()), &json!({"epochs": 20})).ok();
    server.finished(second["id"].as_str().unwrap());

    let lineage = server.get(&format!("/v1/jobs/{}/lineage", better["id"].as_str().unwrap())).ok();
    let steps = lineage["data"].as_array().unwrap();
    assert_eq!(lineage["root"], id);
    let told: Vec<_> = steps.iter().map(|step| (step["job"].clone(), step["depth"].as_u64().unwrap())).collect();
    assert_eq!(told, [(slow["id"].clone(), 0), (better["id"].clone(), 1), (second["id"].clone(), 2)]);
    assert_eq!(steps[1]["improved"], true, "{lineage:#}");
    assert_eq!(steps[1]["changes"][0]["pointer"], "/optimizer/learning_rate", "{lineage:#}");
    assert_eq!(steps[2]["changes"], json!([{"pointer": "/epochs", "from": 15, "to": 20}]));
    let sentence = steps[1]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("steps too small: optimizer.learning_rate 0.0003 → "), "{sentence}");
    assert!(sentence.contains("val_loss"), "{sentence}");

    let before = server.get(&format!("/v1/jobs/{id}/diagnosis")).ok();
    assert_eq!(server.delete("/v1/datasets/digits").status, 204);
    assert_eq!(server.get(&format!("/v1/jobs/{id}/diagnosis")).ok(), before);
    // The fork is kept when its parent is gone.
    assert_eq!(server.delete(&format!("/v1/jobs/{id}")).status, 204);
    let left = server.get(&format!("/v1/jobs/{}/lineage", better["id"].as_str().unwrap())).ok();
    assert_eq!((left["data"].as_array().unwrap().len(), &left["data"][0]["finding"]), (2, &json!("steps_too_small")));
}
