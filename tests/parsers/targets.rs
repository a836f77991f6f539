//! What is done with foreign bytes, one function a parser: the fuzz targets of `fuzz/` call them, and so does `seeds`, with the files
//! of `fuzz/seeds`. Whatever the bytes are: no panic, no fault of ours, and what comes out of good ones keeps its promises.

use std::io::Cursor;
use std::sync::OnceLock;

use serde_json::{Value, json};
use trainyard::data::csv::ParseOptions;
use trainyard::data::{DataError, Encoder, Table, formats, profile, vectors};
use trainyard::nn::Network;
use trainyard::spec::{self, Schema};
use trainyard::train;

use crate::served;

/// What is done with bytes.
pub type Target = fn(&[u8]);

/// The targets by name; each has a file in `fuzz/targets` and a folder in `fuzz/seeds`.
pub const TARGETS: [(&str, Target); 8] = [
    ("csv", csv),
    ("json", json),
    ("parquet", parquet),
    ("arrow", arrow),
    ("unpack", unpack),
    ("safetensors", safetensors),
    ("spec", spec),
    ("predictions", predictions),
];

/// Text of any kind; the first byte says which options a client gave.
pub fn csv(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let mut asked: Vec<(&str, &str)> = Vec::new();
    let given = [
        (1, ("decimal", ",")),
        (2, ("header", "false")),
        (4, ("comment", "#")),
        (8, ("null", "-,x")),
        (16, ("kinds", "a:categorical,b:text")),
        (32, ("delimiter", "semicolon")),
    ];
    asked.extend(given.iter().filter(|(bit, _)| choice & bit != 0).map(|(_, pair)| *pair));
    asked.extend(
        [[].as_slice(), &[("encoding", "latin-1")], &[("encoding", "utf-16le")], &[("encoding", "utf-16be")]]
            [usize::from(choice >> 6)],
    );
    table(body, asked);
}

/// NDJSON and JSON arrays.
pub fn json(bytes: &[u8]) {
    table(bytes, []);
}

/// Parquet files.
pub fn parquet(bytes: &[u8]) {
    table(bytes, []);
}

/// Arrow IPC files.
pub fn arrow(bytes: &[u8]) {
    table(bytes, []);
}

/// gzip and zstd: as they come, and what is in the bytes packed by us, whole and cut off.
pub fn unpack(bytes: &[u8]) {
    table(bytes, []);
    if let Ok(packed) = zstd::encode_all(bytes, 1) {
        table(&packed, []);
        table(packed.get(..packed.len().saturating_sub(3)).unwrap_or_default(), []);
    }
}

/// Reads bytes as an upload is read.
fn table<'a>(bytes: &[u8], asked: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let mut options = ParseOptions::parse(asked).expect("options that make sense");
    options.limits.columns = 200;
    options.limits.cell_bytes = 1 << 14;
    options.limits.unpacked_bytes = 1 << 20;
    match formats::ingest_bytes(bytes, &options) {
        Ok((table, found)) => {
            assert!(table.rows > 0, "a table without rows");
            assert!(["csv", "ndjson", "json", "parquet", "arrow"].contains(&found.format.as_str()), "{found:?}");
            for column in &table.columns {
                assert_eq!(column.len(), table.rows, "{}", column.name);
            }
            let profile = profile::profile_table(&table).expect("a table in memory is read");
            assert_eq!(profile.columns.len(), table.columns.len());
            for column in &profile.columns {
                assert!(column.missing <= table.rows as u64 && column.distinct <= table.rows as u64, "{column:?}");
            }
        }
        Err(DataError::File(fault)) => assert!(!fault.detail.is_empty() && !fault.remedy.is_empty(), "{fault:?}"),
        Err(DataError::Options(faults)) => assert!(!faults.is_empty()),
        // Anything else would be told as a fault of the server.
        Err(other) => panic!("{other:?}"),
    }
}

/// Weights and word vectors.
pub fn safetensors(bytes: &[u8]) {
    let header = vectors::shape(&mut Cursor::new(bytes));
    if let Ok(read) = vectors::read::<f32>(bytes) {
        assert_eq!(read.values.len(), read.words.len() * read.dim);
        assert_eq!(header, Ok((read.words.len(), read.dim)), "the header alone says the same");
    }
    if let Ok(read) = train::parse_weights::<f32>(bytes, network()) {
        assert_eq!(read.parameters.len(), network().layout().len());
    }
}

/// The body of `POST /v1/jobs`.
pub fn spec(bytes: &[u8]) {
    let Ok(request) = serde_json::from_slice::<Value>(bytes) else { return };
    let limits = spec::Limits::default();
    match spec::prove(&request, schema(), &limits) {
        Ok(resolved) => {
            let shown = resolved.to_json();
            let again = spec::prove(&shown, schema(), &limits);
            let again = again.unwrap_or_else(|faults| panic!("what is shown is refused: {faults:?} in {shown:#}"));
            assert_eq!(again.to_json(), shown, "what is shown resolves to itself");
            spec::preview(&resolved, schema());
        }
        Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.detail.is_empty())),
    }
    spec::shape_faults(&request, &limits);
    spec::references(&request);
}

/// The body of a prediction, sent to a server; the first byte says of which type it is.
pub fn predictions(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let kind = ["application/json", "text/csv", "application/x-ndjson"][usize::from(choice % 3)];
    let status = served::predict(kind, body);
    // 404: a dataset that is not there.
    assert!([200, 400, 404, 422].contains(&status), "{kind}: {status}");
}

/// Rows with a column of each kind.
pub fn rows() -> String {
    let mut csv = String::from("id,x,n,flag,colour,town,words,when,y,price,part,group\n");
    for i in 0..80 {
        let colour = ["red", "green", "blue", ""][i % 4];
        let flag = ["yes", "no"][i / 3 % 2];
        let part = ["train", "train", "validation", "test"][i % 4];
        let words = ["a cat sat", "the dog ran off", "no bird sings"][i % 3];
        csv += &format!(
            "u{i},{}.5,{},{flag},{colour},t{},{words} {i},2026-0{}-1{}T0{}:30:00Z,{},{},{part},g{}\n",
            (i * 37) % 80,
            (i * 7) % 11,
            i % 60,
            1 + i % 9,
            i % 9,
            i % 8,
            ["one", "two", "three"][i % 3],
            (i * i) % 97,
            i % 10,
        );
    }
    csv
}

fn given() -> &'static (Table, Schema) {
    static GIVEN: OnceLock<(Table, Schema)> = OnceLock::new();
    GIVEN.get_or_init(|| {
        let (table, _) =
            formats::ingest_bytes(rows().as_bytes(), &ParseOptions::default()).expect("rows that are read");
        let schema = Schema::from_profile(
            table.rows as u64,
            &profile::profile_table(&table).expect("a table in memory is read"),
        );
        (table, schema)
    })
}

fn schema() -> &'static Schema {
    &given().1
}

/// A small network that weights are to fit.
fn network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| {
        let (table, schema) = given();
        let request = json!({"dataset": "d", "target": "y", "inputs": {"include": ["x", "n"]}, "hidden_layers": [2]});
        let resolved = spec::prove(&request, schema, &spec::Limits::default()).expect("a sound spec");
        let rows: Vec<u32> = (0..table.rows as u32).collect();
        let encoder = Encoder::fit(table, &resolved.encoder_plan(), &rows).expect("a table that fits");
        Network::new(resolved.architecture(&encoder))
    })
}
