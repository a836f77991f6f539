//! Measures of classes: from a confusion matrix, and from the probabilities of each class.

use super::{Measure, NO_ROWS, Undefined};
use crate::num::Real;

/// Rows by true class (outer) and predicted class (inner), and what follows from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// `[classes][classes]`.
    pub matrix: Vec<Vec<u64>>,
}

/// How well one class is told from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScore {
    /// Rows that are of this class.
    pub rows: u64,
    /// Rows that were predicted to be.
    pub predicted: u64,
    /// Share of the predicted that are.
    pub precision: Measure,
    /// Share of its rows that were found.
    pub recall: Measure,
    /// Harmonic mean of the two.
    pub f1: Measure,
}

/// A mean over classes of three measures. As in scikit-learn, over the classes that occur among the labels or the predictions, and with
/// 0 for one that is undefined: leaving it out would flatter a model that never predicts a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    /// Mean precision.
    pub precision: Measure,
    /// Mean recall.
    pub recall: Measure,
    /// Mean F1.
    pub f1: Measure,
}

/// Counts rows by true and predicted class; pairs with a class that is not below `classes` are left out.
pub fn confusion(classes: usize, truth: &[u32], predicted: &[u32]) -> Confusion {
    let mut matrix = vec![vec![0; classes]; classes];
    for (truth, predicted) in truth.iter().zip(predicted) {
        if let Some(count) = matrix.get_mut(*truth as usize).and_then(|row| row.get_mut(*predicted as usize)) {
            *count += 1;
        }
    }
    Confusion { matrix }
}

impl Confusion {
    fn total(&self) -> u64 {
        self.matrix.iter().flatten().sum()
    }

    fn right(&self) -> u64 {
        self.matrix.iter().enumerate().map(|(class, row)| row[class]).sum()
    }

    fn truths(&self) -> Vec<u64> {
        self.matrix.iter().map(|row| row.iter().sum()).collect()
    }

    fn predictions(&self) -> Vec<u64> {
        (0..self.matrix.len()).map(|class| self.matrix.iter().map(|row| row[class]).sum()).collect()
    }

    /// Share of the rows that are right.
    pub fn accuracy(&self) -> Measure {
        share(self.right(), self.total(), NO_ROWS.0)
    }

    /// Mean recall over the classes that occur among the labels.
    pub fn balanced_accuracy(&self) -> Measure {
        mean(self.classes().into_iter().filter_map(|class| class.recall.ok()))
    }

    /// One entry for each class.
    pub fn classes(&self) -> Vec<ClassScore> {
        let (truths, predictions) = (self.truths(), self.predictions());
        let one = |class: usize| {
            let (hits, rows, predicted) = (self.matrix[class][class], truths[class], predictions[class]);
            ClassScore {
                rows,
                predicted,
                precision: share(hits, predicted, "the class was never predicted"),
                recall: share(hits, rows, "no row is of the class"),
                f1: share(2 * hits, rows + predicted, "no row is of the class, and it was never predicted"),
            }
        };
        (0..self.matrix.len()).map(one).collect()
    }

    /// The plain mean over classes.
    pub fn macro_average(&self) -> Averages {
        self.average(|_| 1.0)
    }

    /// The mean over classes, each counted by its rows.
    pub fn weighted_average(&self) -> Averages {
        self.average(|class| class.rows as f64)
    }

    fn average(&self, weight: impl Fn(&ClassScore) -> f64) -> Averages {
        let occurring: Vec<ClassScore> =
            self.classes().into_iter().filter(|class| class.rows + class.predicted > 0).collect();
        let total: f64 = occurring.iter().map(&weight).sum();
        let of = |measure: fn(&ClassScore) -> Measure| {
            let sum: f64 = occurring.iter().map(|class| weight(class) * measure(class).unwrap_or(0.0)).sum();
            if total > 0.0 { Ok(sum / total) } else { Err(NO_ROWS) }
        };
        Averages { precision: of(|class| class.precision), recall: of(|class| class.recall), f1: of(|class| class.f1) }
    }

    /// Cohen's kappa: agreement beyond what the margins alone would give (Cohen 1960).
    pub fn cohen_kappa(&self) -> Measure {
        let n = self.total() as f64;
        let by_chance: f64 = self.chance();
        let disagreement = n - by_chance / n;
        if !(n > 0.0 && disagreement > 0.0) {
            return Err(Undefined("labels and predictions are all of one class"));
        }
        Ok(1.0 - (n - self.right() as f64) / disagreement)
    }

    /// Matthews' correlation for any number of classes (Gorodkin 2004). 0 where all predictions are of one class, the limit and
    /// scikit-learn's value; undefined where all labels are, where scikit-learn says 0.
    pub fn matthews(&self) -> Measure {
        let n = self.total() as f64;
        let squares = |counts: Vec<u64>| counts.into_iter().map(|count| (count as f64).powi(2)).sum::<f64>();
        let (of_truths, of_predictions) = (n * n - squares(self.truths()), n * n - squares(self.predictions()));
        if of_truths <= 0.0 {
            return Err(Undefined("all labels are of one class"));
        }
        if of_predictions <= 0.0 {
            return Ok(0.0);
        }
        Ok((self.right() as f64 * n - self.chance()) / (of_truths * of_predictions).sqrt())
    }

    /// Sum over the classes of (rows) · (predictions).
    fn chance(&self) -> f64 {
        self.truths().iter().zip(self.predictions()).map(|(truth, predicted)| *truth as f64 * predicted as f64).sum()
    }
}

fn share(part: u64, of: u64, reason: &'static str) -> Measure {
    if of > 0 { Ok(part as f64 / of as f64) } else { Err(Undefined(reason)) }
}

/// The plain mean.
pub fn mean(values: impl Iterator<Item = f64>) -> Measure {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { Ok(sum / count) } else { Err(NO_ROWS) }
}

/// For each row the class of the largest probability, the first of equal ones.
pub fn most_probable(probabilities: &[f64], classes: usize) -> Vec<u32> {
    let best = |row: &[f64]| (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    probabilities.chunks_exact(classes.max(1)).map(|row| best(row) as u32).collect()
}

/// For each row −ln of the probability that its class was given, clipped to within f64's epsilon of 0 and 1 as scikit-learn does.
pub fn log_losses(probabilities: &[f64], classes: usize, truth: &[u32]) -> Vec<f64> {
    let rows = probabilities.chunks_exact(classes.max(1)).zip(truth);
    let loss = |(row, truth): (&[f64], &u32)| {
        let p = row.get(*truth as usize).copied().unwrap_or(0.0);
        -Real::ln(p.clamp(f64::EPSILON, 1.0 - f64::EPSILON))
    };
    rows.map(loss).collect()
}

/// Mean of [`log_losses`].
pub fn log_loss(probabilities: &[f64], classes: usize, truth: &[u32]) -> Measure {
    mean(log_losses(probabilities, classes, truth).into_iter())
}

/// Mean squared distance between the probabilities and the class: summed over the classes, halved for two (Brier 1950).
pub fn brier_loss(probabilities: &[f64], classes: usize, truth: &[u32]) -> Measure {
    let distance = |(row, truth): (&[f64], &u32)| {
        let sum: f64 =
            row.iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class as u32 == *truth))).powi(2)).sum();
        if classes == 2 { sum / 2.0 } else { sum }
    };
    mean(probabilities.chunks_exact(classes.max(1)).zip(truth).map(distance))
}

/// Share of the rows whose class is among the `k` most probable; of equal probabilities the later class counts as the more
/// probable, as in scikit-learn.
pub fn top_k(probabilities: &[f64], classes: usize, truth: &[u32], k: usize) -> Measure {
    let within = |(row, truth): (&[f64], &u32)| {
        let class = *truth as usize;
        let Some(own) = row.get(class) else { return 0.0 };
        let before = row.iter().enumerate().filter(|(other, p)| *p > own || (*p == own && *other > class)).count();
        f64::from(u8::from(before < k))
    };
    mean(probabilities.chunks_exact(classes.max(1)).zip(truth).map(within))
}
