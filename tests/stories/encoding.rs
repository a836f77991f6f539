//! How columns become numbers: learned from the training part alone, kept in the checkpoint, and felt in predictions.

use serde_json::{Value, json};

use crate::kit::Server;

/// A table with a column of each kind, of which every fourth row validates. `odd` says what one row is instead: its number and its cells.
fn rows(odd: Option<(usize, &str)>) -> String {
    let mut text = String::from("part,x,z,colour,town,words,when,flag,y\n");
    for i in 0..120 {
        let part = if i % 4 == 3 { "validation" } else { "train" };
        let cells = format!(
            "{},{},{},t{},{} went {},2025-{:02}-{:02}T{:02}:15:00Z,{},{}",
            (i * 37) % 50,
            if i % 10 == 0 { String::new() } else { ((i * i) % 23).to_string() },
            ["red", "green", "blue", "", "red", "red", "green"][i % 7],
            i % 6,
            ["anna", "bert", "carl"][i % 3],
            ["home", "away"][i / 3 % 2],
            1 + i % 12,
            1 + i % 28,
            i % 24,
            ["yes", "no", ""][i % 5 % 3],
            (i * 37) % 50 + 10 * (i % 7 % 4),
        );
        let cells = odd.filter(|(row, _)| *row == i).map_or(cells, |(_, odd)| odd.to_owned());
        text += &format!("{part},{cells}\n");
    }
    text
}

const POISON: &str = "1e15,-1e15,ultraviolet,atlantis,zeppelins never landed,1900-01-01T00:00:00Z,,1e9";

/// Every encoding there is, in two specs.
fn specs(dataset: &str) -> [Value; 2] {
    let spec = |inputs: Value| {
        json!({"dataset": dataset, "target": "y", "split": {"column": "part"}, "hidden_layers": [8], "epochs": 3, "early_stopping": false,
            "inputs": inputs})
    };
    let parts =
        ["time", "year", "quarter", "month", "day", "day_of_year", "weekday", "weekend", "hour", "minute", "second"];
    [
        spec(json!({
            "embeddings": {"words": {"dim": 3}, "towns": {"dim": 2}},
            "columns": {
                "x": {"scale": "standardize", "clip": {"type": "quantile", "low": 0.05, "high": 0.95}},
                "z": {"scale": "quantile", "missing": "median", "indicator": true},
                "colour": {"as": "categorical", "missing": "most_frequent"},
                "town": {"as": "categorical", "embedding": "towns", "missing": "category"},
                "words": {"as": "text", "embedding": "words"},
                "when": {"as": "datetime", "parts": parts, "missing": "mean"},
                "flag": {"as": "boolean", "indicator": true},
            },
        })),
        spec(json!({
            "embeddings": {"words": {"dim": 3, "hash": 16}, "towns": {"dim": 2, "hash": 8}},
            "columns": {
                "x": {"scale": "min_max", "clip": {"type": "std", "times": 2}},
                "z": {"scale": "robust"},
                "colour": {"as": "categorical", "encoding": "hash", "size": 5},
                "town": {"as": "categorical", "embedding": "towns"},
                "words": {"as": "text", "embedding": "words", "pooling": "window", "window": 3},
                "when": {"as": "datetime", "missing": "median", "indicator": true},
                "flag": "boolean",
            },
        })),
    ]
}

#[test]
fn a_poisoned_validation_row_changes_no_bit_of_the_weights() {
    let server = Server::start();
    server.upload("clean", rows(None));
    server.upload("poisoned", rows(Some((7, POISON))));
    server.upload("learned", rows(Some((8, POISON))));
    let weights = |spec: &Value| server.weights(server.train(spec)["id"].as_str().unwrap(), "last");
    for (clean, (poisoned, learned)) in specs("clean").iter().zip(specs("poisoned").iter().zip(&specs("learned"))) {
        let wanted = weights(clean);
        assert!(wanted == weights(poisoned), "what does not train was learned from: {poisoned}");
        assert!(wanted != weights(learned), "a row that trains is learned from: {learned}");
    }
}

#[test]
fn what_was_learned_travels_in_the_checkpoint() {
    let server = Server::start();
    server.upload("clean", rows(None));
    let row = json!({"x": 20, "z": 3, "colour": "red", "town": "t1", "words": "anna went home", "when": "2025-05-05", "flag": true});
    let [plain, hashed] = specs("clean").map(|spec| server.train(&spec)["id"].as_str().unwrap().to_owned());
    let predict = |job: &str, changes: &[(&str, Value)]| {
        let mut row = row.clone();
        changes.iter().for_each(|(column, value)| row[*column] = value.clone());
        let answer = server.post(&format!("/v1/jobs/{job}/predictions"), &json!({"rows": [row]})).ok();
        answer["predictions"][0]["y"]["value"].as_f64().unwrap()
    };
    for job in [&plain, &hashed] {
        let far = predict(job, &[("x", json!(1e6))]);
        assert_eq!(far, predict(job, &[("x", json!(1e12))]), "numbers end where the training part's do");
        assert_ne!(far, predict(job, &[]));
        for strange in [("colour", json!("mauve")), ("town", json!("atlantis")), ("words", json!("zeppelins"))] {
            assert!(predict(job, &[strange]).is_finite());
        }
    }
    // A missing colour is the most frequent one; a missing town has a row of its own, an unknown one has none.
    assert_eq!(predict(&plain, &[("colour", Value::Null)]), predict(&plain, &[("colour", json!("red"))]));
    let town = |town: Value| predict(&plain, &[("town", town)]);
    assert_eq!(town(json!("atlantis")), town(json!("lemuria")));
    let words = server.get(&format!("/v1/jobs/{hashed}/embeddings/words")).ok();
    assert_eq!(words["data"].as_array().unwrap().len(), 18, "{words:#}");
    assert_eq!(words["data"][2]["word"], "#0", "{words:#}");

    let bad = json!({"dataset": "clean", "target": "y", "inputs": {"columns": {
        "colour": {"encoding": "hash", "size": 0}, "x": {"clip": {"type": "quantile", "low": 1, "high": 0}},
        "when": {"parts": ["minutes"]}, "town": {"encoding": "hash", "embedding": "towns"}}}});
    let problem = server.post("/v1/jobs", &bad).problem(422, "invalid_job_spec");
    let told = problem["errors"].to_string();
    for pointer in ["/colour/size", "/x/clip", "/when/parts/0", "/town/embedding"] {
        assert!(told.contains(&format!("/inputs/columns{pointer}")), "{pointer}: {problem:#}");
    }
    assert!(told.contains("did you mean \\\"minute\\\"?"), "{problem:#}");
}
