//! What is in a table, column by column, for people and for `spec`. Reads the table, changes nothing.
//!
//! A column is looked at alone, so that memory is bounded by one of them. Distinct numbers are counted exactly up to a bound; of very many
//! rows (four million) only counts are exact, and the rest is told by sketches that say so (`large`).

mod giveaway;
mod large;
mod numbers;
mod oddity;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::encoder::{Tokenizer, for_each_word};
use super::table::{Column, Kind, MISSING_CODE, MISSING_TIME, Values, Warning, format_datetime};
use super::{DataError, EqualRows, Rows, Storage, StoredTable, Table};
use numbers::numbers;
use oddity::oddities;

/// Rows up to which everything is exact: one column of them is held in memory.
const EXACT_ROWS: usize = 4 << 20;
/// Distinct numbers that are counted exactly.
const EXACT_DISTINCT: usize = 1 << 17;
/// Values named in [`ColumnProfile::top`].
const TOP: usize = 20;
/// Bins of a histogram.
const BINS: usize = 20;

/// What is in each column, and what is odd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// One entry a column, in the order of the file.
    pub columns: Vec<ColumnProfile>,
    /// What was noticed while reading and profiling.
    pub warnings: Vec<Warning>,
}

/// What is in one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// What the values mean.
    pub kind: Kind,
    /// Rows without a value.
    pub missing: u64,
    /// Distinct values that are not missing.
    pub distinct: u64,
    /// Whether `distinct` was counted or estimated.
    pub distinct_exact: bool,
    /// Numbers only: whether every one is whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub whole: Option<bool>,
    /// Smallest number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max: Option<f64>,
    /// Mean of the numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mean: Option<f64>,
    /// Standard deviation of the numbers (divided by n, not n − 1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub std: Option<f64>,
    /// Quartiles, linearly interpolated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quantiles: Option<Quantiles>,
    /// Absent where the quartiles are exact; `false` where they are those of an even sample of the rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quantiles_exact: Option<bool>,
    /// Counts in bins of equal width.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub histogram: Option<Histogram>,
    /// Times only: the first and the last, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub earliest: Option<String>,
    /// See `earliest`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latest: Option<String>,
    /// Texts only: the words as the `words` tokenizer counts them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words: Option<WordCounts>,
    /// The most frequent values as labels with their counts, most frequent first, equal counts by label: at most 20; for numbers only
    /// where there are at most 20 distinct ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub top: Option<Vec<(String, u64)>>,
    /// Absent where `top` is exact; `false` where its counts are lower bounds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub top_exact: Option<bool>,
}

/// Quartiles of a column of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// A quarter of the values lies below.
    #[serde(rename = "0.25")]
    pub q25: f64,
    /// The median.
    #[serde(rename = "0.5")]
    pub q50: f64,
    /// Three quarters of the values lie below.
    #[serde(rename = "0.75")]
    pub q75: f64,
}

/// Counts in bins of equal width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Ascending, one more than `counts`; a bin holds its left edge, the last also its right.
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

/// How many words the cells of a text column hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordCounts {
    /// Distinct words, lower-cased.
    pub distinct: u64,
    /// Mean words of a cell.
    pub mean: f64,
    /// Words of the longest cell.
    pub max: u64,
}

/// Profiles every column of a table, and looks for its equal rows.
///
/// # Errors
/// Where the table cannot be read.
pub fn profile(table: &StoredTable) -> Result<(Profile, EqualRows), DataError> {
    let (looked, equal) = columns(table)?;
    let mut warnings = table.warnings().to_vec();
    for Looked { profile, odd } in &looked {
        warnings.extend(odd.iter().map(|(code, detail)| Warning {
            column: Some(profile.name.clone()),
            code: (*code).to_owned(),
            detail: detail.clone(),
        }));
    }
    let repeated: usize = equal.sets.iter().map(|set| set.len() - 1).sum();
    if repeated > 0 {
        let about = if equal.share > 1 { "about " } else { "" };
        let detail = format!(
            "{about}{} of {} rows equal an earlier row; a random split keeps equal rows on one side, unless split.duplicates is \"apart\"",
            repeated as u64 * equal.share,
            table.rows()
        );
        warnings.push(Warning { column: None, code: "duplicate_rows".to_owned(), detail });
    }
    warnings.extend(giveaway::giveaways(table)?);
    Ok((Profile { columns: looked.into_iter().map(|looked| looked.profile).collect(), warnings }, equal))
}

/// Profiles a table in memory.
///
/// # Errors
/// As [`profile`].
pub fn profile_table(table: &Table) -> Result<Profile, DataError> {
    Ok(profile(&StoredTable::of(table, Storage::memory(Vec::new()))?)?.0)
}

/// A column and what is odd about it: codes and sentences.
struct Looked {
    profile: ColumnProfile,
    odd: Vec<(&'static str, String)>,
}

/// All columns and the equal rows, on two threads where the machine has them and there is something to do.
fn columns(table: &StoredTable) -> Result<(Vec<Looked>, EqualRows), DataError> {
    let kinds: Vec<(&str, Kind)> = table.kinds().collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(kinds.len())));
    let work = || {
        while let Some((name, kind)) = kinds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let looked = look(table, name, *kind);
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*name, looked));
        }
    };
    let is_much = table.rows() * kinds.len() > 100_000;
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(2));
    let equal = std::thread::scope(|scope| {
        if is_much && threads > 1 {
            scope.spawn(work);
        }
        let equal = table.equal_rows();
        work();
        equal
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut in_order = Vec::with_capacity(found.len());
    for (name, _) in &kinds {
        let at = found.iter().position(|(known, _)| known == name);
        in_order.extend(at.map(|at| found.swap_remove(at).1));
    }
    Ok((in_order.into_iter().collect::<Result<Vec<Looked>, DataError>>()?, equal?))
}

fn look(table: &StoredTable, name: &str, kind: Kind) -> Result<Looked, DataError> {
    if table.rows() > EXACT_ROWS {
        return large::look(table, empty(name, kind));
    }
    let read = table.load(&[name])?;
    let column = read.columns.iter().find(|column| column.name == name);
    let Some(column) = column else { return Err(DataError::Corrupt(format!("column \"{name}\" is not there"))) };
    let profile = column_profile(column);
    let odd = oddities(column, &profile);
    Ok(Looked { profile, odd })
}

fn empty(name: &str, kind: Kind) -> ColumnProfile {
    ColumnProfile {
        name: name.to_owned(),
        kind,
        missing: 0,
        distinct: 0,
        distinct_exact: true,
        whole: None,
        min: None,
        max: None,
        mean: None,
        std: None,
        quantiles: None,
        quantiles_exact: None,
        histogram: None,
        earliest: None,
        latest: None,
        words: None,
        top: None,
        top_exact: None,
    }
}

fn column_profile(column: &Column) -> ColumnProfile {
    let profile = empty(&column.name, column.kind);
    match &column.values {
        Values::Numeric(values) => numbers(profile, values),
        Values::Text { codes, dictionary } => texts(profile, codes, dictionary),
        Values::Datetime(times) => datetimes(profile, times),
    }
}

/// The edges of bins of equal width.
fn edges(min: f64, max: f64, bins: usize) -> Vec<f64> {
    let (low, high) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
    let edge = |i: usize| {
        let share = i as f64 / bins as f64;
        let range = high - low;
        match i {
            _ if i == bins => high,
            // A range of finite numbers may overflow.
            _ if range.is_finite() => low + range * share,
            _ => low * (1.0 - share) + high * share,
        }
    };
    (0..=bins).map(edge).collect()
}

fn texts(mut profile: ColumnProfile, codes: &[u32], dictionary: &[String]) -> ColumnProfile {
    let mut counts = vec![0u64; dictionary.len()];
    for code in codes.iter().filter(|code| **code != MISSING_CODE) {
        counts[*code as usize] += 1;
    }
    let present: u64 = counts.iter().sum();
    profile.missing = codes.len() as u64 - present;
    profile.distinct = counts.iter().filter(|count| **count > 0).count() as u64;
    if profile.kind == Kind::Text {
        profile.words = Some(word_counts(dictionary, &counts, present));
    } else if profile.kind != Kind::Identifier {
        let counted = counts.iter().zip(dictionary).filter(|(count, _)| **count > 0);
        profile.top = Some(top(counted.map(|(count, text)| (text.as_str(), *count)).collect()));
    }
    profile
}

fn word_counts(dictionary: &[String], counts: &[u64], present: u64) -> WordCounts {
    let mut distinct = HashSet::new();
    let (mut sum, mut max) = (0, 0);
    for (text, count) in dictionary.iter().zip(counts) {
        let mut words = 0;
        for_each_word(text, Tokenizer::Words, |word| {
            words += 1;
            let word = word.to_lowercase();
            if !distinct.contains(&word) {
                distinct.insert(word);
            }
            true
        });
        sum += words * count;
        max = max.max(words);
    }
    WordCounts { distinct: distinct.len() as u64, mean: sum as f64 / present.max(1) as f64, max }
}

fn datetimes(mut profile: ColumnProfile, times: &[i64]) -> ColumnProfile {
    let mut sorted: Vec<i64> = times.iter().copied().filter(|ms| *ms != MISSING_TIME).collect();
    sorted.sort_unstable();
    profile.missing = (times.len() - sorted.len()) as u64;
    profile.earliest = sorted.first().map(|ms| format_datetime(*ms));
    profile.latest = sorted.last().map(|ms| format_datetime(*ms));
    sorted.dedup();
    profile.distinct = sorted.len() as u64;
    profile
}

/// The most frequent first, equal counts by label.
fn top<S: AsRef<str> + Ord>(mut counted: Vec<(S, u64)>) -> Vec<(String, u64)> {
    counted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counted.into_iter().take(TOP).map(|(label, count)| (label.as_ref().to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::csv::{ParseOptions, build};
    use crate::data::{Storage, samples};

    fn of(text: &str) -> Profile {
        let (table, _) = build(text.as_bytes(), &ParseOptions::default(), Storage::memory(Vec::new())).unwrap();
        profile(&table).unwrap().0
    }

    #[test]
    fn iris_is_profiled_as_the_contract_shows() {
        let profile = of(std::str::from_utf8(&samples::get("iris").unwrap().csv()).unwrap());
        let json = serde_json::to_value(&profile.columns[0]).unwrap();
        assert_eq!(json["kind"], "numeric");
        assert_eq!((&json["min"], &json["max"], &json["distinct"]), (&4.3.into(), &7.9.into(), &35.into()));
        let near = |pointer: &str, expected: f64| {
            let found = json.pointer(pointer).unwrap().as_f64().unwrap();
            assert!((found - expected).abs() < 5e-4, "{pointer}: {found}");
        };
        near("/mean", 5.8433);
        near("/std", 0.8253);
        near("/quantiles/0.25", 5.1);
        near("/quantiles/0.75", 6.4);
        let histogram = profile.columns[0].histogram.as_ref().unwrap();
        assert_eq!(histogram.edges.len(), histogram.counts.len() + 1);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 150);
        let species = serde_json::to_string(&profile.columns[4]).unwrap();
        assert_eq!(
            species,
            r#"{"name":"species","kind":"categorical","missing":0,"distinct":3,"distinct_exact":true,"top":[["setosa",50],["versicolor",50],["virginica",50]]}"#
        );
        let codes: Vec<_> = profile.warnings.iter().map(|warning| warning.code.as_str()).collect();
        assert_eq!(codes, ["duplicate_rows"], "two of its flowers measure the same");
    }

    #[test]
    fn odd_columns_are_pointed_out() {
        let mut text = String::from("id,up,same,gone,half,name\n");
        for i in 0..60 {
            text += &format!("{i},{},x,,{},person {i}\n", i + 100, if i % 3 == 0 { "1.5" } else { "" });
        }
        let warnings: Vec<_> = of(&text).warnings.into_iter().map(|w| (w.column.unwrap(), w.code)).collect();
        let expected = [
            ("id", "identifier_like"),
            ("up", "identifier_like"),
            ("same", "constant"),
            ("gone", "empty"),
            ("half", "many_missing"),
            ("name", "high_cardinality"),
        ];
        assert_eq!(warnings, expected.map(|(column, code)| (column.to_owned(), code.to_owned())));
    }

    #[test]
    fn skew_scale_repeats_and_columns_that_tell_another_are_pointed_out() {
        let mut text = String::from("n,far,odd,large,leak,label\n");
        for i in 0..200 {
            let label = ["a", "b", "c"][(i * i + i / 7) % 3];
            let odd = if i == 150 { 1e6 } else { f64::from(i as u32 % 10) };
            let large = 1e12 + f64::from((i as u32 * 77) % 31) * 1e9;
            let leak = format!("{}", label.as_bytes()[0] as usize * 10 + i % 4);
            text += &format!("{},{},{odd},{large},{leak},{label}\n", (i * 13) % 17, 5e7 + f64::from(i as u32 % 3));
        }
        let repeat = text.lines().nth(1).unwrap().to_owned();
        let found = of(&(text.clone() + &repeat + "\n"));
        let codes: Vec<_> =
            found.warnings.iter().map(|w| (w.column.as_deref().unwrap_or(""), w.code.as_str())).collect();
        for wanted in [
            ("far", "extreme_scale"),
            ("odd", "skew"),
            ("large", "extreme_scale"),
            ("leak", "gives_away"),
            ("", "duplicate_rows"),
        ] {
            assert!(codes.contains(&wanted), "{wanted:?} in {:#?}", found.warnings);
        }
        assert_eq!(codes.len(), 5, "{:#?}", found.warnings);
        let leak = found.warnings.iter().find(|w| w.code == "gives_away").unwrap();
        assert!(leak.detail.contains("\"label\""), "{}", leak.detail);
        assert!(found.warnings.iter().any(|w| w.detail.starts_with("1 of 201 rows")));
    }

    #[test]
    fn numbers_texts_and_times_are_counted() {
        let profile =
            of("n,t,w\n3,2026-01-02,the cat sat\n1,2026-01-01,a dog sat down\n1,2026-01-02,the cow is here\n,,\n");
        let [n, t, w] = profile.columns.as_slice() else { panic!("three columns") };
        assert_eq!((n.missing, n.distinct, n.whole, n.mean), (1, 2, Some(true), Some(5.0 / 3.0)));
        assert_eq!(n.top, Some(vec![("1".into(), 2), ("3".into(), 1)]));
        assert_eq!(n.histogram, Some(Histogram { edges: vec![1.0, 2.0, 3.0], counts: vec![2, 1] }));
        assert_eq!(
            (t.distinct, t.earliest.as_deref(), t.latest.as_deref()),
            (2, Some("2026-01-01"), Some("2026-01-02"))
        );
        assert_eq!(w.words, Some(WordCounts { distinct: 9, mean: 11.0 / 3.0, max: 4 }));
    }
}
