//! Encoding of rows, from tables and from clients, with a fitted encoder.

use std::collections::{HashMap, HashSet};

use super::categories::truth;
use super::datetime::time;
use super::numeric::number;
use super::target::too_large;
use super::words::for_each_word;
use super::{Encoder, FittedInput, Input, PAD, Pooling, UNKNOWN, cell_of, encode_targets, is_there};
use crate::data::encoder::categories::label;
use crate::data::error::{PlanFault, RowFault};
use crate::data::part::PartWriter;
use crate::data::rows::{local, runs};
use crate::data::{Cell, Column, DataError, Examples, Rows, Table, TokenColumn, Values};
use crate::num::{Real, give_back};

/// Faults of a table's rows after which there is no use in looking for more.
const MOST_FAULTS: usize = 100;

/// Rows that are encoded together, column by column: their features stay in the cache.
const TILE: usize = 64;

/// After so many numbers the room of the stretches is given back: what trains on them would not use it.
const MANY_NUMBERS: usize = 1 << 20;

impl Encoder {
    pub(super) fn encode_rows_of<T: Real>(
        &self,
        from: &dyn Rows,
        rows: &[u32],
        labelled: bool,
    ) -> Result<Examples<T>, DataError> {
        let mut parts = [PartWriter::in_memory()];
        self.encode_parts(from, &[rows], labelled, &mut parts, &mut || false)?;
        let [part] = parts;
        Ok(part.into_examples())
    }

    /// Encodes the rows of several parts in one way through the dataset, each into its writer. Stops early, with `false`, when it is asked
    /// to.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; where a spool cannot be written.
    pub fn encode_parts<T: Real>(
        &self,
        from: &dyn Rows,
        rows: &[&[u32]],
        labelled: bool,
        parts: &mut [PartWriter<T>],
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool, DataError> {
        let columns = self.columns_of(from, rows, labelled)?;
        let tokens = self.inputs.iter().filter(|input| matches!(input.input, Input::Tokens { .. })).count();
        for (part, rows) in parts.iter_mut().zip(rows) {
            part.begin(rows.len(), self.features(), tokens);
        }
        let (mut faults, mut of_targets) = (Vec::new(), Vec::new());
        let stretches = from.stretches(&columns);
        let mut lists: Vec<_> = rows.iter().map(|rows| runs(&stretches, rows).peekable()).collect();
        // Ascending rows of all parts meet in each stretch; rows in another order go through it again.
        while let Some(range) = lists
            .iter_mut()
            .filter_map(|list| list.peek().map(|(range, _)| range.clone()))
            .min_by_key(|range| range.start)
        {
            if interrupted() {
                return Ok(false);
            }
            // Of few rows only their neighbourhood is read.
            let next = lists.iter_mut().filter_map(|list| list.peek().filter(|(own, _)| *own == range));
            let read = next.map(|(_, rows)| from.narrowed(range.clone(), rows));
            let read = read.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(range.clone());
            let stretch = from.stretch(&columns, read.clone())?;
            for (list, part) in lists.iter_mut().zip(parts.iter_mut()) {
                if let Some((_, rows)) = list.next_if(|(own, _)| *own == range) {
                    let within = local(rows, read.start);
                    self.encode_stretch(&stretch, &within, read.start, part.examples(), &mut faults);
                    if labelled && faults.is_empty() {
                        self.label(&stretch, &within, read.start, part.examples(), &mut of_targets);
                    }
                    part.end_stretch()?;
                    if faults.len() >= MOST_FAULTS {
                        return Err(DataError::Rows(faults));
                    }
                }
            }
        }
        if labelled {
            // Parts without rows have the form of the others.
            for part in parts.iter_mut().filter(|part| part.is_empty()) {
                self.label(&Table::default(), &[], 0, part.examples(), &mut of_targets);
                part.end_stretch()?;
            }
        }
        if rows.iter().map(|rows| rows.len()).sum::<usize>() * self.features() >= MANY_NUMBERS {
            give_back();
        }
        match (faults.is_empty(), of_targets.is_empty()) {
            (false, _) => Err(DataError::Rows(faults)),
            (true, false) => Err(DataError::Rows(of_targets)),
            (true, true) => Ok(true),
        }
    }

    /// The columns that are needed; every column that is missing is told at once.
    fn columns_of<'a>(&'a self, from: &dyn Rows, rows: &[&[u32]], labelled: bool) -> Result<Vec<&'a str>, DataError> {
        let names = from.names();
        let known: HashSet<&str> = names.iter().copied().collect();
        let mut faults = Vec::new();
        let mut columns: Vec<&str> = Vec::new();
        let mut need = |name: &'a str, what: &str| {
            if !known.contains(name) {
                is_there(&names, name, what, &mut faults);
            }
            columns.push(name);
        };
        self.inputs.iter().for_each(|input| need(&input.column, "an input"));
        if labelled {
            self.targets.iter().flat_map(|target| &target.columns).for_each(|name| need(name, "a target"));
            self.sample_weight.iter().for_each(|name| need(name, "the sample weight"));
        }
        if rows.iter().copied().flatten().any(|row| *row as usize >= from.rows()) {
            faults.push(PlanFault { column: None, detail: format!("there are only {} rows", from.rows()) });
        }
        if faults.is_empty() { Ok(columns) } else { Err(DataError::Plan(faults)) }
    }

    /// Appends rows of a stretch, whose first row is `first` of the dataset.
    fn encode_stretch<T: Real>(
        &self,
        stretch: &Table,
        rows: &[u32],
        first: usize,
        out: &mut Examples<T>,
        faults: &mut Vec<RowFault>,
    ) {
        let by_name: HashMap<&str, &Column> =
            stretch.columns.iter().map(|column| (column.name.as_str(), column)).collect();
        let columns: Vec<Option<&Column>> =
            self.inputs.iter().map(|input| by_name.get(input.column.as_str()).copied()).collect();
        let mut scratch = Vec::new();
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        for rows in rows.chunks(TILE) {
            let start = out.dense.len();
            out.dense.resize(start + rows.len() * out.features, T::ZERO);
            let (mut offset, mut token_column) = (0, 0);
            for (place, (FittedInput { input, .. }, column)) in self.inputs.iter().zip(&columns).enumerate() {
                let Some(column) = column else { continue };
                let mut fault = |at: usize, detail: String| found.push((at, place, detail));
                if let Input::Tokens { .. } = input {
                    for (at, row) in rows.iter().enumerate() {
                        let pushed = self.push_tokens(input, cell_of(column, *row), &mut out.tokens[token_column]);
                        pushed.unwrap_or_else(|detail| fault(at, detail));
                    }
                    token_column += 1;
                    continue;
                }
                let (width, stride) = (input.width(), out.features);
                let tile = &mut out.dense[start..];
                // Most inputs are numbers from columns of numbers: no cell is made of them.
                if let (Input::Numeric(numeric), Values::Numeric(values)) = (input, &column.values) {
                    let too_large = |at, scaled| fault(at, too_large::<T>(scaled));
                    numeric.write(values, rows, &mut tile[offset..], stride, too_large);
                    offset += width;
                    continue;
                }
                for (at, row) in rows.iter().enumerate() {
                    let to = &mut tile[at * stride + offset..][..width];
                    scratch.clear();
                    match input.push_dense(cell_of(column, *row), &mut scratch) {
                        Ok(()) => to.copy_from_slice(&scratch),
                        Err(detail) => fault(at, detail),
                    }
                }
                offset += width;
            }
            out.rows += rows.len();
            out.row_ids.extend(rows.iter().map(|row| row + first as u32));
            found.sort_by_key(|(at, place, _)| (*at, *place));
            let mut last = None;
            for (at, place, detail) in found.drain(..) {
                if faults.len() >= MOST_FAULTS && last != Some(at) {
                    break;
                }
                last = Some(at);
                let column = self.inputs[place].column.clone();
                faults.push(RowFault { row: rows[at] as usize + first, column, detail });
            }
            if faults.len() >= MOST_FAULTS {
                return;
            }
        }
    }

    /// Appends targets and weights of rows of a stretch.
    fn label<T: Real>(
        &self,
        stretch: &Table,
        rows: &[u32],
        first: usize,
        out: &mut Examples<T>,
        faults: &mut Vec<RowFault>,
    ) {
        encode_targets(&self.targets, stretch, rows, first, &mut out.targets, faults);
        let Some(name) = self.sample_weight.as_deref() else { return };
        let before = faults.len();
        let found: Vec<T> = stretch.column(name).map_or(Vec::new(), |column| weights(column, rows, faults));
        faults[before..].iter_mut().for_each(|fault| fault.row += first);
        out.weights.get_or_insert_default().extend(found);
    }

    pub(super) fn encode_rows<T: Real>(&self, cells: &[Cell<'_>], out: &mut Examples<T>) -> Vec<RowFault> {
        self.empty(out);
        let mut faults = Vec::new();
        for (row, cells) in cells.chunks_exact(self.inputs.len().max(1)).enumerate() {
            self.push_row(row, |input| cells[input], out, &mut faults);
            out.row_ids.push(row as u32);
        }
        faults
    }

    /// Empties `out` and gives it this encoder's form.
    fn empty<T: Real>(&self, out: &mut Examples<T>) {
        out.rows = 0;
        out.features = self.features();
        out.dense.clear();
        let tokens = self.inputs.iter().filter(|input| matches!(input.input, Input::Tokens { .. })).count();
        out.tokens.resize_with(tokens, TokenColumn::default);
        out.tokens.iter_mut().for_each(TokenColumn::clear);
        out.targets.clear();
        out.weights = None;
        out.row_ids.clear();
    }

    /// Appends one row; where a cell is at fault, a row of zeros and empty texts.
    fn push_row<'c, T: Real>(
        &self,
        row: usize,
        cell: impl Fn(usize) -> Cell<'c>,
        out: &mut Examples<T>,
        faults: &mut Vec<RowFault>,
    ) {
        let start = out.dense.len();
        let mut token_column = 0;
        let before = faults.len();
        for (place, FittedInput { column, input }) in self.inputs.iter().enumerate() {
            let outcome = if let Input::Tokens { .. } = input {
                token_column += 1;
                self.push_tokens(input, cell(place), &mut out.tokens[token_column - 1])
            } else {
                input.push_dense(cell(place), &mut out.dense)
            };
            if let Err(detail) = outcome {
                faults.push(RowFault { row, column: column.clone(), detail });
            }
        }
        if faults.len() > before {
            out.dense.truncate(start);
            out.dense.resize(start + out.features, T::ZERO);
        }
        out.rows += 1;
    }

    fn push_tokens(&self, input: &Input, cell: Cell<'_>, out: &mut TokenColumn) -> Result<(), String> {
        let Input::Tokens { table, pooling, tokenizer, max_tokens, fill } = input else { return Ok(()) };
        let vocabulary = &self.tables[*table];
        let start = out.ids.len();
        let whole;
        let text = match cell {
            Cell::Text(text) | Cell::Raw(text) => text,
            other => {
                whole = label(other).unwrap_or_default();
                &whole
            }
        };
        if *pooling == Pooling::Single {
            let text = match (text.trim(), fill) {
                ("", Some(fill)) => fill,
                (text, _) => text,
            };
            out.ids.push(if text.is_empty() { UNKNOWN } else { vocabulary.row(text) });
        } else {
            let window = matches!(pooling, Pooling::Window { .. });
            for_each_word(text, *tokenizer, |word| {
                let id = vocabulary.row(word);
                if (window || id != PAD) && out.ids.len() < start + max_tokens {
                    out.ids.push(id);
                }
                out.ids.len() < start + max_tokens
            });
            if let Pooling::Window { length } = pooling {
                out.ids.resize(start + length, PAD);
            }
        }
        let fits = u32::try_from(out.ids.len()).is_ok();
        if !fits {
            out.ids.truncate(start);
        }
        out.end_row();
        if fits { Ok(()) } else { Err("there are more than 4,294,967,295 words".into()) }
    }
}

impl Input {
    fn push_dense<T: Real>(&self, cell: Cell<'_>, out: &mut Vec<T>) -> Result<(), String> {
        let mut push = |x: f64| {
            let encoded = T::from_f64(x);
            if encoded.is_finite() {
                out.push(encoded);
                return Ok(());
            }
            Err(too_large::<T>(x))
        };
        match self {
            Input::Numeric(numeric) => {
                let (x, missing) = numeric.encode(number(cell)?);
                push(x)?;
                missing.map_or(Ok(()), push)
            }
            Input::Boolean { share, indicator } => {
                let truth = truth(cell)?;
                push(truth.map_or(*share, |yes| if yes { 1.0 } else { 0.0 }))?;
                if *indicator { push(if truth.is_none() { 1.0 } else { 0.0 }) } else { Ok(()) }
            }
            Input::OneHot(one_hot) => {
                let start = out.len();
                let hot = one_hot.encode(cell)?;
                out.resize(start + one_hot.width(), T::ZERO);
                if let Some(place) = hot {
                    out[start + place] = T::ONE;
                }
                Ok(())
            }
            Input::Hashed(hashed) => {
                let start = out.len();
                out.resize(start + hashed.width(), T::ZERO);
                if let Some(place) = hashed.encode(cell) {
                    out[start + place] = T::ONE;
                }
                Ok(())
            }
            Input::Datetime(datetime) => {
                datetime.encode(time(cell)?, |x| out.push(T::from_f64(x)));
                Ok(())
            }
            Input::Tokens { .. } => Ok(()),
        }
    }
}

fn weights<T: Real>(column: &Column, rows: &[u32], faults: &mut Vec<RowFault>) -> Vec<T> {
    let mut weights = Vec::with_capacity(rows.len());
    for &row in rows {
        let cell = cell_of(column, row);
        let weight = number(cell).ok().flatten().filter(|w| *w >= 0.0 && T::from_f64(*w).is_finite());
        if weight.is_none() {
            let detail = format!("expected a weight ≥ 0, got {}", cell.describe());
            faults.push(RowFault { row: row as usize, column: column.name.clone(), detail });
        }
        weights.push(T::from_f64(weight.unwrap_or(0.0)));
    }
    weights
}
