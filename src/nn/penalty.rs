//! Penalties on the weights, part of the objective: L1, L2 and both (elastic net). Weights of dense layers alone: biases, norms and embedding rows stay free.

use crate::num::{Pass, Real, reduce, run};

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
        #[cfg(test)]
        let (l1, l2) = {
            let factor = T::from_f64(super::fault::factor(super::fault::Site::Penalty));
            (l1 * factor, l2 * factor)
        };
        for segment in layout.segments().iter().filter(|segment| segment.role == Role::Weight) {
            let (weights, slopes) = (&parameters[segment.range()], &mut gradient[segment.range()]);
            if self.l1 != 0.0 || self.l2 != 0.0 {
                run(AddSlope { weights, slopes, l1, l2 });
            }
        }
    }
}

struct AddSlope<'a, T> {
    weights: &'a [T],
    slopes: &'a mut [T],
    l1: T,
    l2: T,
}

impl<T: Real> Pass for AddSlope<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (slope, &weight) in self.slopes.iter_mut().zip(self.weights) {
            *slope = self.l2.mul_add(weight, *slope) + self.l1 * sign(weight);
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
