//! AdaDelta (Zeiler 2012; torch/optim/adadelta.py): epsilon inside both roots.

use super::{Rule, SLOTS, Step};
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
    fn slots(&self) -> usize {
        2
    }

    fn update<T: Real>(&self, step: &Step, params: &mut [T], gradient: &[T], [squares, steps, _]: [&mut [T]; SLOTS]) {
        let rate = T::from_f64(step.learning_rate);
        let (rho, rest) = (T::from_f64(self.rho), T::from_f64(1.0 - self.rho));
        let epsilon = T::from_f64(self.epsilon);
        for (((p, &g), v), a) in params.iter_mut().zip(gradient).zip(squares).zip(steps) {
            *v = rho * *v + rest * g * g;
            let delta = (*a + epsilon).sqrt() / (*v + epsilon).sqrt() * g;
            *a = rho * *a + rest * delta * delta;
            *p -= rate * delta;
        }
    }
}
