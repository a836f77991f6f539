//! Adam and AMSGrad (Kingma and Ba 2015; Reddi and others 2018; torch/optim/adam.py). AdamW is the same step after decoupled decay.

use super::{Element, Rule, SLOTS, Step};
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
    type Element<T: Real> = Of<T>;

    fn slots(&self) -> usize {
        if self.amsgrad { 3 } else { 2 }
    }

    fn element<T: Real>(&self, step: &Step) -> Of<T> {
        let beta1 = step.momentum.unwrap_or(self.beta1);
        Of {
            rate: T::from_f64(step.learning_rate / (1.0 - libm::pow(beta1, step.t))),
            correction: T::from_f64(1.0 / (1.0 - libm::pow(self.beta2, step.t)).sqrt()),
            rest1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
            epsilon: T::from_f64(self.epsilon),
            amsgrad: self.amsgrad,
        }
    }
}

/// Its numbers for a step.
#[derive(Clone, Copy)]
pub(super) struct Of<T> {
    rate: T,
    /// 1/√(1-β₂ᵗ): one division fewer for each element.
    correction: T,
    rest1: T,
    beta2: T,
    rest2: T,
    epsilon: T,
    amsgrad: bool,
}

impl<T: Real> Element<T> for Of<T> {
    #[inline(always)]
    fn step(self, p: T, g: T, [m, v, most]: &mut [T; SLOTS]) -> T {
        *m = self.rest1.mul_add(g - *m, *m);
        *v = (self.rest2 * g).mul_add(g, self.beta2 * *v);
        *most = if self.amsgrad { most.maximum(*v) } else { *v };
        p - self.rate * *m / most.sqrt().mul_add(self.correction, self.epsilon)
    }
}
