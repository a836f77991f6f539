//! The contract's small print: every error is a problem document, every route is behind the key, and nothing is guessed.

use serde_json::{Value, json};
use ureq::http;

use crate::kit::{Server, Settings};

const KEY: &str = "a-key-of-some-length";

/// A request with exactly these headers.
fn bare(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, http::HeaderMap, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let mut request = http::Request::builder().method(method).uri(format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(()).unwrap()).unwrap();
    let body = answer.body_mut().read_to_vec().unwrap();
    (answer.status().as_u16(), answer.headers().clone(), serde_json::from_slice(&body).unwrap_or_default())
}

/// Every operation of the OpenAPI document, with its parameters filled in.
fn operations(server: &Server) -> Vec<(String, String)> {
    let document = server.get("/openapi.json").ok();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let filled: Vec<&str> =
                path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
            found.push((method.to_uppercase(), filled.join("/")));
        }
    }
    found
}

#[test]
fn every_route_of_the_document_wants_the_key() {
    let server = Server::with(Settings::default().key(KEY));
    let operations = operations(&server);
    assert!(operations.len() > 30, "{operations:?}");
    for (method, path) in operations {
        let open = ["/healthz", "/readyz"].contains(&path.as_str());
        for headers in [&[][..], &[("authorization", "Bearer another-key-altogether")]] {
            let (status, answer, body) = bare(&server, &method, &path, headers);
            if open {
                assert_eq!(status, 200, "{method} {path}");
                continue;
            }
            assert_eq!(status, 401, "{method} {path}: {body}");
            if method != "HEAD" {
                assert_eq!(body["code"], "unauthorized", "{method} {path}");
            }
            assert!(answer.contains_key("www-authenticate"), "{method} {path}");
        }
    }
    for path in ["/v1/no-such-route", "/openapi.json", "/docs", "/docs/", "/metrics", "/v1/jobs/x/y/z"] {
        assert_eq!(bare(&server, "GET", path, &[]).0, 401, "{path}");
    }
    assert_eq!(bare(&server, "GET", "/", &[]).0, 200, "the page is public");
}

#[test]
fn the_document_is_openapi_3_1_and_names_an_operation_once() {
    let server = Server::start();
    let document = server.get("/openapi.json").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().expect("an operation id").to_owned());
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{operation}");
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids repeat");
    let text = document.to_string();
    for (at, _) in text.match_indices("\"$ref\":\"") {
        let pointer = text[at + 9..].split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    let docs = server.get("/docs/");
    assert!(docs.text().contains("swagger"), "{docs:?}");
}

#[test]
fn errors_are_problem_documents_whatever_is_accepted() {
    let server = Server::start();
    let problem = server.get("/v1/nothing").problem(404, "not_found");
    assert_eq!(problem["instance"], "/v1/nothing");
    let answer = server.send("GET", "/v1/jobs/job_0", &[("accept", "text/csv")], None);
    answer.problem(404, "not_found");
    let answer = server.send("PUT", "/v1/jobs", &[], Some(b"{}"));
    let allow = answer.header("allow").unwrap().to_owned();
    answer.problem(405, "method_not_allowed");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let problem = server.get("/v1/jobs?limt=3&sort=colour").problem(400, "malformed_request");
    let errors = problem["errors"].to_string();
    assert!(errors.contains("did you mean `limit`") && errors.contains("\"sort\""), "{problem:#}");
    for (at, problem) in
        [("/v1/jobs?limit=0", "limit"), ("/v1/jobs?limit=1001", "limit"), ("/v1/jobs?after=zzz", "after")]
    {
        let refused = server.get(at).problem(400, "malformed_request");
        assert_eq!(refused["errors"][0]["parameter"], problem, "{at}");
    }
    let page = server.get(problem_page(&server).as_str());
    assert!(page.text().contains("not_found"));
}

fn problem_page(server: &Server) -> String {
    server.get("/v1/nothing").problem(404, "not_found")["type"].as_str().unwrap().to_owned()
}

#[test]
fn a_request_id_is_taken_echoed_and_stands_in_the_log() {
    let server = Server::start();
    let answer = server.send("GET", "/v1/nothing", &[("x-request-id", "build-17")], None);
    assert_eq!(answer.header("x-request-id"), Some("build-17"));
    assert_eq!(answer.problem(404, "not_found")["request_id"], "build-17");
    assert!(server.log().contains("build-17"), "{}", server.log());
    assert!(server.get("/healthz").header("x-request-id").is_some_and(|id| id.len() == 32));
}

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let server = Server::start();
    let (status, _, body) = bare(&server, "GET", "/v1/jobs", &[("host", "evil.example")]);
    assert_eq!((status, &body["code"]), (403, &json!("forbidden_host")));
    let (status, _, body) = bare(&server, "POST", "/v1/samples/iris", &[("origin", "https://evil.example")]);
    assert_eq!((status, &body["code"]), (403, &json!("forbidden_origin")));
    let own = server.url.clone();
    assert_eq!(bare(&server, "POST", "/v1/samples/iris", &[("origin", &own)]).0, 201);
    let (status, headers, _) = bare(&server, "GET", "/v1/jobs", &[("origin", "https://evil.example")]);
    assert_eq!(status, 200);
    assert!(!headers.contains_key("access-control-allow-origin"), "CORS is off");

    let listed = Server::with(Settings::default().arg("--cors-origin", "https://lab.example"));
    let origin = [("origin", "https://lab.example")];
    assert_eq!(bare(&listed, "POST", "/v1/samples/iris", &origin).0, 201);
    let (_, headers, _) = bare(&listed, "GET", "/v1/jobs", &origin);
    assert_eq!(headers["access-control-allow-origin"], "https://lab.example");
    assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("etag"));
    let asks = [
        ("origin", "https://lab.example"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization"),
    ];
    let (status, headers, _) = bare(&listed, "OPTIONS", "/v1/jobs/job_0", &asks);
    assert_eq!(status, 200);
    assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("DELETE"));
}

#[test]
fn bodies_travel_compressed_both_ways() {
    let server = Server::start();
    server.sample("iris");
    for encoding in ["gzip", "br", "zstd"] {
        let (status, headers, _) = bare(&server, "GET", "/v1/datasets/iris", &[("accept-encoding", encoding)]);
        assert_eq!(status, 200);
        assert_eq!(headers["content-encoding"], encoding);
        // A file with a tag over its bytes is sent as it is.
        let (_, headers, _) = bare(&server, "GET", "/v1/datasets/iris/file", &[("accept-encoding", encoding)]);
        assert!(!headers.contains_key("content-encoding"), "{encoding}");
    }
    // `{}` as gzip with a stored block.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x02\0\xfd\xff{}\x43\xbf\xa6\xa3\x02\0\0\0";
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let answer = server.send("POST", "/v1/jobs", &headers, Some(gzip));
    answer.problem(422, "invalid_job_spec");
    let headers = [("content-type", "application/json"), ("content-encoding", "rot13")];
    server.send("POST", "/v1/jobs", &headers, Some(b"{}")).problem(415, "unsupported_media_type");
}

#[test]
fn a_refused_key_comes_before_the_body() {
    use std::io::{Read, Write};
    let server = Server::with(Settings::default().key(KEY));
    let address = server.url.strip_prefix("http://").unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/datasets?name=x HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}
