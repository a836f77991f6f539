//! Which rows train, validate and test: pure functions of table, plan and seed.
//!
//! A part of share f has round(f · n) of the n usable rows, halves up, and at least one. Which rows: the front of a seeded permutation tests, what follows
//! validates, the rest trains. Stratified, each stratum gets its exact share of that number, rounded by the largest remainder (equal remainders: the larger stratum,
//! then the one that appears first), and keeps at least one row to train on. Equal rows that this put on two sides are then brought together
//! (`duplicates`), unless the plan says otherwise; all other rows stay where they are.

use std::collections::HashMap;

use super::duplicates::keep_together;
use super::error::PlanFault;
use super::folds;
use super::parse::parse_boolean;
use super::{Cell, Column, DataError, Rows, Table, Values};
use crate::num::random::{Stream, permutation};

/// How rows are divided.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitPlan {
    /// The way to choose.
    pub method: SplitMethod,
    /// Share of the usable rows that validate, 0 ≤ v < 1; not looked at by `All` and `Column`.
    pub validation: f64,
    /// Share of the usable rows that test.
    pub test: f64,
    /// The target columns: a row in which every one of them is missing is no part of the split.
    pub targets: Vec<String>,
    /// Whether rows that are equal in every column but identifiers stay on one side; looked at by `Random` and `Stratified`.
    pub together: bool,
    /// One fold of a cross-validation: what does not test is divided into folds, and this one validates. `validation` is not looked at.
    pub fold: Option<Fold>,
}

/// Names one fold of a cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Which one validates, from 0.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// The way to choose rows.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitMethod {
    /// All rows train.
    All,
    /// By a seeded permutation.
    Random,
    /// By a seeded permutation within each value of `by`, so that every part has the same shares of each.
    Stratified {
        /// The column whose values are kept in proportion; rows where it is missing are a stratum of their own.
        by: String,
    },
    /// In the order of the file: first train, then validation, then test.
    Sequential,
    /// As a column says: `train`, `validation`, `test`, or a boolean whose true is validation.
    Column {
        /// The column's name.
        column: String,
    },
    /// Whole groups at a time, so that no group is on two sides.
    Group {
        /// The column whose values are the groups; a row where it is missing is a group of its own.
        column: String,
    },
}

/// The rows of each part, zero-based and ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<u32>,
    /// Rows that decide when to stop and which checkpoint is best.
    pub validation: Vec<u32>,
    /// Rows that decide nothing.
    pub test: Vec<u32>,
    /// Rows left out because every target is missing in them.
    pub excluded: Vec<u32>,
}

/// Divides the rows of a table.
///
/// # Errors
/// [`DataError::Plan`] where a column is missing or does not say what it should, or a part that was asked for would be empty.
pub fn split(rows: &dyn Rows, plan: &SplitPlan, seed: u64) -> Result<Split, DataError> {
    // Only the columns that decide are looked at.
    let by = match &plan.method {
        SplitMethod::Stratified { by: column } | SplitMethod::Column { column } | SplitMethod::Group { column } => {
            Some(column)
        }
        SplitMethod::All | SplitMethod::Random | SplitMethod::Sequential => None,
    };
    let names: Vec<&str> = plan.targets.iter().chain(by).map(String::as_str).collect();
    let loaded = rows.load(&names)?;
    let table: &Table = &loaded;
    if let Some(fold) = plan.fold {
        return folds::split(rows, table, plan, fold, seed);
    }
    let targets = plan.targets.iter().map(|name| column(table, name)).collect::<Result<Vec<_>, _>>()?;
    let unlabelled = |row: u32| !targets.is_empty() && targets.iter().all(|target| target.is_missing(row as usize));
    let (excluded, usable): (Vec<u32>, Vec<u32>) = (0..table.rows as u32).partition(|row| unlabelled(*row));
    let mut split = match &plan.method {
        SplitMethod::All => Split { train: usable, ..Split::default() },
        SplitMethod::Random => by_permutation(&usable, sizes(&usable, plan)?, seed),
        SplitMethod::Stratified { by } => stratified(column(table, by)?, &usable, sizes(&usable, plan)?, seed)?,
        SplitMethod::Sequential => {
            let Sizes { validation, test } = sizes(&usable, plan)?;
            let (train, rest) = usable.split_at(usable.len() - validation - test);
            let (validation, test) = rest.split_at(validation);
            Split { train: train.to_vec(), validation: validation.to_vec(), test: test.to_vec(), ..Split::default() }
        }
        SplitMethod::Column { column: name } => by_column(column(table, name)?, &usable)?,
        SplitMethod::Group { column: name } => by_group(column(table, name)?, &usable, sizes(&usable, plan)?, seed)?,
    };
    if plan.together && matches!(plan.method, SplitMethod::Random | SplitMethod::Stratified { .. }) {
        keep_together(table.rows, rows.duplicates()?, &mut split);
        let parts = [("validation", plan.validation, &split.validation), ("test", plan.test, &split.test)];
        if let Some((name, ..)) = parts.iter().find(|(_, share, rows)| *share > 0.0 && rows.is_empty()) {
            let detail = format!(
                "equal rows stay on one side, and that leaves no row for the {name} part; split.duplicates \"apart\" divides them"
            );
            return Err(fault(None, detail));
        }
    }
    if split.train.is_empty() {
        return Err(fault(None, "no row is left to train on".to_owned()));
    }
    for part in [&mut split.train, &mut split.validation, &mut split.test] {
        part.sort_unstable();
    }
    split.excluded = excluded;
    Ok(split)
}

pub(super) fn fault(column: Option<&str>, detail: String) -> DataError {
    DataError::Plan(vec![PlanFault { column: column.map(str::to_owned), detail }])
}

pub(super) fn column<'a>(table: &'a Table, name: &str) -> Result<&'a Column, DataError> {
    table.column(name).ok_or_else(|| fault(Some(name), "is not in the dataset".into()))
}

/// Rows of the parts that do not train.
#[derive(Clone, Copy)]
struct Sizes {
    validation: usize,
    test: usize,
}

fn sizes(usable: &[u32], plan: &SplitPlan) -> Result<Sizes, DataError> {
    let n = usable.len();
    let size = |share: f64| if share > 0.0 { ((share * n as f64 + 0.5).floor() as usize).max(1) } else { 0 };
    let sizes = Sizes { validation: size(plan.validation), test: size(plan.test) };
    if sizes.validation + sizes.test >= n {
        let detail = format!(
            "{n} usable rows cannot be split into parts of {} (validation) and {} (test) rows with one left to train on",
            sizes.validation, sizes.test
        );
        return Err(fault(None, detail));
    }
    Ok(sizes)
}

/// The usable rows in a seeded order.
pub(super) fn shuffled(usable: &[u32], seed: u64) -> Vec<u32> {
    let mut order = Vec::new();
    permutation(seed, Stream::Split, 0, usable.len(), &mut order);
    order.into_iter().map(|place| usable[place as usize]).collect()
}

fn by_permutation(usable: &[u32], sizes: Sizes, seed: u64) -> Split {
    let order = shuffled(usable, seed);
    let (test, rest) = order.split_at(sizes.test);
    let (validation, train) = rest.split_at(sizes.validation);
    Split { train: train.to_vec(), validation: validation.to_vec(), test: test.to_vec(), ..Split::default() }
}

/// For each row the number of its value, in order of first appearance; a missing value is one of its own where `missing_is_one`, else each is.
pub(super) fn numbered(column: &Column, rows: &[u32], missing_is_one: bool) -> (Vec<usize>, usize) {
    let mut known: HashMap<Option<u64>, usize> = HashMap::new();
    let mut count = 0;
    let numbers = rows.iter().map(|&row| {
        let key = match (&column.values, column.cell(row as usize)) {
            (_, Cell::Missing) => None,
            (Values::Numeric(_), Cell::Number(x)) => Some((x + 0.0).to_bits()),
            (Values::Text { codes, .. }, _) => codes.get(row as usize).map(|code| u64::from(*code)),
            (Values::Datetime(times), _) => times.get(row as usize).map(|ms| *ms as u64),
            (Values::Numeric(_), _) => None,
        };
        if key.is_none() && !missing_is_one {
            count += 1;
            return count - 1;
        }
        *known.entry(key).or_insert_with(|| {
            count += 1;
            count - 1
        })
    });
    let numbers = numbers.collect();
    (numbers, count)
}

fn stratified(column: &Column, usable: &[u32], sizes: Sizes, seed: u64) -> Result<Split, DataError> {
    let (numbers, count) = numbered(column, usable, true);
    if count * 2 > usable.len() {
        let detail = format!("has {count} distinct values in {} rows, too many to stratify by", usable.len());
        return Err(fault(Some(&column.name), detail));
    }
    let mut members = vec![0; count];
    for number in &numbers {
        members[*number] += 1;
    }
    let most = |taken: &[usize]| members.iter().zip(taken).map(|(n, taken)| n - taken - 1).collect::<Vec<_>>();
    let mut test = apportion(&members, sizes.test, &most(&vec![0; count]));
    let mut validation = apportion(&members, sizes.validation, &most(&test));
    for (part, wanted, given) in [("test", sizes.test, &test), ("validation", sizes.validation, &validation)] {
        if wanted > 0 && given.iter().all(|rows| *rows == 0) {
            let detail = format!("every value stands in one row only, so that no row is left for the {part} part");
            return Err(fault(Some(&column.name), detail));
        }
    }
    let mut order = Vec::new();
    permutation(seed, Stream::Split, 0, usable.len(), &mut order);
    let mut split = Split::default();
    for place in order {
        let (row, stratum) = (usable[place as usize], numbers[place as usize]);
        if test[stratum] > 0 {
            test[stratum] -= 1;
            split.test.push(row);
        } else if validation[stratum] > 0 {
            validation[stratum] -= 1;
            split.validation.push(row);
        } else {
            split.train.push(row);
        }
    }
    Ok(split)
}

/// Shares `total` out in proportion to `members` by the largest remainder, no stratum beyond its `most`; less in all where that leaves no room.
fn apportion(members: &[usize], total: usize, most: &[usize]) -> Vec<usize> {
    let all: u128 = members.iter().map(|n| *n as u128).sum::<u128>().max(1);
    let exact = |n: usize| (n as u128 * total as u128 / all, n as u128 * total as u128 % all);
    let mut shares: Vec<usize> = members.iter().zip(most).map(|(n, most)| (exact(*n).0 as usize).min(*most)).collect();
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(exact(members[i]).1), std::cmp::Reverse(members[i]), i));
    let mut left = total.saturating_sub(shares.iter().sum());
    while left > 0 {
        let before = left;
        for &i in &order {
            if left > 0 && shares[i] < most[i] {
                shares[i] += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    shares
}

fn by_column(column: &Column, usable: &[u32]) -> Result<Split, DataError> {
    let mut split = Split::default();
    let mut wrong: Option<(u32, String)> = None;
    for &row in usable {
        let cell = column.cell(row as usize);
        let part = match cell {
            Cell::Bool(truth) => Some(truth),
            Cell::Number(x) if x == 0.0 || x == 1.0 => Some(x == 1.0),
            Cell::Text(text) => match text.to_ascii_lowercase().as_str() {
                "test" => {
                    split.test.push(row);
                    continue;
                }
                "validation" | "valid" | "val" => Some(true),
                "train" | "training" => Some(false),
                word => parse_boolean(word),
            },
            _ => None,
        };
        match part {
            Some(true) => split.validation.push(row),
            Some(false) => split.train.push(row),
            None => wrong = wrong.or_else(|| Some((row, cell.describe()))),
        }
    }
    match wrong {
        None => Ok(split),
        Some((row, found)) => {
            let detail =
                format!("row {row}: expected train, validation, test or a boolean (true is validation), got {found}");
            Err(fault(Some(&column.name), detail))
        }
    }
}

/// Groups in a seeded order; each goes where its middle row falls, so that parts come as near to their size as whole groups can.
fn by_group(column: &Column, usable: &[u32], sizes: Sizes, seed: u64) -> Result<Split, DataError> {
    let (numbers, count) = numbered(column, usable, false);
    let parts = 1 + usize::from(sizes.validation > 0) + usize::from(sizes.test > 0);
    if count < parts {
        return Err(fault(Some(&column.name), format!("has {count} groups, too few for {parts} parts")));
    }
    let mut members = vec![Vec::new(); count];
    for (row, number) in usable.iter().zip(numbers) {
        members[number].push(*row);
    }
    let mut order = Vec::new();
    permutation(seed, Stream::Split, 0, count, &mut order);
    let mut split = Split::default();
    let mut before = 0;
    for (place, &group) in order.iter().enumerate() {
        let rows = &members[group as usize];
        let middle = before * 2 + rows.len();
        let left = count - place;
        let (wants_test, wants_validation) =
            (sizes.test > 0 && split.test.is_empty(), sizes.validation > 0 && split.validation.is_empty());
        let part = if wants_test || (middle <= 2 * sizes.test && left > 1 + usize::from(wants_validation)) {
            &mut split.test
        } else if wants_validation || (middle <= 2 * (sizes.test + sizes.validation) && left > 1) {
            &mut split.validation
        } else {
            &mut split.train
        };
        part.extend_from_slice(rows);
        before += rows.len();
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::csv::{ParseOptions, ingest};

    fn table(text: &str) -> Table {
        ingest(text.as_bytes(), &ParseOptions::default()).unwrap().0
    }

    /// 30 a, 15 b, 5 c, and a row without a label; 17 groups.
    fn labelled() -> Table {
        let mut text = String::from("x,y,patient,part\n");
        for i in 0..51 {
            let y = match i {
                0..30 => "a",
                30..45 => "b",
                45..50 => "c",
                _ => "",
            };
            let part = ["train", "train", "validation", "test"][i % 4];
            text += &format!("{i}.5,{y},p{},{part}\n", i % 17);
        }
        table(&text)
    }

    fn plan(method: SplitMethod, validation: f64, test: f64) -> SplitPlan {
        SplitPlan { method, validation, test, targets: vec!["y".into()], together: false, fold: None }
    }

    fn check_whole(split: &Split, rows: usize) {
        let mut all = [&split.train[..], &split.validation, &split.test, &split.excluded].concat();
        assert!([&split.train, &split.validation, &split.test].iter().all(|part| part.is_sorted()));
        all.sort_unstable();
        assert_eq!(all, (0..rows as u32).collect::<Vec<_>>());
    }

    fn stratified_by_y() -> SplitMethod {
        SplitMethod::Stratified { by: "y".into() }
    }

    #[test]
    fn every_method_puts_every_row_in_one_part_and_follows_the_seed_alone() {
        let table = labelled();
        for method in [
            SplitMethod::Random,
            stratified_by_y(),
            SplitMethod::Sequential,
            SplitMethod::Group { column: "patient".into() },
            SplitMethod::Column { column: "part".into() },
            SplitMethod::All,
        ] {
            let plan = plan(method, 0.2, 0.1);
            let first = split(&table, &plan, 7).unwrap();
            check_whole(&first, 51);
            assert_eq!(first.excluded, [50], "a row without a target is left out");
            assert_eq!(first, split(&table, &plan, 7).unwrap());
            let seeded =
                !matches!(plan.method, SplitMethod::Sequential | SplitMethod::Column { .. } | SplitMethod::All);
            assert_eq!(first != split(&table, &plan, 8).unwrap(), seeded, "{:?}", plan.method);
        }
    }

    #[test]
    fn sizes_are_rounded_and_strata_are_exact() {
        let table = labelled();
        let random = split(&table, &plan(SplitMethod::Random, 0.25, 0.1), 1).unwrap();
        assert_eq!((random.validation.len(), random.test.len(), random.train.len()), (13, 5, 32));
        let split = split(&table, &plan(stratified_by_y(), 0.2, 0.1), 1).unwrap();
        let shares = |rows: &[u32]| {
            let of = |range: std::ops::Range<u32>| rows.iter().filter(|row| range.contains(row)).count();
            (of(0..30), of(30..45), of(45..50))
        };
        assert_eq!(shares(&split.validation), (6, 3, 1));
        assert_eq!(shares(&split.test), (3, 2, 0), "of 3, 1.5 and 0.5 the larger stratum is rounded up");
    }

    #[test]
    fn a_class_of_one_row_trains() {
        let mut text = String::from("x,y\n0,rare\n");
        (1..20).for_each(|i| text += &format!("{i},{}\n", ["a", "b"][i % 2]));
        for seed in 0..20 {
            let split = split(&table(&text), &plan(stratified_by_y(), 0.5, 0.0), seed).unwrap();
            assert_eq!(split.train[0], 0);
            assert_eq!(split.validation.len(), 10);
        }
    }

    #[test]
    fn sequential_keeps_the_order_of_the_file() {
        let split = split(&labelled(), &plan(SplitMethod::Sequential, 0.2, 0.1), 1).unwrap();
        assert_eq!((split.train[34], split.validation[0], split.test[0], split.test[4]), (34, 35, 45, 49));
    }

    #[test]
    fn no_group_is_on_two_sides() {
        for seed in 0..20 {
            let by_group = SplitMethod::Group { column: "patient".into() };
            let split = split(&labelled(), &plan(by_group, 0.2, 0.2), seed).unwrap();
            let groups = |rows: &[u32]| rows.iter().map(|row| row % 17).collect::<std::collections::BTreeSet<_>>();
            let (train, validation, test) = (groups(&split.train), groups(&split.validation), groups(&split.test));
            assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
            assert!((8..=12).contains(&split.validation.len()) && (8..=12).contains(&split.test.len()));
        }
    }

    #[test]
    fn a_column_says_it_in_words_or_as_a_boolean() {
        let text = "x,y,part,held\n1,a,train,no\n2,b,test,yes\n3,a,Validation,yes\n4,b,train,no\n";
        let of = |column: &str| {
            let split = split(&table(text), &plan(SplitMethod::Column { column: column.into() }, 0.0, 0.0), 1).unwrap();
            (split.train, split.validation, split.test)
        };
        assert_eq!(of("part"), (vec![0, 3], vec![2], vec![1]));
        assert_eq!(of("held"), (vec![0, 3], vec![1, 2], vec![]));
    }

    #[test]
    fn what_cannot_be_split_says_why() {
        let error = |method, validation: f64, text: &str| {
            split(&table(text), &plan(method, validation, 0.0), 1).unwrap_err().to_string()
        };
        let small = "x,y\n1,a\n2,b\n";
        assert!(error(SplitMethod::Random, 0.9, small).contains("2 usable rows cannot be split"));
        assert!(error(stratified_by_y(), 0.5, small).contains("too many to stratify by"));
        assert!(
            error(SplitMethod::Column { column: "part".into() }, 0.0, small)
                .contains("\"part\": is not in the dataset")
        );
        let wrong = "x,y,part\n1,a,train\n2,b,later\n3,a,train\n";
        let told = error(SplitMethod::Column { column: "part".into() }, 0.0, wrong);
        assert!(told.contains("row 1: expected train, validation, test") && told.contains("\"later\""), "{told}");
    }
}
