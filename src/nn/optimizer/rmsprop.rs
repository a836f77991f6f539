//! RMSProp (Hinton's lecture 6e; torch/optim/rmsprop.py): epsilon outside the root, optionally centered, optionally with momentum.

use super::{Element, Rule, SLOTS, Step};
use crate::num::Real;

/// v = αv + (1-α) g²; θ -= lr · g / (√v + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rmsprop {
    /// α.
    pub alpha: f64,
    /// ε.
    pub epsilon: f64,
    /// Takes √(v - ḡ²) for √v, with the running mean ḡ of the gradient.
    pub centered: bool,
    /// μ of a buffer of scaled gradients; 0 is none.
    pub momentum: f64,
}

impl Default for Rmsprop {
    fn default() -> Self {
        Rmsprop { alpha: 0.99, epsilon: 1e-8, centered: false, momentum: 0.0 }
    }
}

impl Rule for Rmsprop {
    type Element<T: Real> = Of<T>;

    fn slots(&self) -> usize {
        1 + usize::from(self.centered) + usize::from(self.momentum != 0.0)
    }

    fn element<T: Real>(&self, step: &Step) -> Of<T> {
        Of {
            rate: T::from_f64(step.learning_rate),
            alpha: T::from_f64(self.alpha),
            rest: T::from_f64(1.0 - self.alpha),
            epsilon: T::from_f64(self.epsilon),
            centered: self.centered,
            momentum: if self.momentum == 0.0 { T::ZERO } else { T::from_f64(step.momentum.unwrap_or(self.momentum)) },
        }
    }
}

/// Its numbers for a step.
#[derive(Clone, Copy)]
pub(super) struct Of<T> {
    rate: T,
    alpha: T,
    rest: T,
    epsilon: T,
    centered: bool,
    /// 0 where there is no buffer.
    momentum: T,
}

impl<T: Real> Element<T> for Of<T> {
    /// The second slot is the mean where it is centered, else the buffer.
    #[inline(always)]
    fn step(self, p: T, g: T, [v, second, third]: &mut [T; SLOTS]) -> T {
        *v = (self.rest * g).mul_add(g, self.alpha * *v);
        let mean = self.rest.mul_add(g - *second, *second);
        // Rounding can make the difference negative.
        let spread = if self.centered { (*v - mean * mean).maximum(T::ZERO) } else { *v };
        let scaled = g / (spread.sqrt() + self.epsilon);
        // Without momentum the buffer is the step itself; the slot that does not exist is not kept.
        let buffer = self.momentum.mul_add(if self.centered { *third } else { *second }, scaled);
        (*second, *third) = if self.centered { (mean, buffer) } else { (buffer, *third) };
        p - self.rate * buffer
    }
}
