//! What is odd about a column, from its profile and a little more.

use super::ColumnProfile;
use super::numbers::skewness;
use crate::data::cell::shorten;
use crate::data::table::{Column, Kind, Values};

/// Skewness beyond which a column is pointed out; an exponential distribution has 2.
const MOST_SKEW: f64 = 5.0;

/// What is odd about a column that is in memory.
pub(super) fn oddities(column: &Column, profile: &ColumnProfile) -> Vec<(&'static str, String)> {
    let more = More {
        rows: column.len() as u64,
        first: column.cell(0).describe(),
        skewness: match &column.values {
            Values::Numeric(values) => skewness(values, profile),
            _ => 0.0,
        },
        counts_up: counts_up(column),
    };
    odd(profile, &more)
}

/// What the rules of oddity want to know beside the profile.
pub(super) struct More {
    pub(super) rows: u64,
    /// The first value, in words.
    pub(super) first: String,
    pub(super) skewness: f64,
    /// Each number is one more than the one before.
    pub(super) counts_up: bool,
}

/// What is odd about a column: codes and sentences.
pub(super) fn odd(profile: &ColumnProfile, more: &More) -> Vec<(&'static str, String)> {
    let More { rows, first, skewness, counts_up } = more;
    let mut odd = Vec::new();
    if profile.missing == *rows {
        odd.push(("empty", "has no value in any row; it is no input".to_owned()));
        return odd;
    }
    if profile.missing * 2 > *rows {
        odd.push(("many_missing", format!("has no value in {} of {rows} rows", profile.missing)));
    }
    match profile.kind {
        Kind::Constant => odd.push(("constant", format!("holds {first} in every row; it is no input"))),
        Kind::Identifier => odd.push((
            "identifier_like",
            format!("looks like an identifier and is no input; kinds={}:categorical says otherwise", profile.name),
        )),
        Kind::Numeric if is_extreme(profile) => odd.push((
            "extreme_scale",
            "its numbers are larger than a billion, or far from 0 for how little they differ; keep inputs.numeric at a scaled form".to_owned(),
        )),
        Kind::Numeric if skewness.abs() > MOST_SKEW => odd.push((
            "skew",
            format!(
                "is very skewed (skewness {skewness:.1}): a few rows lie far from all others; inputs.numeric \"quantile\" or \"robust\" takes that better"
            ),
        )),
        Kind::Numeric if *counts_up => odd.push((
            "identifier_like",
            "goes up by one from row to row; exclude it if it only numbers the rows".to_owned(),
        )),
        Kind::Categorical if profile.distinct > 50 && profile.distinct * 2 > rows - profile.missing => odd.push((
            "high_cardinality",
            format!(
                "has {} labels in {} rows, such as \"{}\": most are seen too seldom to learn from",
                profile.distinct,
                rows - profile.missing,
                profile.top.iter().flatten().next().map_or(String::new(), |(label, _)| shorten(label))
            ),
        )),
        _ => {}
    }
    odd
}

/// Whether numbers are so large, or so far from 0 for their spread, that f32 keeps little of them unscaled.
fn is_extreme(profile: &ColumnProfile) -> bool {
    let (Some(mean), Some(std), Some(min), Some(max)) = (profile.mean, profile.std, profile.min, profile.max) else {
        return false;
    };
    min.abs().max(max.abs()) > 1e9 || (std > 0.0 && mean.abs() > 1e5 * std)
}

fn counts_up(column: &Column) -> bool {
    match &column.values {
        Values::Numeric(values) => values.len() >= 20 && values.windows(2).all(|pair| pair[1] == pair[0] + 1.0),
        _ => false,
    }
}
