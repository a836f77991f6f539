//! Which rows train, validate and test: by share, order, group, column, or other datasets; seen by the rows that an evaluation judges.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kit::Server;

/// 120 rows of three classes (60, 40, 20), 12 groups, and a column that says the part.
fn rows() -> String {
    let mut text = String::from("x,patient,part,y\n");
    for i in 0..120 {
        let y = if i % 6 < 3 {
            "a"
        } else if i % 6 < 5 {
            "b"
        } else {
            "c"
        };
        let part = ["train", "train", "train", "validation", "test"][i % 5];
        text += &format!("{}.5,p{},{part},{y}\n", (i * 37) % 113, i % 12);
    }
    text
}

/// The rows of a part by their numbers in the file.
fn judged(server: &Server, job: &Value, part: &str) -> Vec<u64> {
    let path = format!("/v1/jobs/{}/evaluation?split={part}&worst=1000&bootstrap=0", job["id"].as_str().unwrap());
    let answer = server.get(&path).ok();
    let mut rows: Vec<u64> =
        answer["targets"]["y"]["worst"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    rows.sort_unstable();
    assert_eq!(answer["rows"], rows.len(), "{answer:#}");
    rows
}

fn spec(split: Value) -> Value {
    json!({"dataset": "rows", "target": "y", "epochs": 1, "hidden_layers": [], "inputs": {"include": ["x"]}, "split": split})
}

#[test]
fn every_way_to_split_gives_the_rows_it_promises() {
    let server = Server::start();
    server.upload("rows", rows());
    let parts = |split: Value| {
        let job = server.train(&spec(split));
        let [train, validation, test] = ["train", "validation", "test"].map(|part| judged(&server, &job, part));
        let mut all = [&train[..], &validation, &test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..120).collect::<Vec<u64>>(), "each row is on one side");
        (train, validation, test)
    };
    let sizes =
        |(train, validation, test): &(Vec<u64>, Vec<u64>, Vec<u64>)| (train.len(), validation.len(), test.len());
    let shares = |method: &str| json!({"validation": 0.2, "test": 0.1, "method": method});

    let random = parts(shares("random"));
    assert_eq!(sizes(&random), (84, 24, 12));
    assert!(random.1 != parts(json!({"validation": 0.2, "test": 0.1, "method": "stratified"})).1);

    let stratified = parts(shares("stratified"));
    let of =
        |rows: &[u64], classes: std::ops::Range<u64>| rows.iter().filter(|row| classes.contains(&(*row % 6))).count();
    let counts = |rows: &[u64]| (of(rows, 0..3), of(rows, 3..5), of(rows, 5..6));
    assert_eq!((counts(&stratified.1), counts(&stratified.2)), ((12, 8, 4), (6, 4, 2)));

    let sequential = parts(shares("sequential"));
    assert_eq!((sequential.1[0], sequential.2[0]), (84, 108), "in the order of the file");

    let grouped = parts(json!({"group": "patient", "validation": 0.25, "test": 0.25}));
    let groups = |rows: &[u64]| rows.iter().map(|row| row % 12).collect::<BTreeSet<u64>>();
    assert_eq!(sizes(&grouped), (60, 30, 30));
    assert!(groups(&grouped.0).is_disjoint(&groups(&grouped.1)) && groups(&grouped.1).is_disjoint(&groups(&grouped.2)));
    assert!(groups(&grouped.0).is_disjoint(&groups(&grouped.2)));

    let given = parts(json!({"column": "part"}));
    assert!(given.1.iter().all(|row| row % 5 == 3) && given.2.iter().all(|row| row % 5 == 4));
}

#[test]
fn other_datasets_validate_and_test() {
    let server = Server::start();
    server.upload("rows", rows());
    let head: Vec<String> = rows().lines().take(31).map(str::to_owned).collect();
    server.upload("checked", head.join("\n"));
    let held = head[..16].join("\n").replace(".5,", ".25,");
    server.upload("held", &held);
    let both = json!({"validation": {"dataset": "checked"}, "test": {"dataset": "held"}});
    let job = server.train(&spec(both));
    let path = format!("/v1/jobs/{}/evaluation?bootstrap=0", job["id"].as_str().unwrap());
    // The name moves on; the job's part stays what it was.
    server.send("PUT", "/v1/datasets/held", &[], Some(b"x,y\n1,a\n2,b\n")).ok();
    let told = |query: &str| {
        let answer = server.get(&format!("{path}{query}")).ok();
        (answer["split"].clone(), answer["rows"].clone(), answer["dataset"]["name"].clone())
    };
    assert_eq!(told("&split=train").1, 120, "all rows of the job's own dataset train");
    assert_eq!(told(""), (json!("validation"), json!(30), json!("checked")));
    assert_eq!(told("&split=test"), (json!("test"), json!(15), Value::Null));
    assert_eq!(
        told("&dataset=checked"),
        (json!("dataset"), json!(30), json!("checked")),
        "any dataset with the target"
    );
    let metrics = server.get(&format!("/v1/jobs/{}/metrics", job["id"].as_str().unwrap())).ok();
    assert!(metrics["columns"]["test_loss"].is_array() && metrics["columns"]["val_loss"].is_array(), "{metrics:#}");
    // The spec that is shown makes the same job again.
    let shown = server.get(&format!("/v1/jobs/{}/spec", job["id"].as_str().unwrap())).ok();
    let again = server.train(&shown);
    let weights = |job: &Value| server.weights(job["id"].as_str().unwrap(), "last");
    assert!(weights(&again) == weights(&job));

    let alone = server.train(&spec(json!({"validation": 0.25, "test": {"dataset": "checked"}})));
    assert_eq!((judged(&server, &alone, "validation").len(), judged(&server, &alone, "test").len()), (30, 30));
    let grouped = server.train(&spec(json!({"group": "patient", "validation": 0.25, "test": {"dataset": "checked"}})));
    let validated = judged(&server, &grouped, "validation");
    assert_eq!((validated.len(), judged(&server, &grouped, "test").len()), (30, 30));
    let patients: BTreeSet<u64> = validated.iter().map(|row| row % 12).collect();
    assert_eq!(patients.len(), 3, "groups are divided whole, and other rows test");
    let unwatched = server.train(&spec(json!({"validation": 0, "test": {"dataset": "checked"}})));
    let first = server.get(&format!("/v1/jobs/{}/evaluation", unwatched["id"].as_str().unwrap())).ok();
    assert_eq!(
        (&first["split"], &first["rows"]),
        (&json!("test"), &json!(30)),
        "what nothing else judges, the test does"
    );
}

#[test]
fn splits_that_cannot_be_are_refused_with_their_place() {
    let server = Server::start();
    server.upload("rows", rows());
    server.upload("narrow", "x,z\n1,2\n2,3\n3,1\n");
    server.upload("wordy", "x,y\nseveral words here,a\nfew words,b\nother words too,a\n");
    let cases = [
        (json!({"validation": {"dataset": "nobody"}}), "/split/validation/dataset", "no dataset `nobody`"),
        (json!({"test": {"dataset": "narrow"}}), "/split/test/dataset", "lacks \"y\""),
        (json!({"test": {"dataset": "wordy"}}), "/split/test/dataset", "the job reads numbers"),
        (json!({"validation": {"dataset": "narrow", "rows": 3}}), "/split/validation/rows", "unknown field"),
        (json!({"test": {}}), "/split/test", "lacks \"dataset\""),
        (
            json!({"validation": {"dataset": "rows"}, "test": {"dataset": "rows"}}),
            "/split",
            "cannot both validate and test",
        ),
        (json!({"group": "patient", "test": {"dataset": "narrow"}}), "/split/test/dataset", "lacks \"y\""),
        (json!({"group": "patient", "validation": {"dataset": "rows"}}), "/split/group", "it divides nothing"),
        (json!({"validation": 0.7, "test": 0.4}), "/split", "nothing to train on"),
        (json!({"column": "y"}), "/split/column", "it must say train, validation or test"),
        (json!({"column": "prat"}), "/split/column", "did you mean \"part\"?"),
        (json!({"method": "stratifed"}), "/split/method", "did you mean \"stratified\"?"),
        (json!({"column": "part", "group": "patient"}), "/split", "exclude each other"),
        (json!({"column": "part", "validation": 0.2}), "/split/validation", "leave \"validation\" out"),
    ];
    for (split, pointer, words) in cases {
        let problem = server.post("/v1/jobs", &spec(split.clone())).problem(422, "invalid_job_spec");
        let errors = problem["errors"].as_array().unwrap();
        let found = errors.iter().any(|fault| {
            fault["pointer"] == pointer && fault["detail"].as_str().is_some_and(|detail| detail.contains(words))
        });
        assert!(found, "{split}: wanted {words:?} at {pointer}, got {problem:#}");
    }
}
