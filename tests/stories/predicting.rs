//! A trained model answers: for rows and columns in JSON, for a dataset, and for streams in kind.

use serde_json::{Value, json};

use crate::kit::{Answer, Server};

const CSV: [(&str, &str); 1] = [("content-type", "text/csv")];
const LINES: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

/// A server with a model of iris, and where it predicts.
fn model(server: &Server) -> String {
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 60}));
    format!("/v1/jobs/{}/predictions", job["id"].as_str().unwrap())
}

fn flower(length: f64) -> Value {
    json!({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": length, "petal_width": 0.2})
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    server.send("POST", path, headers, Some(body.as_bytes()))
}

#[test]
fn rows_columns_and_streams_give_the_same_numbers() {
    let server = Server::start();
    let path = model(&server);
    let rows = server.post(&path, &json!({"rows": [flower(1.4), flower(1.3)]})).ok();
    assert_eq!(rows["predictions"][0]["species"]["label"], "setosa", "{rows:#}");
    let shares = rows["predictions"][0]["species"]["probabilities"].as_object().unwrap();
    let total: f64 = shares.values().map(|share| share.as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-5 && shares.len() == 3, "{rows:#}");
    assert_eq!(rows["warnings"], json!([]));
    assert!(rows["checkpoint"].as_str().unwrap().starts_with("ckpt_"));

    let columns = json!({"columns": {"sepal_length": [5.1, 5.1], "sepal_width": [3.5, 3.5],
        "petal_length": [1.4, 1.3], "petal_width": [0.2, 0.2]}});
    assert_eq!(server.post(&path, &columns).ok()["predictions"], rows["predictions"]);

    let lines = post(&server, &path, &LINES, &format!("{}\n\n{}\n", flower(1.4), flower(1.3)));
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json!(lines), rows["predictions"]);

    let csv = "petal_width;petal_length;sepal_width;sepal_length\n0.2;1.4;3.5;5.1\n0.2;1.3;3.5;5.1\n";
    let answer = post(&server, &path, &CSV, csv);
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    let text = answer.text();
    let mut table = text.lines();
    let header =
        "row,species,species_probability.setosa,species_probability.versicolor,species_probability.virginica,error";
    assert_eq!(table.next(), Some(header));
    let cells: Vec<&str> = table.next().unwrap().split(',').collect();
    assert_eq!(cells[..2], ["0", "setosa"]);
    assert_eq!(cells[2].parse::<f64>().unwrap(), shares["setosa"].as_f64().unwrap());

    let same = post(
        &server,
        &format!("{path}?format=csv"),
        &[("content-type", "application/json")],
        &json!({"rows": [flower(1.4), flower(1.3)]}).to_string(),
    );
    assert_eq!(same.text(), text);
}

#[test]
fn a_whole_file_streams_through_and_a_dataset_is_predicted_by_name() {
    let server = Server::start();
    let path = model(&server);
    let file = server.get("/v1/datasets/iris/file").text();
    let answer = post(&server, &format!("{path}?include=species,petal_length"), &CSV, &file).text();
    assert_eq!(answer.lines().count(), 151);
    let right = answer.lines().skip(1).filter(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[1] == cells[3]
    });
    assert!(right.count() > 130, "{answer}");

    let named = server.post(&path, &json!({"dataset": "iris"})).ok();
    assert_eq!(named["predictions"].as_array().unwrap().len(), 150);
    // Many times the file: what is answered does not depend on how it was cut.
    let (header, body) = file.split_once('\n').unwrap();
    let many = format!("{header}\n{}", body.repeat(40));
    let long = post(&server, &path, &CSV, &many).text();
    assert_eq!(long.lines().count(), 6001);
    let tail = |row: usize| long.lines().nth(row + 1).unwrap().split_once(',').unwrap().1;
    assert!((0..150).all(|row| tail(row) == tail(row + 39 * 150)));
}

#[test]
fn what_the_model_does_not_know_is_named() {
    let server = Server::start();
    let path = model(&server);
    let mut row = flower(1.4);
    row["species"] = json!("virginica");
    row["colour"] = json!("blue");
    let answer = server.post(&path, &json!({"rows": [row]})).ok();
    let warnings = answer["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "the target is no surprise: {warnings:?}");
    assert!(warnings[0].as_str().unwrap().contains("colour"));
    let csv = "sepal_length,sepal_width,petal_length,petal_width,colour\n5.1,3.5,1.4,0.2,blue\n";
    assert!(post(&server, &path, &CSV, csv).header("x-warning").unwrap().contains("colour"));
}

#[test]
fn a_missing_column_is_told_before_the_first_byte() {
    let server = Server::start();
    let path = model(&server);
    let problem =
        post(&server, &path, &CSV, "sepal_length,sepal_width,petal_lenght\n1,2,3\n").problem(422, "invalid_rows");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{problem:#}");
    assert!(errors.iter().any(|error| error["detail"].as_str().unwrap().contains("petal_lenght")), "{problem:#}");
    // What is there under its own name is not what is meant by another one.
    let problem = post(&server, &path, &LINES, "{\"sepal_length\": 1}\n").problem(422, "invalid_rows");
    let rows = server.post(&path, &json!({"rows": [{"sepal_length": 1}]})).problem(422, "invalid_rows");
    for told in [problem["errors"].to_string(), rows["errors"].to_string()] {
        assert!(told.contains("`sepal_width` is missing") && !told.contains("is it"), "{told}");
    }
    post(&server, &path, &CSV, "").problem(422, "invalid_rows");
    server.post(&path, &json!({"rows": [], "columns": {}})).problem(422, "invalid_body");
    server.post(&path, &json!({"row": []})).problem(422, "invalid_body");
    post(&server, &path, &[("content-type", "text/plain")], "x").problem(415, "unsupported_media_type");
    server.post(&format!("{path}?checkpoint=step-999999"), &json!({"rows": []})).problem(404, "not_found");
}

#[test]
fn a_bad_row_of_a_stream_says_why_and_the_others_go_on() {
    let server = Server::start();
    let path = model(&server);
    let csv = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n5.1,wide,1.4,0.2\n5.1,3.5\n5.1,3.5,1.4,0.2\n";
    let text = post(&server, &path, &CSV, csv).text();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows[1].starts_with("1,,,,,") && rows[1].contains("sepal_width"), "{text}");
    assert!(rows[2].starts_with("2,,,,,") && rows[2].contains("2 cells"), "{text}");
    assert_eq!(rows[0].split_once(',').unwrap().1, rows[3].split_once(',').unwrap().1);
    let stopped = post(&server, &format!("{path}?on_error=stop"), &CSV, csv).text();
    assert_eq!(stopped.lines().count(), 3, "{stopped}");

    let lines = format!("{}\nnot json\n[]\n{}\n", flower(1.4), flower(1.4));
    let answer = post(&server, &path, &LINES, &lines).text();
    let rows: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4, "{answer}");
    assert!(rows[1]["error"].is_string() && rows[2]["error"].is_string(), "{answer}");
    assert_eq!(rows[3]["species"], rows[0]["species"]);
}

#[test]
fn a_stream_is_answered_before_it_has_ended() {
    use std::io::{Read, Write};
    let server = Server::start();
    let path = model(&server);
    let address = server.url.strip_prefix("http://").unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    let ask = |socket: &mut std::net::TcpStream, row: u64| {
        let line = format!("{}\n", flower(1.4));
        write!(socket, "{:x}\r\n{line}\r\n", line.len()).unwrap();
        let mut seen = String::new();
        let mut buffer = [0; 4096];
        while !seen.contains(&format!("\"row\":{row}")) {
            let n = socket.read(&mut buffer).unwrap();
            assert!(n > 0, "the answer ended: {seen}");
            seen += &String::from_utf8_lossy(&buffer[..n]);
        }
    };
    for row in 0..3 {
        ask(&mut socket, row);
    }
}

#[test]
fn evaluations_tell_accuracy_and_confusion_on_the_part_asked_for() {
    let server = Server::start();
    server.sample("iris");
    let spec = json!({"dataset": "iris", "target": "species", "epochs": 60, "split": {"validation": 0.2, "test": 0.2}});
    let job = server.train(&spec);
    let path = format!("/v1/jobs/{}/evaluation", job["id"].as_str().unwrap());
    let validation = server.get(&path).ok();
    assert_eq!((&validation["split"], &validation["rows"]), (&json!("validation"), &json!(30)));
    let test = server.get(&format!("{path}?split=test"));
    let tag = test.header("etag").unwrap().to_owned();
    let test = test.ok();
    let matrix = test["targets"]["species"]["confusion_matrix"]["matrix"].as_array().unwrap();
    let count: u64 = matrix.iter().flat_map(|row| row.as_array().unwrap()).map(|cell| cell.as_u64().unwrap()).sum();
    assert_eq!(count, 30);
    assert_eq!(server.send("GET", &format!("{path}?split=test"), &[("if-none-match", &tag)], None).status, 304);
    let best = job["best"]["value"].as_f64().unwrap();
    assert!((validation["loss"].as_f64().unwrap() - best).abs() < 1e-9, "{validation:#} {}", job["best"]);
    assert_eq!(server.get(&format!("{path}?split=train")).ok()["rows"], 90);
    assert_eq!(server.get(&format!("{path}?dataset=iris")).ok()["rows"], 150);
    server.get(&format!("{path}?split=test&dataset=iris")).problem(400, "malformed_request");
    server.get(&format!("{path}?dataset=nowhere")).problem(404, "not_found");
}

#[test]
fn a_job_without_a_checkpoint_says_in_which_state_it_is() {
    let server = Server::start();
    server.sample("iris");
    let busy =
        server.submit(&json!({"dataset": "iris", "target": "species", "epochs": 1_000_000, "early_stopping": false}));
    server.until(&busy, |job| job["status"] == "running");
    let waiting = server.submit(&json!({"dataset": "iris", "target": "species"}));
    let problem =
        server.post(&format!("/v1/jobs/{waiting}/predictions"), &json!({"rows": []})).problem(409, "wrong_state");
    assert!(problem["detail"].as_str().unwrap().contains("queued"), "{problem:#}");
}

#[test]
fn the_weights_are_a_download_with_a_tag_and_ranges() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 3}));
    let base = format!("/v1/jobs/{}/checkpoints", job["id"].as_str().unwrap());
    let list = server.get(&base).ok();
    let best = server.get(&format!("{base}/best")).ok();
    assert!(list["data"].as_array().unwrap().iter().any(|one| one["id"] == best["id"]));
    assert_eq!(best["metric"], "val_loss");
    let answer = server.get(&format!("{base}/best/weights"));
    let disposition = answer.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment") && disposition.ends_with(".safetensors\""), "{disposition}");
    let tag = answer.header("etag").unwrap().to_owned();
    let whole = answer.body;
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&whole[8..8 + length]).unwrap();
    assert!(header.get("hidden.0.weight").is_some() && header.get("head.species.bias").is_some(), "{header:#}");
    let part = server.send("GET", &format!("{base}/best/weights"), &[("range", "bytes=0-7")], None);
    assert_eq!((part.status, &part.body[..]), (206, &whole[..8]));
    assert_eq!(server.send("GET", &format!("{base}/best/weights"), &[("if-none-match", &tag)], None).status, 304);
    let head = server.send("HEAD", &format!("{base}/best/weights"), &[], None);
    assert_eq!(head.header("content-length"), Some(whole.len().to_string().as_str()));
    // They come back as uploaded weights.
    let uploaded = server.send("POST", "/v1/weights?name=iris", &[], Some(&whole)).ok();
    assert!(uploaded["tensors"].as_array().unwrap().iter().any(|tensor| tensor["name"] == "hidden.0.weight"));
    let path = format!("/v1/weights/{}", uploaded["id"].as_str().unwrap());
    assert_eq!(server.get(&format!("{path}/file")).body, whole);
    assert_eq!(server.delete(&path).status, 204);
    server.get(&path).problem(404, "not_found");
}

#[test]
fn the_newest_state_of_a_running_job_is_given_however_fast_it_is_replaced() {
    let server = Server::start();
    server.sample("iris");
    let job = server.submit(&json!({
        "dataset": "iris", "target": "species", "hidden_layers": [8], "epochs": 1_000_000, "early_stopping": false, "checks": [],
        "checkpoints": {"every": {"steps": 1}, "keep": 1}
    }));
    let row = json!({"rows": [flower(1.4)]});
    server.until(&job, |job| job["progress"]["step"].as_u64() > Some(3));
    for _ in 0..300 {
        server.weights(&job, "last");
        server.post(&format!("/v1/jobs/{job}/predictions?checkpoint=last"), &row).ok();
    }
    assert_eq!(server.get(&format!("/v1/jobs/{job}")).ok()["status"], "running");
    server.post(&format!("/v1/jobs/{job}/cancel"), &json!({}));
}
