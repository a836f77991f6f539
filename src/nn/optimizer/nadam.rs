//! NAdam (Dozat 2016; torch/optim/nadam.py), with the product of the momenta in f64.

use super::{Element, Rule, SLOTS, Step};
use crate::num::Real;

/// Adam with Nesterov's look-ahead: μ_t = β₁ (1 - ½ · 0.96^(tψ));
/// θ -= lr (1-μ_t)/(1-Πμ) · g/d + lr μ_{t+1}/(1-Πμ·μ_{t+1}) · m/d with d = √(v/(1-β₂ᵗ)) + ε.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nadam {
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
    /// ψ.
    pub momentum_decay: f64,
}

impl Default for Nadam {
    fn default() -> Self {
        Nadam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 4e-3 }
    }
}

impl Nadam {
    fn momentum(&self, beta1: f64, t: f64) -> f64 {
        beta1 * (1.0 - 0.5 * libm::pow(0.96, t * self.momentum_decay))
    }
}

impl Rule for Nadam {
    type Element<T: Real> = Of<T>;

    fn slots(&self) -> usize {
        2
    }

    /// Πμ, the product of all momenta so far.
    fn memory(&self, step: Option<&Step>) -> f64 {
        step.map_or(1.0, |step| step.memory * self.momentum(step.momentum.unwrap_or(self.beta1), step.t))
    }

    fn element<T: Real>(&self, step: &Step) -> Of<T> {
        let beta1 = step.momentum.unwrap_or(self.beta1);
        let (now, next) = (self.momentum(beta1, step.t), self.momentum(beta1, step.t + 1.0));
        let product = self.memory(Some(step));
        Of {
            of_gradient: T::from_f64(step.learning_rate * (1.0 - now) / (1.0 - product)),
            of_mean: T::from_f64(step.learning_rate * next / (1.0 - product * next)),
            correction: T::from_f64(1.0 / (1.0 - libm::pow(self.beta2, step.t))),
            rest1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
            epsilon: T::from_f64(self.epsilon),
        }
    }
}

/// Its numbers for a step.
#[derive(Clone, Copy)]
pub(super) struct Of<T> {
    of_gradient: T,
    of_mean: T,
    /// 1/(1-β₂ᵗ).
    correction: T,
    rest1: T,
    beta2: T,
    rest2: T,
    epsilon: T,
}

impl<T: Real> Element<T> for Of<T> {
    #[inline(always)]
    fn step(self, p: T, g: T, [m, v, _]: &mut [T; SLOTS]) -> T {
        *m = self.rest1.mul_add(g - *m, *m);
        *v = (self.rest2 * g).mul_add(g, self.beta2 * *v);
        let divisor = (*v * self.correction).sqrt() + self.epsilon;
        p - self.of_mean.mul_add(*m, self.of_gradient * g) / divisor
    }
}
