//! What a job does can be watched: numbers as they come, events as a list and as a stream, a log, a picture.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::kit::{Answer, Server};

fn trained(server: &Server, epochs: u64) -> String {
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": epochs, "early_stopping": false}));
    job["id"].as_str().unwrap().to_owned()
}

/// The fields of each block of an event stream.
fn blocks(answer: &Answer) -> Vec<(String, String, Value)> {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let field = |block: &str, name: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.collect::<Vec<_>>().join("\n")
    };
    text.split("\n\n")
        .filter(|block| block.contains("data: "))
        .map(|block| (field(block, "id"), field(block, "event"), serde_json::from_str(&field(block, "data")).unwrap()))
        .collect()
}

#[test]
fn metrics_are_columns_of_equal_length_that_a_cursor_walks() {
    let server = Server::start();
    let path = format!("/v1/jobs/{}/metrics", trained(&server, 5));
    let all = server.get(&format!("{path}?names=loss,val_loss")).ok();
    assert_eq!((&all["by"], &all["complete"], &all["status"]), (&json!("epoch"), &json!(true), &json!("succeeded")));
    assert_eq!(all["columns"]["epoch"], json!([0, 1, 2, 3, 4, 5]), "epoch 0 is the untrained network");
    for (name, column) in all["columns"].as_object().unwrap() {
        assert_eq!(column.as_array().unwrap().len(), 6, "{name}");
    }
    let created = server.get(path.trim_end_matches("/metrics")).ok()["created_at"].as_str().unwrap().to_owned();
    let time = all["columns"]["time"][1].as_str().unwrap();
    assert!(time.ends_with('Z') && *time >= *created, "{time} is before {created}");
    assert!(all["columns"]["val_loss"][5].as_f64().unwrap() < all["columns"]["val_loss"][0].as_f64().unwrap());

    let cursor = all["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{path}?after={cursor}")).ok();
    assert_eq!(rest["columns"]["epoch"], json!([]));
    assert_eq!((&rest["complete"], &rest["next_cursor"]), (&json!(true), &all["next_cursor"]));
    server.get(&format!("{path}?by=step&after={cursor}")).problem(400, "malformed_request");
    server.get(&format!("{path}?after={cursor}&max_points=10")).problem(400, "malformed_request");

    let steps = server.get(&format!("{path}?by=step&names=loss")).ok();
    assert_eq!(steps["columns"]["step"][0].as_u64(), Some(1), "{steps:#}");
    let thin = server.get(&format!("{path}?by=step&names=loss&max_points=4")).ok();
    assert_eq!(thin["downsampled"], true);
    assert!(thin["columns"]["loss"].as_array().unwrap().len() <= 8);

    let rows = server.get(&format!("{path}?names=val_loss&format=rows")).ok();
    assert_eq!(rows[2]["epoch"], 2);
    assert_eq!(rows[2]["val_loss"], all["columns"]["val_loss"][2]);
    let csv = server.get(&format!("{path}?names=val_loss&format=csv")).text();
    assert!(csv.starts_with("time,step,epoch,train_seconds,val_loss\n"), "{csv}");
    assert_eq!(csv.lines().count(), 7);
}

#[test]
fn the_picture_is_an_svg_with_both_curves() {
    let server = Server::start();
    let id = trained(&server, 5);
    let answer = server.get(&format!("/v1/jobs/{id}/loss.svg?log=true"));
    assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
    let svg = answer.text();
    assert!(svg.starts_with("<svg") && svg.contains("val_loss"), "{svg}");
}

#[test]
fn the_stream_tells_everything_in_order_ends_with_the_job_and_resumes() {
    let server = Server::start();
    let path = format!("/v1/jobs/{}/events", trained(&server, 5));
    let sse = [("accept", "text/event-stream")];
    let answer = server.send("GET", &path, &sse, None);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let all = blocks(&answer);
    let (end, events) = all.split_last().unwrap();
    assert_eq!((end.1.as_str(), &end.2["status"]), ("end", &json!("succeeded")));
    let numbers: Vec<u64> = events.iter().map(|(id, ..)| id.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "numbered without a gap");
    assert!(events.iter().all(|(id, kind, data)| data["type"] == **kind && data["id"].as_u64() == id.parse().ok()));
    assert!(events.iter().any(|(_, kind, _)| kind == "epoch"));

    let resumed = server.send("GET", &path, &[sse[0], ("last-event-id", "2")], None);
    assert_eq!(blocks(&resumed), all[2..]);
    let only = server.send("GET", &format!("{path}?type=status"), &sse, None);
    assert!(blocks(&only).iter().all(|(_, kind, _)| kind == "status" || kind == "end"));

    let list = server.get(&format!("{path}?limit=2")).ok();
    assert_eq!(list["data"][0]["id"].as_u64(), numbers.last().copied(), "lists are newest first");
    assert_eq!(list["has_more"], true);
    let oldest = server.get(&format!("{path}?order=asc&limit=1")).ok();
    assert_eq!(oldest["data"][0]["id"], 1);
    server.get(&format!("{path}?level=loud")).problem(400, "malformed_request");
}

#[test]
fn a_live_stream_follows_a_running_job_to_its_end() {
    let server = Server::start();
    server.sample("iris");
    let id =
        server.submit(&json!({"dataset": "iris", "target": "species", "epochs": 1_000_000, "early_stopping": false}));
    server.until(&id, |job| job["status"] == "running");
    let path = format!("/v1/jobs/{id}/events?type=status");
    let stream = std::thread::scope(|scope| {
        let reader = scope.spawn(|| server.send("GET", &path, &[("accept", "text/event-stream")], None));
        assert_eq!(server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).status, 202);
        reader.join().unwrap()
    });
    let told: Vec<String> = blocks(&stream).iter().map(|(_, _, data)| data["message"].to_string()).collect();
    assert!(told.iter().any(|message| message.contains("cancelled")), "{told:?}");
    assert_eq!(blocks(&stream).last().unwrap().1, "end");
}

#[test]
fn the_log_is_text_and_its_last_line_is_the_status() {
    let server = Server::start();
    let id = trained(&server, 5);
    for query in ["", "?follow=true"] {
        let path = format!("/v1/jobs/{id}/log{query}");
        let packed = server.send("GET", &path, &[("accept-encoding", "gzip")], None);
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
        let log = server.get(&path);
        assert_eq!(log.header("content-type"), Some("text/plain; charset=utf-8"));
        let text = log.text();
        assert_eq!(text.lines().last(), Some("status: succeeded"), "{text}");
        assert!(text.lines().count() > 5, "{text}");
    }
}

#[test]
fn jobs_are_compared_by_their_numbers_and_their_specs() {
    let server = Server::start();
    server.sample("iris");
    let train = |rate: f64| {
        let spec = json!({"dataset": "iris", "target": "species", "epochs": 2, "early_stopping": false,
            "optimizer": {"type": "sgd", "learning_rate": rate}});
        server.train(&spec)["id"].as_str().unwrap().to_owned()
    };
    let (a, b) = (train(0.1), train(0.01));
    let found = server.get(&format!("/v1/compare?job={a}&job={b}&names=val_loss")).ok();
    assert_eq!(found["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(found["metrics"].as_array().unwrap().len(), 6);
    assert_eq!(found["metrics"][0]["job"], a.as_str());
    let differences = found["spec_differences"].as_array().unwrap();
    assert!(differences.contains(&json!({"pointer": "/optimizer/learning_rate", "values": [0.1, 0.01]})), "{found:#}");
    server.get("/v1/compare").problem(400, "malformed_request");
}

#[test]
fn many_watchers_of_one_job_all_see_everything_in_order_whoever_else_does_not_read() {
    let server = Server::start();
    server.sample("iris");
    let id = server.submit(&json!({
        "dataset": "iris", "target": "species", "epochs": 1500, "early_stopping": false, "seed": 1,
        "checkpoints": {"every": {"epochs": 100}}
    }));
    let path = format!("/v1/jobs/{id}/events");
    let host = server.url.strip_prefix("http://").unwrap();
    // These ask and never take a byte of the answer.
    let silent: Vec<TcpStream> = (0..5)
        .map(|_| {
            let mut socket = TcpStream::connect(host).unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
            socket.write_all(head.as_bytes()).unwrap();
            socket
        })
        .collect();
    let stream = |path: &str| blocks(&server.send("GET", path, &[("accept", "text/event-stream")], None));
    let filtered = format!("{path}?type=checkpoint&type=status");
    let (streams, chosen) = std::thread::scope(|scope| {
        let watchers: Vec<_> = (0..30).map(|_| scope.spawn(|| stream(&path))).collect();
        let chosen = scope.spawn(|| stream(&filtered));
        let streams: Vec<_> = watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect();
        (streams, chosen.join().unwrap())
    });
    assert_eq!(server.finished(&id)["status"], "succeeded");
    let list = server.get(&format!("{path}?order=asc&limit=1000")).ok();
    let stored: Vec<Value> = list["data"].as_array().unwrap().clone();
    assert!(stored.len() > 20, "{}", stored.len());
    for events in &streams {
        let (end, events) = events.split_last().unwrap();
        assert_eq!(end.1, "end");
        let seen: Vec<&Value> = events.iter().map(|(.., event)| event).collect();
        assert!(seen.into_iter().eq(&stored));
    }
    let wanted = stored.iter().filter(|event| event["type"] == "checkpoint" || event["type"] == "status");
    let seen: Vec<&Value> = chosen.iter().filter(|event| event.1 != "end").map(|(.., event)| event).collect();
    assert!(seen.into_iter().eq(wanted));
    drop(silent);
}

#[test]
fn the_layers_tell_what_saturates_and_what_moves() {
    let server = Server::start();
    server.sample("digits");
    // Weights four times as wide as tanh likes: most units start where they are flat.
    let spec = |gain: f64| {
        json!({"dataset": "digits", "target": "digit", "hidden_layers": [64, 64], "activation": "tanh", "epochs": 12,
               "init": {"weights": {"type": "glorot_uniform", "gain": gain}}, "early_stopping": false})
    };
    let layers =
        |job: &Value, query: &str| server.get(&format!("/v1/jobs/{}/layers{query}", job["id"].as_str().unwrap())).ok();
    let (wide, narrow) = (server.train(&spec(4.0)), server.train(&spec(1.0)));
    let start = |job: &Value| layers(job, "?epoch=0")["layers"].clone();
    for layer in 0..2 {
        let share = |job: &Value| start(job)[layer]["saturated_share"].as_f64().unwrap();
        assert!(share(&wide) > 0.5 && share(&narrow) < 0.2, "{:#} {:#}", start(&wide), start(&narrow));
    }
    let last = layers(&narrow, "");
    assert_eq!(last["epoch"], 12);
    assert_eq!((&last["epochs"][0], &last["epochs"][1], &last["epochs"][2]), (&json!(0), &json!(1), &json!(3)));
    let names: Vec<&str> =
        last["layers"].as_array().unwrap().iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hidden.0", "hidden.1", "head.digit"]);
    let ratio = last["layers"][0]["update_ratio"].as_f64().unwrap();
    assert!(ratio > 1e-5 && ratio < 1e-1, "{last:#}");
    // They are metrics, told where they are named; the usual curves stay few.
    let path = format!("/v1/jobs/{}/metrics", narrow["id"].as_str().unwrap());
    let all = server.get(&path).ok();
    assert!(all["columns"].as_object().unwrap().keys().all(|name| !name.starts_with("layer/")), "{all:#}");
    let named = server.get(&format!("{path}?names=layer/hidden.0/update_ratio")).ok();
    assert_eq!(named["columns"]["layer/hidden.0/update_ratio"][12], json!(ratio));
    let csv = server.get(&format!("{}/layers?format=csv", path.trim_end_matches("/metrics"))).text();
    assert!(csv.starts_with("name,") && csv.lines().count() == 4, "{csv}");

    // Looking changes no bit.
    let mut unwatched = spec(1.0);
    unwatched["record"] = json!({"layer_statistics": false});
    let unwatched = server.train(&unwatched);
    let weights = |job: &Value| server.weights(job["id"].as_str().unwrap(), "last");
    assert!(weights(&unwatched) == weights(&narrow));
    layers_missing(&server, &unwatched);
}

fn layers_missing(server: &Server, job: &Value) {
    let problem = server.get(&format!("/v1/jobs/{}/layers", job["id"].as_str().unwrap())).problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("layer_statistics"), "{problem:#}");
}
