//! From raw cells to a typed column, whatever the format they came in. Kinds are decided here, by rules that can be told in a sentence each.
//!
//! In this order, over the cells that are not missing:
//! 1. **numeric:** all are finite numbers; or nearly all: text in at most a tenth of the cells (one cell in five or more, if it is only one) is taken as missing, with
//!    the warning `mixed_types`. Digits behind a leading zero (`007`, `02134`) are codes, not numbers, and make a column of labels.
//! 2. **boolean:** at most two words, of one pair: true/false, t/f, yes/no, y/n, on/off, in any case. (0 and 1 are numbers.)
//! 3. **datetime:** all are ISO 8601 dates or times: `2026-11-05`, `2026/11/05`, `2026-11-05 13:45[:07[.25]][Z|+01:00]`.
//! 4. **identifier:** no value twice, none missing, at least two rows, and either the name says so (`id`, `index`, `row`, `key`, `uuid`, `…_id`, or none at all above whole numbers)
//!    or the values are at least twenty single words.
//! 5. **text:** three words a cell or more on average, and at least half of the cells different from each other or more than a thousand different ones.
//! 6. **categorical:** everything else.
//!
//! A column with one value and nothing missing, or with no value at all, is **constant**.

use std::collections::HashMap;

use super::cell::shorten;
use super::parse::{BOOLEAN_PAIRS, Markers, is_code, parse_boolean, parse_datetime, parse_number};
use super::table::{Column, Kind, MISSING_CODE, MISSING_TIME, Values, Warning, format_number};

/// Rows after which the writing of numbers is no longer kept.
const UNDECIDED_ROWS: usize = 1000;
/// Texts in a column of numbers that are kept in any case before it becomes a column of texts.
const TOLERATED_TEXTS: usize = 100;

/// Gathers the cells of one column and decides at the end what they are.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    name: String,
    /// The header left the name empty, as pandas does above its index.
    unnamed: bool,
    forced: Option<Kind>,
    decimal: u8,
    rows: usize,
    store: Store,
    /// Line and text of the first cell that is no number.
    first_text: Option<(u64, String)>,
}

/// How the cells are kept meanwhile. Either can be turned into the other; the decision is made in [`ColumnBuilder::finish`].
#[derive(Debug)]
enum Store {
    /// Numbers, the few texts among them, and how the first numbers were written where that is not the usual way (`1.50`).
    Numbers {
        values: Vec<f64>,
        texts: Vec<(u32, String)>,
        written: Vec<(u32, String)>,
    },
    Texts {
        codes: Vec<u32>,
        index: HashMap<String, u32>,
    },
}

/// What a declared kind cannot be.
#[derive(Debug)]
pub(crate) struct KindFault {
    pub(crate) column: String,
    pub(crate) detail: String,
}

impl ColumnBuilder {
    pub(crate) fn new(name: String, unnamed: bool, forced: Option<Kind>, decimal: u8) -> ColumnBuilder {
        let store = match forced {
            None | Some(Kind::Numeric) => Store::Numbers { values: Vec::new(), texts: Vec::new(), written: Vec::new() },
            Some(_) => Store::Texts { codes: Vec::new(), index: HashMap::new() },
        };
        ColumnBuilder { name, unnamed, forced, decimal, rows: 0, store, first_text: None }
    }

    /// Takes the next cell.
    ///
    /// # Errors
    /// Where the cell is not UTF-8.
    pub(crate) fn push(&mut self, cell: &[u8], line: u64, markers: &Markers) -> Result<(), std::str::Utf8Error> {
        let cell = cell.trim_ascii();
        let row = self.rows as u32;
        self.rows += 1;
        if let Store::Numbers { values, written, .. } = &mut self.store
            && !(markers.numeric && markers.is_missing(cell))
            && !is_code(cell)
            && let Some(x) = parse_number(cell, self.decimal)
        {
            values.push(x);
            if self.rows <= UNDECIDED_ROWS {
                let usual = format_number(x);
                if usual.as_bytes() != cell {
                    written.push((row, String::from_utf8_lossy(cell).into_owned()));
                }
            } else if self.rows == UNDECIDED_ROWS + 1 {
                *written = Vec::new();
            }
            return Ok(());
        }
        if markers.is_missing(cell) {
            match &mut self.store {
                Store::Numbers { values, .. } => values.push(f64::NAN),
                Store::Texts { codes, .. } => codes.push(MISSING_CODE),
            }
            return Ok(());
        }
        let text = std::str::from_utf8(cell)?;
        if self.first_text.is_none() && (is_code(cell) || parse_number(cell, self.decimal).is_none()) {
            self.first_text = Some((line, shorten(text)));
        }
        match &mut self.store {
            Store::Numbers { values, texts, .. } => {
                values.push(f64::NAN);
                texts.push((row, text.to_owned()));
                if (is_code(cell) || texts.len() > TOLERATED_TEXTS + self.rows / 10) && self.forced.is_none() {
                    self.store_as_texts();
                }
            }
            Store::Texts { codes, index } => codes.push(code_of(index, text)),
        }
        Ok(())
    }

    /// Takes a finite number that says it is one.
    pub(crate) fn push_number(&mut self, x: f64) {
        self.rows += 1;
        match &mut self.store {
            Store::Numbers { values, .. } => values.push(x),
            Store::Texts { codes, index } => codes.push(code_of(index, &format_number(x))),
        }
    }

    /// Takes a cell without a value.
    pub(crate) fn push_missing(&mut self) {
        self.rows += 1;
        match &mut self.store {
            Store::Numbers { values, .. } => values.push(f64::NAN),
            Store::Texts { codes, .. } => codes.push(MISSING_CODE),
        }
    }

    fn store_as_texts(&mut self) {
        let Store::Numbers { values, texts, written } = &mut self.store else { return };
        let (mut texts, mut written) =
            (std::mem::take(texts).into_iter().peekable(), std::mem::take(written).into_iter().peekable());
        let mut index = HashMap::new();
        let codes = values.iter().enumerate().map(|(row, &x)| {
            let original =
                [&mut texts, &mut written].into_iter().find_map(|list| list.next_if(|(r, _)| *r as usize == row));
            match original {
                Some((_, text)) => code_of(&mut index, &text),
                None if x.is_nan() => MISSING_CODE,
                None => code_of(&mut index, &format_number(x)),
            }
        });
        let codes = codes.collect();
        self.store = Store::Texts { codes, index };
    }

    /// Decides what the column is.
    ///
    /// # Errors
    /// Where it cannot be what the client declared.
    pub(crate) fn finish(self) -> Result<(Column, Vec<Warning>), KindFault> {
        let numeric = match (self.forced, &self.store) {
            (Some(kind), _) => kind == Kind::Numeric,
            (None, Store::Numbers { values, texts, .. }) => {
                mostly_numbers(values.iter().filter(|x| !x.is_nan()).count(), texts.len())
            }
            (None, Store::Texts { codes, index }) => {
                let mut is_number = vec![false; index.len()];
                let mut any_code = false;
                for (text, &code) in index {
                    any_code |= is_code(text.as_bytes());
                    is_number[code as usize] = parse_number(text.as_bytes(), self.decimal).is_some();
                }
                let present = codes.iter().filter(|code| **code != MISSING_CODE);
                let (numbers, texts): (Vec<u32>, Vec<u32>) = present.partition(|code| is_number[**code as usize]);
                !any_code && mostly_numbers(numbers.len(), texts.len())
            }
        };
        if numeric { Ok(self.finish_numeric()) } else { self.finish_texts() }
    }

    fn finish_numeric(self) -> (Column, Vec<Warning>) {
        let (values, texts) = match self.store {
            Store::Numbers { values, texts, .. } => {
                let texts: Vec<String> = texts.into_iter().map(|(_, text)| text).collect();
                (values, texts)
            }
            Store::Texts { codes, index } => {
                let dictionary = dictionary(index);
                let numbers: Vec<Option<f64>> =
                    dictionary.iter().map(|text| parse_number(text.as_bytes(), self.decimal)).collect();
                let mut texts = Vec::new();
                let values = codes.iter().map(|&code| match numbers.get(code as usize) {
                    None => f64::NAN,
                    Some(Some(x)) => *x,
                    Some(None) => {
                        texts.push(dictionary[code as usize].clone());
                        f64::NAN
                    }
                });
                (values.collect(), texts)
            }
        };
        let mut warnings = Vec::new();
        if let (false, Some((line, text))) = (texts.is_empty(), &self.first_text) {
            warnings.push(mixed_types(&self.name, &texts, *line, text));
        }
        let (distinct, whole, missing) = summary(&values);
        let kind = match self.forced {
            Some(kind) => kind,
            None if distinct == Distinct::None || (distinct == Distinct::One && !missing) => Kind::Constant,
            None if distinct == Distinct::All && !missing && whole && (self.unnamed || says_identifier(&self.name)) => {
                Kind::Identifier
            }
            None => Kind::Numeric,
        };
        (Column { name: self.name, kind, values: Values::Numeric(values) }, warnings)
    }

    fn finish_texts(mut self) -> Result<(Column, Vec<Warning>), KindFault> {
        self.store_as_texts();
        let Store::Texts { codes, index } = self.store else {
            return Err(KindFault { column: self.name, detail: "could not be read as text".into() });
        };
        let dictionary = dictionary(index);
        let present = codes.iter().filter(|code| **code != MISSING_CODE).count();
        let times = |dictionary: &[String]| dictionary.iter().map(|text| parse_datetime(text)).collect::<Vec<_>>();
        let mut warnings = Vec::new();
        let kind = match self.forced {
            Some(kind) => kind,
            None => kind_of_texts(&self.name, codes.len(), present, &dictionary),
        };
        if kind == Kind::Boolean && !dictionary.iter().all(|text| parse_boolean(text).is_some()) {
            let found: Vec<String> = dictionary.iter().take(4).map(|text| format!("\"{}\"", shorten(text))).collect();
            let detail = format!(
                "cannot be boolean: it holds {}{}",
                found.join(", "),
                if dictionary.len() > 4 { ", …" } else { "" }
            );
            return Err(KindFault { column: self.name, detail });
        }
        let values = match kind {
            Kind::Datetime => {
                let times = times(&dictionary);
                let at = |code: u32| times.get(code as usize).copied().flatten();
                let wrong: Vec<String> = (codes.iter())
                    .filter(|code| **code != MISSING_CODE && at(**code).is_none())
                    .map(|code| dictionary[*code as usize].clone())
                    .collect();
                if let Some(first) = wrong.first() {
                    let detail = format!(
                        "{} rows hold no ISO 8601 time, such as \"{}\"; they count as missing",
                        wrong.len(),
                        shorten(first)
                    );
                    warnings.push(Warning { column: Some(self.name.clone()), code: "mixed_types".into(), detail });
                }
                Values::Datetime(codes.iter().map(|&code| at(code).unwrap_or(MISSING_TIME)).collect())
            }
            Kind::Boolean if !is_one_spelling(&dictionary) => unify_booleans(codes, &dictionary),
            _ => {
                if self.decimal == b'.' && is_decimal_comma(&dictionary) {
                    let detail = "the values look like numbers with a decimal comma; send the file with ?decimal=, to read them as such";
                    warnings.push(Warning {
                        column: Some(self.name.clone()),
                        code: "decimal_comma".into(),
                        detail: detail.into(),
                    });
                }
                Values::Text { codes, dictionary }
            }
        };
        Ok((Column { name: self.name, kind, values }, warnings))
    }
}

/// Text in at most a tenth of the cells; a single one in five cells or more.
fn mostly_numbers(numbers: usize, texts: usize) -> bool {
    texts == 0 || texts * 9 <= numbers || (texts == 1 && numbers >= 4)
}

fn mixed_types(name: &str, texts: &[String], line: u64, first: &str) -> Warning {
    let rows = if texts.len() == 1 { "1 row holds".to_owned() } else { format!("{} rows hold", texts.len()) };
    let same = texts.iter().all(|text| *text == texts[0]);
    let remedy = if same {
        format!("counted as missing; null={first} says so, kinds={name}:categorical keeps them")
    } else {
        format!("counted as missing; kinds={name}:categorical keeps them")
    };
    let detail = format!("{rows} text in a numeric column; first at line {line} (\"{first}\"); {remedy}");
    Warning { column: Some(name.to_owned()), code: "mixed_types".into(), detail }
}

fn code_of(index: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(&code) = index.get(text) {
        return code;
    }
    let code = index.len() as u32;
    index.insert(text.to_owned(), code);
    code
}

fn dictionary(index: HashMap<String, u32>) -> Vec<String> {
    let mut texts: Vec<(u32, String)> = index.into_iter().map(|(text, code)| (code, text)).collect();
    texts.sort_unstable_by_key(|(code, _)| *code);
    texts.into_iter().map(|(_, text)| text).collect()
}

#[derive(PartialEq)]
enum Distinct {
    None,
    One,
    Some,
    All,
}

/// How many values differ, whether all are whole, whether any is missing.
fn summary(values: &[f64]) -> (Distinct, bool, bool) {
    let mut present = values.iter().filter(|x| !x.is_nan());
    let missing = values.iter().any(|x| x.is_nan());
    let Some(first) = present.next() else { return (Distinct::None, false, missing) };
    if present.all(|x| x == first) {
        return (Distinct::One, false, missing);
    }
    if !values.iter().all(|x| x.trunc() == *x) {
        return (Distinct::Some, false, missing);
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let all = sorted.windows(2).all(|pair| pair[0] != pair[1]);
    (if all { Distinct::All } else { Distinct::Some }, true, missing)
}

/// Whether the name of a column says that it holds identifiers.
fn says_identifier(name: &str) -> bool {
    const NAMES: [&str; 12] =
        ["id", "index", "idx", "row", "rowid", "rownum", "record", "key", "uuid", "guid", "unnamed: 0", "row_number"];
    let lower = name.trim().to_lowercase();
    NAMES.contains(&lower.as_str())
        || [" id", "_id", "-id", ".id", "_uuid", "_key"].iter().any(|end| lower.ends_with(end))
        || name.len() > 2 && name.ends_with("Id") && name.chars().rev().nth(2).is_some_and(char::is_lowercase)
}

fn kind_of_texts(name: &str, rows: usize, present: usize, dictionary: &[String]) -> Kind {
    let distinct = dictionary.len();
    if distinct == 0 || (distinct == 1 && present == rows) {
        return Kind::Constant;
    }
    let pair = |text: &String| {
        BOOLEAN_PAIRS.iter().position(|(no, yes)| text.eq_ignore_ascii_case(no) || text.eq_ignore_ascii_case(yes))
    };
    if let Some(first) = pair(&dictionary[0])
        && dictionary.iter().all(|text| pair(text) == Some(first))
    {
        return Kind::Boolean;
    }
    if dictionary.iter().all(|text| parse_datetime(text).is_some()) {
        return Kind::Datetime;
    }
    let words = dictionary.iter().map(|text| text.split_whitespace().count()).sum::<usize>() as f64 / distinct as f64;
    let unique = distinct == rows && rows >= 2;
    if unique && (says_identifier(name) || (rows >= 20 && words < 1.1)) {
        return Kind::Identifier;
    }
    if words >= 3.0 && (distinct * 2 >= present || distinct > 1000) { Kind::Text } else { Kind::Categorical }
}

fn is_one_spelling(dictionary: &[String]) -> bool {
    match dictionary {
        [a, b] => parse_boolean(a) != parse_boolean(b),
        other => other.len() < 2,
    }
}

/// Words for yes and no in several spellings (`True`, `TRUE`) become `true` and `false`.
fn unify_booleans(codes: Vec<u32>, dictionary: &[String]) -> Values {
    let truth: Vec<u32> = dictionary.iter().map(|text| u32::from(parse_boolean(text) == Some(true))).collect();
    let codes = codes.into_iter().map(|code| truth.get(code as usize).copied().unwrap_or(MISSING_CODE)).collect();
    Values::Text { codes, dictionary: vec!["false".into(), "true".into()] }
}

fn is_decimal_comma(dictionary: &[String]) -> bool {
    let with_comma = |text: &&String| text.contains(',') && parse_number(text.as_bytes(), b',').is_some();
    dictionary.iter().filter(with_comma).count() * 2 > dictionary.len()
        && dictionary.iter().all(|text| parse_number(text.as_bytes(), b',').is_some())
}
