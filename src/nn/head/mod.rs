//! Output and loss as one idea: the loss of raw outputs (logits) and its slope, side by side. Shapes: B rows, K outputs; logits `[B, K]`.
//!
//! A loss gives, for each labelled row, a sum of weighted losses and a sum of weights; the mean is their quotient. So class weights, sample weights and
//! missing labels all mean what torch's weighted mean means.

use crate::num::{Pass, Real, run, slices};

use super::activation::sigmoid;
use super::architecture::{Head, Loss};
use super::batch::Targets;

mod element;
mod softmax;

use element::{Absolute, Binary, Huber, Poisson, Squared, values};
use softmax::Softmax;

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

/// Room for the loss of a head: one number for each output of each row.
#[derive(Clone, Debug)]
pub(super) struct LossSpace<T> {
    weights: Vec<T>,
    losses: Vec<T>,
    labels: Vec<T>,
}

impl<T: Real> LossSpace<T> {
    pub fn new(size: usize) -> Self {
        let zeros = || vec![T::ZERO; size];
        LossSpace { weights: zeros(), losses: zeros(), labels: zeros() }
    }
}

/// Computes the loss of `logits`; `d` `[B, K]` becomes the slope of its mean times the head's weight.
pub(super) fn loss<T: Real>(
    head: &Head,
    logits: &[T],
    targets: &Targets<'_, T>,
    row_weights: Option<&[T]>,
    d: &mut [T],
    space: &mut LossSpace<T>,
) -> TaskLoss {
    let classes = head.class_weights.as_deref();
    let task = match head.loss {
        Loss::CrossEntropy { label_smoothing } => {
            let rows = logits.len() / head.outputs;
            let (max, sums, logs) = (&mut space.weights[..rows], &mut space.losses[..rows], &mut space.labels[..rows]);
            let (outputs, smoothing) = (head.outputs, label_smoothing);
            run(Softmax { outputs, smoothing, classes, logits, targets, row_weights, d: &mut *d, max, sums, logs })
        }
        Loss::BinaryCrossEntropy { pos_weight } => {
            let classes =
                classes.and_then(|weights| Some((T::from_f64(*weights.first()?), T::from_f64(*weights.get(1)?))));
            let kind = Binary { positive: T::from_f64(pos_weight), classes };
            values(kind, head.outputs, logits, targets, row_weights, d, space)
        }
        Loss::Mse { half } => {
            let kind = Squared { factor: T::from_f64(if half { 0.5 } else { 1.0 }) };
            values(kind, head.outputs, logits, targets, row_weights, d, space)
        }
        Loss::Mae => values(Absolute, head.outputs, logits, targets, row_weights, d, space),
        Loss::Huber { delta } => {
            values(Huber { delta: T::from_f64(delta) }, head.outputs, logits, targets, row_weights, d, space)
        }
        Loss::Poisson => values(Poisson, head.outputs, logits, targets, row_weights, d, space),
    };
    let factor = if task.weight_sum > 0.0 { T::from_f64(head.weight / task.weight_sum) } else { T::ZERO };
    slices::scale(d, factor);
    #[cfg(test)]
    crate::nn::fault::spoil(crate::nn::fault::Site::Loss, d);
    task
}

/// Where the largest element is; the first of equals.
#[inline(always)]
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
    run(Interpret { loss, outputs, logits });
}

struct Interpret<'a, T> {
    loss: Loss,
    outputs: usize,
    logits: &'a mut [T],
}

impl<T: Real> Pass for Interpret<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.loss {
            Loss::CrossEntropy { .. } => {
                for row in self.logits.chunks_exact_mut(self.outputs) {
                    let max = row[argmax(row)];
                    let mut sum = T::ZERO;
                    for z in row.iter_mut() {
                        *z = (*z - max).exp();
                        sum += *z;
                    }
                    row.iter_mut().for_each(|p| *p /= sum);
                }
            }
            Loss::BinaryCrossEntropy { .. } => {
                for z in self.logits {
                    *z = sigmoid(*z);
                }
            }
            Loss::Poisson => {
                for z in self.logits {
                    *z = z.exp();
                }
            }
            Loss::Mse { .. } | Loss::Mae | Loss::Huber { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{MISSING_CLASS, WeightInit};

    const SOFTMAX: Loss = Loss::CrossEntropy { label_smoothing: 0.0 };
    const SMOOTH: Loss = Loss::CrossEntropy { label_smoothing: 0.1 };
    const BINARY: Loss = Loss::BinaryCrossEntropy { pos_weight: 1.0 };

    /// The loss and its slope, for a head of weight 1.
    fn of<T: Real>(
        kind: Loss,
        class_weights: Option<&[f64]>,
        rows: usize,
        z: &[T],
        targets: Targets<'_, T>,
        row_weights: Option<&[T]>,
    ) -> (TaskLoss, Vec<T>) {
        let outputs = z.len() / rows;
        let head = Head {
            name: String::new(),
            hidden: Vec::new(),
            outputs,
            loss: kind,
            weight: 1.0,
            class_weights: class_weights.map(<[f64]>::to_vec),
            init: WeightInit::default(),
            output_bias: Vec::new(),
        };
        let mut d = vec![T::from_f64(9.0); z.len()];
        let task = loss(&head, z, &targets, row_weights, &mut d, &mut LossSpace::new(z.len()));
        (task, d)
    }

    #[test]
    fn losses_have_the_values_of_torch() {
        let z = [2.0, -1.0, 0.5];
        let pair = [2.0, -1.0, 0.5, 0.0, 1.0, 2.0];
        let weights = [1.0, 3.0, 0.5];
        let classes =
            |kind, weights, rows, z: &[f64], y: &[u32]| of(kind, weights, rows, z, Targets::Classes(y), None).0.mean();
        let value = |kind, z: f64, y: f64| of(kind, None, 1, &[z], Targets::Values(&[y]), None).0.mean();
        let cases = [
            (classes(SOFTMAX, None, 1, &z, &[0]), 0.241311297),
            (classes(SMOOTH, None, 1, &z, &[0]), 0.391311297),
            (classes(SOFTMAX, Some(&weights), 2, &pair, &[0, 1]), 1.116032297),
            (classes(SMOOTH, Some(&weights), 2, &pair, &[0, 1]), 1.151680132),
            (classes(BINARY, None, 1, &[0.0], &[1]), std::f64::consts::LN_2),
            (value(Loss::Huber { delta: 0.5 }, 3.0, 0.0), 1.375),
            (value(Loss::Mse { half: false }, 3.0, 1.0), 4.0),
            (value(Loss::Mse { half: true }, 3.0, 1.0), 2.0),
            (value(Loss::Mae, 3.0, 5.0), 2.0),
            (value(BINARY, 0.0, 1.0), std::f64::consts::LN_2),
            (value(Loss::Poisson, 0.5, 2.0), 0.6487212707001282),
        ];
        for (index, (seen, golden)) in cases.into_iter().enumerate() {
            assert!((seen - golden).abs() < 1e-9, "case {index}: {seen} instead of {golden}");
        }
    }

    #[test]
    fn the_slope_of_a_class_label_is_p_minus_q_over_the_rows() {
        let z = [2.0, -1.0, 0.5, 0.0, 1.0, 2.0];
        let (_, d) = of(SOFTMAX, None, 2, &z, Targets::Classes(&[0, 1]), None);
        let mut p = z;
        interpret(SOFTMAX, 3, &mut p);
        let expected = [(p[0] - 1.0) / 2.0, p[1] / 2.0, p[2] / 2.0, p[3] / 2.0, (p[4] - 1.0) / 2.0, p[5] / 2.0];
        assert!(d.iter().zip(expected).all(|(d, expected)| (d - expected).abs() < 1e-15), "{d:?}");
    }

    #[test]
    fn corners_have_the_slopes_of_torch() {
        let slope = |kind, z: f64, y: f64| of(kind, None, 1, &[z], Targets::Values(&[y]), None).1[0];
        assert_eq!(slope(Loss::Mae, 2.0, 2.0), 0.0);
        assert_eq!(slope(Loss::Huber { delta: 0.5 }, 2.5, 2.0), 0.5);
        assert_eq!(slope(Loss::Huber { delta: 0.5 }, -9.0, 2.0), -0.5);
    }

    #[test]
    fn a_row_without_label_adds_nothing() {
        let z = [2.0, -1.0, 0.5, 0.0, 1.0, 2.0];
        let (task, d) = of(SOFTMAX, None, 2, &z, Targets::Classes(&[0, MISSING_CLASS]), None);
        assert_eq!((task.labelled, task.weight_sum), (1.0, 1.0));
        assert_eq!(d[3..], [0.0; 3]);
        let (task, d) = of(Loss::Mse { half: false }, None, 1, &[1.0], Targets::Values(&[f64::NAN]), None);
        assert_eq!((task.labelled, task.mean(), d[0]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn far_out_logits_have_finite_losses() {
        let (task, _) = of(SOFTMAX, None, 1, &[500.0f32, -500.0], Targets::Classes(&[1]), None);
        assert_eq!(task.loss_sum, 1000.0);
        let (task, _) = of(BINARY, None, 1, &[-700.0f32], Targets::Values(&[1.0]), None);
        assert_eq!(task.loss_sum, 700.0);
    }

    #[test]
    fn sample_weights_weigh_the_mean() {
        let (task, _) = of(Loss::Mae, None, 2, &[1.0, 4.0], Targets::Values(&[0.0, 0.0]), Some(&[3.0, 1.0]));
        assert_eq!(task.mean(), (3.0 + 4.0) / 4.0);
    }

    #[test]
    fn the_first_of_equal_outputs_is_the_prediction() {
        let right = |class| of(SOFTMAX, None, 1, &[1.0, 1.0], Targets::Classes(&[class]), None).0.correct;
        assert_eq!((right(0), right(1)), (1.0, 0.0));
    }
}
