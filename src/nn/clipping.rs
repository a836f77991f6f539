//! What is done to gradients before a step and to weights after it: clipping, max-norm, the proximal step of L1. Not the optimizers.

use super::layout::{Layout, Role};
use crate::num::Real;
use crate::num::reduce::sum_of_squares;

/// How large gradients are cut, before the optimizer sees them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// All elements are multiplied by `c / (norm + 1e-6)` where that is below 1 (torch's `clip_grad_norm_`).
    Norm(f64),
    /// Each element is clamped to ±c.
    Value(f64),
}

impl Clipping {
    /// Cuts a gradient whose norm is `norm`; says whether anything was cut.
    pub fn apply<T: Real>(&self, gradient: &mut [T], norm: f64) -> bool {
        match *self {
            Clipping::Norm(limit) => {
                let factor = limit / (norm + 1e-6);
                let cuts = factor < 1.0;
                if cuts {
                    let factor = T::from_f64(factor);
                    gradient.iter_mut().for_each(|g| *g *= factor);
                }
                cuts
            }
            Clipping::Value(limit) => {
                let limit = T::from_f64(limit);
                let mut cuts = false;
                for g in gradient {
                    cuts |= g.abs() > limit;
                    // NaN stays NaN: a divergence must not be hidden.
                    if *g > limit {
                        *g = limit;
                    } else if *g < -limit {
                        *g = -limit;
                    }
                }
                cuts
            }
        }
    }
}

/// Scales the incoming weights of each unit (a row of a dense weight) to a norm of at most `limit`.
pub fn max_norm<T: Real>(layout: &Layout, params: &mut [T], limit: f64) {
    for segment in layout.segments().iter().filter(|segment| segment.role == Role::Weight) {
        let width = segment.shape.get(1).copied().unwrap_or(1).max(1);
        for row in params[segment.range()].chunks_exact_mut(width) {
            let norm = sum_of_squares(row).to_f64().sqrt();
            if norm > limit {
                let factor = T::from_f64(limit / norm);
                row.iter_mut().for_each(|w| *w *= factor);
            }
        }
    }
}

/// Moves every weight towards zero by `threshold` and stops there: the proximal step of an L1 penalty, which makes exact zeros.
pub fn soft_threshold<T: Real>(weights: &mut [T], threshold: f64) {
    let threshold = T::from_f64(threshold);
    for w in weights {
        let left = w.abs() - threshold;
        *w = if !(left > T::ZERO) {
            if w.is_nan() { *w } else { T::ZERO }
        } else if *w < T::ZERO {
            -left
        } else {
            left
        };
    }
}
