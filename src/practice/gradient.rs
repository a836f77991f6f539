//! The gradient check of a job: its own network on its own rows, in f64, at the first weights and after a few steps, or at the
//! weights of a checkpoint. The mathematics is `nn::check`'s; here are the choice of rows and points, and the report.

use serde::Serialize;

use super::Verdict;
use super::batch::with_batch;
use crate::data::Examples;
use crate::nn::check::{self, CheckOptions, GradientReport, TensorReport};
use crate::nn::{Architecture, Network, Noise, Normalization, Penalties};

/// Rows of a check: few, so that a fault is not averaged away and few units cross a corner (CS231n) …
const ROWS: usize = 3;
/// … but a batch normalisation over two or three rows is almost flat and hides its own slope in rounding.
const ROWS_NORMALISED: usize = 8;
/// Steps taken before the second point, and how far each moves the weights: at the first weights a network is in a special place
/// (biases alike, symmetric outputs) where a fault may not show.
const BURN_IN: u64 = 5;
const BURN_IN_SHARE: f64 = 0.01;

/// What the gradient check of a job found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientCheck {
    /// Failed where any tensor failed at any point.
    pub verdict: Verdict,
    /// Step of the central differences.
    pub epsilon: f64,
    /// Rows of the dataset that were used.
    pub rows: Vec<u32>,
    /// Where it was checked.
    pub points: Vec<GradientPoint>,
    /// Each tensor, the worst of all points.
    pub tensors: Vec<TensorCheck>,
    /// The penalties on weights, checked alone.
    pub penalties: Vec<TensorCheck>,
    /// What it means and what to do.
    pub advice: String,
}

/// One point at which the gradient was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientPoint {
    /// `init`, `burn_in` or `checkpoint`.
    pub at: &'static str,
    /// Agreement here.
    pub verdict: Verdict,
    /// The objective here.
    pub objective: f64,
    /// ‖n − a‖ / ‖n + a‖ over all coordinates, for comparison with other texts.
    pub norm_relative: f64,
}

/// What was found in one tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorCheck {
    /// `hidden.0.weight`, `head.species.bias`, ….
    pub name: String,
    /// Its elements.
    pub size: usize,
    /// Coordinates that count.
    pub checked: usize,
    /// Coordinates left out because a unit crossed a corner.
    pub kinks: usize,
    /// Largest relative difference.
    pub max_relative: f64,
    /// Median relative difference (the larger of the points').
    pub median_relative: f64,
    /// The coordinate with the largest.
    pub worst: Option<Worst>,
    /// Agreement.
    pub verdict: Verdict,
}

/// One coordinate of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// Index within the tensor.
    pub index: usize,
    /// The slope by backpropagation.
    pub analytic: f64,
    /// The slope by differences.
    pub numeric: f64,
    /// |a − n| / max(|a| + |n|, 1e-8).
    pub relative: f64,
}

/// The rows to check on: a few, spread evenly over the training part.
pub fn gradient_rows(architecture: &Architecture, training: &[u32]) -> Vec<u32> {
    let layers = architecture.hidden.iter().chain(architecture.heads.iter().flat_map(|head| &head.hidden));
    let normalised = layers.clone().any(|layer| layer.normalization == Normalization::Batch);
    spread(training, if normalised { ROWS_NORMALISED } else { ROWS })
}

/// At most `n` of the rows, evenly spread.
pub(super) fn spread(rows: &[u32], n: usize) -> Vec<u32> {
    if rows.len() <= n {
        return rows.to_vec();
    }
    (0..n).filter_map(|i| rows.get(i * rows.len() / n + rows.len() / (2 * n)).copied()).collect()
}

/// Checks the slopes of a network on `examples` (the rows of [`gradient_rows`], encoded in f64 with their targets).
///
/// `weights` are parameters and buffers of a checkpoint; without them the check is done at the first weights of `seed` and
/// again after a few steps.
pub fn check_gradient(
    architecture: &Architecture,
    penalties: &Penalties,
    seed: u64,
    examples: &Examples<f64>,
    weights: Option<(&[f64], &[f64])>,
    stopped: &dyn Fn() -> bool,
) -> GradientCheck {
    let network = Network::new(architecture.clone());
    let options =
        CheckOptions { noise: Noise { seed, epoch: 0, step: 0 }, penalties: *penalties, ..Default::default() };
    let mut reports = Vec::new();
    with_batch(examples, |batch| match weights {
        Some((parameters, buffers)) => {
            reports.push(("checkpoint", check::check(&network, parameters, buffers, batch, &options)));
        }
        None => {
            let mut parameters = network.initialise::<f64>(seed);
            let mut buffers = network.initial_buffers::<f64>();
            reports.push(("init", check::check(&network, &parameters, &buffers, batch, &options)));
            let mut space = network.workspace::<f64>(batch.rows, 1);
            let mut gradient = vec![0.0; parameters.len()];
            for step in 1..=BURN_IN {
                let noise = Noise { step, ..options.noise };
                network.gradient(&parameters, &mut buffers, batch, noise, penalties, None, &mut space, &mut gradient);
                walk(&mut parameters, &gradient);
            }
            if stopped() {
                return;
            }
            reports.push(("burn_in", check::check(&network, &parameters, &buffers, batch, &options)));
        }
    });
    summary(&reports, examples.row_ids.clone())
}

/// A step down the slope, as long as a share of the weights themselves, whatever the slope's own size.
fn walk(parameters: &mut [f64], gradient: &[f64]) {
    let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let slope = norm(gradient);
    if slope > 0.0 && slope.is_finite() {
        let factor = BURN_IN_SHARE * norm(parameters).max(1e-3) / slope;
        parameters.iter_mut().zip(gradient).for_each(|(p, g)| *p -= factor * g);
    }
}

fn summary(reports: &[(&'static str, GradientReport)], rows: Vec<u32>) -> GradientCheck {
    let points: Vec<GradientPoint> = reports
        .iter()
        .map(|(at, report)| GradientPoint {
            at,
            verdict: verdict(report.verdict),
            objective: report.objective,
            norm_relative: report.norm_relative,
        })
        .collect();
    let tensors = merged(reports.iter().map(|(_, report)| report.tensors.as_slice()));
    let penalties = merged(reports.iter().map(|(_, report)| report.penalties.as_slice()));
    let verdict = points.iter().map(|point| point.verdict).max().unwrap_or(Verdict::Unchecked);
    let advice = advice(verdict, tensors.iter().chain(&penalties));
    let epsilon = reports.first().map_or(0.0, |(_, report)| report.epsilon);
    GradientCheck { verdict, epsilon, rows, points, tensors, penalties, advice }
}

/// The same tensors at several points as one list: counts added, the worst kept.
fn merged<'a>(lists: impl Iterator<Item = &'a [TensorReport]>) -> Vec<TensorCheck> {
    let mut all: Vec<TensorCheck> = Vec::new();
    for tensor in lists.flatten() {
        let worst = tensor.worst.map(|worst| Worst {
            index: worst.index,
            analytic: worst.analytic,
            numeric: worst.numeric,
            relative: worst.relative,
        });
        let found = TensorCheck {
            name: tensor.name.clone(),
            size: tensor.size,
            checked: tensor.checked,
            kinks: tensor.kinks,
            max_relative: tensor.max_relative,
            median_relative: tensor.median_relative,
            worst,
            verdict: verdict(tensor.verdict),
        };
        match all.iter_mut().find(|known| known.name == found.name) {
            None => all.push(found),
            Some(known) => {
                known.checked += found.checked;
                known.kinks += found.kinks;
                // A failed point counts before a larger difference of a point that passed.
                if (found.verdict, found.max_relative) > (known.verdict, known.max_relative) {
                    (known.max_relative, known.worst) = (found.max_relative, found.worst);
                }
                known.median_relative = known.median_relative.max(found.median_relative);
                known.verdict = known.verdict.max(found.verdict);
            }
        }
    }
    all
}

fn verdict(verdict: check::Verdict) -> Verdict {
    match verdict {
        check::Verdict::Passed => Verdict::Passed,
        check::Verdict::Failed => Verdict::Failed,
        check::Verdict::Unchecked => Verdict::Unchecked,
    }
}

fn advice<'a>(verdict: Verdict, tensors: impl Iterator<Item = &'a TensorCheck> + Clone) -> String {
    let failed: Vec<&str> =
        tensors.clone().filter(|tensor| tensor.verdict == Verdict::Failed).map(|tensor| tensor.name.as_str()).collect();
    let (checked, kinks) =
        tensors.fold((0, 0), |(checked, kinks), tensor| (checked + tensor.checked, kinks + tensor.kinks));
    match verdict {
        Verdict::Failed => format!(
            "Backpropagation disagrees with the measured slope in {}. Where inputs are huge, standardise them and check again; else \
             this is a fault of the server: please report it with this document.",
            failed.join(", ")
        ),
        Verdict::Unchecked => {
            "No coordinate could be judged: every one pushed a unit over a corner of its activation.".to_owned()
        }
        Verdict::Passed if kinks * 20 > checked + kinks => format!(
            "The gradient is right. {kinks} of {} coordinates crossed a corner of an activation and were left out.",
            checked + kinks
        ),
        Verdict::Passed => {
            "The gradient is right: backpropagation agrees with the measured slope in every tensor.".to_owned()
        }
    }
}
