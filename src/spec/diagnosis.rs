//! Between specs and the diagnosis: the facts of a spec that its rules look at, and the changes that they offer as merge patches.

use serde_json::{Map, Value, json};

use super::catalogue::real;
use super::fault::Warning;
use super::layers::Layer;
use super::patch::merge_patch;
use super::resolved::{OutputBias, ResolvedSpec};
use super::schema::{Schema, SchemaColumn};
use super::split::Split;
use super::targets::{ClassWeight, Target, TargetType};
use super::training::{BatchSize, Clipping};
use crate::practice::diagnosis::{Change, Facts, Finding, HiddenFacts, Pitfall, TaskFacts};

/// What the rules of the diagnosis look at beside the curves.
pub fn facts(spec: &ResolvedSpec, schema: &Schema) -> Facts {
    let values = &spec.optimizer.values;
    let momentum = values.get("momentum");
    let momentum = momentum.and_then(|m| m.as_f64().or_else(|| m.get("final").and_then(Value::as_f64))).unwrap_or(0.0);
    let layers = || spec.hidden_layers.iter().chain(spec.targets.iter().flat_map(|target| &target.hidden_layers));
    Facts {
        optimizer: spec.optimizer.name().to_owned(),
        learning_rate: values.number("learning_rate"),
        momentum,
        schedule: spec.schedule.chosen.name().to_owned(),
        batch_size: match spec.batch_size {
            BatchSize::Rows(rows) => rows,
            BatchSize::Full => spec.sizes.training_rows,
        },
        training_rows: spec.sizes.training_rows,
        validation_rows: spec.split.validation_rows(schema),
        steps_per_epoch: spec.sizes.steps_per_epoch,
        epochs: spec.epochs,
        l2: spec.regularization.l2,
        l1: spec.regularization.l1,
        dropout: layers().map(|layer| layer.dropout).fold(spec.inputs.dropout, f64::max),
        other_regularization: spec.regularization.input_noise > 0.0 || spec.regularization.sparsity.is_some(),
        clip_norm: match spec.clipping {
            Some(Clipping::Norm(limit)) => Some(limit),
            _ => None,
        },
        duplicates_apart: matches!(
            spec.split,
            Split::Shares { together: false, .. } | Split::Datasets { together: false, .. }
        ),
        early_stopping: spec.early_stopping.is_some(),
        prior_bias: matches!(spec.output_bias, OutputBias::Prior),
        unscaled_inputs: spec
            .warnings
            .iter()
            .find(|warning| warning.code == "unscaled_inputs")
            .map(|warning| warning.detail.clone()),
        hidden: spec.hidden_layers.iter().map(hidden).collect(),
        tasks: spec.targets.iter().map(|target| task(target, schema, spec.targets.len() == 1)).collect(),
        keeps_last: spec.early_stopping.as_ref().is_some_and(|stopping| !stopping.restore_best),
        pitfalls: spec.warnings.iter().filter(|warning| PITFALLS.contains(&warning.code)).map(pitfall).collect(),
        // Words are counted when the encoder is fitted.
        tables: Vec::new(),
    }
}

/// Warnings that are findings too, since a change belongs to them.
const PITFALLS: [&str; 3] = ["adam_with_l2", "dropout_before_regression", "decayed_biases"];

fn pitfall(warning: &Warning) -> Pitfall {
    Pitfall { code: warning.code.to_owned(), pointer: warning.pointer.clone(), detail: warning.detail.clone() }
}

fn hidden(layer: &Layer) -> HiddenFacts {
    HiddenFacts {
        units: layer.units,
        activation: layer.activation.name().to_owned(),
        init: layer.init.name().to_owned(),
        gain: layer.init.values.get("gain").and_then(Value::as_f64).unwrap_or(1.0),
    }
}

/// The losses of constants follow from the counts of the whole file: those of the training part are within chance of them.
fn task(target: &Target, schema: &Schema, alone: bool) -> TaskFacts {
    let column = target.columns.first().and_then(|name| schema.column(name));
    let shares: Option<Vec<f64>> = column.and_then(SchemaColumn::counts).map(|counts| {
        let total = counts.iter().map(|(_, count)| *count).sum::<u64>().max(1) as f64;
        counts.iter().map(|(_, count)| *count as f64 / total).collect()
    });
    let entropy = |shares: &[f64]| -> f64 { shares.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum() };
    let spread = column.and_then(|column| column.std);
    // A single regression is told in its own unit, several as they are trained on.
    let variance = if alone || !target.standardize { spread.map(|std| std * std) } else { Some(1.0) };
    let classes = match target.kind {
        TargetType::Classification | TargetType::Binary => Some(target.outputs.max(2) as usize),
        _ => None,
    };
    let chance = match (target.kind, target.loss.name()) {
        (TargetType::Classification | TargetType::Binary, _) => shares.as_deref().map(entropy),
        (TargetType::Regression, "mse") if target.loss.values.flag("half") => variance.map(|variance| variance / 2.0),
        (TargetType::Regression, "mse") => variance,
        // The mean distance from the middle of a normal distribution.
        (TargetType::Regression, "mae") => variance.map(|variance| 0.8 * variance.sqrt()),
        _ => None,
    };
    let shares = shares.filter(|_| classes.is_some());
    let majority = shares.as_ref().map(|shares| shares.iter().copied().fold(0.0, f64::max));
    let minority = shares.as_ref().map(|shares| shares.iter().copied().fold(1.0, f64::min));
    let even_classes = matches!(target.class_weight, ClassWeight::Even);
    TaskFacts {
        name: target.name.clone(),
        classes,
        majority,
        minority,
        even_classes,
        chance,
        weight: target.weight,
        alone: None,
    }
}

/// A finding as JSON, with its changes as a merge patch: what the diagnosis answers and what the events of a job tell.
pub fn finding_json(finding: &Finding, spec: &Value) -> Value {
    let Finding { code, severity, message, evidence, advice, changes, source } = finding;
    let evidence: Map<String, Value> =
        evidence.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let patch = if changes.is_empty() { Value::Null } else { patch_of(changes, spec) };
    json!({
        "code": code, "severity": severity.name(), "message": message, "evidence": evidence, "advice": advice, "patch": patch,
        "source": source,
    })
}

/// Renders changes as one merge patch of a job's request; `spec` is the job's resolved spec as JSON.
fn patch_of(changes: &[Change], spec: &Value) -> Value {
    // Each change is rendered from the spec with the ones before it in place, since layers are replaced whole.
    let mut changed = spec.clone();
    let mut patch = json!({});
    for change in changes {
        let own = one(change, &changed);
        changed = merge_patch(&changed, &own);
        patch = joined(patch, own);
    }
    patch
}

fn one(change: &Change, spec: &Value) -> Value {
    let optimizer = |name: &str, value: Value| {
        let kind = spec.pointer("/optimizer/type").cloned().unwrap_or(Value::Null);
        json!({"optimizer": {"type": kind, name: value}})
    };
    match change {
        Change::LearningRate(rate) => optimizer("learning_rate", real(*rate)),
        Change::Activation(name) => json!({
            "activation": name, "init": {"weights": "auto"},
            "hidden_layers": layers(spec, |layer| {
                layer.insert("activation".into(), json!(name));
                layer.insert("init".into(), json!("auto"));
            }),
        }),
        Change::FittingInit => json!({
            "init": {"weights": "auto"},
            "hidden_layers": layers(spec, |layer| drop(layer.insert("init".into(), json!("auto")))),
        }),
        Change::HiddenBias => json!({
            "init": {"bias": 0.0},
            "hidden_layers": layers(spec, |layer| drop(layer.insert("bias".into(), json!(0.0)))),
        }),
        Change::PriorBias => json!({"init": {"output_bias": "prior"}}),
        Change::Standardize => json!({"inputs": {"numeric": "standardize"}}),
        Change::Units(factor) => json!({
            "hidden_layers": layers(spec, |layer| {
                let units = layer.get("units").and_then(Value::as_u64).unwrap_or(32);
                layer.insert("units".into(), json!(units.saturating_mul(*factor)));
            }),
        }),
        Change::L2(l2) => json!({"regularization": {"l2": real(*l2)}}),
        Change::Dropout(dropout) => json!({
            "dropout": real(*dropout),
            "hidden_layers": layers(spec, |layer| drop(layer.insert("dropout".into(), real(*dropout)))),
        }),
        Change::Epochs(epochs) => json!({"epochs": epochs}),
        Change::EarlyStopping(patience) => json!({"early_stopping": {"monitor": "val_loss", "patience": patience}}),
        Change::BatchSize(rows) => json!({"batch_size": rows}),
        Change::ClipNorm(limit) => json!({"gradient_clipping": {"type": "norm", "value": real(*limit)}}),
        Change::Schedule(name) => json!({"schedule": {"type": name}}),
        Change::Warmup(steps) => {
            let kind = spec.pointer("/schedule/type").cloned().unwrap_or(json!("constant"));
            json!({"schedule": {"type": kind, "warmup": {"steps": steps}}})
        }
        Change::TaskWeight(task, weight) => targets(spec, Some(task), "weight", real(*weight)),
        Change::Exclude(columns) => {
            let known = spec.pointer("/inputs/exclude").and_then(Value::as_array).cloned().unwrap_or_default();
            let more = columns.iter().map(|column| json!(column)).filter(|column| !known.contains(column));
            json!({"inputs": {"exclude": known.iter().cloned().chain(more).collect::<Vec<_>>()}})
        }
        Change::DuplicatesTogether => json!({"split": {"duplicates": "together"}}),
        Change::BalancedClasses => targets(spec, None, "class_weight", json!("balanced")),
        Change::Momentum(momentum) => optimizer("momentum", real(*momentum)),
        Change::Optimizer(name, rate) => other_optimizer(spec, name, &[("learning_rate", real(*rate))]),
        Change::RestoreBest => json!({"early_stopping": {"restore_best": true}}),
        Change::DecoupledDecay(decay) => json!({
            "optimizer": {"type": "adamw", "weight_decay": real(*decay)}, "regularization": {"l2": 0.0},
        }),
        Change::NoLastDropout => {
            let mut hidden = layers(spec, |_| {});
            if let Some(last) = hidden.as_array_mut().and_then(|layers| layers.last_mut()) {
                last["dropout"] = json!(0.0);
            }
            json!({"hidden_layers": hidden})
        }
        Change::BiasesWithoutDecay => optimizer("weight_decay_biases", json!(false)),
    }
}

/// Another optimizer: what belongs to the present one alone goes.
fn other_optimizer(spec: &Value, name: &str, fields: &[(&str, Value)]) -> Value {
    let present = spec.get("optimizer").and_then(Value::as_object).into_iter().flatten();
    let mut optimizer: Map<String, Value> = present.map(|(field, _)| (field.clone(), Value::Null)).collect();
    optimizer.insert("type".to_owned(), json!(name));
    optimizer.extend(fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
    json!({"optimizer": optimizer})
}

/// The hidden layers of the trunk as they are, each with a change: arrays are replaced whole.
fn layers(spec: &Value, change: impl Fn(&mut Map<String, Value>)) -> Value {
    let mut layers = spec.get("hidden_layers").cloned().unwrap_or_else(|| json!([]));
    for layer in layers.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        change(layer);
    }
    layers
}

/// The targets as they are, one of them or all with a change.
fn targets(spec: &Value, task: Option<&str>, field: &str, value: Value) -> Value {
    let mut targets = spec.get("targets").cloned().unwrap_or_else(|| json!([]));
    for target in targets.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let name = target.get("name").or_else(|| target.get("column")).and_then(Value::as_str);
        if task.is_none() || name == task {
            target.insert(field.to_owned(), value.clone());
        }
    }
    json!({"target": null, "targets": targets})
}

/// Two patches as one: the second is applied after the first.
fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            for (key, value) in second {
                let before = first.shift_remove(&key).unwrap_or(Value::Null);
                first.insert(key, joined(before, value));
            }
            Value::Object(first)
        }
        (_, second) => second,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::csv::{ParseOptions, ingest};
    use crate::data::profile::profile_table;
    use crate::practice::diagnosis::{Checked, Curves, Run, Severity, TableFacts, diagnose};
    use crate::spec::{Limits, prove};

    fn iris() -> Schema {
        let bytes = crate::data::samples::get("iris").unwrap().csv();
        let (table, _) = ingest(bytes.as_ref(), &ParseOptions::default()).unwrap();
        Schema::from_profile(table.rows as u64, &profile_table(&table).unwrap())
    }

    /// A spec as a client may write it, with what the rules look at drawn.
    fn request() -> impl Strategy<Value = Value> {
        let optimizer = prop::sample::select(vec!["sgd", "adagrad", "rmsprop", "adam"]);
        let activation = prop::sample::select(vec!["relu", "tanh", "sigmoid"]);
        let schedule = prop::sample::select(vec!["constant", "cosine"]);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        (optimizer, activation, schedule, -6.0..1.0_f64, 1..4_usize, 8..64_u64, flags).prop_map(
            |(optimizer, activation, schedule, power, depth, epochs, (stop, plain, strict, heavy))| {
                let hidden = vec![json!({"units": 32, "dropout": if strict { 0.5 } else { 0.0 }}); depth];
                let mut descent = json!({"type": optimizer, "learning_rate": 10f64.powf(power)});
                if heavy && optimizer == "sgd" {
                    descent["momentum"] = json!(0.99);
                }
                if heavy {
                    (descent["weight_decay"], descent["weight_decay_biases"]) = (json!(0.001), json!(true));
                }
                json!({
                    "dataset": "iris", "target": "species", "hidden_layers": hidden, "activation": activation, "schedule": schedule,
                    "optimizer": descent, "epochs": epochs, "seed": 1,
                    "early_stopping": if stop { json!({"patience": 10, "restore_best": !heavy}) } else { json!(false) },
                    "inputs": {"numeric": if plain { "none" } else { "standardize" }},
                    "init": {"output_bias": if plain { json!(0.0) } else { json!("prior") }},
                    "regularization": {"l2": if strict { 0.01 } else { 0.0 }},
                    "gradient_clipping": if strict { json!({"type": "norm", "value": 1.0}) } else { json!(false) },
                })
            },
        )
    }

    /// A curve from a start to an end, bent and with noise: falling, rising, flat, bouncing.
    fn curve(low: f64, high: f64) -> impl Strategy<Value = Vec<f64>> {
        let noise = prop::collection::vec(-1.0..1.0_f64, 65);
        (low..high, low..high, 0.2..4.0_f64, 0.0..0.6_f64, noise).prop_map(|(from, to, bend, loud, noise)| {
            let at = |epoch: usize| {
                let share = (epoch as f64 / 64.0).powf(bend);
                (from + (to - from) * share) * (1.0 + loud * noise[epoch])
            };
            (0..65).map(at).collect()
        })
    }

    /// The fields that a patch sets, with their values.
    fn leaves(pointer: &str, value: &Value, into: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, inner)| leaves(&format!("{pointer}/{name}"), inner, into))
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, inner)| leaves(&format!("{pointer}/{at}"), inner, into))
            }
            leaf => into.push((pointer.to_owned(), leaf.clone())),
        }
    }

    /// Which way a patch moves a field of the spec: up, down, or to a word.
    fn moves(patch: &Value, spec: &Value) -> Vec<(String, String)> {
        let mut found = Vec::new();
        leaves("", patch, &mut found);
        let way = |(pointer, value): (String, Value)| {
            let old = spec.pointer(&pointer).cloned().unwrap_or(Value::Null);
            let way = match (old.as_f64(), value.as_f64()) {
                _ if old == value => return None,
                (Some(old), Some(new)) => if new > old { "up" } else { "down" }.to_owned(),
                _ => value.to_string(),
            };
            Some((pointer, way))
        };
        found.into_iter().filter_map(way).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_two_findings_of_a_run_change_a_field_in_opposite_directions(
            request in request(),
            loss in curve(1e-3, 6.0), validation in curve(1e-3, 6.0), accuracy in curve(0.05, 1.0),
            ratio in curve(1e-6, 0.5), saturated in curve(0.0, 1.0), dead in curve(0.0, 1.0), slope in curve(1e-4, 1.0), penalty in curve(0.0, 3.0),
            overfit_failed in any::<bool>(),
        ) {
            let schema = iris();
            let spec = prove(&request, &schema, &Limits::default()).unwrap();
            let rare = TableFacts { name: "word".to_owned(), words_by_count: [5, 1, 1, 1, 1] };
            let facts = Facts { tables: vec![rare], ..facts(&spec, &schema) };
            let mut curves = Curves::default();
            let last = facts.hidden.len() - 1;
            for epoch in 0..=facts.epochs.min(64) {
                let at = epoch as usize;
                curves.epoch(epoch, [
                    ("loss", loss[at]), ("train_eval_loss", loss[at]), ("val_loss", validation[at]), ("val_accuracy", accuracy[at].clamp(0.0, 1.0)),
                    ("penalty", penalty[at]), ("objective", loss[at] + penalty[at]), ("clipped_share", dead[at].clamp(0.0, 1.0)),
                    ("gradient_norm", slope[at]), ("learning_rate", facts.learning_rate * (1.0 - at as f64 / 70.0)),
                    ("layer/hidden.0/update_ratio", ratio[at]), ("layer/hidden.0/saturated_share", saturated[at].clamp(0.0, 1.0)),
                    ("layer/hidden.0/dead_share", dead[at].clamp(0.0, 1.0)), ("layer/hidden.0/gradient_rms", slope[at] * 0.01),
                    (if last == 0 { "layer/hidden.0/zero_share" } else { "layer/hidden.1/gradient_rms" }, slope[64 - at]),
                ]);
                curves.step(epoch, loss[at]);
            }
            let checked = Checked { overfit_failed: overfit_failed.then(|| "narrow".to_owned()), ..Checked::default() };
            let run = Run { facts: &facts, curves: &curves, is_over: true, epochs_done: true, diverged: None, checked: &checked };
            let resolved = spec.to_json();
            let all: Vec<(&str, Vec<(String, String)>)> = diagnose(&run)
                .iter()
                .map(|finding| (finding.code, moves(&finding_json(finding, &resolved)["patch"], &resolved)))
                .collect();
            for (at, (code, moved)) in all.iter().enumerate() {
                for (other, others) in &all[..at] {
                    for (field, way) in moved {
                        for (_, against) in others.iter().filter(|(known, _)| known == field) {
                            prop_assert!(way == against, "{code} moves {field} {way}, {other} {against}: {all:#?}");
                        }
                    }
                }
            }
        }

        #[test]
        fn a_run_that_learns_smoothly_to_a_good_end_is_told_nothing_worse_than_a_note(
            start in 0.9..1.4_f64, bend in 4.0..14.0_f64, end in 0.01..0.06_f64, gap in 1.0..1.08_f64, best in 0.97..1.0_f64,
        ) {
            let schema = iris();
            let request = json!({"dataset": "iris", "target": "species", "epochs": 40, "seed": 1, "early_stopping": {"patience": 10}});
            let spec = prove(&request, &schema, &Limits::default()).unwrap();
            let facts = facts(&spec, &schema);
            let mut curves = Curves::default();
            for epoch in 0..=40_u64 {
                let loss = end + (start - end) * (-(epoch as f64) / bend).exp();
                let accuracy = 0.33 + (best - 0.33) * (1.0 - (-(epoch as f64) / 2.0).exp());
                curves.epoch(epoch, [
                    ("loss", loss), ("train_eval_loss", loss), ("val_loss", gap * loss), ("val_accuracy", accuracy),
                    ("layer/hidden.0/update_ratio", 2e-3), ("layer/hidden.0/dead_share", 0.05),
                ]);
                curves.step(epoch, loss);
            }
            let checked = Checked::default();
            let run = Run { facts: &facts, curves: &curves, is_over: true, epochs_done: true, diverged: None, checked: &checked };
            let found = diagnose(&run);
            prop_assert!(found.iter().all(|finding| finding.severity == Severity::Info), "{found:#?}");
        }
    }
}
