//! Each way in which a file can be broken names its line and its column, and says what to do.

use trainyard::data::csv::ParseOptions;
use trainyard::data::error::FileFault;
use trainyard::data::{DataError, formats};

fn refused(bytes: &[u8]) -> FileFault {
    match formats::ingest_bytes(bytes, &ParseOptions::default()) {
        Err(DataError::File(fault)) => fault,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn a_broken_text_names_its_line_and_column() {
    let cases: [(&[u8], &str, u64, &str); 20] = [
        (b"a,b\n1,2\n3\n", "ragged_row", 3, "\"b\""),
        (b"a,b\n1,2\n\n\n3,4,5\n", "ragged_row", 5, "\"b\""),
        (b"a,b\r\n1,\"x\r\ny\"\r\n1,2,3\r\n", "ragged_row", 4, "\"b\""),
        (b"a,b\n1,\"2\n3,4\n5,6\n", "open_quote", 2, "\"b\""),
        (b"a,b\n1,2\n\"3,4", "open_quote", 3, "\"a\""),
        (b"a,b\n\"x\ny\",\"2\n", "open_quote", 3, "\"b\""),
        (b"\"a,b\n1,2\n", "open_quote", 1, "1"),
        (b"a,a\n1,2\n", "duplicate_column", 1, "\"a\""),
        (b"{\"x\":1}\n{\"x\":2,}\n", "broken_json", 2, "8"),
        (b"{\"x\":1}\n{\"x\":2\n{\"x\":3}", "broken_json", 3, "1"),
        (b"{\"x\":1}\n{\"x\":\"2}\n", "broken_json", 2, "end"),
        (b"{\"x\":1}\n[2]\n", "broken_json", 2, ""),
        (b"{\"x\":1}\n{\"x\":{\"y\":2}}\n", "broken_json", 2, ""),
        (b"{\"x\":1}\n{\"x\":1e999}\n", "broken_json", 2, ""),
        (b"{\"x\":1}\n{\"x\":1,\"x\":2}\n", "broken_json", 2, ""),
        (b"{\"x\":1}\n{\"x\":", "broken_json", 2, ""),
        (b"[{\"x\":1},\n {\"x\":tru}]", "broken_json", 2, "10"),
        (b"[{\"x\":1}\n {\"x\":2}]", "broken_json", 2, ""),
        (b"[{\"x\":1},\n {\"x\":2}", "broken_json", 2, ""),
        (b"[{\"x\":1}]\n\nmore", "broken_json", 3, ""),
    ];
    for (bytes, code, line, column) in cases {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let fault = refused(bytes);
        assert_eq!((fault.code, fault.line), (code, Some(line)), "{shown:?}: {fault}");
        let found = fault.column.clone().unwrap_or_else(|| panic!("{shown:?}: no column in {fault}"));
        assert!(column.is_empty() || found == column, "{shown:?}: column {found}, not {column}");
        assert!(!fault.remedy.is_empty(), "{fault}");
    }
}

#[test]
fn a_bad_byte_is_told_with_its_cell() {
    let options = ParseOptions::parse([("encoding", "utf-8")]).unwrap();
    let fault = match formats::ingest_bytes(b"a,b\n1,x\n2,\xff\xfe\n", &options) {
        Err(DataError::File(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!((fault.code, fault.line, fault.column.as_deref()), ("not_utf8", Some(3), Some("\"b\"")));
}

#[test]
fn quotes_that_are_closed_at_the_very_end_are_no_fault() {
    for text in
        ["a,b\n1,\"x\"", "a,b\n1,\"x\n\"\n", "a,b\n1,\"x\n\n\"", "a,b\n1,5\"\n2,x\"y\n", "a,b\n1,\"\"\n2,\"\"\"\"\n"]
    {
        let found = formats::ingest_bytes(text.as_bytes(), &ParseOptions::default());
        assert!(found.is_ok(), "{text:?}: {found:?}");
    }
}

#[test]
fn a_broken_columnar_or_packed_file_says_what_is_broken() {
    let seed = |name: &str| std::fs::read(format!("{}/fuzz/seeds/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (name, code, words) in [
        ("parquet/plain", "broken_parquet", "the Parquet file is broken"),
        ("arrow/uncompressed", "broken_arrow", "the Arrow file is broken"),
        ("unpack/gzip", "broken_archive", "the gzip stream is broken or cut off"),
        ("unpack/zstd", "broken_archive", "the zstd stream is broken or cut off"),
    ] {
        let bytes = seed(name);
        let fault = refused(&bytes[..bytes.len() - 10]);
        assert_eq!(fault.code, code, "{fault}");
        assert!(fault.detail.contains(words) && fault.detail.len() > words.len() + 5, "{fault}");
    }
    let fault = refused(&seed("parquet/nested"));
    assert_eq!((fault.code, fault.column.as_deref()), ("unsupported_column", Some("\"deep\"")));
    let fault = refused(&seed("unpack/bomb"));
    assert_eq!(fault.code, "cell_too_long", "two megabytes of zeros in a row: {fault}");
}
