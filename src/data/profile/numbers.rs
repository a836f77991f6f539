//! A column of numbers in memory: a few passes over it instead of sorting it. Quartiles and histogram are exact.

use std::borrow::Cow;

use super::{BINS, ColumnProfile, EXACT_DISTINCT, Histogram, Quantiles, TOP, edges, top};
use crate::data::encoder::{moments, sort, striped};
use crate::data::sketch::{Distinct, of_number};
use crate::data::table::format_number;

/// Fewer are sorted at once.
const FEW: usize = 1 << 12;
/// Bins of equal width that many numbers are counted in.
const FINE: usize = 1 << 12;

/// Fills in the profile of a column of numbers, NaN where there is none.
pub(super) fn numbers(mut profile: ColumnProfile, values: &[f64]) -> ColumnProfile {
    let missing = values.iter().filter(|x| x.is_nan()).count();
    let present: Cow<'_, [f64]> = match missing {
        0 => Cow::Borrowed(values),
        _ => Cow::Owned(values.iter().copied().filter(|x| !x.is_nan()).collect()),
    };
    profile.missing = missing as u64;
    if present.is_empty() {
        return profile;
    }
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    for &x in present.iter() {
        min = if x < min { x } else { min };
        max = if x > max { x } else { max };
    }
    let distinct = Distinct::of(EXACT_DISTINCT, present.iter().map(|x| of_number(*x)));
    (profile.distinct, profile.distinct_exact) = (distinct.count(), distinct.is_exact());
    profile.whole = Some(present.iter().all(|x| x.trunc() == *x));
    (profile.min, profile.max) = (Some(min), Some(max));
    let (mean, std) = moments(&present);
    (profile.mean, profile.std) = (Some(mean), Some(std));
    let bins = (profile.distinct as usize).clamp(1, BINS);
    let edges = edges(min, max, bins);
    let quarters = [0.25, 0.5, 0.75];
    let ranked = Ranked::new(&present, (min, max), &quarters, &edges[1..bins]);
    let [q25, q50, q75] = quarters.map(|q| ranked.quantile(q));
    profile.quantiles = Some(Quantiles { q25, q50, q75 });
    let below = |i: usize| match i {
        0 => 0,
        _ if i == bins => present.len(),
        _ => ranked.below(edges[i]),
    };
    let counts = (0..bins).map(|i| (below(i + 1) - below(i)) as u64).collect();
    profile.histogram = Some(Histogram { edges, counts });
    if profile.distinct <= TOP as u64 {
        let mut sorted = present.into_owned();
        sort(&mut sorted);
        // The runs of equal values; 0 and -0 are one.
        let runs = sorted.chunk_by(|a, b| a == b);
        profile.top = Some(top(runs.map(|run| (format_number(run[0]), run.len() as u64)).collect()));
    }
    profile
}

/// Third moment over the cubed deviation; 0 for few numbers, where it says nothing.
pub(super) fn skewness(values: &[f64], profile: &ColumnProfile) -> f64 {
    let (Some(mean), Some(std)) = (profile.mean, profile.std) else { return 0.0 };
    let n = values.len() as f64 - profile.missing as f64;
    if n < 50.0 || std <= 0.0 {
        return 0.0;
    }
    let cube = |x: f64| if x.is_nan() { 0.0 } else { ((x - mean) / std).powi(3) };
    striped(values, cube) / n
}

/// Which number has a rank, and how many lie below a bound, for ranks and bounds that are known beforehand: numbers are counted in many
/// bins of equal width, and only those that share a bin with a rank or a bound are sorted.
struct Ranked {
    /// Numbers in all.
    count: usize,
    /// Those that were kept, ascending.
    kept: Vec<f64>,
    /// The kept bins, ascending.
    runs: Vec<Run>,
    bins: Bins,
}

struct Run {
    bin: usize,
    /// Numbers in lower bins, and how many of them were kept.
    below: usize,
    kept: usize,
}

/// Which bin a number is in. Rounding keeps the order: a larger number is never in a lower bin.
struct Bins {
    min: f64,
    scale: f64,
}

impl Bins {
    #[inline]
    fn of(&self, x: f64) -> usize {
        // By way of i32, which wide registers convert to.
        (((x - self.min) * self.scale) as i32).min(FINE as i32 - 1).max(0) as usize
    }
}

impl Ranked {
    fn new(values: &[f64], (min, max): (f64, f64), quantiles: &[f64], bounds: &[f64]) -> Ranked {
        let bins = Bins { min, scale: FINE as f64 / (max - min) };
        if values.len() <= FEW || !bins.scale.is_normal() {
            let mut kept = values.to_vec();
            sort(&mut kept);
            let runs = vec![Run { bin: 0, below: 0, kept: 0 }];
            return Ranked { count: values.len(), kept, runs, bins: Bins { min, scale: 0.0 } };
        }
        let in_bin: Vec<u16> = values.iter().map(|x| bins.of(*x) as u16).collect();
        let mut counts = vec![0usize; FINE];
        in_bin.iter().for_each(|bin| counts[usize::from(*bin)] += 1);
        let mut wanted = vec![false; FINE];
        let mut ends = Vec::with_capacity(FINE);
        counts.iter().fold(0, |below, count| {
            ends.push(below + count);
            below + count
        });
        for q in quantiles {
            let (left, right, _) = place(*q, values.len());
            [left, right].iter().for_each(|rank| wanted[ends.partition_point(|end| end <= rank)] = true);
        }
        bounds.iter().for_each(|bound| wanted[bins.of(*bound)] = true);
        let in_wanted = values.iter().zip(&in_bin).filter(|(_, bin)| wanted[usize::from(**bin)]);
        let mut kept: Vec<f64> = in_wanted.map(|(x, _)| *x).collect();
        sort(&mut kept);
        let (mut runs, mut known) = (Vec::new(), 0);
        for bin in (0..FINE).filter(|bin| wanted[*bin]) {
            runs.push(Run { bin, below: ends[bin] - counts[bin], kept: known });
            known += counts[bin];
        }
        Ranked { count: values.len(), kept, runs, bins }
    }

    /// The number of a rank whose bin was kept.
    fn at(&self, rank: usize) -> f64 {
        let run = self.runs.partition_point(|run| run.below <= rank).saturating_sub(1);
        let place = self.runs.get(run).map_or(0, |run| rank - run.below + run.kept);
        self.kept.get(place).copied().unwrap_or(f64::NAN)
    }

    fn quantile(&self, q: f64) -> f64 {
        let (left, right, share) = place(q, self.count);
        if share == 0.0 { self.at(left) } else { self.at(left) * (1.0 - share) + self.at(right) * share }
    }

    /// How many numbers lie below a bound whose bin was kept.
    fn below(&self, bound: f64) -> usize {
        let bin = self.bins.of(bound);
        let known = self.kept.partition_point(|x| *x < bound);
        let run = self.runs.partition_point(|run| run.bin <= bin).saturating_sub(1);
        self.runs.get(run).map_or(0, |run| run.below + known - run.kept)
    }
}

/// The ranks around a quantile, and the share of the upper one (numpy's default).
fn place(q: f64, count: usize) -> (usize, usize, f64) {
    let last = count.saturating_sub(1);
    let place = q * last as f64;
    let left = (place.floor() as usize).min(last);
    (left, (left + 1).min(last), place - left as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::encoder::quantile;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Ranks and counts are those of the sorted numbers, whatever their shape.
        #[test]
        fn ranks_are_those_of_sorted_numbers(seed in 1u64.., power in 1i32..24, few in 1u64..9000) {
            let mut state = seed;
            let mut values: Vec<f64> = (0..9000).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (((state >> 33) % few) as f64 / few as f64 - 0.3).powi(power)
            }).collect();
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let edges = edges(min, max, BINS);
            let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0];
            let ranked = Ranked::new(&values, (min, max), &quantiles, &edges[1..BINS]);
            sort(&mut values);
            for q in quantiles {
                prop_assert_eq!(ranked.quantile(q), quantile(&values, q));
            }
            for edge in &edges[1..BINS] {
                prop_assert_eq!(ranked.below(*edge), values.partition_point(|x| x < edge));
            }
        }
    }
}
