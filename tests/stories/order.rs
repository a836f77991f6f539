//! What reaches the disk before what: the calls of the server to the system, as `strace` sees them. A power cut keeps what was synced and
//! may keep or lose the rest in any order; so a file must be synced before it is named, its name before the row that names it, and the
//! row before the client is told.

use std::collections::HashMap;
use std::process::Command;

use serde_json::json;

use crate::kit::{Server, Settings, skipped};

/// A call to the system: when it began and ended (as lines of the trace), and the line.
struct Call {
    name: String,
    text: String,
    began: usize,
    ended: usize,
}

/// Reads a trace of several threads: a call that another one interrupts stands in two lines.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let (began, text) = if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (at, begun.to_owned()));
            continue;
        } else if rest.starts_with("<... ") {
            let Some((began, begun)) = open.remove(thread) else { continue };
            (began, begun + rest.split_once("resumed>").map_or("", |(_, rest)| rest))
        } else {
            (at, rest.to_owned())
        };
        let Some((name, _)) = text.split_once('(') else { continue };
        calls.push(Call { name: name.to_owned(), text, began, ended: at });
    }
    calls
}

impl Call {
    fn writes(&self, path: &str) -> bool {
        ["write", "writev", "pwrite64", "pwritev"].contains(&self.name.as_str()) && self.text.contains(path)
    }

    fn syncs(&self, path: &str) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str()) && self.text.contains(path) && self.text.ends_with("= 0")
    }
}

#[test]
fn a_file_is_synced_before_it_is_named_its_name_before_its_row_and_the_row_before_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("trace");
    let traced =
        "trace=write,writev,pwrite64,pwritev,read,recvfrom,sendto,fsync,fdatasync,rename,renameat,renameat2,linkat";
    // As a grandchild: the server stays a child of this process, and can be waited for and killed as ever.
    let strace = ["strace", "-D", "-f", "-y", "-qq", "-s", "48", "-o", log.to_str().unwrap(), "-e", traced, "--"];
    let tried = Command::new("strace").args(["-f", "-e", "trace=none", "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return skipped("strace is not installed or may not trace");
    }
    let mut server = Server::with(Settings::default().wrapped(&strace));
    let table: String =
        std::iter::once("a,b,y\n".to_owned()).chain((0..300).map(|n| format!("{n},{},{}\n", n % 7, n % 2))).collect();
    server.upload("table", table);
    let id = server.submit(&json!({
        "dataset": "table", "target": "y", "epochs": 4, "early_stopping": false, "checkpoints": {"every": {"epochs": 1}}
    }));
    assert_eq!(server.finished(&id)["status"], "succeeded");
    assert_eq!(server.delete("/v1/datasets/table").status, 204);
    assert_eq!(server.stop().code(), Some(0));
    let trace = std::fs::read_to_string(&log).unwrap();
    let calls = calls(&trace);

    // Files: synced, renamed, folder synced.
    let renames: Vec<&Call> =
        calls.iter().filter(|call| call.name.starts_with("rename") && call.text.contains("/incoming/")).collect();
    assert_eq!(renames.len(), 2, "the upload and its table");
    let named = renames.iter().map(|rename| {
        let source = rename.text.split('"').nth(1).unwrap();
        let source = &source[source.rfind("/incoming/").unwrap()..];
        let last_write = calls.iter().filter(|call| call.writes(source)).map(|call| call.ended).max().unwrap();
        assert!(last_write < rename.began, "{source} is written after it got its name");
        let synced = |call: &&Call| call.syncs(source) && call.began > last_write && call.ended < rename.began;
        assert!(calls.iter().any(|call| synced(&call)), "{source} gets its name before it is synced");
        let folder = |call: &&Call| call.syncs("/files>") && call.began > rename.ended;
        calls.iter().find(folder).expect("the folder is never synced").ended
    });
    let named = named.max().unwrap();

    // The row of the dataset comes after, and each answer that tells of something made after the sync of its row.
    let answers = |request: &str, answer: &str| {
        let asked =
            calls.iter().find(|call| ["read", "recvfrom"].contains(&call.name.as_str()) && call.text.contains(request));
        let asked = asked.unwrap_or_else(|| panic!("no {request} in the trace")).ended;
        let told = |call: &&Call| call.began > asked && call.text.contains(&format!("HTTP/1.1 {answer}"));
        (asked, calls.iter().find(told).unwrap_or_else(|| panic!("no answer to {request}")).began)
    };
    let wal = "trainyard.db-wal";
    for (request, answer) in [("POST /v1/datasets", "201"), ("POST /v1/jobs", "201"), ("DELETE /v1/datasets", "204")] {
        let (asked, told) = answers(request, answer);
        let upload = request.contains("POST /v1/datasets");
        let begins = if upload { named } else { asked };
        let early = calls.iter().find(|call| upload && call.writes(wal) && call.began > asked && call.began < named);
        assert!(early.is_none(), "a row is written before its file has its name");
        let row = calls.iter().find(|call| call.writes(wal) && call.began > begins && call.ended < told);
        let row = row.unwrap_or_else(|| panic!("{request} is answered before its row is written")).ended;
        let synced = calls.iter().any(|call| call.syncs(wal) && call.began > row && call.ended < told);
        assert!(synced, "{request} is answered before its row is synced");
    }
    // The log is synced before its pages go into the database: a page of a lost commit never overwrites one that was kept.
    let database = "trainyard.db>";
    for write in calls.iter().filter(|call| call.writes(database)) {
        let last =
            calls.iter().filter(|call| call.writes(wal) && call.ended < write.began).map(|call| call.ended).max();
        let Some(last) = last else { continue };
        let synced = calls.iter().any(|call| call.syncs(wal) && call.began > last && call.ended < write.began);
        assert!(synced, "a page goes into the database before the log is synced: {}", write.text);
    }
}
