//! The overfit test: a network that cannot learn a handful of rows by heart will not learn more of them (CS231n; Karpathy). The same
//! rows in each step, dropout, noise and penalties off, the same architecture; what it learns here is thrown away.

use serde::Serialize;

use super::Verdict;
use super::batch::with_batch;
use super::gradient::spread;
use crate::data::{Examples, TargetColumn};
use crate::nn::optimizer::{Adam, Method, Optimizer, Rows, StepInfo};
use crate::nn::{Architecture, Loss, Network, Noise, Penalties};

/// Rows that are to be learned by heart.
const ROWS: usize = 20;
/// Steps at most with each rate; a sound network needs some fifty (measured on the digits: Adam at the first rate reaches .0016 after fifty).
const STEPS: u64 = 500;
/// Adam's rates, until one does it: a narrow tanh layer needs a larger one than most, a deep network a smaller one.
const RATES: [f64; 4] = [1e-2, 5e-2, 2e-1, 1e-3];
/// Share of the first loss, above the least possible one, that may be left.
const LEFT: f64 = 0.01;
/// Points of the curve that are kept.
const POINTS: usize = 100;

/// What the overfit test of a job found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overfit {
    /// Passed where the rows were learned by heart.
    pub verdict: Verdict,
    /// Rows of the dataset that were used.
    pub rows: Vec<u32>,
    /// Adam's rate with which the curve came about: the first that did it, or the one that came nearest.
    pub learning_rate: f64,
    /// Steps taken with it.
    pub steps: u64,
    /// The loss before the first step.
    pub first_loss: Option<f64>,
    /// The loss after the last.
    pub last_loss: Option<f64>,
    /// The least loss that any network can reach on these rows (label smoothing, soft labels, counts and contradicting rows leave some).
    pub least_loss: f64,
    /// Share of rows whose label is predicted right at the end; absent where no target has classes.
    pub accuracy: Option<f64>,
    /// Rows with the same inputs as another one and another label: nothing can learn both.
    pub contradicting_rows: usize,
    /// The loss by step.
    pub curve: Curve,
    /// What it means and what to do.
    pub advice: String,
}

/// The loss by step, thinned evenly.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curve {
    /// Steps completed.
    pub step: Vec<u64>,
    /// The loss after them; a number that is not finite is `null`.
    pub loss: Vec<Option<f64>>,
}

/// The rows to learn by heart: a few, spread evenly over the training part.
pub fn overfit_rows(training: &[u32]) -> Vec<u32> {
    spread(training, ROWS)
}

/// Tries to learn `examples` (the rows of [`overfit_rows`], encoded in f64 with their targets) by heart, with one rate after another.
pub fn check_overfit(
    architecture: &Architecture,
    seed: u64,
    examples: &Examples<f64>,
    stopped: &dyn Fn() -> bool,
) -> Overfit {
    let architecture = unhindered(architecture);
    let least_loss = least_loss(&architecture, examples);
    let contradicting_rows = contradictions(examples);
    let mut best: Option<(f64, Attempt)> = None;
    for rate in RATES {
        let attempt = attempt(&architecture, seed, examples, least_loss, rate, stopped);
        let last = |attempt: &Attempt| attempt.losses.last().copied().filter(|loss| loss.is_finite());
        let nearer = |known: &Attempt| match (last(&attempt), last(known)) {
            (Some(loss), Some(known)) => loss < known,
            (Some(_), None) => true,
            _ => false,
        };
        // What contradicts itself no rate can learn.
        let over = attempt.learned || contradicting_rows > 0 || stopped();
        if attempt.learned || best.as_ref().is_none_or(|(_, known)| nearer(known)) {
            best = Some((rate, attempt));
        }
        if over {
            break;
        }
    }
    let (learning_rate, Attempt { losses, accuracy, learned }) = best.unwrap_or_default();
    let finite = |loss: Option<&f64>| loss.copied().filter(|loss| loss.is_finite());
    let mut report = Overfit {
        verdict: if learned { Verdict::Passed } else { Verdict::Failed },
        rows: examples.row_ids.clone(),
        learning_rate,
        steps: losses.len().saturating_sub(1) as u64,
        first_loss: finite(losses.first()),
        last_loss: finite(losses.last()),
        least_loss,
        accuracy,
        contradicting_rows,
        curve: thinned(&losses),
        advice: String::new(),
    };
    report.advice = advice(&report);
    report
}

/// How the rows were learned with one rate.
#[derive(Default)]
struct Attempt {
    losses: Vec<f64>,
    accuracy: Option<f64>,
    learned: bool,
}

fn attempt(
    architecture: &Architecture,
    seed: u64,
    examples: &Examples<f64>,
    least_loss: f64,
    learning_rate: f64,
    stopped: &dyn Fn() -> bool,
) -> Attempt {
    let network = Network::new(architecture.clone());
    let optimizer = Optimizer::new(Method::Adam(Adam::default()), learning_rate);
    let mut parameters = network.initialise::<f64>(seed);
    let mut buffers = network.initial_buffers::<f64>();
    let mut state = optimizer.state::<f64>(network.layout());
    let mut space = network.workspace::<f64>(examples.rows, 1);
    let mut gradient = vec![0.0; parameters.len()];
    let info = StepInfo { learning_rate, epoch: 0, momentum: None };
    let mut tried = Attempt::default();
    with_batch(examples, |batch| {
        for step in 0..=STEPS {
            let noise = Noise { seed, epoch: 0, step };
            let none = Penalties::default();
            let found =
                network.gradient(&parameters, &mut buffers, batch, noise, &none, None, &mut space, &mut gradient);
            tried.losses.push(found.data);
            tried.accuracy = right(architecture, space.tasks());
            let first = tried.losses.first().copied().unwrap_or(0.0);
            tried.learned = found.data - least_loss <= LEFT * (first - least_loss).max(1e-12)
                && tried.accuracy.is_none_or(|share| share >= 1.0);
            if tried.learned || !found.data.is_finite() || step == STEPS || stopped() {
                break;
            }
            optimizer.step(network.layout(), info, &mut parameters, &gradient, &|_| Rows::All, &mut state);
        }
    });
    tried
}

/// The same network without what keeps it from learning by heart.
fn unhindered(architecture: &Architecture) -> Architecture {
    let mut free = architecture.clone();
    (free.input_dropout, free.input_noise, free.activation_sparsity) = (0.0, 0.0, None);
    let heads = free.heads.iter_mut().flat_map(|head| &mut head.hidden);
    free.hidden.iter_mut().chain(heads).for_each(|layer| layer.dropout = 0.0);
    free
}

/// The share of right labels over all tasks that have some.
fn right(architecture: &Architecture, tasks: &[crate::nn::TaskLoss]) -> Option<f64> {
    let of_classes = architecture
        .heads
        .iter()
        .zip(tasks)
        .filter(|(head, _)| matches!(head.loss, Loss::CrossEntropy { .. } | Loss::BinaryCrossEntropy { .. }));
    let (correct, labelled) = of_classes
        .fold((0.0, 0.0), |(correct, labelled), (_, task)| (correct + task.correct, labelled + task.labelled));
    (labelled > 0.0).then(|| correct / labelled)
}

/// The weighted sum over the tasks of the least loss that each can reach.
fn least_loss(architecture: &Architecture, examples: &Examples<f64>) -> f64 {
    let heads = architecture.heads.iter().zip(&examples.targets);
    heads.map(|(head, labels)| head.weight * least_of(head.loss, head.outputs, labels)).sum()
}

fn least_of(loss: Loss, outputs: usize, labels: &TargetColumn<f64>) -> f64 {
    let entropy = |shares: &[f64]| shares.iter().filter(|q| **q > 0.0).map(|q| -q * q.ln()).sum::<f64>();
    match (loss, labels) {
        (Loss::CrossEntropy { label_smoothing: e }, TargetColumn::Classes(_)) => {
            let spread = e / outputs as f64;
            let mut smoothed = vec![spread; outputs];
            if let Some(first) = smoothed.first_mut() {
                *first += 1.0 - e;
            }
            entropy(&smoothed)
        }
        (Loss::CrossEntropy { label_smoothing: e }, TargetColumn::Distribution { values, width }) => {
            let smoothed = |row: &[f64]| row.iter().map(|q| (1.0 - e) * q + e / outputs as f64).collect::<Vec<f64>>();
            let rows = values.chunks_exact((*width).max(1)).filter(|row| row.iter().all(|q| !q.is_nan()));
            mean(rows.map(|row| entropy(&smoothed(row))))
        }
        // e^z − yz is least at z = ln y.
        (Loss::Poisson, TargetColumn::Values { values, .. }) => {
            mean(values.iter().filter(|y| !y.is_nan()).map(|y| if *y > 0.0 { y - y * y.ln() } else { 0.0 }))
        }
        _ => 0.0,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// Rows whose inputs equal those of an earlier row whose labels differ.
fn contradictions(examples: &Examples<f64>) -> usize {
    let inputs = |row: usize| {
        let dense = examples.dense.get(row * examples.features..(row + 1) * examples.features).unwrap_or(&[]);
        let tokens: Vec<&[u32]> = examples.tokens.iter().map(|column| column.row(row)).collect();
        (dense, tokens)
    };
    let label = |row: usize| -> Vec<u64> {
        examples
            .targets
            .iter()
            .flat_map(|target| match target {
                TargetColumn::Classes(classes) => classes.get(row).map(|class| u64::from(*class)).into_iter().collect(),
                TargetColumn::Values { values, width } | TargetColumn::Distribution { values, width } => {
                    let own = values.get(row * width..(row + 1) * width).unwrap_or(&[]);
                    own.iter().map(|y| y.to_bits()).collect::<Vec<u64>>()
                }
            })
            .collect()
    };
    (0..examples.rows)
        .filter(|&row| (0..row).any(|before| inputs(before) == inputs(row) && label(before) != label(row)))
        .count()
}

fn thinned(losses: &[f64]) -> Curve {
    let stride = losses.len().div_ceil(POINTS).max(1);
    let last = losses.len().saturating_sub(1);
    let kept = losses.iter().enumerate().filter(|(step, _)| step % stride == 0 || *step == last);
    let (step, loss) = kept.map(|(step, loss)| (step as u64, Some(*loss).filter(|loss| loss.is_finite()))).unzip();
    Curve { step, loss }
}

fn advice(report: &Overfit) -> String {
    let rows = report.rows.len();
    match report.verdict {
        Verdict::Passed => format!(
            "The network learned {rows} rows by heart in {} steps of Adam at a rate of {}: it can learn.",
            report.steps, report.learning_rate
        ),
        _ if report.contradicting_rows > 0 => format!(
            "The network could not learn {rows} rows by heart: {} of them have the inputs of another row and another label. Add the columns \
             that tell them apart, or remove the duplicates.",
            report.contradicting_rows
        ),
        _ if report.last_loss.is_none() => {
            "The loss became infinite while learning a few rows by heart: standardise the inputs and use \"init\":\"auto\".".to_owned()
        }
        _ => format!(
            "The network could not learn {rows} rows by heart, with {STEPS} steps of Adam at each of {} rates: it is too small, its activations are stuck, or the inputs \
             say nothing of the target. Try more units, relu, and \"numeric\":\"standardize\".",
            RATES.len()
        ),
    }
}
