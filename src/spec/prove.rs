//! From what was sent to what is meant: reads every field, fills every default, collects every fault.

use serde_json::Value;

use super::catalogue::Chosen;
use super::fault::{Fault, Warning};
use super::inputs;
use super::layers::{self, LayerDefaults, Weights};
use super::limits::Limits;
use super::read::{At, Faults, Object, Range, nearest, quoted_text};
use super::resolved::{OutputBias, ResolvedSpec, StopAt};
use super::schema::{Kind, Schema, SchemaColumn};
use super::targets::{self, Target};
use super::training::{self, BatchSize, WarmStart};
use super::{defaults, rules, size, split};
use crate::data::encoder::Encoding;
use crate::practice::CHECKS;

/// What the reading functions share: what the request is proved against and what was found so far.
pub(super) struct Proof<'a> {
    /// The dataset's columns; absent where the dataset does not exist and only the form is judged.
    pub(super) schema: Option<&'a Schema>,
    pub(super) limits: &'a Limits,
    pub(super) faults: &'a Faults,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Proof<'a> {
    pub(super) fn warn(&mut self, code: &'static str, pointer: &str, detail: impl Into<String>) {
        self.warnings.push(Warning { code, pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// The column of that name; a fault that names the nearest where there is none.
    pub(super) fn column(&self, at: &At<'_>, name: &str) -> Option<&'a SchemaColumn> {
        let schema = self.schema?;
        let found = schema.column(name);
        if found.is_none() {
            let names = schema.columns.iter().map(|column| column.name.as_str());
            at.fault(match nearest(name, names) {
                Some(near) => format!("the dataset has no column {}, did you mean \"{near}\"?", quoted_text(name)),
                None => format!("the dataset has no column {}; its columns: {}", quoted_text(name), columns(schema)),
            });
        }
        found
    }
}

fn columns(schema: &Schema) -> String {
    super::read::listed(&schema.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>())
}

/// Fields that are often written at the top, and where they belong.
const ELSEWHERE: [(&str, &str); 16] = [
    ("learning_rate", "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":…}"),
    ("lr", "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":…}"),
    ("momentum", "\"optimizer\":{\"type\":\"sgd\",\"momentum\":…}"),
    ("weight_decay", "\"optimizer\":{\"type\":\"adamw\",\"weight_decay\":…}"),
    ("loss", "\"targets\":[{\"column\":…,\"loss\":…}]"),
    ("class_weight", "\"targets\":[{\"column\":…,\"class_weight\":…}]"),
    ("l1", "\"regularization\":{\"l1\":…}"),
    ("l2", "\"regularization\":{\"l2\":…}"),
    ("max_norm", "\"regularization\":{\"max_norm\":…}"),
    ("patience", "\"early_stopping\":{\"patience\":…}"),
    ("validation", "\"split\":{\"validation\":…}"),
    ("validation_split", "\"split\":{\"validation\":…}"),
    ("test", "\"split\":{\"test\":…}"),
    ("layers", "\"hidden_layers\":[…]"),
    ("max_seconds", "\"limits\":{\"max_seconds\":…}"),
    ("exclude", "\"inputs\":{\"exclude\":[…]}"),
];

/// Proves a request against a dataset's schema and the server's limits.
///
/// # Errors
/// All faults of the request.
pub fn prove(request: &Value, schema: &Schema, limits: &Limits) -> Result<ResolvedSpec, Vec<Fault>> {
    let faults = Faults::default();
    let proof = Proof { schema: Some(schema), limits, faults: &faults, warnings: Vec::new() };
    let spec = read(proof, request);
    match spec {
        Some(spec) if faults.is_empty() => Ok(spec),
        _ => Err(faults.into_list()),
    }
}

/// The faults that a request has whatever the dataset is: for a body whose dataset does not exist, so that the client still
/// learns all at once. That the dataset does not exist is the caller's to add.
pub fn shape_faults(request: &Value, limits: &Limits) -> Vec<Fault> {
    let faults = Faults::default();
    read(Proof { schema: None, limits, faults: &faults, warnings: Vec::new() }, request);
    faults.into_list()
}

/// Reads the whole body; what comes back is sound only where no fault was found.
fn read(mut proof: Proof<'_>, request: &Value) -> Option<ResolvedSpec> {
    let at = At::root(request, proof.faults);
    let mut root = at.object()?;
    let name = root.field("name").and_then(|at| job_name(&at));
    let dataset = match root.field("dataset") {
        Some(at) => at.text().unwrap_or("").to_owned(),
        None => {
            root.fault("lacks \"dataset\": the id or name of a dataset");
            String::new()
        }
    };
    let (layer_defaults, output_bias) = layer_defaults(&mut root, proof.schema.map(|schema| schema.rows));
    let targets = targets::targets(&mut proof, &mut root, &layer_defaults);
    let task_sampling = root.word("task_sampling", &["joint", "proportional", "uniform"], "joint");
    let sample_weight = root.field("sample_weight").and_then(|at| sample_weight(&proof, &at));
    let batches = training::batches(&proof, root.field("batches"));
    let split = split::split(&mut proof, root.field("split"), &targets, batches.is_some());
    let inputs = {
        let mut reserved: Vec<(String, &'static str)> = Vec::new();
        reserved.extend(targets.iter().flat_map(|t| t.columns.iter().map(|name| (name.clone(), "a target"))));
        reserved.extend(sample_weight.iter().map(|name| (name.clone(), "the weight of the rows")));
        reserved.extend(split.column());
        inputs::inputs(&mut proof, root.field("inputs"), &reserved)
    };
    let training_rows = proof.schema.map_or(0, |schema| split.training_rows(schema));
    let hidden_layers = match root.field("hidden_layers") {
        Some(at) if at.is_off() => Vec::new(),
        Some(at) => layers::layers(&at, proof.limits.layers, &layer_defaults),
        None => defaults::hidden_layers(&layer_defaults),
    };
    let optimizer = training::optimizer(&mut root);
    let schedule = training::schedule(&mut root);
    let batch_preset =
        if optimizer.name() == "lbfgs" { BatchSize::Full } else { BatchSize::Rows(defaults::BATCH_SIZE) };
    let batch_size_at = root.field("batch_size");
    if let (Some(at), true) = (&batch_size_at, batches.is_some()) {
        at.fault("\"batches\" says how large each batch is: leave batch_size out");
    }
    let batch_size = training::batch_size(batch_size_at, batch_preset);
    let epochs = root.whole("epochs", 1, proof.limits.epochs, defaults::epochs(training_rows, batch_size));
    let shuffle_at = root.field("shuffle");
    let mut shuffle = shuffle_at.as_ref().and_then(|at| at.flag()).unwrap_or(true);
    if batches.is_some() {
        if let (Some(at), true) = (&shuffle_at, shuffle) {
            at.fault("\"batches\" fixes the order of the rows: leave shuffle out or write false");
        }
        shuffle = false;
    }
    let seed = root.whole("seed", 0, u64::MAX, 0);
    let precision = root.word("precision", &["f32", "f64"], "f32");
    let threads = root.whole("threads", 1, proof.limits.threads as u64, 1);
    let regularization = training::regularization(&mut root);
    let clipping = training::clipping(&mut root);
    let metrics = metrics(&targets, split.has_validation());
    let patience = defaults::patience(epochs);
    let early_stopping_at = root.field("early_stopping");
    let early_stopping = training::early_stopping(early_stopping_at, split.has_validation(), patience, &metrics);
    let (checkpoint_every, checkpoints_kept) = training::checkpoints(&mut root);
    let (step_metrics, layer_statistics) = match root.field("record").and_then(|at| at.object()) {
        None => (training::Switch::Auto, training::Switch::Auto),
        Some(mut object) => {
            let read =
                (training::switch(&mut object, "step_metrics"), training::switch(&mut object, "layer_statistics"));
            object.finish();
            read
        }
    };
    let checks = root.field("checks").map(|at| checks(&at));
    let stop_on_failed_check = root.word("on_failed_check", &["warn", "stop"], "warn") == "stop";
    let (max_seconds, stop_at) = run_limits(&mut root, &metrics, split.has_validation());
    let warm_start = training::warm_start(&mut root);
    let tags = training::tags(&mut root);
    let priority = root.field("priority").and_then(|at| priority(&at));
    root.finish_with(&ELSEWHERE);

    let mut spec = ResolvedSpec {
        name,
        dataset,
        targets,
        task_sampling,
        sample_weight,
        inputs,
        split,
        hidden_layers,
        defaults: layer_defaults,
        output_bias,
        optimizer,
        schedule,
        batch_size,
        batches,
        epochs,
        shuffle,
        seed,
        precision,
        threads: threads as usize,
        regularization,
        clipping,
        early_stopping,
        checkpoint_every,
        checkpoints_kept,
        step_metrics,
        layer_statistics,
        checks: Vec::new(),
        stop_on_failed_check,
        max_seconds,
        stop_at,
        warm_start,
        tags,
        priority: priority.unwrap_or(0),
        warnings: Vec::new(),
        sizes: size::Sizes::default(),
    };
    if let Some(schema) = proof.schema {
        other_datasets(&proof, &spec);
        spec.sizes = size::sizes(&spec, schema);
        spec.sizes.choose(proof.limits.memory_bytes);
        size::fits(&proof, &spec);
        spec.checks = checks.unwrap_or_else(|| defaults::checks(&spec.sizes));
        rules::rules(&mut proof, &spec);
    }
    spec.warnings = proof.warnings;
    Some(spec)
}

pub(super) fn job_name(at: &At<'_>) -> Option<String> {
    let text = at.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        at.fault(format!("a name has 1 to 64 characters of A-Z a-z 0-9 . _ -, got {}", quoted_text(text)));
    }
    Some(text.to_owned())
}

fn priority(at: &At<'_>) -> Option<i64> {
    let priority = at.value.as_i64().filter(|priority| (-1000..=1000).contains(priority));
    if priority.is_none() {
        at.expected("a whole number from -1000 to 1000");
    }
    priority
}

/// Reads `activation`, `dropout` and `init`: what layers are where they do not say, and how output biases start.
fn layer_defaults(root: &mut Object<'_>, rows: Option<u64>) -> (LayerDefaults, OutputBias) {
    let activation = root
        .field("activation")
        .map_or_else(|| Chosen::preset(defaults::activation(rows)), |at| layers::activation(&at));
    let dropout = root.field("dropout").and_then(|at| layers::dropout(&at)).unwrap_or(0.0);
    let mut layers = LayerDefaults { activation, dropout, weights: Weights::Auto, bias: 0.0 };
    let mut output_bias = OutputBias::Prior;
    let Some(at) = root.field("init") else { return (layers, output_bias) };
    // How the weights start may stand alone.
    if at.value.is_string() || at.value.get("type").is_some() {
        layers.weights = Weights::read(&at);
        return (layers, output_bias);
    }
    let Some(mut object) = at.object() else { return (layers, output_bias) };
    if let Some(at) = object.field("weights") {
        layers.weights = Weights::read(&at);
    }
    layers.bias = object.number("bias", Range::ANY, 0.0);
    if let Some(at) = object.field("output_bias") {
        match at.value.as_str() {
            Some("prior") => {}
            None if at.value.is_number() => output_bias = at.number(Range::ANY).map_or(output_bias, OutputBias::Number),
            _ => at.expected("\"prior\" or a number"),
        }
    }
    object.finish();
    (layers, output_bias)
}

fn sample_weight(proof: &Proof<'_>, at: &At<'_>) -> Option<String> {
    let name = at.text()?;
    if let Some(column) = proof.column(at, name) {
        if !matches!(column.kind, Kind::Numeric | Kind::Boolean) {
            at.fault(format!(
                "column {} holds {} values; weights are numbers ≥ 0",
                quoted_text(name),
                column.kind.name()
            ));
        } else if let Some(low) = column.min.filter(|low| *low < 0.0) {
            at.fault(format!("column {} holds {low}; weights are numbers ≥ 0", quoted_text(name)));
        } else if column.missing > 0 {
            at.fault(format!("{} rows of column {} have no weight", column.missing, quoted_text(name)));
        }
    }
    Some(name.to_owned())
}

/// The names of what is recorded at the end of an epoch and can be watched.
pub(super) fn metrics(targets: &[Target], has_validation: bool) -> Vec<String> {
    let mut base = vec!["loss".to_owned()];
    if targets.iter().any(|target| target.kind.has_accuracy()) {
        base.push("accuracy".into());
    }
    if targets.len() > 1 {
        for target in targets {
            base.push(format!("loss/{}", target.name));
            if target.kind.has_accuracy() {
                base.push(format!("accuracy/{}", target.name));
            }
        }
    }
    let validation: Vec<String> =
        if has_validation { base.iter().map(|name| format!("val_{name}")).collect() } else { Vec::new() };
    base.extend(validation);
    base
}

fn checks(at: &At<'_>) -> Vec<&'static str> {
    if at.is_off() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    for item in at.items().unwrap_or_default() {
        if let Some(word) = item.word(&CHECKS)
            && !checks.contains(&word)
        {
            checks.push(word);
        }
    }
    checks
}

fn run_limits(root: &mut Object<'_>, metrics: &[String], has_validation: bool) -> (Option<f64>, Option<StopAt>) {
    let Some(mut object) = root.field("limits").and_then(|at| at.object()) else { return (None, None) };
    let max_seconds = object.field("max_seconds").filter(|at| !at.is_off()).and_then(|at| at.number(Range::POSITIVE));
    let stop_at = object.field("target").filter(|at| !at.is_off()).and_then(|at| {
        let mut object = at.object()?;
        for name in ["metric", "value"] {
            if !object.has(name) {
                at.fault(format!("lacks \"{name}\": write {{\"metric\":\"val_accuracy\",\"value\":0.98}}"));
            }
        }
        let metric = object.field("metric").and_then(|at| training::metric(&at, metrics, has_validation));
        let value = object.number("value", Range::ANY, 0.0);
        object.finish();
        Some(StopAt { metric: metric?, value })
    });
    object.finish();
    (max_seconds, stop_at)
}

/// A dataset to validate or test on must have every column that the job reads, with numbers where it reads numbers.
fn other_datasets(proof: &Proof<'_>, spec: &ResolvedSpec) {
    let Some(schema) = proof.schema else { return };
    let others = [("/split/validation/dataset", &schema.validation), ("/split/test/dataset", &schema.test)].into_iter();
    for (pointer, other) in others.filter_map(|(pointer, other)| Some((pointer, other.as_deref()?))) {
        let inputs = spec.inputs.columns.iter().map(|input| &input.column);
        let wanted = inputs.chain(spec.targets.iter().flat_map(|t| &t.columns)).chain(&spec.sample_weight);
        let lacking: Vec<&str> = wanted.filter(|name| other.column(name).is_none()).map(String::as_str).collect();
        if !lacking.is_empty() {
            proof.faults.add(pointer, format!("that dataset lacks {}", super::read::listed(&lacking)));
        }
        let numbers = spec.inputs.columns.iter().filter(|input| matches!(input.encoding, Encoding::Numeric { .. }));
        let others = numbers.filter_map(|input| other.column(&input.column));
        for column in others.filter(|column| column.mean.is_none() && column.distinct > 0) {
            let detail = format!(
                "column {} of that dataset holds {} values, and the job reads numbers",
                quoted_text(&column.name),
                column.kind.name()
            );
            proof.faults.add(pointer, detail);
        }
    }
}

/// Whether the job goes on from the whole state of another one.
pub(super) fn continues(spec: &ResolvedSpec) -> bool {
    matches!(spec.warm_start, Some(WarmStart::Job { full_state: true, .. }))
}
