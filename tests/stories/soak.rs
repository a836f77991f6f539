//! Kills and restarts the server at whatever moment comes, for as many rounds as asked: `make soak`.

use serde_json::json;

use crate::kit::Server;

/// Each round trains one job whose server dies at another epoch; every one must end with the first one's bytes.
#[test]
#[ignore = "long; run it by `make soak`"]
fn soak_every_killed_job_ends_with_the_same_bytes() {
    let rounds: u64 = std::env::var("TRAINYARD_SOAK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let spec = json!({
        "dataset": "digits", "target": "digit", "seed": 5, "hidden_layers": [48], "epochs": 40,
        "checkpoints": {"every": {"steps": 5}}, "early_stopping": false
    });
    let mut server = Server::start();
    server.sample("digits");
    let expected = server.train(&spec);
    let expected = server.weights(expected["id"].as_str().unwrap(), "last");
    for round in 0..rounds {
        let id = server.submit(&spec);
        let epoch = round * 17 % 38;
        server.until(&id, |job| job["status"] == "running" && job["progress"]["epoch"].as_u64() >= Some(epoch));
        server.restart();
        let job = server.finished(&id);
        assert_eq!(job["status"], "succeeded", "round {round}: {job:#}");
        assert!(server.weights(&id, "last") == expected, "round {round}, killed at epoch {epoch}");
        println!("round {round}: killed at epoch {epoch}, attempt {}, same bytes", job["attempt"]);
    }
}
