//! The room as its users see it: what a request means, and what is said of one that means nothing.

use serde_json::{Value, json};

use super::*;

/// Fisher's iris as its profile tells it.
fn iris() -> Schema {
    let number = |name: &str, mean: f64| json!({ "name": name, "kind": "numeric", "missing": 0, "distinct": 35, "min": 0.1, "max": 7.9, "mean": mean, "std": 0.8, "whole": false });
    serde_json::from_value(json!({
        "id": "ds_1", "rows": 150,
        "columns": [
            number("sepal_length", 5.8), number("sepal_width", 3.0), number("petal_length", 3.7), number("petal_width", 1.2),
            { "name": "species", "kind": "categorical", "missing": 0, "distinct": 3,
              "top": [["setosa", 50], ["versicolor", 50], ["virginica", 50]] },
        ],
    }))
    .unwrap()
}

/// One column of each kind.
fn mixed() -> Schema {
    serde_json::from_value(json!({
        "rows": 1000,
        "columns": [
            { "name": "id", "kind": "identifier", "distinct": 1000 },
            { "name": "age", "kind": "numeric", "missing": 100, "distinct": 60, "min": 18.0, "max": 90.0, "mean": 41.0, "std": 12.0, "whole": true },
            { "name": "smoker", "kind": "boolean", "distinct": 2, "top": [["false", 900], ["true", 100]] },
            { "name": "zip", "kind": "categorical", "distinct": 400 },
            { "name": "region", "kind": "categorical", "missing": 5, "distinct": 4, "top": [["n", 400], ["s", 300], ["e", 200], ["w", 95]] },
            { "name": "note", "kind": "text", "distinct": 990 },
            { "name": "since", "kind": "datetime", "distinct": 800 },
            { "name": "country", "kind": "constant", "distinct": 1, "top": [["de", 1000]] },
            { "name": "children", "kind": "numeric", "distinct": 5, "min": 0.0, "max": 4.0, "mean": 1.0, "std": 1.0, "whole": true,
              "top": [["0", 500], ["1", 300], ["2", 150], ["3", 40], ["4", 10]] },
            { "name": "charges", "kind": "numeric", "distinct": 998, "min": -5.0, "max": 60000.0, "mean": 13000.0, "std": 12000.0, "whole": false },
            { "name": "part", "kind": "categorical", "distinct": 3, "top": [["train", 700], ["validation", 200], ["test", 100]] },
        ],
    }))
    .unwrap()
}

fn resolved(request: Value, schema: &Schema) -> ResolvedSpec {
    prove(&request, schema, &Limits::default()).unwrap_or_else(|faults| panic!("{request}: {faults:#?}"))
}

fn faults(request: Value, schema: &Schema) -> Vec<Fault> {
    prove(&request, schema, &Limits::default()).err().unwrap_or_else(|| panic!("{request} should be at fault"))
}

/// Asserts one fault at the pointer that says all of the words.
fn refused(request: Value, schema: &Schema, pointer: &str, words: &[&str]) {
    let faults = faults(request, schema);
    let found =
        faults.iter().any(|fault| fault.pointer == pointer && words.iter().all(|word| fault.detail.contains(word)));
    assert!(found, "wanted {pointer} with {words:?}, got {faults:#?}");
}

fn warned(request: Value, schema: &Schema, code: &str) {
    let spec = resolved(request, schema);
    assert!(spec.warnings().iter().any(|warning| warning.code == code), "{code} is missing in {:#?}", spec.warnings());
}

/// The least spec with changes.
fn with(changes: Value) -> Value {
    merge_patch(&json!({ "dataset": "iris", "target": "species" }), &changes)
}

#[test]
fn the_least_spec_is_filled_with_defaults_that_are_all_shown() {
    let spec = resolved(json!({ "dataset": "iris", "target": "species" }), &iris());
    assert!(spec.warnings().is_empty(), "{:?}", spec.warnings());
    insta::assert_json_snapshot!(spec.to_json());
}

#[test]
fn a_resolved_spec_is_a_request_that_resolves_to_itself() {
    let full = json!({
        "name": "full", "dataset": "people", "targets": [
            { "column": "smoker", "class_weight": "balanced", "hidden_layers": [8] },
            { "column": "charges", "loss": { "type": "huber", "delta": 0.5 }, "weight": 0.3 },
            { "column": "children", "type": "regression", "loss": "poisson" },
        ],
        "inputs": { "exclude": ["since"], "numeric": "robust", "missing": 3, "dropout": 0.1,
                    "embeddings": { "words": { "dim": 16, "sparse": "lazy" } },
                    "columns": { "note": { "as": "text", "embedding": "words", "pooling": "window", "window": 5 }, "zip": { "embedding": "words" } } },
        "split": { "column": "part" },
        "hidden_layers": [{ "units": 32, "activation": { "type": "leaky_relu", "alpha": 0.2 }, "normalization": "batch" }, 16],
        "activation": "sigmoid", "dropout": 0.25, "init": "glorot_uniform",
        "optimizer": { "type": "sgd", "momentum": { "initial": 0.5, "final": 0.9, "epochs": 5 } },
        "schedule": { "type": "cosine", "warmup": { "steps": 10 } },
        "regularization": { "l1": 1e-5, "l1_form": "proximal", "max_norm": 3, "activation_sparsity": { "type": "l1" } },
        "gradient_clipping": { "type": "norm", "value": 5 },
        "early_stopping": { "monitor": "val_accuracy/smoker", "patience": 7 },
        "checkpoints": { "every": { "epochs": 2 } }, "limits": { "max_seconds": 60, "target": { "metric": "val_loss", "value": 0.1 } },
        "warm_start": { "job": "job_1" }, "tags": { "team": "a" }, "priority": -3, "checks": ["overfit"],
    });
    for (request, schema) in [
        (json!({ "dataset": "iris", "target": "species" }), iris()),
        (
            json!({ "dataset": "iris", "target": "species", "batches": [[0, 5, 3], [7, 1, 2, 2]], "early_stopping": false }),
            iris(),
        ),
        (
            json!({ "dataset": "people", "target": "charges", "optimizer": "adagrad", "hidden_layers": [], "batch_size": "full" }),
            mixed(),
        ),
        (full, mixed()),
    ] {
        let once = resolved(request, &schema).to_json();
        let twice = resolved(once.clone(), &schema).to_json();
        assert_eq!(once, twice);
    }
}

#[test]
fn all_faults_of_a_body_are_told_at_once() {
    let found = faults(
        json!({
            "dataset": "iris", "target": "speces", "learing_rate": 0.1, "optimizer": { "type": "adm" }, "epochs": -3,
            "batch_size": "all", "hidden_layers": [64, "many", { "units": 0, "drop": 0.1 }], "activation": "softmax",
            "early_stopping": { "patience": 0 }, "inputs": { "columns": { "petal_lenght": "numeric" } },
            "regularization": { "l2": "1e-4" }, "split": { "validation": 0.8, "test": 0.4 },
        }),
        &iris(),
    );
    let told: Vec<String> = found.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
    insta::assert_json_snapshot!(told);
}

#[test]
fn an_unknown_field_names_the_nearest_known_one() {
    refused(
        with(json!({ "optimizer": { "type": "adam", "learing_rate": 0.1 } })),
        &iris(),
        "/optimizer/learing_rate",
        &["did you mean \"learning_rate\""],
    );
    refused(with(json!({ "learning_rate": 0.1 })), &iris(), "/learning_rate", &["\"optimizer\""]);
    refused(
        with(json!({ "learing_rate": 0.1 })),
        &iris(),
        "/learing_rate",
        &["did you mean \"learning_rate\"", "optimizer"],
    );
    refused(with(json!({ "target": "speceis" })), &iris(), "/target", &["did you mean \"species\""]);
}

#[test]
fn numbers_out_of_range_say_what_would_be_right() {
    let rate = |value: Value| with(json!({ "optimizer": { "type": "adam", "learning_rate": value } }));
    refused(rate(json!(-1)), &iris(), "/optimizer/learning_rate", &["must be a finite number > 0, got -1"]);
    refused(
        rate(json!("0.1")),
        &iris(),
        "/optimizer/learning_rate",
        &["expected a finite number > 0, got the string \"0.1\""],
    );
    refused(with(json!({ "dropout": 1.0 })), &iris(), "/dropout", &["≥ 0 and < 1"]);
    refused(with(json!({ "epochs": 2.5 })), &iris(), "/epochs", &["whole number"]);
}

#[test]
fn a_network_too_large_is_refused_with_an_estimate() {
    refused(
        with(json!({ "hidden_layers": [1_000_000_000] })),
        &iris(),
        "/hidden_layers/0",
        &["GB", "8,000,000,003 parameters"],
    );
    refused(with(json!({ "hidden_layers": [u64::MAX, u64::MAX] })), &iris(), "/hidden_layers/1", &["EB"]);
    refused(with(json!({ "hidden_layers": vec![8; 1000] })), &iris(), "/hidden_layers", &["1000 layers"]);
}

#[test]
fn one_of_target_and_targets_is_wanted() {
    refused(json!({ "dataset": "iris" }), &iris(), "", &["lacks \"target\""]);
    refused(with(json!({ "targets": ["species"] })), &iris(), "/targets", &["exclude each other"]);
    refused(json!({}), &iris(), "", &["dataset"]);
    refused(json!([]), &iris(), "", &["expected an object"]);
}

#[test]
fn the_type_of_a_target_follows_its_column() {
    let kind = |column: &str| {
        resolved(json!({ "dataset": "p", "target": column }), &mixed()).to_json()["targets"][0]["type"].clone()
    };
    assert_eq!(kind("smoker"), "binary");
    assert_eq!(kind("region"), "classification");
    assert_eq!(kind("charges"), "regression");
    assert_eq!(kind("age"), "regression");
    assert_eq!(kind("children"), "classification");
    warned(json!({ "dataset": "p", "target": "children" }), &mixed(), "numeric_classes");
    refused(json!({ "dataset": "p", "target": "country" }), &mixed(), "/target", &["one value only"]);
    refused(json!({ "dataset": "p", "target": "id" }), &mixed(), "/target", &["identifier"]);
    refused(json!({ "dataset": "p", "target": "note" }), &mixed(), "/target", &["free text"]);
    refused(json!({ "dataset": "p", "target": "since" }), &mixed(), "/target", &["points in time"]);
    refused(
        json!({ "dataset": "p", "targets": [{ "column": "region", "type": "regression" }] }),
        &mixed(),
        "/targets/0/type",
        &["needs numbers"],
    );
}

#[test]
fn targets_are_never_inputs() {
    let spec =
        resolved(json!({ "dataset": "p", "target": ["smoker", "charges"], "split": { "column": "part" } }), &mixed());
    let columns = spec.to_json()["inputs"]["columns"].clone();
    for name in ["smoker", "charges", "part", "id", "country"] {
        assert!(columns.get(name).is_none(), "{name} went in");
    }
    assert_eq!(columns["zip"]["encoding"], "embedding");
    assert_eq!(columns["region"]["encoding"], "one_hot");
    assert_eq!(columns["age"]["indicator"], true);
    refused(
        with(json!({ "inputs": { "columns": { "species": "categorical" } } })),
        &iris(),
        "/inputs/columns/species",
        &["is a target"],
    );
    refused(with(json!({ "inputs": { "include": ["species"] } })), &iris(), "/inputs/include/0", &["is a target"]);
    refused(with(json!({ "inputs": { "exclude": ["*"] } })), &iris(), "/inputs", &["no column is left"]);
}

#[test]
fn false_turns_things_off_and_null_is_absent() {
    let spec = resolved(
        with(json!({ "early_stopping": false, "gradient_clipping": false, "regularization": { "max_norm": false }, "split": false })),
        &iris(),
    )
    .to_json();
    assert_eq!((&spec["early_stopping"], &spec["split"]), (&json!(false), &json!(false)));
    let null =
        json!({ "dataset": "iris", "target": "species", "split": null, "optimizer": null, "hidden_layers": null });
    assert_eq!(resolved(null, &iris()).to_json(), resolved(with(json!({})), &iris()).to_json());
}

#[test]
fn without_validation_nothing_watches_it() {
    let spec = resolved(with(json!({ "split": false })), &iris()).to_json();
    assert_eq!(spec["early_stopping"], false);
    let watch = |what: Value| with(merge_patch(&json!({ "split": false }), &what));
    refused(
        watch(json!({ "early_stopping": { "monitor": "val_loss" } })),
        &iris(),
        "/early_stopping/monitor",
        &["no validation part"],
    );
    refused(
        watch(json!({ "schedule": { "type": "plateau", "monitor": "val_loss" } })),
        &iris(),
        "/schedule/monitor",
        &["no validation part"],
    );
}

#[test]
fn the_sigmoid_rule_is_applied_where_the_client_gives_no_gain() {
    let gain = |changes: Value| resolved(with(changes), &iris()).to_json()["hidden_layers"][0]["init"]["gain"].clone();
    assert_eq!(gain(json!({ "activation": "sigmoid" })), 4.0);
    assert_eq!(
        gain(json!({ "activation": "sigmoid", "init": { "weights": { "type": "glorot_normal", "gain": 1 } } })),
        1.0
    );
    assert_eq!(gain(json!({ "activation": "tanh" })), 1.0);
    let spec = resolved(with(json!({ "activation": "sigmoid" })), &iris()).to_json();
    assert_eq!(spec["targets"][0]["init"]["gain"], 1.0);
    warned(
        with(json!({ "activation": "tanh", "init": { "type": "glorot_uniform", "gain": 4 } })),
        &iris(),
        "tanh_gain",
    );
}

#[test]
fn impossible_combinations_are_refused_with_the_remedy() {
    let kl = json!({ "activation": "relu", "regularization": { "activation_sparsity": { "type": "kl" } } });
    refused(with(kl), &iris(), "/regularization/activation_sparsity", &["relu", "\"l1\""]);
    refused(with(json!({ "optimizer": "lbfgs", "batch_size": 32 })), &iris(), "/batch_size", &["full"]);
    refused(with(json!({ "optimizer": "lbfgs", "dropout": 0.5 })), &iris(), "/hidden_layers", &["dropout"]);
    refused(
        with(json!({ "hidden_layers": [8, 8], "activation": "identity" })),
        &iris(),
        "/hidden_layers",
        &["one linear layer"],
    );
    refused(with(json!({ "init": "zeros" })), &iris(), "/hidden_layers", &["stay alike"]);
    refused(
        with(json!({ "hidden_layers": [{ "units": 4, "normalization": "batch" }], "batch_size": 1 })),
        &iris(),
        "/hidden_layers/0/units",
        &["two rows"],
    );
    let weighted = json!({ "dataset": "p", "targets": [{ "column": "charges", "class_weight": "balanced" }] });
    refused(weighted, &mixed(), "/targets/0/class_weight", &["no classes"]);
    let lazy = json!({
        "dataset": "p", "target": "smoker", "optimizer": { "type": "adam", "weight_decay": 0.1 },
        "inputs": { "embeddings": { "z": { "sparse": "lazy" } }, "columns": { "zip": { "embedding": "z" } } },
    });
    refused(lazy, &mixed(), "/inputs/embeddings/z", &["exact"]);
    refused(
        with(json!({ "optimizer": { "type": "sgd", "nesterov": true } })),
        &iris(),
        "/optimizer/nesterov",
        &["momentum"],
    );
    refused(
        json!({ "dataset": "p", "targets": [{ "column": "charges", "loss": "poisson" }] }),
        &mixed(),
        "/targets/0/loss",
        &["≥ 0"],
    );
    refused(
        json!({ "dataset": "p", "target": "charges", "split": { "method": "stratified" } }),
        &mixed(),
        "/split/method",
        &["\"random\""],
    );
}

#[test]
fn foolish_combinations_are_warned_of() {
    warned(with(json!({ "batch_size": "full" })), &iris(), "full_batch");
    warned(with(json!({ "regularization": { "l2": 0.1 } })), &iris(), "adam_with_l2");
    warned(json!({ "dataset": "p", "target": "charges", "dropout": 0.5 }), &mixed(), "dropout_before_regression");
    warned(json!({ "dataset": "p", "target": "children" }), &mixed(), "class_imbalance");
    warned(
        json!({ "dataset": "p", "target": "charges", "inputs": { "numeric": "none" } }),
        &mixed(),
        "unscaled_inputs",
    );
    warned(json!({ "dataset": "p", "target": "smoker" }), &mixed(), "input_left_out");
}

/// The encoding that is shown for what was asked of a column.
fn shown(column: &str, asked: Value) -> Value {
    let request = json!({ "dataset": "p", "target": "charges", "inputs": { "columns": { column: asked } } });
    let shown = resolved(request, &mixed()).to_json();
    assert_eq!(resolved(shown.clone(), &mixed()).to_json(), shown, "what is shown resolves to itself");
    shown["inputs"]["columns"][column].clone()
}

#[test]
fn what_is_asked_of_a_column_is_filled_in_and_shown() {
    let quantile = json!({ "type": "quantile", "low": 0.01, "high": 0.99 });
    assert_eq!(shown("age", json!({ "clip": "quantile" }))["clip"], quantile);
    assert_eq!(
        shown("age", json!({ "clip": { "type": "std", "times": 2 } }))["clip"],
        json!({ "type": "std", "times": 2.0 })
    );
    assert_eq!(shown("age", json!("numeric"))["clip"], false);
    let hashed = json!({ "as": "categorical", "encoding": "hash", "size": 16, "missing": "category" });
    assert_eq!(shown("zip", json!({ "size": 16 })), hashed);
    assert_eq!(shown("region", json!({ "missing": { "constant": "n" } }))["missing"], json!({ "constant": "n" }));
    assert_eq!(shown("zip", json!("categorical"))["missing"], "unknown");
    assert_eq!(shown("smoker", json!({ "missing": false }))["missing"], false);
    let since = shown("since", json!({ "parts": ["year", "day_of_year"], "missing": "2020-02-29", "indicator": true }));
    assert_eq!((&since["parts"], &since["missing"]), (&json!(["year", "day_of_year"]), &json!("2020-02-29")));
    let everywhere = json!({ "dataset": "p", "target": "charges", "inputs": { "clip": "std" } });
    let everywhere = resolved(everywhere, &mixed()).to_json();
    assert_eq!(everywhere["inputs"]["columns"]["age"]["clip"]["times"], 3.0);
    let hashed = json!({ "dataset": "p", "target": "charges",
        "inputs": { "embeddings": { "t": { "dim": 3, "hash": 32 } }, "columns": { "note": { "embedding": "t" } } } });
    let spec = resolved(hashed, &mixed());
    assert_eq!(spec.to_json()["inputs"]["embeddings"]["t"]["hash"], 32);
    assert_eq!(preview(&spec, &mixed())["layers"][0]["shape"], json!([34, 3]));
}

#[test]
fn encodings_that_make_no_sense_are_refused_with_the_remedy() {
    let asked = |columns: Value| json!({ "dataset": "p", "target": "charges", "inputs": { "columns": columns } });
    for (column, asked_of, place, words) in [
        ("age", json!({ "clip": { "type": "quantile", "low": 0.9, "high": 0.1 } }), "/clip", "not below"),
        ("age", json!({ "clip": { "type": "std", "times": 0 } }), "/clip/times", "> 0"),
        ("age", json!({ "clip": { "low": 0.1 } }), "/clip", "lacks \"type\""),
        ("age", json!({ "clip": "iqr" }), "/clip", "unknown value \"iqr\""),
        ("zip", json!({ "encoding": "hash", "size": 0 }), "/size", "1"),
        ("zip", json!({ "encoding": "one_hot", "size": 8 }), "/size", "\"hash\""),
        ("zip", json!({ "encoding": "hash", "unknown": "refuse" }), "/unknown", "one_hot"),
        ("zip", json!({ "missing": "zeros" }), "/missing", "unknown value \"zeros\""),
        ("region", json!({ "missing": { "constant": "" } }), "/missing/constant", "1 to 1000"),
        ("region", json!({ "missing": {} }), "/missing", "lacks \"constant\""),
        ("smoker", json!({ "missing": "median" }), "/missing", "true or false"),
        ("since", json!({ "missing": "someday" }), "/missing", "2026-11-05"),
        ("since", json!({ "parts": ["millennium"] }), "/parts/0", "unknown value"),
    ] {
        refused(asked(json!({ column: asked_of })), &mixed(), &format!("/inputs/columns/{column}{place}"), &[words]);
    }
    let both = json!({ "dataset": "p", "target": "charges",
        "inputs": { "embeddings": { "t": { "hash": 32, "min_count": 2 } }, "columns": { "note": { "embedding": "t" } } } });
    refused(both, &mixed(), "/inputs/embeddings/t/min_count", &["leave \"min_count\" out"]);
}

#[test]
fn datasets_that_validate_and_test_must_fit_the_job() {
    let mut schema = mixed();
    let mut other = mixed();
    other.columns.retain(|column| column.name != "smoker");
    let age = other.columns.iter_mut().find(|column| column.name == "age").unwrap();
    (age.kind, age.mean) = (Kind::Categorical, None);
    (schema.validation, schema.test) = (Some(Box::new(mixed())), Some(Box::new(other)));
    let split = json!({ "validation": { "dataset": "v" }, "test": { "dataset": "t" } });
    let request = json!({ "dataset": "p", "target": "charges", "split": split });
    refused(request.clone(), &schema, "/split/test/dataset", &["lacks \"smoker\""]);
    refused(request.clone(), &schema, "/split/test/dataset", &["\"age\"", "the job reads numbers"]);
    schema.test = Some(Box::new(mixed()));
    let spec = resolved(request, &schema);
    assert_eq!((spec.validation_dataset(), spec.test_dataset()), (Some("v"), Some("t")));
    let shown = spec.to_json();
    assert_eq!(resolved(shown.clone(), &schema).to_json(), shown);
    let same = json!({ "dataset": "p", "target": "charges",
        "split": { "validation": { "dataset": "v" }, "test": { "dataset": "v" } } });
    refused(same, &schema, "/split", &["cannot both validate and test"]);
    let grouped =
        json!({ "dataset": "p", "target": "charges", "split": { "group": "zip", "test": { "dataset": "t" } } });
    let spec = resolved(grouped, &schema);
    assert_eq!(spec.to_json()["split"], json!({ "group": "zip", "validation": 0.2, "test": { "dataset": "t" } }));
    assert_eq!(resolved(spec.to_json(), &schema).to_json(), spec.to_json());
    assert!(matches!(spec.split_plan().method, crate::data::SplitMethod::Group { .. }));
    let nothing = json!({ "dataset": "p", "target": "charges",
        "split": { "group": "zip", "validation": { "dataset": "v" } } });
    refused(nothing, &schema, "/split/group", &["divides nothing"]);
}

#[test]
fn what_this_version_does_not_do_is_refused_rather_than_ignored() {
    refused(with(json!({ "split": { "k_folds": 151 } })), &iris(), "/split/k_folds", &["from 2 to 100"]);
    refused(with(json!({ "split": { "k_folds": 5, "fold": 6 } })), &iris(), "/split/fold", &["from 1 to 5"]);
    refused(with(json!({ "split": { "fold": 1 } })), &iris(), "/split/fold", &["k_folds"]);
    refused(with(json!({ "split": { "k_folds": 5, "validation": 0.2 } })), &iris(), "/split/validation", &["once"]);
    refused(
        with(json!({ "split": { "k_folds": 100, "test": 0.5 } })),
        &iris(),
        "/split/k_folds",
        &["75 rows cannot be divided into 100 folds"],
    );
}

#[test]
fn a_full_batch_is_what_lbfgs_takes_unasked() {
    let spec = resolved(with(json!({ "optimizer": "lbfgs" })), &iris()).to_json();
    assert_eq!(spec["batch_size"], "full");
    let proximal = json!({ "optimizer": "lbfgs", "regularization": { "l1": 1e-3, "l1_form": "proximal" } });
    refused(with(proximal), &iris(), "/regularization/l1_form", &["subgradient"]);
}

#[test]
fn huge_names_are_not_repeated() {
    let name = "x".repeat(1 << 20);
    let found = faults(with(json!({ "target": name, (name.clone()): 1, "tags": { (name.clone()): "a" } })), &iris());
    for fault in &found {
        assert!(
            fault.pointer.len() < 500 && fault.detail.len() < 2000,
            "{} {}",
            fault.pointer.len(),
            fault.detail.len()
        );
    }
    let many: Vec<Value> = (0..1000).map(|_| json!("x")).collect();
    assert!(faults(with(json!({ "hidden_layers": [1, 2], "batches": many })), &iris()).len() <= 102);
}

#[test]
fn a_body_without_its_dataset_is_still_judged_for_its_form() {
    let found = shape_faults(&with(json!({ "epochs": 0, "optimzer": "adam" })), &Limits::default());
    let pointers: Vec<&str> = found.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/epochs", "/optimzer"]);
    assert!(shape_faults(&with(json!({})), &Limits::default()).is_empty());
}

#[test]
fn a_patch_that_changes_a_type_drops_what_belonged_to_the_old_one() {
    let request = json!({ "optimizer": { "type": "sgd", "momentum": 0.9, "learning_rate": 0.1 }, "seed": 7, "hidden_layers": [64, 64] });
    let patched =
        merge_patch(&request, &json!({ "optimizer": { "type": "adam" }, "hidden_layers": [32], "name": null }));
    assert_eq!(patched, json!({ "optimizer": { "type": "adam" }, "seed": 7, "hidden_layers": [32] }));
    let same =
        merge_patch(&request, &json!({ "optimizer": { "type": "sgd", "learning_rate": 0.05, "momentum": null } }));
    assert_eq!(same["optimizer"], json!({ "type": "sgd", "learning_rate": 0.05 }));
    assert_eq!(merge_patch(&request, &json!({ "optimizer": "adam" }))["optimizer"], "adam");
    let named = json!({ "optimizer": "adam" });
    assert_eq!(
        merge_patch(&named, &json!({ "optimizer": { "learning_rate": 0.1 } }))["optimizer"],
        json!({ "type": "adam", "learning_rate": 0.1 })
    );
}

#[test]
fn merge_patches_do_what_the_standard_says() {
    // The examples of RFC 7396, appendix A.
    for (target, patch, result) in [
        (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
        (json!({ "a": "b" }), json!({ "a": null }), json!({})),
        (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
        (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
        (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
        (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({ "a": "foo" }), json!(null), json!(null)),
        (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
        (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
        (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
    ] {
        assert_eq!(merge_patch(&target, &patch), result, "{target} patched with {patch}");
    }
}

#[test]
fn references_are_found_wherever_they_stand() {
    let request = json!({
        "dataset": "a", "split": { "validation": { "dataset": "b" } }, "warm_start": { "weights": "wts_1" },
        "inputs": { "embeddings": { "w/ords": { "vectors": "wts_2" } } },
    });
    let found: Vec<(String, String)> = references(&request).into_iter().map(|r| (r.pointer, r.value)).collect();
    let wanted = [
        ("/dataset", "a"),
        ("/split/validation/dataset", "b"),
        ("/warm_start/weights", "wts_1"),
        ("/inputs/embeddings/w~1ords/vectors", "wts_2"),
    ];
    assert_eq!(found, wanted.map(|(pointer, value)| (pointer.to_owned(), value.to_owned())));
}

#[test]
fn a_dry_run_counts_layers_and_parameters() {
    let spec = resolved(with(json!({ "hidden_layers": [64, { "units": 32, "normalization": "batch" }] })), &iris());
    let shown = preview(&spec, &iris());
    assert_eq!(shown["parameters"], 4 * 64 + 64 + 64 * 32 + 2 * 32 + 32 * 3 + 3);
    assert_eq!(shown["layers"][0]["shape"], json!([64, 4]));
    assert_eq!((&shown["training_rows"], &shown["steps_per_epoch"]), (&json!(120), &json!(4)));
    assert_eq!(shown["exact"], true);
}

#[test]
fn capabilities_name_everything_that_is_read() {
    let shown = capabilities();
    for (list, least) in
        [("optimizers", 8), ("schedules", 10), ("activations", 12), ("losses", 6), ("initializations", 14)]
    {
        let entries = shown[list].as_array().unwrap();
        assert!(entries.len() >= least, "{list}");
        for entry in entries {
            assert!(entry["help"].as_str().is_some_and(|help| help.len() > 3), "{entry}");
        }
    }
    // Every optimizer and schedule resolves by its bare name, or says which parameter it needs.
    for (list, field) in [("optimizers", "optimizer"), ("schedules", "schedule"), ("activations", "activation")] {
        for entry in shown[list].as_array().unwrap() {
            let needs = entry["parameters"].as_array().unwrap().iter().any(|parameter| parameter["required"] == true);
            let outcome = prove(&with(json!({ (field): entry["type"] })), &iris(), &Limits::default());
            assert_eq!(outcome.is_err(), needs, "{entry}");
        }
    }
}

mod any_json {
    use proptest::prelude::*;

    use super::*;

    /// JSON that is not far from a spec: its names and values, in the wrong places.
    fn near_spec() -> impl Strategy<Value = Value> {
        let names = prop::sample::select(vec![
            "dataset",
            "target",
            "targets",
            "inputs",
            "split",
            "hidden_layers",
            "activation",
            "optimizer",
            "schedule",
            "batch_size",
            "epochs",
            "regularization",
            "early_stopping",
            "warm_start",
            "batches",
            "init",
            "type",
            "units",
            "column",
            "columns",
            "weights",
            "monitor",
            "embeddings",
            "embedding",
            "as",
            "validation",
            "test",
            "group",
            "k_folds",
            "loss",
            "class_weight",
            "warmup",
            "steps",
            "limits",
            "record",
            "checkpoints",
            "every",
            "momentum",
            "x",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(|x| json!(x)),
            prop::sample::select(vec![
                "iris",
                "species",
                "petal_width",
                "adam",
                "sgd",
                "full",
                "relu",
                "sigmoid",
                "cosine",
                "auto",
                "prior",
                "val_loss",
                "stratified",
                "text",
                "numeric",
                "categorical",
                "window",
                "balanced",
                "total",
                "é",
                "*",
                "",
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names.clone(), inner), 0..8)
                    .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn proving_any_json_ends_in_a_spec_or_in_faults(patch in near_spec()) {
            for request in [patch.clone(), with(patch)] {
                match prove(&request, &iris(), &Limits::default()) {
                    Ok(spec) => {
                        let once = spec.to_json();
                        let twice = prove(&once, &iris(), &Limits::default()).map(|spec| spec.to_json());
                        prop_assert_eq!(twice, Ok(once));
                    }
                    Err(faults) => prop_assert!(!faults.is_empty()),
                }
                shape_faults(&request, &Limits::default());
                references(&request);
            }
        }
    }
}

mod plans {
    use super::*;
    use crate::data::{self, Encoder, SplitMethod, Table};
    use crate::nn::{self, Network};
    use crate::train;

    fn table(csv: &[u8]) -> (Table, Schema) {
        let (table, _) = data::csv::ingest(csv, &data::csv::ParseOptions::default()).unwrap();
        let schema = Schema::from_profile(table.rows as u64, &data::profile::profile_table(&table).unwrap());
        (table, schema)
    }

    /// The way of a job up to its plan.
    fn planned(table: &Table, schema: &Schema, request: Value) -> (ResolvedSpec, Encoder, train::Plan) {
        let spec = resolved(request, schema);
        let split = data::split::split(table, &spec.split_plan(), spec.seed()).unwrap();
        let encoder = Encoder::fit(table, &spec.encoder_plan(), &split.train).unwrap();
        let plan = spec.plan(&encoder, split.train.len());
        (spec, encoder, plan)
    }

    #[test]
    fn a_dry_run_foretells_the_network_that_is_trained() {
        for (sample, target) in [("iris", "species"), ("digits", "digit")] {
            let (table, schema) = table(&data::samples::get(sample).unwrap().csv());
            let (spec, _, plan) = planned(&table, &schema, json!({ "dataset": sample, "target": target }));
            let network = Network::new(plan.architecture.clone());
            let shown = preview(&spec, &schema);
            assert_eq!(shown["parameters"], network.layout().len(), "{sample}");
            assert_eq!(shown["schedule"]["learning_rate"][0], 0.001);
            assert_eq!(spec.split_plan().method, SplitMethod::Stratified { by: target.into() });
        }
    }

    #[test]
    fn output_biases_start_where_the_training_part_is() {
        let mut csv = String::from("x,label,price\n");
        for row in 0..200 {
            let label = if row % 10 == 0 { "yes" } else { "no" };
            csv.push_str(&format!("{},{label},{}\n", f64::from(row) * 0.37, 100.0 + f64::from(row)));
        }
        let (table, schema) = table(csv.as_bytes());
        let request = json!({
            "dataset": "p", "split": false,
            "targets": [{ "column": "label", "class_weight": "balanced" }, { "column": "price", "standardize": false }],
        });
        let (_, _, plan) = planned(&table, &schema, request);
        let heads = &plan.architecture.heads;
        assert_eq!(heads[0].class_weights, Some(vec![200.0 / 360.0, 200.0 / 40.0]));
        assert!(heads[0].output_bias[0].abs() < 1e-12, "balanced classes are equally likely");
        assert_eq!(heads[1].output_bias, [199.5]);
        let even = json!({ "dataset": "p", "target": "label", "inputs": { "exclude": ["price"] }, "split": false });
        let (_, _, plan) = planned(&table, &schema, even);
        assert!((plan.architecture.heads[0].output_bias[0] - (0.1_f64 / 0.9).ln()).abs() < 1e-12);
        let balanced = json!({
            "dataset": "p", "split": false,
            "targets": [{ "column": "label", "loss": { "type": "binary_cross_entropy", "pos_weight": "balanced" } }],
        });
        let (_, _, plan) = planned(&table, &schema, balanced);
        assert_eq!(plan.architecture.heads[0].loss, nn::Loss::BinaryCrossEntropy { pos_weight: 9.0 });
    }

    #[test]
    fn schedules_that_last_as_long_as_the_run_know_its_length() {
        let (table, schema) = table(&data::samples::get("iris").unwrap().csv());
        let request = json!({
            "dataset": "iris", "target": "species", "epochs": 10, "batch_size": 10,
            "schedule": { "type": "cosine", "warmup": { "steps": 20 } }, "optimizer": { "type": "sgd", "learning_rate": 1 },
        });
        let (spec, _, plan) = planned(&table, &schema, request);
        assert_eq!(plan.schedule.rule, nn::schedule::Rule::Cosine { steps: 100, last: 0.0 });
        let rates = preview(&spec, &schema)["schedule"]["learning_rate"].clone();
        assert_eq!(rates.as_array().unwrap().len(), 120);
        assert_eq!((&rates[0], &rates[20]), (&json!(0.1), &json!(1.0)));
        assert!(rates[119].as_f64().unwrap() < 1e-3);
        assert_eq!(plan.batching, train::Batching::Rows { size: 10, shuffle: true });
        assert_eq!(plan.best, Some(train::Monitor { metric: "val_loss".into(), maximise: false }));
    }

    #[test]
    fn a_network_on_every_kind_of_column_passes_the_gradient_check() {
        use crate::practice::{Verdict, check_gradient, gradient_rows};
        let mut csv = String::from("n,b,c,when,words,y\n");
        for row in 0..60 {
            let (n, b) = (f64::from(row * 7 % 13) / 3.0, row % 3 == 0);
            let word = ["red apple", "green pear", "blue sky over", "red sky"][row as usize % 4];
            csv.push_str(&format!(
                "{n},{b},k{},2024-01-{:02},{word} {},{}\n",
                row % 5,
                row % 28 + 1,
                row % 11,
                ["u", "v", "w"][row as usize % 3]
            ));
        }
        let (table, schema) = table(csv.as_bytes());
        let request = json!({
            "dataset": "p", "target": "y", "activation": "tanh",
            "hidden_layers": [{ "units": 8, "dropout": 0.3 }, { "units": 6, "normalization": "layer" }],
            "inputs": { "embeddings": { "v": { "dim": 3 } },
                        "columns": { "c": { "embedding": "v" }, "words": { "as": "text", "embedding": "v", "pooling": "window", "window": 3 } } },
            "regularization": { "l2": 0.01 },
        });
        let (spec, encoder, plan) = planned(&table, &schema, request);
        let rows = gradient_rows(&plan.architecture, &(0..60).collect::<Vec<u32>>());
        let examples = encoder.encode::<f64>(&table, &rows).unwrap();
        let report = check_gradient(&plan.architecture, &spec.penalties(), 0, &examples, None, &|| false);
        assert_eq!(report.verdict, Verdict::Passed, "{report:#?}");
        assert!(report.tensors.iter().any(|tensor| tensor.name == "embedding.v.weight"));
    }
}
