//! A column of very many rows, in little memory: counts, extremes and moments exact, distinct values and quartiles by sketches that say so.
//!
//! Numbers are read twice, the second time for the histogram between the extremes and for the third moment. Quartiles are those of evenly
//! spaced rows; frequent texts are counted as Misra and Gries (1982) do, whose counts are lower bounds.

use std::collections::HashMap;

use super::oddity::{More, odd};
use super::{BINS, ColumnProfile, EXACT_DISTINCT, Histogram, Looked, Quantiles, TOP, WordCounts, top};
use crate::data::encoder::{Tokenizer, for_each_word, quantile, sort};
use crate::data::sketch::{Distinct, of_number, of_text};
use crate::data::table::{Kind, MISSING_CODE, MISSING_TIME, Values, format_datetime, format_number};
use crate::data::{DataError, Rows, StoredTable};

/// Rows whose numbers give the quartiles.
const SAMPLED_ROWS: usize = 1 << 20;
/// Texts that are counted at a time.
const COUNTED: usize = 1 << 15;

/// Looks at one column.
pub(super) fn look(table: &StoredTable, profile: ColumnProfile) -> Result<Looked, DataError> {
    let name = profile.name.clone();
    let first = table.read(Some(&[&name]), 0..1)?;
    let column = first.columns.first();
    let described = column.map_or(String::new(), |column| column.cell(0).describe());
    let more = More { rows: table.rows() as u64, first: described, skewness: 0.0, counts_up: false };
    let (profile, more) = match column.map(|column| &column.values) {
        Some(Values::Numeric(_)) => numbers(table, profile, more)?,
        Some(Values::Datetime(_)) => (times(table, profile)?, more),
        _ => (texts(table, profile)?, more),
    };
    let odd = odd(&profile, &more);
    Ok(Looked { profile, odd })
}

/// Calls `see` with the values of each stretch.
fn each(table: &StoredTable, name: &str, mut see: impl FnMut(usize, &Values)) -> Result<(), DataError> {
    for range in table.stretches(&[name]) {
        let part = table.read(Some(&[name]), range.clone())?;
        part.columns.first().into_iter().for_each(|column| see(range.start, &column.values));
    }
    Ok(())
}

fn numbers(
    table: &StoredTable,
    mut profile: ColumnProfile,
    mut more: More,
) -> Result<(ColumnProfile, More), DataError> {
    let name = profile.name.clone();
    let mut distinct = Distinct::new(EXACT_DISTINCT);
    let mut counts: Option<HashMap<u64, u64>> = Some(HashMap::new());
    let stride = table.rows().div_ceil(SAMPLED_ROWS).max(1);
    let mut sample = Vec::new();
    let (mut n, mut mean, mut squares, mut whole, mut up) = (0u64, 0.0, 0.0, true, true);
    let (mut min, mut max, mut last) = (f64::INFINITY, f64::NEG_INFINITY, f64::NAN);
    each(table, &name, |start, values| {
        let Values::Numeric(values) = values else { return };
        for (place, &x) in values.iter().enumerate() {
            let row = start + place;
            up &= row == 0 || x == last + 1.0;
            last = x;
            if x.is_nan() {
                continue;
            }
            n += 1;
            let before = x - mean;
            mean += before / n as f64;
            squares += before * (x - mean);
            (min, max) = (min.min(x), max.max(x));
            whole &= x.trunc() == x;
            distinct.insert(of_number(x));
            if let Some(known) = &mut counts {
                *known.entry((x + 0.0).to_bits()).or_default() += 1;
                if known.len() > TOP {
                    counts = None;
                }
            }
            if row.is_multiple_of(stride) {
                sample.push(x);
            }
        }
    })?;
    profile.missing = table.rows() as u64 - n;
    more.counts_up = up;
    if n == 0 {
        return Ok((profile, more));
    }
    (profile.distinct, profile.distinct_exact) = (distinct.count(), distinct.is_exact());
    profile.whole = Some(whole);
    (profile.min, profile.max) = (Some(min), Some(max));
    let std = if min == max { 0.0 } else { (squares / n as f64).sqrt() };
    (profile.mean, profile.std) = (Some(mean), Some(std));
    sort(&mut sample);
    let at = |q: f64| quantile(&sample, q);
    profile.quantiles = Some(Quantiles { q25: at(0.25), q50: at(0.5), q75: at(0.75) });
    profile.quantiles_exact = Some(false);
    let bins = (profile.distinct as usize).clamp(1, BINS);
    let edges = super::edges(min, max, bins);
    let mut counted = vec![0u64; bins];
    let mut cubes = 0.0;
    each(table, &name, |_, values| {
        let Values::Numeric(values) = values else { return };
        for &x in values.iter().filter(|x| !x.is_nan()) {
            let bin = edges[1..bins].partition_point(|edge| *edge <= x);
            counted[bin] += 1;
            cubes += if std > 0.0 { ((x - mean) / std).powi(3) } else { 0.0 };
        }
    })?;
    more.skewness = cubes / n as f64;
    profile.histogram = Some(Histogram { edges, counts: counted });
    profile.top = counts.map(|known| {
        top(known.into_iter().map(|(bits, count)| (format_number(f64::from_bits(bits)), count)).collect())
    });
    Ok((profile, more))
}

fn times(table: &StoredTable, mut profile: ColumnProfile) -> Result<ColumnProfile, DataError> {
    let mut distinct = Distinct::new(EXACT_DISTINCT);
    let (mut n, mut first, mut last) = (0u64, i64::MAX, i64::MIN);
    let name = profile.name.clone();
    each(table, &name, |_, values| {
        let Values::Datetime(times) = values else { return };
        for &ms in times.iter().filter(|ms| **ms != MISSING_TIME) {
            n += 1;
            (first, last) = (first.min(ms), last.max(ms));
            distinct.insert(crate::data::sketch::mix(0, ms as u64));
        }
    })?;
    profile.missing = table.rows() as u64 - n;
    (profile.distinct, profile.distinct_exact) = (distinct.count(), distinct.is_exact());
    if n > 0 {
        (profile.earliest, profile.latest) = (Some(format_datetime(first)), Some(format_datetime(last)));
    }
    Ok(profile)
}

fn texts(table: &StoredTable, mut profile: ColumnProfile) -> Result<ColumnProfile, DataError> {
    let mut distinct = Distinct::new(EXACT_DISTINCT);
    let mut words =
        (profile.kind == Kind::Text).then(|| Words { distinct: Distinct::new(EXACT_DISTINCT), sum: 0, max: 0 });
    let mut frequent = Frequent { counts: HashMap::new(), exact: true };
    let wants_top = profile.kind != Kind::Text && profile.kind != Kind::Identifier;
    let mut n = 0u64;
    let name = profile.name.clone();
    each(table, &name, |_, values| {
        let Values::Text { codes, dictionary } = values else { return };
        let mut counts: HashMap<u32, u64> = HashMap::new();
        for code in codes.iter().filter(|code| **code != MISSING_CODE) {
            n += 1;
            *counts.entry(*code).or_default() += 1;
        }
        for (code, count) in counts {
            let Some(text) = dictionary.get(code as usize) else { continue };
            distinct.insert(of_text(text));
            if let Some(words) = &mut words {
                words.see(text, count);
            } else if wants_top {
                frequent.see(text, count);
            }
        }
    })?;
    profile.missing = table.rows() as u64 - n;
    (profile.distinct, profile.distinct_exact) = (distinct.count(), distinct.is_exact());
    profile.words = words.map(|words| WordCounts {
        distinct: words.distinct.count(),
        mean: words.sum as f64 / n.max(1) as f64,
        max: words.max,
    });
    if wants_top {
        profile.top_exact = (!frequent.exact).then_some(false);
        profile.top = Some(top(frequent.counts.into_iter().collect()));
    }
    Ok(profile)
}

struct Words {
    distinct: Distinct,
    sum: u64,
    max: u64,
}

impl Words {
    fn see(&mut self, text: &str, count: u64) {
        let mut words = 0;
        for_each_word(text, Tokenizer::Words, |word| {
            words += 1;
            self.distinct.insert(of_text(&word.to_lowercase()));
            true
        });
        self.sum += words * count;
        self.max = self.max.max(words);
    }
}

/// The most frequent texts.
struct Frequent {
    counts: HashMap<String, u64>,
    exact: bool,
}

impl Frequent {
    fn see(&mut self, text: &str, count: u64) {
        if let Some(known) = self.counts.get_mut(text) {
            *known += count;
            return;
        }
        self.counts.insert(text.to_owned(), count);
        if self.counts.len() > 2 * COUNTED {
            // All lose as many as the one in the middle has: half of them go, and no count is too large.
            self.exact = false;
            let mut sorted: Vec<u64> = self.counts.values().copied().collect();
            let (_, middle, _) = sorted.select_nth_unstable(COUNTED);
            let middle = *middle;
            self.counts.retain(|_, count| {
                *count = count.saturating_sub(middle);
                *count > 0
            });
        }
    }
}
