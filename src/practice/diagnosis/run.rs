//! What the rules look at: the facts of a spec, the curves that were recorded, how the run ended. Plain numbers, whoever keeps them.

use serde::{Deserialize, Serialize};

use super::Checked;

/// What is known of a run beside its curves. It is kept with the run: a field that is new has a default for the runs of before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The optimizer's name.
    pub optimizer: String,
    /// Its learning rate before the schedule.
    pub learning_rate: f64,
    /// Momentum at the end of its own schedule; 0 where there is none.
    pub momentum: f64,
    /// The schedule's name.
    pub schedule: String,
    /// Rows of a step.
    pub batch_size: u64,
    /// Rows that train.
    pub training_rows: u64,
    /// Rows of the validation part; 0 without one.
    pub validation_rows: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Epochs planned.
    pub epochs: u64,
    /// λ of the L2 penalty.
    pub l2: f64,
    /// λ of the L1 penalty.
    pub l1: f64,
    /// Largest dropout of a layer or of the inputs.
    pub dropout: f64,
    /// Noise on inputs, sparsity of activations and the like.
    pub other_regularization: bool,
    /// Limit of clipping by norm.
    pub clip_norm: Option<f64>,
    /// Whether equal rows may stand on two sides of the split.
    pub duplicates_apart: bool,
    /// Whether early stopping is on.
    pub early_stopping: bool,
    /// Whether the output biases start at the prior.
    pub prior_bias: bool,
    /// Whether the model is that of the last epoch, however good an earlier one was.
    pub keeps_last: bool,
    /// What the spec says of inputs that are neither centred nor scaled.
    pub unscaled_inputs: Option<String>,
    /// Combinations that work, but not as one expects, as the warnings of the spec say.
    pub pitfalls: Vec<Pitfall>,
    /// Embedding tables; known once their words were counted.
    pub tables: Vec<TableFacts>,
    /// Hidden layers of the trunk.
    pub hidden: Vec<HiddenFacts>,
    /// The targets.
    pub tasks: Vec<TaskFacts>,
}

/// A hidden layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HiddenFacts {
    /// Units.
    pub units: u64,
    /// The activation's name.
    pub activation: String,
    /// The initialisation's name.
    pub init: String,
    /// Its gain.
    pub gain: f64,
}

/// A combination of settings with a meaning that surprises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pitfall {
    /// The warning's code.
    pub code: String,
    /// Where in the spec.
    pub pointer: String,
    /// What it says.
    pub detail: String,
}

/// An embedding table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableFacts {
    /// Its name.
    pub name: String,
    /// How many of its words the training part has once, twice, three times, four times, more often. Words that it has not are no part of it.
    pub words_by_count: [u64; 5],
}

/// A target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskFacts {
    /// Its name.
    pub name: String,
    /// Number of classes; `None` where it is a number.
    pub classes: Option<usize>,
    /// Share of the largest class.
    pub majority: Option<f64>,
    /// Share of the smallest class.
    pub minority: Option<f64>,
    /// Whether its classes weigh alike in the loss.
    pub even_classes: bool,
    /// The loss of the best constant, in the unit in which the loss is told.
    pub chance: Option<f64>,
    /// Weight of its loss.
    pub weight: f64,
    /// What a network reached that learned this target alone, where one is recorded.
    pub alone: Option<Alone>,
}

/// What a run with one target of several reached: on the same dataset, with the same split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alone {
    /// The job.
    pub job: String,
    /// The best accuracy on its validation part.
    pub accuracy: f64,
    /// Rows of that part.
    pub rows: u64,
}

impl Facts {
    /// The summed loss of the best constants: what a network reaches that ignores its inputs.
    pub fn chance(&self) -> Option<f64> {
        self.tasks
            .iter()
            .map(|task| Some(task.weight * task.chance?))
            .sum::<Option<f64>>()
            .filter(|chance| *chance > 0.0)
    }

    /// The share of the largest class where there is one target with classes.
    pub fn majority(&self) -> Option<f64> {
        match self.tasks.as_slice() {
            [task] => task.majority,
            _ => None,
        }
    }

    /// A rate at which this optimizer trains ordinary standardised data well; the middle of the good zone measured on the digits.
    pub fn usual_rate(&self) -> f64 {
        match self.optimizer.as_str() {
            "sgd" => Facts::usual_rate_with(self.momentum),
            "adagrad" => 0.05,
            "adadelta" => 1.0,
            "lbfgs" => 1.0,
            _ => 2e-3,
        }
    }

    /// The usual rate of gradient descent with this momentum.
    pub(super) fn usual_rate_with(momentum: f64) -> f64 {
        round((0.3 * (1.0 - momentum)).clamp(0.01, 0.3))
    }

    /// A lower rate: a third, and no more than usual.
    pub fn lower_rate(&self) -> f64 {
        round(f64::min(self.learning_rate / 3.0, self.usual_rate()))
    }

    /// A far lower rate, for a run that blew up.
    pub fn much_lower_rate(&self) -> f64 {
        round(f64::min(self.learning_rate * 0.1, self.usual_rate()))
    }

    /// A higher rate: ten times, and no less than usual where the present one is far below.
    pub fn higher_rate(&self) -> f64 {
        let usual = self.usual_rate();
        round(if self.learning_rate < usual / 3.0 { usual } else { self.learning_rate * 3.0 })
    }
}

/// Two significant digits: a rate is no measurement.
pub(super) fn round(x: f64) -> f64 {
    format!("{x:.1e}").parse().unwrap_or(x)
}

/// Points of a curve that are kept; longer curves keep every second, fourth, … point.
const POINTS: usize = 2_048;

/// The curves of a run, thinned evenly.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    epochs: Vec<(String, Curve)>,
    steps: Curve,
}

#[derive(Clone, Debug, Default)]
struct Curve {
    points: Vec<(u64, f64)>,
    /// Every so many points one is kept.
    stride: u64,
    seen: u64,
    newest: Option<(u64, f64)>,
}

impl Curve {
    fn push(&mut self, key: u64, value: f64) {
        // What is computed again after an interruption is known already.
        if self.newest.is_some_and(|(newest, _)| key <= newest) {
            return;
        }
        self.stride = self.stride.max(1);
        if self.seen.is_multiple_of(self.stride) {
            self.points.push((key, value));
        }
        self.seen += 1;
        self.newest = Some((key, value));
        if self.points.len() > POINTS {
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride *= 2;
        }
    }

    fn all(&self) -> impl Iterator<Item = (u64, f64)> {
        let kept = self.points.last().copied();
        self.points.iter().copied().chain(self.newest.filter(|newest| Some(newest.0) != kept.map(|kept| kept.0)))
    }
}

impl Curves {
    /// Adds the metrics of an epoch.
    pub fn epoch<'a>(&mut self, epoch: u64, metrics: impl IntoIterator<Item = (&'a str, f64)>) {
        for (place, (name, value)) in metrics.into_iter().enumerate() {
            // Training tells its metrics in the same order each time: the curve is mostly the one at this place.
            let at = match self.epochs.get(place) {
                Some((known, _)) if known == name => Some(place),
                _ => self.epochs.iter().position(|(known, _)| known == name),
            };
            match at {
                Some(at) => self.epochs[at].1.push(epoch, value),
                None => {
                    let mut curve = Curve::default();
                    curve.push(epoch, value);
                    self.epochs.push((name.to_owned(), curve));
                }
            }
        }
    }

    /// Adds the loss of a step.
    pub fn step(&mut self, step: u64, loss: f64) {
        self.steps.push(step, loss);
    }

    /// The values of a metric by epoch.
    pub fn of(&self, name: &str) -> Vec<(u64, f64)> {
        self.epochs.iter().find(|(known, _)| known == name).map(|(_, curve)| curve.all().collect()).unwrap_or_default()
    }

    /// The losses of the steps.
    pub fn step_losses(&self) -> Vec<(u64, f64)> {
        self.steps.all().collect()
    }

    /// The curve of each layer's `what`, with the layer's name.
    pub fn of_layers(&self, what: &str) -> Vec<(&str, Vec<(u64, f64)>)> {
        let layer = |name: &str| -> Option<usize> {
            Some(name.strip_prefix("layer/")?.strip_suffix(what)?.strip_suffix('/')?.len())
        };
        let of = |(name, curve): &'_ (String, Curve)| layer(name).map(|length| (length, curve.all().collect()));
        self.epochs
            .iter()
            .filter_map(|entry| of(entry).map(|(length, points)| (&entry.0["layer/".len()..][..length], points)))
            .collect()
    }
}

/// Where a run diverged.
#[derive(Clone, Debug, PartialEq)]
pub struct Diverged {
    /// The first tensor that was not finite.
    pub tensor: String,
    /// Epochs completed before.
    pub epoch: u64,
    /// The step.
    pub step: u64,
}

/// A run, as far as it has come.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// What is known of it.
    pub facts: &'a Facts,
    /// What was recorded.
    pub curves: &'a Curves,
    /// Whether it is over.
    pub is_over: bool,
    /// Whether it ended because all epochs were done.
    pub epochs_done: bool,
    /// Where it diverged.
    pub diverged: Option<Diverged>,
    /// What the checks said.
    pub checked: &'a Checked,
}

impl Run<'_> {
    /// Values of a metric by epoch, the untrained network (epoch 0) left out.
    pub(super) fn trained(&self, name: &str) -> Vec<f64> {
        self.curves.of(name).into_iter().filter(|(epoch, _)| *epoch > 0).map(|(_, value)| value).collect()
    }

    /// The newest value of a metric.
    pub(super) fn last(&self, name: &str) -> Option<f64> {
        self.curves.of(name).last().map(|(_, value)| *value)
    }

    /// The best value of a validation curve with its epoch, and the newest with its own; the untrained network is left out.
    pub(super) fn best_and_last(&self, name: &str) -> Option<((u64, f64), (u64, f64))> {
        let trained: Vec<(u64, f64)> = self.curves.of(name).into_iter().filter(|(epoch, _)| *epoch > 0).collect();
        let best = trained.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((best, *trained.last()?))
    }

    /// The loss of the untrained network.
    pub(super) fn first_loss(&self) -> Option<f64> {
        self.curves.of("loss").first().filter(|(epoch, _)| *epoch == 0).map(|(_, loss)| *loss)
    }

    /// The loss on the training part in inference mode, or the running mean where that was not computed.
    pub(super) fn training_loss(&self) -> Option<f64> {
        let trained = |name: &str| self.curves.of(name).last().filter(|(epoch, _)| *epoch > 0).map(|(_, value)| *value);
        trained("train_eval_loss").or_else(|| trained("loss"))
    }

    /// Epochs completed.
    pub(super) fn epochs(&self) -> u64 {
        self.curves.of("loss").last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Whether the model is as good as one can tell a good one by its curves: it leaves a tenth of the errors of always saying the same, or, where classes
    /// are not what it predicts, a quarter of the loss.
    pub(super) fn is_good(&self) -> bool {
        let accuracy = self.last("val_accuracy").or_else(|| self.last("accuracy"));
        if let (Some(majority), Some(accuracy)) = (self.facts.majority(), accuracy) {
            return accuracy > 1.0 - 0.1 * (1.0 - majority);
        }
        let loss = self.last("val_loss").or_else(|| self.training_loss());
        matches!((self.facts.chance(), loss), (Some(chance), Some(loss)) if loss < 0.25 * chance)
    }
}
