//! What a column is does not depend on how its rows are cut into groups.

use std::fmt::Write as _;

use crate::data::csv::{ParseOptions, build};
use crate::data::profile::{Profile, profile};
use crate::data::{Cell, Kind, Rows, Storage, StoredTable, Table, formats};

/// More than two groups of a narrow table.
const ROWS: usize = 140_000;

fn stored(text: &str) -> StoredTable {
    let (mut table, _) = build(text.as_bytes(), &ParseOptions::default(), Storage::memory(Vec::new())).unwrap();
    table.close(None).unwrap();
    table
}

fn read(text: &str) -> (Table, Profile) {
    let table = stored(text);
    let profile = profile(&table).unwrap().0;
    (table.read(None, 0..usize::MAX).unwrap(), profile)
}

#[test]
fn numbers_become_labels_when_texts_come_late_and_stay_numbers_when_they_are_few() {
    let mut text = String::from("late,few\n");
    for i in 0..ROWS {
        let late = if i < 100_000 { format!("{}.50", i % 300) } else { "none".to_owned() };
        writeln!(text, "{late},{}", if i == 130_000 { "oops".to_owned() } else { i.to_string() }).unwrap();
    }
    let (table, _) = read(&text);
    assert_eq!(table.columns[0].kind, Kind::Categorical);
    for (row, label) in [(0, "0.50"), (999, "99.50"), (70_000, "100.5"), (100_000, "none"), (139_999, "none")] {
        assert_eq!(table.columns[0].cell(row), Cell::Text(label), "row {row}");
    }
    assert_eq!(table.columns[1].kind, Kind::Numeric);
    assert_eq!((table.columns[1].cell(139_999), table.columns[1].is_missing(130_000)), (Cell::Number(139_999.0), true));
    assert_eq!(table.warnings.len(), 1);
    let told = &table.warnings[0].detail;
    assert!(told.starts_with("1 row holds text in a numeric column; first at line 130002 (\"oops\")"), "{told}");
}

#[test]
fn texts_become_numbers_times_and_booleans_whatever_their_group() {
    let mut text = String::from("n,when,yes\n");
    for i in 0..ROWS {
        let n = if i < 300 { "unknown".to_owned() } else { i.to_string() };
        let yes = if i < 100_000 { "True" } else { ["FALSE", "true"][i % 2] };
        let (day, minute) = (i / 1440, i % 1440);
        let when = format!("2026-{:02}-{:02} {:02}:{:02}", day / 28 + 1, day % 28 + 1, minute / 60, minute % 60);
        writeln!(text, "{n},{when},{yes}").unwrap();
    }
    let (table, profile) = read(&text);
    let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [Kind::Numeric, Kind::Datetime, Kind::Boolean]);
    assert_eq!(table.row(139_000)[0], Cell::Number(139_000.0));
    assert_eq!(table.row(139_000)[1].to_json(), "2026-04-13T12:40:00Z");
    assert_eq!((table.row(0)[2], table.row(139_000)[2]), (Cell::Bool(true), Cell::Bool(false)));
    assert_eq!(profile.columns[1].distinct, ROWS as u64);
    assert!(table.warnings[0].detail.contains("300 rows hold text in a numeric column; first at line 2 "));
}

#[test]
fn more_texts_than_are_numbered_come_back_and_are_counted() {
    let word = |i: usize| format!("w{}", (i * 7919) % 100_003);
    let mut text = String::from("name,word\n");
    (0..ROWS).for_each(|i| writeln!(text, "person-{i},{}", word(i)).unwrap());
    let file = stored(&text);
    let (table, profile) = read(&text);
    let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [Kind::Identifier, Kind::Categorical]);
    for row in (0..ROWS).step_by(997) {
        assert_eq!(table.row(row), [Cell::Text(&format!("person-{row}")), Cell::Text(&word(row))]);
    }
    // A part of it says the same, with texts of its own.
    let part = file.read(Some(&["word"]), 131_000..131_002).unwrap();
    assert_eq!(part.row(1), [Cell::Text(&word(131_001))]);
    assert_eq!((profile.columns[0].distinct, profile.columns[1].distinct), (ROWS as u64, 100_003));
    assert_eq!(file.duplicates().unwrap().len(), ROWS - 100_003, "words repeat, and the names do not count");
}

#[test]
fn a_name_that_comes_late_has_no_value_before() {
    let mut text = String::new();
    for i in 0..ROWS {
        let late = if i >= 100_000 { format!(",\"late\":{}", i % 5) } else { String::new() };
        writeln!(text, "{{\"x\":{i}{late}}}").unwrap();
    }
    let (table, _) = formats::ingest_bytes(text.as_bytes(), &ParseOptions::default()).unwrap();
    assert_eq!(table.row(99_999), [Cell::Number(99_999.0), Cell::Missing]);
    assert_eq!(table.row(100_003), [Cell::Number(100_003.0), Cell::Number(3.0)]);
    assert_eq!(table.columns[1].len(), ROWS);
}
