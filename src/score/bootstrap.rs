//! How far a measure would move with other rows from the same source: percentile intervals from resampled rows (Efron 1979).

use super::Measure;
use super::numbers::quantile;
use crate::num::random::{Stream, below, generator};

/// Rows drawn in all, at most: more rows take fewer resamples, since their intervals are narrow anyway.
const MOST_DRAWS: usize = 20_000_000;
/// Resamples below which an interval is not told.
const FEWEST: usize = 100;

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// Resamples wanted; 0 for no intervals.
    pub resamples: usize,
    /// The same seed gives the same intervals.
    pub seed: u64,
}

/// The middle 95 % of a measure over the resamples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
    /// Resamples in which the measure was defined.
    pub resamples: usize,
}

impl Resampling {
    /// Resamples that are made of `rows` rows.
    pub fn count(self, rows: usize) -> usize {
        self.resamples.min((MOST_DRAWS / rows.max(1)).max(FEWEST))
    }
}

/// Resamples `rows` rows with replacement and gives the interval of each of the `measures` measures; `measure` takes how often each row
/// was drawn. `None` where there are no rows, or where a measure is undefined in more than half of the resamples.
pub fn intervals(
    rows: usize,
    resampling: Resampling,
    measures: usize,
    mut measure: impl FnMut(&[u32]) -> Vec<Measure>,
) -> Vec<Option<Interval>> {
    let resamples = resampling.count(rows);
    let n = u32::try_from(rows).unwrap_or(u32::MAX);
    if n == 0 || resamples == 0 {
        return vec![None; measures];
    }
    let mut found = vec![Vec::with_capacity(resamples); measures];
    let mut drawn = vec![0u32; rows];
    for resample in 0..resamples {
        drawn.fill(0);
        let mut generator = generator(resampling.seed, Stream::Bootstrap, 0, resample as u64);
        (0..n).for_each(|_| drawn[below(&mut generator, n) as usize] += 1);
        for (values, value) in found.iter_mut().zip(measure(&drawn)) {
            values.extend(value.ok());
        }
    }
    let interval = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        let enough = values.len() * 2 > resamples;
        let (low, high) = (quantile(&values, 0.025).ok()?, quantile(&values, 0.975).ok()?);
        enough.then_some(Interval { low, high, resamples: values.len() })
    };
    found.into_iter().map(interval).collect()
}
