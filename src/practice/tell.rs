//! How much one column alone tells of a target: a rule is learned on every second row and judged on the others. Numbers are cut into
//! bins of equal counts; of each bin or category the most frequent class, or the mean, is what the rule says.

use super::dataset::ColumnTells;
use crate::data::encoder::TargetKind;
use crate::data::examples::MISSING_CLASS;
use crate::data::table::MISSING_TIME;
use crate::data::{Encoder, Examples, Kind, Table, TargetColumn, Values};

/// Bins of a column of numbers.
const BINS: usize = 256;
/// Columns that are looked at.
const COLUMNS: usize = 2_000;
/// Rows judged at least.
const FEWEST: usize = 30;

/// The labels of one target.
pub(super) enum Labels {
    /// Of each row its class.
    Classes(String, Vec<Option<u32>>),
    /// Of each row its number; NaN is missing.
    Numbers(String, Vec<f64>),
    /// Several labels or shares a row: not looked at.
    Others,
}

impl Labels {
    pub(super) fn classes(&self) -> Option<&[Option<u32>]> {
        match self {
            Labels::Classes(_, classes) => Some(classes),
            _ => None,
        }
    }
}

pub(super) fn labels(encoder: &Encoder, examples: &Examples<f64>) -> Vec<Labels> {
    let one = |(target, column): (&crate::data::encoder::FittedTarget, &TargetColumn<f64>)| {
        let name = || target.name.clone();
        match (target.kind, column) {
            (_, TargetColumn::Classes(classes)) => {
                Labels::Classes(name(), classes.iter().map(|c| Some(*c).filter(|c| *c != MISSING_CLASS)).collect())
            }
            (TargetKind::Binary, TargetColumn::Values { values, .. }) => {
                let class = |y: &f64| (!y.is_nan()).then(|| u32::from(*y > 0.5));
                Labels::Classes(name(), values.iter().map(class).collect())
            }
            (TargetKind::Regression { .. }, TargetColumn::Values { values, .. }) => {
                Labels::Numbers(name(), values.clone())
            }
            _ => Labels::Others,
        }
    };
    encoder.targets().iter().zip(&examples.targets).map(one).collect()
}

/// The labels of a row as bits.
pub(super) fn label_bits(target: &TargetColumn<f64>, row: usize) -> u64 {
    let mixed = |values: &[f64]| {
        values.iter().fold(0_u64, |all, y| (all.rotate_left(7) ^ y.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    };
    match target {
        TargetColumn::Classes(classes) => classes.get(row).map_or(0, |class| u64::from(*class)),
        TargetColumn::Values { values, width } | TargetColumn::Distribution { values, width } => {
            mixed(values.get(row * width..(row + 1) * width).unwrap_or(&[]))
        }
    }
}

/// What each input column of some rows tells of each target, most first.
pub(super) fn columns(sample: &Table, encoder: &Encoder, labels: &[Labels]) -> Vec<ColumnTells> {
    let mut found = Vec::new();
    for name in encoder.input_columns().into_iter().take(COLUMNS) {
        let Some(column) = sample.columns.iter().find(|column| column.name == name && column.kind != Kind::Text) else {
            continue;
        };
        let groups = groups(&column.values);
        for labels in labels {
            let (target, told) = match labels {
                Labels::Classes(target, classes) => (target, by_class(&groups, classes)),
                Labels::Numbers(target, numbers) => (target, by_number(&groups, numbers)),
                Labels::Others => continue,
            };
            if let Some((score, chance)) = told {
                found.push(ColumnTells { column: name.to_owned(), target: target.clone(), score, chance });
            }
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

/// The bin or category of each row: numbers and times in bins of equal counts, missing ones in a group of their own.
fn groups(values: &Values) -> Vec<u32> {
    match values {
        Values::Text { codes, .. } => codes.clone(),
        Values::Numeric(numbers) => binned(numbers),
        Values::Datetime(times) => {
            let time = |ms: &i64| if *ms == MISSING_TIME { f64::NAN } else { *ms as f64 };
            binned(&times.iter().map(time).collect::<Vec<f64>>())
        }
    }
}

fn binned(values: &[f64]) -> Vec<u32> {
    let mut sorted: Vec<f64> = values.iter().copied().step_by(2).filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    let stride = sorted.len().div_ceil(BINS).max(1);
    // A cut stands in the middle between two values, so that both sides of it are served alike.
    let cuts: Vec<f64> = sorted.windows(2).step_by(stride).map(|pair| pair[0] + (pair[1] - pair[0]) / 2.0).collect();
    let bin = |x: &f64| if x.is_nan() { u32::MAX } else { cuts.partition_point(|cut| cut < x) as u32 };
    values.iter().map(bin).collect()
}

/// Share of right rows among those that the rule did not see, and what the most frequent class alone gets right.
fn by_class(groups: &[u32], classes: &[Option<u32>]) -> Option<(f64, f64)> {
    let known =
        || groups.iter().zip(classes).enumerate().filter_map(|(row, (group, class))| Some((row, *group, (*class)?)));
    let mut counts: std::collections::HashMap<u32, std::collections::HashMap<u32, usize>> = Default::default();
    let mut totals: std::collections::HashMap<u32, usize> = Default::default();
    for (row, group, class) in known() {
        *totals.entry(class).or_default() += 1;
        if row % 2 == 0 {
            *counts.entry(group).or_default().entry(class).or_default() += 1;
        }
    }
    // Equal counts: the smaller class, so that the answer does not depend on the order of a map.
    let most = |of: &std::collections::HashMap<u32, usize>| {
        of.iter().max_by_key(|(class, count)| (**count, std::cmp::Reverse(**class))).map(|(class, _)| *class)
    };
    let says: std::collections::HashMap<u32, u32> =
        counts.iter().filter_map(|(group, of)| Some((*group, most(of)?))).collect();
    let judged = known().filter(|(row, ..)| row % 2 == 1);
    let (right, all) = judged.fold((0, 0), |(right, all), (_, group, class)| {
        (right + usize::from(says.get(&group) == Some(&class)), all + 1)
    });
    let n: usize = totals.values().sum();
    let chance = totals.values().max().copied().unwrap_or(0) as f64 / n.max(1) as f64;
    (all >= FEWEST).then(|| (right as f64 / all as f64, chance))
}

/// R² of the rule on the rows that it did not see.
fn by_number(groups: &[u32], numbers: &[f64]) -> Option<(f64, f64)> {
    let known = || groups.iter().zip(numbers).enumerate().filter(|(_, (_, y))| !y.is_nan());
    let mut sums: std::collections::HashMap<u32, (f64, f64)> = Default::default();
    let (mut sum, mut n) = (0.0, 0.0);
    for (row, (group, y)) in known() {
        (sum, n) = (sum + y, n + 1.0);
        if row % 2 == 0 {
            let of = sums.entry(*group).or_default();
            *of = (of.0 + y, of.1 + 1.0);
        }
    }
    let mean = sum / f64::max(n, 1.0);
    let (mut left, mut all, mut judged) = (0.0, 0.0, 0);
    for (_, (group, y)) in known().filter(|(row, _)| row % 2 == 1) {
        let says = sums.get(group).map_or(mean, |(sum, count)| sum / count);
        (left, all, judged) = (left + (y - says).powi(2), all + (y - mean).powi(2), judged + 1);
    }
    (judged >= FEWEST && all > 0.0).then(|| ((1.0 - left / all).max(0.0), 0.0))
}
