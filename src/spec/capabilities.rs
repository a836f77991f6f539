//! Everything a spec may ask for, from the same tables that read it.

use serde_json::{Value, json};

use super::catalogue::shown;
use super::encodings::{CATEGORIES, FORMS, PARTS, SCALES, TOKENIZERS};
use super::layers::NORMALIZATIONS;
use super::targets::TargetType;
use super::{activations, inits, losses, optimizers, schedules};
use crate::practice::CHECKS;

/// The fields of a spec: name, default in words, help.
const FIELDS: &[(&str, &str, &str)] = &[
    ("name", "none", "What the job is called: 1 to 64 characters of A-Z a-z 0-9 . _ -."),
    ("dataset", "required", "Id, name, sha256:… or sample:… of the dataset."),
    ("target", "required, or targets", "The column to predict, or a list of columns."),
    (
        "targets",
        "required, or target",
        "Columns to predict, each with type, loss, weight, class_weight, hidden_layers, standardize, init.",
    ),
    (
        "task_sampling",
        "joint",
        "Whether a step trains all targets, or one drawn in proportion to its labels or uniformly.",
    ),
    ("sample_weight", "none", "A column of weights ≥ 0, one a row."),
    (
        "inputs",
        "all columns that are not targets",
        "include, exclude, numeric, missing, clip, dropout, embeddings, columns.",
    ),
    (
        "split",
        "0.2 validation, stratified for classes",
        "Shares and a method, a column, groups, another dataset, k_folds (and one fold of them), or false.",
    ),
    ("hidden_layers", "[64]", "Units, or objects with units, activation, dropout, normalization, init, bias."),
    ("activation", "tanh below 1000 rows, else relu", "Of hidden layers that name none."),
    ("dropout", "0", "Of hidden layers that name none."),
    ("init", "weights auto, bias 0, output_bias prior", "How weights and biases start."),
    ("optimizer", "adam", "How weights change."),
    ("schedule", "constant", "How the learning rate changes, with a warmup before it."),
    ("batch_size", "32; full for lbfgs", "Rows of a step, or \"full\"."),
    ("batches", "none", "Rows of the file for each step, instead of batch_size, shuffle and split."),
    ("epochs", "enough for about 2000 steps, 60 to 600", "Passes over the training part, at most."),
    ("shuffle", "true", "Whether each epoch has an order of its own."),
    ("seed", "0", "Everything random follows from it."),
    ("precision", "f32", "f32 or f64."),
    ("threads", "1", "Threads of a step; their number changes no bit."),
    ("regularization", "none", "l1, l1_form, l2, activation_sparsity, max_norm, input_noise."),
    ("gradient_clipping", "false", "By norm or value."),
    (
        "early_stopping",
        "on where there is a validation part",
        "monitor, mode, patience, min_delta, start_epoch, restore_best; or false.",
    ),
    ("checkpoints", "every auto, keep 3", "How often, and how many are kept."),
    ("record", "auto", "step_metrics and layer_statistics: auto, true or false."),
    ("checks", "data, initial_loss, and gradient up to 200,000 parameters", "Checks before training."),
    ("on_failed_check", "warn", "warn or stop."),
    ("limits", "none", "max_seconds, and a target value of a metric at which to stop."),
    ("warm_start", "none", "Another job's checkpoint, or uploaded weights."),
    ("tags", "none", "Texts by names of the client's own."),
    ("priority", "0", "Jobs of a higher priority start first, -1000 to 1000."),
    ("early_stopping.patience", "a fifth of the epochs, 10 to 40", "Epochs without an improvement that are forgiven."),
    ("inputs.numeric", "standardize", "How numbers are scaled, fitted on the training part."),
    (
        "inputs.clip",
        "none",
        "Where numbers end, learned from the training part: quantile, std, or an object with low and high, or times.",
    ),
];

/// Everything a spec may ask for, with parameters, defaults, ranges and one sentence of help each.
pub fn capabilities() -> Value {
    let mut initializations = vec![json!({
        "type": "auto",
        "help": "What fits the activation: he_normal for relu and its kin, glorot_uniform for the others, with gain 4 for sigmoid.",
        "parameters": [],
    })];
    initializations.extend(shown(&inits::TABLE).as_array().into_iter().flatten().cloned());
    let fields: Vec<Value> =
        FIELDS.iter().map(|(name, default, help)| json!({ "name": name, "default": default, "help": help })).collect();
    json!({
        "fields": fields,
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
            "as": FORMS,
            "numeric": SCALES.map(|(name, _)| name),
            "clip": {
                "quantile": "Numbers end at quantiles of the training part: low (0.01) and high (0.99).",
                "std": "Numbers end so many standard deviations from the training part's mean: times (3).",
                "none": "Numbers end nowhere; the default.",
            },
            "missing": ["mean", "median", "a number"],
            "missing_boolean": ["mean", "true", "false"],
            "missing_categorical": ["category", "zeros", "unknown", "most_frequent", "{\"constant\": a category}"],
            "missing_datetime": ["zeros", "mean", "median", "a time"],
            "indicator": "One more feature that says that the value was missing; by itself where a hundredth of the numbers are.",
            "categorical": CATEGORIES,
            "unknown": ["zeros", "refuse"],
            "size": "Features that \"encoding\":\"hash\" spreads categories over, 1 to 10,000; 64 unless given.",
            "pooling": ["mean", "sum", "window"],
            "tokenizers": TOKENIZERS.map(|(name, _)| name),
            "datetime_parts": PARTS.map(|(name, _)| name),
            "hash": "64-bit FNV-1a of the UTF-8 bytes, mixed by MurmurHash3's finalizer; the bucket is its product with the size, over 2^64.",
        },
        "splits": ["stratified", "random", "sequential", "column", "group", "dataset", "k_folds"],
        "task_sampling": ["joint", "proportional", "uniform"],
        "precisions": ["f32", "f64"],
        "checks": CHECKS,
        "embeddings": {
            "dim": "Numbers of a vector.",
            "vocabulary": "Words at most, beside <pad> and <unk>: the most frequent of the training part.",
            "min_count": "Words that are rarer in the training part are <unk>.",
            "hash": "Rows that words are spread over by their hash, 1 to 10,000,000, instead of a vocabulary: no word is unknown.",
            "lowercase": "Whether words are lower-cased before they are looked up.",
            "vectors": "Uploaded word vectors (POST /v1/weights) to start from; their words are in the vocabulary before all others.",
            "sparse": "exact: as if the table were dense, at the cost of what a batch touches where the optimizer allows (sgd without momentum, \
                       adagrad, no penalty); lazy: rows that no word touches keep still, moments included.",
            "init": "How vectors start that were not uploaded.",
        },
        "metrics": {
            "loss": "Mean over the epoch of the summed task losses, without penalty, dropout on; val_loss and test_loss in inference mode.",
            "accuracy": "Of targets with classes; val_accuracy, test_accuracy.",
            "train_eval_loss": "The training part in inference mode, at the epochs where it is computed: all of up to 512 rows, of more an evenly \
                                spaced, fixed sample of 512 rows or a 32nd, as are loss and accuracy before the first epoch.",
            "learning_rate": "Of the last step.",
            "gradient_norm": "Mean over the steps, before clipping.",
            "penalty": "Mean over the steps.",
            "objective": "loss and penalty.",
            "clipped_share": "Share of the steps whose gradient was clipped, where clipping is on.",
            "loss/NAME": "With several targets: of each, as accuracy/NAME, val_loss/NAME, ….",
            "gradient_norm/NAME": "With several targets: how hard each pulls at what they share, on the same rows after each epoch.",
            "gradient_cosine/NAME/OTHER": "The cosine of the angle between two targets' pulls: below 0 they work against each other.",
        },
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
