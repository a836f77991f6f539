//! Whether a model's confidence is what it says: of the rows with confidence 0.8, are eight of ten right?

use super::classes::mean;
use super::{Measure, NO_ROWS};

/// Bins of equal width over the confidences from 0 to 1.
pub const CALIBRATION_BINS: usize = 10;

/// The rows whose confidence lies in one bin.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationBin {
    /// Left end, not within the bin (but for the first).
    pub low: f64,
    /// Right end, within the bin.
    pub high: f64,
    /// Rows in it.
    pub rows: u64,
    /// Mean confidence of these rows.
    pub confidence: Measure,
    /// Share of these rows in which it came true.
    pub observed: Measure,
}

/// Sorts rows into [`CALIBRATION_BINS`] bins by confidence (`calibration_curve` of scikit-learn with `strategy="uniform"`).
pub fn calibration(confidences: &[f64], came_true: &[bool]) -> Vec<CalibrationBin> {
    let edge = |i: usize| i as f64 / CALIBRATION_BINS as f64;
    let bin_of = |confidence: f64| (1..CALIBRATION_BINS).take_while(|i| edge(*i) < confidence).count();
    let mut rows = vec![Vec::new(); CALIBRATION_BINS];
    for (place, confidence) in confidences.iter().enumerate() {
        rows[bin_of(*confidence)].push(place);
    }
    let bin = |(i, rows): (usize, Vec<usize>)| CalibrationBin {
        low: edge(i),
        high: edge(i + 1),
        rows: rows.len() as u64,
        confidence: mean(rows.iter().map(|row| confidences[*row])),
        observed: mean(rows.iter().map(|row| f64::from(u8::from(came_true[*row])))),
    };
    rows.into_iter().enumerate().map(bin).collect()
}

/// Mean distance between confidence and what was observed, over the bins, each counted by its rows (Naeini et al. 2015).
pub fn expected_calibration_error(bins: &[CalibrationBin]) -> Measure {
    let total: u64 = bins.iter().map(|bin| bin.rows).sum();
    let distance = |bin: &CalibrationBin| Some(bin.rows as f64 * (bin.confidence.ok()? - bin.observed.ok()?).abs());
    let sum: f64 = bins.iter().filter_map(distance).sum();
    if total > 0 { Ok(sum / total as f64) } else { Err(NO_ROWS) }
}
