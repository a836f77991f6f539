//! Rows as JSON objects, one after another or in one array: read one at a time, never held together. Parsing is serde_json's.
//!
//! A column is a name that some object has, in order of first appearance; an object without it has no value there. Strings are
//! read as the cells of a CSV are, so that `"5.1"` is a number too; what is no number, string, boolean or null is a fault.

use std::cell::Cell as Shared;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{JsonForm, fault};
use crate::data::build::{TableBuilder, check_kinds, too_many_rows};
use crate::data::csv::{Limits, ParseOptions};
use crate::data::error::FileFault;
use crate::data::parse::Markers;
use crate::data::table::format_number;
use crate::data::{DataError, Storage, StoredTable};

/// Rows after which the table is told of them, or bytes.
const TOLD_ROWS: usize = 256;
const TOLD_BYTES: usize = 1 << 20;

/// Reads all rows.
pub(super) fn build(
    text: impl Read,
    form: JsonForm,
    options: &ParseOptions,
    storage: Storage,
) -> Result<StoredTable, DataError> {
    let place = Rc::new(Place { line: Shared::new(1), since: Shared::new(0), over: Shared::new(false) });
    let longest = options.limits.cell_bytes.saturating_mul(64);
    let watched = Watched { inner: BufReader::with_capacity(1 << 16, text), place: place.clone(), longest };
    let mut parser = serde_json::Deserializer::from_reader(watched);
    let mut rows = Rows {
        table: TableBuilder::new(storage)?,
        failed: None,
        names: Vec::new(),
        index: HashMap::new(),
        filled: Vec::new(),
        expected: 0,
        count: 0,
        told: 0,
        bytes: 0,
        options,
        markers: Markers::new(options.null.as_deref()),
        place: place.clone(),
    };
    let outcome = match form {
        JsonForm::Array => parser.deserialize_seq(Array(&mut rows)).and_then(|()| parser.end()),
        JsonForm::Lines => loop {
            // What is left is another object, or what stops the reading: then it is told with its place.
            if parser.end().is_ok() {
                break Ok(());
            }
            if let Err(error) = Row(&mut rows).deserialize(&mut parser) {
                break Err(error);
            }
        },
    };
    let Rows { mut table, names, count, told, failed, .. } = rows;
    if let Some(error) = failed {
        return Err(error);
    }
    outcome.map_err(|error| broken(error, &place, longest))?;
    if count == 0 || names.is_empty() {
        return Err(fault("empty_file", None, "there are no rows", "send objects with a field for each column").into());
    }
    check_kinds(&options.kinds, &names)?;
    table.end_rows(count - told)?;
    table.finish()
}

fn broken(error: serde_json::Error, place: &Place, longest: usize) -> DataError {
    if place.over.get() {
        let detail = format!("a row goes on for more than {longest} bytes");
        return fault("row_too_long", Some(place.line.get()), detail, "a string that is never closed does this").into();
    }
    if error.is_io() {
        return DataError::Io(error.into());
    }
    // Before the first character of a line: what is wrong is the end of the one before.
    let (line, column) = match (error.line() as u64, error.column()) {
        (line, 0) if line > 1 => (line - 1, "end".to_owned()),
        (line, column) => (line, column.to_string()),
    };
    let whole = error.to_string();
    let detail = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
    DataError::File(FileFault {
        code: "broken_json",
        line: Some(line.max(1)),
        column: Some(column),
        detail: format!("the JSON is broken: {detail}"),
        remedy: "send an object for each row, with numbers, strings, booleans or null: {\"x\":1.5,\"y\":\"a\"}".into(),
    })
}

/// Where the reading is.
struct Place {
    line: Shared<u64>,
    /// Bytes since the row began.
    since: Shared<usize>,
    over: Shared<bool>,
}

/// Counts lines, and fails on a row of unbounded length.
struct Watched<R> {
    inner: BufReader<R>,
    place: Rc<Place>,
    longest: usize,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let lines = buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.place.line.set(self.place.line.get() + lines);
        self.place.since.set(self.place.since.get() + read);
        if self.place.since.get() > self.longest {
            self.place.over.set(true);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "row too long"));
        }
        Ok(read)
    }
}

/// The columns so far.
struct Rows<'o> {
    table: TableBuilder,
    /// What the table's storage said; serde's own errors are texts.
    failed: Option<DataError>,
    names: Vec<String>,
    index: HashMap<String, usize>,
    /// Rows that each column has.
    filled: Vec<usize>,
    /// The column that comes next if this row is like the others.
    expected: usize,
    count: usize,
    /// Rows that the table was told of.
    told: usize,
    /// Bytes read since.
    bytes: usize,
    options: &'o ParseOptions,
    markers: Markers,
    place: Rc<Place>,
}

impl Rows<'_> {
    /// The place of a column; a new one has no values in the rows before.
    fn column(&mut self, name: &str) -> Result<usize, String> {
        let place = match self.names.get(self.expected) {
            Some(known) if known == name => self.expected,
            _ => match self.index.get(name) {
                Some(place) => *place,
                None => self.add(name)?,
            },
        };
        if self.filled[place] > self.count {
            return Err(format!("the name \"{}\" stands twice in one object", crate::data::cell::shorten(name)));
        }
        self.expected = place + 1;
        self.filled[place] += 1;
        Ok(place)
    }

    fn add(&mut self, name: &str) -> Result<usize, String> {
        let Limits { columns, .. } = self.options.limits;
        if self.names.len() >= columns {
            return Err(format!("there are more than {columns} different names"));
        }
        let kind = self.options.kinds.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
        let place = self.table.add(name.to_owned(), false, kind, b'.');
        self.table.columns()[place].push_missing_rows(self.count - self.told);
        self.index.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.filled.push(self.count);
        Ok(self.names.len() - 1)
    }

    fn end_row(&mut self) -> Result<(), String> {
        self.count += 1;
        for (builder, filled) in self.table.columns().iter_mut().zip(&mut self.filled) {
            if *filled < self.count {
                builder.push_missing();
                *filled += 1;
            }
        }
        self.expected = 0;
        self.bytes += self.place.since.take();
        let Limits { rows, .. } = self.options.limits;
        if self.count > rows {
            self.failed = Some(too_many_rows(rows).into());
        } else if self.count - self.told == TOLD_ROWS || self.bytes >= TOLD_BYTES {
            self.failed = self.table.end_rows(self.count - self.told).err();
            (self.told, self.bytes) = (self.count, 0);
        }
        if self.failed.is_some() { Err("the rows cannot be kept".to_owned()) } else { Ok(()) }
    }
}

/// Takes an array of rows.
struct Array<'a, 'o>(&'a mut Rows<'o>);

impl<'de> Visitor<'de> for Array<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Row(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// Takes one row.
struct Row<'a, 'o>(&'a mut Rows<'o>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, which is a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(Name(&mut *self.0))? {
            map.next_value_seed(Value { rows: &mut *self.0, place })?;
        }
        self.0.end_row().map_err(A::Error::custom)
    }
}

/// Takes a name and finds its column.
struct Name<'a, 'o>(&'a mut Rows<'o>);

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        self.0.column(name.trim()).map_err(E::custom)
    }
}

/// Takes a value into its column.
struct Value<'a, 'o> {
    rows: &'a mut Rows<'o>,
    place: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.rows.names.get(self.place).map_or("", String::as_str);
        write!(f, "a number, a string, a boolean or null for \"{}\"", crate::data::cell::shorten(name))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if self.rows.markers.numeric {
            return self.visit_str(&format_number(value));
        }
        self.rows.table.columns()[self.place].push_number(value);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.rows.table.columns()[self.place].push_missing();
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let most = self.rows.options.limits.cell_bytes;
        if text.len() > most {
            return Err(E::custom(format!("a string has {} bytes, the limit is {most}", text.len())));
        }
        let line = self.rows.place.line.get();
        let Rows { table, markers, .. } = self.rows;
        table.columns()[self.place].push(text.as_bytes(), line, markers).map_err(E::custom)
    }
}
