//! The loss before the first step against what theory says of it: a network that starts confidently wrong spends its first epochs
//! on unlearning (CS231n; Karpathy, "A recipe for training neural networks").

use serde::Serialize;

use super::Verdict;
use super::batch::with_batch;
use super::chance::best_constants;
use crate::data::Examples;
use crate::nn::{Architecture, Loss, Network};

/// A first loss of classes may exceed chance by this much: sound initialisations stay below 1.21 times ln K, tanh with the sigmoid's gain
/// reaches 3.3 times (both measured on the digits).
const FACTOR: f64 = 1.5;
/// Or by so many nats: behind He layers of relu the first logits have a variance of about 2, which costs nearly 1 nat however few classes there
/// are.
const NATS: f64 = 1.0;
/// A first output of a regression has a variance of its own, about two with He before relu, beside the target's.
const FACTOR_OF_NUMBERS: f64 = 5.0;

/// What the initial-loss check of a job found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InitialLoss {
    /// Failed where any task failed.
    pub verdict: Verdict,
    /// Rows that were evaluated.
    pub rows: usize,
    /// Each task.
    pub tasks: Vec<TaskInitialLoss>,
    /// What it means and what to do.
    pub advice: String,
}

/// What was found for one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskInitialLoss {
    /// The task's name.
    pub name: String,
    /// The loss of the untrained network.
    pub seen: Option<f64>,
    /// The loss of one whose outputs are all 0: ln K for classes.
    pub uniform: f64,
    /// The loss of the best constant: the entropy of the labels for classes, their variance for a squared error.
    pub chance: f64,
    /// Above this the check fails.
    pub limit: f64,
    /// As it should be?
    pub verdict: Verdict,
}

/// Compares the loss of the untrained network on `examples` (training rows, some thousand at most, encoded in f64) with theory.
/// `weights` are other first parameters and buffers than those of `seed`, where the job has a warm start.
pub fn check_initial_loss(
    architecture: &Architecture,
    seed: u64,
    examples: &Examples<f64>,
    weights: Option<(&[f64], &[f64])>,
) -> InitialLoss {
    let network = Network::new(architecture.clone());
    let (mut parameters, mut buffers) = match weights {
        Some((parameters, buffers)) => (parameters.to_vec(), buffers.to_vec()),
        None => (network.initialise::<f64>(seed), network.initial_buffers::<f64>()),
    };
    let mut space = network.workspace::<f64>(examples.rows, 1);
    let mut losses = |parameters: &[f64], buffers: &[f64]| -> Vec<f64> {
        with_batch(examples, |batch| network.loss(parameters, buffers, batch, &mut space));
        space.tasks().iter().map(|task| task.mean()).collect()
    };
    let seen = losses(&parameters, &buffers);
    // With weights of 0 the outputs are the output biases whatever goes in.
    parameters.fill(0.0);
    buffers = if buffers.is_empty() { buffers } else { network.initial_buffers::<f64>() };
    let uniform = losses(&parameters, &buffers);
    for (head, labels) in architecture.heads.iter().zip(&examples.targets) {
        let constants = best_constants(head, labels, examples.weights.as_deref());
        if let Some(segment) = network.layout().segment(&format!("head.{}.bias", head.name)) {
            parameters[segment.range()].iter_mut().zip(constants).for_each(|(bias, constant)| *bias = constant);
        }
    }
    let chance = losses(&parameters, &buffers);
    let tasks: Vec<TaskInitialLoss> = architecture
        .heads
        .iter()
        .zip(seen.iter().zip(uniform.iter().zip(&chance)))
        .map(|(head, (&seen, (&uniform, &chance)))| task(&head.name, head.loss, seen, uniform, chance))
        .collect();
    let verdict = tasks.iter().map(|task| task.verdict).max().unwrap_or(Verdict::Unchecked);
    InitialLoss { verdict, rows: examples.rows, advice: advice(&tasks), tasks }
}

fn task(name: &str, loss: Loss, seen: f64, uniform: f64, chance: f64) -> TaskInitialLoss {
    let classes = matches!(loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. });
    let limit = if classes {
        let chance = chance.max(uniform);
        (FACTOR * chance).max(chance + NATS)
    } else {
        FACTOR_OF_NUMBERS * chance.abs().max(uniform.abs())
    };
    // A little room for a loss that theory says is 0.
    let limit = limit + 1e-9;
    let verdict = if seen.is_finite() && seen <= limit { Verdict::Passed } else { Verdict::Failed };
    TaskInitialLoss {
        name: name.to_owned(),
        seen: Some(seen).filter(|x| x.is_finite()),
        uniform,
        chance,
        limit,
        verdict,
    }
}

fn advice(tasks: &[TaskInitialLoss]) -> String {
    match tasks.iter().find(|task| task.verdict == Verdict::Failed) {
        None => "The untrained network knows nothing, and says so.".to_owned(),
        Some(TaskInitialLoss { name, seen: None, .. }) => format!(
            "The first loss of {name} is not a finite number: inputs or initial weights are far too large. Standardise the inputs \
             (\"inputs\":{{\"numeric\":\"standardize\"}}) and use \"init\":\"auto\"."
        ),
        Some(TaskInitialLoss { name, seen: Some(seen), chance, .. }) => format!(
            "The untrained network is already confidently wrong: the first loss of {name} is {seen:.3}, and guessing would give {chance:.3}. \
             Its first weights or its inputs are too large: use \"init\":\"auto\", standardise the inputs, keep \"output_bias\":\"prior\"."
        ),
    }
}
