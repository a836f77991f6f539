//! Tokens to vectors and back. A gradient costs what it touches: rows that no token of the batch names are never read or written.
//! Shapes: a table is `[rows, dim]`; one token input fills `width` columns of the joined input, row by row.

use crate::num::{Pass, Real, prefetch};

use super::architecture::Pooling;
use super::batch::Tokens;

/// Columns that one token input fills.
pub fn width(pooling: Pooling, dim: usize) -> usize {
    match pooling {
        Pooling::Window { length } => length * dim,
        Pooling::Single | Pooling::Sum | Pooling::Mean => dim,
    }
}

/// The tokens of one row.
#[inline(always)]
fn tokens_of<'a>(tokens: &Tokens<'a>, row: usize) -> &'a [u32] {
    &tokens.ids[tokens.offsets[row] as usize..tokens.offsets[row + 1] as usize]
}

/// How many tokens ahead of its turn a row of a table is asked for: the rows of a batch lie anywhere in memory.
const AHEAD: usize = 8;

/// Asks for the row of the token that comes [`AHEAD`] of place `at` in the list.
#[inline(always)]
fn ask_ahead<T>(tokens: &Tokens<'_>, at: usize, table: &[T], dim: usize) {
    if let Some(&id) = tokens.ids.get(at + AHEAD) {
        prefetch(&table[id as usize * dim..][..dim]);
    }
}

/// Where the vectors of one token input stand in the joined input.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub tokens: &'a Tokens<'a>,
    pub pooling: Pooling,
    pub dim: usize,
    /// First of its columns.
    pub first: usize,
    /// Length of a row.
    pub stride: usize,
}

/// Writes the vectors of each row into its columns of `joined`.
pub(super) struct Forward<'a, T> {
    pub table: &'a [T],
    pub columns: Columns<'a>,
    pub joined: &'a mut [T],
}

impl<T: Real> Pass for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Columns { tokens, pooling, dim, first, stride } = self.columns;
        let width = width(pooling, dim);
        for (row, line) in self.joined.chunks_exact_mut(stride).enumerate() {
            let (ids, begin) = (tokens_of(tokens, row), tokens.offsets[row] as usize);
            let out = &mut line[first..first + width];
            match pooling {
                Pooling::Single | Pooling::Window { .. } => {
                    let given = (ids.len() * dim).min(width);
                    for (place, (out, &id)) in out.chunks_exact_mut(dim).zip(ids).enumerate() {
                        ask_ahead(tokens, begin + place, self.table, dim);
                        out.copy_from_slice(&self.table[id as usize * dim..][..dim]);
                    }
                    out[given..].fill(T::ZERO);
                }
                Pooling::Sum | Pooling::Mean => {
                    out.fill(T::ZERO);
                    for (place, &id) in ids.iter().enumerate() {
                        ask_ahead(tokens, begin + place, self.table, dim);
                        out.iter_mut().zip(&self.table[id as usize * dim..][..dim]).for_each(|(out, &x)| *out += x);
                    }
                    if pooling == Pooling::Mean && !ids.is_empty() {
                        let share = T::from_f64(1.0 / ids.len() as f64);
                        out.iter_mut().for_each(|out| *out *= share);
                    }
                }
            }
        }
    }
}

/// Adds the slopes of each row's columns of `d` to the rows of the table that its tokens name; `touched` learns of each such row.
pub(super) struct Backward<'a, T> {
    pub gradient: &'a mut [T],
    pub columns: Columns<'a>,
    pub d: &'a [T],
    pub touched: &'a mut Touched,
}

impl<T: Real> Pass for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Columns { tokens, pooling, dim, first, stride } = self.columns;
        let width = width(pooling, dim);
        for (row, line) in self.d.chunks_exact(stride).enumerate() {
            let (ids, begin) = (tokens_of(tokens, row), tokens.offsets[row] as usize);
            let slopes = &line[first..first + width];
            let share = match pooling {
                Pooling::Mean => T::from_f64(1.0 / ids.len().max(1) as f64),
                _ => T::ONE,
            };
            #[cfg(test)]
            let share = share * T::from_f64(super::fault::factor(super::fault::Site::Embedding));
            for (place, &id) in ids.iter().enumerate() {
                let slopes = match pooling {
                    Pooling::Window { length } if place >= length => break,
                    Pooling::Window { .. } => &slopes[place * dim..][..dim],
                    _ => slopes,
                };
                ask_ahead(tokens, begin + place, self.gradient, dim);
                self.touched.insert(id);
                let into = &mut self.gradient[id as usize * dim..][..dim];
                into.iter_mut().zip(slopes).for_each(|(g, &d)| *g = share.mul_add(d, *g));
            }
        }
    }
}

/// The rows of a table that the last gradient touched, each once, in the order of their first touch.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    rows: Vec<u32>,
    /// `stamp` where the row is in `rows`; made by the first gradient, since inference needs none.
    marks: Vec<u32>,
    table_rows: usize,
    stamp: u32,
}

impl Touched {
    pub(super) fn new(table_rows: usize) -> Self {
        Touched { rows: Vec::new(), marks: Vec::new(), table_rows, stamp: 0 }
    }

    /// The rows.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    fn insert(&mut self, row: u32) {
        let mark = &mut self.marks[row as usize];
        if *mark != self.stamp {
            *mark = self.stamp;
            self.rows.push(row);
        }
    }

    /// Sets the touched rows of `gradient` to 0 and forgets them.
    pub(super) fn clear<T: Real>(&mut self, gradient: &mut [T], dim: usize) {
        for &row in &self.rows {
            gradient[row as usize * dim..][..dim].fill(T::ZERO);
        }
        self.rows.clear();
        self.marks.resize(self.table_rows, 0);
        if self.stamp == u32::MAX {
            self.marks.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }
}
