//! AdaGrad (Duchi and others 2011; torch/optim/adagrad.py): epsilon outside the root.

use super::{Element, Rule, SLOTS, Step};
use crate::num::Real;

/// s += g²; θ -= lr / (1 + (t-1) · decay) · g / (√s + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// How quickly the rate falls with the steps.
    pub learning_rate_decay: f64,
    /// Where s starts.
    pub initial_accumulator: f64,
    /// ε.
    pub epsilon: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad { learning_rate_decay: 0.0, initial_accumulator: 0.0, epsilon: 1e-10 }
    }
}

impl Rule for Adagrad {
    type Element<T: Real> = Of<T>;

    fn slots(&self) -> usize {
        1
    }

    fn initial(&self, _slot: usize) -> f64 {
        self.initial_accumulator
    }

    fn rests_without_gradient(&self) -> bool {
        true
    }

    fn element<T: Real>(&self, step: &Step) -> Of<T> {
        let rate = step.learning_rate / (1.0 + (step.t - 1.0) * self.learning_rate_decay);
        Of { rate: T::from_f64(rate), epsilon: T::from_f64(self.epsilon) }
    }
}

/// Its numbers for a step.
#[derive(Clone, Copy)]
pub(super) struct Of<T> {
    rate: T,
    epsilon: T,
}

impl<T: Real> Element<T> for Of<T> {
    #[inline(always)]
    fn step(self, p: T, g: T, [s, ..]: &mut [T; SLOTS]) -> T {
        *s = g.mul_add(g, *s);
        p - self.rate * g / (s.sqrt() + self.epsilon)
    }
}
