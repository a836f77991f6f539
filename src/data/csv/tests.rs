//! What a CSV becomes: detection, kinds, missing values, and the faults that name their line.

use super::*;
use crate::data::{Cell, Kind, Values, samples};

fn read(text: &[u8], pairs: &[(&str, &str)]) -> (Table, Detected) {
    ingest(text, &ParseOptions::parse(pairs.iter().copied()).unwrap()).unwrap()
}

fn refuse(text: &[u8]) -> FileFault {
    match ingest(text, &ParseOptions::default()) {
        Err(DataError::File(fault)) => fault,
        other => panic!("expected a fault of the file, got {other:?}"),
    }
}

fn kinds(table: &Table) -> Vec<&'static str> {
    table.columns.iter().map(|column| column.kind.name()).collect()
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn the_samples_are_read_as_what_they_are() {
    for sample in samples::list() {
        let (table, detected) = read(&sample.csv(), &[]);
        assert_eq!((table.rows, detected.delimiter, detected.header), (sample.rows, ',', true), "{}", sample.name);
        assert!(table.column(sample.target).is_some());
    }
    let (iris, _) = read(samples::get("iris").unwrap().csv().as_ref(), &[]);
    assert_eq!(kinds(&iris), ["numeric", "numeric", "numeric", "numeric", "categorical"]);
    assert_eq!(iris.row(149)[4], Cell::Text("virginica"));
    assert_eq!(iris.row(0)[0], Cell::Number(5.1));
}

#[test]
fn delimiter_header_and_line_ends_are_detected() {
    let cases: [(&[u8], char, bool, &[&str]); 8] = [
        (b"a,b\n1,x\n2,y\n", ',', true, &["a", "b"]),
        (b"a;b\r\n1,5;x\r\n2,5;y\r\n", ';', true, &["a", "b"]),
        (b"a\tb\n1\tx,y\n2\tz,w\n", '\t', true, &["a", "b"]),
        (b"a|b|c\n1|2|3\n", '|', true, &["a", "b", "c"]),
        (b"5.1,3.5,setosa\n4.9,3.0,setosa\n7,3.2,versicolor\n", ',', false, &["column_1", "column_2", "column_3"]),
        (b"1,5;2,5;3\n4,5;5,5;6\n", ';', false, &["column_1", "column_2", "column_3"]),
        (b"city,country\nParis,France\nRome,Italy\n", ',', true, &["city", "country"]),
        (b"x\n1\n2\n", ',', true, &["x"]),
    ];
    for (text, delimiter, header, expected) in cases {
        let (table, detected) = read(text, &[]);
        let shown = String::from_utf8_lossy(text);
        assert_eq!((detected.delimiter, detected.header), (delimiter, header), "{shown}");
        assert_eq!(names(&table), expected, "{shown}");
    }
}

#[test]
fn quotes_hold_delimiters_line_ends_and_quotes() {
    let (table, _) = read(b"id,note\n1,\"a, \"\"b\"\"\nc\"\n2,d\n", &[]);
    assert_eq!(table.row(0)[1], Cell::Text("a, \"b\"\nc"));
    assert_eq!(table.rows, 2);
}

#[test]
fn encodings_are_told_apart() {
    let text = "name,n\ncafé,1\nthé,2\n";
    let utf16 = |to: fn(u16) -> [u8; 2], bom: bool| {
        let bom = bom.then_some(0xfeff_u16);
        bom.into_iter().chain(text.encode_utf16()).flat_map(to).collect::<Vec<u8>>()
    };
    let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let with_bom = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), TextEncoding::Utf8),
        (with_bom, TextEncoding::Utf8),
        (utf16(u16::to_le_bytes, true), TextEncoding::Utf16Le),
        (utf16(u16::to_be_bytes, true), TextEncoding::Utf16Be),
        (utf16(u16::to_le_bytes, false), TextEncoding::Utf16Le),
        (latin1, TextEncoding::Windows1252),
    ] {
        let (table, detected) = read(&bytes, &[]);
        assert_eq!(detected.encoding, encoding);
        assert_eq!(names(&table), ["name", "n"], "{encoding:?}");
        assert_eq!(table.row(0)[0], Cell::Text("café"), "{encoding:?}");
        let warned = table.warnings.iter().any(|warning| warning.code == "encoding_guessed");
        assert_eq!(warned, encoding == TextEncoding::Windows1252);
    }
}

#[test]
fn missing_markers_are_no_values() {
    let (table, _) = read(b"x,y\n1,a\n,NA\nN/A,null\nNaN,?\n-,b\n2,a\n", &[]);
    assert_eq!(kinds(&table), ["numeric", "categorical"]);
    let missing = |i: usize| (0..6).filter(|row| table.columns[i].is_missing(*row)).count();
    assert_eq!((missing(0), missing(1)), (4, 3));
    let (table, detected) = read(b"x,y\n1,a\n-999,none\n3,NA\n", &[("null", "-999,none")]);
    assert_eq!(detected.null, ["-999", "none"]);
    assert!(table.columns.iter().all(|column| column.is_missing(1)));
    assert_eq!(table.row(2)[1], Cell::Text("NA"));
}

#[test]
fn kinds_follow_the_rules() {
    let word = |i: usize| format!("{}{}", (b'a' + (i % 26) as u8) as char, i);
    let mut text = String::from("id,zip,on,when,colour,note,code,same,price,flag,n\n");
    for i in 0..40 {
        let (on, colour, flag) = (["yes", "no"][i % 2], ["red", "green", "blue"][i % 3], i % 2);
        text += &format!(
            "{i},0{:04},{on},2026-01-{:02},{colour},a note about row {i},{},1,{}.50,{flag},{}\n",
            i % 7,
            i % 28 + 1,
            word(i),
            i,
            i % 9
        );
    }
    let (table, _) = read(text.as_bytes(), &[]);
    assert_eq!(
        kinds(&table),
        [
            "identifier",
            "categorical",
            "boolean",
            "datetime",
            "categorical",
            "text",
            "identifier",
            "constant",
            "numeric",
            "numeric",
            "numeric"
        ]
    );
    assert_eq!(table.row(1)[1], Cell::Text("00001"), "a leading zero is part of a code");
    assert_eq!(table.row(0)[3].to_json(), "2026-01-01");
    let declared = [("kinds", "id:numeric,colour:text,flag:boolean,n:categorical")];
    let (table, _) = read(text.as_bytes(), &declared);
    let kind = |name: &str| table.column(name).unwrap().kind;
    assert_eq!([kind("id"), kind("colour")], [Kind::Numeric, Kind::Text]);
    assert_eq!([kind("flag"), kind("n")], [Kind::Boolean, Kind::Categorical]);
}

#[test]
fn a_few_texts_among_numbers_are_a_warning_and_many_make_labels() {
    let mut text = String::from("x,y\n");
    for i in 0..200 {
        text += &if i == 150 || i == 170 { format!("oops,{i}\n") } else { format!("{i}.50,{i}\n") };
    }
    let (table, _) = read(text.as_bytes(), &[]);
    assert_eq!(kinds(&table), ["numeric", "numeric"]);
    let warning = &table.warnings[0];
    assert_eq!((warning.code.as_str(), warning.column.as_deref()), ("mixed_types", Some("x")));
    assert!(
        warning.detail.starts_with("2 rows hold text in a numeric column; first at line 152 (\"oops\")"),
        "{}",
        warning.detail
    );

    let (table, _) = read(b"v\n1.10\n1.2\n1.2.3\n1.1\nx\n", &[]);
    let Values::Text { dictionary, .. } = &table.columns[0].values else { panic!("labels") };
    assert_eq!(dictionary.as_slice(), ["1.10", "1.2", "1.2.3", "1.1", "x"], "labels keep how they were written");

    // Texts at the front, numbers behind them: what a column is does not depend on where its texts stand.
    let text: String =
        "x\n".to_owned() + &"unknown\n".repeat(300) + &(0..4000).map(|i| format!("{i}\n")).collect::<String>();
    let (table, _) = read(text.as_bytes(), &[]);
    assert_eq!(kinds(&table), ["numeric"]);
    assert!(table.warnings[0].detail.contains("300 rows") && table.warnings[0].detail.contains("line 2 "));
}

#[test]
fn decimal_commas_are_read_when_asked_for_and_pointed_out_otherwise() {
    let text = b"x;y\n1,5;a\n2,25;b\n-0,5;a\n";
    let (table, _) = read(text, &[("decimal", ",")]);
    assert_eq!(table.row(1)[0], Cell::Number(2.25));
    let (table, _) = read(text, &[]);
    assert_eq!(table.warnings[0].code, "decimal_comma");
}

#[test]
fn each_broken_file_says_where_and_what_to_do() {
    let long = [b"a,b\n1,\"".as_slice(), &vec![b'x'; (1 << 20) + 1], b"\"\n"].concat();
    let wide = (0..10_001).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",") + "\n";
    let cases: [(&[u8], &str, Option<u64>, &str); 13] = [
        (b"", "empty_file", None, "the file is empty"),
        (b" \n\n", "empty_file", None, "the file is empty"),
        (b"a,b,c\n", "header_only", None, "a line of names and no rows"),
        (b"a,b\n1,2\n3,4,5\n", "ragged_row", Some(3), "line 3, column \"b\": the row has 3 cells, expected 2"),
        (b"a,b\r\n1,2\r\n3,4\r\n5\r\n", "ragged_row", Some(4), "line 4, column \"b\": the row has 1 cell, expected 2"),
        (b"a,b\n1,2\n\n\n5,6,7\n", "ragged_row", Some(5), "line 5, column \"b\": "),
        (b"a,b\n\"x\ny\",2\n5,6,7\n", "ragged_row", Some(4), "line 4, column \"b\": "),
        (b"a,b,a\n1,2,3\n", "duplicate_column", Some(1), "the name stands in columns 1 and 3"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_a_csv", None, "a PNG picture"),
        (b"\0\x01\x02\x03\0\0\x7f\0\0\0\0\0", "not_a_csv", None, "not a CSV file"),
        (b"[{\"a\":1}]", "not_a_csv", None, "this is JSON"),
        (&long, "cell_too_long", Some(2), "column \"b\": the cell has 1048577 bytes"),
        (wide.as_bytes(), "too_many_columns", Some(1), "10001 columns, the limit is 10000"),
    ];
    for (text, code, line, message) in cases {
        let fault = refuse(text);
        assert_eq!((fault.code, fault.line), (code, line), "{fault}");
        assert!(fault.to_string().contains(message), "{fault}");
        assert!(!fault.remedy.is_empty());
    }
}

#[test]
fn a_byte_that_is_no_utf8_far_into_the_file_is_told_with_its_line() {
    let mut text = b"a,b\n".to_vec();
    text.extend(b"1,x\n".repeat(40_000));
    text.extend(b"2,caf\xe9\n");
    let fault = refuse(&text);
    assert_eq!((fault.code, fault.line, fault.column.as_deref()), ("not_utf8", Some(40_002), Some("\"b\"")));
    assert!(fault.remedy.contains("encoding=latin-1"));
}

#[test]
fn a_quote_that_is_never_closed_does_not_bring_the_file_into_memory() {
    let endless = b"a,b\n1,2\n1,\"".chain(std::io::repeat(b'x')).take(200 << 20);
    let options =
        ParseOptions { limits: Limits { cell_bytes: 1 << 14, ..Limits::default() }, ..ParseOptions::default() };
    match ingest(endless, &options) {
        Err(DataError::File(fault)) => assert_eq!((fault.code, fault.line), ("row_too_long", Some(3)), "{fault}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn kinds_of_columns_that_are_not_there_or_cannot_be_are_refused_together() {
    let options = ParseOptions::parse([("kinds", "colur:text,size:numeric")]).unwrap();
    match ingest(&b"colour,n\nred,1\n"[..], &options) {
        Err(DataError::Options(faults)) => {
            assert_eq!(faults.len(), 2);
            assert!(faults[0].detail.contains("did you mean \"colour\""), "{}", faults[0].detail);
        }
        other => panic!("{other:?}"),
    }
    let options = ParseOptions::parse([("kinds", "n:boolean")]).unwrap();
    let error = ingest(&b"colour,n\nred,1\nblue,7\n"[..], &options).unwrap_err();
    assert!(error.to_string().contains("\"n\" cannot be boolean: it holds \"1\", \"7\""), "{error}");
}

#[test]
fn an_index_without_a_name_is_an_identifier_and_a_trailing_delimiter_no_column() {
    let (table, _) = read(b",x,y,\n0,1.5,a,\n1,2.5,b,\n2,3.5,a,\n", &[]);
    assert_eq!(names(&table), ["column_1", "x", "y"]);
    assert_eq!(kinds(&table), ["identifier", "numeric", "categorical"]);
}

#[test]
fn a_stream_gives_rows_in_chunks_and_goes_on_after_a_bad_one() {
    let text = b"b;a\r\n1,5;x\r\n?;\r\n1;2;3\r\n2,5; y \r\n";
    let options = ParseOptions::parse([("decimal", ",")]).unwrap();
    let mut stream = RowStream::open(&text[..], &options).unwrap();
    assert_eq!(stream.names(), ["b", "a"]);
    let rows = stream.next_rows(3).unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[0].line, rows[0].cell(0), rows[0].cell(1)), (2, Cell::Number(1.5), Cell::Raw("x")));
    assert_eq!((rows[1].cell(0), rows[1].cell(1)), (Cell::Missing, Cell::Missing));
    let fault = rows[2].fault.as_ref().unwrap();
    assert_eq!((fault.line, fault.code, rows[2].cell(0)), (Some(4), "ragged_row", Cell::Missing));
    let rows = stream.next_rows(3).unwrap();
    assert_eq!((rows.len(), rows[0].cell(1), rows[0].text(1)), (1, Cell::Raw("y"), " y "));
    assert!(rows[0].fault.is_none());
    assert!(stream.next_rows(3).unwrap().is_empty());
}

#[test]
fn a_quote_far_into_the_file_changes_how_it_is_read_and_not_what_is_read() {
    let row = |i: usize| format!("{i},{}.25,{}\r\n", i % 97, ["red", "green", "NA"][i % 3]);
    let mut text = String::from("\"n\",x,colour\r\n");
    (0..120_000).for_each(|i| text += &row(i));
    text += "120000,\"1.5\",\"a \"\"long\"\"\r\ncell\"\r\n";
    (120_001..140_000).for_each(|i| text += &row(i));
    let (table, _) = read(text.as_bytes(), &[]);
    assert_eq!((table.rows, kinds(&table)), (140_000, vec!["numeric", "numeric", "categorical"]));
    let last = [Cell::Number(120_000.0), Cell::Number(1.5), Cell::Text("a \"long\"\ncell")];
    assert_eq!(table.row(120_000), last);
    assert_eq!(table.row(139_999)[0], Cell::Number(139_999.0));
    let broken = text.replace("\n130000,", "\n130000,7,");
    let fault = refuse(broken.as_bytes());
    assert_eq!((fault.code, fault.line), ("ragged_row", Some(130_003)), "{fault}");
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;
    use crate::data::parse::parse_number;
    use crate::data::profile::profile_table;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever is sent is a table of whole columns or a fault, never a panic.
        #[test]
        fn never_panic(
            text in prop_oneof![
                "([-0-9a-zé.:NAtrue\"]{0,6}[,;\t|\r\n]){0,60}",
                proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            ],
            raw in proptest::collection::vec(any::<u8>(), 0..200),
            decimal in prop_oneof![Just('.'), Just(',')],
        ) {
            let options = ParseOptions { decimal: Some(decimal), ..ParseOptions::default() };
            for bytes in [text.as_bytes(), &raw] {
                if let Ok((table, _)) = ingest(bytes, &options) {
                    prop_assert!(table.rows > 0);
                    prop_assert!(table.columns.iter().all(|column| column.len() == table.rows));
                    let profile = profile_table(&table).unwrap();
                    prop_assert_eq!(profile.columns.len(), table.columns.len());
                }
                if let Ok(mut stream) = RowStream::open(bytes, &options) {
                    while let Ok(rows) = stream.next_rows(7) && !rows.is_empty() {
                        let _ = rows.iter().map(|row| row.cell(0)).collect::<Vec<_>>();
                    }
                }
            }
        }

        /// A table written as CSV is read as it was, whatever its labels are and however its lines end.
        #[test]
        fn labels_and_numbers_survive(
            cells in proptest::collection::vec(("[a-z][a-z,;\"\n|é ]{0,8}[a-z]", -1e6f64..1e6), 2..30),
            delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
            crlf: bool,
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
            writer.write_record(["label", "number"]).unwrap();
            for (label, number) in &cells {
                writer.write_record([label.as_str(), &number.to_string()]).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let pairs = [("kinds", "label:categorical,number:numeric")];
            let options = ParseOptions { delimiter: Some(delimiter as char), ..ParseOptions::parse(pairs).unwrap() };
            let options = ParseOptions { null: Some(Vec::new()), header: Some(true), ..options };
            let (table, _) = ingest(&bytes[..], &options).unwrap();
            prop_assert_eq!(table.rows, cells.len());
            for (row, (label, number)) in cells.iter().enumerate() {
                prop_assert_eq!(table.row(row)[0], Cell::Text(label));
                prop_assert_eq!(table.row(row)[1], Cell::Number(*number));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// In blocks, on threads, or row by row: what is read is the same, and so is what is refused.
        #[test]
        fn blocks_say_what_rows_say(
            lines in proptest::collection::vec(
                prop_oneof![
                    8 => "[-+]?[0-9]{1,12}([.][0-9]{0,12})?,[0-9]{1,3}[.][0-9]{1,9},(red|green| blue|NA|)",
                    2 => "[-0-9a-zé.: ]{0,9},[-0-9.e]{0,9},[a-z0-9. ]{0,9}",
                    1 => "(#[a-z,]{0,9}|  )",
                ],
                1..40,
            ),
            odd in prop_oneof![4 => Just(String::new()), 1 => "[a-z0-9,]{1,9}"],
            times in 1usize..3000,
            place in 0usize..3000,
            decimal in prop_oneof![3 => Just('.'), 1 => Just(',')],
            end in prop_oneof![Just("\n"), Just("\r\n")],
        ) {
            let options = ParseOptions { delimiter: Some(if decimal == ',' { ';' } else { ',' }), decimal: Some(decimal), ..ParseOptions::default() };
            let options = ParseOptions { comment: Some('#'), header: Some(true), ..options };
            let mut text = format!("a,b,c{end}");
            for time in 0..times {
                if time == place {
                    text += &format!("{odd}{end}");
                }
                lines.iter().for_each(|line| text += &format!("{line}{end}"));
            }
            if decimal == ',' {
                text = text.replace(',', ";").replace('.', ",");
            }
            let read = |in_blocks: bool| {
                let built = build_by(text.as_bytes(), &options, Storage::memory(Vec::new()), in_blocks);
                built.and_then(|(table, _)| table.read(None, 0..usize::MAX))
            };
            match (read(true), read(false)) {
                (Ok(one), Ok(other)) => {
                    prop_assert_eq!((one.rows, one.warnings), (other.rows, other.warnings));
                    for (one, other) in one.columns.iter().zip(&other.columns) {
                        prop_assert_eq!((one.kind, one.len()), (other.kind, other.len()));
                        // Numbers that became labels late may be written in two ways.
                        let number = |cell: Cell<'_>| match cell {
                            Cell::Text(text) => parse_number(text.replace(decimal, ".").as_bytes(), b'.'),
                            _ => None,
                        };
                        let same = |row: &usize| {
                            let (one, other) = (one.cell(*row), other.cell(*row));
                            one == other || (number(one).is_some() && number(one) == number(other))
                        };
                        let differs = (0..one.len()).find(|row| !same(row));
                        prop_assert_eq!(differs, None);
                    }
                }
                (one, other) => prop_assert_eq!(format!("{:?}", one.err()), format!("{:?}", other.err())),
            }
        }
    }
}
