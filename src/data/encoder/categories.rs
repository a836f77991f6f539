//! Labels: how cells are named, in which order classes stand, and features for categories.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::hash::bucket;
use super::plan::{MissingCategory, UnknownCategory};
use crate::data::Cell;
use crate::data::parse::{parse_boolean, parse_number};
use crate::data::table::{format_datetime, format_number};

/// The label of a cell: numbers as [`format_number`] writes them, texts as they are; `None` where it is missing.
pub(super) fn label(cell: Cell<'_>) -> Option<String> {
    match cell {
        Cell::Missing => None,
        Cell::Number(x) => Some(format_number(x)),
        Cell::Bool(truth) => Some(truth.to_string()),
        Cell::Text(text) => Some(text.to_owned()),
        Cell::Raw(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Cell::Datetime(ms) => Some(format_datetime(ms)),
    }
}

/// Labels in the order of classes: by value where every one is a number as we write numbers, no before yes where they are two words for these, else by bytes.
pub(super) fn ordered(labels: BTreeSet<String>) -> Vec<String> {
    let mut labels: Vec<String> = labels.into_iter().collect();
    let number = |label: &String| parse_number(label.as_bytes(), b'.').filter(|x| format_number(*x) == *label);
    if labels.iter().all(|label| number(label).is_some()) {
        labels.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
    } else if let [first, second] = labels.as_slice()
        && parse_boolean(first) == Some(true)
        && parse_boolean(second) == Some(false)
    {
        labels.reverse();
    }
    labels
}

/// Finds the index of a cell among labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LabelIndex(HashMap<String, u32>);

impl LabelIndex {
    pub(super) fn new(labels: &[String]) -> LabelIndex {
        LabelIndex(labels.iter().enumerate().map(|(i, label)| (label.clone(), i as u32)).collect())
    }

    /// The index of the cell's label. `true` finds `yes` and `1` where there is no `true`; a number as it may be written (`1.0`) finds the number.
    pub(super) fn find(&self, cell: Cell<'_>) -> Option<u32> {
        match cell {
            Cell::Text(text) => self.0.get(text).copied(),
            Cell::Bool(truth) => self.0.get(if truth { "true" } else { "false" }).copied().or_else(|| {
                self.0.iter().find(|(label, _)| parse_boolean(label) == Some(truth)).map(|(_, index)| *index)
            }),
            Cell::Raw(text) => self.0.get(text.trim()).copied().or_else(|| {
                let x = parse_number(text.as_bytes(), b'.')?;
                self.0.get(&format_number(x)).copied()
            }),
            other => self.0.get(&label(other)?).copied(),
        }
    }
}

/// A fitted one-hot input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredOneHot")]
pub(super) struct OneHotInput {
    pub(super) categories: Vec<String>,
    /// The training part has missing values: they are a category of their own, the last.
    pub(super) missing: bool,
    pub(super) unknown: UnknownCategory,
    /// The category that stands in for a missing one.
    #[serde(skip_serializing_if = "Option::is_none")]
    fill: Option<String>,
    #[serde(skip)]
    index: LabelIndex,
}

#[derive(Deserialize)]
struct StoredOneHot {
    categories: Vec<String>,
    missing: bool,
    unknown: UnknownCategory,
    #[serde(default)]
    fill: Option<String>,
}

impl From<StoredOneHot> for OneHotInput {
    fn from(StoredOneHot { categories, missing, unknown, fill }: StoredOneHot) -> OneHotInput {
        let index = LabelIndex::new(&categories);
        OneHotInput { categories, missing, unknown, fill, index }
    }
}

impl OneHotInput {
    pub(super) fn fit(cells: &[(Cell<'_>, u64)], unknown: UnknownCategory, missing: &MissingCategory) -> OneHotInput {
        let (mut labels, mut some_missing) = (BTreeSet::new(), false);
        for (cell, _) in cells {
            match label(*cell) {
                Some(label) => drop(labels.insert(label)),
                None => some_missing = true,
            }
        }
        let fill = stand_in(cells, missing);
        // Rows that are taken for a category are of it.
        labels.extend(fill.clone().filter(|_| some_missing));
        let missing = some_missing && *missing == MissingCategory::Own;
        StoredOneHot { categories: ordered(labels), missing, unknown, fill }.into()
    }

    pub(super) fn width(&self) -> usize {
        self.categories.len() + usize::from(self.missing)
    }

    /// Which feature is 1, if any.
    ///
    /// # Errors
    /// Where an unknown category is refused.
    pub(super) fn encode(&self, cell: Cell<'_>) -> Result<Option<usize>, String> {
        let cell = match (&self.fill, label_is_missing(cell)) {
            (_, false) => cell,
            (Some(fill), true) => Cell::Text(fill),
            (None, true) => return Ok(self.missing.then_some(self.categories.len())),
        };
        match self.index.find(cell) {
            Some(index) => Ok(Some(index as usize)),
            None if self.unknown == UnknownCategory::Zeros => Ok(None),
            None => Err(format!("expected {}, got {}", one_of(&self.categories), cell.describe())),
        }
    }
}

/// A one-hot input by hash. Of the training part it knows whether values are missing, and which category is the most frequent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HashedInput {
    pub(super) buckets: u32,
    /// Missing values are a feature of their own, the last.
    pub(super) missing: bool,
    /// The category that stands in for a missing one.
    fill: Option<String>,
}

impl HashedInput {
    pub(super) fn fit(cells: &[(Cell<'_>, u64)], buckets: usize, missing: &MissingCategory) -> HashedInput {
        let own = *missing == MissingCategory::Own && cells.iter().any(|(cell, _)| label_is_missing(*cell));
        HashedInput { buckets: buckets as u32, missing: own, fill: stand_in(cells, missing) }
    }

    pub(super) fn width(&self) -> usize {
        self.buckets as usize + usize::from(self.missing)
    }

    /// Which feature is 1, if any.
    pub(super) fn encode(&self, cell: Cell<'_>) -> Option<usize> {
        match label(cell).as_ref().or(self.fill.as_ref()) {
            Some(label) => Some(bucket(label, self.buckets) as usize),
            None => self.missing.then_some(self.buckets as usize),
        }
    }
}

/// The category that stands in for a missing one: the most frequent (of equal counts the first by bytes), or the one that was named.
pub(super) fn stand_in(cells: &[(Cell<'_>, u64)], missing: &MissingCategory) -> Option<String> {
    match missing {
        MissingCategory::Own | MissingCategory::Neutral => None,
        MissingCategory::Constant(label) => Some(label.clone()),
        MissingCategory::MostFrequent => {
            let counts = tally(cells);
            let most = counts.values().max().copied()?;
            counts.into_iter().find(|(_, count)| *count == most).map(|(label, _)| label)
        }
    }
}

fn label_is_missing(cell: Cell<'_>) -> bool {
    match cell {
        Cell::Missing => true,
        Cell::Raw(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// `"a", "b" or "c"`, the first few, for messages.
pub(super) fn one_of(labels: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = labels.iter().take(SHOWN).map(|label| format!("\"{label}\"")).collect();
    match shown.split_last() {
        None => "nothing".into(),
        Some(_) if labels.len() > SHOWN => format!("one of {} … ({} in all)", shown.join(", "), labels.len()),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Yes or no in a cell, `None` where it is missing.
///
/// # Errors
/// What was expected and found, where it is neither.
pub(super) fn truth(cell: Cell<'_>) -> Result<Option<bool>, String> {
    let found = match cell {
        Cell::Missing => return Ok(None),
        Cell::Raw(text) if text.trim().is_empty() => return Ok(None),
        Cell::Bool(truth) => Some(truth),
        Cell::Number(x) if x == 0.0 || x == 1.0 => Some(x == 1.0),
        Cell::Text(text) => parse_boolean(text),
        Cell::Raw(text) => parse_boolean(text.trim()),
        Cell::Number(_) | Cell::Datetime(_) => None,
    };
    found.map(Some).ok_or_else(|| format!("expected true or false, got {}", cell.describe()))
}

/// Counts of labels, from those of cells.
pub(super) fn tally(cells: &[(Cell<'_>, u64)]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (label, count) in cells.iter().filter_map(|(cell, count)| Some((label(*cell)?, count))) {
        *counts.entry(label).or_default() += count;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered_of(labels: &[&str]) -> Vec<String> {
        ordered(labels.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn classes_stand_by_value_or_by_bytes() {
        assert_eq!(ordered_of(&["10", "9", "-1", "2.5"]), ["-1", "2.5", "9", "10"]);
        assert_eq!(ordered_of(&["b", "a", "B"]), ["B", "a", "b"]);
        assert_eq!(ordered_of(&["Yes", "no"]), ["no", "Yes"]);
        assert_eq!(ordered_of(&["010", "9"]), ["010", "9"], "codes are text");
    }

    #[test]
    fn a_label_is_found_however_the_client_writes_it() {
        let index = LabelIndex::new(&["1".into(), "yes".into(), "a b".into()]);
        assert_eq!(index.find(Cell::Number(1.0)), Some(0));
        assert_eq!(index.find(Cell::Raw(" 1.0 ")), Some(0));
        assert_eq!(index.find(Cell::Text("a b")), Some(2));
        assert_eq!(index.find(Cell::Text("A b")), None);
        assert_eq!(LabelIndex::new(&["no".into(), "yes".into()]).find(Cell::Bool(true)), Some(1));
    }

    #[test]
    fn a_missing_category_is_what_was_asked_for() {
        let cells = [(Cell::Text("b"), 2), (Cell::Missing, 1), (Cell::Text("a"), 1)];
        let fit = |missing| OneHotInput::fit(&cells, UnknownCategory::Zeros, &missing);
        let of = |input: &OneHotInput| (input.width(), input.encode(Cell::Missing), input.encode(Cell::Raw(" ")));
        assert_eq!(of(&fit(MissingCategory::Own)), (3, Ok(Some(2)), Ok(Some(2))));
        assert_eq!(of(&fit(MissingCategory::Neutral)), (2, Ok(None), Ok(None)));
        assert_eq!(of(&fit(MissingCategory::MostFrequent)), (2, Ok(Some(1)), Ok(Some(1))));
        assert_eq!(of(&fit(MissingCategory::Constant("a".into()))), (2, Ok(Some(0)), Ok(Some(0))));
        assert_eq!(of(&fit(MissingCategory::Constant("none".into()))), (3, Ok(Some(2)), Ok(Some(2))));
        let hashed = |missing| HashedInput::fit(&cells, 8, &missing);
        assert_eq!(
            (hashed(MissingCategory::Own).width(), hashed(MissingCategory::Own).encode(Cell::Missing)),
            (9, Some(8))
        );
        assert_eq!(hashed(MissingCategory::Neutral).encode(Cell::Missing), None);
        let frequent = hashed(MissingCategory::MostFrequent);
        assert_eq!((frequent.width(), frequent.encode(Cell::Missing)), (8, frequent.encode(Cell::Text("b"))));
        assert_eq!(frequent.encode(Cell::Number(7.0)), frequent.encode(Cell::Text("7")), "one label, one bucket");
        assert_eq!(frequent.encode(Cell::Raw(" b ")), frequent.encode(Cell::Text("b")));
    }
}
