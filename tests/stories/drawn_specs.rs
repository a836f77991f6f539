//! Whatever a spec can say, backpropagation agrees with finite differences and a run that goes on is the run that was never interrupted: whole specs are drawn.

use serde_json::{Value, json};

use crate::kit::Server;

/// Drawn specs; the same in every run.
const SPECS: usize = 500;

/// A generator whose draws are the same everywhere (Knuth's linear congruence, upper bits).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn chance(&mut self, of_ten: usize) -> bool {
        self.below(10) < of_ten
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Numbers with gaps, a category, a text, and a target of every type.
fn table(draw: &mut Draw) -> String {
    let mut csv = String::from("x,y,colour,text,kind,sure,amount,visits\n");
    for row in 0..90 {
        let words: Vec<&str> =
            (0..draw.below(5)).map(|_| draw.of(&["red", "warm", "old", "big", "odd", "dim"])).collect();
        let amount = if row % 9 == 4 { String::new() } else { format!("{}.5", draw.below(900)) };
        csv.push_str(&format!(
            "{}.{},{},{},{},{},{},{amount},{}\n",
            draw.below(40),
            draw.below(10),
            if row % 11 == 3 { String::new() } else { format!("-{}.25", draw.below(7)) },
            draw.of(&["green", "blue", "white"]),
            words.join(" "),
            draw.of(&["a", "b", "c"]),
            draw.of(&["yes", "no"]),
            draw.below(60),
        ));
    }
    csv
}

fn layer(draw: &mut Draw, activations: &[&str]) -> Value {
    json!({
        "units": 3 + draw.below(5),
        "activation": draw.of(activations),
        "normalization": draw.of(&["none", "none", "batch", "layer"]),
        "dropout": draw.of(&[0.0, 0.0, 0.3]),
        "init": draw.of(&["auto", "glorot_normal", "he_uniform", "lecun_normal", "orthogonal", "torch_default", "sklearn"]),
    })
}

fn spec(draw: &mut Draw) -> Value {
    let bounded = draw.chance(3);
    let activations: &[&str] = if bounded {
        &["sigmoid", "tanh"]
    } else {
        &[
            "sigmoid",
            "tanh",
            "hard_tanh",
            "softsign",
            "softplus",
            "relu",
            "leaky_relu",
            "elu",
            "gelu",
            "gelu_tanh",
            "silu",
        ]
    };
    let smoothing = draw.of(&[0.0, 0.1]);
    let number = draw.of(&["mse", "mae", "huber"]);
    let mut targets = vec![
        json!({"column": "kind", "loss": {"type": "cross_entropy", "label_smoothing": smoothing},
               "class_weight": draw.of(&[Value::Null, json!("balanced")])}),
        json!({"column": "sure", "type": "binary"}),
        json!({"column": "amount", "type": "regression", "loss": number, "standardize": true}),
        json!({"column": "visits", "type": "regression", "loss": "poisson"}),
    ];
    while targets.len() > 1 && (targets.len() > 3 || draw.chance(5)) {
        targets.remove(draw.below(targets.len()));
    }
    for target in &mut targets {
        target["weight"] = draw.of(&[json!(1.0), json!(0.3)]);
        if draw.chance(4) {
            target["hidden_layers"] = json!([layer(draw, activations)]);
        }
    }
    let layers: Vec<Value> = (0..draw.below(4)).map(|_| layer(draw, activations)).collect();
    let sparse = match draw.below(4) {
        _ if layers.is_empty() => Value::Null,
        0 if bounded => json!({"type": "kl", "target": 0.1, "weight": 0.2}),
        1 => json!({"type": "l1", "weight": 0.05}),
        _ => Value::Null,
    };
    let text = match draw.below(4) {
        0 => json!({"as": "text", "embedding": "words", "pooling": "window", "window": 3}),
        1 => json!({"as": "text", "embedding": "words", "pooling": "sum"}),
        _ => json!({"as": "text", "embedding": "words", "pooling": "mean"}),
    };
    let colour = draw
        .of(&[json!({"as": "categorical", "encoding": "one_hot"}), json!({"as": "categorical", "embedding": "words"})]);
    json!({
        "dataset": "mixed", "targets": targets, "hidden_layers": layers, "seed": draw.below(1000), "batch_size": 16,
        "inputs": {
            "numeric": draw.of(&["standardize", "min_max", "robust"]),
            "dropout": draw.of(&[0.0, 0.0, 0.2]),
            "embeddings": {"words": {"dim": 1 + draw.below(4), "sparse": draw.of(&["exact", "lazy"])}},
            "columns": {"text": text, "colour": colour},
        },
        "regularization": {
            "l1": draw.of(&[0.0, 0.0, 0.01]), "l2": draw.of(&[0.0, 0.0, 0.02]), "activation_sparsity": sparse,
            "input_noise": draw.of(&[0.0, 0.0, 0.1]),
        },
    })
}

#[test]
fn every_drawn_spec_passes_the_gradient_check() {
    let server = Server::start();
    let mut draw = Draw(2024);
    server.upload("mixed", table(&mut draw));
    for _ in 0..SPECS {
        let spec = spec(&mut draw);
        let report = server.post("/v1/checks", &json!({"kind": "gradient", "spec": spec})).ok();
        assert_eq!(report["verdict"], "passed", "{spec:#}\n{report:#}");
        let checked: u64 = report["tensors"].as_array().unwrap().iter().map(|t| t["checked"].as_u64().unwrap()).sum();
        assert!(checked > 10, "{report:#}");
    }
}

/// The optimizers and schedules whose state a run carries from step to step.
fn trained(draw: &mut Draw) -> Value {
    let mut spec = spec(draw);
    spec["optimizer"] = draw.of(&[
        json!({"type": "sgd", "learning_rate": 0.01, "momentum": {"initial": 0.5, "final": 0.9, "epochs": 3}}),
        json!({"type": "sgd", "learning_rate": 0.01, "momentum": 0.9, "momentum_form": "classical"}),
        json!({"type": "adagrad"}),
        json!({"type": "rmsprop", "centered": true, "momentum": 0.5}),
        json!({"type": "adadelta"}),
        json!({"type": "adam", "amsgrad": true}),
        json!({"type": "adamw"}),
        json!({"type": "nadam"}),
    ]);
    spec["schedule"] = draw.of(&[
        json!({"type": "exponential", "gamma": 0.99, "warmup": {"steps": 5}}),
        json!({"type": "tau", "tau": 6}),
        json!({"type": "cosine_restarts", "first": 4}),
        json!({"type": "plateau", "patience": 1, "min_delta": 1.0}),
    ]);
    spec["task_sampling"] = draw.of(&[json!("joint"), json!("proportional")]);
    spec["gradient_clipping"] = draw.of(&[Value::Null, json!({"type": "norm", "value": 1.0})]);
    spec["regularization"]["max_norm"] = draw.of(&[Value::Null, json!(2.0)]);
    spec["early_stopping"] = json!({"patience": 50});
    spec["checks"] = json!([]);
    spec
}

#[test]
fn a_run_that_goes_on_from_the_state_of_another_ends_with_the_bytes_of_one_long_run() {
    let server = Server::start();
    let mut draw = Draw(77);
    server.upload("mixed", table(&mut draw));
    for _ in 0..40 {
        let mut spec = trained(&mut draw);
        spec["epochs"] = json!(5);
        let whole = server.train(&spec);
        spec["epochs"] = json!(2);
        let first = server.train(&spec);
        spec["epochs"] = json!(5);
        spec["warm_start"] = json!({"job": first["id"], "checkpoint": "last", "state": "full"});
        let rest = server.train(&spec);
        let bytes = |job: &Value| ["last", "best"].map(|which| server.weights(job["id"].as_str().unwrap(), which));
        assert!(bytes(&whole) == bytes(&rest), "{spec:#}");
        assert_eq!(whole["best"], rest["best"], "{spec:#}");
    }
}
