//! Tables there and back, damage, parts of tables, and equal rows.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::data::Rows;
use crate::data::table::{MISSING_CODE, MISSING_TIME};

fn bytes(table: &Table) -> Vec<u8> {
    let mut stored = put(table, Storage::memory(Vec::new())).unwrap();
    let sets = stored.equal_rows().unwrap().sets;
    stored.close(Some(&sets)).unwrap();
    stored.storage.into_memory()
}

fn back(bytes: &[u8], columns: Option<&[&str]>, rows: std::ops::Range<usize>) -> Result<Table, DataError> {
    open(Storage::memory(bytes.to_vec()))?.read(columns, rows)
}

fn all(bytes: &[u8]) -> Result<Table, DataError> {
    back(bytes, None, 0..usize::MAX)
}

fn column(rows: usize) -> impl Strategy<Value = Column> {
    let numbers = proptest::collection::vec(prop_oneof![4 => -1e9..1e9, 1 => Just(f64::MAX), 1 => Just(-0.0)], rows);
    let times = proptest::collection::vec(prop_oneof![3 => any::<i64>(), 1 => Just(MISSING_TIME)], rows);
    let texts = (proptest::collection::vec(any::<String>(), 1..9), proptest::collection::vec(any::<u32>(), rows));
    let values = prop_oneof![
        numbers.prop_map(Values::Numeric),
        times.prop_map(Values::Datetime),
        texts.prop_map(|(dictionary, codes)| {
            let n = dictionary.len() as u32 + 1;
            let code = |code: u32| if code % n == n - 1 { MISSING_CODE } else { code % n };
            Values::Text { codes: codes.into_iter().map(code).collect(), dictionary: Arc::new(dictionary) }
        }),
    ];
    let kind = (0..Kind::ALL.len()).prop_map(|i| Kind::ALL[i].1);
    (any::<String>(), kind, values).prop_map(|(name, kind, values)| Column { name, kind, values })
}

fn table() -> impl Strategy<Value = Table> {
    (0usize..40).prop_flat_map(|rows| {
        let warning =
            Warning { column: Some("x".into()), code: "mixed_types".into(), detail: "first at line 3".into() };
        proptest::collection::vec(column(rows), 0..5).prop_map(move |columns| Table {
            rows,
            columns,
            warnings: vec![warning.clone()],
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_table_comes_back_as_it_was(table in table()) {
        prop_assert_eq!(all(&bytes(&table)).unwrap(), table);
    }

    #[test]
    fn a_damaged_file_is_refused_and_never_believed(table in table(), place in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut damaged = bytes(&table);
        let place = place.index(damaged.len());
        damaged[place] ^= flip;
        let read = open(Storage::memory(damaged)).and_then(|table| Ok((table.duplicates()?, table.read(None, 0..usize::MAX)?)));
        prop_assert!(read.is_err());
        let whole = bytes(&table);
        prop_assert!(all(&whole[..place]).is_err());
    }
}

#[test]
fn a_long_column_has_several_blocks_and_columns_are_read_by_name() {
    let rows = 2 * GROUP_ROWS + 7;
    let column = |name: &str, at: f64| Column {
        name: name.into(),
        kind: Kind::Numeric,
        values: Values::Numeric((0..rows).map(|i| at + i as f64).collect()),
    };
    let table = Table { rows, columns: vec![column("a", 0.0), column("b", 0.5)], warnings: Vec::new() };
    let bytes = bytes(&table);
    let read = back(&bytes, Some(&["b", "c"]), 0..usize::MAX).unwrap();
    assert_eq!((read.rows, read.columns.len()), (rows, 1));
    assert_eq!(read.columns[0], table.columns[1]);
    for range in [GROUP_ROWS - 2..GROUP_ROWS + 3, 5..5, rows - 1..rows + 9, rows + 4..rows + 9] {
        let read = back(&bytes, None, range.clone()).unwrap();
        let Values::Numeric(values) = &read.columns[0].values else { panic!("numbers") };
        let expected: Vec<f64> = range.filter(|i| *i < rows).map(|i| i as f64).collect();
        assert_eq!((values, read.rows), (&expected, expected.len()));
    }
}

#[test]
fn a_missing_number_stays_missing() {
    let values = Values::Numeric(vec![1.0, f64::NAN]);
    let columns = vec![Column { name: "x".into(), kind: Kind::Numeric, values }];
    let table = Table { rows: 2, columns, warnings: Vec::new() };
    assert!(all(&bytes(&table)).unwrap().columns[0].is_missing(1));
}

#[test]
fn rows_are_taken_from_any_place_and_equal_ones_are_known() {
    let rows = 70_000;
    let text = |i: usize| format!("t{}", i % 1000);
    let dictionary: Vec<String> = (0..1000).map(text).collect();
    let codes = (0..rows as u32).map(|i| i % 1000).collect();
    let numbers = (0..rows).map(|i| (i % 35_000) as f64).collect();
    let columns = vec![
        Column { name: "x".into(), kind: Kind::Numeric, values: Values::Numeric(numbers) },
        Column {
            name: "t".into(),
            kind: Kind::Categorical,
            values: Values::Text { codes, dictionary: dictionary.into() },
        },
        Column { name: "id".into(), kind: Kind::Identifier, values: Values::Datetime((0..rows as i64).collect()) },
    ];
    let table = Table { rows, columns, warnings: Vec::new() };
    let stored = open(Storage::memory(bytes(&table))).unwrap();
    let places = [0, 5, 65_535, 65_536, 69_999];
    let taken = stored.pick(&places).unwrap();
    (0..5).for_each(|at| assert_eq!(taken.row(at), table.row(places[at] as usize)));
    let sets = stored.duplicates().unwrap();
    assert_eq!(sets, Rows::duplicates(&table).unwrap());
    assert_eq!((sets.len(), sets[7].as_slice()), (35_000, &[7, 35_007][..]));
}
