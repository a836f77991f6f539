//! RMSProp (Hinton's lecture 6e; torch/optim/rmsprop.py): epsilon outside the root, optionally centered, optionally with momentum.

use super::{Rule, SLOTS, Step};
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
    fn slots(&self) -> usize {
        1 + usize::from(self.centered) + usize::from(self.momentum != 0.0)
    }

    fn update<T: Real>(
        &self,
        step: &Step,
        params: &mut [T],
        gradient: &[T],
        [squares, second, third]: [&mut [T]; SLOTS],
    ) {
        let rate = T::from_f64(step.learning_rate);
        let (alpha, rest) = (T::from_f64(self.alpha), T::from_f64(1.0 - self.alpha));
        let epsilon = T::from_f64(self.epsilon);
        let (means, buffer) = if self.centered { (second, third) } else { (third, second) };
        let momentum = T::from_f64(step.momentum.unwrap_or(self.momentum));
        for (i, (p, &g)) in params.iter_mut().zip(gradient).enumerate() {
            let v = &mut squares[i];
            *v = alpha * *v + rest * g * g;
            let spread = if self.centered {
                let mean = &mut means[i];
                *mean += rest * (g - *mean);
                // Rounding can make the difference negative.
                (*v - *mean * *mean).maximum(T::ZERO)
            } else {
                *v
            };
            let scaled = g / (spread.sqrt() + epsilon);
            if self.momentum == 0.0 {
                *p -= rate * scaled;
            } else {
                let b = &mut buffer[i];
                *b = momentum * *b + scaled;
                *p -= rate * *b;
            }
        }
    }
}
