//! The folds of a cross-validation: which rows validate in which, as a pure function of table, plan and seed.
//!
//! The test part is chosen first, by the plan's own way, so that it is the same rows whatever is done with the others. What is left is dealt
//! out, so that sizes differ by one row at most: at random in a seeded order; stratified in that order, value after value, so that every
//! fold has its share of each; sequential in blocks of the file. Groups go whole, the largest first, each into the smallest fold.

use super::duplicates::{OUT, bring_together};
use super::split::{self, Fold, Split, SplitMethod, SplitPlan, column, fault, numbered, shuffled};
use super::{DataError, Rows, Table};

/// Divides the rows so that one fold validates and the others train; `table` has the columns that decide.
pub(super) fn split(
    from: &dyn Rows,
    table: &Table,
    plan: &SplitPlan,
    fold: Fold,
    seed: u64,
) -> Result<Split, DataError> {
    let whole = SplitPlan { validation: 0.0, fold: None, ..plan.clone() };
    let mut split = split::split(from, &whole, seed)?;
    let rows = std::mem::take(&mut split.train);
    let Fold { number, of } = fold;
    if rows.len() < of {
        return Err(fault(None, format!("{} usable rows cannot be divided into {of} folds", rows.len())));
    }
    let mut fold_of = dealt(table, &rows, &plan.method, of, seed)?;
    if plan.together && matches!(plan.method, SplitMethod::Random | SplitMethod::Stratified { .. }) {
        bring_together(from.duplicates()?, &mut fold_of, of);
        if let Some(empty) = (0..of).find(|fold| !fold_of.contains(fold)) {
            let detail = format!(
                "equal rows stay in one fold, and that leaves none for fold {}; split.duplicates \"apart\" divides them",
                empty + 1
            );
            return Err(fault(None, detail));
        }
    }
    (split.validation, split.train) = rows.into_iter().partition(|row| fold_of[*row as usize] == number);
    Ok(split)
}

/// The fold of each row of the table; [`OUT`] for rows that are in none.
fn dealt(table: &Table, rows: &[u32], method: &SplitMethod, of: usize, seed: u64) -> Result<Vec<usize>, DataError> {
    let mut fold_of = vec![OUT; table.rows];
    match method {
        SplitMethod::Random => {
            for (place, row) in shuffled(rows, seed).into_iter().enumerate() {
                fold_of[row as usize] = place % of;
            }
        }
        SplitMethod::Stratified { by } => {
            let order = shuffled(rows, seed);
            let (numbers, _) = numbered(column(table, by)?, &order, true);
            let mut dealing: Vec<(usize, u32)> = numbers.into_iter().zip(order).collect();
            dealing.sort_by_key(|(stratum, _)| *stratum); // stable: the seeded order within each
            for (place, (_, row)) in dealing.into_iter().enumerate() {
                fold_of[row as usize] = place % of;
            }
        }
        SplitMethod::Group { column: name } => {
            let (numbers, count) = numbered(column(table, name)?, rows, false);
            if count < of {
                return Err(fault(Some(name), format!("has {count} groups, too few for {of} folds")));
            }
            let mut groups = vec![Vec::new(); count];
            for (row, group) in rows.iter().zip(numbers) {
                groups[group].push(*row);
            }
            let mut order = shuffled(&(0..count as u32).collect::<Vec<_>>(), seed);
            order.sort_by_key(|group| std::cmp::Reverse(groups[*group as usize].len()));
            let mut sizes = vec![0; of];
            for group in order {
                let smallest = (1..of).fold(0, |best, fold| if sizes[fold] < sizes[best] { fold } else { best });
                sizes[smallest] += groups[group as usize].len();
                groups[group as usize].iter().for_each(|row| fold_of[*row as usize] = smallest);
            }
        }
        SplitMethod::Sequential | SplitMethod::All | SplitMethod::Column { .. } => {
            for (place, row) in rows.iter().enumerate() {
                fold_of[*row as usize] = place * of / rows.len();
            }
        }
    }
    Ok(fold_of)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::data::csv::{ParseOptions, ingest};
    use crate::data::duplicates::duplicates;

    /// 103 rows: 60 a, 30 b, 10 c, three without a label; 17 patients; some rows equal.
    fn table() -> Table {
        let mut text = String::from("x,y,patient\n");
        for i in 0..103 {
            let y = match i {
                0..60 => "a",
                60..90 => "b",
                90..100 => "c",
                _ => "",
            };
            text += &format!("{},{y},p{}\n", if i % 20 < 2 { 0 } else { i }, (i * i) % 17);
        }
        ingest(text.as_bytes(), &ParseOptions::default()).unwrap().0
    }

    fn all_folds(method: &SplitMethod, test: f64, together: bool, seed: u64) -> Vec<Split> {
        let plan = |number| SplitPlan {
            method: method.clone(),
            validation: 0.0,
            test,
            targets: vec!["y".into()],
            together,
            fold: Some(Fold { number, of: 5 }),
        };
        (0..5).map(|number| split::split(&table(), &plan(number), seed).unwrap()).collect()
    }

    fn methods() -> [SplitMethod; 4] {
        let (by, column) = ("y".to_owned(), "patient".to_owned());
        [SplitMethod::Random, SplitMethod::Stratified { by }, SplitMethod::Sequential, SplitMethod::Group { column }]
    }

    #[test]
    fn every_row_that_does_not_test_validates_once_and_trains_otherwise() {
        for method in methods() {
            for test in [0.0, 0.2] {
                let folds = all_folds(&method, test, false, 3);
                let held: Vec<u32> = folds.iter().flat_map(|fold| fold.validation.clone()).collect();
                let once: BTreeSet<u32> = held.iter().copied().collect();
                assert_eq!(held.len(), once.len(), "{method:?}");
                for fold in &folds {
                    assert_eq!(fold.test, folds[0].test);
                    assert_eq!(fold.excluded, [100, 101, 102]);
                    let rest: BTreeSet<u32> = fold.train.iter().chain(&fold.validation).copied().collect();
                    assert_eq!(rest, once, "{method:?}");
                    assert_eq!(fold.train.len() + fold.validation.len(), once.len());
                    let even = !matches!(method, SplitMethod::Group { .. });
                    let smallest = once.len() / 5;
                    assert!(!even || (smallest..=smallest + 1).contains(&fold.validation.len()), "{method:?}");
                }
                assert_eq!(once.len() + folds[0].test.len(), 100);
                assert_eq!(folds, all_folds(&method, test, false, 3));
                assert_eq!(folds == all_folds(&method, test, false, 4), method == SplitMethod::Sequential);
            }
        }
    }

    #[test]
    fn the_rows_that_test_are_those_of_a_split_without_validation() {
        let plan = SplitPlan {
            method: methods()[1].clone(),
            validation: 0.0,
            test: 0.2,
            targets: vec!["y".into()],
            together: true,
            fold: None,
        };
        let whole = split::split(&table(), &plan, 9).unwrap();
        assert_eq!(whole.test, all_folds(&methods()[1], 0.2, true, 9)[2].test);
    }

    #[test]
    fn stratified_folds_have_their_share_of_each_class() {
        for fold in all_folds(&methods()[1], 0.0, false, 1) {
            let of = |rows: std::ops::Range<u32>| fold.validation.iter().filter(|row| rows.contains(row)).count();
            assert_eq!((of(0..60), of(60..90), of(90..100)), (12, 6, 2));
        }
    }

    #[test]
    fn no_group_and_no_equal_rows_stand_in_two_folds() {
        let groups = all_folds(&methods()[3], 0.0, false, 1);
        let of = |rows: &[u32]| rows.iter().map(|row| row * row % 17).collect::<BTreeSet<_>>();
        assert!(groups.iter().all(|fold| of(&fold.validation).is_disjoint(&of(&fold.train))));
        for method in &methods()[..2] {
            for fold in all_folds(method, 0.0, true, 1) {
                let side = |row: &u32| fold.train.contains(row);
                assert!(duplicates(&table()).iter().all(|set| set.iter().all(|row| side(row) == side(&set[0]))));
            }
        }
    }

    #[test]
    fn what_cannot_be_divided_says_why() {
        let small = ingest("x,y\n1,a\n2,b\n3,a\n".as_bytes(), &ParseOptions::default()).unwrap().0;
        let plan = |method| SplitPlan {
            method,
            validation: 0.0,
            test: 0.0,
            targets: vec!["y".into()],
            together: false,
            fold: Some(Fold { number: 0, of: 4 }),
        };
        let told = split::split(&small, &plan(SplitMethod::Random), 1).unwrap_err().to_string();
        assert!(told.contains("3 usable rows cannot be divided into 4 folds"), "{told}");
    }
}
