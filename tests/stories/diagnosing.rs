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

#[test]
fn bad_runs_are_told_why_and_good_ones_are_left_alone() {
    let server = Server::with(Settings::workers(2));
    let mut table = String::new();
    let (mut unnamed, mut alarmed, mut bad, mut helped) = (Vec::new(), Vec::new(), 0, 0);
    for (dataset, target) in [("digits", "digit"), ("iris", "species")] {
        server.sample(dataset);
        for (optimizer, momentum, rates) in GRID {
            for (activation, rate) in ["relu", "tanh", "sigmoid"].iter().flat_map(|a| rates.map(|rate| (*a, rate))) {
                let mut choice = json!({"type": optimizer, "learning_rate": rate});
                if momentum > 0.0 {
                    choice["momentum"] = json!(momentum);
                }
                let epochs = if dataset == "iris" { 60 } else { 15 };
                let spec = json!({
                    "dataset": dataset, "target": target, "hidden_layers": [32, 32], "activation": activation, "optimizer": choice,
                    "epochs": epochs, "early_stopping": false, "checks": [], "seed": 3, "split": {"validation": 0.25}
                });
                let run = play(&server, format!("{dataset} {optimizer} {momentum} {activation} {rate}"), &spec);
                let codes: Vec<&str> = run.findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
                let errors = run.findings.iter().filter(|finding| finding["severity"] == "error").count();
                let causes = run.findings.iter().filter(|finding| finding["severity"] != "info").count();
                let mut line =
                    format!("{:<38} {:.3} {:>9.4} {}", run.label, run.accuracy, run.val_loss, codes.join(" "));
                if run.accuracy < 0.9 {
                    bad += 1;
                    if causes == 0 {
                        unnamed.push(run.label.clone());
                    }
                    let patch = run.findings.iter().map(|finding| &finding["patch"]).find(|patch| !patch.is_null());
                    if let Some(patch) = patch {
                        let fork = server.post(&format!("/v1/jobs/{}/fork", run.id), patch).ok();
                        let again = read(&server, String::new(), &server.finished(fork["id"].as_str().unwrap()));
                        helped += usize::from(again.val_loss < run.val_loss);
                        line.push_str(&format!("  -> {:.3} {:.4} {patch}", again.accuracy, again.val_loss));
                    }
                } else if run.accuracy > 0.95 && errors > 0 {
                    alarmed.push(run.label.clone());
                }
                table.push_str(&line);
                table.push('\n');
            }
        }
    }
    println!("{table}\n{bad} bad runs, {helped} helped by the first patch");
    assert!(unnamed.is_empty(), "no cause is named for {unnamed:#?}\n{table}");
    assert!(alarmed.is_empty(), "an error in good runs {alarmed:#?}\n{table}");
    assert!(bad >= 40 && helped * 10 >= bad * 8, "{helped} of {bad} were helped\n{table}");
}
