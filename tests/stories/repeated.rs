//! `Idempotency-Key` on everything that makes something: a repeated request makes nothing twice and gets the first answer, also after
//! the server was killed; another body is refused, and so is a repetition while the first is under way.

use serde_json::{Value, json};

use crate::kit::{Answer, Server};

const JSON: &str = "application/json";

fn send(server: &Server, key: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
    server.send("POST", path, &[("idempotency-key", key), ("content-type", kind)], Some(body))
}

/// A safetensors file with one small tensor.
fn weights() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &1.5_f32.to_le_bytes()].concat()
}

/// Where, of which type, its body, and another body.
type Creating = (String, &'static str, Vec<u8>, Option<Vec<u8>>);

/// Every request that makes something.
fn creating(job: &str) -> Vec<Creating> {
    let text = |value: Value| value.to_string().into_bytes();
    let spec = |epochs: u64| json!({"dataset": "iris", "target": "species", "epochs": epochs});
    let check = |kind: &str| text(json!({"kind": kind, "spec": spec(2)}));
    vec![
        ("/v1/samples/wine".to_owned(), JSON, b"{}".to_vec(), None),
        ("/v1/datasets?name=small".to_owned(), "text/csv", b"a,b\n1,2\n3,4\n".to_vec(), Some(b"a,b\n5,6\n".to_vec())),
        ("/v1/weights".to_owned(), "application/octet-stream", weights(), Some(b"something else".to_vec())),
        ("/v1/jobs".to_owned(), JSON, text(spec(2)), Some(text(spec(3)))),
        (format!("/v1/jobs/{job}/fork"), JSON, text(json!({"epochs": 4})), Some(text(json!({"epochs": 5})))),
        ("/v1/checks".to_owned(), JSON, check("gradient"), Some(check("init"))),
    ]
}

/// How many of everything there are.
fn counts(server: &Server) -> Vec<usize> {
    let lists = ["/v1/datasets", "/v1/weights", "/v1/jobs", "/v1/checks"];
    let count = |path: &&str| server.get(&format!("{path}?limit=1000")).ok()["data"].as_array().unwrap().len();
    lists.iter().map(count).collect()
}

#[test]
fn whatever_is_made_twice_with_one_key_is_made_once_even_when_the_server_was_killed() {
    let mut server = Server::start();
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 1}));
    let job = job["id"].as_str().unwrap().to_owned();
    let mut first = Vec::new();
    for (at, (path, kind, body, _)) in creating(&job).iter().enumerate() {
        let answer = send(&server, &format!("key {at}"), path, kind, body);
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None), "{path}: {answer:?}");
        first.push(answer.ok());
    }
    // Jobs make reports of their own: counted when they have ended.
    for made in server.get("/v1/jobs").ok()["data"].as_array().unwrap() {
        server.finished(made["id"].as_str().unwrap());
    }
    // What a forked job came from may go: the first answer is given all the same.
    assert_eq!(server.delete(&format!("/v1/jobs/{job}")).status, 204);
    let there = counts(&server);
    for restarted in [false, true] {
        if restarted {
            server.restart();
        }
        for (at, (path, kind, body, other)) in creating(&job).iter().enumerate() {
            let key = format!("key {at}");
            let again = send(&server, &key, path, kind, body);
            assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{path}: {again:?}");
            assert_eq!(again.ok(), first[at], "{path}");
            if let Some(other) = other {
                send(&server, &key, path, kind, other).problem(422, "idempotency_key_reused");
            }
        }
        assert_eq!(counts(&server), there);
    }
}

#[test]
fn every_request_of_the_document_that_makes_something_takes_a_key() {
    let document = Server::start().get("/openapi.json").ok();
    let mut makers = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["post"];
        if operation["responses"]["201"].is_null() {
            continue;
        }
        makers += 1;
        let parameters = operation["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|one| one["name"] == "Idempotency-Key" && one["in"] == "header"), "{path}");
    }
    assert!(makers >= 6, "{makers}");
}

#[test]
fn a_repetition_while_the_first_is_under_way_is_told_to_wait() {
    let server = Server::start();
    server.sample("digits");
    let body =
        json!({"kind": "overfit", "spec": {"dataset": "digits", "target": "digit", "hidden_layers": [400, 400]}});
    let body = body.to_string().into_bytes();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = || send(&server, "the same", "/v1/checks", JSON, &body);
        let asking: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (made, told): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count(), 1, "{made:?}");
    for answer in told {
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
        answer.problem(409, "idempotency_in_progress");
    }
    assert_eq!(server.get("/v1/checks").ok()["data"].as_array().unwrap().len(), 1);
    // Now there is an answer.
    assert_eq!(send(&server, "the same", "/v1/checks", JSON, &body).header("idempotency-replayed"), Some("true"));
}
