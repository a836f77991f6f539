//! How long, how fast and how carefully to train: the options that are not the network's.

use serde_json::{Map, Value, json};

use super::catalogue::{Chosen, choose, real};
use super::optimizers;
use super::prove::Proof;
use super::read::{At, Object, Range, unknown};
use super::schedules;

/// Rows of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchSize {
    /// All training rows: gradient descent proper.
    Full,
    /// So many.
    Rows(u64),
}

/// The schedule of the learning rate, with a warm-up before it.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) chosen: Chosen<schedules::Built>,
    pub(super) warmup: Option<Warmup>,
}

/// A linear rise of the rate over the first steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Warmup {
    pub(super) steps: u64,
    pub(super) start_factor: f64,
}

/// What is added to the loss or done to the weights to keep the network modest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Regularization {
    pub(super) l1: f64,
    /// Whether L1 is applied as a soft threshold after the step, which makes exact zeros.
    pub(super) l1_proximal: bool,
    pub(super) l2: f64,
    pub(super) sparsity: Option<Sparsity>,
    pub(super) max_norm: Option<f64>,
    pub(super) input_noise: f64,
}

/// A penalty on activations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sparsity {
    L1 { weight: f64 },
    Kl { target: f64, weight: f64 },
}

/// How large gradients are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clipping {
    Norm(f64),
    Value(f64),
}

/// When to stop before the last epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EarlyStopping {
    pub(super) monitor: String,
    pub(super) maximise: bool,
    pub(super) patience: u64,
    pub(super) min_delta: f64,
    pub(super) start_epoch: u64,
    pub(super) restore_best: bool,
}

/// How often a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Every {
    Auto,
    Epochs(u64),
    Steps(u64),
}

/// A switch that may be left to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Auto,
    On,
    Off,
}

/// What the weights start from.
#[derive(Clone, Debug, PartialEq)]
pub enum WarmStart {
    /// Another job's checkpoint.
    Job {
        /// Its id.
        job: String,
        /// `best`, `last`, `step-N` or an id.
        checkpoint: String,
        /// Whether optimizer, schedule and patience go on too, so that both runs are as one.
        full_state: bool,
    },
    /// Uploaded weights.
    Weights {
        /// Their id.
        weights: String,
    },
}

pub(super) fn optimizer(root: &mut Object<'_>) -> Chosen<optimizers::Built> {
    let preset = optimizers::TABLE.iter().find(|entry| entry.name == "adam").unwrap_or(&optimizers::TABLE[0]);
    match root.field("optimizer") {
        Some(at) => choose(&at, "an optimizer", &optimizers::TABLE, preset, &[]).chosen,
        None => Chosen::preset(preset),
    }
}

pub(super) fn schedule(root: &mut Object<'_>) -> Schedule {
    let preset = || Chosen::preset(&schedules::TABLE[0]);
    let Some(at) = root.field("schedule").filter(|at| !at.is_off()) else {
        return Schedule { chosen: preset(), warmup: None };
    };
    let read = choose(&at, "a schedule", &schedules::TABLE, &schedules::TABLE[0], &["warmup"]);
    Schedule { chosen: read.chosen, warmup: read.extra.into_iter().next().and_then(|at| warmup(&at)) }
}

fn warmup(at: &At<'_>) -> Option<Warmup> {
    if at.is_off() {
        return None;
    }
    let mut object = at.object()?;
    if !object.has("steps") {
        at.fault("lacks \"steps\": how many steps the rate rises");
    }
    let steps = object.whole("steps", 1, u32::MAX.into(), 1);
    let start_factor = object.number("start_factor", Range::FACTOR, 0.1);
    object.finish();
    Some(Warmup { steps, start_factor })
}

impl Schedule {
    pub(super) fn to_json(&self) -> Value {
        let mut value = self.chosen.to_json();
        if let (Some(map), Some(warmup)) = (value.as_object_mut(), self.warmup) {
            let shown = json!({ "steps": warmup.steps, "start_factor": real(warmup.start_factor) });
            map.insert("warmup".into(), shown);
        }
        value
    }
}

pub(super) fn batch_size(at: Option<At<'_>>, preset: BatchSize) -> BatchSize {
    let Some(at) = at else { return preset };
    match at.value.as_str() {
        Some("full") => BatchSize::Full,
        Some(_) => {
            at.expected("a whole number ≥ 1 or \"full\"");
            preset
        }
        None => at.whole(1, u32::MAX.into()).map_or(preset, BatchSize::Rows),
    }
}

impl BatchSize {
    pub(super) fn to_json(self) -> Value {
        match self {
            BatchSize::Full => "full".into(),
            BatchSize::Rows(rows) => rows.into(),
        }
    }
}

pub(super) fn regularization(root: &mut Object<'_>) -> Regularization {
    let mut read =
        Regularization { l1: 0.0, l1_proximal: false, l2: 0.0, sparsity: None, max_norm: None, input_noise: 0.0 };
    let Some(mut object) = root.field("regularization").filter(|at| !at.is_off()).and_then(|at| at.object()) else {
        return read;
    };
    read.l1 = object.number("l1", Range::NOT_NEGATIVE, 0.0);
    read.l1_proximal = object.word("l1_form", &["subgradient", "proximal"], "subgradient") == "proximal";
    read.l2 = object.number("l2", Range::NOT_NEGATIVE, 0.0);
    read.sparsity = object.field("activation_sparsity").filter(|at| !at.is_off()).and_then(|at| sparsity(&at));
    read.max_norm = object.field("max_norm").filter(|at| !at.is_off()).and_then(|at| at.number(Range::POSITIVE));
    read.input_noise = object.number("input_noise", Range::NOT_NEGATIVE, 0.0);
    object.finish();
    read
}

fn sparsity(at: &At<'_>) -> Option<Sparsity> {
    let mut object = at.object()?;
    let kind = object.field("type");
    if kind.is_none() {
        at.fault("lacks \"type\": \"kl\" or \"l1\"");
    }
    let kind = kind.and_then(|at| at.word(&["kl", "l1"]));
    let weight = object.number("weight", Range::NOT_NEGATIVE, 0.1);
    let read = match kind {
        Some("kl") => Some(Sparsity::Kl { target: object.number("target", Range::INSIDE, 0.05), weight }),
        Some(_) => Some(Sparsity::L1 { weight }),
        None => {
            object.field("target");
            None
        }
    };
    object.finish();
    read
}

impl Regularization {
    pub(super) fn to_json(&self) -> Value {
        let sparsity = self.sparsity.map(|sparsity| match sparsity {
            Sparsity::L1 { weight } => json!({ "type": "l1", "weight": real(weight) }),
            Sparsity::Kl { target, weight } => json!({ "type": "kl", "target": real(target), "weight": real(weight) }),
        });
        json!({
            "l1": real(self.l1),
            "l1_form": if self.l1_proximal { "proximal" } else { "subgradient" },
            "l2": real(self.l2),
            "activation_sparsity": sparsity,
            "max_norm": self.max_norm.map_or(Value::Bool(false), real),
            "input_noise": real(self.input_noise),
        })
    }
}

pub(super) fn clipping(root: &mut Object<'_>) -> Option<Clipping> {
    let at = root.field("gradient_clipping").filter(|at| !at.is_off())?;
    let mut object = at.object()?;
    for name in ["type", "value"] {
        if !object.has(name) {
            at.fault(format!("lacks \"{name}\": write {{\"type\":\"norm\",\"value\":5.0}} or false"));
        }
    }
    let kind = object.word("type", &["norm", "value"], "norm");
    let value = object.number("value", Range::POSITIVE, 1.0);
    object.finish();
    Some(if kind == "norm" { Clipping::Norm(value) } else { Clipping::Value(value) })
}

pub(super) fn clipping_json(clipping: Option<Clipping>) -> Value {
    match clipping {
        None => false.into(),
        Some(Clipping::Norm(value)) => json!({ "type": "norm", "value": real(value) }),
        Some(Clipping::Value(value)) => json!({ "type": "value", "value": real(value) }),
    }
}

/// Reads `early_stopping`. `metrics` are the names that the job will record at the end of an epoch.
pub(super) fn early_stopping(
    at: Option<At<'_>>,
    has_validation: bool,
    patience: u64,
    metrics: &[String],
) -> Option<EarlyStopping> {
    let preset = if has_validation { "val_loss" } else { "loss" };
    let mut read = EarlyStopping {
        monitor: preset.to_owned(),
        maximise: false,
        patience,
        min_delta: 0.0,
        start_epoch: 0,
        restore_best: true,
    };
    let Some(at) = at else { return has_validation.then_some(read) };
    // `true` asks for it as it is by default.
    if at.is_off() || at.value == &Value::Bool(true) {
        return (!at.is_off()).then_some(read);
    }
    let mut object = at.object()?;
    if let Some(at) = object.field("monitor")
        && let Some(name) = metric(&at, metrics, has_validation)
    {
        read.monitor = name;
    }
    read.maximise = match object.word("mode", &["auto", "min", "max"], "auto") {
        "min" => false,
        "max" => true,
        _ => higher_is_better(&read.monitor),
    };
    read.patience = object.whole("patience", 1, u32::MAX.into(), patience);
    read.min_delta = object.number("min_delta", Range::NOT_NEGATIVE, 0.0);
    read.start_epoch = object.whole("start_epoch", 0, u32::MAX.into(), 0);
    read.restore_best = object.flag("restore_best", true);
    object.finish();
    Some(read)
}

/// Whether more is better for a metric of this name.
pub(super) fn higher_is_better(metric: &str) -> bool {
    let base = metric.split('/').next().unwrap_or(metric);
    let base = base.strip_prefix("val_").or_else(|| base.strip_prefix("test_")).unwrap_or(base);
    matches!(base, "accuracy" | "r2")
}

/// Reads the name of a metric that the job will record.
pub(super) fn metric(at: &At<'_>, metrics: &[String], has_validation: bool) -> Option<String> {
    let name = at.text()?;
    if metrics.iter().any(|metric| metric == name) {
        return Some(name.to_owned());
    }
    if name.starts_with("val_") && !has_validation {
        at.fault(format!(
            "there is no validation part, so {name:?} will not exist: split some rows off, or monitor \"loss\"",
        ));
    } else {
        at.fault(unknown("metric", name, metrics.iter().map(String::as_str)));
    }
    None
}

impl EarlyStopping {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "monitor": self.monitor,
            "mode": if self.maximise { "max" } else { "min" },
            "patience": self.patience,
            "min_delta": real(self.min_delta),
            "start_epoch": self.start_epoch,
            "restore_best": self.restore_best,
        })
    }
}

pub(super) fn checkpoints(root: &mut Object<'_>) -> (Every, u64) {
    let Some(mut object) = root.field("checkpoints").and_then(|at| at.object()) else { return (Every::Auto, 3) };
    let every = object.field("every").map_or(Every::Auto, |at| every(&at));
    let keep = object.whole("keep", 1, 10_000, 3);
    object.finish();
    (every, keep)
}

fn every(at: &At<'_>) -> Every {
    if at.value.as_str() == Some("auto") {
        return Every::Auto;
    }
    if !at.value.is_object() {
        at.expected("\"auto\", {\"epochs\":n} or {\"steps\":n}");
        return Every::Auto;
    }
    let Some(mut object) = at.object() else { return Every::Auto };
    let epochs = object.field("epochs");
    let steps = object.field("steps");
    object.finish();
    match (epochs, steps) {
        (Some(at), None) => at.whole(1, u32::MAX.into()).map_or(Every::Auto, Every::Epochs),
        (None, Some(at)) => at.whole(1, u32::MAX.into()).map_or(Every::Auto, Every::Steps),
        _ => {
            at.fault("needs either \"epochs\" or \"steps\"");
            Every::Auto
        }
    }
}

impl Every {
    pub(super) fn to_json(self) -> Value {
        match self {
            Every::Auto => "auto".into(),
            Every::Epochs(n) => json!({ "epochs": n }),
            Every::Steps(n) => json!({ "steps": n }),
        }
    }
}

pub(super) fn switch(object: &mut Object<'_>, name: &'static str) -> Switch {
    match object.field(name) {
        None => Switch::Auto,
        Some(at) => match at.value {
            Value::Bool(true) => Switch::On,
            Value::Bool(false) => Switch::Off,
            Value::String(word) if word == "auto" => Switch::Auto,
            _ => {
                at.expected("\"auto\", true or false");
                Switch::Auto
            }
        },
    }
}

impl Switch {
    pub(super) fn to_json(self) -> Value {
        match self {
            Switch::Auto => "auto".into(),
            Switch::On => true.into(),
            Switch::Off => false.into(),
        }
    }
}

pub(super) fn warm_start(root: &mut Object<'_>) -> Option<WarmStart> {
    let at = root.field("warm_start").filter(|at| !at.is_off())?;
    let mut object = at.object()?;
    let job = object.field("job");
    let weights = object.field("weights");
    let checkpoint = object.field("checkpoint");
    let state = object.field("state");
    object.finish();
    match (job, weights) {
        (Some(job), None) => {
            let checkpoint = checkpoint.and_then(|at| at.text()).unwrap_or("best").to_owned();
            let full_state = state.and_then(|at| at.word(&["weights", "full"])) == Some("full");
            Some(WarmStart::Job { job: job.text()?.to_owned(), checkpoint, full_state })
        }
        (None, Some(weights)) => {
            for at in [checkpoint, state].into_iter().flatten() {
                at.fault("goes with \"job\": uploaded weights have no checkpoints and no state");
            }
            Some(WarmStart::Weights { weights: weights.text()?.to_owned() })
        }
        _ => {
            at.fault("needs either \"job\" or \"weights\"");
            None
        }
    }
}

impl WarmStart {
    pub(super) fn to_json(&self) -> Value {
        match self {
            WarmStart::Job { job, checkpoint, full_state } => {
                json!({ "job": job, "checkpoint": checkpoint, "state": if *full_state { "full" } else { "weights" } })
            }
            WarmStart::Weights { weights } => json!({ "weights": weights }),
        }
    }
}

/// Reads `batches`: for each step the rows of the file, zero-based.
pub(super) fn batches(proof: &Proof<'_>, at: Option<At<'_>>) -> Option<Vec<Vec<u32>>> {
    let at = at?;
    let rows = proof.schema.map_or(u64::from(u32::MAX), |schema| schema.rows);
    let Some(list) = at.value.as_array() else {
        at.expected("a list of lists of row numbers");
        return None;
    };
    if list.is_empty() {
        at.fault("holds no batch");
    }
    let mut batches = Vec::with_capacity(list.len());
    for item in at.items()? {
        let Some(numbers) = item.value.as_array() else {
            item.expected("a list of row numbers");
            continue;
        };
        if numbers.is_empty() {
            item.fault("an empty batch teaches nothing");
        }
        let mut batch = Vec::with_capacity(numbers.len());
        for (index, number) in numbers.iter().enumerate() {
            match number.as_u64().filter(|row| *row < rows).and_then(|row| u32::try_from(row).ok()) {
                Some(row) => batch.push(row),
                None => {
                    let last = rows.saturating_sub(1);
                    let detail = format!("must be a row of the file, 0 to {last}, got {}", short(number));
                    proof.faults.add(&format!("{}/{index}", item.pointer), detail);
                }
            }
        }
        batches.push(batch);
    }
    Some(batches)
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// Reads `tags`: a few texts by the client's own names.
pub(super) fn tags(root: &mut Object<'_>) -> Map<String, Value> {
    let Some(at) = root.field("tags") else { return Map::new() };
    let entries = at.entries().unwrap_or_default();
    if entries.len() > 64 {
        at.fault(format!("{} tags; at most 64", entries.len()));
        return Map::new();
    }
    let mut tags = Map::new();
    for (key, item) in entries {
        if key.is_empty() || key.len() > 64 {
            at.fault("the name of a tag has 1 to 64 characters");
        } else if let Some(text) = item.text() {
            if text.len() > 256 {
                item.fault(format!("has {} bytes; a tag holds at most 256", text.len()));
            }
            tags.insert(key.to_owned(), text.into());
        }
    }
    tags
}
