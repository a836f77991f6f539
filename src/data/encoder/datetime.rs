//! Features from a point in time (UTC).

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Serialize};

use super::numeric::{moments, quantile};
use super::plan::{DatetimePart, MissingMoment};
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
    /// Mean and standard deviation of the training part's years, where the year is a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    years: Option<(f64, f64)>,
    /// Stands in for a missing time; without it all features are zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<i64>,
    /// One more feature says that the time was missing.
    #[serde(default)]
    pub(super) indicator: bool,
}

impl DatetimeInput {
    pub(super) fn fit(times: &[i64], parts: &[DatetimePart], missing: MissingMoment, indicator: bool) -> DatetimeInput {
        let spread = |values: &[f64]| {
            let (mean, std) = moments(values);
            (mean, if std > 0.0 { std } else { 1.0 })
        };
        let mut days: Vec<f64> = times.iter().map(|ms| *ms as f64 / DAY_MS).collect();
        days.sort_unstable_by(f64::total_cmp);
        let (mean, std) = spread(&days);
        let years = parts.contains(&DatetimePart::Year).then(|| {
            let years: Vec<f64> = times.iter().map(|ms| f64::from(moment(*ms).year())).collect();
            spread(&years)
        });
        let fill = match missing {
            MissingMoment::Zeros => None,
            MissingMoment::Mean => Some((mean * DAY_MS).round() as i64),
            MissingMoment::Median => Some((quantile(&days, 0.5) * DAY_MS).round() as i64),
            MissingMoment::Constant(ms) => Some(ms),
        };
        DatetimeInput { parts: parts.to_vec(), mean, std, years, fill, indicator }
    }

    pub(super) fn width(&self) -> usize {
        self.parts.iter().map(|part| part.width()).sum::<usize>() + usize::from(self.indicator)
    }

    pub(super) fn names(&self, column: &str) -> Vec<String> {
        let of = |part: &DatetimePart| -> &[&str] {
            match part {
                DatetimePart::Time => &["time"],
                DatetimePart::Year => &["year"],
                DatetimePart::Quarter => &["quarter.sin", "quarter.cos"],
                DatetimePart::Month => &["month.sin", "month.cos"],
                DatetimePart::Day => &["day.sin", "day.cos"],
                DatetimePart::DayOfYear => &["day_of_year.sin", "day_of_year.cos"],
                DatetimePart::Weekday => &["weekday.sin", "weekday.cos"],
                DatetimePart::Weekend => &["weekend"],
                DatetimePart::Hour => &["hour.sin", "hour.cos"],
                DatetimePart::Minute => &["minute.sin", "minute.cos"],
                DatetimePart::Second => &["second.sin", "second.cos"],
            }
        };
        let names = self.parts.iter().flat_map(of).map(|name| format!("{column}.{name}"));
        names.chain(self.indicator.then(|| format!("{column} is missing"))).collect()
    }

    /// Calls `feature` with each feature in order.
    pub(super) fn encode(&self, time: Option<i64>, mut feature: impl FnMut(f64)) {
        match time.or(self.fill) {
            Some(ms) => self.parts.iter().for_each(|part| self.part(*part, ms, &mut feature)),
            None => (0..self.width() - usize::from(self.indicator)).for_each(|_| feature(0.0)),
        }
        if self.indicator {
            feature(if time.is_none() { 1.0 } else { 0.0 });
        }
    }

    fn part(&self, part: DatetimePart, ms: i64, feature: &mut impl FnMut(f64)) {
        let time = moment(ms);
        let of_day = |seconds: u32| f64::from(time.num_seconds_from_midnight() % seconds) / f64::from(seconds);
        let turn = match part {
            DatetimePart::Time => return feature((ms as f64 / DAY_MS - self.mean) / self.std),
            DatetimePart::Year => {
                let (mean, std) = self.years.unwrap_or((0.0, 1.0));
                return feature((f64::from(time.year()) - mean) / std);
            }
            DatetimePart::Weekend => {
                let late = time.weekday().num_days_from_monday() >= 5;
                return feature(if late { 1.0 } else { 0.0 });
            }
            DatetimePart::Quarter => f64::from(time.month0() / 3) / 4.0,
            DatetimePart::Month => f64::from(time.month0()) / 12.0,
            DatetimePart::Day => f64::from(time.day0()) / f64::from(time.num_days_in_month()),
            DatetimePart::DayOfYear => {
                let days = if time.date_naive().leap_year() { 366.0 } else { 365.0 };
                f64::from(time.ordinal0()) / days
            }
            DatetimePart::Weekday => f64::from(time.weekday().num_days_from_monday()) / 7.0,
            DatetimePart::Hour => of_day(86_400),
            DatetimePart::Minute => of_day(3600),
            DatetimePart::Second => of_day(60) + ms.rem_euclid(1000) as f64 / 60_000.0,
        };
        // libm's functions, since the system's differ in the last bit from machine to machine.
        feature(libm::sin(TAU * turn));
        feature(libm::cos(TAU * turn));
    }
}

/// Beyond the years that the calendar of `chrono` knows, 1970.
fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
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

    fn day(text: &str) -> i64 {
        time(Cell::Raw(text)).unwrap().unwrap()
    }

    fn features(input: &DatetimeInput, time: Option<i64>) -> Vec<f64> {
        let mut features = Vec::new();
        input.encode(time, |x| features.push(x));
        assert_eq!(features.len(), input.width());
        assert_eq!(input.names("t").len(), input.width());
        features
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9),
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn parts_lie_on_circles_and_time_is_standardised() {
        let times = [day("2026-01-01"), day("2026-01-03")];
        let parts = [DatetimePart::Time, DatetimePart::Month, DatetimePart::Hour];
        let input = DatetimeInput::fit(&times, &parts, MissingMoment::Zeros, false);
        close(&features(&input, Some(day("2026-04-03 06:00"))), &[91.25, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(input.names("t")[1], "t.month.sin");
    }

    #[test]
    fn each_part_turns_once_over_its_span() {
        let times = [day("2020-01-01"), day("2024-01-01")];
        let of = |part, text: &str| {
            features(&DatetimeInput::fit(&times, &[part], MissingMoment::Zeros, false), Some(day(text)))
        };
        let circle = |turn: f64| [(TAU * turn).sin(), (TAU * turn).cos()];
        close(&of(DatetimePart::Year, "2026-07-01"), &[2.0]);
        close(&of(DatetimePart::Quarter, "2026-12-31"), &circle(0.75));
        close(&of(DatetimePart::Day, "2026-02-15"), &circle(0.5));
        close(&of(DatetimePart::DayOfYear, "2024-12-31"), &circle(365.0 / 366.0));
        close(&of(DatetimePart::DayOfYear, "2025-12-31"), &circle(364.0 / 365.0));
        close(&of(DatetimePart::Weekend, "2026-11-28"), &[1.0]);
        close(&of(DatetimePart::Weekend, "2026-11-27"), &[0.0]);
        close(&of(DatetimePart::Minute, "2026-01-01T05:15:00Z"), &circle(0.25));
        close(&of(DatetimePart::Second, "2026-01-01T05:15:45.000Z"), &circle(0.75));
    }

    #[test]
    fn a_missing_time_is_zeros_or_what_stands_in() {
        let times = [day("2026-01-01"), day("2026-01-03"), day("2026-01-11")];
        let of =
            |missing, indicator| features(&DatetimeInput::fit(&times, &[DatetimePart::Time], missing, indicator), None);
        close(&of(MissingMoment::Zeros, true), &[0.0, 1.0]);
        close(&of(MissingMoment::Mean, false), &[0.0]);
        let fit = |missing| DatetimeInput::fit(&times, &[DatetimePart::Time], missing, false);
        close(&of(MissingMoment::Median, false), &features(&fit(MissingMoment::Zeros), Some(times[1])));
        close(&of(MissingMoment::Constant(times[2]), false), &features(&fit(MissingMoment::Zeros), Some(times[2])));
    }
}
