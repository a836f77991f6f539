//! Many clients at once, patient ones and hostile ones: they cost little, are bounded, and the others never notice.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

const CROWD: usize = 1000;

fn paused_job(server: &Server) -> String {
    server.sample("iris");
    let id =
        server.submit(&json!({"dataset": "iris", "target": "species", "epochs": 1_000_000, "early_stopping": false}));
    server.post(&format!("/v1/jobs/{id}/pause"), &json!({}));
    server.until(&id, |job| job["status"] == "paused");
    id
}

/// Reads what comes until the text stands in it, or the other side ends; gives all of it.
fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => got.extend_from_slice(&buffer[..count]),
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&got)),
        }
        if String::from_utf8_lossy(&got).contains(text) {
            break;
        }
    }
    String::from_utf8_lossy(&got).into_owned()
}

#[test]
fn a_thousand_waiting_requests_cost_no_thread_and_no_time_and_are_all_answered() {
    let server = Server::start();
    let id = paused_job(&server);
    let threads = server.proc_number("status", "Threads:");
    let ask = format!("GET /v1/jobs/{id}?wait=60 HTTP/1.1\r\nhost: HOST\r\n\r\n");
    let mut waiting: Vec<TcpStream> = (0..CROWD).map(|_| server.connect(&ask)).collect();
    let began = Instant::now();
    while server.get("/v1/server").ok()["open"]["waits"] != CROWD {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", server.log());
    }
    let (before, began) = (server.processor_time(), Instant::now());
    let waited = server.get(&format!("/v1/jobs/{id}?wait=3")).ok();
    assert_eq!(waited["status"], "paused");
    let (spent, passed) = (server.processor_time() - before, began.elapsed());
    assert!(passed >= Duration::from_secs(3), "{passed:?}");
    assert!(spent < passed / 10, "{CROWD} waiting requests took {spent:?} of {passed:?}");
    let now = server.proc_number("status", "Threads:");
    assert!(now <= threads + 8, "{threads} threads before, {now} with {CROWD} waiting requests");
    println!(
        "{CROWD} waiting requests: {spent:?} of processor time in {passed:?}, {threads} threads before, {now} with them"
    );

    // Beyond the bound the answer is a refusal that says when to come again.
    let more: Vec<TcpStream> = (0..100).map(|_| server.connect(&ask)).collect();
    let asked = Instant::now();
    let refused = loop {
        let answer = server.get(&format!("/v1/jobs/{id}?wait=0.1"));
        if answer.status == 429 {
            break answer;
        }
        assert!(asked.elapsed() < Duration::from_secs(20), "{answer:?}");
    };
    assert_eq!(refused.header("retry-after"), Some("2"));
    refused.problem(429, "too_many_requests");
    drop(more);

    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    for socket in &mut waiting {
        let answer = read_until(socket, "\"status\":\"cancelled\"");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn a_crowd_that_comes_while_the_server_is_held_up_gets_in_and_is_answered() {
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    // The system bounds how many may stand before the door of any server.
    let bound = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux");
    let crowd = CROWD.min(bound.trim().parse().unwrap());
    server.tell("STOP");
    let mut clients: Vec<TcpStream> = (0..crowd)
        .map(|nth| {
            let connected = TcpStream::connect_timeout(&address, Duration::from_secs(5));
            let mut socket = connected.unwrap_or_else(|error| panic!("client {nth} stands outside: {error}"));
            socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            socket.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).unwrap();
            socket
        })
        .collect();
    server.tell("CONT");
    for socket in &mut clients {
        assert!(read_until(socket, "\r\n\r\n").starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn a_thousand_dribbling_clients_are_let_go_and_nobody_else_notices() {
    let server = Server::start();
    let id = paused_job(&server);
    let mut watching = server
        .connect(&format!("GET /v1/jobs/{id}/events HTTP/1.1\r\nhost: HOST\r\naccept: text/event-stream\r\n\r\n"));
    let mut dribbling: Vec<TcpStream> =
        (0..CROWD).map(|_| server.connect("GET /v1/jobs HTTP/1.1\r\nhost: HOST\r\n")).collect();
    dribbling.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
    let began = Instant::now();
    server.healthy_while(|| {
        while !dribbling.is_empty() {
            let answered =
                server.post("/v1/jobs?wait=30", &json!({"dataset": "iris", "target": "species", "epochs": 2}));
            assert_eq!(answered.ok()["status"], "succeeded");
            // A letter of a header that never ends; whom the server has let go cannot send any more.
            dribbling.retain_mut(|socket| {
                let mut buffer = [0; 512];
                let open = match socket.read(&mut buffer) {
                    Ok(0) => false,
                    Err(error) => error.kind() == ErrorKind::WouldBlock,
                    Ok(_) => true, // the refusal, before the end
                };
                open && socket.write_all(b"x").is_ok()
            });
            assert!(began.elapsed() < Duration::from_secs(40), "{} are still there", dribbling.len());
        }
    });
    assert!(began.elapsed() > Duration::from_secs(5), "they were let go before their time: {:?}", began.elapsed());
    // Meanwhile nothing happened to the watched job: the stream says that it is alive.
    let told = read_until(&mut watching, ": heartbeat");
    assert!(told.contains(": heartbeat"), "{told}");
}

#[test]
fn streams_are_bounded_in_total_and_for_each_client_and_a_closed_one_makes_room() {
    let settings = Settings::default().arg("--max-streams", "4").arg("--max-streams-per-client", "3");
    let server = Server::with(settings);
    let id = paused_job(&server);
    let ask = format!("GET /v1/jobs/{id}/events HTTP/1.1\r\nhost: HOST\r\naccept: text/event-stream\r\n\r\n");
    let mut open: Vec<TcpStream> = (0..3).map(|_| server.connect(&ask)).collect();
    for socket in &mut open {
        assert!(read_until(socket, ": stream").starts_with("HTTP/1.1 200"));
    }
    assert_eq!(server.get("/v1/server").ok()["open"], json!({"waits": 0, "streams": 3}));
    let refused = server.send("GET", &format!("/v1/jobs/{id}/events"), &[("accept", "text/event-stream")], None);
    assert_eq!(refused.header("retry-after"), Some("5"));
    let problem = refused.problem(429, "too_many_requests");
    assert!(problem["detail"].as_str().unwrap().contains("this client"), "{problem:#}");
    // The list of events is no stream.
    server.get(&format!("/v1/jobs/{id}/events")).ok();
    drop(open.pop());
    let began = Instant::now();
    loop {
        let mut again = server.connect(&ask);
        if read_until(&mut again, "\r\n\r\n").starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the place of a stream that was closed is not free");
    }
    let limits: Value = server.get("/v1/server").ok()["limits"].clone();
    assert_eq!((&limits["streams"], &limits["streams_per_client"]), (&json!(4), &json!(3)));
}
