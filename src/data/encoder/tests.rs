//! What encoders make of tables: fitted on the training rows alone, the same for training and for predictions.

use super::*;
use crate::data::csv::{ParseOptions, ingest};
use crate::data::examples::MISSING_CLASS;
use crate::data::{TargetColumn, TokenColumn, samples};

fn table(text: &str) -> Table {
    ingest(text.as_bytes(), &ParseOptions::default()).unwrap().0
}

fn numeric(column: &str) -> InputPlan {
    input(
        column,
        Encoding::Numeric {
            scale: NumericScale::Standardize,
            missing: MissingNumber::Mean,
            indicator: false,
            clip: Clip::None,
        },
    )
}

fn input(column: &str, encoding: Encoding) -> InputPlan {
    InputPlan { column: column.into(), encoding }
}

fn one_hot(unknown: UnknownCategory) -> Encoding {
    Encoding::OneHot { unknown, missing: MissingCategory::Own }
}

fn embedding(missing: MissingCategory) -> Encoding {
    Encoding::Embedding { table: "words".into(), missing }
}

fn plan(inputs: Vec<InputPlan>, targets: Vec<TargetPlan>) -> EncoderPlan {
    EncoderPlan { inputs, targets, ..EncoderPlan::default() }
}

fn rows(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

const SHOP: &str = "price,colour,old,when,sort\n\
    1,red,yes,2026-01-01,a\n\
    3,blue,no,2026-01-03,b\n\
    ,red,,,a\n\
    5,,yes,2026-01-05,b\n\
    9,green,no,2026-01-09,\n";

fn shop_plan() -> EncoderPlan {
    let numeric = Encoding::Numeric {
        scale: NumericScale::None,
        missing: MissingNumber::Median,
        indicator: true,
        clip: Clip::None,
    };
    plan(
        vec![
            input("price", numeric),
            input("colour", one_hot(UnknownCategory::Zeros)),
            input("old", Encoding::Boolean { missing: MissingTruth::Mean, indicator: false }),
            input(
                "when",
                Encoding::Datetime { parts: vec![DatetimePart::Time], missing: MissingMoment::Zeros, indicator: false },
            ),
        ],
        vec![TargetPlan::column("sort", TargetKind::Binary)],
    )
}

#[test]
fn iris_is_standardised_and_its_classes_are_sorted() {
    let (table, _) = ingest(samples::get("iris").unwrap().csv().as_ref(), &ParseOptions::default()).unwrap();
    let inputs = table.columns[..4].iter().map(|column| numeric(&column.name)).collect();
    let plan = plan(inputs, vec![TargetPlan::column("species", TargetKind::Classification)]);
    let encoder = Encoder::fit(&table, &plan, &rows(150)).unwrap();
    assert_eq!(encoder.classes(0), ["setosa", "versicolor", "virginica"]);
    assert_eq!(encoder.targets()[0].class_counts, [50, 50, 50]);
    let examples = encoder.encode::<f64>(&table, &rows(150)).unwrap();
    assert_eq!((examples.rows, examples.features), (150, 4));
    for feature in 0..4 {
        let column: Vec<f64> = examples.dense.chunks(4).map(|row| row[feature]).collect();
        let (mean, std) = moments(&column);
        assert!(mean.abs() < 1e-12 && (std - 1.0).abs() < 1e-12);
    }
    // sklearn.preprocessing.StandardScaler().fit_transform(load_iris().data)[0]
    let expected = [-0.900681170, 1.019004352, -1.340226527, -1.315444302];
    assert!(examples.dense[..4].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-8));
    assert_eq!(encoder.encode::<f32>(&table, &[100]).unwrap().targets[0], TargetColumn::Classes(vec![2]));
}

#[test]
fn an_encoder_never_sees_a_row_that_does_not_train() {
    let clean = "x,word,t,y\n1,a,one two,1\n2,b,two,2\n4,a,one,3\n3,b,two two,2\n";
    let poison = "x,word,t,y\n1,a,one two,1\n2,b,two,2\n4,a,one,3\n-1e300,zebra,poison poison poison,2\n";
    let mut plan = plan(
        vec![numeric("x"), input("word", embedding(MissingCategory::Neutral)), input("t", words(Pooling::Mean))],
        vec![TargetPlan::column("y", TargetKind::Regression { standardize: true })],
    );
    plan.tables = vec![words_table()];
    let clips = [Clip::None, Clip::Quantile { low: 0.1, high: 0.9 }, Clip::Std { times: 2.0 }, Clip::None];
    for (n, scale) in [NumericScale::Standardize, NumericScale::MinMax, NumericScale::Robust, NumericScale::Quantile]
        .into_iter()
        .enumerate()
    {
        let clip = clips[n];
        plan.inputs[0] =
            input("x", Encoding::Numeric { scale, missing: MissingNumber::Mean, indicator: n % 2 == 0, clip });
        let fit = |text: &str| Encoder::fit(&table(text), &plan, &[0, 1, 2]).unwrap();
        assert_eq!(fit(clean), fit(poison));
        assert_ne!(fit(clean), Encoder::fit(&table(poison), &plan, &rows(4)).unwrap());
    }
    // Not even what cannot be encoded is noticed before the row is asked for.
    let text = "x,word,t,y\n1,a,a,1\n2,b,a,2\n3,a,a,3\n4,b,a,4\n5,b,a,4\noops,b,a,4\n";
    assert!(Encoder::fit(&table(text), &plan, &[0, 1, 2, 3]).is_ok());
}

fn words(pooling: Pooling) -> Encoding {
    Encoding::Words { table: "words".into(), tokenizer: Tokenizer::Words, pooling, max_tokens: 3 }
}

fn words_table() -> TablePlan {
    TablePlan {
        name: "words".into(),
        vocabulary: None,
        min_count: 1,
        lowercase: true,
        words: Vec::new(),
        buckets: None,
    }
}

#[test]
fn each_encoding_makes_the_features_it_names() {
    let table = table(SHOP);
    let encoder = Encoder::fit(&table, &shop_plan(), &rows(4)).unwrap();
    assert_eq!(
        encoder.feature_names(),
        ["price", "price is missing", "colour=blue", "colour=red", "colour is missing", "old", "when.time"]
    );
    assert_eq!(encoder.features(), 7);
    assert_eq!(encoder.input_columns(), ["price", "colour", "old", "when"]);
    let examples = encoder.encode::<f64>(&table, &rows(5)).unwrap();
    let row = |r: usize| &examples.dense[7 * r..7 * r + 6];
    let third = 2.0 / 3.0;
    assert_eq!(row(0), [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(row(2), [3.0, 1.0, 0.0, 1.0, 0.0, third], "median, and the share of yes");
    assert_eq!(row(3), [5.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(row(4), [9.0, 0.0, 0.0, 0.0, 0.0, 0.0], "green is not in the training part");
    let TargetColumn::Values { width: 1, values } = &examples.targets[0] else { panic!("binary is one value") };
    assert_eq!(values[..4], [0.0, 1.0, 0.0, 1.0]);
    assert!(values[4].is_nan(), "a missing label is NaN");
    assert_eq!(examples.row_ids, [0, 1, 2, 3, 4]);
}

#[test]
fn categories_by_hash_learn_no_category_and_know_every_one() {
    let table = table(SHOP);
    let hashed = |missing| Encoding::HashedOneHot { buckets: 5, missing };
    let mut plan = shop_plan();
    plan.inputs = vec![input("colour", hashed(MissingCategory::Own)), input("sort2", embedding(MissingCategory::Own))];
    plan.inputs[1].column = "when".into();
    plan.tables = vec![TablePlan { buckets: Some(7), ..words_table() }];
    let encoder = Encoder::fit(&table, &plan, &rows(4)).unwrap();
    assert_eq!(encoder.feature_names()[4..], ["colour=#4", "colour is missing"]);
    let examples = encoder.encode::<f64>(&table, &rows(5)).unwrap();
    let hot: Vec<usize> = examples.dense.chunks(6).map(|row| row.iter().position(|x| *x == 1.0).unwrap()).collect();
    assert!(examples.dense.chunks(6).all(|row| row.iter().sum::<f64>() == 1.0), "one feature each");
    assert_eq!((hot[0], hot[3]), (hot[2], 5), "red is red, and the missing one stands apart");
    assert!(hot[4] < 5, "green has a place though the training part lacks it");
    assert_eq!(encoder.tables()[0].rows(), 9);
    assert!(examples.tokens[0].ids.iter().all(|row| (2..9).contains(row)), "missing is a word too");
    assert_eq!(Encoder::from_json(&encoder.to_json()).unwrap(), encoder);
    let json = String::from_utf8(encoder.to_json()).unwrap();
    assert!(!json.contains("red"), "no category is kept: {json}");
}

#[test]
fn a_missing_category_may_have_a_row_or_stand_for_another() {
    let table = table("word,y\na,1\nb,2\nb,3\n,4\n,5\n,6\n");
    let row_of_missing = |missing| {
        let mut plan = plan(
            vec![input("word", embedding(missing))],
            vec![TargetPlan::column("y", TargetKind::Regression { standardize: false })],
        );
        plan.tables = vec![words_table()];
        let encoder = Encoder::fit(&table, &plan, &rows(6)).unwrap();
        let encoder = Encoder::from_json(&encoder.to_json()).unwrap();
        let row = encoder.encode::<f32>(&table, &[5]).unwrap().tokens[0].ids[0] as usize;
        (encoder.tables()[0].words()[row].clone(), encoder.tables()[0].counts()[row])
    };
    assert_eq!(row_of_missing(MissingCategory::Neutral), ("<unk>".into(), 3));
    assert_eq!(row_of_missing(MissingCategory::Own), ("<missing>".into(), 3));
    assert_eq!(row_of_missing(MissingCategory::MostFrequent), ("b".into(), 5));
    assert_eq!(row_of_missing(MissingCategory::Constant("c".into())), ("c".into(), 3));
}

#[test]
fn rows_of_a_client_are_encoded_like_rows_of_the_table() {
    let table = table(SHOP);
    let encoder = Encoder::fit(&table, &shop_plan(), &rows(4)).unwrap();
    let encoder = Encoder::from_json(&encoder.to_json()).unwrap();
    let expected = encoder.encode_inputs::<f32>(&table, &[0, 2]).unwrap();
    let mut out = Examples::default();
    let json = [
        [Cell::Number(1.0), Cell::Text("red"), Cell::Bool(true), Cell::Text("2026-01-01")],
        [Cell::Missing, Cell::Text("red"), Cell::Missing, Cell::Missing],
    ];
    assert!(encoder.encode_cells(&json.concat(), &mut out).is_empty());
    assert_eq!(out.dense, expected.dense);
    let csv = [
        [Cell::Raw("1.0"), Cell::Raw("red"), Cell::Raw("Yes"), Cell::Raw("2026-01-01")],
        [Cell::Raw(""), Cell::Raw("red"), Cell::Raw(""), Cell::Raw("")],
    ];
    assert!(encoder.encode_cells(&csv.concat(), &mut out).is_empty());
    assert_eq!((out.dense, out.rows), (expected.dense, 2));
}

#[test]
fn a_wrong_cell_names_its_row_and_column_and_leaves_zeros() {
    let table = table(SHOP);
    let mut plan = shop_plan();
    plan.inputs[1].encoding = one_hot(UnknownCategory::Refuse);
    let encoder = Encoder::fit(&table, &plan, &rows(2)).unwrap();
    let good = [Cell::Number(2.0), Cell::Text("red"), Cell::Bool(true), Cell::Missing];
    let bad = [Cell::Text("2"), Cell::Text("pink"), Cell::Number(3.0), Cell::Raw("yesterday")];
    let mut out = Examples::<f32>::default();
    let faults = encoder.encode_cells(&[good, bad, good].concat(), &mut out);
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "row 1, column \"price\": expected a number, got the string \"2\"",
            "row 1, column \"colour\": expected \"blue\" or \"red\", got the string \"pink\"",
            "row 1, column \"old\": expected true or false, got the number 3",
            "row 1, column \"when\": expected a time such as \"2026-11-05\" or \"2026-11-05T13:45:00Z\", got \"yesterday\"",
        ]
    );
    let width = encoder.features();
    assert_eq!(out.rows, 3);
    assert!(out.dense[width..2 * width].iter().all(|x| *x == 0.0));
    assert_eq!(out.dense[..width], out.dense[2 * width..]);
    let faults = encoder.encode_cells(&[Cell::Number(f64::INFINITY), good[1], good[2], good[3]], &mut out);
    assert_eq!(faults.len(), 1);
}

#[test]
fn words_share_a_table_and_are_windowed_or_bagged() {
    let table = table("word,before,review,y\nDog,the big,a dog a dog a,1.5\ncat,the,cat,2.5\n,,,3.5\n");
    let window = Encoding::Words {
        table: "words".into(),
        tokenizer: Tokenizer::Words,
        pooling: Pooling::Window { length: 2 },
        max_tokens: 200,
    };
    let mut plan = plan(
        vec![
            input("word", embedding(MissingCategory::Neutral)),
            input("before", window),
            input("review", words(Pooling::Mean)),
        ],
        vec![TargetPlan::column("y", TargetKind::Regression { standardize: false })],
    );
    plan.tables = vec![words_table()];
    let encoder = Encoder::fit(&table, &plan, &rows(3)).unwrap();
    let vocabulary = &encoder.tables()[0];
    assert_eq!(vocabulary.words(), ["<pad>", "<unk>", "a", "cat", "dog", "the", "big"]);
    assert_eq!(vocabulary.counts()[..2], [0, 1], "the missing category counts as unknown");
    let inputs = encoder.tokens();
    assert_eq!(inputs[1], TokenInput { column: "before", table: 0, pooling: Pooling::Window { length: 2 } });
    let examples = encoder.encode::<f32>(&table, &rows(3)).unwrap();
    assert_eq!(examples.features, 0);
    let tokens = |offsets: &[u32], ids: &[u32]| TokenColumn { offsets: offsets.to_vec(), ids: ids.to_vec() };
    assert_eq!(examples.tokens[0], tokens(&[0, 1, 2, 3], &[4, 3, 1]));
    assert_eq!(examples.tokens[1], tokens(&[0, 2, 4, 6], &[5, 6, 5, 0, 0, 0]));
    assert_eq!(examples.tokens[2], tokens(&[0, 3, 4, 4], &[2, 4, 2, 3]), "cut off at max_tokens");
    let mut out = Examples::<f32>::default();
    let row = [Cell::Text("DOG"), Cell::Text("never seen big words"), Cell::Text("<pad> dog")];
    assert!(encoder.encode_cells(&row, &mut out).is_empty());
    assert_eq!(out.tokens.iter().map(|column| column.row(0)).collect::<Vec<_>>(), [&[4][..], &[1, 1], &[4]]);
}

#[test]
fn targets_of_every_kind() {
    let table = table(
        "x,digit,price,a,b,p,q,w\n\
         1,10,100,1,0,0.25,0.75,1\n\
         2,9,300,0,0,1,0,0.5\n\
         3,,,,1,,,2\n\
         4,10,500,1,1,0.5,0.5,0\n",
    );
    let columns = |name: &str, columns: &[&str], kind| TargetPlan {
        name: name.into(),
        columns: columns.iter().map(ToString::to_string).collect(),
        kind,
    };
    let mut plan = plan(
        vec![numeric("x")],
        vec![
            TargetPlan::column("digit", TargetKind::Classification),
            TargetPlan::column("price", TargetKind::Regression { standardize: true }),
            columns("ab", &["a", "b"], TargetKind::Multilabel),
            columns("pq", &["p", "q"], TargetKind::Distribution),
        ],
    );
    plan.sample_weight = Some("w".into());
    let encoder = Encoder::fit(&table, &plan, &[0, 1, 2]).unwrap();
    let outputs: Vec<usize> = encoder.targets().iter().map(FittedTarget::outputs).collect();
    assert_eq!(outputs, [2, 1, 2, 2]);
    assert_eq!(encoder.classes(0), ["9", "10"], "numbers by value");
    assert_eq!(encoder.targets()[0].class_counts, [1, 1]);
    let price = &encoder.targets()[1];
    assert_eq!((price.mean, price.std, price.to_own_unit(3.0)), (200.0, 100.0, 500.0));
    assert_eq!(encoder.targets()[2].class_counts, [1, 1]);
    let examples = encoder.encode::<f64>(&table, &rows(4)).unwrap();
    assert_eq!(examples.targets[0], TargetColumn::Classes(vec![1, 0, MISSING_CLASS, 1]));
    let values = |target: usize| match &examples.targets[target] {
        TargetColumn::Values { values, .. } | TargetColumn::Distribution { values, .. } => values.clone(),
        TargetColumn::Classes(_) => Vec::new(),
    };
    assert_eq!((values(1)[0], values(1)[3]), (-1.0, 3.0));
    assert!(values(1)[2].is_nan());
    assert_eq!(values(2)[..4], [1.0, 0.0, 0.0, 0.0]);
    assert!(values(2)[4].is_nan() && values(2)[5] == 1.0, "each label is masked by itself");
    assert_eq!(values(3)[..4], [0.25, 0.75, 1.0, 0.0]);
    assert!(values(3)[4].is_nan() && values(3)[5].is_nan());
    assert_eq!(examples.weights, Some(vec![1.0, 0.5, 2.0, 0.0]));
}

#[test]
fn what_the_table_cannot_give_is_told_at_once() {
    let table = table("x,colour,same,y\n1,red,1,a\n2,blue,1,b\n3,red,1,c\n");
    let faults = |plan: &EncoderPlan| match Encoder::fit(&table, plan, &rows(3)) {
        Err(DataError::Plan(faults)) => faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let told = faults(&plan(
        vec![numeric("xx"), numeric("colour")],
        vec![
            TargetPlan::column("same", TargetKind::Classification),
            TargetPlan::column("y", TargetKind::Binary),
            TargetPlan::column("z", TargetKind::Regression { standardize: true }),
        ],
    ));
    assert_eq!(told.len(), 5, "{told:#?}");
    for fault in [
        "column \"xx\": an input is not in the dataset; did you mean \"x\"?",
        "row 0: expected a number, got \"red\"",
        "column \"z\": the target is not in the dataset",
        "holds 1 class (\"1\"), expected two or more",
        "holds 3 classes (\"a\", \"b\" or \"c\"), expected two",
    ] {
        assert!(told.iter().any(|text| text.contains(fault)), "{fault}: {told:#?}");
    }
    let told = faults(&plan(
        vec![numeric("x"), numeric("x"), numeric("y")],
        vec![TargetPlan::column("y", TargetKind::Binary)],
    ));
    assert_eq!(told.len(), 2, "{told:#?}");
}

#[test]
fn another_dataset_is_refused_where_it_has_other_columns_or_labels() {
    let table_a = table("x,y\n1,a\n2,b\n3,a\n");
    let plan = plan(vec![numeric("x")], vec![TargetPlan::column("y", TargetKind::Classification)]);
    let encoder = Encoder::fit(&table_a, &plan, &rows(3)).unwrap();
    let error = encoder.encode::<f32>(&table("x,y\n1,a\n2,c\n"), &rows(2)).unwrap_err().to_string();
    assert_eq!(error, "row 1, column \"y\": expected \"a\" or \"b\", got \"c\"");
    let error = encoder.encode::<f32>(&table("x,z\n1,a\n2,c\n"), &rows(2)).unwrap_err().to_string();
    assert!(error.contains("column \"y\": a target is not in the dataset"), "{error}");
    assert_eq!(encoder.encode_inputs::<f32>(&table("x,z\n1,a\n2,c\n"), &rows(2)).unwrap().rows, 2);
    let huge = table("x,y\n1e39,a\n2,b\n");
    let none = Encoding::Numeric {
        scale: NumericScale::None,
        missing: MissingNumber::Mean,
        indicator: false,
        clip: Clip::None,
    };
    let plan = EncoderPlan { inputs: vec![input("x", none)], ..plan };
    let encoder = Encoder::fit(&huge, &plan, &rows(2)).unwrap();
    let error = encoder.encode::<f32>(&huge, &rows(2)).unwrap_err().to_string();
    assert!(error.contains("1e39 is too large for f32"), "{error}");
    assert!(encoder.encode::<f64>(&huge, &rows(2)).is_ok());
}

#[test]
fn damaged_encoders_are_refused() {
    let table = table(SHOP);
    let json = Encoder::fit(&table, &shop_plan(), &rows(4)).unwrap().to_json();
    let text = String::from_utf8(json).unwrap();
    assert!(Encoder::from_json(text.replace("\"version\":1", "\"version\":9").as_bytes()).is_err());
    assert!(Encoder::from_json(b"{}").is_err());
}
