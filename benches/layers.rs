//! What the statistics of layers cost at their default setting, as a share of the training time, over several sizes of network:
//! `cargo bench --bench layers`. The same run is timed with and without them, turn by turn, and the middle of the ratios is told; so a
//! busy machine costs precision, not truth. The aim is less than 5 %.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a measuring program")]

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::{Value, json};
use trainyard::data::csv::{ParseOptions, ingest};
use trainyard::data::{Encoder, samples, split};
use trainyard::spec::{self, Limits, Schema};
use trainyard::train::{Dataset, Plan, Start, Unobserved, fit};

/// Pairs of runs.
const PAIRS: usize = 9;

/// A name, the file, and the spec without `record`.
fn cases() -> Vec<(&'static str, String, Value)> {
    let sample = |name: &str| String::from_utf8(samples::get(name).unwrap().csv().to_vec()).unwrap();
    let plain = |target: &str, hidden: Value, epochs: u64| {
        json!({"dataset": "x", "target": target, "hidden_layers": hidden, "activation": "relu", "epochs": epochs, "early_stopping": false,
               "seed": 1, "split": {"validation": 0.2}})
    };
    vec![
        ("iris, 16, 200 epochs", sample("iris"), plain("species", json!([16]), 200)),
        ("digits, 64-64, 30 epochs", sample("digits"), plain("digit", json!([64, 64]), 30)),
        ("digits, 64-64 tanh SGD, 100 epochs", sample("digits"), {
            let mut spec = plain("digit", json!([64, 64]), 100);
            spec["activation"] = json!("tanh");
            spec["optimizer"] = json!({"type": "sgd", "learning_rate": 0.05, "momentum": 0.9});
            spec
        }),
        ("digits, 512-512, 20 epochs", sample("digits"), plain("digit", json!([512, 512]), 20)),
        ("20,000 x 30, 256-128, 6 epochs", waves(20_000, 30), plain("y", json!([256, 128]), 6)),
        (
            "20,000 x 30, 8 layers of 64, 10 epochs",
            waves(20_000, 30),
            plain("y", json!([64, 64, 64, 64, 64, 64, 64, 64]), 10),
        ),
    ]
}

/// A file of smooth numbers with two classes.
fn waves(rows: usize, columns: usize) -> String {
    let mut text = (0..columns).map(|column| format!("x{column}")).collect::<Vec<_>>().join(",");
    text += ",y\n";
    for row in 0..rows {
        let value = |column: usize| ((row * columns + column) as f64 * 12.9898).sin() * 1.4;
        for column in 0..columns {
            let _ = write!(text, "{:.4},", value(column));
        }
        text += if value(0) * value(1) > 0.0 { "yes\n" } else { "no\n" };
    }
    text
}

fn main() {
    println!("{:<42} {:>10} {:>10} {:>8}", "run", "without ms", "with ms", "cost %");
    for (name, file, spec) in cases() {
        let (table, profile) = {
            let (table, _) = ingest(file.as_bytes(), &ParseOptions::default()).unwrap();
            let profile = trainyard::data::profile::profile_table(&table).unwrap();
            (table, profile)
        };
        let schema = Schema::from_profile(table.rows as u64, &profile);
        let resolved = |switch: Value| {
            let mut request = spec.clone();
            request["record"] = json!({"layer_statistics": switch});
            spec::prove(&request, &schema, &Limits::default()).unwrap()
        };
        let (with, without) = (resolved(json!("auto")), resolved(json!(false)));
        let parts = split::split(&table, &with.split_plan(), with.seed()).unwrap();
        let encoder = Encoder::fit(&table, &with.encoder_plan(), &parts.train).unwrap();
        let data = Dataset::<f32> {
            train: encoder.encode::<f32>(&table, &parts.train).unwrap().into(),
            validation: Some(encoder.encode::<f32>(&table, &parts.validation).unwrap().into()),
            test: None,
        };
        let rows = parts.train.len();
        let (with, without) = (with.plan(&encoder, rows), without.plan(&encoder, rows));
        let time = |plan: &Plan| {
            let begin = Instant::now();
            fit(plan, &data, Start::Fresh, &mut Unobserved).unwrap();
            begin.elapsed().as_secs_f64()
        };
        time(&with);
        let mut pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| (time(&without), time(&with))).collect();
        pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (off, on) = pairs[PAIRS / 2];
        println!("{name:<42} {:>10.1} {:>10.1} {:>8.1}", 1e3 * off, 1e3 * on, 100.0 * (on / off - 1.0));
    }
}
