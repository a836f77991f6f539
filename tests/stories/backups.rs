//! A backup of a running server, and a server of that backup.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::kit::{Server, Settings, trainyard};

fn run(command: &str, folder: &Path, data: &Path) -> Output {
    trainyard().arg(command).arg(folder).arg("--data-dir").arg(data).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn a_backup_of_a_running_server_is_whole_and_its_jobs_go_on_to_the_same_bits() {
    let server = Server::with(Settings::workers(1));
    server.sample("digits");
    let iris = server.sample("iris");
    let spec = json!({
        "dataset": "digits", "target": "digit", "seed": 8, "hidden_layers": [24], "epochs": 60, "early_stopping": false,
        "checkpoints": {"every": {"steps": 30}}
    });
    let done = server.train(&json!({"dataset": "iris", "target": "species", "seed": 1}));
    let running = server.submit(&spec);
    server.until(&running, |job| job["progress"]["epoch"].as_u64() > Some(3));

    // Datasets come and go while the copies are made.
    let folder = tempfile::tempdir().unwrap();
    let churn = |n: usize| {
        server.upload("churn", format!("a,b\n{n},1\n2,{n}\n"));
        assert_eq!(server.delete("/v1/datasets/churn").status, 204);
    };
    for n in 0..3 {
        let target = folder.path().join(n.to_string());
        let copy = std::thread::scope(|scope| {
            let copy = scope.spawn(|| run("backup", &target, &server.data_dir()));
            (0..20).for_each(|turn| churn(n * 100 + turn));
            copy.join().unwrap()
        });
        assert!(copy.status.success(), "{}", said(&copy));
    }
    let expected = server.finished(&running);
    assert_eq!(expected["status"], "succeeded");

    let refused = run("backup", &folder.path().join("0"), &server.data_dir());
    assert!(!refused.status.success() && said(&refused).contains("not empty"), "{}", said(&refused));
    let refused = run("restore", &folder.path().join("0"), &server.data_dir());
    assert!(!refused.status.success(), "over a server's own directory: {}", said(&refused));

    let data = folder.path().join("restored");
    let restored = run("restore", &folder.path().join("0"), &data);
    assert!(restored.status.success(), "{}", said(&restored));
    let other = Server::over(&data, Settings::default());
    let weights = |server: &Server, job: &Value| server.weights(job["id"].as_str().unwrap(), "last");
    assert!(weights(&other, &done) == weights(&server, &done));
    assert_eq!(other.get("/v1/datasets/iris").ok()["sha256"], iris["sha256"]);
    let again = other.finished(&running);
    assert_eq!(again["status"], "succeeded", "{again:#}");
    assert!(weights(&other, &again) == weights(&server, &expected));
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let mut server = Server::start();
    let iris = server.sample("iris");
    server.stop();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    assert!(run("backup", &copy, &server.data_dir()).status.success());
    let file = copy.join("files").join(iris["sha256"].as_str().unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let target = folder.path().join("data");
    let refused = run("restore", &copy, &target);
    assert!(!refused.status.success() && said(&refused).contains("damaged"), "{}", said(&refused));
    assert!(!target.exists(), "half a data directory is none");
    let verified = trainyard().arg("verify").arg(&copy).output().unwrap();
    assert!(!verified.status.success());
}
