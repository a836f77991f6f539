//! SIGKILLs at random moments over everything a client does; afterwards every promise is checked. A short slice runs with the other
//! stories, `make soak ROUNDS=300` is the long form.
//!
//! The moments come from a printed seed (`SEED=` repeats the choices; what the machine makes of them is its own).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Answer, Server, Settings, trainyard};

/// A client that keeps account of what was acknowledged, and knows what each job must come to.
struct Client {
    random: u64,
    datasets: BTreeMap<String, String>,
    jobs: Vec<(String, usize)>,
    keys: u64,
    uploads: u64,
    answered: BTreeMap<&'static str, u64>,
}

impl Client {
    /// A number below `bound`, by splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn job(&mut self) -> Option<String> {
        let at = self.below(self.jobs.len().max(1) as u64) as usize;
        self.jobs.get(at).map(|(id, _)| id.clone())
    }

    /// Does one thing that clients do; an error means that no answer came, and nothing is noted.
    fn act(&mut self, server: &Server) -> Result<(), ureq::Error> {
        let what = self.below(21);
        if what == 20 {
            self.backup(server);
            return Ok(());
        }
        match what / 2 {
            0 if self.datasets.len() > 30 => self.delete_dataset(server),
            0 | 1 => self.upload(server),
            2 | 3 if self.jobs.len() > 40 => self.delete_job(server),
            2..=4 => self.submit(server),
            5 => self.ask(server, "pause"),
            6 => self.ask(server, "resume"),
            7 => self.predict(server),
            8 if self.jobs.len() > 6 => self.ask(server, "cancel"),
            8 => self.ask(server, "resume"),
            _ => {
                server.try_send("GET", "/v1/jobs?limit=20", &[], None)?;
                Ok(())
            }
        }
    }

    /// Copies the data directory under the server, which may die meanwhile: the copy is whole, or the program says that there is none.
    fn backup(&mut self, server: &Server) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("copy");
        let copied = trainyard().arg("backup").arg(&target).arg("--data-dir").arg(server.data_dir()).output().unwrap();
        if copied.status.success() {
            // What verifies itself before it gets its name is whole whatever became of the server.
            let verified = trainyard().arg("verify").arg(&target).output().unwrap();
            assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
            self.count("backups");
        } else {
            assert!(!target.exists(), "{}", String::from_utf8_lossy(&copied.stderr));
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.answered.entry(what).or_default() += 1;
    }

    fn upload(&mut self, server: &Server) -> Result<(), ureq::Error> {
        let name = format!("d{:04}", self.uploads);
        let rows = 50 + self.below(40_000);
        let bytes: String =
            std::iter::once("a,b\n".to_owned()).chain((0..rows).map(|n| format!("{n},{}\n", n * n % 977))).collect();
        let path = format!("/v1/datasets?name={name}");
        let headers = [("content-type", "text/csv"), ("idempotency-key", name.as_str())];
        // The bytes of a broken upload and of its repetition differ in length: then the name may be taken by the first.
        let answer = server.try_send("POST", &path, &headers, Some(bytes.as_bytes()))?;
        if answer.status == 201 || answer.status == 200 {
            self.datasets.insert(name, answer.json()["sha256"].as_str().unwrap().to_owned());
            self.count("uploads");
            self.uploads += 1;
        } else {
            assert!([409, 422].contains(&answer.status), "{answer:?}");
            let there = server.try_send("GET", &format!("/v1/datasets/{name}"), &[], None)?.ok();
            self.datasets.insert(name, there["sha256"].as_str().unwrap().to_owned());
            self.uploads += 1;
        }
        Ok(())
    }

    fn submit(&mut self, server: &Server) -> Result<(), ureq::Error> {
        let kind = self.below(kinds().len() as u64) as usize;
        // A key that got no answer is not used again: whatever its request made is found by the list at the end.
        self.keys += 1;
        let key = format!("job {}", self.keys);
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let mut answer = server.try_send("POST", "/v1/jobs", &headers, Some(kinds()[kind].to_string().as_bytes()))?;
        if answer.status == 409 {
            answer = server.try_send("POST", "/v1/jobs", &headers, Some(kinds()[kind].to_string().as_bytes()))?;
        }
        assert_eq!(answer.status, 201, "{answer:?}");
        self.jobs.push((answer.json()["id"].as_str().unwrap().to_owned(), kind));
        self.count("jobs");
        Ok(())
    }

    /// What is to be deleted is no longer promised, whether or not an answer comes.
    fn delete_dataset(&mut self, server: &Server) -> Result<(), ureq::Error> {
        let Some((name, _)) = self.datasets.pop_first() else { return Ok(()) };
        let answer = server.try_send("DELETE", &format!("/v1/datasets/{name}"), &[], None)?;
        assert_eq!(answer.status, 204, "{answer:?}");
        self.count("deletions");
        Ok(())
    }

    fn delete_job(&mut self, server: &Server) -> Result<(), ureq::Error> {
        let (id, _) = self.jobs.remove(0);
        let answer = server.try_send("DELETE", &format!("/v1/jobs/{id}?force=true"), &[], None)?;
        assert!([204, 409].contains(&answer.status), "{answer:?}");
        self.count("deletions");
        Ok(())
    }

    fn ask(&mut self, server: &Server, action: &'static str) -> Result<(), ureq::Error> {
        let Some(id) = self.job() else { return Ok(()) };
        let answer = server.try_send("POST", &format!("/v1/jobs/{id}/{action}"), &[], Some(b""))?;
        assert!([200, 202, 409].contains(&answer.status), "{answer:?}");
        self.count(action);
        Ok(())
    }

    fn predict(&mut self, server: &Server) -> Result<(), ureq::Error> {
        let Some(id) = self.job() else { return Ok(()) };
        let row = json!({"rows": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]});
        let path = format!("/v1/jobs/{id}/predictions");
        let headers = [("content-type", "application/json")];
        let answer: Answer = server.try_send("POST", &path, &headers, Some(row.to_string().as_bytes()))?;
        // A job that has no checkpoint yet has nothing to answer with.
        assert!([200, 404, 409].contains(&answer.status), "{answer:?}");
        self.count("predictions");
        Ok(())
    }
}

/// What is trained: each kind has one right result, whatever comes between.
fn kinds() -> [Value; 3] {
    let spec = |seed: u64, epochs: u64, layers: Value, steps: u64| {
        json!({
            "dataset": "iris", "target": "species", "seed": seed, "hidden_layers": layers, "epochs": epochs, "batch_size": 16,
            "early_stopping": false, "dropout": 0.1, "checkpoints": {"every": {"steps": steps}, "keep": 2}
        })
    };
    [spec(1, 120, json!([16]), 30), spec(2, 400, json!([24, 8]), 100), spec(3, 900, json!([32]), 250)]
}

/// Kills the server `rounds` times; gives what was answered meanwhile.
fn soak(rounds: u64, seed: u64) {
    let mut server = Server::with(Settings::workers(2));
    server.sample("iris");
    let expected: Vec<Vec<u8>> =
        kinds().iter().map(|spec| server.weights(server.train(spec)["id"].as_str().unwrap(), "last")).collect();
    let mut client = Client {
        random: seed,
        datasets: BTreeMap::new(),
        jobs: Vec::new(),
        keys: 0,
        uploads: 0,
        answered: BTreeMap::new(),
    };
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let lives = Duration::from_millis(10 + client.below(500));
        let pid = server.pid().to_string();
        let until_then = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Not for luck: the moment of the kill is what is drawn here.
                std::thread::sleep(lives);
                drop(std::process::Command::new("kill").args(["-KILL", &pid]).status());
            });
            while client.act(&server).is_ok() {
                assert!(until_then.elapsed() < Duration::from_secs(60), "the server did not die");
            }
        });
        assert!(server.was_killed());
        let started = Instant::now();
        server.restart();
        slowest = slowest.max(started.elapsed());
    }
    settle(&mut server, &client, &expected, seed);
    println!(
        "soak: {rounds} kills, seed {seed}, answered: {:?}; every acknowledged thing was there, slowest restart {} ms",
        client.answered,
        slowest.as_millis()
    );
}

/// Lets every job end, then looks at each promise.
fn settle(server: &mut Server, client: &Client, expected: &[Vec<u8>], seed: u64) {
    let list = server.get("/v1/jobs?limit=1000&fields=id,status,request").ok();
    assert_eq!(list["has_more"], false);
    for job in list["data"].as_array().unwrap() {
        if job["status"] == "paused" || job["status"] == "pausing" {
            server.post(&format!("/v1/jobs/{}/resume", job["id"].as_str().unwrap()), &json!({}));
        }
    }
    for (name, sha256) in &client.datasets {
        assert_eq!(server.get(&format!("/v1/datasets/{name}")).ok()["sha256"], **sha256, "seed {seed}");
    }
    let there = |id: &str| list["data"].as_array().unwrap().iter().any(|job| job["id"] == id);
    assert!(client.jobs.iter().all(|(id, _)| there(id)), "seed {seed}: an acknowledged job is gone");
    for job in list["data"].as_array().unwrap() {
        let id = job["id"].as_str().unwrap();
        let job = server.finished(id);
        let transitions = job["transitions"].as_array().unwrap();
        let ends = ["succeeded", "failed", "cancelled"];
        let ended = transitions.iter().filter(|one| ends.iter().any(|end| one["to"] == *end)).count();
        assert_eq!(ended, 1, "seed {seed}: {job:#}");
        // A job may be cut down three times without getting further, as a poison job is; then it says so.
        if job["status"] == "failed" {
            assert_eq!(job["error"]["code"], "crashed_repeatedly", "seed {seed}: {job:#}");
            continue;
        }
        if job["status"] == "cancelled" {
            continue;
        }
        let kind = kinds().iter().position(|kind| kind["seed"] == job["request"]["seed"]).unwrap();
        assert!(server.weights(id, "last") == expected[kind], "seed {seed}: {id} has other weights");
        let metrics = server.get(&format!("/v1/jobs/{id}/metrics?names=loss")).ok();
        let epochs: Vec<u64> =
            metrics["columns"]["epoch"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert!(epochs.iter().copied().eq(0..=job["request"]["epochs"].as_u64().unwrap()), "seed {seed}: {id}");
    }
    assert_eq!(server.stop().code(), Some(0));
    let verified = trainyard().arg("verify").arg(server.data_dir()).output().unwrap();
    assert!(verified.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&verified.stderr));
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn twelve_kills_at_random_moments_lose_nothing() {
    soak(12, 20_261_125);
}

#[test]
#[ignore = "long; run it by `make soak`"]
fn soak_kills_at_random_moments_lose_nothing() {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    soak(setting("TRAINYARD_SOAK_ROUNDS", 300), setting("TRAINYARD_SOAK_SEED", clock));
}
