//! One axis: its range, its ticks and how a number on it is written. Linear, or logarithmic to base ten.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::text::number;

/// An axis over finite values from `low` to `high`, `low < high`; on a logarithmic one both are positive.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// Fits an axis around `values` with about `ticks` ticks; what cannot lie on it (non-finite, or not positive on a
    /// logarithmic one) is passed over. `None` when nothing is left.
    pub(super) fn around(values: impl Iterator<Item = f64>, log: bool, margin: f64, ticks: usize) -> Option<Axis> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite() && (!log || *v > 0.0)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            return None;
        }
        let (mut from, mut to) = (place(low, log), place(high, log));
        if to - from < 1e-9 * from.abs().max(1e-300) || to <= from {
            // A single value: open the axis around it by a tenth (linear) or a tenth of a decade.
            let around = if log || from == 0.0 { 0.1 } else { (from.abs() * 0.1).max(f64::MIN_POSITIVE.sqrt()) };
            (from, to) = (from - around, to + around);
        }
        let room = (to - from) * margin;
        // Halves at both ends of the float range stay finite.
        (from, to) = ((from - room).max(-f64::MAX / 4.0), (to + room).min(f64::MAX / 4.0));
        let (low, high) = (value_at(from, log), value_at(to, log));
        let ticks = if log { log_ticks(low, high, ticks) } else { linear_ticks(low, high, ticks) };
        Some(Axis { low, high, log, ticks })
    }

    pub(super) fn contains(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// Where `value` lies between the two ends, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let (from, to) = (place(self.low, self.log), place(self.high, self.log));
        ((place(value, self.log) - from) / (to - from)).clamp(0.0, 1.0)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        start + (self.share(*value) * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let closest = self.ticks.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(f64::INFINITY, f64::min);
        // Enough digits to tell neighbours apart: 1234.5 and 1234.6 need five.
        let digits = if closest > 0.0 && closest.is_finite() && !self.log {
            ((value.abs().max(closest) / closest).log10().floor() as usize).saturating_add(2)
        } else {
            3
        };
        number(*value, digits.clamp(2, 12))
    }
}

fn place(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

fn value_at(place: f64, log: bool) -> f64 {
    if log { 10f64.powf(place.clamp(-307.0, 307.0)) } else { place }
}

/// Round values (1, 2 or 5 times a power of ten apart), about `wanted` of them.
fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(2) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= 0.8 * rough).unwrap_or(rough);
    if !(step.is_finite() && step > 0.0) {
        return vec![low, high];
    }
    let first = (low / step).ceil();
    (0..=2 * wanted)
        .map(|i| (first + i as f64) * step)
        .take_while(|tick| *tick <= high)
        // −1e-17 is what is left of 0 after such sums.
        .map(|tick| if tick.abs() < step * 1e-6 { 0.0 } else { tick })
        .collect()
}

/// Powers of ten where there are enough, else 1-2-5 within each, else round values as on a linear axis.
fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let within = |factors: &[f64], every: usize| -> Vec<f64> {
        decades
            .clone()
            .step_by(every)
            .flat_map(|d| factors.iter().map(move |f| f * 10f64.powi(d)))
            .filter(|tick| (low..=high).contains(tick))
            .collect()
    };
    let span = high.log10() - low.log10();
    if span >= wanted as f64 {
        return within(&[1.0], (span / wanted as f64).ceil() as usize);
    }
    if span >= 3.0 {
        return within(&[1.0], 1);
    }
    let fine = if span > 1.5 { within(&[1.0, 3.0], 1) } else { within(&[1.0, 2.0, 5.0], 1) };
    if fine.len() >= 3 { fine } else { linear_ticks(low, high, wanted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(linear_ticks(0.0, 200.0, 5), [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!(linear_ticks(-0.3, 0.31, 3), [-0.2, 0.0, 0.2]);
        assert_eq!(log_ticks(1e-4, 10.0, 6), [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]);
    }

    #[test]
    fn a_log_axis_over_less_than_a_decade_still_has_ticks() {
        let axis = Axis::around([0.31, 0.33].into_iter(), true, 0.05, 5).unwrap();
        assert!(axis.ticks.len() >= 3, "{axis:?}");
    }

    #[test]
    fn an_axis_over_one_value_or_extreme_values_has_a_width() {
        for values in
            [vec![0.0], vec![5.0], vec![-1e308, 1e308], vec![1e-320], vec![f64::MAX], vec![1e300, 1e300 + 1.0]]
        {
            let axis = Axis::around(values.iter().copied(), false, 0.05, 5).unwrap();
            assert!(axis.low < axis.high && axis.low.is_finite() && axis.high.is_finite(), "{values:?} {axis:?}");
        }
        assert!(Axis::around([f64::NAN, f64::INFINITY].into_iter(), false, 0.05, 5).is_none());
        assert!(Axis::around([0.0, -1.0].into_iter(), true, 0.05, 5).is_none());
        let tiny = Axis::around([5e-324, 1e308].into_iter(), true, 0.05, 5).unwrap();
        assert!(tiny.low > 0.0 && tiny.high.is_finite() && !tiny.ticks.is_empty());
    }
}
