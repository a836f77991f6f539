//! Small data and small plans, and an observer that writes down what it hears.

use super::super::*;
use crate::data::{Examples, Part, TargetColumn, TokenColumn, examples::MISSING_CLASS};
use crate::nn::optimizer::{Method, Sgd};
use crate::nn::{
    Activation, Architecture, EmbeddingTable, Head, HiddenLayer, Loss, Normalization, Optimizer, Pooling, Schedule,
    TokenInput, WeightInit,
};
use crate::num::Real;
use crate::num::random::{Stream, below, generator, normal};

pub const FEATURES: usize = 4;
pub const WORDS: usize = 12;

/// A layer of tanh units.
pub fn layer(units: usize) -> HiddenLayer {
    HiddenLayer {
        units,
        activation: Activation::Tanh,
        dropout: 0.0,
        normalization: Normalization::None,
        init: WeightInit::default(),
        bias: 0.0,
    }
}

pub fn head(name: &str, outputs: usize, loss: Loss) -> Head {
    Head {
        name: name.into(),
        hidden: Vec::new(),
        outputs,
        loss,
        weight: 1.0,
        class_weights: None,
        init: WeightInit::default(),
        output_bias: vec![0.0; outputs],
    }
}

/// Three classes from four features, one hidden layer, plain SGD on batches of eight.
pub fn plan() -> Plan {
    Plan {
        architecture: Architecture {
            features: FEATURES,
            input_dropout: 0.0,
            input_noise: 0.0,
            tables: Vec::new(),
            tokens: Vec::new(),
            hidden: vec![layer(6)],
            heads: vec![head("kind", 3, Loss::CrossEntropy { label_smoothing: 0.0 })],
            activation_sparsity: None,
        },
        units: vec![OwnUnit::default()],
        optimizer: Optimizer::new(Method::Sgd(Sgd::default()), 0.1),
        schedule: Schedule::default(),
        sparse: Vec::new(),
        regularization: Regularization::default(),
        clipping: None,
        batching: Batching::Rows { size: 8, shuffle: true },
        task_sampling: TaskSampling::Joint,
        epochs: 5,
        seed: 7,
        precision: Precision::F32,
        threads: 1,
        best: Some(Monitor { metric: "val_loss".into(), maximise: false }),
        early_stopping: None,
        target: None,
        checkpoints: Every::Auto,
        record: Record::default(),
        encoder: b"{}".to_vec(),
    }
}

/// The same with a second task, a number, and words from a table that both tasks share.
pub fn plan_with_words() -> Plan {
    let mut plan = plan();
    plan.architecture.tables =
        vec![EmbeddingTable { name: "words".into(), rows: WORDS, dim: 3, init: WeightInit::default() }];
    plan.architecture.tokens = vec![TokenInput { table: 0, pooling: Pooling::Mean }];
    plan.architecture.heads.push(head("size", 1, Loss::Mse { half: false }));
    plan.units.push(OwnUnit { mean: 10.0, std: 2.0 });
    plan.sparse = vec![Default::default()];
    plan
}

/// Rows whose class and size follow from features and words; every seventh label is missing in the second task.
pub fn examples<T: Real>(plan: &Plan, rows: usize, seed: u64) -> Examples<T> {
    let mut generator = generator(seed, Stream::Sample, 0, 0);
    let mut all = Examples { rows, features: FEATURES, ..Examples::default() };
    let (mut classes, mut sizes, mut tokens) = (Vec::new(), Vec::new(), TokenColumn::default());
    for row in 0..rows {
        let x: Vec<f64> = (0..FEATURES).map(|_| normal(&mut generator)).collect();
        all.dense.extend(x.iter().map(|x| T::from_f64(*x)));
        let scores = [x[0] + x[1], x[2] - x[0], x[3] + 0.3 * normal(&mut generator)];
        classes.push((0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap() as u32);
        let count = below(&mut generator, 4);
        let mut size = x[0] - 0.5 * x[3];
        for _ in 0..count {
            let word = below(&mut generator, WORDS as u32);
            tokens.ids.push(word);
            size += f64::from(word) / f64::from(count) / 6.0;
        }
        tokens.offsets.push(tokens.ids.len() as u32);
        sizes.push(if row % 7 == 3 { T::from_f64(f64::NAN) } else { T::from_f64(size) });
        all.row_ids.push(100 + row as u32);
    }
    all.targets.push(TargetColumn::Classes(classes));
    if plan.architecture.heads.len() > 1 {
        all.targets.push(TargetColumn::Values { width: 1, values: sizes });
    }
    if !plan.architecture.tokens.is_empty() {
        all.tokens.push(tokens);
    }
    all
}

pub fn dataset<T: Real>(plan: &Plan) -> Dataset<T> {
    Dataset {
        train: examples(plan, 61, 1).into(),
        validation: Some(examples(plan, 30, 2).into()),
        test: Some(examples(plan, 20, 3).into()),
    }
}

/// The same rows with their inputs in files.
pub fn spooled<T: Real>(data: Dataset<T>) -> Dataset<T> {
    let spool = |part: Part<T>| Part::spool(in_memory(part), tempfile::tempfile().unwrap()).unwrap();
    Dataset { train: spool(data.train), validation: data.validation.map(spool), test: data.test.map(spool) }
}

/// The examples of a part in memory.
pub fn in_memory<T>(part: Part<T>) -> Examples<T> {
    match part {
        Part::Memory(examples) => examples,
        Part::Spooled(_) => panic!("it is in a file"),
    }
}

/// Takes away the label of some rows of the first task.
pub fn without_labels<T>(mut examples: Examples<T>, missing: impl Fn(usize) -> bool) -> Examples<T> {
    if let TargetColumn::Classes(classes) = &mut examples.targets[0] {
        (0..classes.len()).filter(|row| missing(*row)).for_each(|row| classes[row] = MISSING_CLASS);
    }
    examples
}

/// Writes down what it hears, and does as `script` says.
#[derive(Default)]
pub struct Diary {
    pub epochs: Vec<(u64, Vec<(String, f64)>)>,
    pub layers: Vec<Vec<(String, f64)>>,
    pub patience: Vec<Option<u64>>,
    pub steps: Vec<(u64, Vec<(String, f64)>)>,
    pub sets: Vec<CheckpointSet>,
    pub events: Vec<Event>,
    /// Steps before which a checkpoint is due.
    pub due: Vec<u64>,
    /// What is answered after so many steps.
    pub answer: Option<(u64, Directive)>,
}

impl Diary {
    /// The values of a metric by epoch; epochs without it are left out.
    pub fn curve(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|(_, metrics)| value(metrics, name)).collect()
    }
}

pub fn value(metrics: &[(String, f64)], name: &str) -> Option<f64> {
    metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

impl Observer for Diary {
    fn epoch(&mut self, report: &EpochReport<'_>) {
        self.epochs.push((report.at.epoch, report.metrics.to_vec()));
        self.layers.push(report.layers.to_vec());
        self.patience.push(report.patience_left);
    }
    fn step(&mut self, report: &StepReport<'_>) {
        self.steps.push((report.at.step, report.metrics.to_vec()));
    }
    fn checkpoint_due(&mut self, at: &Progress) -> bool {
        self.due.contains(&at.step)
    }
    fn checkpoint(&mut self, set: CheckpointSet) -> Result<(), ObserverError> {
        self.sets.push(set);
        Ok(())
    }
    fn directive(&mut self, at: &Progress) -> Directive {
        match self.answer {
            Some((step, directive)) if at.step >= step => directive,
            _ => Directive::Continue,
        }
    }
    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

pub fn run<T: Real>(plan: &Plan, data: &Dataset<T>) -> (Outcome, Diary) {
    let mut diary = Diary::default();
    let outcome = fit(plan, data, Start::Fresh, &mut diary).unwrap();
    (outcome, diary)
}

pub fn decoded(saved: &Option<Saved>) -> Checkpoint {
    checkpoint::decode(&saved.as_ref().unwrap().bytes).unwrap()
}
