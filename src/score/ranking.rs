//! Measures of an order: how well a score puts the positive rows before the others. Rows of equal score count together.

use super::{Measure, Undefined};

/// Rows by falling score, cut into runs of equal scores: what every measure of this file is made from.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Places of the rows, the highest score first.
    pub order: Vec<u32>,
    /// Where each run of equal scores ends in `order`.
    pub ends: Vec<usize>,
}

impl Ranking {
    /// Sorts rows by score.
    pub fn new(scores: &[f64]) -> Ranking {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
        let differs = |at: usize| scores[order[at - 1] as usize] != scores[order[at] as usize];
        let ends = (1..=order.len()).filter(|at| *at == order.len() || differs(*at)).collect();
        Ranking { order, ends }
    }

    /// For each run the positives and negatives at or above its score, each row counted `weight` times.
    pub fn counts(&self, positive: &[bool], weight: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
        let (mut positives, mut negatives, mut start) = (0.0, 0.0, 0);
        let run = |end: &usize| {
            for row in &self.order[start..*end] {
                let row = *row as usize;
                *(if positive[row] { &mut positives } else { &mut negatives }) += weight(row);
            }
            start = *end;
            (positives, negatives)
        };
        self.ends.iter().map(run).collect()
    }

    /// As [`roc_auc`], with each row counted `weight` times.
    pub fn roc_auc(&self, positive: &[bool], weight: impl Fn(usize) -> f64) -> Measure {
        area(&self.counts(positive, weight))
    }
}

fn plain(scores: &[f64], positive: &[bool]) -> Vec<(f64, f64)> {
    Ranking::new(scores).counts(positive, |_| 1.0)
}

/// Area under the ROC curve from the counts of [`Ranking::counts`].
fn area(counts: &[(f64, f64)]) -> Measure {
    let (positives, negatives) = counts.last().copied().unwrap_or_default();
    if positives <= 0.0 || negatives <= 0.0 {
        return Err(Undefined("it needs rows of the class and rows of others"));
    }
    let (mut area, mut before) = (0.0, (0.0, 0.0));
    for &(up, right) in counts {
        area += (right - before.1) * (up + before.0) / 2.0;
        before = (up, right);
    }
    Ok(area / positives / negatives)
}

/// Area under the ROC curve: the chance that a positive row has a higher score than a negative one, ties counted half.
pub fn roc_auc(scores: &[f64], positive: &[bool]) -> Measure {
    area(&plain(scores, positive))
}

/// Mean precision over the recalls at which it changes; undefined without positive rows, where scikit-learn says 0.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Measure {
    let counts = plain(scores, positive);
    let positives = counts.last().map_or(0.0, |last| last.0);
    if positives <= 0.0 {
        return Err(Undefined("no row is of the class"));
    }
    let (mut sum, mut before) = (0.0, 0.0);
    for (hits, false_alarms) in counts {
        sum += (hits - before) / positives * (hits / (hits + false_alarms));
        before = hits;
    }
    Ok(sum)
}

/// The ROC curve as (false positive rate, true positive rate), from (0, 0) to (1, 1).
pub fn roc_curve(scores: &[f64], positive: &[bool]) -> Vec<(f64, f64)> {
    let counts = plain(scores, positive);
    let (positives, negatives) = counts.last().copied().unwrap_or_default();
    let points = counts.into_iter().map(|(up, right)| (right / negatives, up / positives));
    [(0.0, 0.0)].into_iter().chain(points).collect()
}

/// Precision over recall as (recall, precision), by falling score; it begins at recall 0 with the precision of the first point.
pub fn precision_recall_curve(scores: &[f64], positive: &[bool]) -> Vec<(f64, f64)> {
    let counts = plain(scores, positive);
    let positives = counts.last().map_or(0.0, |last| last.0);
    let points: Vec<_> = counts.into_iter().map(|(hits, wrong)| (hits / positives, hits / (hits + wrong))).collect();
    let first = points.first().map(|point| (0.0, point.1));
    first.into_iter().chain(points).collect()
}

/// What a decision "positive above this threshold" would do.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdRow {
    /// Rows with a larger score are called positive.
    pub threshold: f64,
    /// Positive rows above it.
    pub true_positives: u64,
    /// Negative rows above it.
    pub false_positives: u64,
    /// Negative rows at or below it.
    pub true_negatives: u64,
    /// Positive rows at or below it.
    pub false_negatives: u64,
}

/// The table of decisions at each threshold.
pub fn threshold_table(scores: &[f64], positive: &[bool], thresholds: &[f64]) -> Vec<ThresholdRow> {
    let row = |threshold: &f64| {
        let mut counts = [[0u64; 2]; 2];
        for (score, positive) in scores.iter().zip(positive) {
            counts[usize::from(*positive)][usize::from(score > threshold)] += 1;
        }
        let [[true_negatives, false_positives], [false_negatives, true_positives]] = counts;
        ThresholdRow { threshold: *threshold, true_positives, false_positives, true_negatives, false_negatives }
    };
    thresholds.iter().map(row).collect()
}
