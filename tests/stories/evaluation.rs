//! An evaluation that a careful statistician would sign: every measure beside its baseline and its interval, null with a reason where
//! there is none, the worst rows by name, what each column does.

use serde_json::{Value, json};

use crate::kit::Server;

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value:#}"))
}

/// y bends with x, z is noise; ids are words.
fn parabola() -> String {
    let mut text = String::from("id,x,z,y\n");
    for i in 0..200 {
        let x = f64::from((i * 37) % 200) / 100.0 - 1.0;
        text += &format!("row{i:03},{x},{},{}\n", (i * 71) % 13, 5.0 + 3.0 * x * x);
    }
    text
}

#[test]
fn classes_are_measured_beside_a_majority_and_a_linear_model() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 60}));
    let path = format!("/v1/jobs/{}/evaluation", job["id"].as_str().unwrap());
    let answer = server.get(&path).ok();
    let target = &answer["targets"]["species"];
    let rows = number(target, "/rows");
    for measure in ["balanced_accuracy", "f1_macro", "precision_weighted", "roc_auc", "average_precision", "top_k/2"] {
        let value = number(target, &format!("/{measure}"));
        assert!((0.8..=1.0).contains(&value), "{measure} is {value}");
    }
    assert!(number(target, "/cohen_kappa") > 0.7 && number(target, "/matthews") > 0.7);
    assert!((number(target, "/baseline/majority/accuracy") - 1.0 / 3.0).abs() < 1e-9);
    assert!((number(target, "/baseline/majority/log_loss") - 3f64.ln()).abs() < 1e-9);
    assert!(number(target, "/baseline/linear/accuracy") > 0.8, "{target:#}");
    let interval = &target["intervals"]["accuracy"];
    assert!(
        number(interval, "/0") <= number(target, "/accuracy") && number(target, "/accuracy") <= number(interval, "/1")
    );
    assert!(number(target, "/intervals/log_loss/0") < number(target, "/intervals/log_loss/1"));
    let in_bins: f64 = (0..10).map(|bin| number(target, &format!("/calibration/{bin}/rows"))).sum();
    assert_eq!(in_bins, rows);
    let per_class: f64 = (0..3).map(|class| number(target, &format!("/classes/{class}/rows"))).sum();
    assert_eq!(per_class, rows);

    // The worst rows are rows of the file, the largest loss first, and the model says the same of them elsewhere.
    let worst = target["worst"].as_array().unwrap();
    assert_eq!(worst.len(), 10);
    assert!(worst.windows(2).all(|pair| number(&pair[0], "/loss") >= number(&pair[1], "/loss")));
    let at = worst[0]["row"].as_u64().unwrap();
    let row = server.get(&format!("/v1/datasets/iris/rows?offset={at}&limit=1")).ok();
    assert!(row.to_string().contains(worst[0]["truth"].as_str().unwrap()), "{row:#} {}", worst[0]);
    let said = server.post(&path.replace("evaluation", "predictions"), &json!({"dataset": "iris"})).ok();
    let said = &said["predictions"][at as usize]["species"];
    assert_eq!(said["label"], worst[0]["predicted"]);
    let p = number(said, &format!("/probabilities/{}", worst[0]["truth"].as_str().unwrap()));
    assert!((number(&worst[0], "/loss") + p.ln()).abs() < 1e-9);

    assert_eq!(server.get(&path).ok(), answer, "the same numbers again, intervals too");
    let few = server.get(&format!("{path}?worst=2&bootstrap=0")).ok();
    assert_eq!(few["targets"]["species"]["worst"].as_array().unwrap().len(), 2);
    assert_eq!(few["targets"]["species"]["intervals"]["accuracy"], Value::Null);
    server.get(&format!("{path}?worst=1001")).problem(400, "malformed_request");
}

#[test]
fn a_class_that_is_not_there_leaves_a_reason_rather_than_a_number() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 20}));
    let file = server.get("/v1/datasets/iris/file").text();
    let two: Vec<&str> = file.lines().filter(|line| !line.ends_with("virginica")).collect();
    server.upload("two", two.join("\n"));
    let answer = server.get(&format!("/v1/jobs/{}/evaluation?dataset=two", job["id"].as_str().unwrap())).ok();
    let target = &answer["targets"]["species"];
    assert_eq!((&answer["rows"], &target["roc_auc"]), (&json!(100), &Value::Null));
    assert!(target["undefined"]["roc_auc"].as_str().unwrap().contains("a class has no rows"), "{target:#}");
    assert_eq!(target["classes"][2]["undefined"]["recall"], "no row is of the class");
    assert!(number(target, "/classes/0/roc_auc") > 0.9, "the classes that are there have theirs");
    assert!(target["baseline"]["linear"]["undefined"].is_string(), "there are no training rows in another dataset");
    let other = two.join("\n").replace("setosa", "tulip");
    server.upload("other", other);
    let path = format!("/v1/jobs/{}/evaluation?dataset=other", job["id"].as_str().unwrap());
    let problem = server.get(&path).problem(422, "invalid_rows");
    assert!(problem["errors"].to_string().contains("tulip"), "{problem:#}");
}

#[test]
fn a_decision_between_two_has_a_table_of_thresholds() {
    let server = Server::start();
    let mut text = String::from("x,y\n");
    (0..200)
        .for_each(|i| text += &format!("{},{}\n", f64::from(i % 40), if i % 40 + i % 7 > 22 { "yes" } else { "no" }));
    server.upload("two", text);
    let job = server.train(&json!({"dataset": "two", "target": "y", "epochs": 30}));
    let path = format!("/v1/jobs/{}/evaluation", job["id"].as_str().unwrap());
    let answer = server.get(&path).ok();
    let target = &answer["targets"]["y"];
    let half = target["thresholds"].as_array().unwrap().iter().find(|row| row["threshold"] == 0.5).unwrap();
    let matrix = &target["confusion_matrix"]["matrix"];
    assert_eq!((&half["true_negatives"], &half["false_positives"]), (&matrix[0][0], &matrix[0][1]));
    assert_eq!((&half["false_negatives"], &half["true_positives"]), (&matrix[1][0], &matrix[1][1]));
    assert_eq!(target["thresholds"].as_array().unwrap().len(), 19);
    assert!(number(target, "/intervals/roc_auc/0") <= number(target, "/roc_auc"));
    for picture in ["confusion", "roc", "precision-recall", "calibration"] {
        let svg = server.get(&format!("{path}/{picture}.svg"));
        assert_eq!(svg.header("content-type"), Some("image/svg+xml"), "{picture}");
        assert!(svg.text().starts_with("<svg") && svg.text().contains("rows of validation"), "{picture}");
    }
    server.get(&format!("{path}/residuals.svg")).problem(422, "invalid_body");
    server.get(&format!("{path}/sunset.svg")).problem(404, "not_found");
    server.get(&format!("{path}/roc.svg?target=z")).problem(404, "not_found");
}

#[test]
fn numbers_are_measured_in_their_own_unit_and_columns_by_what_they_do() {
    let server = Server::start();
    server.upload("parabola", parabola());
    let job = server.train(&json!({"dataset": "parabola", "target": "y", "epochs": 120, "early_stopping": false,
        "optimizer": {"type": "adam", "learning_rate": 0.01}}));
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let answer = server.get(&format!("{path}/evaluation")).ok();
    let target = &answer["targets"]["y"];
    assert!(number(target, "/r2") > 0.8, "{target:#}");
    assert!(number(target, "/baseline/linear/r2") < 0.3, "no line bends: {target:#}");
    assert!((number(target, "/baseline/mean/predicts") - 6.0).abs() < 0.3);
    assert!((number(target, "/rmse").powi(2) - number(target, "/mse")).abs() < 1e-9);
    assert!(number(target, "/residual_quantiles/0.05") <= number(target, "/residual_quantiles/0.95"));
    assert!(number(target, "/mape") < 0.2 && number(target, "/intervals/r2/0") < number(target, "/r2"));
    let worst = &target["worst"][0];
    let row = worst["row"].as_u64().unwrap();
    assert_eq!(worst["id"]["id"], format!("row{row:03}"), "{worst}");
    assert!(server.get(&format!("{path}/evaluation/residuals.svg")).text().starts_with("<svg"));
    server.get(&format!("{path}/evaluation/roc.svg")).problem(422, "invalid_body");

    let importance = server.get(&format!("{path}/importance?repeats=3")).ok();
    assert_eq!(importance["columns"][0]["column"], "x", "{importance:#}");
    let (x, z) = (number(&importance, "/columns/0/loss/mean"), number(&importance, "/columns/1/loss/mean"));
    assert!(x > 10.0 * z.abs(), "{importance:#}");
    assert_eq!(importance["columns"].as_array().unwrap().len(), 2, "identifiers are no input");
    assert!(server.get(&format!("{path}/evaluation/importance.svg")).text().contains("x: "));

    let along = server.get(&format!("{path}/partial-dependence?column=x&points=11&split=train")).ok();
    let points = along["points"].as_array().unwrap();
    assert_eq!(points.len(), 11);
    let (left, middle) = (number(&points[0], "/y"), number(&points[5], "/y"));
    assert!(left > middle + 1.0, "a parabola falls towards its middle: {along:#}");
    let svg = server.get(&format!("{path}/partial-dependence.svg?column=x")).text();
    assert!(svg.starts_with("<svg") && svg.contains("mean y along x"), "{svg}");
    let problem = server.get(&format!("{path}/partial-dependence?column=id")).problem(422, "invalid_rows");
    assert!(problem.to_string().contains("is no input"), "{problem:#}");
    server.get(&format!("{path}/partial-dependence")).problem(400, "malformed_request");
}

#[test]
fn equal_rows_stay_on_one_side_and_the_profile_says_how_many_there_are() {
    let server = Server::start();
    // Every row stands three times, and its label is noise: only who has seen a row can know it.
    let mut text = String::from("x,z,y\n");
    (0..60).for_each(|i| {
        let row = format!("{},{},{}\n", i * 7 % 60, i * 11 % 13, ["a", "b"][usize::from(i * i % 7 % 2 == 1)]);
        text += &row.repeat(3);
    });
    let dataset = server.upload("thrice", text);
    let warning = dataset["warnings"].as_array().unwrap().iter().find(|one| one["code"] == "duplicate_rows").unwrap();
    assert!(warning["detail"].as_str().unwrap().starts_with("120 of 180 rows"), "{warning}");
    let spec = |split: Value| json!({"dataset": "thrice", "target": "y", "epochs": 1, "split": split});
    let rows_judged = |split: Value| -> Vec<u64> {
        let job = server.train(&spec(split));
        let path = format!("/v1/jobs/{}/evaluation?worst=1000", job["id"].as_str().unwrap());
        let answer = server.get(&path).ok();
        let worst = answer["targets"]["y"]["worst"].as_array().unwrap().clone();
        worst.iter().map(|row| row["row"].as_u64().unwrap()).collect()
    };
    let torn =
        |rows: &[u64]| rows.iter().filter(|row| rows.iter().filter(|other| *other / 3 == *row / 3).count() < 3).count();
    let together = rows_judged(json!({"validation": 0.2}));
    assert_eq!((together.len(), torn(&together)), (36, 0), "{together:?}");
    let apart = rows_judged(json!({"validation": 0.2, "duplicates": "apart"}));
    assert_eq!(apart.len(), 36);
    assert!(torn(&apart) > 0, "{apart:?}");
    let shown = server.post("/v1/jobs?dry_run=true", &spec(json!({"validation": 0.2}))).ok();
    assert_eq!(shown["spec"]["split"]["duplicates"], "together", "{shown:#}");
    let wrong = server.post("/v1/jobs", &spec(json!({"method": "sequential", "duplicates": "together"})));
    let problem = wrong.problem(422, "invalid_job_spec");
    assert_eq!(problem["errors"][0]["pointer"], "/split/duplicates", "{problem:#}");
}

#[test]
fn dependence_is_told_and_drawn_along_columns_of_every_kind() {
    let server = Server::start();
    let mut text = String::from("colour,when,flag,x,y,price\n");
    (0..120).for_each(|i| {
        let (colour, flag) = (["red", "green", "blue"][i % 3], ["yes", "no"][i % 2]);
        let y = if i % 3 == 0 { "warm" } else { ["cool", "cold"][i / 3 % 2] };
        text +=
            &format!("{colour},2025-{:02}-11,{flag},{},{y},{}.5\n", 1 + i % 12, i * 7 % 31, i % 3 * 100 + i * 37 % 61);
    });
    server.upload("shop", text);
    let job = server.train(&json!({
        "dataset": "shop", "targets": [{"column": "y"}, {"column": "price"}], "epochs": 150, "early_stopping": false
    }));
    let path = format!("/v1/jobs/{}/partial-dependence", job["id"].as_str().unwrap());
    let along = |column: &str| server.get(&format!("{path}?column={column}&split=train")).ok()["points"].clone();
    let colours = along("colour");
    assert_eq!(colours.as_array().unwrap().len(), 3);
    let of = |colour: &str| colours.as_array().unwrap().iter().find(|point| point["value"] == colour).unwrap().clone();
    assert!(number(&of("red"), "/y/warm") > number(&of("blue"), "/y/warm") + 0.1, "{colours:#}");
    assert!(number(&of("blue"), "/price") > number(&of("red"), "/price") + 40.0, "{colours:#}");
    let times = along("when");
    assert!(times[0]["value"].as_str().unwrap().starts_with("2025-"), "{times:#}");
    assert!(times.as_array().unwrap().windows(2).all(|pair| pair[0]["value"].as_str() < pair[1]["value"].as_str()));
    let svg = |query: &str| server.get(&format!("{path}.svg?{query}")).text();
    assert!(svg("column=colour").contains("mean probability of y = warm"), "the class that moves most");
    assert!(svg("column=colour&class=cold").contains("mean probability of y = cold"));
    assert!(svg("column=colour&target=price").contains("mean price along colour"));
    assert!(svg("column=when&target=price").contains("when (year)"));
    assert!(svg("column=flag").contains("yes") && svg("column=x").contains("mean probability of y"));
    server.get(&format!("{path}.svg?column=colour&class=hot")).problem(404, "not_found");
    server.get(&format!("{path}.svg?column=colour&target=size")).problem(404, "not_found");
}
