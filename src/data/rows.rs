//! Rows of a dataset, wherever they are: in memory ([`Table`]) or in a file ([`super::StoredTable`]). What learns from rows or encodes
//! them goes through them stretch by stretch, and needs no more memory than one stretch.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;

use super::{DataError, Table};

/// Rows of a dataset, wherever they are.
pub trait Rows: Debug + Sync {
    /// How many there are.
    fn rows(&self) -> usize;

    /// The names of the columns, in the order of the file.
    fn names(&self) -> Vec<&str>;

    /// Ranges that together are all rows, in order; `columns` says what will be read of them, so that each fits into little memory.
    fn stretches(&self, columns: &[&str]) -> Vec<Range<usize>>;

    /// What must be read of a stretch for these rows of it.
    fn narrowed(&self, stretch: Range<usize>, _: &[u32]) -> Range<usize> {
        stretch
    }

    /// The rows of `range` (as far as they are there) with at least the columns of these names, as far as it has them.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] and [`DataError::Io`], where a file cannot be read.
    fn stretch(&self, columns: &[&str], range: Range<usize>) -> Result<Cow<'_, Table>, DataError>;

    /// Sets of rows that are equal in every column but identifiers, two or more in each, by their first row.
    ///
    /// # Errors
    /// As [`Rows::stretch`].
    fn duplicates(&self) -> Result<Vec<Vec<u32>>, DataError>;

    /// All rows of some columns.
    ///
    /// # Errors
    /// As [`Rows::stretch`].
    fn load(&self, columns: &[&str]) -> Result<Cow<'_, Table>, DataError> {
        self.stretch(columns, 0..self.rows())
    }

    /// The rows at these places, with all columns.
    ///
    /// # Errors
    /// As [`Rows::stretch`].
    fn pick(&self, rows: &[u32]) -> Result<Table, DataError> {
        let names = self.names();
        let mut taken: Option<Table> = None;
        let stretches = self.stretches(&names);
        for (range, rows) in runs(&stretches, rows) {
            let range = self.narrowed(range, rows);
            let local = local(rows, range.start);
            let part = self.stretch(&names, range)?.take(&local);
            match &mut taken {
                Some(taken) => taken.append(part),
                None => taken = Some(part),
            }
        }
        match taken {
            Some(taken) => Ok(taken),
            None => Ok(self.stretch(&names, 0..0)?.take(&[])),
        }
    }
}

/// Cuts rows where they change from one stretch to another: each run with its stretch. Ascending rows need each stretch once.
pub(super) fn runs<'r>(
    stretches: &'r [Range<usize>],
    rows: &'r [u32],
) -> impl Iterator<Item = (Range<usize>, &'r [u32])> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let first = *rest.first()? as usize;
        let range = stretches.get(stretches.partition_point(|range| range.end <= first))?;
        let length = rest.iter().position(|row| !range.contains(&(*row as usize))).unwrap_or(rest.len());
        let (own, after) = rest.split_at(length.max(1));
        rest = after;
        Some((range.clone(), own))
    })
}

/// Rows counted from the first of a stretch.
pub(super) fn local(rows: &[u32], first: usize) -> Cow<'_, [u32]> {
    match first {
        0 => Cow::Borrowed(rows),
        first => Cow::Owned(rows.iter().map(|row| row - first as u32).collect()),
    }
}

impl Rows for Table {
    fn rows(&self) -> usize {
        self.rows
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    fn stretches(&self, _: &[&str]) -> Vec<Range<usize>> {
        std::iter::once(0..self.rows).collect()
    }

    fn stretch(&self, _: &[&str], range: Range<usize>) -> Result<Cow<'_, Table>, DataError> {
        if range.start == 0 && range.end >= self.rows {
            return Ok(Cow::Borrowed(self));
        }
        let end = range.end.min(self.rows);
        Ok(Cow::Owned(self.take(&(range.start.min(end) as u32..end as u32).collect::<Vec<_>>())))
    }

    fn duplicates(&self) -> Result<Vec<Vec<u32>>, DataError> {
        Ok(super::duplicates::duplicates(self))
    }
}
