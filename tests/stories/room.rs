//! What happens when memory or the disk runs short: jobs wait or pause, say why, and go on when there is room again.

use std::path::Path;

use serde_json::{Value, json};

use crate::kit::{Server, Settings};

fn endless(dataset: &str) -> Value {
    let target = if dataset == "iris" { "species" } else { "digit" };
    json!({"dataset": dataset, "target": target, "epochs": 1_000_000, "early_stopping": false, "seed": 1})
}

#[test]
fn a_job_that_never_fits_into_memory_is_refused_and_one_that_fits_later_waits_and_says_why() {
    let mut server = Server::with(Settings::workers(2));
    server.sample("digits");
    let preview = server.post("/v1/jobs?dry_run=true", &endless("digits")).ok();
    let needed = preview["memory_bytes"].as_u64().unwrap();
    let budget = (needed * 3 / 2).to_string();
    server.restart_with(Settings::workers(2).arg("--memory-bytes", &budget));

    let mut large = endless("digits");
    large["hidden_layers"] = json!([4000, 4000]);
    let problem = server.post("/v1/jobs", &large).problem(422, "invalid_job_spec");
    assert!(problem["detail"].as_str().unwrap().contains("memory"), "{problem:#}");

    let first = server.submit(&endless("digits"));
    server.until(&first, |job| job["status"] == "running");
    let second = server.submit(&endless("digits"));
    let waiting = server.until(&second, |job| !job["queue_reason"].is_null());
    assert_eq!(waiting["status"], "queued");
    assert!(waiting["queue_reason"].as_str().unwrap().contains("memory"), "{waiting:#}");

    server.post(&format!("/v1/jobs/{first}/cancel"), &json!({}));
    let running = server.until(&second, |job| job["status"] == "running");
    assert!(running["queue_reason"].is_null());
}

#[test]
fn a_disk_that_is_nearly_full_refuses_writes_pauses_jobs_and_lets_them_go_on_when_there_is_room() {
    // A file system in memory, which hardly anyone else writes to.
    let Some((shm, free)) = shared_memory() else {
        println!("skipped: there is no /dev/shm with room");
        return;
    };
    let keep_free = free - (free / 4).min(64 << 20);
    let settings = Settings { parent: Some(shm.into()), ..Settings::default() };
    let server = Server::with(settings.arg("--keep-free-bytes", &keep_free.to_string()));
    server.sample("iris");
    let done = server.train(&json!({"dataset": "iris", "target": "species", "seed": 2}));
    let done = done["id"].as_str().unwrap();
    let running = server.submit(&endless("iris"));
    let queued = server.submit(&endless("iris"));
    server.until(&running, |job| job["progress"]["epoch"].as_u64() > Some(5));

    let ballast = tempfile::NamedTempFile::new_in(shm).unwrap();
    std::fs::write(ballast.path(), vec![1; (free / 2).min(128 << 20) as usize]).unwrap();
    let paused = server.until(&running, |job| job["status"] == "paused");
    let reason = |job: &Value| job["transitions"].as_array().unwrap().last().unwrap()["reason"].clone();
    let why: Vec<&Value> = paused["transitions"].as_array().unwrap().iter().map(|one| &one["reason"]).collect();
    assert!(why.iter().any(|why| why.as_str().unwrap().contains("nearly full")), "{why:?}");
    let waiting = server.until(&queued, |job| !job["queue_reason"].is_null());
    assert_eq!(waiting["queue_reason"], "the data directory is nearly full");

    // What would take room is refused; reading, predicting and deleting go on.
    server.send("POST", "/v1/datasets?name=more", &[], Some(b"a,b\n1,2\n3,4\n")).problem(507, "disk_full");
    server.post("/v1/jobs", &endless("iris")).problem(507, "disk_full");
    assert_eq!(server.get("/v1/server").ok()["data"]["nearly_full"], true);
    server.get(&format!("/v1/jobs/{done}/metrics")).ok();
    let row = json!({"rows": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]});
    server.post(&format!("/v1/jobs/{done}/predictions"), &row).ok();
    assert_eq!(server.delete(&format!("/v1/jobs/{done}")).status, 204);
    assert_eq!(server.get("/healthz").status, 200);

    drop(ballast);
    let again = server.until(&running, |job| job["status"] == "running");
    assert_eq!(again["attempt"], 2);
    assert!(!reason(&again).is_null());
    server.send("POST", "/v1/datasets?name=more", &[], Some(b"a,b\n1,2\n3,4\n")).ok();
}

fn shared_memory() -> Option<(&'static Path, u64)> {
    let shm = Path::new("/dev/shm");
    let stat = rustix::fs::statvfs(shm).ok()?;
    let free = stat.f_bavail.checked_mul(stat.f_frsize)?;
    (free >= 60 << 20 && tempfile::tempfile_in(shm).is_ok()).then_some((shm, free))
}

#[test]
fn only_the_newest_finished_jobs_are_kept_when_the_operator_says_so() {
    let mut server = Server::start();
    server.sample("iris");
    let spec = json!({"dataset": "iris", "target": "species", "epochs": 3});
    let jobs: Vec<String> = (0..4).map(|_| server.train(&spec)["id"].as_str().unwrap().to_owned()).collect();
    server.restart_with(Settings::default().arg("--keep-jobs", "2"));
    for gone in &jobs[..2] {
        // A waiting request is woken by the deletion.
        while server.get(&format!("/v1/jobs/{gone}")).status != 404 {
            server.send("GET", &format!("/v1/jobs/{gone}?wait=5"), &[("if-none-match", "W/\"none\"")], None);
        }
    }
    for kept in &jobs[2..] {
        server.get(&format!("/v1/jobs/{kept}")).ok();
    }
}

#[test]
fn what_is_deleted_gives_its_room_back_to_the_file_system() {
    let server = Server::start();
    server.sample("iris");
    let before = server.get("/v1/server").ok()["data"]["database_bytes"].as_u64().unwrap();
    // Three checkpoints of two million weights with what Adam keeps of each.
    let job = server.train(&json!({
        "dataset": "iris", "target": "species", "hidden_layers": [2000, 1000], "epochs": 3, "early_stopping": false,
        "checkpoints": {"every": {"epochs": 1}, "keep": 3}
    }));
    let size = || server.get("/v1/server").ok()["data"]["database_bytes"].as_u64().unwrap();
    let file = || std::fs::metadata(server.data_dir().join("trainyard.db")).unwrap().len();
    let full = size();
    assert!(full > before + (40 << 20), "{before} {full}");
    assert_eq!(server.delete(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).status, 204);
    let began = std::time::Instant::now();
    while size() > before + (12 << 20) || file() > before + (8 << 20) {
        assert!(
            began.elapsed() < std::time::Duration::from_secs(60),
            "{before} before, {full} full, now {} and {}",
            size(),
            file()
        );
    }
    println!(
        "the database had {before} bytes, with the job {full}, after its deletion {} ({} of it the file)",
        size(),
        file()
    );
}
