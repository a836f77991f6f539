//! Faults planted on purpose, each found by the checks and the diagnosis, with the change that mends it where one does.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::kit::{Server, file};

fn check(server: &Server, kind: &str, spec: &Value) -> Value {
    server.post("/v1/checks", &json!({"kind": kind, "spec": spec})).ok()
}

/// Trains, and gives the job with its findings.
pub(crate) fn diagnosed(server: &Server, spec: &Value) -> (Value, Vec<Value>) {
    let job = server.finished(&server.submit(spec));
    let findings = findings(server, &job);
    (job, findings)
}

fn findings(server: &Server, job: &Value) -> Vec<Value> {
    let path = format!("/v1/jobs/{}/diagnosis", job["id"].as_str().unwrap());
    server.get(&path).ok()["data"].as_array().unwrap().clone()
}

#[track_caller]
pub(crate) fn one<'a>(findings: &'a [Value], code: &str) -> &'a Value {
    findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code} in {findings:#?}"))
}

/// Forks by a finding, and gives the changed job.
pub(crate) fn mended(server: &Server, job: &Value, code: &str) -> Value {
    let path = format!("/v1/jobs/{}/fork?finding={code}", job["id"].as_str().unwrap());
    let fork = server.post(&path, &json!({})).ok();
    assert_eq!(fork["parent"]["finding"], code);
    server.finished(fork["id"].as_str().unwrap())
}

pub(crate) fn val_loss(job: &Value) -> f64 {
    job["last"]["val_loss"].as_f64().unwrap_or(f64::INFINITY)
}

/// Iris as text lines without its header, with its label last.
fn irises() -> Vec<String> {
    let text = String::from_utf8(file("src/data/samples/iris.csv")).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

const IRIS_HEADER: &str = "sepal_length,sepal_width,petal_length,petal_width";

#[test]
fn unscaled_inputs_are_found_and_standardising_mends_them() {
    let server = Server::start();
    server.sample("wine");
    let spec = json!({
        "dataset": "wine", "target": "cultivar", "inputs": {"numeric": "none"}, "hidden_layers": [16], "seed": 1, "epochs": 30,
        "optimizer": {"type": "sgd", "learning_rate": 0.03}, "early_stopping": false
    });
    let report = check(&server, "data", &spec);
    assert_eq!(report["verdict"], "failed", "{report:#}");
    let finding = one(report["findings"].as_array().unwrap(), "unscaled_columns");
    assert!(finding["columns"].as_array().unwrap().contains(&json!("proline")), "{report:#}");
    let (job, findings) = diagnosed(&server, &spec);
    assert_eq!(one(&findings, "unscaled_inputs")["patch"], json!({"inputs": {"numeric": "standardize"}}));
    let better = mended(&server, &job, "unscaled_inputs");
    assert!(val_loss(&better) < 0.5 * val_loss(&job), "{} after {}", val_loss(&better), val_loss(&job));
}

#[test]
fn the_sigmoids_rule_on_tanh_is_found_before_and_after() {
    let server = Server::start();
    server.sample("digits");
    let spec = json!({
        "dataset": "digits", "target": "digit", "hidden_layers": [64, 64, 64], "activation": "tanh", "seed": 1, "epochs": 5,
        "init": {"weights": {"type": "glorot_uniform", "gain": 4}}, "optimizer": {"type": "sgd", "learning_rate": 0.05}
    });
    let report = check(&server, "init", &spec);
    assert_eq!(report["verdict"], "failed", "{report:#}");
    let (job, findings) = diagnosed(&server, &spec);
    assert!(job["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "tanh_gain"), "{job:#}");
    one(&findings, "wide_tanh");
    let better = mended(&server, &job, "wide_tanh");
    assert!(val_loss(&better) < val_loss(&job));
}

#[test]
fn a_column_that_is_the_answer_is_found_and_left_out() {
    let server = Server::start();
    let mut csv = format!("{IRIS_HEADER},laboratory_code,species\n");
    for (row, line) in irises().iter().enumerate() {
        let (inputs, label) = line.rsplit_once(',').unwrap();
        // Not a copy: another number for each row, by which the species is plain.
        let code = 1000.0 * label.len() as f64 + (row * 37 % 101) as f64;
        let _ = writeln!(csv, "{inputs},{code},{label}");
    }
    server.upload("leaking", csv);
    let spec = json!({"dataset": "leaking", "target": "species", "seed": 1, "epochs": 40});
    let report = check(&server, "data", &spec);
    assert_eq!(report["verdict"], "failed", "{report:#}");
    assert_eq!(report["columns"][0]["column"], "laboratory_code", "{report:#}");
    let (job, findings) = diagnosed(&server, &spec);
    let finding = one(&findings, "column_gives_away");
    assert_eq!(finding["patch"], json!({"inputs": {"exclude": ["laboratory_code"]}}));
    let honest = mended(&server, &job, "column_gives_away");
    assert_eq!(honest["spec"]["inputs"]["exclude"], json!(["laboratory_code"]));
    assert!(findings_without(&server, &honest, "column_gives_away"));
}

fn findings_without(server: &Server, job: &Value, code: &str) -> bool {
    findings(server, job).iter().all(|finding| finding["code"] != code)
}

#[test]
fn shuffled_labels_can_be_learned_by_heart_and_not_be_told() {
    let server = Server::start();
    let text = String::from_utf8(file("src/data/samples/digits.csv")).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).take(300).collect();
    let mut csv = format!("{}\n", text.lines().next().unwrap());
    for (row, line) in lines.iter().enumerate() {
        // 41 and 300 have no common divisor: each label goes to one other row.
        let label = lines[(row * 41 + 17) % lines.len()].rsplit_once(',').unwrap().1;
        let _ = writeln!(csv, "{},{label}", line.rsplit_once(',').unwrap().0);
    }
    server.upload("shuffled", csv);
    let spec = json!({
        "dataset": "shuffled", "target": "digit", "hidden_layers": [64], "activation": "relu", "seed": 1, "epochs": 60, "early_stopping": false,
        "split": {"validation": 0.3}, "optimizer": {"type": "adam", "learning_rate": 0.002}, "checks": ["overfit"]
    });
    assert_eq!(check(&server, "overfit", &spec)["verdict"], "passed");
    let (job, findings) = diagnosed(&server, &spec);
    let accuracy = job["last"]["val_accuracy"].as_f64().unwrap();
    assert!(accuracy < 0.25, "{accuracy}");
    one(&findings, "overfitting");
    assert!(findings.iter().all(|finding| finding["code"] != "majority_only"), "it looks at its inputs: {findings:#?}");
}

#[test]
fn labels_that_contradict_each_other_cannot_be_learned_and_are_named() {
    let server = Server::start();
    let mut csv = String::from("colour,size,kind\n");
    for row in 0..400_u32 {
        let label = ["a", "b", "c"][(row.wrapping_mul(2_654_435_761) >> 20) as usize % 3];
        let _ = writeln!(csv, "{},{},{label}", ["red", "green"][row as usize % 2], ["s", "m", "l"][row as usize % 3]);
    }
    server.upload("contradicting", csv);
    let spec =
        json!({"dataset": "contradicting", "target": "kind", "checks": ["data", "overfit"], "epochs": 10, "seed": 1});
    let (job, findings) = diagnosed(&server, &spec);
    assert!(one(&findings, "contradicting_labels")["message"].as_str().unwrap().contains("no network can"));
    let by_heart = one(&findings, "cannot_overfit");
    assert!(by_heart["advice"].as_str().unwrap().contains("another label"), "{by_heart:#}");
    assert_eq!(by_heart["patch"], Value::Null, "more units would not help");
    let reports = server.get(&format!("/v1/jobs/{}/checks", job["id"].as_str().unwrap())).ok();
    let of =
        |kind: &str| reports["data"].as_array().unwrap().iter().find(|report| report["kind"] == kind).unwrap().clone();
    assert!(of("data")["best_accuracy"].as_f64().unwrap() < 0.6, "{reports:#}");
    assert!(of("overfit")["contradicting_rows"].as_u64().unwrap() > 0);
}

#[test]
fn units_that_never_fire_are_found_before_the_first_step_and_after() {
    let server = Server::start();
    server.sample("digits");
    let spec = json!({
        "dataset": "digits", "target": "digit", "hidden_layers": [64, 64], "activation": "relu", "init": {"bias": -8.0}, "seed": 1,
        "epochs": 5, "optimizer": {"type": "sgd", "learning_rate": 0.05}, "checks": ["init"], "early_stopping": false
    });
    let report = check(&server, "init", &spec);
    assert_eq!(report["verdict"], "failed", "{report:#}");
    assert!(report["advice"].as_str().unwrap().contains("fire on no row"), "{report:#}");
    let (job, findings) = diagnosed(&server, &spec);
    let dead = one(&findings, "dead_units");
    assert_eq!(dead["severity"], "error", "{dead:#}");
    let better = mended(&server, &job, "dead_units");
    assert!(val_loss(&better) < val_loss(&job), "{} after {}", val_loss(&better), val_loss(&job));
}

#[test]
fn a_task_that_drowns_another_is_named_with_the_weight_that_would_help() {
    let server = Server::start();
    let mut csv = String::from("a,b,c,loud,quiet\n");
    for row in 0..600_u32 {
        let wave = |step: f64| ((f64::from(row) + 1.0) * step).sin();
        let (a, b, c) = (wave(12.9898), wave(78.233), wave(37.719));
        let _ = writeln!(csv, "{a},{b},{c},{},{}", 3.0 * a - 2.0 * b, if b * c > 0.0 { "yes" } else { "no" });
    }
    server.upload("two-tasks", csv);
    let spec = json!({
        "dataset": "two-tasks", "targets": [{"column": "loud", "weight": 1000}, "quiet"], "hidden_layers": [32], "seed": 1, "epochs": 20,
        "optimizer": {"type": "sgd", "learning_rate": 0.0001}, "early_stopping": false
    });
    let (job, findings) = diagnosed(&server, &spec);
    let starved = one(&findings, "starved_task");
    assert!(starved["message"].as_str().unwrap().contains("loud drowns quiet"), "{starved:#}");
    let weight = starved["patch"]["targets"][0]["weight"].as_f64().unwrap();
    assert!(weight < 1000.0, "{starved:#}");
    let metrics = server
        .get(&format!(
            "/v1/jobs/{}/metrics?names=gradient_norm/quiet,gradient_cosine/loud/quiet",
            job["id"].as_str().unwrap()
        ))
        .ok();
    assert!(metrics["columns"]["gradient_cosine/loud/quiet"].as_array().unwrap().len() > 10, "{metrics:#}");
}

/// The switch is read by debug builds alone, so that no server of a release can compute a wrong slope.
#[cfg(debug_assertions)]
#[test]
fn a_wrong_derivative_is_found_by_the_gradient_check_which_can_stop_the_job() {
    use crate::kit::Settings;
    let server = Server::with(Settings::default().env("TRAINYARD_BROKEN_DERIVATIVE", "tanh:1.001"));
    server.sample("iris");
    let spec = |activation: &str| json!({"dataset": "iris", "target": "species", "activation": activation, "checks": ["gradient"], "on_failed_check": "stop", "epochs": 3});
    let (job, findings) = diagnosed(&server, &spec("tanh"));
    assert_eq!(
        (job["status"].as_str(), job["stop_reason"].as_str()),
        (Some("failed"), Some("failed_check")),
        "{job:#}"
    );
    let error = &job["error"];
    assert!(error["detail"].as_str().unwrap().contains("Backpropagation disagrees"), "{error:#}");
    let report = server.get(error["report"].as_str().unwrap()).ok()["data"][0].clone();
    assert_eq!(report["verdict"], "failed");
    let wrong: Vec<&str> = report["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|tensor| tensor["verdict"] == "failed")
        .map(|tensor| tensor["name"].as_str().unwrap())
        .collect();
    assert!(wrong.contains(&"hidden.0.weight") && !wrong.contains(&"head.species.weight"), "{wrong:?}");
    assert!(one(&findings, "gradient_wrong")["message"].as_str().unwrap().contains("hidden.0.weight"));
    let events = server.get(&format!("/v1/jobs/{}/events?type=finding", job["id"].as_str().unwrap())).ok();
    assert_eq!(events["data"][0]["data"]["code"], "gradient_wrong", "{events:#}");
    // The same network with another activation is right.
    assert_eq!(server.train(&spec("relu"))["status"], "succeeded");
}
