//! What was found out about a value is not found out again: a column has many rows, and of labels few different ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::cell_of;
use crate::data::{Cell, Column, Values};

/// Remembers something for each of the different values of one column.
#[derive(Debug)]
pub(super) struct Memo<V> {
    known: HashMap<u64, usize>,
    found: Vec<V>,
    /// The last value and its place: equal ones often follow each other.
    last: Option<(u64, usize)>,
}

impl<V> Memo<V> {
    pub(super) fn new() -> Memo<V> {
        Memo { known: HashMap::new(), found: Vec::new(), last: None }
    }

    /// What is known of the value in this row; the first time it is made.
    pub(super) fn of(&mut self, column: &Column, row: u32, make: impl FnOnce() -> V) -> &mut V {
        let key = match &column.values {
            Values::Numeric(values) => values[row as usize].to_bits(),
            Values::Text { codes, .. } => u64::from(codes[row as usize]),
            Values::Datetime(times) => times[row as usize] as u64,
        };
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => match self.known.entry(key) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(free) => {
                    self.found.push(make());
                    *free.insert(self.found.len() - 1)
                }
            },
        };
        self.last = Some((key, place));
        &mut self.found[place]
    }
}

/// The different cells of some rows, each with how many rows have it, in the order of their first rows.
pub(super) fn tallied(column: &Column, rows: impl Iterator<Item = u32>) -> Vec<(Cell<'_>, u64)> {
    let mut memo = Memo::new();
    rows.for_each(|row| memo.of(column, row, || (cell_of(column, row), 0)).1 += 1);
    memo.found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::Kind;
    use crate::data::table::{MISSING_CODE, MISSING_TIME};

    fn column(kind: Kind, values: Values) -> Column {
        Column { name: "c".into(), kind, values }
    }

    #[test]
    fn every_different_value_is_counted_once_with_its_rows() {
        let numbers = column(Kind::Numeric, Values::Numeric(vec![2.0, 2.0, f64::NAN, 7.0, 2.0, f64::NAN]));
        let tally = tallied(&numbers, 0..6);
        assert_eq!(tally, [(Cell::Number(2.0), 3), (Cell::Missing, 2), (Cell::Number(7.0), 1)]);
        assert_eq!(tallied(&numbers, [3, 0].into_iter()), [(Cell::Number(7.0), 1), (Cell::Number(2.0), 1)]);
        let dictionary = Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        let texts = column(Kind::Categorical, Values::Text { codes: vec![1, MISSING_CODE, 0, 1], dictionary });
        assert_eq!(tallied(&texts, 0..4), [(Cell::Raw("b"), 2), (Cell::Missing, 1), (Cell::Raw("a"), 1)]);
        let times = column(Kind::Datetime, Values::Datetime(vec![-5, MISSING_TIME, -5]));
        assert_eq!(tallied(&times, 0..3), [(Cell::Datetime(-5), 2), (Cell::Missing, 1)]);
    }
}
