//! The process itself: it starts, says where it listens, refuses to be open to the world, and stops cleanly.

use crate::kit::{Server, Settings, trainyard};

#[test]
fn it_is_ready_when_it_says_so_and_stops_when_asked() {
    let mut server = Server::start();
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn without_a_key_it_refuses_to_listen_beyond_loopback_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let output = trainyard()
        .args(["serve", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("TRAINYARD_API_KEY"), "{said}");
    assert!(said.contains("loopback"), "{said}");
}

#[test]
fn with_a_key_it_answers_only_those_who_know_it() {
    let server = Server::with(Settings::default().key("a-key-of-some-length"));
    assert_eq!(server.get("/v1/jobs").status, 200);
    let stranger = ureq::get(format!("{}/v1/jobs", server.url)).config().http_status_as_error(false).build().call();
    assert_eq!(stranger.unwrap().status(), 401);
}

#[test]
fn health_tells_a_container_whether_the_server_is_ready() {
    let mut server = Server::start();
    let asked = |url: &str| trainyard().args(["health", "--url", url]).output().unwrap().status.code();
    assert_eq!(asked(&server.url), Some(0));
    let url = server.url.clone();
    server.stop();
    assert_eq!(asked(&url), Some(4));
}

/// The addresses that a process listens on, as Linux tells them.
fn listens_on(pid: u32) -> Vec<String> {
    let inode = |entry: std::io::Result<std::fs::DirEntry>| {
        let link = std::fs::read_link(entry.ok()?.path()).ok()?;
        Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    let own: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(inode).collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listening = fields[3] == "0A" || table.starts_with("udp");
            if listening && own.iter().any(|inode| inode == fields[9]) {
                found.push(format!("{table} {}", fields[1].split(':').next().unwrap()));
            }
        }
    }
    found
}

#[test]
fn it_listens_on_one_port_of_loopback_and_nowhere_else() {
    let server = Server::start();
    server.get("/readyz");
    // 127.0.0.1, as the kernel writes it.
    assert_eq!(listens_on(server.pid()), ["tcp 0100007F"]);
}
