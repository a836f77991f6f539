//! Output and loss as one idea: the loss of raw outputs (logits) and its slope, side by side. Shapes: B rows, K outputs; logits `[B, K]`.
//!
//! A loss gives, for each labelled row, a sum of weighted losses and a sum of weights; the mean is their quotient. So class weights, sample weights and
//! missing labels all mean what torch's weighted mean means.

use crate::num::Real;

use super::activation::{sigmoid, softplus};
use super::architecture::Loss;
use super::batch::{MISSING_CLASS, Targets};
use super::penalty::sign;

/// What one batch adds to the loss and the accuracy of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskLoss {
    /// Sum of weighted losses.
    pub loss_sum: f64,
    /// Sum of weights; the mean loss is `loss_sum / weight_sum`.
    pub weight_sum: f64,
    /// Rows whose label is predicted right (a multilabel row counts by its share of right labels); 0 for numbers.
    pub correct: f64,
    /// Rows that have a label (a multilabel row counts by its share of labels).
    pub labelled: f64,
}

impl TaskLoss {
    /// The mean loss; 0 where nothing is labelled.
    pub fn mean(&self) -> f64 {
        if self.weight_sum > 0.0 { self.loss_sum / self.weight_sum } else { 0.0 }
    }

    /// Adds another batch.
    pub fn add(&mut self, other: &TaskLoss) {
        self.loss_sum += other.loss_sum;
        self.weight_sum += other.weight_sum;
        self.correct += other.correct;
        self.labelled += other.labelled;
    }
}

/// Computes the loss of `logits`. Where `d` is given it becomes the slope of `loss_sum` with respect to the logits: divide by `weight_sum` for that of the mean.
pub(super) fn loss<T: Real>(
    kind: Loss,
    outputs: usize,
    class_weights: Option<&[f64]>,
    logits: &[T],
    targets: &Targets<'_, T>,
    weights: Option<&[T]>,
    mut d: Option<&mut [T]>,
) -> TaskLoss {
    let mut total = TaskLoss::default();
    for (row, logits) in logits.chunks_exact(outputs).enumerate() {
        let weight = weights.map_or(T::ONE, |weights| weights[row]);
        let d = d.as_deref_mut().map(|d| &mut d[row * outputs..(row + 1) * outputs]);
        match kind {
            Loss::CrossEntropy { label_smoothing } => {
                softmax_row(label_smoothing, class_weights, logits, targets, row, weight, d, &mut total);
            }
            _ => values_row(kind, class_weights, logits, targets, row, weight, d, &mut total),
        }
    }
    total
}

/// Softmax and cross-entropy of one row: q is the label as a distribution, smoothed by ε; the loss is Σ w_k q_k (-ln p_k), its slope (Σ w_k q_k) p - w q.
/// A class label weighs w_y in the mean, a soft label 1, as in torch.
fn softmax_row<T: Real>(
    smoothing: f64,
    class_weights: Option<&[f64]>,
    logits: &[T],
    targets: &Targets<'_, T>,
    row: usize,
    weight: T,
    d: Option<&mut [T]>,
    total: &mut TaskLoss,
) {
    let outputs = logits.len();
    let class_weight = |k: usize| class_weights.map_or(T::ONE, |weights| T::from_f64(weights[k]));
    let spread = T::from_f64(smoothing / outputs as f64);
    let rest = T::from_f64(1.0 - smoothing);
    let best = argmax(logits);
    let (class, soft): (usize, Option<&[T]>) = match targets {
        Targets::Classes(classes) if classes[row] != MISSING_CLASS => (classes[row] as usize, None),
        Targets::Distribution(all) | Targets::Values(all) if !all[row * outputs].is_nan() => {
            let label = &all[row * outputs..(row + 1) * outputs];
            (argmax(label), Some(label))
        }
        _ => {
            if let Some(d) = d {
                d.fill(T::ZERO);
            }
            return;
        }
    };
    let label = |k: usize| {
        let hard = soft.map_or(if k == class { T::ONE } else { T::ZERO }, |soft| soft[k]);
        class_weight(k) * rest.mul_add(hard, spread)
    };
    let max = logits[best];
    let mut sum = T::ZERO;
    for &z in logits {
        sum += (z - max).exp();
    }
    let log_sum = sum.ln();
    let (mut loss, mut mass) = (T::ZERO, T::ZERO);
    if smoothing == 0.0 && soft.is_none() {
        mass = class_weight(class);
        loss = mass * (log_sum - (logits[class] - max));
    } else {
        for k in 0..outputs {
            let q = label(k);
            mass += q;
            loss = q.mul_add(log_sum - (logits[k] - max), loss);
        }
    }
    total.loss_sum += (weight * loss).to_f64();
    total.weight_sum += if soft.is_some() { weight } else { weight * class_weight(class) }.to_f64();
    total.correct += f64::from(u8::from(best == class));
    total.labelled += 1.0;
    if let Some(d) = d {
        let scale = mass / sum;
        for (k, d) in d.iter_mut().enumerate() {
            *d = weight * (scale * (logits[k] - max).exp() - label(k));
        }
    }
}

/// The losses that look at each output by itself; their mean is over the labelled outputs.
fn values_row<T: Real>(
    kind: Loss,
    class_weights: Option<&[f64]>,
    logits: &[T],
    targets: &Targets<'_, T>,
    row: usize,
    weight: T,
    d: Option<&mut [T]>,
    total: &mut TaskLoss,
) {
    let outputs = logits.len();
    let share = 1.0 / outputs as f64;
    let label = |k: usize| match targets {
        Targets::Classes(classes) => (classes[row] != MISSING_CLASS).then(|| T::from_f64(f64::from(classes[row]))),
        Targets::Values(all) | Targets::Distribution(all) => Some(all[row * outputs + k]).filter(|y| !y.is_nan()),
    };
    let mut slopes = d;
    for (k, &z) in logits.iter().enumerate() {
        let Some(y) = label(k) else {
            if let Some(d) = slopes.as_deref_mut() {
                d[k] = T::ZERO;
            }
            continue;
        };
        let class = usize::from(y > T::from_f64(0.5));
        let class_weight = match (kind, class_weights) {
            (Loss::BinaryCrossEntropy { .. }, Some(weights)) => T::from_f64(weights[class]),
            _ => T::ONE,
        };
        let weight = weight * class_weight * T::from_f64(share);
        let (loss, slope) = element(kind, z, y);
        total.loss_sum += (weight * loss).to_f64();
        total.weight_sum += weight.to_f64();
        total.labelled += share;
        if matches!(kind, Loss::BinaryCrossEntropy { .. }) && (z > T::ZERO) == (class == 1) {
            total.correct += share;
        }
        if let Some(d) = slopes.as_deref_mut() {
            d[k] = weight * slope;
        }
    }
}

/// Loss and slope of one output z against its label y.
#[inline(always)]
fn element<T: Real>(kind: Loss, z: T, y: T) -> (T, T) {
    let half = T::from_f64(0.5);
    match kind {
        Loss::BinaryCrossEntropy { pos_weight } => {
            // (1 - y) z + (1 + (p - 1) y) ln(1 + exp(-z))
            let factor = T::from_f64(pos_weight - 1.0).mul_add(y, T::ONE);
            ((T::ONE - y) * z + factor * softplus(-z), (T::ONE - y) - factor * sigmoid(-z))
        }
        Loss::Mse { half: halved } => {
            let r = z - y;
            if halved { (half * r * r, r) } else { (r * r, r + r) }
        }
        Loss::Mae => ((z - y).abs(), sign(z - y)),
        Loss::Huber { delta } => {
            let (r, delta) = (z - y, T::from_f64(delta));
            if r.abs() <= delta { (half * r * r, r) } else { (delta * (r.abs() - half * delta), delta * sign(r)) }
        }
        Loss::Poisson => (z.exp() - y * z, z.exp() - y),
        Loss::CrossEntropy { .. } => (T::ZERO, T::ZERO), // looks at all outputs together
    }
}

/// Where the largest element is; the first of equals.
pub fn argmax<T: Real>(x: &[T]) -> usize {
    let mut best = 0;
    for (k, value) in x.iter().enumerate().skip(1) {
        if *value > x[best] {
            best = k;
        }
    }
    best
}

/// Turns raw outputs, `[rows, outputs]`, into what they stand for: probabilities, expected counts, or numbers as they are.
pub fn interpret<T: Real>(loss: Loss, outputs: usize, logits: &mut [T]) {
    match loss {
        Loss::CrossEntropy { .. } => {
            for row in logits.chunks_exact_mut(outputs) {
                let max = row[argmax(row)];
                let mut sum = T::ZERO;
                for z in row.iter_mut() {
                    *z = (*z - max).exp();
                    sum += *z;
                }
                row.iter_mut().for_each(|p| *p /= sum);
            }
        }
        Loss::BinaryCrossEntropy { .. } => logits.iter_mut().for_each(|z| *z = sigmoid(*z)),
        Loss::Poisson => logits.iter_mut().for_each(|z| *z = z.exp()),
        Loss::Mse { .. } | Loss::Mae | Loss::Huber { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTMAX: Loss = Loss::CrossEntropy { label_smoothing: 0.0 };
    const SMOOTH: Loss = Loss::CrossEntropy { label_smoothing: 0.1 };

    fn mean(kind: Loss, outputs: usize, weights: Option<&[f64]>, z: &[f64], targets: Targets<'_, f64>) -> f64 {
        loss(kind, outputs, weights, z, &targets, None, None).mean()
    }

    #[test]
    fn losses_have_the_values_of_torch() {
        let z = [2.0, -1.0, 0.5];
        let pair = [2.0, -1.0, 0.5, 0.0, 1.0, 2.0];
        let weights = [1.0, 3.0, 0.5];
        let cases = [
            (mean(SOFTMAX, 3, None, &z, Targets::Classes(&[0])), 0.241311297),
            (mean(SMOOTH, 3, None, &z, Targets::Classes(&[0])), 0.391311297),
            (mean(SOFTMAX, 3, Some(&weights), &pair, Targets::Classes(&[0, 1])), 1.116032297),
            (mean(SMOOTH, 3, Some(&weights), &pair, Targets::Classes(&[0, 1])), 1.151680132),
            (mean(Loss::Huber { delta: 0.5 }, 1, None, &[3.0], Targets::Values(&[0.0])), 1.375),
            (mean(Loss::Mse { half: false }, 1, None, &[3.0], Targets::Values(&[1.0])), 4.0),
            (mean(Loss::Mse { half: true }, 1, None, &[3.0], Targets::Values(&[1.0])), 2.0),
            (mean(Loss::BinaryCrossEntropy { pos_weight: 1.0 }, 1, None, &[0.0], Targets::Values(&[1.0])), 2f64.ln()),
        ];
        for (index, (seen, golden)) in cases.into_iter().enumerate() {
            assert!((seen - golden).abs() < 1e-9, "case {index}: {seen} instead of {golden}");
        }
    }

    #[test]
    fn a_row_without_label_adds_nothing() {
        let z = [2.0, -1.0, 0.5, 0.0, 1.0, 2.0];
        let mut d = [9.0; 6];
        let total = loss(SOFTMAX, 3, None, &z, &Targets::Classes(&[0, MISSING_CLASS]), None, Some(&mut d));
        assert_eq!((total.labelled, total.weight_sum), (1.0, 1.0));
        assert_eq!(d[3..], [0.0; 3]);
        let total = loss(Loss::Mse { half: false }, 1, None, &[1.0], &Targets::Values(&[f64::NAN]), None, Some(&mut d));
        assert_eq!((total.labelled, total.mean(), d[0]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn far_out_logits_have_finite_losses() {
        let total = loss(SOFTMAX, 2, None, &[500.0f32, -500.0], &Targets::Classes(&[1]), None, None);
        assert_eq!(total.loss_sum, 1000.0);
        let total = loss(
            Loss::BinaryCrossEntropy { pos_weight: 1.0 },
            1,
            None,
            &[-700.0f32],
            &Targets::Values(&[1.0]),
            None,
            None,
        );
        assert_eq!(total.loss_sum, 700.0);
    }

    #[test]
    fn sample_weights_weigh_the_mean() {
        let total = loss(Loss::Mae, 1, None, &[1.0, 4.0], &Targets::Values(&[0.0, 0.0]), Some(&[3.0, 1.0]), None);
        assert_eq!(total.mean(), (3.0 + 4.0) / 4.0);
    }
}
