//! Losses that look at each output by itself: binary and multilabel cross-entropy, squared, absolute and Huber error, Poisson.

use crate::nn::activation::{sigmoid, softplus};
use crate::nn::batch::{MISSING_CLASS, Targets};
use crate::nn::penalty::sign;
use crate::num::{Pass, Real, reduce, run};

use super::{LossSpace, TaskLoss};

/// A loss of one output z against its label y, value and slope side by side. The mean is over the labelled outputs.
pub(super) trait Element<T>: Copy {
    /// The loss and its slope with respect to z.
    fn loss(self, z: T, y: T) -> (T, T);

    /// Factor of the loss, by the label.
    #[inline(always)]
    fn weight(self, _y: T) -> T
    where
        T: Real,
    {
        T::ONE
    }

    /// Whether z says the right class; never for numbers.
    #[inline(always)]
    fn is_right(self, _z: T, _y: T) -> bool {
        false
    }
}

#[derive(Clone, Copy)]
pub(super) struct Binary<T> {
    pub positive: T,
    /// Weights of the two classes.
    pub classes: Option<(T, T)>,
}

impl<T: Real> Element<T> for Binary<T> {
    /// (1 - y) z + (1 + (p - 1) y) ln(1 + exp(-z))
    #[inline(always)]
    fn loss(self, z: T, y: T) -> (T, T) {
        let factor = (self.positive - T::ONE).mul_add(y, T::ONE);
        ((T::ONE - y) * z + factor * softplus(-z), (T::ONE - y) - factor * sigmoid(-z))
    }

    #[inline(always)]
    fn weight(self, y: T) -> T {
        let (no, yes) = self.classes.unwrap_or((T::ONE, T::ONE));
        if y > T::from_f64(0.5) { yes } else { no }
    }

    #[inline(always)]
    fn is_right(self, z: T, y: T) -> bool {
        (z > T::ZERO) == (y > T::from_f64(0.5))
    }
}

/// `factor` · r², r = z - y.
#[derive(Clone, Copy)]
pub(super) struct Squared<T> {
    pub factor: T,
}

impl<T: Real> Element<T> for Squared<T> {
    #[inline(always)]
    fn loss(self, z: T, y: T) -> (T, T) {
        let r = z - y;
        (self.factor * r * r, self.factor * (r + r))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Absolute;

impl<T: Real> Element<T> for Absolute {
    /// The slope at equality is 0, as in torch.
    #[inline(always)]
    fn loss(self, z: T, y: T) -> (T, T) {
        ((z - y).abs(), sign(z - y))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Huber<T> {
    pub delta: T,
}

impl<T: Real> Element<T> for Huber<T> {
    /// r²/2 up to δ, δ(|r| - δ/2) beyond.
    #[inline(always)]
    fn loss(self, z: T, y: T) -> (T, T) {
        let (r, delta, half) = (z - y, self.delta, T::from_f64(0.5));
        let inside = r.abs() <= delta;
        let loss = if inside { half * r * r } else { delta * (r.abs() - half * delta) };
        (loss, if inside { r } else { delta * sign(r) })
    }
}

#[derive(Clone, Copy)]
pub(super) struct Poisson;

impl<T: Real> Element<T> for Poisson {
    /// exp(z) - y z, without a clamp, which would hide a divergence.
    #[inline(always)]
    fn loss(self, z: T, y: T) -> (T, T) {
        let e = z.exp();
        (e - y * z, e - y)
    }
}

/// The losses that look at each output by itself.
pub(super) fn values<T: Real, E: Element<T>>(
    element: E,
    outputs: usize,
    logits: &[T],
    targets: &Targets<'_, T>,
    row_weights: Option<&[T]>,
    d: &mut [T],
    space: &mut LossSpace<T>,
) -> TaskLoss {
    let size = logits.len();
    let LossSpace { weights, losses, labels } = space;
    let share = 1.0 / outputs as f64;
    let labels: &[T] = match targets {
        Targets::Values(all) | Targets::Distribution(all) => &all[..size],
        Targets::Classes(classes) => {
            let number = |class: u32| T::from_f64(if class == MISSING_CLASS { f64::NAN } else { f64::from(class) });
            for (labels, &class) in labels[..size].chunks_exact_mut(outputs).zip(*classes) {
                labels.fill(number(class));
            }
            &labels[..size]
        }
    };
    let (weights, losses) = (&mut weights[..size], &mut losses[..size]);
    match row_weights {
        None => weights.fill(T::from_f64(share)),
        Some(rows) => {
            for (weights, &weight) in weights.chunks_exact_mut(outputs).zip(rows) {
                weights.fill(weight * T::from_f64(share));
            }
        }
    }
    let (labelled, right) = run(Elements { element, logits, labels, weights: &mut *weights, losses: &mut *losses, d });
    TaskLoss {
        loss_sum: reduce::sum_wide(losses),
        weight_sum: reduce::sum_wide(weights),
        correct: f64::from(right) * share,
        labelled: f64::from(labelled) * share,
    }
}

struct Elements<'a, T, E> {
    element: E,
    logits: &'a [T],
    labels: &'a [T],
    /// By row; becomes by element, 0 where the label is missing.
    weights: &'a mut [T],
    losses: &'a mut [T],
    d: &'a mut [T],
}

impl<T: Real, E: Element<T>> Pass for Elements<'_, T, E> {
    /// Labelled outputs, and those among them that are right.
    type Output = (u32, u32);

    #[inline(always)]
    fn run(self) -> (u32, u32) {
        let (mut labelled, mut right) = (0, 0);
        let inputs = self.logits.iter().zip(self.labels);
        let outputs = self.weights.iter_mut().zip(self.losses).zip(self.d);
        for ((&z, &label), ((weight, loss), d)) in inputs.zip(outputs) {
            let missing = label.is_nan();
            let y = if missing { T::ZERO } else { label };
            let (value, slope) = self.element.loss(z, y);
            let w = *weight * self.element.weight(y);
            *weight = if missing { T::ZERO } else { w };
            *loss = if missing { T::ZERO } else { w * value };
            *d = if missing { T::ZERO } else { w * slope };
            labelled += u32::from(!missing);
            right += u32::from(!missing && self.element.is_right(z, y));
        }
        (labelled, right)
    }
}
