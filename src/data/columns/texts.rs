//! The distinct texts of a column while it is read: numbered in order of first appearance, and what is known of all of them together.
//!
//! A column with very many texts gives its numbers up (`let_go`): what it has so far stays its dictionary, and each group of rows brings
//! texts of its own from there on. Only counts of all texts are kept, exact up to a bound.

use std::collections::HashMap;

use crate::data::parse::{is_code, parse_datetime, parse_number};
use crate::data::sketch::{Distinct, of_text};
use crate::data::table::MISSING_CODE;

/// Distinct texts of a column that are counted exactly when they are no longer numbered.
const EXACTLY_COUNTED: usize = 1 << 20;
/// Texts kept as examples for messages and rules about few texts.
const EXAMPLES: usize = 16;

pub(super) struct Texts {
    index: HashMap<Box<str>, u32>,
    /// Whether the text of each code is a number.
    is_number: Vec<bool>,
    decimal: u8,
    /// Bytes of texts that came in since this was last asked for.
    fresh_bytes: usize,
    pub(super) known: Known,
}

/// What is known of all texts of a column.
pub(super) struct Known {
    /// The first few.
    pub(super) examples: Vec<String>,
    /// Rows whose text is a number.
    pub(super) number_rows: usize,
    /// Rows with any other text.
    pub(super) text_rows: usize,
    /// Some text has digits behind a leading zero.
    pub(super) any_code: bool,
    pub(super) all_times: bool,
    /// All are numbers with a decimal comma, so many of them with one in them.
    pub(super) all_decimal_commas: bool,
    with_comma: u64,
    /// Texts looked at for the above, and their words: all, or with very many texts some more than once.
    looked_at: u64,
    words: u64,
    /// Where texts are no longer numbered.
    distinct: Option<Distinct>,
    /// Distinct texts that are no numbers: none, this one, or several.
    pub(super) texts: Other,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Other {
    None,
    One(String),
    Several,
}

impl Texts {
    pub(super) fn new(decimal: u8) -> Texts {
        let known = Known {
            examples: Vec::new(),
            number_rows: 0,
            text_rows: 0,
            any_code: false,
            all_times: true,
            all_decimal_commas: true,
            with_comma: 0,
            looked_at: 0,
            words: 0,
            distinct: None,
            texts: Other::None,
        };
        Texts { index: HashMap::new(), is_number: Vec::new(), decimal, fresh_bytes: 0, known }
    }

    /// The code of a text in the next row.
    pub(super) fn code_of(&mut self, text: &str) -> u32 {
        let code = match self.index.get(text) {
            Some(code) => *code,
            None => self.add(text),
        };
        match self.is_number[code as usize] {
            true => self.known.number_rows += 1,
            false => self.known.text_rows += 1,
        }
        code
    }

    fn add(&mut self, text: &str) -> u32 {
        let code = self.index.len() as u32;
        self.index.insert(text.into(), code);
        self.fresh_bytes += text.len() + 4;
        let is_number = parse_number(text.as_bytes(), self.decimal).is_some();
        self.is_number.push(is_number);
        self.known.see(text, is_number);
        code
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of texts that came in since this was last asked for.
    pub(super) fn take_fresh_bytes(&mut self) -> usize {
        std::mem::take(&mut self.fresh_bytes)
    }

    /// Whether texts are numbered within their group of rows only.
    pub(super) fn is_local(&self) -> bool {
        self.known.distinct.is_some()
    }

    /// The texts in the order of their codes; the next text begins anew.
    pub(super) fn drain(&mut self) -> Vec<String> {
        self.is_number.clear();
        let mut texts: Vec<(u32, Box<str>)> = self.index.drain().map(|(text, code)| (code, text)).collect();
        texts.sort_unstable_by_key(|(code, _)| *code);
        texts.into_iter().map(|(_, text)| text.into()).collect()
    }

    /// Gives the texts up: from here on they are numbered group by group.
    pub(super) fn let_go(&mut self) -> Vec<String> {
        let texts = self.drain();
        let mut distinct = Distinct::new(EXACTLY_COUNTED);
        texts.iter().for_each(|text| {
            distinct.insert(of_text(text));
        });
        self.known.distinct = Some(distinct);
        self.index.shrink_to_fit();
        texts
    }
}

impl Known {
    /// Looks at a text that is new, at least in its group of rows.
    fn see(&mut self, text: &str, is_number: bool) {
        if let Some(distinct) = &mut self.distinct
            && !distinct.insert(of_text(text))
            && distinct.is_exact()
        {
            return;
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push(text.to_owned());
        }
        self.any_code |= is_code(text.as_bytes());
        self.all_times = self.all_times && parse_datetime(text).is_some();
        if self.all_decimal_commas {
            self.all_decimal_commas = parse_number(text.as_bytes(), b',').is_some();
            self.with_comma += u64::from(text.contains(','));
        }
        self.looked_at += 1;
        self.words += text.split_whitespace().count() as u64;
        if !is_number {
            self.texts = match &self.texts {
                Other::None => Other::One(text.to_owned()),
                Other::One(known) if known == text => Other::One(text.to_owned()),
                _ => Other::Several,
            };
        }
    }

    /// Distinct texts; `len` are numbered.
    pub(super) fn distinct(&self, len: usize) -> u64 {
        self.distinct.as_ref().map_or(len as u64, Distinct::count)
    }

    /// Whether no text stands in two of these rows, as far as it can be known.
    pub(super) fn are_unique(&self, len: usize, rows: usize) -> bool {
        match &self.distinct {
            Some(distinct) if !distinct.is_exact() => distinct.count() as f64 >= 0.98 * rows as f64,
            _ => self.distinct(len) == rows as u64,
        }
    }

    pub(super) fn mean_words(&self) -> f64 {
        self.words as f64 / self.looked_at.max(1) as f64
    }

    pub(super) fn has_decimal_commas(&self) -> bool {
        self.all_decimal_commas && self.with_comma * 2 > self.looked_at
    }
}

/// Codes and, behind them, texts of their own where there are some: a block.
pub(super) fn block_of(codes: &[u32], own: Option<&[String]>) -> Vec<u8> {
    if codes.iter().all(|code| *code == MISSING_CODE) {
        return Vec::new();
    }
    let mut bytes: Vec<u8> = codes.iter().flat_map(|code| code.to_le_bytes()).collect();
    own.into_iter().flatten().for_each(|text| crate::data::table::stored::push_text(text, &mut bytes));
    bytes
}
