//! A disk that is full to its last byte, and a limit on the size of files: writes are refused, nothing acknowledged is lost, reading,
//! predicting and deleting go on, and with room again the jobs come to the same bits.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::kit::{Server, Settings, skipped, trainyard};

/// A file system of its own in memory; gone with the value.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// `None` where this process may not mount.
    fn mounted(megabytes: u32) -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(folder.path()).output().ok()?;
        mount.status.success().then_some(Disk { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes the last byte; gives the file to remove.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.folder.path()).status());
    }
}

fn spec(seed: u64) -> Value {
    json!({
        "dataset": "iris", "target": "species", "seed": seed, "hidden_layers": [24], "epochs": 3000, "early_stopping": false,
        "checkpoints": {"every": {"steps": 50}, "keep": 2}
    })
}

fn predicts(server: &Server, job: &str) {
    let row = json!({"rows": [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]});
    server.post(&format!("/v1/jobs/{job}/predictions"), &row).ok();
}

#[test]
fn on_a_disk_full_to_its_last_byte_nothing_is_lost_and_with_room_again_everything_goes_on() {
    let Some(disk) = Disk::mounted(48) else { return skipped("a file system cannot be mounted here") };
    let settings = Settings { parent: Some(disk.path().to_owned()), ..Settings::default() };
    let settings = settings.arg("--keep-free-bytes", "4000000");
    let mut server = Server::with(settings.clone());
    server.sample("iris");
    let short = json!({"dataset": "iris", "target": "species", "epochs": 2});
    let [idle, small] = [server.train(&short), server.train(&short)].map(|job| job["id"].as_str().unwrap().to_owned());
    let done = server.train(&spec(1));
    let done = done["id"].as_str().unwrap();
    let expected = server.weights(done, "last");
    let running = server.submit(&spec(1));
    let queued = server.submit(&spec(2));
    let unwanted = server.submit(&spec(4));
    server.until(&running, |job| job["progress"]["epoch"].as_u64() > Some(20));

    let ballast = disk.fill();
    server.healthy_while(|| {
        let refusals = [
            server.send("POST", "/v1/datasets?name=more", &[], Some(b"a,b\n1,2\n3,4\n")),
            server.post("/v1/jobs", &spec(3)),
            server.post(&format!("/v1/jobs/{done}/fork"), &json!({"epochs": 2})),
        ];
        for refused in refusals {
            refused.problem(507, "disk_full");
        }
        server.get(&format!("/v1/jobs/{done}/metrics")).ok();
        server.get("/v1/jobs").ok();
        predicts(&server, done);
        assert!(server.weights(done, "last") == expected);
        // The running job pauses and says why; the queued one waits and says so, too.
        let held = server.until(&running, |job| job["status"] == "paused");
        let why = held["transitions"].to_string();
        assert!(why.contains("nearly full") || why.contains("could not write"), "{held:#}");
        let waits = server.until(&queued, |job| job["queue_reason"].is_string());
        assert!(waits["queue_reason"].as_str().unwrap().contains("nearly full"), "{waits:#}");
        // Deletes and changes of a status go on, on the reserve.
        assert_eq!(server.delete(&format!("/v1/jobs/{idle}")).status, 204);
        assert_eq!(server.get(&format!("/v1/jobs/{idle}")).status, 404);
        assert_eq!(server.post(&format!("/v1/jobs/{unwanted}/cancel"), &json!({})).ok()["status"], "cancelled");
        assert_eq!(server.delete(&format!("/v1/jobs/{unwanted}")).status, 204);
    });

    // A server starts on such a disk, too, and knows what the last one knew.
    assert_eq!(server.stop().code(), Some(0));
    std::fs::remove_file(&ballast).unwrap();
    // How many pieces of the reserve are left is chance, and without any a server does not start (docs/RELIABILITY.md).
    std::fs::write(server.data_dir().join("reserve"), vec![0; 8 << 20]).unwrap();
    disk.fill();
    server.restart_with(settings);
    server.healthy_while(|| {
        // The deletes gave back the room of the log: where that was enough, the job had gone on, and now waits in the queue.
        let held = server.until(&running, |job| job["status"] == "paused" || job["queue_reason"].is_string());
        assert!(
            held["status"] == "paused" || held["queue_reason"].as_str().unwrap().contains("nearly full"),
            "{held:#}"
        );
        predicts(&server, done);
        server.post("/v1/jobs", &spec(3)).problem(507, "disk_full");
        assert_eq!(server.delete(&format!("/v1/jobs/{small}")).status, 204);
    });

    std::fs::remove_file(ballast).unwrap();
    let job = server.finished(&running);
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert!(job["transitions"].to_string().contains("has room again"), "{job:#}");
    assert!(server.weights(&running, "last") == expected);
    assert_eq!(server.finished(&queued)["status"], "succeeded");
    server.send("POST", "/v1/datasets?name=more", &[], Some(b"a,b\n1,2\n3,4\n")).ok();
    let reserve = std::fs::metadata(server.data_dir().join("reserve")).unwrap();
    assert_eq!(reserve.len(), 8 << 20, "it is whole again");
    assert_eq!(server.stop().code(), Some(0));
    let verified = trainyard().arg("verify").arg(server.data_dir()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn a_limit_on_the_size_of_files_is_a_refusal_and_not_the_end_of_the_server() {
    // SQLite keeps its log in a file that grows: this is a full disk to it, and needs no right to mount.
    let settings = Settings::default().wrapped(&["prlimit", "--fsize=3000000"]);
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skipped("there is no prlimit");
    }
    let mut server = Server::with(settings);
    server.sample("iris");
    let done = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 3}));
    let done = done["id"].as_str().unwrap();
    let large: String = std::iter::once("a,b\n".to_owned()).chain((0..400_000).map(|n| format!("{n},{n}\n"))).collect();
    server.send("POST", "/v1/datasets?name=large", &[], Some(large.as_bytes())).problem(507, "disk_full");
    // Jobs whose checkpoints do not fit wait for better times; they are neither lost nor taken for failed.
    let mut big = spec(1);
    big["hidden_layers"] = json!([700, 700]);
    big["checkpoints"] = json!({"every": {"steps": 1}, "keep": 3});
    let id = server.submit(&big);
    server.until(&id, |job| job["transitions"].to_string().contains("could not write"));
    server.get("/v1/jobs").ok();
    predicts(&server, done);
    assert_eq!(server.get("/healthz").status, 200);
    server.restart_with(Settings::default());
    let mut shorter = big.clone();
    shorter["epochs"] = json!(2);
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({}));
    assert_eq!(server.finished(&id)["status"], "cancelled");
    assert_eq!(server.train(&shorter)["status"], "succeeded");
    assert_eq!(server.stop().code(), Some(0));
    let verified = trainyard().arg("verify").arg(server.data_dir()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
