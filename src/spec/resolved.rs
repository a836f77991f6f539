//! A spec that has been proved: every field has its value. How it is shown, and what other rooms may ask of it.

use serde_json::{Map, Value, json};

use super::catalogue::{Chosen, real};
use super::fault::Warning;
use super::inputs::Inputs;
use super::layers::{Layer, LayerDefaults};
use super::optimizers;
use super::size::Sizes;
use super::split::{Folds, Side, Split};
use super::targets::Target;
use super::training::{
    BatchSize, Clipping, EarlyStopping, Every, Regularization, Schedule, Switch, WarmStart, clipping_json,
};

/// A spec that has been proved against a schema: every default filled in, no contradiction left.
#[derive(Clone, Debug)]
pub struct ResolvedSpec {
    pub(super) name: Option<String>,
    pub(super) dataset: String,
    pub(super) targets: Vec<Target>,
    pub(super) task_sampling: &'static str,
    pub(super) sample_weight: Option<String>,
    pub(super) inputs: Inputs,
    pub(super) split: Split,
    pub(super) hidden_layers: Vec<Layer>,
    pub(super) defaults: LayerDefaults,
    pub(super) output_bias: OutputBias,
    pub(super) optimizer: Chosen<optimizers::Built>,
    pub(super) schedule: Schedule,
    pub(super) batch_size: BatchSize,
    pub(super) batches: Option<Vec<Vec<u32>>>,
    pub(super) epochs: u64,
    pub(super) shuffle: bool,
    pub(super) seed: u64,
    pub(super) precision: &'static str,
    pub(super) threads: usize,
    pub(super) regularization: Regularization,
    pub(super) clipping: Option<Clipping>,
    pub(super) early_stopping: Option<EarlyStopping>,
    pub(super) checkpoint_every: Every,
    pub(super) checkpoints_kept: u64,
    pub(super) step_metrics: Switch,
    pub(super) layer_statistics: Switch,
    pub(super) checks: Vec<&'static str>,
    pub(super) stop_on_failed_check: bool,
    pub(super) max_seconds: Option<f64>,
    pub(super) stop_at: Option<StopAt>,
    pub(super) warm_start: Option<WarmStart>,
    pub(super) tags: Map<String, Value>,
    pub(super) priority: i64,
    pub(super) warnings: Vec<Warning>,
    pub(super) sizes: Sizes,
}

/// How the biases of an output layer start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OutputBias {
    /// At what predicts the training part's shares or mean.
    Prior,
    /// At this number.
    Number(f64),
}

/// A value of a metric at which the job has reached its aim.
#[derive(Clone, Debug, PartialEq)]
pub struct StopAt {
    /// The metric's name.
    pub metric: String,
    /// The value to reach.
    pub value: f64,
}

impl ResolvedSpec {
    /// The JSON shown as `spec`: a valid body of `POST /v1/jobs` that resolves to itself.
    pub fn to_json(&self) -> Value {
        let mut spec = json!({
            "name": self.name,
            "dataset": self.dataset,
            "targets": self.targets.iter().map(Target::to_json).collect::<Vec<_>>(),
            "task_sampling": self.task_sampling,
            "sample_weight": self.sample_weight,
            "inputs": self.inputs.to_json(),
            "split": self.split.to_json(),
            "hidden_layers": self.hidden_layers.iter().map(Layer::to_json).collect::<Vec<_>>(),
            "activation": self.defaults.activation.to_json(),
            "dropout": real(self.defaults.dropout),
            "init": {
                "weights": self.defaults.weights.to_json(),
                "bias": real(self.defaults.bias),
                "output_bias": match self.output_bias {
                    OutputBias::Prior => "prior".into(),
                    OutputBias::Number(x) => real(x),
                },
            },
            "optimizer": self.optimizer.to_json(),
            "schedule": self.schedule.to_json(),
            "batch_size": self.batch_size.to_json(),
            "epochs": self.epochs,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "precision": self.precision,
            "threads": self.threads,
            "regularization": self.regularization.to_json(),
            "gradient_clipping": clipping_json(self.clipping),
            "early_stopping": self.early_stopping.as_ref().map_or(Value::Bool(false), EarlyStopping::to_json),
            "checkpoints": { "every": self.checkpoint_every.to_json(), "keep": self.checkpoints_kept },
            "record": {
                "step_metrics": self.step_metrics.to_json(),
                "layer_statistics": self.layer_statistics.to_json(),
            },
            "checks": self.checks,
            "on_failed_check": if self.stop_on_failed_check { "stop" } else { "warn" },
            "limits": {
                "max_seconds": self.max_seconds.map(real),
                "target": self.stop_at.as_ref().map(|at| json!({ "metric": at.metric, "value": real(at.value) })),
            },
            "warm_start": self.warm_start.as_ref().map(WarmStart::to_json),
            "tags": self.tags,
            "priority": self.priority,
        });
        if let (Some(batches), Some(map)) = (&self.batches, spec.as_object_mut()) {
            // The batches say their own size.
            map.shift_remove("batch_size");
            map.insert("batches".into(), json!(batches));
        }
        spec
    }

    /// The name that the client gave.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The dataset as the client named it.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// The client's tags.
    pub fn tags(&self) -> &Map<String, Value> {
        &self.tags
    }

    /// Jobs of a higher priority are claimed first.
    pub fn priority(&self) -> i64 {
        self.priority
    }

    /// Everything random comes from it.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether the job computes in f64.
    pub fn is_f64(&self) -> bool {
        self.precision == "f64"
    }

    /// The checks to run before training: `data`, `initial_loss`, `gradient`, ….
    pub fn checks(&self) -> &[&'static str] {
        &self.checks
    }

    /// Whether a failed check ends the job.
    pub fn stop_on_failed_check(&self) -> bool {
        self.stop_on_failed_check
    }

    /// Training time after which the job stops.
    pub fn max_seconds(&self) -> Option<f64> {
        self.max_seconds
    }

    /// What the job starts from, if not from new weights.
    pub fn warm_start(&self) -> Option<&WarmStart> {
        self.warm_start.as_ref()
    }

    /// Whether any rows validate.
    pub fn has_validation(&self) -> bool {
        self.split.has_validation()
    }

    /// The dataset to validate on, where it is another one.
    pub fn validation_dataset(&self) -> Option<&str> {
        match &self.split {
            Split::Datasets { validation: Side::Dataset(dataset), .. } => Some(dataset),
            _ => None,
        }
    }

    /// The dataset to test on, where it is another one.
    pub fn test_dataset(&self) -> Option<&str> {
        match &self.split {
            Split::Datasets { test: Side::Dataset(dataset), .. } => Some(dataset),
            _ => None,
        }
    }

    /// Folds of the cross-validation that the job stands for, each a job of its own; `None` too where it is one of them.
    pub fn folds(&self) -> Option<u64> {
        match &self.split {
            Split::Folds(Folds { folds, fold: None, .. }) => Some(*folds),
            _ => None,
        }
    }

    /// Whether the job is one fold of a cross-validation.
    pub fn is_fold(&self) -> bool {
        matches!(&self.split, Split::Folds(Folds { fold: Some(_), .. }))
    }

    /// What works but perhaps not as expected.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Parameters of the network, as far as the schema tells.
    pub fn parameters(&self) -> u64 {
        self.sizes.parameters
    }

    /// Bytes that the job will need, as far as the schema tells.
    pub fn memory_bytes(&self) -> u64 {
        self.sizes.memory_bytes
    }

    /// Whether the data fit into memory, where so many bytes were admitted; else rows are streamed from a file, to the same bits.
    pub fn fits_in_memory(&self, admitted: Option<u64>) -> bool {
        admitted.is_none_or(|bytes| bytes >= self.sizes.whole_bytes) || self.sizes.streamed_bytes.is_none()
    }

    /// Epochs at most.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }
}
