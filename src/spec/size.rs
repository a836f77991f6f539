//! How large a job is before it is one: shapes, parameters, steps and bytes, from the spec and the schema alone.
//!
//! Exact where no column is one-hot or embedded; else an upper bound, because the training part may lack a category.

use serde_json::{Value, json};

use super::layers::Layer;
use super::optimizers;
use super::prove::Proof;
use super::resolved::ResolvedSpec;
use super::schema::Schema;
use super::training::BatchSize;
use crate::data::encoder::{Encoding, Pooling};
use crate::nn::Layout;
use crate::nn::optimizer::Method;

/// Bytes of stretches of a table that are held while it is encoded, at most.
const STRETCHES: u64 = 12 << 20;

/// What a job needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes {
    pub(super) tensors: Vec<Shape>,
    pub(super) parameters: u64,
    pub(super) training_rows: u64,
    pub(super) steps_per_epoch: u64,
    /// Bytes that it needs; with the data in memory where they fit.
    pub(super) memory_bytes: u64,
    /// Bytes that it needs with the data in memory,
    pub(super) whole_bytes: u64,
    /// and with the rows streamed from a file; `None` where each step needs all of them.
    pub(super) streamed_bytes: Option<u64>,
    pub(super) data_in_memory: bool,
    /// Whether the numbers are exact rather than an upper bound.
    pub(super) exact: bool,
}

/// One layer with its parameters.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// As in the names of tensors: `hidden.0`, `head.species`, `embedding.words`.
    pub(super) name: String,
    /// Where the request says how large it is.
    pub(super) pointer: String,
    pub(super) shape: [u64; 2],
    pub(super) parameters: u64,
    pub(super) activation: &'static str,
    pub(super) normalization: &'static str,
    pub(super) dropout: f64,
}

impl Shape {
    pub(super) fn to_json(&self) -> Value {
        json!({ "name": self.name, "shape": self.shape, "parameters": self.parameters, "activation": self.activation,
                "normalization": self.normalization, "dropout": self.dropout })
    }
}

/// Counts everything; saturates instead of overflowing, so that no request is too large to be refused.
pub(super) fn sizes(spec: &ResolvedSpec, schema: &Schema) -> Sizes {
    let mut tensors = Vec::new();
    let mut width: u64 = spec.inputs.columns.iter().map(|input| input.features).fold(0, u64::saturating_add);
    let dense = width;
    let mut exact = true;
    for table in &spec.inputs.tables {
        exact = false;
        tensors.push(Shape {
            name: format!("embedding.{}", table.name),
            pointer: table.pointer.clone(),
            shape: [table.rows, table.dim],
            parameters: table.rows.saturating_mul(table.dim),
            activation: "identity",
            normalization: "none",
            dropout: 0.0,
        });
    }
    let mut tokens: u64 = 0;
    for input in &spec.inputs.columns {
        let (table, vectors, ids) = match &input.encoding {
            Encoding::Embedding { table, .. } => (table, 1, 1),
            Encoding::Words { table, pooling: Pooling::Window { length }, .. } => {
                (table, *length as u64, *length as u64)
            }
            Encoding::Words { table, max_tokens, .. } => {
                let words = schema.column(&input.column).and_then(|column| column.words.as_ref());
                let mean = words.map_or(20, |words| words.mean.ceil().max(1.0) as u64);
                (table, 1, mean.min(*max_tokens as u64))
            }
            Encoding::OneHot { .. } => {
                exact = false;
                continue;
            }
            _ => continue,
        };
        let dim = spec.inputs.tables.iter().find(|known| known.name == *table).map_or(0, |table| table.dim);
        width = width.saturating_add(dim.saturating_mul(vectors));
        tokens = tokens.saturating_add(ids);
    }
    let mut activations = width;
    for (index, layer) in spec.hidden_layers.iter().enumerate() {
        let shape = hidden(&format!("hidden.{index}"), layer, width);
        width = layer.units;
        activations = activations.saturating_add(width);
        tensors.push(shape);
    }
    let trunk = width;
    for target in &spec.targets {
        let mut width = trunk;
        for (index, layer) in target.hidden_layers.iter().enumerate() {
            let shape = hidden(&format!("head.{}.hidden.{index}", target.name), layer, width);
            width = layer.units;
            activations = activations.saturating_add(width);
            tensors.push(shape);
        }
        activations = activations.saturating_add(target.outputs);
        tensors.push(Shape {
            name: format!("head.{}", target.name),
            pointer: target.pointer.clone(),
            shape: [target.outputs, width],
            parameters: target.outputs.saturating_mul(width).saturating_add(target.outputs),
            activation: output_activation(target.loss.name()),
            normalization: "none",
            dropout: 0.0,
        });
    }
    let parameters = tensors.iter().map(|tensor| tensor.parameters).fold(0, u64::saturating_add);
    let training_rows = spec.split.training_rows(schema);
    let batch_rows = match (&spec.batches, spec.batch_size) {
        (Some(batches), _) => batches.iter().map(Vec::len).max().unwrap_or(0) as u64,
        (None, BatchSize::Full) => training_rows,
        (None, BatchSize::Rows(rows)) => rows.min(training_rows),
    };
    let steps_per_epoch = spec.steps_per_epoch(training_rows);
    let (whole_bytes, streamed_bytes) = bytes(spec, schema, parameters, dense, tokens, activations, batch_rows);
    let is_full = matches!((&spec.batches, spec.batch_size), (None, BatchSize::Full));
    Sizes {
        tensors,
        parameters,
        training_rows,
        steps_per_epoch,
        memory_bytes: whole_bytes,
        whole_bytes,
        streamed_bytes: (!is_full).then_some(streamed_bytes),
        data_in_memory: true,
        exact,
    }
}

impl Sizes {
    /// Streams the rows where they do not fit into memory otherwise.
    pub(super) fn choose(&mut self, limit: u64) {
        let streamed = self.streamed_bytes.filter(|bytes| self.whole_bytes > limit && *bytes <= limit);
        if let Some(bytes) = streamed {
            (self.data_in_memory, self.memory_bytes) = (false, bytes);
        }
    }
}

fn hidden(name: &str, layer: &Layer, fan_in: u64) -> Shape {
    // Batch normalisation replaces the bias by its shift; layer normalisation adds to it.
    let vectors: u64 = match layer.normalization {
        "batch" => 2,
        "layer" => 3,
        _ => 1,
    };
    Shape {
        name: name.to_owned(),
        pointer: layer.pointer.clone(),
        shape: [layer.units, fan_in],
        parameters: layer.units.saturating_mul(fan_in.saturating_add(vectors)),
        activation: layer.activation.name(),
        normalization: layer.normalization,
        dropout: layer.dropout,
    }
}

/// What stands between the output layer and a prediction.
fn output_activation(loss: &str) -> &'static str {
    match loss {
        "cross_entropy" => "softmax",
        "binary_cross_entropy" => "sigmoid",
        "poisson" => "exp",
        _ => "identity",
    }
}

/// Bytes that a job needs with its data in memory, and with its rows streamed.
fn bytes(
    spec: &ResolvedSpec,
    schema: &Schema,
    parameters: u64,
    dense: u64,
    tokens: u64,
    activations: u64,
    batch_rows: u64,
) -> (u64, u64) {
    let real: u64 = if spec.is_f64() { 8 } else { 4 };
    // The weights, their gradient, the optimizer's state, the best weights so far and a checkpoint being written.
    // Several tasks have a second gradient, by which their pull is looked at.
    let copies = 4_u64.saturating_add(slots(spec)).saturating_add(u64::from(spec.targets.len() > 1));
    let weights = parameters.saturating_mul(copies).saturating_mul(real);
    // Every activation forward and backward, its mask, and as much again for the pre-activations.
    let work = batch_rows.max(256).saturating_mul(activations).saturating_mul(4 * real);
    let row = dense.saturating_mul(real).saturating_add(tokens.saturating_mul(4)).saturating_add(16);
    // Datasets that validate or test are held as the job's own is.
    let others = [&schema.validation, &schema.test].into_iter().flatten().map(|other| other.rows);
    let rows = others.fold(schema.rows, u64::saturating_add);
    // What is known of each row whatever its width: its place in the split, in the order and in the table, its labels and its weight; and
    // while the encoder is fitted the numbers of one column.
    let labels = spec.targets.iter().map(|target| target.outputs).fold(2, u64::saturating_add).saturating_mul(real);
    let known = rows.saturating_mul(labels.saturating_add(32));
    // Stretches of the table as bytes and as numbers, while they are encoded.
    let cells = rows.saturating_mul(schema.columns.len() as u64);
    let stretches = cells.saturating_mul(24).min(STRETCHES);
    // Uploaded word vectors: the file and the numbers out of it.
    let vectors = spec.inputs.tables.iter().map(|table| table.given.saturating_mul(table.dim)).sum::<u64>();
    let both =
        [work, known, stretches, vectors.saturating_mul(4 + real)].into_iter().fold(weights, u64::saturating_add);
    let whole = both.saturating_add(rows.saturating_mul(row));
    // The batch, the one that is read ahead and the rows that are evaluated; and the sample by which the training part is judged.
    let batches = batch_rows.saturating_mul(3).saturating_add(512).saturating_add(schema.rows / 32);
    let streamed = both.saturating_add(batches.saturating_mul(row));
    (whole, streamed)
}

/// Numbers that the optimizer keeps for each parameter.
fn slots(spec: &ResolvedSpec) -> u64 {
    let optimizer = optimizers::build(&spec.optimizer);
    match optimizer.method {
        // Pairs of steps and slopes, and the points of the line search.
        Method::Lbfgs(lbfgs) => (lbfgs.history as u64).saturating_mul(2).saturating_add(4),
        _ => optimizer.state::<f32>(&Layout::default()).slots.len() as u64,
    }
}

/// Refuses what this server cannot hold, at the place of the largest layer, with the estimate.
pub(super) fn fits(proof: &Proof<'_>, spec: &ResolvedSpec) {
    let sizes = &spec.sizes;
    let limit = proof.limits.memory_bytes;
    if let Some(wide) = sizes
        .tensors
        .iter()
        .find(|tensor| tensor.shape[0] > proof.limits.units && !tensor.name.starts_with("embedding."))
        && sizes.memory_bytes <= limit
    {
        let detail = format!("{} units; this server admits at most {} in one layer", wide.shape[0], proof.limits.units);
        proof.faults.add(&wide.pointer, detail);
    }
    if sizes.memory_bytes <= limit {
        return;
    }
    let cells = |tensor: &&Shape| u128::from(tensor.shape[0]) * u128::from(tensor.shape[1]);
    let Some(largest) = sizes.tensors.iter().max_by_key(cells) else { return };
    // The widest layer is to blame for the tensors on both of its sides.
    let hidden = sizes.tensors.iter().filter(|tensor| tensor.name.contains("hidden."));
    let blamed = if largest.name.starts_with("embedding.") {
        Some(largest)
    } else {
        hidden.max_by_key(|tensor| tensor.shape[0]).filter(|_| sizes.parameters > limit / 32)
    };
    let pointer = blamed.map_or("", |tensor| tensor.pointer.as_str());
    proof.faults.add(
        pointer,
        format!(
            "the job would need about {} of memory for {} parameters (layer {} is {} × {}), and this server admits {} a job: take \
             fewer units{}",
            words(sizes.streamed_bytes.unwrap_or(sizes.whole_bytes)),
            grouped(sizes.parameters),
            largest.name,
            grouped(largest.shape[0]),
            grouped(largest.shape[1]),
            words(limit),
            if sizes.streamed_bytes.is_none() { ", or a batch_size: \"full\" needs all rows in memory" } else { "" },
        ),
    );
}

/// Bytes in words: `1.5 GB`.
pub(super) fn words(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// A count with commas: `1,000,000`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
