//! Labels: how cells are named, in which order classes stand, and features for categories.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::plan::UnknownCategory;
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
    #[serde(skip)]
    index: LabelIndex,
}

#[derive(Deserialize)]
struct StoredOneHot {
    categories: Vec<String>,
    missing: bool,
    unknown: UnknownCategory,
}

impl From<StoredOneHot> for OneHotInput {
    fn from(StoredOneHot { categories, missing, unknown }: StoredOneHot) -> OneHotInput {
        let index = LabelIndex::new(&categories);
        OneHotInput { categories, missing, unknown, index }
    }
}

impl OneHotInput {
    pub(super) fn fit<'a>(cells: impl Iterator<Item = Cell<'a>>, unknown: UnknownCategory) -> OneHotInput {
        let (mut labels, mut missing) = (BTreeSet::new(), false);
        for cell in cells {
            match label(cell) {
                Some(label) => drop(labels.insert(label)),
                None => missing = true,
            }
        }
        StoredOneHot { categories: ordered(labels), missing, unknown }.into()
    }

    pub(super) fn width(&self) -> usize {
        self.categories.len() + usize::from(self.missing)
    }

    /// Which feature is 1, if any.
    ///
    /// # Errors
    /// Where an unknown category is refused.
    pub(super) fn encode(&self, cell: Cell<'_>) -> Result<Option<usize>, String> {
        if label_is_missing(cell) {
            return Ok(self.missing.then_some(self.categories.len()));
        }
        match self.index.find(cell) {
            Some(index) => Ok(Some(index as usize)),
            None if self.unknown == UnknownCategory::Zeros => Ok(None),
            None => Err(format!("expected {}, got {}", one_of(&self.categories), cell.describe())),
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

/// Counts of labels.
pub(super) fn tally<'a>(cells: impl Iterator<Item = Cell<'a>>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for label in cells.filter_map(label) {
        *counts.entry(label).or_default() += 1;
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
}
