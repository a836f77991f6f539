//! Encoding of rows, from tables and from clients, with a fitted encoder.

use super::categories::truth;
use super::datetime::time;
use super::numeric::number;
use super::target::too_large;
use super::words::for_each_word;
use super::{Encoder, FittedInput, Input, PAD, Pooling, UNKNOWN, cell_of, fitting_column};
use crate::data::encoder::categories::label;
use crate::data::error::{PlanFault, RowFault};
use crate::data::{Cell, Column, DataError, Examples, Table, TokenColumn};
use crate::num::Real;

/// Faults of a table's rows after which there is no use in looking for more.
const MOST_FAULTS: usize = 100;

impl Encoder {
    pub(super) fn encode_table<T: Real>(
        &self,
        table: &Table,
        rows: &[u32],
        labelled: bool,
    ) -> Result<Examples<T>, DataError> {
        let columns = self.columns_of(table, rows, labelled)?;
        let mut out = Examples::default();
        self.empty(&mut out);
        out.dense.reserve_exact(rows.len() * out.features);
        let mut faults = Vec::new();
        for (place, &row) in rows.iter().enumerate() {
            let before = faults.len();
            self.push_row(place, |input| cell_of(columns[input], row), &mut out, &mut faults);
            for fault in &mut faults[before..] {
                fault.row = row as usize;
            }
            if faults.len() >= MOST_FAULTS {
                break;
            }
        }
        out.row_ids = rows.to_vec();
        if labelled && faults.is_empty() {
            for target in &self.targets {
                let encoded = target.encode(table, rows, &mut faults);
                out.targets.push(encoded);
            }
            if let Some(column) = self.sample_weight.as_deref().and_then(|name| table.column(name)) {
                out.weights = Some(weights(column, rows, &mut faults));
            }
        }
        if faults.is_empty() { Ok(out) } else { Err(DataError::Rows(faults)) }
    }

    /// The columns of the inputs; every column that is missing is told at once.
    fn columns_of<'a>(&self, table: &'a Table, rows: &[u32], labelled: bool) -> Result<Vec<&'a Column>, DataError> {
        let mut faults = Vec::new();
        let columns = self
            .inputs
            .iter()
            .filter_map(|input| fitting_column(table, &input.column, "an input", &mut faults))
            .collect();
        if labelled {
            for name in self.targets.iter().flat_map(|target| &target.columns) {
                fitting_column(table, name, "a target", &mut faults);
            }
            if let Some(name) = &self.sample_weight {
                fitting_column(table, name, "the sample weight", &mut faults);
            }
        }
        if rows.iter().any(|row| *row as usize >= table.rows) {
            faults.push(PlanFault { column: None, detail: format!("there are only {} rows", table.rows) });
        }
        if faults.is_empty() { Ok(columns) } else { Err(DataError::Plan(faults)) }
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
