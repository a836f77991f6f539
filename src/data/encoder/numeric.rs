//! One feature from a number: what stands in for a missing one, and how it is scaled. Both learned from the training part.

use serde::{Deserialize, Serialize};

use super::plan::{Clip, MissingNumber, NumericScale};
use crate::data::Cell;
use crate::data::parse::parse_number;
use crate::num::{Pass, Real, run};

/// Points of a quantile scale.
const QUANTILES: usize = 1001;

/// A fitted numeric input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NumericInput {
    scale: Scale,
    /// Numbers end here, before scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<(f64, f64)>,
    /// Stands in for a missing value, before scaling.
    fill: f64,
    pub(super) indicator: bool,
    /// The training part holds one value only.
    pub(super) constant: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scale {
    /// (x − shift) / divisor
    Linear { shift: f64, divisor: f64 },
    /// The rank among these ascending points, onto [−1, 1].
    Quantile { points: Vec<f64> },
}

impl NumericInput {
    /// Learns from the values that are not missing.
    pub(super) fn fit(
        mut values: Vec<f64>,
        scale: NumericScale,
        missing: MissingNumber,
        indicator: bool,
        clip: Clip,
    ) -> NumericInput {
        let ranks = matches!(scale, NumericScale::Robust | NumericScale::Quantile)
            || missing == MissingNumber::Median
            || clip != Clip::None;
        if ranks {
            sort(&mut values);
        }
        let ends = ends(&values, clip);
        if let Some((low, high)) = ends {
            values.iter_mut().for_each(|x| *x = x.clamp(low, high));
        }
        let (min, max) = extremes(&values);
        let (mean, std) = moments(&values);
        let linear = |shift: f64, divisor: f64| Scale::Linear {
            shift,
            divisor: if divisor > 0.0 { divisor.min(f64::MAX) } else { 1.0 },
        };
        let fitted = match scale {
            NumericScale::None => linear(0.0, 1.0),
            NumericScale::Standardize => linear(mean, std),
            // Halves first: the range of finite numbers may itself overflow.
            NumericScale::MinMax => linear(min / 2.0 + max / 2.0, max / 2.0 - min / 2.0),
            NumericScale::Robust => linear(quantile(&values, 0.5), quantile(&values, 0.75) - quantile(&values, 0.25)),
            NumericScale::Quantile => {
                let points = values.len().min(QUANTILES);
                let at = |i: usize| quantile(&values, i as f64 / (points.max(2) - 1) as f64);
                Scale::Quantile { points: (0..points).map(at).collect() }
            }
        };
        let fill = match missing {
            MissingNumber::Mean => mean,
            MissingNumber::Median => quantile(&values, 0.5),
            MissingNumber::Constant(x) => x,
        };
        NumericInput { scale: fitted, ends, fill, indicator, constant: min == max }
    }

    pub(super) fn width(&self) -> usize {
        1 + usize::from(self.indicator)
    }

    /// The scaled value and, where asked for, whether it was missing.
    pub(super) fn encode(&self, value: Option<f64>) -> (f64, Option<f64>) {
        let within = |x: f64| self.ends.map_or(x, |(low, high)| if x < low { low } else { x.min(high) });
        let x = value.map_or(self.fill, within);
        let missing = self.indicator.then_some(if value.is_none() { 1.0 } else { 0.0 });
        (self.scale.apply(x), missing)
    }
}

impl NumericInput {
    /// Encodes some values of a column into every `stride`-th number of `to`. Tells of each that is too large for `T`, by its place among
    /// `rows` and as it was scaled.
    pub(super) fn write<T: Real>(
        &self,
        values: &[f64],
        rows: &[u32],
        to: &mut [T],
        stride: usize,
        mut too_large: impl FnMut(usize, f64),
    ) {
        if let (Scale::Linear { shift, divisor }, None, false) = (&self.scale, self.ends, self.indicator) {
            let mut finite = true;
            for (row, to) in rows.iter().zip(to.iter_mut().step_by(stride)) {
                let x = values[*row as usize];
                let x = if x.is_nan() { self.fill } else { x };
                *to = T::from_f64((x - shift) / divisor);
                finite &= to.is_finite();
            }
            if finite {
                return;
            }
        }
        for (at, row) in rows.iter().enumerate() {
            let x = values[*row as usize];
            let (scaled, missing) = self.encode((!x.is_nan()).then_some(x));
            let encoded = T::from_f64(scaled);
            to[at * stride] = encoded;
            if !encoded.is_finite() {
                too_large(at, scaled);
            }
            if let Some(missing) = missing {
                to[at * stride + 1] = T::from_f64(missing);
            }
        }
    }
}

impl Scale {
    fn apply(&self, x: f64) -> f64 {
        match self {
            // The difference of finite numbers may overflow, the difference of quotients then does not.
            Scale::Linear { shift, divisor } => {
                let centred = x - shift;
                if centred.is_finite() { centred / divisor } else { x / divisor - shift / divisor }
            }
            Scale::Quantile { points } => {
                if points.len() < 2 {
                    return 0.0;
                }
                let below = points.partition_point(|p| *p < x);
                let through = points.partition_point(|p| *p <= x);
                let rank = if through > below {
                    // The middle of a run of equal points.
                    (below + through - 1) as f64 / 2.0
                } else if below == 0 {
                    0.0
                } else if below == points.len() {
                    (points.len() - 1) as f64
                } else {
                    let (left, right) = (points[below - 1], points[below]);
                    (below - 1) as f64 + (x / 2.0 - left / 2.0) / (right / 2.0 - left / 2.0)
                };
                2.0 * rank / (points.len() - 1) as f64 - 1.0
            }
        }
    }
}

/// Where numbers end, learned from ascending ones; an end that overflows is none.
fn ends(sorted: &[f64], clip: Clip) -> Option<(f64, f64)> {
    let (low, high) = match clip {
        Clip::None => return None,
        Clip::Quantile { low, high } => (quantile(sorted, low), quantile(sorted, high)),
        Clip::Std { times } => {
            let (mean, std) = moments(sorted);
            (mean - times * std, mean + times * std)
        }
    };
    (!sorted.is_empty() && low <= high).then(|| (low.max(f64::MIN), high.min(f64::MAX)))
}

/// Mean and standard deviation (divided by n) of finite numbers; the deviation of equal numbers is exactly 0.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let Some(&first) = values.first() else { return (0.0, 0.0) };
    if values.iter().all(|x| *x == first) {
        return (first, 0.0);
    }
    let n = values.len() as f64;
    // Twice over the data: one pass loses the deviation of numbers that are far from 0.
    let (mean, std) = moments_in(values, n, |x| x);
    if mean.is_finite() && std.is_finite() {
        return (mean, std);
    }
    // Numbers whose sum or squares overflow; a power of two as unit costs no digits.
    let unit = f64::from_bits(0x7fd0_0000_0000_0000);
    let (mean, std) = moments_in(values, n, |x| x / unit);
    (mean * unit, (std * unit).min(f64::MAX))
}

#[inline]
fn moments_in(values: &[f64], n: f64, in_unit: impl Fn(f64) -> f64) -> (f64, f64) {
    let mean = striped(values, &in_unit) / n;
    let mean = mean + striped(values, |x| in_unit(x) - mean) / n;
    let variance = striped(values, |x| (in_unit(x) - mean) * (in_unit(x) - mean)) / n;
    (mean, variance.sqrt())
}

/// A sum in 16 striped lanes and a fixed tree: fast, and the same bits on every machine.
pub(crate) fn striped(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    run(Striped { values, start: 0.0, step: |lane, x| lane + term(x), join: |low, high| low + high })
}

/// Goes over numbers in 16 lanes, then joins these.
struct Striped<'a, S, J> {
    values: &'a [f64],
    /// Where each lane starts.
    start: f64,
    /// A lane and a number make the lane's next.
    step: S,
    join: J,
}

impl<S: Fn(f64, f64) -> f64, J: Fn(f64, f64) -> f64> Pass for Striped<'_, S, J> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut lanes = [self.start; 16];
        let (chunks, rest) = self.values.as_chunks::<16>();
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = (self.step)(*lane, *x));
        }
        lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane = (self.step)(*lane, *x));
        for half in [8, 4, 2, 1] {
            let (low, high) = lanes.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low = (self.join)(*low, *high));
        }
        lanes[0]
    }
}

/// The least and the largest number; zeros where there are none.
fn extremes(values: &[f64]) -> (f64, f64) {
    let Some(&start) = values.first() else { return (0.0, 0.0) };
    let least = |a: f64, b: f64| if b < a { b } else { a };
    let largest = |a: f64, b: f64| if b > a { b } else { a };
    let min = run(Striped { values, start, step: least, join: least });
    (min, run(Striped { values, start, step: largest, join: largest }))
}

/// Sorts finite numbers ascending: as whole numbers in the same order, which is several times as fast.
pub(crate) fn sort(values: &mut [f64]) {
    // Bits in two's complement but for the sign: negative numbers are turned around.
    let turned = |bits: u64| bits ^ (((bits as i64 >> 63) as u64) >> 1);
    let mut keys: Vec<i64> = values.iter().map(|x| turned(x.to_bits()) as i64).collect();
    keys.sort_unstable();
    values.iter_mut().zip(keys).for_each(|(x, key)| *x = f64::from_bits(turned(key as u64)));
}

/// The value below which the share `q` of ascending numbers lies, linearly interpolated (numpy's default); 0 where there are none.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = q * last as f64;
    let left = (place.floor() as usize).min(last);
    let right = (left + 1).min(last);
    let share = place - left as f64;
    if share == 0.0 { sorted[left] } else { sorted[left] * (1.0 - share) + sorted[right] * share }
}

/// The number in a cell, `None` where it is missing.
///
/// # Errors
/// What was expected and found, where it is no number.
pub(super) fn number(cell: Cell<'_>) -> Result<Option<f64>, String> {
    match cell {
        Cell::Missing => Ok(None),
        Cell::Number(x) if x.is_finite() => Ok(Some(x)),
        Cell::Raw(text) => match parse_number(text.as_bytes(), b'.') {
            Some(x) => Ok(Some(x)),
            None if text.trim().is_empty() => Ok(None),
            None => Err(format!("expected a number, got {}", cell.describe())),
        },
        other => Err(format!("expected a number, got {}", other.describe())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(values: &[f64], scale: NumericScale, x: f64) -> f64 {
        NumericInput::fit(values.to_vec(), scale, MissingNumber::Mean, false, Clip::None).encode(Some(x)).0
    }

    #[test]
    fn each_scale_computes_what_it_says() {
        let values = [1.0, 2.0, 3.0, 6.0];
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(scaled(&values, NumericScale::None, 5.0), 5.0);
        close(scaled(&values, NumericScale::Standardize, 5.0), 2.0 / 3.5_f64.sqrt());
        close(scaled(&values, NumericScale::MinMax, 1.0), -1.0);
        close(scaled(&values, NumericScale::MinMax, 6.0), 1.0);
        close(scaled(&values, NumericScale::Robust, 2.5), 0.0);
        close(scaled(&values, NumericScale::Robust, 6.0), 3.5 / 2.0);
        close(scaled(&values, NumericScale::Quantile, 2.0), -1.0 / 3.0);
        close(scaled(&values, NumericScale::Quantile, 4.5), 2.0 * 2.5 / 3.0 - 1.0);
        close(scaled(&values, NumericScale::Quantile, 99.0), 1.0);
        close(scaled(&[1.0, 5.0, 5.0, 5.0, 9.0], NumericScale::Quantile, 5.0), 0.0);
    }

    #[test]
    fn a_constant_column_is_only_shifted_and_extreme_numbers_stay_finite() {
        for scale in [NumericScale::Standardize, NumericScale::MinMax, NumericScale::Robust, NumericScale::Quantile] {
            assert_eq!(scaled(&[0.1; 7], scale, 0.1), 0.0, "{scale:?}");
            assert!(scaled(&[], scale, 3.0).is_finite());
            for x in [1e308, -1e308] {
                assert!(scaled(&[1e308, -1e308, 1e308], scale, x).is_finite(), "{scale:?}");
            }
        }
    }

    #[test]
    fn a_missing_number_is_filled_before_it_is_scaled() {
        let fit = |missing| {
            NumericInput::fit(vec![0.0, 0.0, 9.0], NumericScale::None, missing, true, Clip::None).encode(None)
        };
        assert_eq!(fit(MissingNumber::Mean), (3.0, Some(1.0)));
        assert_eq!(fit(MissingNumber::Median), (0.0, Some(1.0)));
        assert_eq!(fit(MissingNumber::Constant(-1.0)), (-1.0, Some(1.0)));
    }

    #[test]
    fn what_lies_far_out_is_brought_in_before_anything_is_learned() {
        let mut values: Vec<f64> = (0..=100).map(f64::from).collect();
        values[100] = 1e9;
        let fit = |scale, clip| NumericInput::fit(values.clone(), scale, MissingNumber::Mean, false, clip);
        let quantile = fit(NumericScale::MinMax, Clip::Quantile { low: 0.05, high: 0.95 });
        for (x, expected) in [(-7.0, -1.0), (5.0, -1.0), (50.0, 0.0), (95.0, 1.0), (1e300, 1.0)] {
            assert_eq!(quantile.encode(Some(x)).0, expected, "{x}");
        }
        let filled = fit(NumericScale::None, Clip::Quantile { low: 0.0, high: 0.95 }).encode(None).0;
        assert!((filled - 5035.0 / 101.0).abs() < 1e-12, "the mean of what was brought in: {filled}");
        let of_one =
            |clip| NumericInput::fit(vec![1.0, 2.0, 3.0], NumericScale::None, MissingNumber::Mean, false, clip);
        let std = of_one(Clip::Std { times: 0.5 });
        assert!((std.encode(Some(9.0)).0 - (2.0 + 0.5 * (2.0_f64 / 3.0).sqrt())).abs() < 1e-12);
        assert_eq!(std.encode(Some(2.25)).0, 2.25);
        for clip in [Clip::Std { times: 1e308 }, Clip::Quantile { low: 0.1, high: 0.9 }] {
            let extreme =
                NumericInput::fit(vec![1e308, -1e308], NumericScale::Standardize, MissingNumber::Mean, false, clip);
            assert!(extreme.encode(Some(1e308)).0.is_finite());
            let empty = NumericInput::fit(Vec::new(), NumericScale::Standardize, MissingNumber::Mean, false, clip);
            assert_eq!(empty.encode(Some(3.0)).0, 3.0);
        }
    }
}
