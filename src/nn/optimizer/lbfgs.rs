//! L-BFGS over the full batch with a strong Wolfe line search (Nocedal and Wright, algorithms 7.4, 7.5, 3.5 and 3.6; torch/optim/lbfgs.py).
//!
//! Not an element-wise method: a step evaluates the objective several times, so it is called with the objective itself and not with a gradient.

use super::{Method, State};
use crate::nn::layout::Layout;
use crate::num::{Real, reduce, slices};

/// Limited-memory BFGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lbfgs {
    /// Past steps that the curvature is estimated from.
    pub history: usize,
    /// Iterations of one step, which is one epoch.
    pub max_iterations: usize,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Lbfgs { history: 10, max_iterations: 20 }
    }
}

/// Sufficient decrease and curvature of the Wolfe conditions; evaluations of one line search.
const C1: f64 = 1e-4;
const C2: f64 = 0.9;
const EVALUATIONS: usize = 25;
/// The slope along which nothing is left to gain, as a largest element.
const FLAT: f64 = 1e-9;

/// History: `history` changes of the parameters, then as many of the gradient, rings both. Scalars: pairs in the rings, place of the next one, scale of the first
/// guess of the curvature.
pub(super) fn state<T: Real>(method: &Method, layout: &Layout) -> State<T> {
    let Method::Lbfgs(lbfgs) = method else { return State::default() };
    State { slots: vec![vec![T::ZERO; layout.len()]; 2 * lbfgs.history], scalars: vec![0.0, 0.0, 1.0] }
}

/// A point on the search line: how far, the objective, and its slope along the line.
#[derive(Clone, Copy, Debug)]
struct Point {
    far: f64,
    value: f64,
    slope: f64,
}

impl Lbfgs {
    /// Takes up to `max_iterations` iterations. `gradient` holds the slope at `parameters` with the objective `value`; both hold at the end what belongs to the new
    /// parameters. `objective(parameters, gradient)` evaluates. Returns the objective at the end; it is not above `value`.
    pub fn step<T: Real>(
        &self,
        learning_rate: f64,
        parameters: &mut [T],
        gradient: &mut [T],
        mut value: f64,
        state: &mut State<T>,
        objective: &mut dyn FnMut(&[T], &mut [T]) -> f64,
    ) -> f64 {
        // Room of one step, not of each evaluation: a step is an epoch.
        let (mut direction, mut start, mut start_gradient) =
            (gradient.to_vec(), parameters.to_vec(), gradient.to_vec());
        for _ in 0..self.max_iterations {
            if !value.is_finite() || reduce::max_absolute(gradient).to_f64() <= FLAT {
                break;
            }
            self.direction(gradient, state, &mut direction);
            let mut slope = reduce::dot(gradient, &direction).to_f64();
            if slope >= 0.0 {
                // Rounding has spoiled the history: begin anew, downhill.
                state.scalars.copy_from_slice(&[0.0, 0.0, 1.0]);
                self.direction(gradient, state, &mut direction);
                slope = reduce::dot(gradient, &direction).to_f64();
            }
            let first = state.scalars[0] == 0.0;
            let sum = reduce::sum_of_absolutes(gradient).to_f64();
            let far = if first { (1.0 / sum).min(1.0) * learning_rate } else { learning_rate };
            start.copy_from_slice(parameters);
            start_gradient.copy_from_slice(gradient);
            let mut at = |far: f64, parameters: &mut [T], gradient: &mut [T]| {
                let far_t = T::from_f64(far);
                for ((p, &s), &d) in parameters.iter_mut().zip(&start).zip(&direction) {
                    *p = far_t.mul_add(d, s);
                }
                let value = objective(parameters, gradient);
                Point { far, value, slope: reduce::dot(gradient, &direction).to_f64() }
            };
            let origin = Point { far: 0.0, value, slope };
            let found = search(origin, far, |far| at(far, parameters, gradient));
            let Some((best, latest)) = found.filter(|(best, _)| best.value < value) else {
                // No point along the line is better: stay, with the gradient that belongs here.
                parameters.copy_from_slice(&start);
                gradient.copy_from_slice(&start_gradient);
                break;
            };
            if best.far != latest {
                at(best.far, parameters, gradient);
            }
            value = best.value;
            self.remember(&start, parameters, &start_gradient, gradient, state);
        }
        value
    }

    /// The two loops of algorithm 7.4: minus the inverse curvature times the gradient.
    fn direction<T: Real>(&self, gradient: &[T], state: &State<T>, direction: &mut [T]) {
        let (count, next) = (state.scalars[0] as usize, state.scalars[1] as usize);
        let (changes, slopes) = state.slots.split_at(self.history);
        let place = |age: usize| (next + self.history - 1 - age) % self.history;
        direction.iter_mut().zip(gradient).for_each(|(d, &g)| *d = -g);
        let mut shares = vec![T::ZERO; count];
        for age in 0..count {
            let (s, y) = (&changes[place(age)], &slopes[place(age)]);
            shares[age] = reduce::dot(s, direction) / reduce::dot(y, s);
            slices::add_scaled(direction, -shares[age], y);
        }
        let scale = T::from_f64(state.scalars[2]);
        slices::scale(direction, scale);
        for age in (0..count).rev() {
            let (s, y) = (&changes[place(age)], &slopes[place(age)]);
            let share = reduce::dot(y, direction) / reduce::dot(y, s);
            slices::add_scaled(direction, shares[age] - share, s);
        }
    }

    /// Keeps the pair of changes where it shows a positive curvature.
    fn remember<T: Real>(&self, from: &[T], to: &[T], slope_from: &[T], slope_to: &[T], state: &mut State<T>) {
        if self.history == 0 {
            return;
        }
        let next = state.scalars[1] as usize;
        let (changes, slopes) = state.slots.split_at_mut(self.history);
        let (s, y) = (&mut changes[next], &mut slopes[next]);
        s.iter_mut().zip(to).zip(from).for_each(|((s, &to), &from)| *s = to - from);
        y.iter_mut().zip(slope_to).zip(slope_from).for_each(|((y, &to), &from)| *y = to - from);
        let curvature = reduce::dot(s, y).to_f64();
        if curvature <= 1e-10 * reduce::sum_of_squares(s).to_f64() {
            // The place is written again next time; the oldest pair is lost with it where the ring was full.
            state.scalars[0] = state.scalars[0].min(self.history as f64 - 1.0);
            return;
        }
        state.scalars[2] = curvature / reduce::sum_of_squares(y).to_f64();
        state.scalars[1] = ((next + 1) % self.history) as f64;
        state.scalars[0] = (state.scalars[0] + 1.0).min(self.history as f64);
    }
}

/// Algorithm 3.5: a point that meets the strong Wolfe conditions, or the best seen; with how far the latest evaluation was. `None` where every point is worse.
fn search(origin: Point, first: f64, mut at: impl FnMut(f64) -> Point) -> Option<(Point, f64)> {
    let enough = |point: &Point| point.value <= origin.value + C1 * point.far * origin.slope;
    let flat = |point: &Point| point.slope.abs() <= -C2 * origin.slope;
    let mut best: Option<Point> = None;
    let mut before = origin;
    let mut far = first;
    let mut left = EVALUATIONS;
    let mut latest = f64::NAN;
    let (mut low, mut high) = loop {
        if left == 0 {
            return best.map(|best| (best, latest));
        }
        left -= 1;
        let point = at(far);
        latest = far;
        if point.value.is_finite() && best.is_none_or(|best| point.value < best.value) {
            best = Some(point);
        }
        if !point.value.is_finite() || !point.slope.is_finite() {
            // Too far: the objective has no value there. Halfway back.
            far = 0.5 * (far + before.far);
            continue;
        }
        if !enough(&point) || (before.far > 0.0 && point.value >= before.value) {
            break (before, point);
        }
        if flat(&point) {
            return Some((point, point.far));
        }
        if point.slope >= 0.0 {
            break (point, before);
        }
        far = point.far + (point.far - before.far).max(point.far) * 1.5;
        before = point;
    };
    // Algorithm 3.6: between a low point that is good enough so far and a high one.
    while left > 0 && (high.far - low.far).abs() * origin.slope.abs() > 1e-14 * origin.value.abs() {
        left -= 1;
        let point = at(between(low, high));
        latest = point.far;
        if point.value.is_finite() && best.is_none_or(|best| point.value < best.value) {
            best = Some(point);
        }
        if !enough(&point) || point.value >= low.value || point.value.is_nan() {
            high = point;
        } else {
            if flat(&point) {
                return Some((point, point.far));
            }
            if point.slope * (high.far - low.far) >= 0.0 {
                high = low;
            }
            low = point;
        }
    }
    best.map(|best| (best, latest))
}

/// The minimum of the cubic through both points (equation 3.59), kept a tenth away from either end.
fn between(low: Point, high: Point) -> f64 {
    let (near, wide) = if low.far < high.far { (low, high) } else { (high, low) };
    let width = wide.far - near.far;
    let d1 = near.slope + wide.slope - 3.0 * (near.value - wide.value) / (near.far - wide.far);
    let root = d1 * d1 - near.slope * wide.slope;
    let cubic = if root >= 0.0 {
        let d2 = root.sqrt();
        wide.far - width * ((wide.slope + d2 - d1) / (wide.slope - near.slope + 2.0 * d2))
    } else {
        f64::NAN
    };
    let inside = cubic.clamp(near.far + 0.1 * width, wide.far - 0.1 * width);
    if inside.is_finite() { inside } else { near.far + 0.5 * width }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::layout::Role;

    /// Rosenbrock's valley in `x.len()` dimensions.
    fn valley(x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut value = 0.0;
        for i in 0..x.len() - 1 {
            let (a, b) = (1.0 - x[i], x[i + 1] - x[i] * x[i]);
            value += a * a + 100.0 * b * b;
            gradient[i] += -2.0 * a - 400.0 * x[i] * b;
            gradient[i + 1] += 200.0 * b;
        }
        value
    }

    fn start() -> (Layout, Vec<f64>, Vec<f64>, f64) {
        let mut layout = Layout::default();
        layout.push("x", Role::Weight, &[6]);
        let x = vec![-1.2, 1.0, -0.5, 0.8, 1.5, -1.0];
        let mut gradient = vec![0.0; 6];
        let value = valley(&x, &mut gradient);
        (layout, x, gradient, value)
    }

    #[test]
    fn the_floor_of_a_curved_valley_is_found() {
        let (layout, mut x, mut gradient, mut value) = start();
        let lbfgs = Lbfgs::default();
        let mut state = state(&Method::Lbfgs(lbfgs), &layout);
        let mut evaluations = 0;
        for _ in 0..5 {
            let before = value;
            value = lbfgs.step(1.0, &mut x, &mut gradient, value, &mut state, &mut |x, g| {
                evaluations += 1;
                valley(x, g)
            });
            assert!(value <= before, "a step never climbs");
        }
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-7), "{x:?} after {evaluations} evaluations");
        assert!(evaluations < 200, "{evaluations}");
    }

    #[test]
    fn two_short_steps_are_one_long_one() {
        let run = |iterations: &[usize]| {
            let (layout, mut x, mut gradient, mut value) = start();
            let mut state = state(&Method::Lbfgs(Lbfgs::default()), &layout);
            for &max_iterations in iterations {
                let lbfgs = Lbfgs { history: 10, max_iterations };
                value = lbfgs.step(1.0, &mut x, &mut gradient, value, &mut state, &mut valley);
            }
            x
        };
        assert_eq!(run(&[5, 7]), run(&[12]));
    }

    #[test]
    fn a_wild_objective_is_left_where_it_was_best() {
        let (layout, mut x, mut gradient, value) = start();
        let lbfgs = Lbfgs::default();
        let mut state = state(&Method::Lbfgs(lbfgs), &layout);
        let from = x.clone();
        let end = lbfgs.step(1.0, &mut x, &mut gradient, value, &mut state, &mut |_, g| {
            g.fill(f64::NAN);
            f64::NAN
        });
        assert_eq!((end, x), (value, from));
        assert!(gradient.iter().all(|g| g.is_finite()));
    }
}
