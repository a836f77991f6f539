//! Rows that are equal in every column but identifiers. Which rows those are, and how a split keeps them together.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::split::Split;
use super::{Kind, Table, Values};

/// Sets of equal rows, two or more in each, by their first row.
pub fn duplicates(table: &Table) -> Vec<Vec<u32>> {
    let columns: Vec<&Values> =
        table.columns.iter().filter(|column| column.kind != Kind::Identifier).map(|column| &column.values).collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let mut sets: HashMap<u64, Vec<Vec<u32>>> = HashMap::new();
    for row in 0..table.rows {
        let mut hasher = DefaultHasher::new();
        columns.iter().for_each(|values| bits(values, row).hash(&mut hasher));
        let same_hash = sets.entry(hasher.finish()).or_default();
        let same = |first: usize| columns.iter().all(|values| bits(values, first) == bits(values, row));
        match same_hash.iter_mut().find(|set| same(set[0] as usize)) {
            Some(set) => set.push(row as u32),
            None => same_hash.push(vec![row as u32]),
        }
    }
    let mut found: Vec<Vec<u32>> = sets.into_values().flatten().filter(|set| set.len() > 1).collect();
    found.sort_unstable_by_key(|set| set[0]);
    found
}

/// A value as bits that are equal for equal values; 0 and -0 are one.
fn bits(values: &Values, row: usize) -> u64 {
    match values {
        Values::Numeric(values) => values.get(row).map_or(0, |x| if x.is_nan() { f64::NAN } else { x + 0.0 }.to_bits()),
        Values::Text { codes, .. } => codes.get(row).map_or(0, |code| u64::from(*code)),
        Values::Datetime(times) => times.get(row).map_or(0, |ms| *ms as u64),
    }
}

/// Puts each set of equal rows that stands in more than one part into one of them. All other rows stay where they are, so a split
/// without equal rows is not touched.
pub(super) fn keep_together(rows: usize, duplicates: Vec<Vec<u32>>, split: &mut Split) {
    let mut part_of = vec![OUT; rows];
    for (part, rows) in [&split.train, &split.validation, &split.test].into_iter().enumerate() {
        rows.iter().for_each(|row| part_of[*row as usize] = part);
    }
    if bring_together(duplicates, &mut part_of, 3) {
        let rows_of = |part: usize| (0..rows as u32).filter(|row| part_of[*row as usize] == part).collect();
        (split.train, split.validation, split.test) = (rows_of(0), rows_of(1), rows_of(2));
    }
}

/// The part of a row that is in none.
pub(super) const OUT: usize = usize::MAX;

/// Brings sets of equal rows together, given the part of each row: the largest sets first, each into the part that lacks most rows.
/// Says whether there were any.
pub(super) fn bring_together(duplicates: Vec<Vec<u32>>, part_of: &mut [usize], parts: usize) -> bool {
    let mut torn: Vec<Vec<u32>> = duplicates
        .into_iter()
        .map(|set| set.into_iter().filter(|row| part_of[*row as usize] != OUT).collect::<Vec<u32>>())
        .filter(|set| set.iter().any(|row| part_of[*row as usize] != part_of[set[0] as usize]))
        .collect();
    torn.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let mut lacking = vec![0i64; parts];
    for row in torn.iter().flatten() {
        lacking[part_of[*row as usize]] += 1;
    }
    for set in &torn {
        let part = (1..parts).fold(0, |best, part| if lacking[part] > lacking[best] { part } else { best });
        lacking[part] -= set.len() as i64;
        set.iter().for_each(|row| part_of[*row as usize] = part);
    }
    !torn.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::csv::{ParseOptions, ingest};
    use crate::data::split::{SplitMethod, SplitPlan, split};

    fn table(text: &str) -> Table {
        ingest(text.as_bytes(), &ParseOptions::default()).unwrap().0
    }

    #[test]
    fn rows_are_equal_in_every_column_but_identifiers() {
        let found = duplicates(&table("id,x,y\n1,1.0,a\n2,2,b\n3,1,a\n4,1,b\n5,,a\n6,,a\n"));
        assert_eq!(found, [vec![0, 2], vec![4, 5]]);
    }

    #[test]
    fn no_equal_rows_stand_on_two_sides_unless_asked_and_sizes_stay_near() {
        let mut text = String::from("x,y\n");
        (0..300).for_each(|i| text += &format!("{},{}\n", (i * i) % 97, ["a", "b"][i % 2]));
        let table = table(&text);
        for method in [SplitMethod::Random, SplitMethod::Stratified { by: "y".into() }] {
            for seed in 0..10 {
                let plan = |together| SplitPlan {
                    method: method.clone(),
                    validation: 0.2,
                    test: 0.1,
                    targets: vec!["y".into()],
                    together,
                    fold: None,
                };
                let parts = split(&table, &plan(true), seed).unwrap();
                let side = |row: &u32| [&parts.train, &parts.validation].iter().position(|part| part.contains(row));
                assert!(duplicates(&table).iter().all(|set| set.iter().all(|row| side(row) == side(&set[0]))));
                assert_eq!(parts.train.len() + parts.validation.len() + parts.test.len(), 300);
                assert!(
                    parts.validation.len().abs_diff(60) <= 8 && parts.test.len().abs_diff(30) <= 8,
                    "{}",
                    parts.test.len()
                );
                let asked = split(&table, &plan(false), seed).unwrap();
                assert_eq!((asked.validation.len(), asked.test.len()), (60, 30));
            }
        }
    }
}
