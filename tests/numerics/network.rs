//! The small network, the data and the batches of `golden/trajectories.py`, and plans made from its cases.

use serde_json::Value;
use trainyard::data::{Examples, TargetColumn};
use trainyard::nn::clipping::Clipping;
use trainyard::nn::optimizer::{
    Adadelta, Adagrad, Adam, Lbfgs, Method, Momentum, MomentumForm, Nadam, Optimizer, Rmsprop, Sgd,
};
use trainyard::nn::schedule::{Plateau, Rule, Schedule, Unit, Warmup};
use trainyard::nn::{Activation, Architecture, Head, HiddenLayer, Loss, Normalization, WeightInit};
use trainyard::train::{
    Batching, Dataset, Every, OwnUnit, Plan, Precision, Real, Record, Regularization, Switch, TaskSampling,
};

/// What the script wrote.
pub fn golden() -> Value {
    serde_json::from_str(include_str!("golden/trajectories.json")).unwrap()
}

pub fn numbers<T: Real>(value: &Value) -> Vec<T> {
    value.as_array().unwrap().iter().map(|x| T::from_f64(x.as_f64().unwrap())).collect()
}

/// All rows, numbered from 0.
pub fn dataset<T: Real>(golden: &Value) -> Dataset<T> {
    let rows = golden["x"].as_array().unwrap();
    let classes = golden["y"].as_array().unwrap().iter().map(|y| y.as_u64().unwrap() as u32).collect();
    let train = Examples {
        rows: rows.len(),
        features: 10,
        dense: rows.iter().flat_map(numbers::<T>).collect(),
        targets: vec![TargetColumn::Classes(classes)],
        row_ids: (0..rows.len() as u32).collect(),
        ..Examples::default()
    };
    Dataset { train: train.into(), validation: None, test: None }
}

/// A plan over the golden batches that does nothing special.
pub fn plan(golden: &Value, optimizer: Optimizer, precision: Precision) -> Plan {
    let hidden = HiddenLayer {
        units: 8,
        activation: Activation::Tanh,
        dropout: 0.0,
        normalization: Normalization::None,
        init: WeightInit::default(),
        bias: 0.0,
    };
    let head = Head {
        name: "y".into(),
        hidden: Vec::new(),
        outputs: 3,
        loss: Loss::CrossEntropy { label_smoothing: 0.0 },
        weight: 1.0,
        class_weights: None,
        init: WeightInit::default(),
        output_bias: vec![0.0; 3],
    };
    let batches = golden["batches"].as_array().unwrap().iter();
    let rows = |batch: &Value| batch.as_array().unwrap().iter().map(|row| row.as_u64().unwrap() as u32).collect();
    Plan {
        architecture: Architecture {
            features: 10,
            input_dropout: 0.0,
            input_noise: 0.0,
            tables: Vec::new(),
            tokens: Vec::new(),
            hidden: vec![hidden],
            heads: vec![head],
            activation_sparsity: None,
        },
        units: vec![OwnUnit::default()],
        optimizer,
        schedule: Schedule::default(),
        sparse: Vec::new(),
        regularization: Regularization::default(),
        clipping: None,
        batching: Batching::Given(batches.map(rows).collect()),
        task_sampling: TaskSampling::Joint,
        epochs: 63,
        seed: 0,
        precision,
        threads: 1,
        best: None,
        early_stopping: None,
        target: None,
        checkpoints: Every::Auto,
        record: Record { step_metrics: Switch::On, layer_statistics: Switch::Off },
        encoder: Vec::new(),
    }
}

/// The plan of one case of the script.
pub fn plan_of(golden: &Value, case: &Value, precision: Precision) -> Plan {
    let mut plan = plan(golden, optimizer(&case["optimizer"]), precision);
    plan.schedule = schedule(&case["schedule"]);
    let number = |name: &str| case[name].as_f64();
    plan.clipping = number_of(&case["clipping"], "value").map(|limit| match case["clipping"]["type"].as_str() {
        Some("norm") => Clipping::Norm(limit),
        _ => Clipping::Value(limit),
    });
    plan.regularization = Regularization {
        l1: number("l1").unwrap_or(0.0),
        l2: number("l2").unwrap_or(0.0),
        max_norm: number("max_norm"),
        l1_proximal: false,
    };
    plan
}

fn number_of(spec: &Value, name: &str) -> Option<f64> {
    spec[name].as_f64()
}

fn optimizer(spec: &Value) -> Optimizer {
    let number = |name: &str, preset: f64| number_of(spec, name).unwrap_or(preset);
    let flag = |name: &str| spec[name].as_bool().unwrap_or(false);
    let adam = Adam { amsgrad: flag("amsgrad"), ..Adam::default() };
    let method = match spec["type"].as_str().unwrap() {
        "sgd" => Method::Sgd(Sgd {
            momentum: match &spec["momentum"] {
                Value::Object(rise) => Momentum::Rising {
                    initial: rise["initial"].as_f64().unwrap(),
                    last: rise["final"].as_f64().unwrap(),
                    epochs: rise["epochs"].as_u64().unwrap(),
                },
                constant => Momentum::Constant(constant.as_f64().unwrap_or(0.0)),
            },
            form: if spec["momentum_form"] == "classical" { MomentumForm::Classical } else { MomentumForm::Pytorch },
            dampening: number("dampening", 0.0),
            nesterov: flag("nesterov"),
        }),
        "adagrad" => Method::Adagrad(Adagrad {
            learning_rate_decay: number("learning_rate_decay", 0.0),
            initial_accumulator: number("initial_accumulator", 0.0),
            ..Adagrad::default()
        }),
        "rmsprop" => Method::Rmsprop(Rmsprop {
            centered: flag("centered"),
            momentum: number("momentum", 0.0),
            ..Rmsprop::default()
        }),
        "adadelta" => Method::Adadelta(Adadelta::default()),
        "adam" => Method::Adam(adam),
        "adamw" => Method::AdamW(adam),
        "nadam" => Method::Nadam(Nadam::default()),
        "lbfgs" => Method::Lbfgs(Lbfgs::default()),
        other => panic!("no optimizer {other}"),
    };
    Optimizer {
        method,
        learning_rate: number("learning_rate", 0.0),
        weight_decay: number("weight_decay", 0.0),
        weight_decay_biases: flag("weight_decay_biases"),
    }
}

fn schedule(spec: &Value) -> Schedule {
    let number = |name: &str| number_of(spec, name).unwrap();
    let whole = |name: &str| spec[name].as_u64().unwrap();
    let rule = match spec["type"].as_str() {
        None => Rule::Constant,
        Some("step") => Rule::Step { step_size: whole("step_size"), gamma: number("gamma") },
        Some("exponential") => Rule::Exponential { gamma: number("gamma") },
        Some("inverse_time") => Rule::InverseTime { k: number("k") },
        Some("tau") => Rule::Tau { tau: number("tau") },
        Some("polynomial") => Rule::Polynomial { steps: whole("steps"), power: number("power"), last: number("final") },
        Some("cosine") => Rule::Cosine { steps: whole("steps"), last: number("final") },
        Some("cosine_restarts") => {
            Rule::CosineRestarts { first: whole("first"), multiplier: whole("multiplier"), last: number("final") }
        }
        Some("one_cycle") => Rule::OneCycle {
            steps: whole("steps"),
            max_learning_rate: number("max_learning_rate"),
            rise: number("rise"),
        },
        Some("plateau") => Rule::Plateau(Plateau {
            monitor: "loss".into(),
            maximise: false,
            factor: number("factor"),
            patience: whole("patience"),
            min_delta: number("min_delta"),
            cooldown: 0,
            min_learning_rate: 0.0,
        }),
        Some(other) => panic!("no schedule {other}"),
    };
    let unit = if spec["unit"] == "epoch" { Unit::Epoch } else { Unit::Step };
    let warmup = spec["warmup"].as_object().map(|warmup| Warmup {
        steps: warmup["steps"].as_u64().unwrap(),
        start_factor: warmup["start_factor"].as_f64().unwrap(),
    });
    Schedule { rule, unit, warmup }
}
