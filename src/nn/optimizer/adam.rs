//! Adam and AMSGrad (Kingma and Ba 2015; Reddi and others 2018; torch/optim/adam.py). AdamW is the same step after decoupled decay.

use super::{Rule, SLOTS, Step};
use crate::num::Real;

/// m = β₁m + (1-β₁) g; v = β₂v + (1-β₂) g²; θ -= lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, added after the bias correction of v.
    pub epsilon: f64,
    /// Takes the largest v so far for v.
    pub amsgrad: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false }
    }
}

impl Rule for Adam {
    fn slots(&self) -> usize {
        if self.amsgrad { 3 } else { 2 }
    }

    fn update<T: Real>(
        &self,
        step: &Step,
        params: &mut [T],
        gradient: &[T],
        [means, squares, largest]: [&mut [T]; SLOTS],
    ) {
        let beta1 = step.momentum.unwrap_or(self.beta1);
        let rate = T::from_f64(step.learning_rate / (1.0 - libm::pow(beta1, step.t)));
        let correction = T::from_f64((1.0 - libm::pow(self.beta2, step.t)).sqrt());
        let (rest1, beta2) = (T::from_f64(1.0 - beta1), T::from_f64(self.beta2));
        let (rest2, epsilon) = (T::from_f64(1.0 - self.beta2), T::from_f64(self.epsilon));
        let moments = means.iter_mut().zip(squares);
        if self.amsgrad {
            for (((p, &g), (m, v)), most) in params.iter_mut().zip(gradient).zip(moments).zip(largest) {
                *m += rest1 * (g - *m);
                *v = beta2 * *v + rest2 * g * g;
                *most = most.maximum(*v);
                *p -= rate * *m / (most.sqrt() / correction + epsilon);
            }
        } else {
            for ((p, &g), (m, v)) in params.iter_mut().zip(gradient).zip(moments) {
                *m += rest1 * (g - *m);
                *v = beta2 * *v + rest2 * g * g;
                *p -= rate * *m / (v.sqrt() / correction + epsilon);
            }
        }
    }
}
