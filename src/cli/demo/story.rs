//! What the demo does and says: install two samples, train on each, look at the result as a careful person would.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::screen::Screen;
use crate::cli::client::Client;

/// One model of the demo.
struct Act {
    sample: &'static str,
    title: &'static str,
    target: &'static str,
    /// Rows of the file to predict at the end.
    rows: [usize; 3],
    spec: fn() -> Value,
}

const ACTS: [Act; 2] = [
    Act {
        sample: "iris",
        title: "Fisher's iris: which of three species, from four lengths",
        target: "species",
        rows: [0, 60, 120],
        spec: || {
            json!({
                "name": "demo-iris", "dataset": "iris", "target": "species",
                "split": {"validation": 0.15, "test": 0.25, "method": "stratified"},
                "epochs": 200, "seed": 1, "checks": ["initial_loss", "gradient"], "tags": {"demo": "iris"}
            })
        },
    },
    Act {
        sample: "digits",
        title: "optical digits: which digit, from 8x8 grey levels",
        target: "digit",
        rows: [0, 1, 2],
        spec: || {
            json!({
                "name": "demo-digits", "dataset": "digits", "target": "digit",
                "split": {"validation": 0.15, "test": 0.25, "method": "stratified"},
                "hidden_layers": [64], "activation": "relu", "optimizer": {"type": "adam", "learning_rate": 0.001},
                "epochs": 60, "seed": 1, "checks": ["initial_loss", "gradient"], "tags": {"demo": "digits"}
            })
        },
    },
];

/// Plays both acts against the server at `address`.
///
/// # Errors
/// The server refused a step, or a job did not succeed.
pub(super) fn tell(screen: &Screen, address: SocketAddr, data_dir: &Path) -> anyhow::Result<()> {
    let client = Client::new(address);
    screen.say(&format!("Trainyard {} is ready at http://{address}", env!("CARGO_PKG_VERSION")));
    screen.say(&format!("everything it keeps is in {}", data_dir.display()));
    for act in &ACTS {
        screen.say("");
        play(screen, &client, act).with_context(|| format!("the demo's {} model", act.sample))?;
    }
    screen.say("");
    screen.say(&format!("dashboard   http://{address}/"));
    screen.say(&format!("API         http://{address}/docs"));
    Ok(())
}

fn play(screen: &Screen, client: &Client, act: &Act) -> anyhow::Result<()> {
    screen.say(act.title);
    let dataset = client.post(&format!("/v1/samples/{}", act.sample), &json!({}))?;
    let columns = dataset["columns"].as_array().map_or(0, Vec::len);
    screen.say(&format!("  installed   {} rows, {columns} columns, target `{}`", dataset["rows"], act.target));

    let job = client.post("/v1/jobs", &(act.spec)())?;
    let id = job["id"].as_str().context("the new job has no id")?.to_owned();
    let job = follow(screen, client, &id)?;
    screen.say(&format!(
        "  trained     {} epochs in {} ms, {} parameters ({}), job {id}",
        job["progress"]["epoch"],
        number(&json!(job["train_seconds"].as_f64().map(|seconds| 1000.0 * seconds)), 0),
        job["parameters"],
        job["stop_reason"].as_str().unwrap_or("done").replace('_', " "),
    ));
    evaluate(screen, client, act, &id)?;
    check(screen, client, &id)?;
    predict(screen, client, act, &id)
}

/// Shows the run until it ends and returns the finished job.
fn follow(screen: &Screen, client: &Client, id: &str) -> anyhow::Result<Value> {
    let mut seen = client.next(id, None)?;
    let mut training = screen.training();
    loop {
        let job = &seen.job;
        // A queued job does not know its length yet.
        if let Some(epochs) = job["progress"]["epochs"].as_u64().filter(|epochs| *epochs > 0) {
            training.at(job["progress"]["epoch"].as_u64().unwrap_or(0), epochs, &losses(&job["last"]));
        }
        match job["status"].as_str() {
            Some("succeeded") => break,
            Some("failed" | "cancelled") => {
                training.end();
                let reason = job["error"]["detail"].as_str().or(job["stop_reason"].as_str());
                bail!("{id} ended as {}: {}", job["status"], reason.unwrap_or("no reason given"));
            }
            _ => seen = client.next(id, Some(seen))?,
        }
    }
    training.end();
    Ok(seen.job)
}

fn losses(last: &Value) -> String {
    ["loss", "val_loss"]
        .iter()
        .filter(|name| last[**name].is_number())
        .map(|name| format!("{name} {}", number(&last[*name], 4)))
        .collect::<Vec<_>>()
        .join("  ")
}

fn evaluate(screen: &Screen, client: &Client, act: &Act, id: &str) -> anyhow::Result<()> {
    let evaluation = client.get(&format!("/v1/jobs/{id}/evaluation?split=test"))?;
    let task = &evaluation["targets"][act.target];
    screen.say(&format!(
        "  held out    accuracy {} on {} rows that no step of the training saw",
        number(&task["accuracy"], 3),
        evaluation["rows"],
    ));
    Ok(())
}

fn check(screen: &Screen, client: &Client, id: &str) -> anyhow::Result<()> {
    let report = client.get(&format!("/v1/jobs/{id}/gradient-check"))?;
    let tensors = report["tensors"].as_array().map_or(&[][..], Vec::as_slice);
    let checked: u64 = tensors.iter().filter_map(|tensor| tensor["checked"].as_u64()).sum();
    let worst = tensors.iter().filter_map(|tensor| tensor["max_relative"].as_f64()).fold(0.0, f64::max);
    screen.say(&format!(
        "  gradients   {}: {checked} coordinates of {} tensors against finite differences, worst {worst:.1e}",
        report["verdict"].as_str().unwrap_or("no verdict"),
        tensors.len(),
    ));
    Ok(())
}

fn predict(screen: &Screen, client: &Client, act: &Act, id: &str) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for row in act.rows {
        let page = client.get(&format!("/v1/datasets/{}/rows?offset={row}&limit=1", act.sample))?;
        rows.push(page["data"][0].clone());
    }
    // The target stands in the rows and is ignored: a model never sees it.
    let answer = client.post(&format!("/v1/jobs/{id}/predictions"), &json!({"rows": rows}))?;
    for (at, row) in act.rows.iter().enumerate() {
        let prediction = &answer["predictions"][at][act.target];
        let label = text(&prediction["label"]);
        let mut line = String::new();
        let heading = if at == 0 { "predicted" } else { "" };
        write!(line, "  {heading:<11} row {row:<4} {label}")?;
        if let Some(probability) = prediction["probabilities"][&label].as_f64() {
            write!(line, " with probability {probability:.3}")?;
        }
        write!(line, " (the file says {})", text(&rows[at][act.target]))?;
        screen.say(&line);
    }
    Ok(())
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "?".to_owned(), |number| format!("{number:.digits$}"))
}

/// A label as text, whether it came as text or as a number.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
