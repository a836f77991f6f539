//! Input that is made to break a server: bounded before it is parsed, refused with what the bound is, and nothing is left of it.

use std::io::Write;

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn gzip(bytes: impl Iterator<Item = [u8; 1 << 16]>) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bytes.for_each(|block| packed.write_all(&block).unwrap());
    packed.finish().unwrap()
}

#[test]
fn a_packed_body_that_grows_a_thousandfold_is_refused_whichever_way_it_comes() {
    let server = Server::start();
    // 100 MB of spaces and of cells, 100 KB packed.
    let bomb = gzip((0..1600).map(|_| [b' '; 1 << 16]));
    let cells = gzip(std::iter::once(*b"a\n").map(|_| [b'\n'; 1 << 16]).chain((0..1600).map(|_| [b'1'; 1 << 16])));
    assert!(bomb.len() < 200_000 && cells.len() < 200_000);
    let before = server.proc_number("status", "VmHWM:");
    server.healthy_while(|| {
        let packed = [("content-encoding", "gzip"), JSON[0]];
        server.send("POST", "/v1/jobs", &packed, Some(&bomb)).problem(413, "too_large");
        let packed = [("content-encoding", "gzip"), ("content-type", "text/csv")];
        server.send("POST", "/v1/datasets?name=bomb", &packed, Some(&bomb)).problem(413, "too_large");
        // Not unpacked by HTTP but by the reader of data files.
        let answer = server.send("POST", "/v1/datasets?name=bomb", &[], Some(&cells));
        assert!([413, 422].contains(&answer.status), "{answer:?}");
    });
    let grown = server.proc_number("status", "VmHWM:") - before;
    assert!(grown < 128 << 10, "memory grew by {grown} kB");
    assert_eq!(server.get("/v1/datasets").ok()["data"], json!([]));
}

#[test]
fn a_file_of_a_million_columns_and_one_with_a_huge_cell_are_refused_with_their_bounds() {
    let server = Server::start();
    let header: String = (0..1_000_000).map(|n| format!("c{n},")).collect();
    server.healthy_while(|| {
        let answer = server.send("POST", "/v1/datasets?name=wide", &[], Some(format!("{header}z\n").as_bytes()));
        let problem = answer.problem(422, "invalid_dataset");
        assert!(problem["detail"].as_str().unwrap().contains("column"), "{problem:#}");
        let wide = format!("a,b\n1,{}\n", "x".repeat(60 << 20));
        let answer = server.send("POST", "/v1/datasets?name=huge", &[], Some(wide.as_bytes()));
        answer.problem(422, "invalid_dataset");
    });
    assert_eq!(server.get("/v1/datasets").ok()["data"], json!([]));
}

#[test]
fn huge_texts_deep_nesting_and_huge_networks_are_refused_where_they_stand() {
    let server = Server::with(Settings::default().arg("--memory-bytes", "1000000000"));
    server.sample("iris");
    server.healthy_while(|| {
        let named = |name: &str| json!({"dataset": "iris", "target": "species", "name": name});
        let problem = server.post("/v1/jobs", &named(&"x".repeat(1 << 20))).problem(422, "invalid_job_spec");
        assert_eq!(problem["errors"][0]["pointer"], "/name", "{problem:#}");
        assert!(problem.to_string().len() < 2000, "a refusal does not repeat a megabyte");
        // Refused by its declared length; a client that goes on sending may find the connection closed before it reads the refusal.
        let huge = named(&"x".repeat(100 << 20)).to_string();
        match server.try_send("POST", "/v1/jobs", &JSON, Some(huge.as_bytes())) {
            Ok(answer) => drop(answer.problem(413, "too_large")),
            Err(error) => assert!(matches!(error, ureq::Error::Io(_)), "{error}"),
        }
        for nested in ["[".repeat(1 << 20), format!("{{\"tags\":{}", "{\"a\":".repeat(1 << 20))] {
            server.send("POST", "/v1/jobs", &JSON, Some(nested.as_bytes())).problem(400, "malformed_request");
        }
        // Thirty thousand by thirty thousand weights, twice: what they need is told beside what there is.
        let spec = json!({"dataset": "iris", "target": "species", "hidden_layers": [30_000, 30_000, 30_000]});
        let problem = server.post("/v1/jobs", &spec).problem(422, "invalid_job_spec");
        let told = problem["errors"].to_string();
        assert!(told.contains("memory") && told.contains("1.0 GB"), "{told}");
        // A hundred thousand layers, each with a fault, are one fault.
        let faulty = json!({"dataset": "iris", "target": "species", "hidden_layers": vec![json!(-1); 100_000]});
        let answer = server.post("/v1/jobs", &faulty);
        assert_eq!(answer.status, 422);
        assert!(answer.body.len() < 1 << 20, "{} bytes of faults", answer.body.len());
    });
    assert_eq!(server.get("/v1/jobs").ok()["data"], json!([]));
}

#[test]
fn no_path_and_no_address_that_a_client_sends_is_ever_opened() {
    let server = Server::start();
    server.sample("iris");
    for name in [
        "../../etc/passwd",
        "..%2F..%2Fetc%2Fpasswd",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "a\\..\\b",
    ] {
        let spec = json!({"dataset": name, "target": "species"});
        server.post("/v1/jobs", &spec).problem(422, "invalid_job_spec");
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        server
            .send("POST", &format!("/v1/datasets?name={encoded}"), &[], Some(b"a,b\n1,2\n"))
            .problem(400, "malformed_request");
        server.delete(&format!("/v1/datasets/{encoded}")).problem(404, "not_found");
        server.get(&format!("/v1/jobs/{encoded}/weights")).problem(404, "not_found");
    }
    let left: Vec<Value> = server.get("/v1/datasets").ok()["data"].as_array().unwrap().clone();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn while_a_spec_of_a_million_numbers_is_proved_everybody_else_is_answered() {
    // One thread for all requests: whatever holds it is noticed.
    let server = Server::with(Settings::default().env("TOKIO_WORKER_THREADS", "1"));
    server.sample("iris");
    let batch: Vec<usize> = (0..150).collect();
    let spec =
        json!({"dataset": "iris", "target": "species", "split": false, "epochs": 1, "batches": vec![batch; 8_000]});
    let body = spec.to_string();
    server.healthy_while(|| {
        assert_eq!(server.send("POST", "/v1/jobs?dry_run=true", &JSON, Some(body.as_bytes())).status, 200);
        let faulty = body.replace("\"species\"", "\"spezies\"");
        server.send("POST", "/v1/jobs", &JSON, Some(faulty.as_bytes())).problem(422, "invalid_job_spec");
    });
}
