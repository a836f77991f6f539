//! Everything a spec may ask for, from the same tables that read it.

use serde_json::{Value, json};

use super::catalogue::shown;
use super::layers::NORMALIZATIONS;
use super::prove::CHECKS;
use super::targets::TargetType;
use super::{activations, inits, losses, optimizers, schedules};

/// Everything a spec may ask for, with parameters, defaults, ranges and one sentence of help each.
pub fn capabilities() -> Value {
    let mut initializations = vec![json!({
        "type": "auto",
        "help": "What fits the activation: he_normal for relu and its kin, glorot_uniform for the others, with gain 4 for sigmoid.",
        "parameters": [],
    })];
    initializations.extend(shown(&inits::TABLE).as_array().into_iter().flatten().cloned());
    json!({
        "activations": shown(&activations::TABLE),
        "initializations": initializations,
        "losses": shown(&losses::TABLE),
        "optimizers": shown(&optimizers::TABLE),
        "schedules": shown(&schedules::TABLE),
        "warmup": {
            "help": "Stands in a schedule: the rate rises linearly from start_factor times itself over the first steps.",
            "parameters": [
                { "name": "steps", "kind": "integer", "default": null, "required": true, "range": { "minimum": 1 },
                  "help": "Steps of the rise." },
                { "name": "start_factor", "kind": "number", "default": 0.1, "required": false,
                  "range": { "exclusive_minimum": 0.0, "maximum": 1.0 }, "help": "Share of the rate in the first step." },
            ],
        },
        "targets": TargetType::ALL.map(|kind| json!({ "type": kind.name(), "help": help_of_target(kind), "losses": losses::of(kind) })),
        "normalizations": NORMALIZATIONS,
        "regularization": {
            "l1": "λ·‖w‖₁ on weights; l1_form \"proximal\" makes exact zeros.",
            "l2": "λ/2·‖w‖² on weights, never on biases.",
            "activation_sparsity": ["l1", "kl"],
            "max_norm": "Longest row of weights into a unit, cut after each step.",
            "input_noise": "Standard deviation of the noise added to inputs in training.",
            "dropout": "Share of units that are dropped in training: of a layer (dropout) or of the inputs (inputs.dropout).",
        },
        "gradient_clipping": ["norm", "value"],
        "inputs": {
            "as": ["numeric", "boolean", "categorical", "text", "datetime"],
            "numeric": ["standardize", "min_max", "robust", "quantile", "none"],
            "missing": ["mean", "median", "a number"],
            "categorical": ["one_hot", "embedding"],
            "pooling": ["mean", "sum", "window"],
            "tokenizers": ["words", "whitespace"],
            "datetime_parts": ["time", "month", "weekday", "hour"],
        },
        "splits": ["stratified", "random", "sequential", "column", "group", "dataset"],
        "task_sampling": ["joint", "proportional", "uniform"],
        "precisions": ["f32", "f64"],
        "checks": CHECKS,
        "metrics": ["loss", "accuracy"],
    })
}

fn help_of_target(kind: TargetType) -> &'static str {
    match kind {
        TargetType::Binary => "Two values, of which the second in order is yes.",
        TargetType::Regression => {
            "A number, standardised inside unless \"standardize\" is false, reported in its own unit."
        }
        TargetType::Multilabel => "Several yes-or-no columns.",
        TargetType::Distribution => "Several columns of shares that add up to 1: soft labels.",
        TargetType::Classification => "One of several labels.",
    }
}
