//! AdaDelta (Zeiler 2012; torch/optim/adadelta.py): epsilon inside both roots.

use super::{Element, Rule, SLOTS, Step};
use crate::num::Real;

/// v = ρv + (1-ρ) g²; Δ = √(a + ε) / √(v + ε) · g; a = ρa + (1-ρ) Δ²; θ -= lr · Δ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// ρ.
    pub rho: f64,
    /// ε.
    pub epsilon: f64,
}

impl Default for Adadelta {
    fn default() -> Self {
        Adadelta { rho: 0.9, epsilon: 1e-6 }
    }
}

impl Rule for Adadelta {
    type Element<T: Real> = Of<T>;

    fn slots(&self) -> usize {
        2
    }

    fn element<T: Real>(&self, step: &Step) -> Of<T> {
        Of {
            rate: T::from_f64(step.learning_rate),
            rho: T::from_f64(self.rho),
            rest: T::from_f64(1.0 - self.rho),
            epsilon: T::from_f64(self.epsilon),
        }
    }
}

/// Its numbers for a step.
#[derive(Clone, Copy)]
pub(super) struct Of<T> {
    rate: T,
    rho: T,
    rest: T,
    epsilon: T,
}

impl<T: Real> Element<T> for Of<T> {
    #[inline(always)]
    fn step(self, p: T, g: T, [v, a, _]: &mut [T; SLOTS]) -> T {
        *v = (self.rest * g).mul_add(g, self.rho * *v);
        let delta = (*a + self.epsilon).sqrt() / (*v + self.epsilon).sqrt() * g;
        *a = (self.rest * delta).mul_add(delta, self.rho * *a);
        p - self.rate * delta
    }
}
