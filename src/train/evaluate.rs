//! How good a network is on some examples: loss, accuracy, confusion, errors in the target's own unit.

use serde::Serialize;

use super::meter::Meter;
use super::plan::OwnUnit;
use super::view::Lists;
use crate::data::{BatchBuffer, DataError, Examples, Part, TargetColumn, examples::MISSING_CLASS};
use crate::nn::{Head, Loss, Network, TaskLoss, Workspace, head};
use crate::num::Real;

/// Rows that go through the network together. A constant: sums are made batch by batch, and must not depend on anything.
pub(super) const ROWS: usize = 512;

/// Rows of the training part that are evaluated at least, where there are so many.
const SAMPLE: usize = 512;
/// And as a share of it: then a look at the training part costs a hundredth of an epoch.
const SHARE: usize = 32;

/// The rows by which the training part is judged in inference mode: evenly spaced, always the same, all where they are few.
#[derive(Default)]
pub(super) enum Sample<T: 'static> {
    #[default]
    All,
    /// Where they are in the part.
    Places(Vec<u32>),
    /// Copies: one here and one there they would take long to read from a file each time.
    Copies(Part<T>),
}

impl<T: Real> Sample<T> {
    pub fn of(part: &Part<T>) -> Result<Sample<T>, DataError> {
        let rows = part.rows();
        let count = (rows / SHARE).max(SAMPLE);
        if rows <= count {
            return Ok(Sample::All);
        }
        let places: Vec<u32> = (0..count).map(|i| (i * rows / count) as u32).collect();
        if !part.is_spooled() {
            return Ok(Sample::Places(places));
        }
        let mut copies = part.buffer(count);
        part.gather(&places, &mut copies)?;
        Ok(Sample::Copies(copies.examples.into()))
    }
}

/// How good a network is, over all tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows looked at.
    pub rows: usize,
    /// The sum of the tasks' losses, each times its weight, as metrics tell it.
    pub loss: f64,
    /// One entry for each task.
    pub tasks: Vec<TaskEvaluation>,
}

/// How good a network is at one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TaskEvaluation {
    /// The task's name.
    pub name: String,
    /// Rows that have a label.
    pub labelled: f64,
    /// Mean loss in inference mode, without penalty, in the target's own unit; NaN where nothing is labelled.
    pub loss: f64,
    /// Share of right predictions; classes and labels only.
    pub accuracy: Option<f64>,
    /// Rows by true class (outer) and predicted class (inner); classes and binary targets only.
    pub confusion: Option<Vec<Vec<u64>>>,
    /// Mean squared error in the target's own unit; numbers only, as the following. Rows count alike, whatever their weights.
    pub mse: Option<f64>,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Share of the variance that is explained; `None` where all true values are equal.
    pub r2: Option<f64>,
}

/// Adds up the losses of all examples, or of those at `places`, in inference mode; stops with `false` as soon as `interrupted` says so.
pub(super) fn add_losses<T: Real>(
    network: &Network,
    parameters: &[T],
    buffers: &[T],
    part: &Part<T>,
    places: Option<&[u32]>,
    window: &mut BatchBuffer<T>,
    space: &mut Workspace<T>,
    lists: &mut Lists<T>,
    sums: &mut [TaskLoss],
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<bool, DataError> {
    sums.fill(TaskLoss::default());
    let rows = places.map_or(part.rows(), <[u32]>::len);
    for start in (0..rows).step_by(ROWS) {
        if start > 0 && interrupted() {
            return Ok(false);
        }
        let own = start..rows.min(start + ROWS);
        let (examples, range) = match places {
            None => part.view(own, window)?,
            Some(places) => {
                part.gather(&places[own.clone()], window)?;
                (&window.examples, 0..own.len())
            }
        };
        lists.with_batch(examples, range, true, |batch| network.loss(parameters, buffers, batch, space));
        sums.iter_mut().zip(space.tasks()).for_each(|(sum, task)| sum.add(task));
    }
    Ok(true)
}

/// Evaluates in inference mode. `units` has one entry for each head.
pub fn evaluate<T: Real>(
    network: &Network,
    parameters: &[T],
    buffers: &[T],
    examples: &Examples<T>,
    units: &[OwnUnit],
    threads: usize,
) -> Evaluation {
    let mut evaluator = Evaluator::new(network, units, threads);
    evaluator.add(parameters, buffers, examples);
    evaluator.finish()
}

/// Evaluates in inference mode, some examples at a time.
pub struct Evaluator<'a, T: 'static> {
    network: &'a Network,
    units: &'a [OwnUnit],
    space: Workspace<T>,
    lists: Lists<T>,
    rows: usize,
    sums: Vec<TaskLoss>,
    details: Vec<Detail>,
}

impl<'a, T: Real> Evaluator<'a, T> {
    /// Examples are given in pieces of a multiple of so many, but for the last: then the cut changes no bit.
    pub const ROWS: usize = ROWS;

    /// Has seen nothing yet.
    pub fn new(network: &'a Network, units: &'a [OwnUnit], threads: usize) -> Evaluator<'a, T> {
        let heads = &network.architecture().heads;
        Evaluator {
            network,
            units,
            space: network.workspace(ROWS, threads),
            lists: Lists::default(),
            rows: 0,
            sums: vec![TaskLoss::default(); heads.len()],
            details: heads.iter().map(Detail::new).collect(),
        }
    }

    /// Looks at some examples.
    pub fn add(&mut self, parameters: &[T], buffers: &[T], examples: &Examples<T>) {
        let Evaluator { network, units, space, lists, sums, details, .. } = self;
        for start in (0..examples.rows).step_by(ROWS) {
            let range = start..examples.rows.min(start + ROWS);
            lists.with_batch(examples, range.clone(), true, |batch| network.loss(parameters, buffers, batch, space));
            sums.iter_mut().zip(space.tasks()).for_each(|(sum, task)| sum.add(task));
            for (index, head) in network.architecture().heads.iter().enumerate() {
                let unit = units.get(index).copied().unwrap_or_default();
                let outputs = space.outputs(network, index);
                details[index].add(head, outputs, &examples.targets[index], range.start, unit);
            }
        }
        self.rows += examples.rows;
    }

    /// What all examples say.
    pub fn finish(self) -> Evaluation {
        let Evaluator { network, units, rows, sums, details, .. } = self;
        let heads = &network.architecture().heads;
        let meter = Meter::new(network.architecture(), units);
        let task = |(index, detail): (usize, Detail)| {
            let sum = &sums[index];
            let (confusion, errors) = match detail {
                Detail::Confusion(counts) => (Some(counts), None),
                Detail::Errors(errors) => (None, Some(errors)),
                Detail::None => (None, None),
            };
            let has_accuracy = matches!(heads[index].loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. });
            let errors = errors.filter(|errors| errors.count > 0.0);
            TaskEvaluation {
                name: heads[index].name.clone(),
                labelled: sum.labelled,
                loss: if sum.labelled > 0.0 { meter.task_loss(index, sum) } else { f64::NAN },
                accuracy: (has_accuracy && sum.labelled > 0.0).then(|| sum.correct / sum.labelled),
                confusion,
                mse: errors.as_ref().map(|errors| errors.squares / errors.count),
                mae: errors.as_ref().map(|errors| errors.absolutes / errors.count),
                r2: errors.as_ref().and_then(Errors::r2),
            }
        };
        let loss = meter.loss(&sums);
        Evaluation { rows, loss, tasks: details.into_iter().enumerate().map(task).collect() }
    }
}

/// What is counted beside the loss.
enum Detail {
    Confusion(Vec<Vec<u64>>),
    Errors(Errors),
    None,
}

/// Sums over true values and errors in the target's own unit.
#[derive(Default)]
struct Errors {
    count: f64,
    squares: f64,
    absolutes: f64,
    /// Running mean of the true values, and the sum of squared deviations from it (Welford).
    mean: f64,
    deviations: f64,
}

impl Errors {
    fn add(&mut self, truth: f64, predicted: f64) {
        let error = predicted - truth;
        self.count += 1.0;
        self.squares += error * error;
        self.absolutes += error.abs();
        let before = truth - self.mean;
        self.mean += before / self.count;
        self.deviations += before * (truth - self.mean);
    }

    fn r2(&self) -> Option<f64> {
        (self.deviations > 0.0).then(|| 1.0 - self.squares / self.deviations)
    }
}

impl Detail {
    fn new(head: &Head) -> Detail {
        match head.loss {
            Loss::CrossEntropy { .. } => Detail::Confusion(vec![vec![0; head.outputs]; head.outputs]),
            Loss::BinaryCrossEntropy { .. } if head.outputs == 1 => Detail::Confusion(vec![vec![0; 2]; 2]),
            Loss::BinaryCrossEntropy { .. } => Detail::None,
            Loss::Mse { .. } | Loss::Mae | Loss::Huber { .. } | Loss::Poisson => Detail::Errors(Errors::default()),
        }
    }

    /// Adds the rows of a batch that begins at example `first`.
    fn add<T: Real>(&mut self, head: &Head, outputs: &[T], target: &TargetColumn<T>, first: usize, unit: OwnUnit) {
        for (row, logits) in outputs.chunks_exact(head.outputs.max(1)).enumerate() {
            let row = first + row;
            match self {
                Detail::None => {}
                Detail::Confusion(counts) => {
                    let predicted =
                        if let [single] = logits { usize::from(*single > T::ZERO) } else { head::argmax(logits) };
                    if let Some(counted) =
                        true_class(target, row).and_then(|truth| counts.get_mut(truth)?.get_mut(predicted))
                    {
                        *counted += 1;
                    }
                }
                Detail::Errors(errors) => {
                    for (output, logit) in logits.iter().enumerate() {
                        let truth = match target {
                            TargetColumn::Values { width, values } => values[row * width + output].to_f64(),
                            _ => f64::NAN,
                        };
                        if !truth.is_nan() {
                            let mut value = [*logit];
                            head::interpret(head.loss, 1, &mut value);
                            let own = |x: f64| x * unit.std + unit.mean;
                            errors.add(own(truth), own(value[0].to_f64()));
                        }
                    }
                }
            }
        }
    }
}

/// The class of a row: as labelled, above one half, or the most likely of a distribution.
fn true_class<T: Real>(target: &TargetColumn<T>, row: usize) -> Option<usize> {
    match target {
        TargetColumn::Classes(classes) => {
            Some(classes[row]).filter(|class| *class != MISSING_CLASS).map(|c| c as usize)
        }
        TargetColumn::Values { width, values } | TargetColumn::Distribution { width, values } => {
            let values = &values[row * width..(row + 1) * width];
            match values {
                [value, ..] if value.is_nan() => None,
                [single] => Some(usize::from(*single > T::from_f64(0.5))),
                several => Some(head::argmax(several)),
            }
        }
    }
}
