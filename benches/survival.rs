//! Figures of the queue, of long curves and of many watchers: `cargo bench --bench survival`.
//!
//! Each stands beside what it is measured against in the same run: a bare commit of SQLite with `synchronous=FULL` on the same disk, a
//! training without watchers. The bare commit goes through the same driver: three statements, a row as long as a job's spec, in a
//! database of its own that has SQLite's defaults. Not a gate: a busy machine gives larger numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a measuring program")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use trainyard::store::{
    Axis, JobDataset, Memory, MetricQuery, NewDataset, NewJob, Points, Record, Staged, Store, StoredProfile,
};

#[allow(dead_code, reason = "the stories use the rest")]
#[path = "../tests/stories/kit.rs"]
mod kit;

use kit::{Server, Settings};

const QUEUED: usize = 10_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(queue(folder.path()));
    runtime.block_on(curves(folder.path()));
    list_page();
    watchers();
}

/// Submits and claims one after the other, with 10,000 jobs waiting, beside bare commits that take turns with them.
async fn queue(folder: &Path) {
    let store = Store::open(&folder.join("queue")).await.unwrap();
    let new = job(&store).await;
    for chunk in 0..QUEUED / 250 {
        let wanted = (0..250).map(|_| store.job_insert(new.clone()));
        futures_util::future::try_join_all(wanted).await.unwrap();
        assert!(chunk < QUEUED);
    }
    let options = SqliteConnectOptions::new()
        .filename(folder.join("bare.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut bare = sqlx::SqliteConnection::connect_with(&options.disable_statement_logging()).await.unwrap();
    sqlx::query("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut bare).await.unwrap();
    let (mut commits, mut submits, mut claims) = (Vec::new(), Vec::new(), Vec::new());
    let text = "x".repeat(1000);
    // As the pool claims: by what the running jobs leave of the memory.
    let memory = Memory { free_bytes: 1 << 30, budget_bytes: 1 << 30 };
    for _ in 0..1000 {
        let start = Instant::now();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut bare).await.unwrap();
        sqlx::query("INSERT INTO t (text) VALUES (?)").bind(&text).execute(&mut bare).await.unwrap();
        sqlx::query("COMMIT").execute(&mut bare).await.unwrap();
        commits.push(ms(start));
        let start = Instant::now();
        store.job_insert(new.clone()).await.unwrap();
        submits.push(ms(start));
        let start = Instant::now();
        assert!(store.job_claim("bench", Some(memory)).await.unwrap().is_some());
        claims.push(ms(start));
    }
    println!("with {QUEUED} jobs in the queue:");
    let base = report("a bare commit, synchronous=FULL", &mut commits);
    for (name, times) in [("submit (library)", &mut submits), ("claim (library)", &mut claims)] {
        let p99 = report(name, times);
        println!("    p99 relative to the bare commit's: {:.2}", p99 / base);
    }
    let start = Instant::now();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, new) = (store.clone(), new.clone());
            tokio::spawn(async move {
                for _ in 0..250 {
                    store.job_insert(new.clone()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("submits a second from 16 clients (library)      {:>9.0}", 4000.0 / start.elapsed().as_secs_f64());
    store.close().await;
}

/// A million points of one metric.
async fn curves(folder: &Path) {
    let store = Store::open(&folder.join("curves")).await.unwrap();
    let id = store.job_insert(job(&store).await).await.unwrap().id;
    let (lease, _) = store.job_claim("bench", None).await.unwrap().unwrap();
    for start in (0..1_000_000_u64).step_by(50_000) {
        let keys: Vec<u64> = (start + 1..start + 50_001).collect();
        let column = |name: &str, value: fn(u64) -> f64| (name.to_owned(), keys.iter().copied().map(value).collect());
        let columns = vec![
            column("time", |n| 1.7e12 + n as f64),
            column("step", |n| n as f64),
            column("epoch", |n| (n / 1000) as f64),
            column("train_seconds", |n| n as f64 / 1e3),
            column("loss", |n| (n as f64 / 3000.0).sin() + 1e3 / n as f64),
        ];
        let points = vec![Points { axis: Axis::Step, keys: keys.clone(), columns }];
        store.job_record(&lease, Record { points, ..Record::default() }).await.unwrap();
    }
    println!("a job with 1,000,000 points:");
    for (name, after, max_points) in [("the last 500 points", 999_500, None), ("thinned to 1,000", 0, Some(1000))] {
        let query = MetricQuery { axis: Axis::Step, names: Vec::new(), after, limit: 10_000, max_points };
        let mut times = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            assert!(store.metric_read(id, &query).await.unwrap().points >= 500);
            times.push(ms(start));
        }
        report(name, &mut times);
    }
    store.close().await;
}

/// The first page of the list with 10,000 jobs, submits over HTTP from 16 clients, and memory before and after.
fn list_page() {
    let server = Server::with(Settings::default());
    server.sample("iris");
    // One job keeps the only worker busy; the others wait.
    server.submit(&endless(1));
    let before = resident_mb(server.pid());
    let spec = json!({"dataset": "iris", "target": "species"});
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..QUEUED / 16).for_each(|_| drop(server.submit(&spec))));
        }
    });
    println!("over HTTP, with a job in training:");
    println!("submits a second from 16 clients                {:>9.0}", QUEUED as f64 / start.elapsed().as_secs_f64());
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        server.get("/v1/jobs").ok();
        times.push(ms(start));
    }
    report("first page of the list", &mut times);
    println!("memory before and after (MB)                    {before:>9.1} {:>9.1}", resident_mb(server.pid()));
}

/// Epochs a second with nobody watching and with 500 event streams, 50 of which never read; the two take turns.
fn watchers() {
    let server = Server::with(Settings::default());
    server.sample("digits");
    let (mut alone, mut watched, mut silent_bytes) = (Vec::new(), Vec::new(), 0);
    for round in 0..6 {
        alone.push(epochs_a_second(&server, 0, round).0);
        let (rate, bytes) = epochs_a_second(&server, 500, round);
        watched.push(rate);
        silent_bytes += bytes;
    }
    let (alone, watched) = (median(&mut alone), median(&mut watched));
    println!("epochs a second alone                           {alone:>9.1}");
    println!(
        "with 500 event streams, 50 of them never read   {watched:>9.1}   ({:+.1} %)",
        (watched / alone - 1.0) * 100.0
    );
    println!("bytes that the 450 others read                  {silent_bytes:>9}");
}

fn epochs_a_second(server: &Server, watchers: usize, round: u64) -> (f64, u64) {
    let id = server.submit(&json!({
        "dataset": "digits", "target": "digit", "hidden_layers": [64], "epochs": 1_000_000, "early_stopping": false,
        "threads": 1, "seed": round, "record": {"step_metrics": false}
    }));
    server.until(&id, |job| job["progress"]["epoch"].as_u64() > Some(20));
    let host = server.url.strip_prefix("http://").unwrap().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let read = Arc::new(AtomicU64::new(0));
    let mut silent = Vec::new();
    let mut sockets = Vec::new();
    for n in 0..watchers {
        let mut socket = TcpStream::connect(&host).unwrap();
        let head = format!("GET /v1/jobs/{id}/events HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        if n % 10 == 0 {
            silent.push(socket);
        } else {
            socket.set_nonblocking(true).unwrap();
            sockets.push(socket);
        }
    }
    // One thread empties all sockets ten times a second: the clients are to cost little on this machine.
    let reader = {
        let (stop, read) = (Arc::clone(&stop), Arc::clone(&read));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !stop.load(Ordering::Relaxed) {
                for socket in &mut sockets {
                    while let Ok(count @ 1..) = socket.read(&mut buffer) {
                        read.fetch_add(count as u64, Ordering::Relaxed);
                    }
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        })
    };
    std::thread::sleep(Duration::from_secs(1));
    let progress = || server.get(&format!("/v1/jobs/{id}")).ok()["progress"]["epoch"].as_f64().unwrap();
    let (first, start) = (progress(), Instant::now());
    std::thread::sleep(Duration::from_secs(5));
    let rate = (progress() - first) / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).ok();
    server.finished(&id);
    (rate, read.load(Ordering::Relaxed))
}

fn endless(seed: u64) -> Value {
    json!({"dataset": "iris", "target": "species", "epochs": 1_000_000, "early_stopping": false, "seed": seed})
}

async fn job(store: &Store) -> NewJob {
    let dataset = store
        .dataset_insert(NewDataset {
            name: "iris".parse().ok(),
            format: "csv".to_owned(),
            identity: json!({}),
            options: json!({}),
            rows: 2,
            columns: 1,
            profile: StoredProfile::of(&json!({"columns": [], "warnings": []})).unwrap(),
            original: staged(store, b"iris").await,
            table: staged(store, b"table").await,
            move_name: false,
            idempotency: None,
        })
        .await
        .unwrap()
        .dataset;
    NewJob {
        name: None,
        priority: 0,
        tags: std::collections::BTreeMap::new(),
        dataset: JobDataset { id: dataset.id, name: None, sha256: dataset.sha256 },
        also_uses: Vec::new(),
        version: "0.1.0".to_owned(),
        arithmetic_version: 1,
        request_id: None,
        request: json!({"dataset": "iris", "target": "species"}),
        spec: json!({"dataset": "iris", "text": "x".repeat(1000)}),
        parameters: Some(387),
        memory_bytes: Some(1000),
        parent: None,
        warnings: json!([]),
        idempotency: None,
        queue_limit: Some(1_000_000),
        members: Vec::new(),
    }
}

async fn staged(store: &Store, bytes: &[u8]) -> Staged {
    let mut upload = store.upload_begin().await.unwrap();
    upload.write(bytes).await.unwrap();
    upload.finish().await.unwrap()
}

fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("kB") / 1024.0
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints median and 99th percentile; gives the latter.
fn report(name: &str, times: &mut [f64]) -> f64 {
    let middle = median(times);
    let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)];
    println!("{name:<47} {middle:>9.2} ms   p99 {p99:.2} ms ({} runs)", times.len());
    p99
}
