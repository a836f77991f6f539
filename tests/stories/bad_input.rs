//! What a client gets wrong is answered by a problem document that tells place and remedy; nothing is left behind, and
//! the server stays up.

use serde_json::{Value, json};

use crate::kit::{Answer, Server};

/// Uploads what cannot become a dataset and returns the problem; nothing may be left of it.
#[track_caller]
fn refused_upload(server: &Server, bytes: &[u8]) -> String {
    let answer = server.send("POST", "/v1/datasets?name=bad", &[("content-type", "text/csv")], Some(bytes));
    let problem = answer.problem(422, "invalid_dataset");
    assert_eq!(server.get("/v1/datasets/bad").status, 404);
    assert_eq!(server.get("/v1/datasets").ok()["data"], json!([]));
    problem["detail"].as_str().unwrap().to_owned()
}

/// The faults of a refused spec as `pointer: detail` lines.
#[track_caller]
fn faults(answer: Answer) -> Vec<String> {
    let problem = answer.problem(422, "invalid_job_spec");
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|e| format!("{}: {}", e["pointer"].as_str().unwrap(), e["detail"].as_str().unwrap())).collect()
}

#[track_caller]
fn only_fault(server: &Server, spec: &Value) -> String {
    let faults = faults(server.post("/v1/jobs", spec));
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults[0].clone()
}

#[test]
fn files_that_are_no_tables_leave_nothing_behind() {
    let server = Server::start();
    let detail = refused_upload(&server, b"");
    assert!(detail.contains("empty"), "{detail}");
    let detail = refused_upload(&server, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0");
    assert!(!detail.is_empty());
    let detail = refused_upload(&server, b"a,b,c\n1,2,3\n4,5\n6,7,8\n");
    assert!(detail.contains("line 3"), "{detail}");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_spec_that_makes_no_sense_is_told_all_its_faults() {
    let server = Server::start();
    server.sample("iris");
    let iris = |changes: Value| {
        let mut spec = json!({"dataset": "iris", "target": "species"});
        for (name, value) in changes.as_object().unwrap() {
            spec[name] = value.clone();
        }
        spec
    };

    let fault = only_fault(&server, &iris(json!({"target": "specie"})));
    assert!(fault.starts_with("/target: ") && fault.contains("species"), "{fault}");

    let fault = only_fault(&server, &iris(json!({"optimizer": {"type": "sgd", "learing_rate": 0.1}})));
    assert!(fault.starts_with("/optimizer/learing_rate: ") && fault.contains("learning_rate"), "{fault}");

    let fault = only_fault(&server, &iris(json!({"optimizer": {"type": "sgd", "learning_rate": -1}})));
    assert!(fault.starts_with("/optimizer/learning_rate: ") && fault.contains("-1"), "{fault}");

    let fault = only_fault(&server, &iris(json!({"hidden_layers": [1_000_000_000]})));
    assert!(fault.starts_with("/hidden_layers/0"), "{fault}");

    let many = faults(server.post(
        "/v1/jobs",
        &iris(json!({"epochs": 0, "batch_size": -3, "activation": "rleu", "optimizer": {"type": "sgd", "learning_rate": -0.1}})),
    ));
    for pointer in ["/epochs", "/batch_size", "/activation", "/optimizer/learning_rate"] {
        assert!(many.iter().any(|fault| fault.starts_with(pointer)), "no fault at {pointer}: {many:#?}");
    }

    assert_eq!(server.get("/v1/jobs").ok()["data"], json!([]), "nothing is left behind");
}

#[test]
fn a_target_with_one_class_cannot_be_learned() {
    let server = Server::start();
    server.upload("flat", "x,y\n1,a\n2,a\n3,a\n4,a\n5,a\n6,a\n");
    let fault = only_fault(&server, &json!({"dataset": "flat", "target": "y"}));
    assert!(fault.starts_with("/target"), "{fault}");
}

#[test]
fn a_job_on_a_dataset_that_is_not_there_says_so() {
    let server = Server::start();
    let answer = server.post("/v1/jobs", &json!({"dataset": "nowhere", "target": "y"}));
    assert!([404, 422].contains(&answer.status), "{answer:?}");
    assert!(answer.text().contains("nowhere"));
}

#[test]
fn bodies_that_are_not_json_are_told_where_they_break() {
    let server = Server::start();
    let json_body = [("content-type", "application/json")];
    let answer = server.send("POST", "/v1/jobs", &json_body, Some(b"{\"dataset\": \"iris\","));
    answer.problem(400, "malformed_request");
    let deep = "[".repeat(100_000);
    server.send("POST", "/v1/jobs", &json_body, Some(deep.as_bytes())).problem(400, "malformed_request");
    let answer = server.send("POST", "/v1/jobs", &[("content-type", "text/plain")], Some(b"{}"));
    let problem = answer.problem(415, "unsupported_media_type");
    assert!(problem["detail"].as_str().unwrap().contains("--json"), "{problem:#}");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_prediction_with_a_wrong_type_names_row_and_column() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 5}));
    let path = format!("/v1/jobs/{}/predictions", job["id"].as_str().unwrap());
    let good = json!({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2});
    let mut bad = good.clone();
    bad["petal_width"] = json!("wide");
    let problem = server.post(&path, &json!({"rows": [good, bad]})).problem(422, "invalid_rows");
    assert_eq!(problem["errors"][0]["pointer"], "/rows/1/petal_width", "{problem:#}");

    let mut short = good.clone();
    short.as_object_mut().unwrap().remove("petal_width");
    let problem = server.post(&path, &json!({"rows": [short]})).problem(422, "invalid_rows");
    assert!(problem.to_string().contains("petal_width"), "{problem:#}");
    assert_eq!(server.post(&path, &json!({"rows": [good]})).status, 200);

    // Very many faults make a short answer all the same.
    let many = [json!({"rows": vec![json!({}); 20_000]}), json!({"rows": vec![1; 20_000]})];
    let wrong = vec![json!("wide"); 20_000];
    let columns = json!({"sepal_length": wrong, "sepal_width": wrong, "petal_length": wrong, "petal_width": wrong});
    for body in many.into_iter().chain([json!({"columns": columns})]) {
        let problem = server.post(&path, &body).problem(422, "invalid_rows");
        let told = problem["errors"].as_array().unwrap().len();
        assert!((100..110).contains(&told), "{told} faults are told");
    }
}
