//! Features from a point in time (UTC).

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, Timelike};
use serde::{Deserialize, Serialize};

use super::numeric::moments;
use super::plan::DatetimePart;
use crate::data::Cell;
use crate::data::parse::parse_datetime;

const DAY_MS: f64 = 86_400_000.0;

/// A fitted datetime input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DatetimeInput {
    parts: Vec<DatetimePart>,
    /// Mean of the training part in days since 1970.
    mean: f64,
    /// Its standard deviation in days; 1 where it is constant.
    std: f64,
}

impl DatetimeInput {
    pub(super) fn fit(times: &[i64], parts: &[DatetimePart]) -> DatetimeInput {
        let days: Vec<f64> = times.iter().map(|ms| *ms as f64 / DAY_MS).collect();
        let (mean, std) = moments(&days);
        DatetimeInput { parts: parts.to_vec(), mean, std: if std > 0.0 { std } else { 1.0 } }
    }

    pub(super) fn width(&self) -> usize {
        self.names("").len()
    }

    pub(super) fn names(&self, column: &str) -> Vec<String> {
        let of = |part: &DatetimePart| -> &[&str] {
            match part {
                DatetimePart::Time => &["time"],
                DatetimePart::Month => &["month.sin", "month.cos"],
                DatetimePart::Weekday => &["weekday.sin", "weekday.cos"],
                DatetimePart::Hour => &["hour.sin", "hour.cos"],
            }
        };
        self.parts.iter().flat_map(of).map(|name| format!("{column}.{name}")).collect()
    }

    /// Calls `feature` with each feature in order.
    pub(super) fn encode(&self, ms: i64, mut feature: impl FnMut(f64)) {
        let time = DateTime::from_timestamp_millis(ms).unwrap_or_default();
        for part in &self.parts {
            let turn = match part {
                DatetimePart::Time => {
                    feature((ms as f64 / DAY_MS - self.mean) / self.std);
                    continue;
                }
                DatetimePart::Month => f64::from(time.month0()) / 12.0,
                DatetimePart::Weekday => f64::from(time.weekday().num_days_from_monday()) / 7.0,
                DatetimePart::Hour => f64::from(time.num_seconds_from_midnight()) / 86_400.0,
            };
            // libm's functions, since the system's differ in the last bit from machine to machine.
            feature(libm::sin(TAU * turn));
            feature(libm::cos(TAU * turn));
        }
    }
}

/// The time in a cell, `None` where it is missing.
///
/// # Errors
/// What was expected and found, where it is none.
pub(super) fn time(cell: Cell<'_>) -> Result<Option<i64>, String> {
    let found = match cell {
        Cell::Missing => return Ok(None),
        Cell::Raw(text) if text.trim().is_empty() => return Ok(None),
        Cell::Datetime(ms) => Some(ms),
        Cell::Text(text) | Cell::Raw(text) => parse_datetime(text),
        Cell::Number(_) | Cell::Bool(_) => None,
    };
    found.map(Some).ok_or_else(|| {
        format!("expected a time such as \"2026-11-05\" or \"2026-11-05T13:45:00Z\", got {}", cell.describe())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_on_circles_and_time_is_standardised() {
        let day = |text| time(Cell::Raw(text)).unwrap().unwrap();
        let times = [day("2026-01-01"), day("2026-01-03")];
        let parts = [DatetimePart::Time, DatetimePart::Month, DatetimePart::Hour];
        let input = DatetimeInput::fit(&times, &parts);
        let mut features = Vec::new();
        input.encode(day("2026-04-03 06:00"), |x| features.push(x));
        assert_eq!(features.len(), input.width());
        let expected = [91.25, 1.0, 0.0, 1.0, 0.0];
        assert!(features.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{features:?}");
        assert_eq!(input.names("t")[1], "t.month.sin");
    }
}
