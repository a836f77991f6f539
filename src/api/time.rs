//! How a moment is written: RFC 3339 in UTC with milliseconds.

use crate::store::Time;

/// `2026-11-24T02:05:24.100Z`.
pub(crate) fn text(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
