//! From sums to metrics: what an epoch adds up, and the names and units in which it is told.

use super::plan::{OwnUnit, Plan};
use crate::nn::{Architecture, Loss, TaskLoss};

/// What the steps of an epoch add up; part of the state of a run between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub tasks: Vec<TaskLoss>,
    pub penalty: f64,
    pub gradient_norm: f64,
    /// Steps that took part.
    pub steps: f64,
    /// Steps whose gradient was clipped.
    pub clipped: f64,
}

impl Sums {
    pub fn new(tasks: usize) -> Sums {
        Sums { tasks: vec![TaskLoss::default(); tasks], ..Sums::default() }
    }

    pub fn clear(&mut self) {
        self.tasks.fill(TaskLoss::default());
        (self.penalty, self.gradient_norm, self.steps, self.clipped) = (0.0, 0.0, 0.0, 0.0);
    }

    /// All numbers in a fixed order, for a checkpoint.
    pub fn to_numbers(&self) -> Vec<f64> {
        let tasks = self.tasks.iter().flat_map(|task| [task.loss_sum, task.weight_sum, task.correct, task.labelled]);
        [self.penalty, self.gradient_norm, self.steps, self.clipped].into_iter().chain(tasks).collect()
    }

    /// Reads [`Sums::to_numbers`] back; `None` where they are not those of so many tasks.
    pub fn from_numbers(numbers: &[f64], tasks: usize) -> Option<Sums> {
        let ([penalty, gradient_norm, steps, clipped], rest) = numbers.split_first_chunk::<4>()?;
        let (of_tasks, []) = rest.as_chunks::<4>() else { return None };
        let task = |&[loss_sum, weight_sum, correct, labelled]: &[f64; 4]| TaskLoss {
            loss_sum,
            weight_sum,
            correct,
            labelled,
        };
        (of_tasks.len() == tasks).then(|| Sums {
            tasks: of_tasks.iter().map(task).collect(),
            penalty: *penalty,
            gradient_norm: *gradient_norm,
            steps: *steps,
            clipped: *clipped,
        })
    }
}

/// Names, units and weights of the tasks.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    tasks: Vec<Task>,
}

#[derive(Clone, Debug)]
struct Task {
    name: String,
    weight: f64,
    /// Factor that takes the loss to the target's own unit.
    own: f64,
    has_accuracy: bool,
}

/// The factor that takes a mean loss, computed on standardised values, to the target's own unit.
pub(super) fn own_unit_factor(loss: Loss, unit: OwnUnit) -> f64 {
    match loss {
        // Huber's corner moves with the unit: σ² h_δ(r / σ) = h_σδ(r).
        Loss::Mse { .. } | Loss::Huber { .. } => unit.std * unit.std,
        Loss::Mae => unit.std,
        Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. } | Loss::Poisson => 1.0,
    }
}

impl Meter {
    pub fn new(architecture: &Architecture, units: &[OwnUnit]) -> Meter {
        let task = |(index, head): (usize, &crate::nn::Head)| Task {
            name: head.name.clone(),
            weight: head.weight,
            own: own_unit_factor(head.loss, units.get(index).copied().unwrap_or_default()),
            has_accuracy: matches!(head.loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. }),
        };
        Meter { tasks: architecture.heads.iter().enumerate().map(task).collect() }
    }

    pub fn of_plan(plan: &Plan) -> Meter {
        Meter::new(&plan.architecture, &plan.units)
    }

    /// The sum of the tasks' mean losses times their weights. A single task is told in its own unit; losses of several tasks have no common unit and are
    /// added as they are trained on.
    pub fn loss(&self, losses: &[TaskLoss]) -> f64 {
        let own = if self.tasks.len() == 1 { self.tasks[0].own } else { 1.0 };
        self.objective(losses) * own
    }

    /// The same sum as it is trained on.
    pub fn objective(&self, losses: &[TaskLoss]) -> f64 {
        self.tasks.iter().zip(losses).map(|(task, loss)| task.weight * loss.mean()).sum()
    }

    /// The mean loss of one task in its own unit.
    pub fn task_loss(&self, task: usize, loss: &TaskLoss) -> f64 {
        loss.mean() * self.tasks[task].own
    }

    /// Appends `loss` and `accuracy`, and with several tasks `loss/name` and `accuracy/name` of those with labels, each name after `prefix`.
    pub fn append(&self, prefix: &str, losses: &[TaskLoss], into: &mut Vec<(String, f64)>) {
        into.push((format!("{prefix}loss"), self.loss(losses)));
        let with_accuracy = || self.tasks.iter().zip(losses).filter(|(task, _)| task.has_accuracy);
        let correct: f64 = with_accuracy().map(|(_, loss)| loss.correct).sum();
        let labelled: f64 = with_accuracy().map(|(_, loss)| loss.labelled).sum();
        if labelled > 0.0 {
            into.push((format!("{prefix}accuracy"), correct / labelled));
        }
        if self.tasks.len() == 1 {
            return;
        }
        for (index, (task, loss)) in self.tasks.iter().zip(losses).enumerate() {
            if loss.labelled > 0.0 {
                into.push((format!("{prefix}loss/{}", task.name), self.task_loss(index, loss)));
                if task.has_accuracy {
                    into.push((format!("{prefix}accuracy/{}", task.name), loss.correct / loss.labelled));
                }
            }
        }
    }

    /// The metrics of a step, in this order: `loss`, `objective`, `penalty`, `gradient_norm`, `learning_rate`, then with several tasks `loss/name`.
    pub fn step_names(&self) -> Vec<(String, f64)> {
        let fixed = ["loss", "objective", "penalty", "gradient_norm", "learning_rate"].map(String::from);
        let several = self.tasks.iter().filter(|_| self.tasks.len() > 1);
        let tasks = several.map(|task| format!("loss/{}", task.name));
        fixed.into_iter().chain(tasks).map(|name| (name, f64::NAN)).collect()
    }
}
