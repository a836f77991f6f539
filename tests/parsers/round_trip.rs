//! Random tables written in every format by the libraries that people write them with, and read back as the same typed table.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use serde_json::{Value, json};
use trainyard::data::csv::ParseOptions;
use trainyard::data::{Cell, Kind, formats};

/// One row: a value of each kind, or none.
#[derive(Clone, Debug)]
struct Row {
    number: Option<f64>,
    yes: Option<bool>,
    label: Option<String>,
    text: Option<String>,
    time: Option<i64>,
}

/// The columns with their kinds.
const KINDS: [(&str, &str); 5] =
    [("number", "numeric"), ("yes", "boolean"), ("größe", "categorical"), ("text", "text"), ("time", "datetime")];

fn text(characters: &'static str) -> impl Strategy<Value = Option<String>> {
    // White space around a cell is not kept, and an empty one is missing.
    prop::option::weighted(0.8, characters).prop_map(|text| {
        let text = text?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    })
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        -1e6..1e6,
        (-1000i32..1000).prop_map(f64::from),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            1e-300,
            0.1 + 0.2,
            1e22,
            9_007_199_254_740_993.0
        ]),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let years_1700_to_2300 = -8_520_336_000_000..10_413_792_000_000i64;
    (
        prop::option::weighted(0.8, number()),
        prop::option::weighted(0.8, any::<bool>()),
        text("[a-z0-9\",;'\\\\|é日\u{1F600}]{1,4}"),
        text("\\PC{0,12}[ \n\",\t]{0,2}\\PC{0,6}"),
        prop::option::weighted(0.8, years_1700_to_2300),
    )
        .prop_map(|(number, yes, label, text, time)| Row { number, yes, label, text, time })
}

fn time_text(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn csv_of(rows: &[Row]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns()).unwrap();
    for row in rows {
        let cell = |value: Option<String>| value.unwrap_or_default();
        writer
            .write_record([
                cell(row.number.map(|x| format!("{x:?}"))),
                cell(row.yes.map(|yes| yes.to_string())),
                cell(row.label.clone()),
                cell(row.text.clone()),
                cell(row.time.map(time_text)),
            ])
            .unwrap();
    }
    writer.into_inner().unwrap()
}

fn columns() -> [&'static str; 5] {
    KINDS.map(|(name, _)| name)
}

fn objects(rows: &[Row]) -> Vec<Value> {
    let object = |row: &Row| {
        let mut fields = serde_json::Map::new();
        let values =
            [json!(row.number), json!(row.yes), json!(row.label), json!(row.text), json!(row.time.map(time_text))];
        // A missing value is null or not there.
        fields.extend(
            columns()
                .into_iter()
                .zip(values)
                .filter(|(name, value)| !value.is_null() || *name != "text")
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Value::Object(fields)
    };
    let mut objects: Vec<Value> = rows.iter().map(object).collect();
    // Columns stand in the order of first appearance.
    if let Some(first) = objects.first_mut().and_then(Value::as_object_mut) {
        let known = std::mem::take(first);
        first.extend(columns().map(|name| (name.to_owned(), known.get(name).cloned().unwrap_or_default())));
    }
    objects
}

fn lines_of(rows: &[Row]) -> Vec<u8> {
    objects(rows).iter().map(|object| format!("{object}\n")).collect::<String>().into_bytes()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let arrays: [ArrayRef; 5] = [
        Arc::new(Float64Array::from(rows.iter().map(|row| row.number).collect::<Vec<_>>())),
        Arc::new(BooleanArray::from(rows.iter().map(|row| row.yes).collect::<Vec<_>>())),
        Arc::new(StringArray::from(rows.iter().map(|row| row.label.clone()).collect::<Vec<_>>())),
        Arc::new(StringArray::from(rows.iter().map(|row| row.text.clone()).collect::<Vec<_>>())),
        Arc::new(TimestampMillisecondArray::from(rows.iter().map(|row| row.time).collect::<Vec<_>>())),
    ];
    let types = [
        DataType::Float64,
        DataType::Boolean,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Timestamp(TimeUnit::Millisecond, None),
    ];
    let fields: Vec<Field> = columns().iter().zip(types).map(|(name, kind)| Field::new(*name, kind, true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.to_vec()).unwrap()
}

fn parquet_of(rows: &[Row]) -> Vec<u8> {
    let (batch, mut bytes) = (batch(rows), Vec::new());
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn arrow_of(rows: &[Row]) -> Vec<u8> {
    let batch = batch(rows);
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn cells(row: &Row) -> [Cell<'_>; 5] {
    [
        row.number.map_or(Cell::Missing, Cell::Number),
        row.yes.map_or(Cell::Missing, Cell::Bool),
        row.label.as_deref().map_or(Cell::Missing, Cell::Text),
        row.text.as_deref().map_or(Cell::Missing, Cell::Text),
        row.time.map_or(Cell::Missing, Cell::Datetime),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_table_of_any_values_comes_back_from_every_format(rows in prop::collection::vec(row(), 1..30)) {
        let kinds = KINDS.map(|(name, kind)| format!("{name}:{kind}")).join(",");
        let asked = [("kinds", kinds.as_str()), ("null", ""), ("delimiter", ","), ("header", "true"), ("encoding", "utf-8")];
        let options = ParseOptions::parse(asked).unwrap();
        let (csv, lines) = (csv_of(&rows), lines_of(&rows));
        let array = Value::Array(objects(&rows)).to_string().into_bytes();
        let packed = [gzip(&csv), zstd::encode_all(&lines[..], 1).unwrap()];
        let [gzipped, zipped] = packed;
        for (name, bytes) in [
            ("csv", csv), ("ndjson", lines), ("json", array), ("gzip", gzipped), ("zstd", zipped), ("parquet", parquet_of(&rows)),
            ("arrow", arrow_of(&rows)),
        ] {
            let (table, _) = formats::ingest_bytes(&bytes, &options).map_err(|error| {
                TestCaseError::fail(format!("{name}: {error} in {}", String::from_utf8_lossy(&bytes)))
            })?;
            prop_assert_eq!(table.rows, rows.len(), "{}", name);
            let found: Vec<(&str, Kind)> = table.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
            let wanted = KINDS.map(|(name, kind)| (name, Kind::from_name(kind).unwrap()));
            prop_assert_eq!(&found[..], &wanted[..], "{}", name);
            for (place, row) in rows.iter().enumerate() {
                prop_assert_eq!(&table.row(place)[..], &cells(row)[..], "{}: row {}", name, place);
            }
        }
    }
}
