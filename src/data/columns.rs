//! From raw cells to a typed column, whatever the format they came in, a group of rows at a time. Kinds are decided here, by rules that can be told in a sentence each.
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

mod change;
mod seen;
mod texts;

use super::DataError;
use super::cell::shorten;
use super::parse::{BOOLEAN_PAIRS, Markers, is_code, parse_boolean, parse_number};
use super::table::file::put_texts;
use super::table::stored::{Block, Form, StoredColumn};
use super::table::{Kind, MISSING_CODE, Storage, Warning, format_number};
pub(super) use change::Change;
use seen::Seen;
use texts::{Known, Other, Texts, block_of};

/// Rows after which the writing of numbers is no longer kept.
pub(super) const UNDECIDED_ROWS: usize = 1000;
/// Texts in a column of numbers that are kept in any case before it becomes a column of texts.
const TOLERATED_TEXTS: usize = 100;
/// A text among numbers is a NaN with its code, plus one, in the low half; a missing number has zero there.
const TEXT_BITS: u64 = 0x7ff8_0000_0000_0000;

/// Gathers the cells of one column, a group of rows at a time, and decides at the end what they are.
pub(crate) struct ColumnBuilder {
    name: String,
    /// The header left the name empty, as pandas does above its index.
    pub(super) unnamed: bool,
    forced: Option<Kind>,
    decimal: u8,
    rows: usize,
    store: Store,
    /// The groups before this one.
    blocks: Vec<Block>,
    /// Line and text of the first cell that is no number.
    first_text: Option<(u64, String)>,
}

/// How the cells are kept meanwhile. Numbers can become texts on the way; what else there is to decide is decided at the end.
enum Store {
    /// Numbers, the few texts among them, and how the first numbers were written where that is not the usual way (`1.50`).
    Numbers { values: Vec<f64>, among: Texts, written: Vec<(u32, String)>, seen: Seen },
    /// Codes of texts; `dictionary` where the texts so far were written down, and each group has its own.
    Texts { codes: Vec<u32>, texts: Texts, dictionary: Vec<Block> },
}

/// What a declared kind cannot be.
#[derive(Debug)]
pub(crate) struct KindFault {
    pub(crate) column: String,
    pub(crate) detail: String,
}

impl ColumnBuilder {
    /// A column with no value in the groups before.
    pub(crate) fn new(name: String, unnamed: bool, forced: Option<Kind>, decimal: u8, groups: usize) -> ColumnBuilder {
        let store = match forced {
            None | Some(Kind::Numeric) => Store::Numbers {
                values: Vec::new(),
                among: Texts::new(decimal),
                written: Vec::new(),
                seen: Seen::new(),
            },
            Some(_) => Store::Texts { codes: Vec::new(), texts: Texts::new(decimal), dictionary: Vec::new() },
        };
        let blocks = (0..groups).map(|_| Block::missing()).collect();
        ColumnBuilder { name, unnamed, forced, decimal, rows: 0, store, blocks, first_text: None }
    }

    /// Takes the next cell.
    ///
    /// # Errors
    /// Where the cell is not UTF-8.
    #[inline]
    pub(crate) fn push(&mut self, cell: &[u8], line: u64, markers: &Markers) -> Result<(), std::str::Utf8Error> {
        let cell = cell.trim_ascii();
        if let Store::Numbers { values, written, .. } = &mut self.store
            && !(markers.numeric && markers.is_missing(cell))
            && !is_code(cell)
            && let Some(x) = parse_number(cell, self.decimal)
        {
            values.push(x);
            let row = self.rows;
            self.rows += 1;
            if row < UNDECIDED_ROWS && format_number(x).as_bytes() != cell {
                written.push((row as u32, String::from_utf8_lossy(cell).into_owned()));
            }
            return Ok(());
        }
        self.push_other(cell, line, markers)
    }

    fn push_other(&mut self, cell: &[u8], line: u64, markers: &Markers) -> Result<(), std::str::Utf8Error> {
        if markers.is_missing(cell) {
            self.push_missing();
            return Ok(());
        }
        self.rows += 1;
        let text = std::str::from_utf8(cell)?;
        if self.first_text.is_none() && (is_code(cell) || parse_number(cell, self.decimal).is_none()) {
            self.first_text = Some((line, shorten(text)));
        }
        match &mut self.store {
            Store::Numbers { values, among, .. } => {
                values.push(f64::from_bits(TEXT_BITS | (u64::from(among.code_of(text)) + 1)));
            }
            Store::Texts { codes, texts, .. } => codes.push(texts.code_of(text)),
        }
        Ok(())
    }

    /// Whether numbers can be taken as such, without the characters that they were written in.
    pub(super) fn takes_numbers(&self) -> bool {
        matches!(self.store, Store::Numbers { .. }) && self.rows >= UNDECIDED_ROWS
    }

    /// Takes finite numbers, and NaN for cells without a value.
    pub(super) fn push_numbers(&mut self, numbers: &[f64]) {
        match &mut self.store {
            Store::Numbers { values, .. } => {
                self.rows += numbers.len();
                values.extend_from_slice(numbers);
            }
            Store::Texts { .. } => numbers.iter().for_each(|x| match x.is_nan() {
                true => self.push_missing(),
                false => self.push_number(*x),
            }),
        }
    }

    /// Takes a finite number that says it is one.
    pub(crate) fn push_number(&mut self, x: f64) {
        self.rows += 1;
        match &mut self.store {
            Store::Numbers { values, .. } => values.push(x),
            Store::Texts { codes, texts, .. } => codes.push(texts.code_of(&format_number(x))),
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

    /// Takes several cells without a value.
    pub(super) fn push_missing_rows(&mut self, rows: usize) {
        self.rows += rows;
        match &mut self.store {
            Store::Numbers { values, .. } => values.resize(values.len() + rows, f64::NAN),
            Store::Texts { codes, .. } => codes.resize(codes.len() + rows, MISSING_CODE),
        }
    }

    /// Counts rows of earlier groups, which have no value.
    pub(super) fn skip_rows(&mut self, rows: usize) {
        self.rows += rows;
    }

    /// Whether the numbers so far must be turned into texts before anything is decided.
    pub(super) fn needs_texts(&self) -> bool {
        let Store::Numbers { among, seen, .. } = &self.store else { return false };
        let texts = among.known.text_rows + among.known.number_rows;
        self.forced.is_none() && !mostly_numbers(seen.present, texts)
    }

    /// Bytes of texts that came in since this was last asked for.
    pub(super) fn take_fresh_bytes(&mut self) -> usize {
        match &mut self.store {
            Store::Numbers { among, .. } => among.take_fresh_bytes(),
            Store::Texts { texts, .. } => texts.take_fresh_bytes(),
        }
    }

    /// Whether too many texts stand among the numbers for a column of numbers. `most`: texts that may be numbered.
    pub(super) fn wants_texts(&self, most: usize) -> bool {
        let Store::Numbers { among, .. } = &self.store else { return false };
        let texts = among.known.text_rows + among.known.number_rows;
        let too_many = among.known.any_code || texts > TOLERATED_TEXTS + self.rows / 10;
        among.len() > most || (too_many && self.forced.is_none())
    }

    /// Appends this group's block to the bytes of the group, which will lie at `offset`.
    pub(super) fn end_group(&mut self, bytes: &mut Vec<u8>, offset: u64) {
        let start = bytes.len();
        match &mut self.store {
            Store::Numbers { values, seen, .. } => {
                seen.see(values);
                bytes.resize(start + 8 * values.len(), 0);
                let (places, _) = bytes[start..].as_chunks_mut::<8>();
                places.iter_mut().zip(&*values).for_each(|(place, x)| *place = x.to_le_bytes());
                values.clear();
            }
            Store::Texts { codes, texts, .. } => {
                let own = texts.is_local().then(|| texts.drain());
                bytes.extend(block_of(codes, own.as_deref()));
                codes.clear();
            }
        }
        self.blocks.push(match bytes.len() > start {
            true => Block::of(offset + start as u64, &bytes[start..]),
            false => Block::missing(),
        });
    }

    /// Writes the dictionary down where it became large; only between groups.
    pub(super) fn bound_dictionary(&mut self, most: usize, storage: &mut Storage) -> Result<(), DataError> {
        if let Store::Texts { texts, dictionary, .. } = &mut self.store
            && !texts.is_local()
            && texts.len() > most
        {
            *dictionary = put_texts(texts.let_go().iter().map(String::as_str), storage)?;
        }
        Ok(())
    }

    /// Turns the numbers into texts as they were written, those of earlier groups too; `starts` are the first rows of these groups.
    pub(super) fn turn_into_texts(
        &mut self,
        most: usize,
        starts: &[usize],
        storage: &mut Storage,
    ) -> Result<(), DataError> {
        let texts = Store::Texts { codes: Vec::new(), texts: Texts::new(self.decimal), dictionary: Vec::new() };
        let Store::Numbers { values, mut among, written, .. } = std::mem::replace(&mut self.store, texts) else {
            return Ok(());
        };
        let among = among.drain();
        let mut written = written.into_iter().peekable();
        let mut codes_of = |store: &mut Store, first: usize, values: &[f64]| {
            let Store::Texts { codes, texts, .. } = store else { return };
            for (place, x) in values.iter().enumerate() {
                let own = written.next_if(|(row, _)| *row as usize == first + place);
                let low = (x.to_bits() & u64::from(u32::MAX)) as usize;
                codes.push(match own {
                    Some((_, text)) => texts.code_of(&text),
                    None if !x.is_nan() => texts.code_of(&format_number(*x)),
                    None => match low.checked_sub(1).and_then(|code| among.get(code)) {
                        Some(text) => texts.code_of(text),
                        None => MISSING_CODE,
                    },
                });
            }
        };
        for (group, block) in std::mem::take(&mut self.blocks).into_iter().enumerate() {
            if block.bytes == 0 {
                self.blocks.push(block);
                continue;
            }
            let read = storage.read(block.offset, block.bytes)?;
            let (chunks, _) = read.as_chunks::<8>();
            let earlier: Vec<f64> = chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            codes_of(&mut self.store, starts[group], &earlier);
            let mut bytes = Vec::new();
            let offset = storage.length();
            self.end_group(&mut bytes, offset);
            storage.append(&bytes)?;
            self.bound_dictionary(most, storage)?;
        }
        codes_of(&mut self.store, starts.last().copied().unwrap_or(0), &values);
        Ok(())
    }

    /// What lies in the file, and what there is to decide of it.
    pub(super) fn close(self, storage: &mut Storage) -> Result<(StoredColumn, Undecided), DataError> {
        let (form, dictionary, found) = match self.store {
            Store::Numbers { among, seen, .. } => (Form::Numbers, Vec::new(), Found::Numbers { among, seen }),
            Store::Texts { mut texts, dictionary, .. } => {
                let distinct = texts.len();
                let dictionary = match texts.is_local() {
                    true => dictionary,
                    false => put_texts(texts.drain().iter().map(String::as_str), storage)?,
                };
                (Form::Codes, dictionary, Found::Texts { known: texts.known, distinct })
            }
        };
        let column = StoredColumn::new(self.name.clone(), Kind::Constant, form, self.blocks, dictionary);
        let undecided = Undecided {
            name: self.name,
            unnamed: self.unnamed,
            forced: self.forced,
            decimal: self.decimal,
            rows: self.rows,
            first_text: self.first_text,
            found,
        };
        Ok((column, undecided))
    }
}

/// A column that was read to its end: what is known of all its cells.
pub(super) struct Undecided {
    name: String,
    pub(super) unnamed: bool,
    forced: Option<Kind>,
    decimal: u8,
    rows: usize,
    first_text: Option<(u64, String)>,
    found: Found,
}

enum Found {
    Numbers { among: Texts, seen: Seen },
    Texts { known: Known, distinct: usize },
}

/// What a column is, and how its blocks become that.
pub(super) struct Decision {
    pub(super) kind: Kind,
    pub(super) warnings: Vec<Warning>,
    pub(super) change: Change,
    /// It is an identifier instead if no number stands in it twice.
    pub(super) identifier_if_unique: bool,
}

impl Undecided {
    /// Whether there is no value at all.
    pub(super) fn is_empty(&self) -> bool {
        match &self.found {
            Found::Numbers { among, seen } => seen.present == 0 && among.len() == 0,
            Found::Texts { known, .. } => known.number_rows + known.text_rows == 0,
        }
    }

    /// Decides what the column is.
    ///
    /// # Errors
    /// Where it cannot be what the client declared.
    pub(super) fn decide(&self) -> Result<Decision, KindFault> {
        let numeric = match (self.forced, &self.found) {
            (Some(kind), _) => kind == Kind::Numeric,
            (None, Found::Numbers { among, seen }) => {
                mostly_numbers(seen.present, among.known.text_rows + among.known.number_rows)
            }
            (None, Found::Texts { known, .. }) => !known.any_code && mostly_numbers(known.number_rows, known.text_rows),
        };
        match (numeric, &self.found) {
            (true, _) => Ok(self.as_numbers()),
            (false, Found::Texts { known, distinct }) => self.as_texts(known, *distinct),
            (false, Found::Numbers { .. }) => {
                Err(KindFault { column: self.name.clone(), detail: "could not be read as text".into() })
            }
        }
    }

    fn as_numbers(&self) -> Decision {
        let (text_rows, same, change) = match &self.found {
            Found::Numbers { among, .. } => {
                (among.known.text_rows + among.known.number_rows, among.len() == 1, Change::None)
            }
            Found::Texts { known, .. } => (
                known.text_rows,
                matches!(known.texts, Other::One(_)),
                Change::TextsToNumbers { decimal: self.decimal },
            ),
        };
        let mut warnings = Vec::new();
        if let (true, Some((line, text))) = (text_rows > 0, &self.first_text) {
            warnings.push(mixed_types(&self.name, text_rows, same, *line, text));
        }
        let mut identifier_if_unique = false;
        let kind = match (self.forced, &self.found) {
            (Some(kind), _) => kind,
            // Once texts, now numbers: nothing is known of them but that they are many.
            (None, Found::Texts { known, .. }) if known.number_rows == 0 => Kind::Constant,
            (None, Found::Texts { .. }) => Kind::Numeric,
            (None, Found::Numbers { seen, .. }) => {
                let missing = seen.present < self.rows;
                if seen.present == 0 || (seen.all_equal && !missing) {
                    Kind::Constant
                } else {
                    let named = self.unnamed || says_identifier(&self.name);
                    let possible = seen.all_whole && !missing && !seen.all_equal && named;
                    identifier_if_unique = possible && !seen.rising && !seen.falling;
                    if possible && !identifier_if_unique { Kind::Identifier } else { Kind::Numeric }
                }
            }
        };
        Decision { kind, warnings, change, identifier_if_unique }
    }

    fn as_texts(&self, known: &Known, distinct: usize) -> Result<Decision, KindFault> {
        let kind = match self.forced {
            Some(kind) => kind,
            None => self.kind_of_texts(known, distinct),
        };
        let is_small = known.distinct(distinct) as usize <= known.examples.len();
        let booleans = is_small && known.examples.iter().all(|text| parse_boolean(text).is_some());
        if kind == Kind::Boolean && !booleans {
            let found: Vec<String> =
                known.examples.iter().take(4).map(|text| format!("\"{}\"", shorten(text))).collect();
            let more = if known.distinct(distinct) > 4 { ", …" } else { "" };
            let detail = format!("cannot be boolean: it holds {}{more}", found.join(", "));
            return Err(KindFault { column: self.name.clone(), detail });
        }
        let mut warnings = Vec::new();
        let change = match kind {
            Kind::Datetime => Change::TextsToTimes,
            Kind::Boolean if !is_one_spelling(&known.examples) => Change::TextsToBooleans,
            _ => {
                if self.decimal == b'.' && known.has_decimal_commas() {
                    let detail = "the values look like numbers with a decimal comma; send the file with ?decimal=, to read them as such";
                    warnings.push(Warning {
                        column: Some(self.name.clone()),
                        code: "decimal_comma".into(),
                        detail: detail.into(),
                    });
                }
                Change::None
            }
        };
        Ok(Decision { kind, warnings, change, identifier_if_unique: false })
    }

    fn kind_of_texts(&self, known: &Known, numbered: usize) -> Kind {
        let (rows, present) = (self.rows, known.number_rows + known.text_rows);
        let distinct = known.distinct(numbered);
        if distinct == 0 || (distinct == 1 && present == rows) {
            return Kind::Constant;
        }
        let pair = |text: &String| {
            BOOLEAN_PAIRS.iter().position(|(no, yes)| text.eq_ignore_ascii_case(no) || text.eq_ignore_ascii_case(yes))
        };
        if distinct as usize <= known.examples.len()
            && let Some(first) = known.examples.first().and_then(pair)
            && known.examples.iter().all(|text| pair(text) == Some(first))
        {
            return Kind::Boolean;
        }
        if known.all_times {
            return Kind::Datetime;
        }
        let words = known.mean_words();
        let unique = present == rows && rows >= 2 && known.are_unique(numbered, rows);
        if unique && (says_identifier(&self.name) || (rows >= 20 && words < 1.1)) {
            return Kind::Identifier;
        }
        if words >= 3.0 && (distinct * 2 >= present as u64 || distinct > 1000) { Kind::Text } else { Kind::Categorical }
    }

    /// What to say of times that are none.
    pub(super) fn wrong_times(&self, wrong: usize, first: &str) -> Warning {
        let detail =
            format!("{wrong} rows hold no ISO 8601 time, such as \"{}\"; they count as missing", shorten(first));
        Warning { column: Some(self.name.clone()), code: "mixed_types".into(), detail }
    }
}

/// Text in at most a tenth of the cells; a single one in five cells or more.
fn mostly_numbers(numbers: usize, texts: usize) -> bool {
    texts == 0 || texts * 9 <= numbers || (texts == 1 && numbers >= 4)
}

fn mixed_types(name: &str, texts: usize, same: bool, line: u64, first: &str) -> Warning {
    let rows = if texts == 1 { "1 row holds".to_owned() } else { format!("{texts} rows hold") };
    let remedy = if same {
        format!("counted as missing; null={first} says so, kinds={name}:categorical keeps them")
    } else {
        format!("counted as missing; kinds={name}:categorical keeps them")
    };
    let detail = format!("{rows} text in a numeric column; first at line {line} (\"{first}\"); {remedy}");
    Warning { column: Some(name.to_owned()), code: "mixed_types".into(), detail }
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

fn is_one_spelling(dictionary: &[String]) -> bool {
    match dictionary {
        [a, b] => parse_boolean(a) != parse_boolean(b),
        other => other.len() < 2,
    }
}
