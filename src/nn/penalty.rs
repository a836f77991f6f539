//! Penalties on the weights, part of the objective: L1, L2 and both (elastic net). Weights of dense layers alone: biases, norms and embedding rows stay free.

use crate::num::{Real, reduce};

use super::layout::{Layout, Role};

/// Factors of the penalties; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalties {
    /// λ of λ ‖W‖₁. The slope at 0 is 0.
    pub l1: f64,
    /// λ of λ/2 ‖W‖².
    pub l2: f64,
}

impl Penalties {
    /// The penalty of these parameters.
    pub fn value<T: Real>(&self, layout: &Layout, parameters: &[T]) -> f64 {
        let mut total = 0.0;
        if self.l1 == 0.0 && self.l2 == 0.0 {
            return total;
        }
        for segment in layout.segments().iter().filter(|segment| segment.role == Role::Weight) {
            let weights = &parameters[segment.range()];
            if self.l2 != 0.0 {
                total += 0.5 * self.l2 * reduce::sum_of_squares(weights).to_f64();
            }
            if self.l1 != 0.0 {
                total += self.l1 * reduce::sum_of_absolutes(weights).to_f64();
            }
        }
        total
    }

    /// Adds the slope of the penalty to `gradient`.
    pub fn add_gradient<T: Real>(&self, layout: &Layout, parameters: &[T], gradient: &mut [T]) {
        let (l1, l2) = (T::from_f64(self.l1), T::from_f64(self.l2));
        for segment in layout.segments().iter().filter(|segment| segment.role == Role::Weight) {
            let pairs = gradient[segment.range()].iter_mut().zip(&parameters[segment.range()]);
            match (self.l1 != 0.0, self.l2 != 0.0) {
                (false, false) => {}
                (false, true) => pairs.for_each(|(g, &w)| *g = l2.mul_add(w, *g)),
                (true, _) => pairs.for_each(|(g, &w)| *g = l2.mul_add(w, *g) + l1 * sign(w)),
            }
        }
    }
}

/// -1, 0 or 1.
#[inline(always)]
pub(super) fn sign<T: Real>(x: T) -> T {
    if x > T::ZERO {
        T::ONE
    } else if x < T::ZERO {
        -T::ONE
    } else {
        T::ZERO
    }
}
