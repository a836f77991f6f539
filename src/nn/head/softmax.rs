//! Softmax and cross-entropy of class labels, smoothed labels and soft labels, with class weights.

use crate::nn::batch::{MISSING_CLASS, Targets};
use crate::num::{Pass, Real};

use super::{TaskLoss, argmax};

/// Softmax and cross-entropy: q is the label as a distribution, smoothed by ε; the loss of a row is Σ w_k q_k (-ln p_k), its slope
/// (Σ w_k q_k) p - w q. A class label weighs w_y in the mean, a soft label 1, as in torch.
pub(super) struct Softmax<'a, T> {
    pub outputs: usize,
    pub smoothing: f64,
    /// Weight of each class.
    pub classes: Option<&'a [f64]>,
    pub logits: &'a [T],
    pub targets: &'a Targets<'a, T>,
    pub row_weights: Option<&'a [T]>,
    /// Becomes the slope of the sum of losses.
    pub d: &'a mut [T],
    /// The largest logit of each row, Σ exp(z - max), and its logarithm.
    pub max: &'a mut [T],
    pub sums: &'a mut [T],
    pub logs: &'a mut [T],
}

impl<T: Real> Pass for Softmax<'_, T> {
    type Output = TaskLoss;

    #[inline(always)]
    fn run(self) -> TaskLoss {
        let Softmax { outputs, smoothing, classes, logits, targets, row_weights, d, max, sums, logs } = self;
        // Exponentials and logarithms of all rows together: so they vectorise, however few the outputs.
        for ((d, z), max) in d.chunks_exact_mut(outputs).zip(logits.chunks_exact(outputs)).zip(&mut *max) {
            *max = z[1..].iter().fold(z[0], |max, &z| z.maximum(max));
            d.iter_mut().zip(z).for_each(|(d, &z)| *d = z - *max);
        }
        d.iter_mut().for_each(|d| *d = d.exp());
        for (sum, d) in sums.iter_mut().zip(d.chunks_exact(outputs)) {
            *sum = d.iter().fold(T::ZERO, |sum, &d| sum + d);
        }
        logs.iter_mut().zip(&*sums).for_each(|(log, sum)| *log = sum.ln());

        let (spread, rest) = (T::from_f64(smoothing / outputs as f64), T::from_f64(1.0 - smoothing));
        let class_weight = |k: usize| classes.map_or(T::ONE, |weights| T::from_f64(weights[k]));
        let mut total = TaskLoss::default();
        for (row, (d, z)) in d.chunks_exact_mut(outputs).zip(logits.chunks_exact(outputs)).enumerate() {
            let (class, soft): (usize, Option<&[T]>) = match targets {
                Targets::Classes(labels) if labels[row] != MISSING_CLASS => (labels[row] as usize, None),
                Targets::Distribution(all) | Targets::Values(all) if !all[row * outputs].is_nan() => {
                    let label = &all[row * outputs..(row + 1) * outputs];
                    (argmax(label), Some(label))
                }
                _ => {
                    d.fill(T::ZERO);
                    continue;
                }
            };
            let row_weight = row_weights.map_or(T::ONE, |weights| weights[row]);
            let (max, log) = (max[row], logs[row]);
            let mut loss = T::ZERO;
            if smoothing == 0.0 && soft.is_none() {
                let weight = class_weight(class);
                loss = weight * (log - (z[class] - max));
                let scale = row_weight * weight / sums[row];
                d.iter_mut().for_each(|d| *d *= scale);
                d[class] -= row_weight * weight;
            } else {
                let label = |k: usize| {
                    let hard = soft.map_or(if k == class { T::ONE } else { T::ZERO }, |soft| soft[k]);
                    class_weight(k) * rest.mul_add(hard, spread)
                };
                let mut mass = T::ZERO;
                for k in 0..outputs {
                    mass += label(k);
                    loss = label(k).mul_add(log - (z[k] - max), loss);
                }
                let scale = mass / sums[row];
                d.iter_mut().enumerate().for_each(|(k, d)| *d = row_weight * (scale * *d - label(k)));
            }
            total.loss_sum += (row_weight * loss).to_f64();
            total.weight_sum += if soft.is_some() { row_weight } else { row_weight * class_weight(class) }.to_f64();
            // The first of equals is the prediction. Without branches: which class is right cannot be foretold.
            let before = z.iter().enumerate().fold(false, |found, (k, &z)| found | ((k < class) & (z == max)));
            let right = (z[class] == max) & !before;
            total.correct += f64::from(u8::from(right));
            total.labelled += 1.0;
        }
        total
    }
}
