//! What the doctor asks and says: each step when it begins, with its reason, and when it is done, with its numbers.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::Args;
use crate::cli::client::Client;

/// Letters of a line, at most.
const WIDTH: usize = 100;

/// Uploads, asks, follows, writes the page.
///
/// # Errors
/// A file that cannot be read or written, a server that cannot be reached or refuses.
pub(super) fn tell(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let mut request = json!({
        "dataset": dataset(client, &args.data)?,
        "target": if let [one] = args.target.as_slice() { json!(one) } else { json!(args.target) },
    });
    if let Some(test) = &args.test {
        request["test"] = match (test.as_str(), test.parse::<f64>()) {
            ("none", _) => Value::Bool(false),
            (_, Ok(share)) => json!(share),
            (data, Err(_)) => json!({"dataset": dataset(client, data)?}),
        };
    }
    match (args.jobs, args.seconds) {
        (Some(jobs), _) => request["budget"] = json!({"jobs": jobs}),
        (None, Some(seconds)) => request["budget"] = json!({"seconds": seconds}),
        (None, None) => {}
    }
    for (name, value) in [("group", json!(args.group)), ("seed", json!(args.seed))] {
        if !value.is_null() {
            request[name] = value;
        }
    }
    let run = client.post("/v1/autotrain", &request)?;
    let id = run["id"].as_str().context("the new run has no id")?.to_owned();
    say(&format!("{id} on {}", run["dataset"]["name"].as_str().unwrap_or(&args.data)));
    let run = follow(client, &id)?;
    let page = client.text(&format!("/v1/autotrain/{id}/report"))?;
    let path = args.report.display();
    std::fs::write(&args.report, page).with_context(|| format!("{path} cannot be written"))?;
    say("");
    Ok(match run["status"].as_str() {
        Some("succeeded") => {
            ending(&run, args);
            say(&format!("page        {path}"));
            ExitCode::SUCCESS
        }
        Some("cancelled") => {
            say("The run was cancelled.");
            say(&format!("page        {path}"));
            ExitCode::from(3)
        }
        _ => {
            paragraph("", run["error"]["detail"].as_str().unwrap_or("no reason given"));
            say(&format!("page        {path}"));
            ExitCode::FAILURE
        }
    })
}

/// A file is uploaded; anything else is what the server calls a dataset.
fn dataset(client: &Client, data: &str) -> anyhow::Result<String> {
    let path = Path::new(data);
    if !path.is_file() {
        return Ok(data.to_owned());
    }
    let file = File::open(path).with_context(|| format!("{data} cannot be read"))?;
    let uploaded = client.upload("/v1/datasets", file)?;
    let id = uploaded["id"].as_str().context("the new dataset has no id")?;
    say(&format!("{data}: {} rows, {} columns", uploaded["rows"], uploaded["columns"].as_array().map_or(0, Vec::len)));
    Ok(id.to_owned())
}

/// Shows the run until it ends, and returns it.
fn follow(client: &Client, id: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/autotrain/{id}");
    let mut seen = client.change(&path, None)?;
    let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
    loop {
        for step in seen.job["steps"].as_array().into_iter().flatten() {
            let number = step["number"].as_u64().unwrap_or(0);
            if begun.insert(number) {
                begin(number, step);
            }
            if !step["finished_at"].is_null() && ended.insert(number) {
                end(step);
            }
        }
        if !seen.job["finished_at"].is_null() {
            return Ok(seen.job);
        }
        seen = client.change(&path, Some(seen))?;
    }
}

fn begin(number: u64, step: &Value) {
    say("");
    say(&format!("{number}. {}", step["title"].as_str().unwrap_or("")));
    paragraph("   ", step["reason"].as_str().unwrap_or(""));
}

fn end(step: &Value) {
    for report in step["outcome"]["reports"].as_array().into_iter().flatten() {
        let (check, verdict) = (report["check"].as_str().unwrap_or(""), report["verdict"].as_str().unwrap_or(""));
        paragraph(
            "   ",
            &format!("{} {verdict}: {}", check.replace('_', " "), report["advice"].as_str().unwrap_or("")),
        );
    }
    let recipes = step["recipes"].as_array().into_iter().flatten();
    for (trial, recipe) in step["outcome"]["trials"].as_array().into_iter().flatten().zip(recipes) {
        say(&format!("   {:<22} {}", loss(trial), recipe.as_str().unwrap_or("")));
    }
    if step["outcome"]["reports"].is_null() {
        paragraph("   → ", step["conclusion"].as_str().unwrap_or(""));
    }
}

/// The mean of the validation losses with its standard error.
fn loss(trial: &Value) -> String {
    let losses: Vec<f64> = trial["losses"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let n = losses.len() as f64;
    if losses.is_empty() {
        return trial["status"].as_str().unwrap_or("no loss").to_owned();
    }
    let mean = losses.iter().sum::<f64>() / n;
    let squares = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
    match losses.len() {
        1 => short(mean),
        _ => format!("{} ± {}", short(mean), short((squares / (n - 1.0) / n).sqrt())),
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn ending(run: &Value, args: &Args) {
    let model = run["model"].as_str().unwrap_or("");
    say(&format!("model       {model}"));
    let validation = &run["result"]["validation"]["loss"];
    say(&format!("validation  loss {}", validation.as_f64().map_or_else(|| "–".to_owned(), short)));
    let tested: Vec<String> = run["result"]["test"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some(format!("{} {}", name.trim_start_matches("test_"), short(value.as_f64()?))))
        .collect();
    if !tested.is_empty() {
        say(&format!("test        {}", tested.join(", ")));
    }
    match &args.url {
        Some(url) => say(&format!("predict     curl --json '{{\"rows\":[…]}}' {url}/v1/jobs/{model}/predictions")),
        None => say(&format!("serve it    trainyard serve --data-dir {}", args.data_dir.display())),
    }
}

/// Writes a text in lines of a readable length, each after `margin` (the first as it is, the others as wide).
fn paragraph(margin: &str, text: &str) {
    let blank = " ".repeat(margin.chars().count());
    let (mut line, mut first) = (String::new(), true);
    let mut write = |line: &mut String| {
        say(&format!("{}{line}", if first { margin } else { blank.as_str() }));
        first = false;
        line.clear();
    };
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() + 1 + margin.chars().count() > WIDTH {
            write(&mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        write(&mut line);
    }
}

/// Writes a line; a closed standard output is no reason to stop.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
