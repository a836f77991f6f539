//! What is done to gradients before a step and to weights after it: clipping, max-norm, the proximal step of L1. Not the optimizers.
//!
//! All of it looks only at the rows that take part in a step, so that a large embedding table costs what a batch touches.

use std::ops::Range;

use super::layout::{Layout, Role};
use super::optimizer::Rows;
use crate::num::{Pass, Real, reduce, run, slices};

/// How large gradients are cut, before the optimizer sees them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// All elements are multiplied by `c / (norm + 1e-6)` where that is below 1 (torch's `clip_grad_norm_`).
    Norm(f64),
    /// Each element is clamped to ±c.
    Value(f64),
}

/// Calls `visit` with each run of elements that takes part in a step, in the order of the layout.
fn visit_runs<'a>(layout: &Layout, rows: &dyn Fn(usize) -> Rows<'a>, mut visit: impl FnMut(Range<usize>)) {
    for (index, segment) in layout.segments().iter().enumerate() {
        match rows(index) {
            Rows::Resting => {}
            Rows::All => visit(segment.range()),
            Rows::Touched(touched, _) => {
                let width = segment.shape.get(1).copied().unwrap_or(1);
                for &row in touched {
                    let start = segment.offset + row as usize * width;
                    visit(start..start + width);
                }
            }
        }
    }
}

/// The Euclidean norm of the gradient over what takes part in a step.
pub fn gradient_norm<'a, T: Real>(layout: &Layout, gradient: &[T], rows: &dyn Fn(usize) -> Rows<'a>) -> f64 {
    let mut squares = 0.0;
    let mut whole = 0..0;
    for (index, segment) in layout.segments().iter().enumerate() {
        match rows(index) {
            Rows::Resting => {}
            // Whole tensors that lie side by side are added up as one.
            Rows::All if whole.end == segment.offset => whole.end += segment.len(),
            Rows::All => {
                squares += reduce::sum_of_squares(&gradient[whole]).to_f64();
                whole = segment.range();
            }
            Rows::Touched(touched, _) => {
                let width = segment.shape.get(1).copied().unwrap_or(1);
                squares += reduce::sum_of_squares_of_rows(&gradient[segment.range()], width, touched);
            }
        }
    }
    squares += reduce::sum_of_squares(&gradient[whole]).to_f64();
    if !squares.is_finite() && T::BYTES == 4 {
        // Squares of finite f32 numbers fit into f64; whether the gradient itself is finite is what counts.
        squares = 0.0;
        visit_runs(layout, rows, |run| squares += gradient[run].iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>());
    }
    squares.sqrt()
}

impl Clipping {
    /// Cuts a gradient whose norm is `norm`; says whether anything was cut. A NaN stays: a divergence must not be hidden.
    pub fn apply<'a, T: Real>(
        &self,
        layout: &Layout,
        gradient: &mut [T],
        rows: &dyn Fn(usize) -> Rows<'a>,
        norm: f64,
    ) -> bool {
        match *self {
            Clipping::Norm(limit) => {
                let factor = limit / (norm + 1e-6);
                let cuts = factor < 1.0;
                if cuts {
                    let factor = T::from_f64(factor);
                    visit_runs(layout, rows, |run| slices::scale(&mut gradient[run], factor));
                }
                cuts
            }
            Clipping::Value(limit) => {
                let limit = T::from_f64(limit);
                let mut cuts = false;
                visit_runs(layout, rows, |part| cuts |= run(Clamp { x: &mut gradient[part], limit }));
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
            let norm = reduce::sum_of_squares(row).to_f64().sqrt();
            if norm > limit {
                let factor = T::from_f64(limit / norm);
                slices::scale(row, factor);
            }
        }
    }
}

/// Moves every dense weight that takes part in a step towards zero by `threshold` and stops there: the proximal step of an L1 penalty, which makes exact zeros
/// (as [`super::Penalties`], it leaves biases, norms and embedding rows free).
pub fn soft_threshold<'a, T: Real>(
    layout: &Layout,
    params: &mut [T],
    rows: &dyn Fn(usize) -> Rows<'a>,
    threshold: f64,
) {
    let threshold = T::from_f64(threshold);
    for (index, segment) in layout.segments().iter().enumerate() {
        if segment.role != Role::Weight || matches!(rows(index), Rows::Resting) {
            continue;
        }
        run(Shrink { x: &mut params[segment.range()], threshold });
    }
}

/// Cuts each element to ±limit; says whether one was cut.
struct Clamp<'a, T> {
    x: &'a mut [T],
    limit: T,
}

impl<T: Real> Pass for Clamp<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let mut cuts = false;
        for x in self.x {
            let cut = x.abs() > self.limit;
            let edge = if *x > T::ZERO { self.limit } else { -self.limit };
            *x = if cut { edge } else { *x };
            cuts |= cut;
        }
        cuts
    }
}

/// Moves each element towards zero, and no further.
struct Shrink<'a, T> {
    x: &'a mut [T],
    threshold: T,
}

impl<T: Real> Pass for Shrink<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.x {
            let left = x.abs() - self.threshold;
            let signed = if *x < T::ZERO { -left } else { left };
            let rest = if x.is_nan() { *x } else { T::ZERO };
            *x = if left > T::ZERO { signed } else { rest };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.push("w", Role::Weight, &[2, 2]);
        layout.push("b", Role::Bias, &[2]);
        layout
    }

    #[test]
    fn clipping_has_the_values_of_torch() {
        let mut layout = Layout::default();
        layout.push("w", Role::Weight, &[1, 2]);
        let all = |_: usize| Rows::All;
        let mut gradient = [3.0f64, 4.0];
        let norm = gradient_norm(&layout, &gradient, &all);
        assert_eq!(norm, 5.0);
        assert!(Clipping::Norm(1.0).apply(&layout, &mut gradient, &all, norm));
        assert!((gradient[0] - 0.59999988).abs() < 1e-8 && (gradient[1] - 0.79999984).abs() < 1e-8);
        assert!(!Clipping::Norm(5.1).apply(&layout, &mut [3.0, 4.0], &all, norm));
        let mut gradient = [3.0, f64::NAN];
        assert!(Clipping::Value(1.0).apply(&layout, &mut gradient, &all, norm));
        assert!(gradient[0] == 1.0 && gradient[1].is_nan());
    }

    #[test]
    fn the_norm_of_a_large_f32_gradient_does_not_overflow() {
        let all = |_: usize| Rows::All;
        assert!(gradient_norm(&layout(), &[1e30f32; 6], &all).is_finite());
        assert!(!gradient_norm(&layout(), &[f32::INFINITY; 6], &all).is_finite());
    }

    #[test]
    fn max_norm_scales_the_rows_that_are_too_long_and_no_bias() {
        let mut params = [3.0f64, 4.0, 0.3, 0.4, 9.0, 9.0];
        max_norm(&layout(), &mut params, 2.5);
        assert_eq!(params, [1.5, 2.0, 0.3, 0.4, 9.0, 9.0]);
    }

    #[test]
    fn the_proximal_step_stops_at_exactly_zero() {
        let mut params = [0.3f64, -0.3, 0.1, -0.1, 0.1, 5.0];
        soft_threshold(&layout(), &mut params, &|_| Rows::All, 0.2);
        assert_eq!(params.map(|w| (w * 1e9).round() / 1e9), [0.1, -0.1, 0.0, 0.0, 0.1, 5.0]);
        assert!(params[2] == 0.0 && params[3] == 0.0);
    }
}
