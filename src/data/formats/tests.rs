//! The same rows through every format, broken files, bombs, and random tables there and back.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use super::*;
use crate::data::{Cell, Kind};

const CSV: &str =
    "x,name,yes,when\n1.5,anna,true,2026-01-02\n,bert,false,2026-01-03\n-3,\"a, b\",,2026-01-04\n2,anna,true,\n";
const LINES: &str = r#"{"x":1.5,"name":"anna","yes":true,"when":"2026-01-02"}
{"name":"bert","yes":false,"when":"2026-01-03"}
{"when":"2026-01-04","x":-3,"name":"a, b","yes":null}

{"x":2,"name":"anna","yes":true}"#;

fn read(bytes: &[u8]) -> (Table, Found) {
    ingest_bytes(bytes, &ParseOptions::default()).unwrap()
}

fn refused(bytes: &[u8]) -> FileFault {
    match ingest_bytes(bytes, &ParseOptions::default()) {
        Err(DataError::File(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn batch() -> RecordBatch {
    RecordBatch::try_from_iter([
        (
            "x",
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-3.0), Some(2.0)])) as Arc<dyn arrow_array::Array>,
        ),
        ("name", Arc::new(StringArray::from(vec!["anna", "bert", "a, b", "anna"]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("when", Arc::new(StringArray::from(vec![Some("2026-01-02"), Some("2026-01-03"), Some("2026-01-04"), None]))),
    ])
    .unwrap()
}

fn parquet_of(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn arrow_of(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn every_format_gives_the_same_table() {
    let (wanted, found) = read(CSV.as_bytes());
    assert_eq!((found.format.as_str(), wanted.rows), ("csv", 4));
    let kinds: Vec<Kind> = wanted.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [Kind::Numeric, Kind::Categorical, Kind::Boolean, Kind::Datetime]);
    let array = format!("[{}]", LINES.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(",\n "));
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(LINES.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let tabs = CSV.replace("\"a, b\"", "a; b").replace(',', "\t").replace("a; b", "a, b");
    let cases: [(&str, &str, Vec<u8>); 9] = [
        ("csv", "csv", tabs.into_bytes()),
        ("ndjson", "ndjson", LINES.into()),
        ("utf-16", "ndjson", utf16),
        ("array", "json", array.into()),
        ("gzip", "csv", gzip(CSV.as_bytes())),
        ("two gzip members", "csv", [gzip(&CSV.as_bytes()[..20]), gzip(&CSV.as_bytes()[20..])].concat()),
        ("zstd", "ndjson", zstd::encode_all(LINES.as_bytes(), 3).unwrap()),
        ("parquet", "parquet", parquet_of(&batch())),
        ("arrow", "arrow", arrow_of(&batch())),
    ];
    for (name, format, bytes) in cases {
        let (table, found) = read(&bytes);
        assert_eq!(found.format, format, "{name}");
        // Row by row: a missing number is NaN, which equals nothing.
        assert_eq!((table.rows, &table.warnings), (wanted.rows, &wanted.warnings), "{name}");
        (0..wanted.rows).for_each(|row| assert_eq!(table.row(row), wanted.row(row), "{name}"));
        let shape = |table: &Table| -> Vec<(String, Kind)> {
            table.columns.iter().map(|column| (column.name.clone(), column.kind)).collect()
        };
        assert_eq!(shape(&table), shape(&wanted), "{name}");
        assert_eq!(
            found.options.get("compression").is_some(),
            ["gzip", "two gzip members", "zstd"].contains(&name),
            "{name}"
        );
    }
}

#[test]
fn integers_times_and_dictionaries_of_columnar_files_are_read() {
    let days = arrow_array::Date32Array::from(vec![0, 20_000]);
    let labels: arrow_array::DictionaryArray<arrow_array::types::Int8Type> = vec!["a", "b"].into_iter().collect();
    let batch = RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from(vec![7, -9])) as Arc<dyn arrow_array::Array>),
        ("day", Arc::new(days)),
        ("label", Arc::new(labels)),
        ("f", Arc::new(Float64Array::from(vec![f64::NAN, 1.0]))),
    ])
    .unwrap();
    for bytes in [parquet_of(&batch), arrow_of(&batch)] {
        let (table, _) = read(&bytes);
        assert_eq!(
            table.row(1),
            [Cell::Number(-9.0), Cell::Datetime(20_000 * 86_400_000), Cell::Text("b"), Cell::Number(1.0)]
        );
        assert!(table.columns[3].is_missing(0));
    }
    let list = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([Some([Some(1)])]);
    let batch = RecordBatch::try_from_iter([("deep", Arc::new(list) as Arc<dyn arrow_array::Array>)]).unwrap();
    let fault = refused(&parquet_of(&batch));
    assert_eq!((fault.code, fault.column.as_deref()), ("unsupported_column", Some("\"deep\"")));
}

#[test]
fn broken_files_name_their_place() {
    let at = |fault: FileFault| (fault.code, fault.line, fault.column);
    let broken = |line: u64, column: &str| ("broken_json", Some(line), Some(column.to_owned()));
    assert_eq!(at(refused(b"{\"x\":1}\n{\"x\":2,}\n")), broken(2, "8"));
    assert_eq!(at(refused(b"[{\"x\":1},\n {\"x\":tru}]")), broken(2, "10"));
    assert_eq!(at(refused(b"{\"x\":1}\n{\"x\":")).0, "broken_json");
    assert_eq!(at(refused(b"{\"x\":1}\n{\"x\":[1]}")).1, Some(2));
    assert_eq!(at(refused(b"{\"x\":1,\"x\":2}")).1, Some(1));
    assert_eq!(at(refused(b"[[1,2]]")).1, Some(1));
    assert_eq!(at(refused(b"{\"x\":1e999}")).1, Some(1));
    assert_eq!(refused(b"[]").code, "empty_file");
    let fault = refused(b"{\"x\":1}\n{\"x\":[1]}");
    assert!(fault.detail.contains("a number, a string, a boolean or null for \"x\""), "{fault}");
    let fault = refused(&gzip(b"a,b\n1,2\n1,2,3\n"));
    assert_eq!((fault.code, fault.line), ("ragged_row", Some(3)), "a place inside what was packed");

    let whole = gzip(CSV.as_bytes());
    assert_eq!(refused(&whole[..whole.len() - 12]).code, "broken_archive");
    let whole = zstd::encode_all(CSV.as_bytes(), 3).unwrap();
    assert_eq!(refused(&whole[..whole.len() - 5]).code, "broken_archive");
    for whole in [parquet_of(&batch()), arrow_of(&batch())] {
        let code = refused(&whole[..whole.len() - 9]).code;
        assert!(["broken_parquet", "broken_arrow"].contains(&code), "{code}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_large() {
    let zeros = vec![b'0'; 40 << 20];
    for packed in [gzip(&zeros), zstd::encode_all(&zeros[..], 3).unwrap()] {
        let fault = refused(&packed);
        assert_eq!(fault.code, "too_large_unpacked", "{fault}");
    }
    let mut options = ParseOptions::default();
    options.limits.unpacked_bytes = 30;
    let bounded = ingest_bytes(&gzip(CSV.as_bytes()), &options);
    assert!(matches!(bounded, Err(DataError::File(FileFault { code: "too_large_unpacked", .. }))));
    let endless = [b"{\"x\":\"".to_vec(), vec![b'a'; 65 << 20]].concat();
    assert_eq!(refused(&endless).code, "row_too_long");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_tables_come_back_from_every_format(
        rows in prop::collection::vec((prop::option::of(-1e12..1e12), "[a-z]{1,9}( [a-z\\\\\"\\p{Greek}]{1,9})?"), 2..40),
    ) {
        let numbers = Float64Array::from(rows.iter().map(|(x, _)| *x).collect::<Vec<_>>());
        let texts = StringArray::from(rows.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>());
        let schema = Schema::new(vec![Field::new("x", DataType::Float64, true), Field::new("t", DataType::Utf8, true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts)]).unwrap();
        let lines: Vec<String> = rows.iter().map(|(x, t)| serde_json::json!({"x": x, "t": t}).to_string()).collect();
        let options = ParseOptions::parse([("kinds", "x:numeric,t:categorical"), ("null", "")]).unwrap();
        let forms = [
            lines.join("\n").into_bytes(),
            format!("[{}]", lines.join(",")).into_bytes(),
            gzip(lines.join("\n").as_bytes()),
            parquet_of(&batch),
            arrow_of(&batch),
        ];
        for bytes in forms {
            let (table, _) = ingest_bytes(&bytes, &options).unwrap();
            prop_assert_eq!(table.rows, rows.len());
            for (row, (x, text)) in rows.iter().enumerate() {
                let number = x.map_or(Cell::Missing, Cell::Number);
                prop_assert_eq!(table.row(row), vec![number, Cell::Text(text.trim())]);
            }
        }
    }

    #[test]
    fn broken_bytes_are_refused_and_never_end_the_process(place in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        for whole in [LINES.as_bytes().to_vec(), gzip(CSV.as_bytes()), parquet_of(&batch()), arrow_of(&batch())] {
            let mut bytes = whole.clone();
            bytes[place.index(whole.len())] ^= flip;
            let _ = ingest_bytes(&bytes, &ParseOptions::default());
            let _ = ingest_bytes(&whole[..cut.index(whole.len())], &ParseOptions::default());
        }
    }
}
