//! Rules across fields: combinations that are impossible are faults, foolish ones are warnings, each with reason and remedy.

use serde_json::Value;

use super::layers::Layer;
use super::prove::{Proof, continues};
use super::resolved::ResolvedSpec;
use super::schema::SchemaColumn;
use super::split::{Method, Split};
use super::targets::{ClassWeight, TargetType};
use super::training::{BatchSize, Sparsity};

/// Rows of a table above which it is worth saying that each step moves them all.
const LARGE_TABLE: u64 = 10_000;

/// Applies every rule.
pub(super) fn rules(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    network(proof, spec);
    batches(proof, spec);
    optimizer(proof, spec);
    schedule(proof, spec);
    regularization(proof, spec);
    stopping(proof, spec);
    data(proof, spec);
}

fn network(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    let trunk = ("/hidden_layers".to_owned(), &spec.hidden_layers);
    let heads = spec.targets.iter().map(|target| (target.pointer.clone(), &target.hidden_layers));
    for (pointer, layers) in std::iter::once(trunk).chain(heads) {
        if layers.windows(2).any(|pair| pair.iter().all(|layer| layer.activation.name() == "identity")) {
            proof.faults.add(
                &pointer,
                "a stack of identity layers collapses to one linear layer: give them an activation such as relu, or keep one",
            );
        }
        for layer in layers {
            hidden_layer(proof, spec, layer);
        }
    }
    for target in &spec.targets {
        let last = target.hidden_layers.last().or(spec.hidden_layers.last());
        if target.kind == TargetType::Regression
            && let Some(layer) = last.filter(|layer| layer.dropout > 0.0)
        {
            let detail = "dropout right before the output of a regression shifts its scale between training and prediction: drop out \
                          in earlier layers only";
            proof.warn("dropout_before_regression", &layer.pointer, detail);
        }
    }
}

fn hidden_layer(proof: &mut Proof<'_>, spec: &ResolvedSpec, layer: &Layer) {
    let init = layer.init.name();
    if matches!(init, "zeros" | "constant") && spec.warm_start.is_none() {
        proof.faults.add(
            &layer.pointer,
            format!(
                "a hidden layer cannot start from \"{init}\": its units would all compute the same and stay alike for ever. Use \
                 \"auto\", or warm_start from weights of your own"
            ),
        );
    }
    if layer.activation.name() == "tanh" && init.starts_with("glorot") && layer.init.values.number("gain") >= 2.0 {
        let detail = "a Glorot gain of 2 or more starts most tanh units where they are flat; the factor 4 belongs to sigmoid. Use gain 1";
        proof.warn("tanh_gain", &layer.pointer, detail);
    }
    if layer.normalization == "batch" {
        let one_row = match (&spec.batches, spec.batch_size) {
            (Some(batches), _) => batches.iter().any(|batch| batch.len() == 1),
            (None, BatchSize::Rows(rows)) => rows == 1 || spec.sizes.training_rows == 1,
            (None, BatchSize::Full) => spec.sizes.training_rows == 1,
        };
        if one_row {
            proof.faults.add(
                &layer.pointer,
                "batch normalisation needs at least two rows in every batch: over one row everything is 0. Raise batch_size or use \
                 \"normalization\":\"layer\"",
            );
        }
    }
}

fn batches(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    let rows = spec.sizes.training_rows;
    match (&spec.batches, spec.batch_size) {
        (Some(_), _) => {}
        (None, BatchSize::Full) if spec.optimizer.name() != "lbfgs" => {
            let detail = "the full batch makes one step an epoch: plain gradient descent needs many epochs and gets stuck where small \
                          batches do not; 32 rows learn faster";
            proof.warn("full_batch", "/batch_size", detail);
        }
        (None, BatchSize::Rows(batch)) if batch > rows && rows > 0 => {
            let detail = format!(
                "{batch} rows are more than the {rows} that train: every step sees them all, one step an epoch"
            );
            proof.warn("batch_larger_than_data", "/batch_size", detail);
        }
        _ => {}
    }
}

fn optimizer(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    let values = &spec.optimizer.values;
    let at = |field: &str| format!("/optimizer/{field}");
    let momentum = values.get("momentum");
    match spec.optimizer.name() {
        "sgd" if values.flag("nesterov") => {
            if momentum.and_then(Value::as_f64) == Some(0.0) {
                proof.faults.add(
                    &at("nesterov"),
                    "Nesterov looks ahead along the momentum and needs one: set momentum, for example 0.9",
                );
            }
            if values.number("dampening") > 0.0 {
                proof
                    .faults
                    .add(&at("dampening"), "Nesterov is defined without dampening: set one of the two to its default");
            }
        }
        "lbfgs" => lbfgs(proof, spec),
        "adam" if spec.regularization.l2 > 0.0 => {
            let detail = "with adam an l2 penalty passes through the moments and shrinks weights unevenly; adamw with weight_decay does \
                          what is usually meant";
            proof.warn("adam_with_l2", "/regularization/l2", detail);
        }
        _ => {}
    }
    if values.flag("weight_decay_biases") && values.number("weight_decay") > 0.0 {
        let detail = "decaying biases and normalisation pulls outputs to 0 without making the network simpler; PyTorch does so by default, \
                      most recipes do not";
        proof.warn("decayed_biases", &at("weight_decay_biases"), detail);
    }
    let high = momentum.and_then(|m| m.as_f64().or_else(|| m.get("final").and_then(Value::as_f64))).unwrap_or(0.0);
    if high >= 0.95 && values.number("learning_rate") > 0.05 {
        let detail = format!(
            "momentum {high} makes steps up to {:.0} times as long: lower the learning rate with it, for example to {:.3}",
            1.0 / (1.0 - high),
            values.number("learning_rate") * (1.0 - high) / 0.1
        );
        proof.warn("momentum_and_rate", &at("momentum"), detail);
    }
    let decay = values.number("weight_decay") > 0.0 && spec.optimizer.name() != "adamw";
    let name = spec.optimizer.name();
    let moments = !matches!(name, "sgd" | "adagrad") || momentum.is_some_and(|momentum| momentum.as_f64() != Some(0.0));
    let penalties = spec.regularization.l2 > 0.0 || spec.regularization.l1 > 0.0;
    for table in spec.inputs.tables.iter().filter(|table| !table.lazy && table.rows > LARGE_TABLE) {
        if name != "lbfgs" && (moments || decay || penalties || values.number("weight_decay") > 0.0) {
            let why = if moments {
                format!("{name} moves rows by their moments")
            } else {
                "a penalty or decay moves rows".to_owned()
            };
            let detail = format!(
                "{why} that no word of a batch touched, so every step costs all {} rows: \"sparse\":\"lazy\", or adagrad without a \
                 penalty, costs what a batch touches",
                table.rows
            );
            proof.warn("dense_table_steps", &table.pointer, detail);
        }
    }
    for table in spec.inputs.tables.iter().filter(|table| table.lazy) {
        if decay {
            proof.faults.add(
                &table.pointer,
                "lazy rows are moved only when a batch touches them, so a decay of all weights cannot reach them: use \
                 \"sparse\":\"exact\", drop the decay, or use adamw",
            );
        }
    }
}

fn lbfgs(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    if spec.batch_size != BatchSize::Full || spec.batches.is_some() {
        proof.faults.add(
            if spec.batches.is_some() { "/batches" } else { "/batch_size" },
            "lbfgs compares losses along a line and needs the same full batch each time: write \"batch_size\":\"full\", or use adam \
             for mini-batches",
        );
    }
    let layers = spec.hidden_layers.iter().chain(spec.targets.iter().flat_map(|target| &target.hidden_layers));
    for layer in layers {
        if layer.dropout > 0.0 {
            proof.faults.add(
                &layer.pointer,
                "lbfgs needs the same loss for the same weights, and dropout makes it a matter of chance: set dropout to 0 and use l2",
            );
        }
    }
    if spec.inputs.dropout > 0.0 {
        proof.faults.add("/inputs/dropout", "lbfgs needs the same loss for the same weights: set it to 0");
    }
    if spec.regularization.input_noise > 0.0 {
        proof.faults.add("/regularization/input_noise", "lbfgs needs the same loss for the same weights: set it to 0");
    }
    if spec.clipping.is_some() {
        proof.faults.add(
            "/gradient_clipping",
            "lbfgs chooses its step by a line search over the true gradient: leave clipping out",
        );
    }
    if spec.regularization.l1_proximal {
        proof.faults.add(
            "/regularization/l1_form",
            "lbfgs would be moved off the point that its line search found: use l1_form \"subgradient\", or l2",
        );
    }
    if spec.regularization.max_norm.is_some() {
        proof.faults.add(
            "/regularization/max_norm",
            "lbfgs would be moved off the point that its line search found: leave max_norm out and use l2",
        );
    }
    if spec.task_sampling != "joint" {
        proof.faults.add("/task_sampling", "lbfgs needs all tasks in every step: use \"joint\"");
    }
    if spec.schedule.chosen.name() != "constant" || spec.schedule.warmup.is_some() {
        proof.faults.add("/schedule", "lbfgs finds its step by a line search and takes no schedule: leave it out");
    }
}

fn schedule(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    let schedule = &spec.schedule.chosen;
    let values = &schedule.values;
    let total = spec.epochs.saturating_mul(spec.sizes.steps_per_epoch);
    let rate = spec.optimizer.values.number("learning_rate");
    let depends_on_total = ["steps"].iter().any(|name| values.word(name) == "total");
    match schedule.name() {
        "one_cycle" => {
            if spec.schedule.warmup.is_some() {
                proof.faults.add("/schedule/warmup", "one_cycle rises by itself: leave warmup out");
            }
            let steps = if depends_on_total { total } else { values.whole("steps") };
            if values.number("rise") * steps as f64 <= 1.0 {
                proof.faults.add(
                    "/schedule/rise",
                    format!(
                        "{} of {steps} steps is less than one step to rise in: raise it or train longer",
                        values.number("rise")
                    ),
                );
            }
            if spec.optimizer.values.get("momentum").is_some_and(Value::is_object) {
                proof.faults.add("/optimizer/momentum", "one_cycle moves the momentum itself: give a number or none");
            }
        }
        "plateau" => {
            let monitor = values.word("monitor");
            if monitor != "auto" {
                let known = super::prove::metrics(&spec.targets, spec.split.has_validation());
                if monitor.starts_with("val_") && !spec.split.has_validation() {
                    proof.faults.add(
                        "/schedule/monitor",
                        format!("there is no validation part, so {monitor:?} will not exist: split some rows off, or monitor \"loss\""),
                    );
                } else if !known.iter().any(|name| name == monitor) {
                    let detail = super::read::unknown("metric", monitor, known.iter().map(String::as_str));
                    proof.faults.add("/schedule/monitor", detail);
                }
            }
            if values.number("min_learning_rate") > rate {
                proof.faults.add("/schedule/min_learning_rate", format!("is above the learning rate {rate}"));
            }
        }
        "polynomial" | "cosine" | "cosine_restarts" if values.number("final") > rate => {
            proof.warn(
                "schedule_rises",
                "/schedule/final",
                format!("is above the learning rate {rate}: the rate will rise"),
            );
        }
        _ => {}
    }
    if continues(spec) && depends_on_total {
        proof.faults.add(
            "/warm_start/state",
            format!(
                "the schedule \"{}\" depends on the total number of steps, so a run that goes on cannot be the same as one long run: give \
                 schedule.steps, use another schedule, or \"state\":\"weights\"",
                schedule.name()
            ),
        );
    }
    if let Some(warmup) = spec.schedule.warmup
        && warmup.steps >= total
    {
        let detail = format!("the warm-up takes {} of {total} steps: the full rate is never reached", warmup.steps);
        proof.warn("warmup_too_long", "/schedule/warmup/steps", detail);
    }
}

fn regularization(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    let Some(sparsity) = spec.regularization.sparsity else { return };
    let pointer = "/regularization/activation_sparsity";
    if spec.hidden_layers.is_empty() {
        proof.faults.add(pointer, "there is no shared hidden layer whose activations could be sparse");
    }
    if let Sparsity::Kl { .. } = sparsity
        && let Some(layer) =
            spec.hidden_layers.iter().find(|layer| !matches!(layer.activation.name(), "sigmoid" | "tanh"))
    {
        proof.faults.add(
            pointer,
            format!(
                "the KL penalty needs activations between two bounds (sigmoid, or tanh mapped to 0…1), and {} has none: use \
                 \"type\":\"l1\", or sigmoid units",
                layer.activation.name()
            ),
        );
    }
}

fn stopping(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    if let Some(stopping) = &spec.early_stopping
        && stopping.patience >= spec.epochs
        && spec.epochs > 1
    {
        let detail = format!(
            "{} epochs of patience in a run of {} never end it early; the best weights are still kept",
            stopping.patience, spec.epochs
        );
        proof.warn("patience_too_long", "/early_stopping/patience", detail);
    }
    if spec.early_stopping.as_ref().is_some_and(|stopping| !stopping.restore_best) {
        let detail = "the model will be that of the last epoch, even where an earlier one was better on the validation part; true keeps the best";
        proof.warn("restore_best_false", "/early_stopping/restore_best", detail);
    }
}

fn data(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    let Some(schema) = proof.schema else { return };
    if spec.sizes.training_rows == 0 && !proof.faults.at("/split") {
        proof.faults.add("/split", "no row is left to train on");
    }
    for target in &spec.targets {
        let counts = target.columns.first().and_then(|name| schema.column(name)).and_then(SchemaColumn::counts);
        if !matches!(target.kind, TargetType::Classification | TargetType::Binary) {
            continue;
        }
        if target.class_weight != ClassWeight::Even
            && target.kind == TargetType::Binary
            && target.loss.values.get("pos_weight").is_some_and(|weight| weight.as_f64() != Some(1.0))
        {
            proof.faults.add(
                &target.pointer,
                "class_weight and the loss's pos_weight say the same thing twice: keep one of them",
            );
        }
        let Some(counts) = counts else { continue };
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let Some((rare, least)) = counts.iter().min_by_key(|(_, count)| *count) else { continue };
        let weighted = target.class_weight != ClassWeight::Even
            || target.loss.values.get("pos_weight").is_some_and(|w| w.as_f64() != Some(1.0));
        if most > least.saturating_mul(10) && !weighted {
            let detail = format!(
                "class {} has {least} rows, the most frequent one {most}: it may never be predicted. \"class_weight\":\"balanced\" \
                 counters that",
                super::read::quoted_text(rare)
            );
            proof.warn("class_imbalance", &target.pointer, detail);
        }
        if *least < 2 && spec.split.has_validation() {
            let detail =
                format!("class {} has one row, which cannot both train and validate", super::read::quoted_text(rare));
            proof.warn("class_with_one_row", &target.pointer, detail);
        }
    }
    if let Split::Shares { method: Method::Sequential, .. } = &spec.split
        && spec.targets.iter().any(|target| target.kind == TargetType::Classification)
    {
        let detail = "the file's order is kept: where it is sorted by class, some classes never train or never validate. Use \"stratified\" \
                      unless the rows are ordered in time";
        proof.warn("sequential_classes", "/split/method", detail);
    }
    unscaled(proof, spec);
}

/// Inputs that are neither centred nor scaled make most networks learn slowly or not at all.
fn unscaled(proof: &mut Proof<'_>, spec: &ResolvedSpec) {
    use crate::data::encoder::{Encoding, NumericScale};
    let Some(schema) = proof.schema else { return };
    let raw = spec
        .inputs
        .columns
        .iter()
        .filter(|input| matches!(input.encoding, Encoding::Numeric { scale: NumericScale::None, .. }));
    let spreads: Vec<(&str, f64, f64)> = raw
        .filter_map(|input| schema.column(&input.column))
        .filter_map(|column| Some((column.name.as_str(), column.mean?, column.std?)))
        .filter(|(_, _, std)| *std > 0.0)
        .collect();
    let worst = spreads.iter().max_by(|a, b| (a.1 / a.2).abs().total_cmp(&(b.1 / b.2).abs()));
    let (low, high) =
        spreads.iter().fold((f64::MAX, 0.0_f64), |(low, high), (_, _, std)| (low.min(*std), high.max(*std)));
    let off_centre = worst.filter(|(_, mean, std)| mean.abs() > 3.0 * std && mean.abs() > 3.0);
    if off_centre.is_some() || (spreads.len() > 1 && high > 100.0 * low && high > 3.0) {
        let example = off_centre.map_or(String::new(), |(name, mean, std)| {
            format!(" ({}: mean {mean:.3}, standard deviation {std:.3})", super::read::quoted_text(name))
        });
        let detail = format!(
            "inputs go in neither centred nor scaled{example}: \"numeric\":\"standardize\" makes them learn far faster"
        );
        proof.warn("unscaled_inputs", "/inputs/numeric", detail);
    }
}
