//! Reads JSON field by field and goes on after a fault, so that a client learns all of them at once.
//!
//! Every reading function gives a usable value back (the default, where the client's is wrong): what is built from it is
//! thrown away when the list of faults is not empty. Nothing here knows what a field means.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::fault::Fault;

/// More faults than these are counted, not listed.
const LISTED: usize = 100;
/// Characters of a client's own text that are repeated in a fault.
const QUOTED: usize = 60;

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults {
    list: RefCell<Vec<Fault>>,
    unlisted: RefCell<usize>,
}

impl Faults {
    pub(super) fn add(&self, pointer: &str, detail: impl Into<String>) {
        let mut list = self.list.borrow_mut();
        if list.len() < LISTED {
            list.push(Fault { pointer: pointer.to_owned(), detail: detail.into() });
        } else {
            *self.unlisted.borrow_mut() += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Whether a fault stands at the pointer or below it: rules across fields keep silent about what is already at fault.
    pub(super) fn at(&self, pointer: &str) -> bool {
        self.list.borrow().iter().any(|fault| {
            fault.pointer.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        let mut list = self.list.into_inner();
        let unlisted = self.unlisted.into_inner();
        if unlisted > 0 {
            list.push(Fault { pointer: String::new(), detail: format!("and {unlisted} more faults") });
        }
        list
    }
}

/// Which numbers are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether `low` itself is excluded.
    pub(super) above: bool,
    /// Whether `high` itself is excluded.
    pub(super) below: bool,
}

impl Range {
    pub(super) const ANY: Range = Range { low: -f64::MAX, high: f64::MAX, above: false, below: false };
    pub(super) const POSITIVE: Range = Range { low: 0.0, high: f64::MAX, above: true, below: false };
    pub(super) const NOT_NEGATIVE: Range = Range { low: 0.0, high: f64::MAX, above: false, below: false };
    /// `[0, 1)`: a share that leaves something.
    pub(super) const SHARE: Range = Range { low: 0.0, high: 1.0, above: false, below: true };
    /// `(0, 1)`.
    pub(super) const INSIDE: Range = Range { low: 0.0, high: 1.0, above: true, below: true };
    /// `(0, 1]`.
    pub(super) const FACTOR: Range = Range { low: 0.0, high: 1.0, above: true, below: false };
    /// `[0, 1]`.
    pub(super) const UNIT: Range = Range { low: 0.0, high: 1.0, above: false, below: false };

    fn contains(&self, x: f64) -> bool {
        x.is_finite()
            && (if self.above { x > self.low } else { x >= self.low })
            && (if self.below { x < self.high } else { x <= self.high })
    }

    /// The range in words: `a finite number > 0 and < 1`.
    pub(super) fn words(&self) -> String {
        let low = (self.low > -f64::MAX).then(|| format!("{} {}", if self.above { ">" } else { "≥" }, self.low));
        let high = (self.high < f64::MAX).then(|| format!("{} {}", if self.below { "<" } else { "≤" }, self.high));
        match (low, high) {
            (Some(low), Some(high)) => format!("a number {low} and {high}"),
            (Some(one), None) | (None, Some(one)) => format!("a finite number {one}"),
            (None, None) => "a finite number".to_owned(),
        }
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    pub(super) pointer: String,
    faults: &'a Faults,
}

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value, faults: &'a Faults) -> At<'a> {
        At { value, pointer: String::new(), faults }
    }

    pub(super) fn fault(&self, detail: impl Into<String>) {
        self.faults.add(&self.pointer, detail);
    }

    /// Says that something else was expected, with what was found.
    pub(super) fn expected(&self, what: &str) {
        self.fault(format!("expected {what}, got {}", found(self.value)));
    }

    pub(super) fn is_off(&self) -> bool {
        self.value == &Value::Bool(false)
    }

    pub(super) fn number(&self, range: Range) -> Option<f64> {
        match self.value.as_f64() {
            Some(x) if range.contains(x) => return Some(x),
            Some(_) => self.fault(format!("must be {}, got {}", range.words(), quoted(&self.value.to_string()))),
            None => self.expected(&range.words()),
        }
        None
    }

    pub(super) fn whole(&self, low: u64, high: u64) -> Option<u64> {
        let words = if high == u64::MAX {
            format!("a whole number ≥ {low}")
        } else {
            format!("a whole number from {low} to {high}")
        };
        // 64.0 is a whole number: many clients print every number with a point.
        let whole = self.value.as_u64().or_else(|| {
            self.value
                .as_f64()
                .filter(|x| x.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(x))
                .map(|x| x as u64)
        });
        match whole {
            Some(n) if (low..=high).contains(&n) => return Some(n),
            _ if self.value.is_number() => {
                self.fault(format!("must be {words}, got {}", quoted(&self.value.to_string())));
            }
            _ => self.expected(&words),
        }
        None
    }

    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.expected("true or false");
        }
        flag
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.expected("a string");
        }
        text
    }

    /// One of a few words; the nearest is named where none fits.
    pub(super) fn word<'w>(&self, words: &[&'w str]) -> Option<&'w str> {
        let Some(text) = self.value.as_str() else {
            self.expected(&format!("one of {}", listed(words)));
            return None;
        };
        let word = words.iter().find(|word| **word == text).copied();
        if word.is_none() {
            self.fault(unknown("value", text, words.iter().copied()));
        }
        word
    }

    pub(super) fn items(&self) -> Option<Vec<At<'a>>> {
        let Some(items) = self.value.as_array() else {
            self.expected("a list");
            return None;
        };
        let at = |(index, value)| At { value, pointer: format!("{}/{index}", self.pointer), faults: self.faults };
        Some(items.iter().enumerate().map(at).collect())
    }

    /// The value as an object whose fields will all be asked for.
    pub(super) fn object(&self) -> Option<Object<'a>> {
        let Some(map) = self.value.as_object() else {
            self.expected("an object");
            return None;
        };
        Some(Object { map, pointer: self.pointer.clone(), faults: self.faults, known: Vec::new() })
    }

    /// The entries of an object whose keys are the client's own, such as column names; `null` is absent.
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, At<'a>)>> {
        let Some(map) = self.value.as_object() else {
            self.expected("an object");
            return None;
        };
        Some(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| {
                    let pointer = format!("{}/{}", self.pointer, escaped(key));
                    (key.as_str(), At { value, pointer, faults: self.faults })
                })
                .collect(),
        )
    }
}

/// An object being read. [`Object::finish`] reports the fields that nobody asked for.
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    pub(super) pointer: String,
    faults: &'a Faults,
    known: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// The field, if it is there and not `null`.
    pub(super) fn field(&mut self, name: &'static str) -> Option<At<'a>> {
        self.known.push(name);
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(At { value, pointer: self.at(name), faults: self.faults })
    }

    /// Whether the field stands there at all; does not count as asking for it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escaped(name))
    }

    pub(super) fn fault(&self, detail: impl Into<String>) {
        self.faults.add(&self.pointer, detail);
    }

    pub(super) fn number(&mut self, name: &'static str, range: Range, default: f64) -> f64 {
        self.field(name).and_then(|at| at.number(range)).unwrap_or(default)
    }

    pub(super) fn whole(&mut self, name: &'static str, low: u64, high: u64, default: u64) -> u64 {
        self.field(name).and_then(|at| at.whole(low, high)).unwrap_or(default)
    }

    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        self.field(name).and_then(|at| at.flag()).unwrap_or(default)
    }

    pub(super) fn word<'w>(&mut self, name: &'static str, words: &[&'w str], default: &'w str) -> &'w str {
        self.field(name).and_then(|at| at.word(words)).unwrap_or(default)
    }

    /// Reports every field that was not asked for, with the nearest known name.
    pub(super) fn finish(self) {
        self.finish_with(&[]);
    }

    /// As [`Object::finish`]; `elsewhere` says where fields belong that are often written in the wrong place.
    pub(super) fn finish_with(self, elsewhere: &[(&str, &str)]) {
        for key in self.map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let pointer = format!("{}/{}", self.pointer, escaped(&quoted(key)));
            let moved = || {
                let near = nearest(key, elsewhere.iter().map(|(name, _)| *name))?;
                elsewhere.iter().find(|(name, _)| *name == near)
            };
            let detail = match nearest(key, self.known.iter().copied()).is_none().then(moved).flatten() {
                Some((name, place)) if name == key => format!("\"{name}\" does not stand here: write {place}"),
                Some((name, place)) => {
                    format!("unknown field {}, did you mean \"{name}\"? Write it as {place}", quoted_text(key))
                }
                None => unknown("field", key, self.known.iter().copied()),
            };
            self.faults.add(&pointer, detail);
        }
    }
}

/// `unknown field "learing_rate", did you mean "learning_rate"?`, or the known names where none is near.
pub(super) fn unknown<'n>(what: &str, got: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(got, known.iter().copied()) {
        Some(near) => format!("unknown {what} {}, did you mean \"{near}\"?", quoted_text(got)),
        None if known.is_empty() => format!("unknown {what} {}", quoted_text(got)),
        None => format!("unknown {what} {}; known: {}", quoted_text(got), listed(&known)),
    }
}

/// The known name nearest to a mistaken one, if one is near enough to be meant.
pub(super) fn nearest<'n>(got: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // The distance is quadratic in the length: a name of megabytes must not be measured.
    if got.len() > 256 {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
    let wanted = plain(got);
    let length = wanted.chars().count();
    let distance = |name: &str| {
        let name = plain(name);
        let distance = strsim::damerau_levenshtein(&wanted, &name);
        // A beginning is meant more often than a slip of the same size.
        let begins = length >= 3 && name.starts_with(&wanted);
        (begins || (distance <= 1 + name.chars().count() / 4 && distance < length)).then_some(distance)
    };
    let near =
        known.filter(|name| name.len() <= 256).filter_map(|name| distance(name).map(|distance| (distance, name)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Names in words: `"a", "b", "c"`, cut after thirty.
pub(super) fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(30).map(|name| quoted_text(name)).collect::<Vec<_>>().join(", ");
    if names.len() > 30 {
        text.push_str(&format!(" and {} more", names.len() - 30));
    }
    text
}

/// A client's text in quotation marks, cut to a length that is fit to read.
pub(super) fn quoted_text(text: &str) -> String {
    format!("\"{}\"", quoted(text))
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What was found, in words: `a string ("adam")`.
fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string {}", quoted_text(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A key as a part of a JSON pointer (RFC 6901).
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
