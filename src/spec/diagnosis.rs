//! Between specs and the diagnosis: the facts of a spec that its rules look at, and the changes that they offer as merge patches.

use serde_json::{Map, Value, json};

use super::catalogue::real;
use super::layers::Layer;
use super::patch::merge_patch;
use super::resolved::{OutputBias, ResolvedSpec};
use super::schema::{Schema, SchemaColumn};
use super::split::Split;
use super::targets::{ClassWeight, Target, TargetType};
use super::training::{BatchSize, Clipping};
use crate::practice::diagnosis::{Change, Facts, Finding, HiddenFacts, TaskFacts};

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
    }
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
    TaskFacts { name: target.name.clone(), classes, majority, minority, even_classes, chance, weight: target.weight }
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
    }
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
