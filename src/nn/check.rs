//! The gradient check: is the slope that backpropagation computes the slope that the objective has? Always in f64, by central differences,
//! n = (J(θ + ε e) - J(θ - ε e)) / 2ε, against the analytic a (UFLDL; CS231n notes 3).
//!
//! Dropout masks and noise are a function of the step, so they stay the same between evaluations. Coordinates that push a unit over a corner of its
//! activation (or a residual over that of an absolute error) are left out of the verdict and counted. Penalties on weights are checked by themselves, so that they can neither hide nor make a fault.

use crate::num::random::{Stream, below, generator};

use super::architecture::{Loss, Sparsity};
use super::batch::{Batch, Targets};
use super::dropout::Noise;
use super::layout::{Layout, Role, Segment};
use super::network::Network;
use super::penalty::Penalties;
use super::workspace::Workspace;

/// How a check is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOptions {
    /// ε.
    pub epsilon: f64,
    /// Random coordinates of each tensor, or all where it has fewer.
    pub coordinates: usize,
    /// Which step's dropout masks and noise are frozen; its seed also draws the coordinates.
    pub noise: Noise,
    /// Penalties on weights, checked apart.
    pub penalties: Penalties,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions { epsilon: 1e-5, coordinates: 60, noise: Noise::default(), penalties: Penalties::default() }
    }
}

/// The outcome for a tensor or for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every coordinate that counts agrees.
    Passed,
    /// At least one disagrees.
    Failed,
    /// No coordinate counted: all were at corners, or none was touched.
    Unchecked,
}

/// One coordinate of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    /// Index within the tensor.
    pub index: usize,
    /// The slope by backpropagation.
    pub analytic: f64,
    /// The slope by differences.
    pub numeric: f64,
    /// |a - n| / max(|a| + |n|, 1e-8).
    pub relative: f64,
}

/// What was found in one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorReport {
    /// The tensor's name.
    pub name: String,
    /// Its elements.
    pub size: usize,
    /// Coordinates that count.
    pub checked: usize,
    /// Coordinates left out because a unit crossed a corner.
    pub kinks: usize,
    /// Largest relative difference of those that count.
    pub max_relative: f64,
    /// Median of them.
    pub median_relative: f64,
    /// The coordinate with the largest.
    pub worst: Option<Coordinate>,
    /// Agreement.
    pub verdict: Verdict,
}

/// What was found in all tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientReport {
    /// Failed where any tensor failed; else passed where any passed.
    pub verdict: Verdict,
    /// The data's loss (with activity penalties), tensor by tensor.
    pub tensors: Vec<TensorReport>,
    /// The weight penalties alone; empty where there are none.
    pub penalties: Vec<TensorReport>,
    /// ‖n - a‖ / ‖n + a‖ over all coordinates that count (UFLDL's number), as information.
    pub norm_relative: f64,
    /// ε.
    pub epsilon: f64,
    /// Rows of the batch.
    pub rows: usize,
    /// The objective at the point.
    pub objective: f64,
}

/// Checks the slopes of `network` at `parameters` on `batch`.
pub fn check(
    network: &Network,
    parameters: &[f64],
    buffers: &[f64],
    batch: &Batch<'_, f64>,
    options: &CheckOptions,
) -> GradientReport {
    let mut space = network.workspace::<f64>(batch.rows, 1);
    let mut analytic = vec![0.0; network.layout().len()];
    let none = Penalties::default();
    let found = network.gradient(
        parameters,
        &mut buffers.to_vec(),
        batch,
        options.noise,
        &none,
        None,
        &mut space,
        &mut analytic,
    );
    let objective = found.total();
    let touched: Vec<Vec<u32>> =
        (0..network.architecture().tables.len()).map(|table| space.touched(table).to_vec()).collect();

    let mut point = parameters.to_vec();
    let mut moved = buffers.to_vec();
    let mut evaluate = |point: &[f64], sides: &mut Vec<u8>| {
        moved.copy_from_slice(buffers);
        let found = network.objective(point, &mut moved, batch, options.noise, &none, &mut space);
        sides.clear();
        sides_of(network, batch, &space, sides);
        found.total()
    };
    let mut tensors = Vec::new();
    for (index, segment) in network.layout().segments().iter().enumerate() {
        let rows = network.tables.iter().position(|table| *table == index).map(|table| touched[table].as_slice());
        let coordinates = coordinates(segment, rows, options, index);
        tensors.push(tensor(segment, &coordinates, &analytic, &mut point, objective, options.epsilon, &mut evaluate));
    }
    let penalties = check_penalties(network.layout(), &mut point, options);
    let norm_relative = norm_relative(&tensors);
    let verdict = overall(tensors.iter().chain(&penalties).map(|(report, _)| report.verdict));
    let reports = |all: Vec<(TensorReport, Sums)>| all.into_iter().map(|(report, _)| report).collect();
    GradientReport {
        verdict,
        tensors: reports(tensors),
        penalties: reports(penalties),
        norm_relative,
        epsilon: options.epsilon,
        rows: batch.rows,
        objective,
    }
}

fn check_penalties(layout: &Layout, point: &mut [f64], options: &CheckOptions) -> Vec<(TensorReport, Sums)> {
    let penalties = options.penalties;
    if penalties == Penalties::default() {
        return Vec::new();
    }
    let mut analytic = vec![0.0; layout.len()];
    penalties.add_gradient(layout, point, &mut analytic);
    let value = penalties.value(layout, point);
    let weights = layout.segments().iter().enumerate().filter(|(_, segment)| segment.role == Role::Weight);
    weights
        .map(|(index, segment)| {
            let range = segment.range();
            // The penalty of this tensor alone: the others' would only add rounding.
            let mut alone = Layout::default();
            alone.push(segment.name.clone(), Role::Weight, &segment.shape);
            let mut evaluate = |point: &[f64], sides: &mut Vec<u8>| {
                sides.clear();
                if penalties.l1 != 0.0 {
                    sides.extend(point[range.clone()].iter().map(|w| u8::from(*w > 0.0) + u8::from(*w >= 0.0)));
                }
                penalties.value(&alone, &point[range.clone()])
            };
            let coordinates = coordinates(segment, None, options, index);
            tensor(segment, &coordinates, &analytic, point, value, options.epsilon, &mut evaluate)
        })
        .collect()
}

fn overall(verdicts: impl Iterator<Item = Verdict> + Clone) -> Verdict {
    if verdicts.clone().any(|verdict| verdict == Verdict::Failed) {
        Verdict::Failed
    } else if verdicts.clone().any(|verdict| verdict == Verdict::Passed) {
        Verdict::Passed
    } else {
        Verdict::Unchecked
    }
}

/// Random coordinates of a tensor without repeats; of a table, in touched rows only.
fn coordinates(segment: &Segment, touched: Option<&[u32]>, options: &CheckOptions, lane: usize) -> Vec<usize> {
    let dim = segment.shape.last().copied().unwrap_or(1);
    let size = touched.map_or(segment.len(), |rows| rows.len() * dim);
    let place = |index: usize| touched.map_or(index, |rows| rows[index / dim] as usize * dim + index % dim);
    if size <= options.coordinates {
        return (0..size).map(place).collect();
    }
    let mut generator = generator(options.noise.seed, Stream::GradientCheck, options.noise.epoch, options.noise.step);
    generator.set_stream(lane as u64);
    let mut chosen = std::collections::BTreeSet::new();
    while chosen.len() < options.coordinates {
        chosen.insert(below(&mut generator, size as u32) as usize);
    }
    chosen.into_iter().map(place).collect()
}

/// Squares of n - a and n + a.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    difference: f64,
    sum: f64,
}

fn norm_relative(tensors: &[(TensorReport, Sums)]) -> f64 {
    let difference: f64 = tensors.iter().map(|(_, sums)| sums.difference).sum();
    let sum: f64 = tensors.iter().map(|(_, sums)| sums.sum).sum();
    if sum > 0.0 { (difference / sum).sqrt() } else { 0.0 }
}

fn tensor(
    segment: &Segment,
    coordinates: &[usize],
    analytic: &[f64],
    point: &mut [f64],
    objective: f64,
    epsilon: f64,
    evaluate: &mut impl FnMut(&[f64], &mut Vec<u8>) -> f64,
) -> (TensorReport, Sums) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut slope = |point: &mut [f64], at: usize, epsilon: f64| {
        let here = point[at];
        point[at] = here + epsilon;
        let above = evaluate(point, &mut right);
        point[at] = here - epsilon;
        let below = evaluate(point, &mut left);
        point[at] = here;
        ((above - below) / (2.0 * epsilon), left != right)
    };
    let agrees = |a: f64, n: f64| (a - n).abs() <= 1e-9 * objective.abs().max(1.0) + 1e-6 * a.abs().max(n.abs());
    let (mut all, mut kinks, mut failed, mut sums) = (Vec::new(), 0, false, Sums::default());
    for &index in coordinates {
        let at = segment.offset + index;
        let a = analytic[at];
        let (mut n, crossed) = slope(point, at, epsilon);
        if crossed {
            kinks += 1;
            continue;
        }
        if !agrees(a, n) {
            // Once more with the error of the second order taken out (Richardson).
            let (finer, _) = slope(point, at, epsilon / 2.0);
            n = (4.0 * finer - n) / 3.0;
            failed |= !agrees(a, n);
        }
        let relative = if a == n { 0.0 } else { (a - n).abs() / (a.abs() + n.abs()).max(1e-8) };
        sums.difference += (n - a) * (n - a);
        sums.sum += (n + a) * (n + a);
        all.push(Coordinate { index, analytic: a, numeric: n, relative });
    }
    // NaN counts as the worst.
    all.sort_by(|x, y| x.relative.total_cmp(&y.relative));
    let verdict = match (all.is_empty(), failed || all.iter().any(|c| !c.relative.is_finite())) {
        (true, _) => Verdict::Unchecked,
        (false, true) => Verdict::Failed,
        (false, false) => Verdict::Passed,
    };
    let report = TensorReport {
        name: segment.name.clone(),
        size: segment.len(),
        checked: all.len(),
        kinks,
        max_relative: all.last().map_or(0.0, |c| c.relative),
        median_relative: all.get(all.len() / 2).map_or(0.0, |c| c.relative),
        worst: all.last().copied(),
        verdict,
    };
    (report, sums)
}

/// The side of every corner that the objective has at this point.
fn sides_of(network: &Network, batch: &Batch<'_, f64>, space: &Workspace<f64>, into: &mut Vec<u8>) {
    space.sides(network, into);
    let architecture = network.architecture();
    if matches!(architecture.activation_sparsity, Some(Sparsity::L1 { .. })) {
        for layer in space.layers(network) {
            into.extend(layer.activations.iter().map(|a| u8::from(*a > 0.0)));
        }
    }
    for (index, head) in architecture.heads.iter().enumerate() {
        let corners: &[f64] = match head.loss {
            Loss::Mae => &[0.0],
            Loss::Huber { delta } => &[-delta, delta],
            _ => continue,
        };
        if let Some(Targets::Values(labels)) = batch.targets.get(index) {
            let side = |(z, y): (&f64, &f64)| corners.iter().filter(|corner| z - y > **corner).count() as u8;
            into.extend(space.outputs(network, index).iter().zip(*labels).map(side));
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
