//! Which columns go in, and how each is turned into numbers.

use serde_json::{Map, Value, json};

use super::catalogue::real;
use super::embeddings::{self, Table};
use super::layers;
use super::prove::Proof;
use super::read::{At, Object, Range, listed, quoted_text, unknown};
use super::schema::{Kind, SchemaColumn};
use crate::data::encoder::{DatetimePart, Encoding, MissingNumber, NumericScale, Pooling, Tokenizer, UnknownCategory};

/// More categories than these are embedded rather than spread over one feature each.
const MOST_ONE_HOT: u64 = 50;
/// A share of missing values from which on a feature of its own says that the value was missing.
const INDICATOR_SHARE: f64 = 0.01;
/// Words of a text that are read unless the client says otherwise.
const MAX_TOKENS: u64 = 1000;

const SCALES: [(&str, NumericScale); 5] = [
    ("standardize", NumericScale::Standardize),
    ("min_max", NumericScale::MinMax),
    ("robust", NumericScale::Robust),
    ("quantile", NumericScale::Quantile),
    ("none", NumericScale::None),
];
const PARTS: [(&str, DatetimePart); 4] = [
    ("time", DatetimePart::Time),
    ("month", DatetimePart::Month),
    ("weekday", DatetimePart::Weekday),
    ("hour", DatetimePart::Hour),
];
const TOKENIZERS: [(&str, Tokenizer); 2] = [("words", Tokenizer::Words), ("whitespace", Tokenizer::Whitespace)];

/// One column that goes in.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) column: String,
    pub(super) encoding: Encoding,
    /// Dense features, as far as the schema tells; embedded inputs have none of their own.
    pub(super) features: u64,
}

/// Everything that goes in.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    include: Vec<String>,
    exclude: Vec<String>,
    numeric: NumericScale,
    missing: MissingNumber,
    /// Rows of the dataset.
    rows: u64,
    pub(super) dropout: f64,
    pub(super) tables: Vec<Table>,
    pub(super) columns: Vec<Input>,
}

impl Inputs {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "include": self.include,
            "exclude": self.exclude,
            "numeric": name_of(&SCALES, self.numeric),
            "missing": missing_json(self.missing),
            "dropout": real(self.dropout),
            "embeddings": self.tables.iter().map(|t| (t.name.clone(), t.to_json())).collect::<Map<_, _>>(),
            "columns": self.columns.iter().map(|c| (c.column.clone(), encoding_json(&c.encoding))).collect::<Map<_, _>>(),
        })
    }
}

/// Reads `inputs`. `reserved` are the columns that cannot go in, each with what it is instead.
pub(super) fn inputs(proof: &mut Proof<'_>, at: Option<At<'_>>, reserved: &[(String, &'static str)]) -> Inputs {
    let mut inputs = Inputs {
        include: vec!["*".into()],
        exclude: Vec::new(),
        numeric: NumericScale::Standardize,
        missing: MissingNumber::Mean,
        rows: proof.schema.map_or(0, |schema| schema.rows),
        dropout: 0.0,
        tables: Vec::new(),
        columns: Vec::new(),
    };
    let object = at.and_then(|at| at.object());
    let Some(mut object) = object else {
        take(proof, &mut inputs, Vec::new(), reserved);
        return inputs;
    };
    if let Some(at) = object.field("include") {
        inputs.include = patterns(proof, &at, reserved);
    }
    if let Some(at) = object.field("exclude") {
        inputs.exclude = patterns(proof, &at, &[]);
    }
    if let Some(at) = object.field("numeric") {
        inputs.numeric = named(&at, &SCALES).unwrap_or(inputs.numeric);
    }
    if let Some(at) = object.field("missing") {
        inputs.missing = missing(&at).unwrap_or(inputs.missing);
    }
    if let Some(at) = object.field("dropout") {
        inputs.dropout = layers::dropout(&at).unwrap_or(0.0);
    }
    if let Some(at) = object.field("embeddings") {
        inputs.tables = embeddings::tables(proof, &at);
    }
    let said = object.field("columns").and_then(|at| at.entries()).unwrap_or_default();
    object.finish();
    take(proof, &mut inputs, said, reserved);
    inputs
}

/// Chooses the columns and reads what the client says of each.
fn take(proof: &mut Proof<'_>, inputs: &mut Inputs, named: Vec<(&str, At<'_>)>, reserved: &[(String, &'static str)]) {
    for (name, at) in &named {
        if proof.column(at, name).is_none() {
            continue;
        }
        if let Some((_, role)) = reserved.iter().find(|(reserved, _)| reserved == name) {
            at.fault(format!("column {} is {role} and cannot be an input", quoted_text(name)));
        } else if inputs.exclude.iter().any(|pattern| matches(pattern, name)) {
            at.fault(format!("column {} is excluded by \"exclude\"; remove it from one of the two", quoted_text(name)));
        }
    }
    let Some(schema) = proof.schema else {
        // No dataset: what the client wrote is still read for its faults.
        for (_, at) in named {
            read_encoding(proof, inputs, None, &at);
        }
        return;
    };
    let mut left_out = Vec::new();
    for column in &schema.columns {
        if reserved.iter().any(|(name, _)| *name == column.name) {
            continue;
        }
        if inputs.exclude.iter().any(|pattern| matches(pattern, &column.name)) {
            continue;
        }
        let said = named.iter().find(|(name, _)| *name == column.name);
        let included = inputs.include.iter().find(|pattern| matches(pattern, &column.name));
        if said.is_none() && included.is_none() {
            continue;
        }
        // A column that the client names is taken whatever it is; a pattern takes only what can carry something.
        let by_name = said.is_some() || included.is_some_and(|pattern| **pattern == column.name);
        if !by_name && (matches!(column.kind, Kind::Identifier | Kind::Constant) || column.distinct <= 1) {
            left_out.push(column);
            continue;
        }
        let encoding = match said {
            Some((_, at)) => read_encoding(proof, inputs, Some(column), at),
            None => Some(natural(inputs, column)),
        };
        if let Some(encoding) = encoding {
            let features = features(&encoding, column);
            inputs.columns.push(Input { column: column.name.clone(), encoding, features });
        }
    }
    for (kind, what) in [(true, "look like identifiers (another value in each row)"), (false, "hold one value only")] {
        let names: Vec<&str> = left_out
            .iter()
            .filter(|column| (column.kind == Kind::Identifier) == kind)
            .map(|column| column.name.as_str())
            .collect();
        if !names.is_empty() {
            let detail = format!(
                "left out because they {what} and carry nothing: {}. Name a column under inputs.columns to take it all the same",
                listed(&names)
            );
            proof.warn("input_left_out", "/inputs", detail);
        }
    }
    if inputs.columns.is_empty() && !proof.faults.at("/inputs") {
        proof.faults.add(
            "/inputs",
            "no column is left to learn from: include at least one that is neither a target nor excluded",
        );
    }
    embeddings::keep_used(proof, inputs);
}

/// The names and patterns (with `*`) of a list; a plain name must be a column.
fn patterns(proof: &mut Proof<'_>, at: &At<'_>, reserved: &[(String, &'static str)]) -> Vec<String> {
    let items = if at.value.is_string() { vec![at.clone()] } else { at.items().unwrap_or_default() };
    let mut list = Vec::new();
    for item in items {
        let Some(text) = item.text() else { continue };
        if !text.contains('*') && proof.column(&item, text).is_some() {
            if let Some((_, role)) = reserved.iter().find(|(name, _)| name == text) {
                item.fault(format!("column {} is {role} and cannot be an input", quoted_text(text)));
            }
        } else if text.contains('*')
            && text != "*"
            && let Some(schema) = proof.schema
            && !schema.columns.iter().any(|column| matches(text, &column.name))
        {
            proof.warn("pattern_without_column", &item.pointer, format!("{} matches no column", quoted_text(text)));
        }
        list.push(text.to_owned());
    }
    list
}

/// Whether a name fits a pattern in which `*` stands for any characters.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// How a column is encoded when the client says nothing of it.
fn natural(inputs: &mut Inputs, column: &SchemaColumn) -> Encoding {
    match column.kind {
        Kind::Boolean => Encoding::Boolean { indicator: indicator(inputs, column) },
        Kind::Datetime => Encoding::Datetime { parts: PARTS.iter().map(|(_, part)| *part).collect() },
        Kind::Categorical if column.distinct <= MOST_ONE_HOT => Encoding::OneHot { unknown: UnknownCategory::Zeros },
        Kind::Categorical => Encoding::Embedding { table: embeddings::own(inputs, column, false) },
        Kind::Text => words(embeddings::own(inputs, column, true)),
        Kind::Identifier | Kind::Constant if column.mean.is_none() => {
            Encoding::OneHot { unknown: UnknownCategory::Zeros }
        }
        Kind::Numeric | Kind::Identifier | Kind::Constant => {
            Encoding::Numeric { scale: inputs.numeric, missing: inputs.missing, indicator: indicator(inputs, column) }
        }
    }
}

fn words(table: String) -> Encoding {
    Encoding::Words { table, tokenizer: Tokenizer::Words, pooling: Pooling::Mean, max_tokens: MAX_TOKENS as usize }
}

fn indicator(inputs: &Inputs, column: &SchemaColumn) -> bool {
    column.missing > 0 && column.missing as f64 >= INDICATOR_SHARE * inputs.rows as f64
}

/// Reads what the client says of one column.
fn read_encoding(
    proof: &mut Proof<'_>,
    inputs: &mut Inputs,
    column: Option<&SchemaColumn>,
    at: &At<'_>,
) -> Option<Encoding> {
    const FORMS: [&str; 5] = ["numeric", "boolean", "categorical", "text", "datetime"];
    let mut object = match at.value.as_str() {
        Some(_) => None,
        None if at.value.is_object() => Some(at.object()?),
        None => {
            at.expected("the form of the column (\"numeric\", \"categorical\", …) or an object with \"as\"");
            return None;
        }
    };
    let form = match (&mut object, at.value.as_str()) {
        (None, _) => Some(at.word(&FORMS)?),
        (Some(object), _) => match object.field("as") {
            Some(at) => Some(at.word(&FORMS)?),
            None => None,
        },
    };
    let form = form.or_else(|| column.map(natural_form)).unwrap_or("numeric");
    if let Some(column) = column {
        possible(at, form, column);
    }
    let preset = column.is_some_and(|column| indicator(inputs, column));
    let with_indicator =
        |object: &mut Option<Object<'_>>| object.as_mut().map_or(preset, |object| object.flag("indicator", preset));
    let encoding = match form {
        "numeric" => {
            let mut scale = inputs.numeric;
            let mut stand_in = inputs.missing;
            if let Some(object) = &mut object {
                scale = object.field("scale").and_then(|at| named(&at, &SCALES)).unwrap_or(scale);
                stand_in = object.field("missing").and_then(|at| missing(&at)).unwrap_or(stand_in);
            }
            Encoding::Numeric { scale, missing: stand_in, indicator: with_indicator(&mut object) }
        }
        "boolean" => Encoding::Boolean { indicator: with_indicator(&mut object) },
        "datetime" => {
            let mut parts: Vec<DatetimePart> = PARTS.iter().map(|(_, part)| *part).collect();
            if let Some(at) = object.as_mut().and_then(|object| object.field("parts")) {
                parts = at.items().unwrap_or_default().iter().filter_map(|item| named(item, &PARTS)).collect();
                if parts.is_empty() && !proof.faults.at(&at.pointer) {
                    at.fault("names no part");
                }
            }
            Encoding::Datetime { parts }
        }
        "text" => read_words(inputs, column, object.as_mut(), at),
        _ => read_categories(inputs, column, object.as_mut()),
    };
    if let Some(object) = object {
        object.finish();
    }
    Some(encoding)
}

fn read_categories(inputs: &mut Inputs, column: Option<&SchemaColumn>, object: Option<&mut Object<'_>>) -> Encoding {
    let many = column.is_some_and(|column| column.distinct > MOST_ONE_HOT);
    let Some(object) = object else {
        return match column {
            Some(column) if many => Encoding::Embedding { table: embeddings::own(inputs, column, false) },
            _ => Encoding::OneHot { unknown: UnknownCategory::Zeros },
        };
    };
    let table = object.field("embedding");
    let preset = if table.is_some() || many { "embedding" } else { "one_hot" };
    let encoding = object.field("encoding");
    let word = encoding.as_ref().and_then(|at| at.word(&["one_hot", "embedding"])).unwrap_or(preset);
    if word == "one_hot" {
        if let Some(table) = table {
            table.fault("\"encoding\":\"one_hot\" takes no embedding: remove one of the two");
        }
        let unknown = match object.word("unknown", &["zeros", "refuse"], "zeros") {
            "refuse" => UnknownCategory::Refuse,
            _ => UnknownCategory::Zeros,
        };
        return Encoding::OneHot { unknown };
    }
    Encoding::Embedding { table: table_name(inputs, column, table, false) }
}

fn read_words(
    inputs: &mut Inputs,
    column: Option<&SchemaColumn>,
    object: Option<&mut Object<'_>>,
    at: &At<'_>,
) -> Encoding {
    let Some(object) = object else {
        let name = column.map(|column| embeddings::own(inputs, column, true)).unwrap_or_default();
        return words(name);
    };
    let table = object.field("embedding");
    let table = table_name(inputs, column, table, true);
    let tokenizer = object.field("tokenizer").and_then(|at| named(&at, &TOKENIZERS)).unwrap_or(Tokenizer::Words);
    let window = object.field("window");
    let preset = if window.is_some() { "window" } else { "mean" };
    let pooling = match (object.word("pooling", &["mean", "sum", "window"], preset), window) {
        ("window", Some(window)) => Pooling::Window { length: window.whole(1, 1000).unwrap_or(1) as usize },
        ("window", None) => {
            at.fault("\"pooling\":\"window\" needs \"window\": the number of words that stand beside each other");
            Pooling::Window { length: 1 }
        }
        (word, window) => {
            if let Some(window) = window {
                window.fault(format!("\"window\" goes with \"pooling\":\"window\", not with \"{word}\""));
            }
            if word == "sum" { Pooling::Sum } else { Pooling::Mean }
        }
    };
    let preset = if let Pooling::Window { length } = pooling { length as u64 } else { MAX_TOKENS };
    let max_tokens = object.whole("max_tokens", 1, 1_000_000, preset) as usize;
    Encoding::Words { table, tokenizer, pooling, max_tokens }
}

/// The table that a column names, or one of its own.
fn table_name(inputs: &mut Inputs, column: Option<&SchemaColumn>, at: Option<At<'_>>, text: bool) -> String {
    let Some(at) = at else {
        return column.map(|column| embeddings::own(inputs, column, text)).unwrap_or_default();
    };
    let Some(name) = at.text() else { return String::new() };
    if !inputs.tables.iter().any(|table| table.name == name) {
        let known: Vec<&str> = inputs.tables.iter().map(|table| table.name.as_str()).collect();
        at.fault(format!(
            "{}; tables are defined under inputs.embeddings",
            unknown("embedding", name, known.into_iter())
        ));
    }
    name.to_owned()
}

fn natural_form(column: &SchemaColumn) -> &'static str {
    match column.kind {
        Kind::Numeric => "numeric",
        Kind::Boolean => "boolean",
        Kind::Text => "text",
        Kind::Datetime => "datetime",
        Kind::Categorical => "categorical",
        Kind::Constant | Kind::Identifier if column.mean.is_some() => "numeric",
        Kind::Constant | Kind::Identifier => "categorical",
    }
}

/// Whether a column's values can be read in the form.
fn possible(at: &At<'_>, form: &str, column: &SchemaColumn) {
    let numbers = column.mean.is_some() || column.kind == Kind::Numeric;
    let fits = match form {
        "numeric" => numbers || column.kind == Kind::Boolean,
        "boolean" => column.kind == Kind::Boolean || (numbers && column.min >= Some(0.0) && column.max <= Some(1.0)),
        "datetime" => column.kind == Kind::Datetime,
        "text" => !numbers && column.kind != Kind::Datetime,
        _ => true,
    };
    if !fits {
        at.fault(format!(
            "column {} holds {} values and cannot be read as {form}",
            quoted_text(&column.name),
            column.kind.name()
        ));
    }
}

/// Dense features of an encoding, as far as the schema tells: fewer where the training part lacks a category.
fn features(encoding: &Encoding, column: &SchemaColumn) -> u64 {
    match encoding {
        Encoding::Numeric { indicator, .. } | Encoding::Boolean { indicator } => 1 + u64::from(*indicator),
        Encoding::OneHot { .. } => column.distinct + u64::from(column.missing > 0),
        Encoding::Datetime { parts } => parts.iter().map(|part| if *part == DatetimePart::Time { 1 } else { 2 }).sum(),
        Encoding::Embedding { .. } | Encoding::Words { .. } => 0,
    }
}

fn missing(at: &At<'_>) -> Option<MissingNumber> {
    match at.value.as_str() {
        Some("mean") => Some(MissingNumber::Mean),
        Some("median") => Some(MissingNumber::Median),
        Some(word) => {
            at.fault(format!("{}, or a number that stands in", unknown("value", word, ["mean", "median"].into_iter())));
            None
        }
        None if at.value.is_number() => at.number(Range::ANY).map(MissingNumber::Constant),
        None => {
            at.expected("\"mean\", \"median\" or a number");
            None
        }
    }
}

fn missing_json(missing: MissingNumber) -> Value {
    match missing {
        MissingNumber::Mean => "mean".into(),
        MissingNumber::Median => "median".into(),
        MissingNumber::Constant(x) => real(x),
    }
}

fn encoding_json(encoding: &Encoding) -> Value {
    match encoding {
        Encoding::Numeric { scale, missing, indicator } => json!({
            "as": "numeric", "scale": name_of(&SCALES, *scale), "missing": missing_json(*missing), "indicator": indicator,
        }),
        Encoding::Boolean { indicator } => json!({ "as": "boolean", "indicator": indicator }),
        Encoding::OneHot { unknown } => json!({
            "as": "categorical", "encoding": "one_hot",
            "unknown": if *unknown == UnknownCategory::Refuse { "refuse" } else { "zeros" },
        }),
        Encoding::Embedding { table } => json!({ "as": "categorical", "encoding": "embedding", "embedding": table }),
        Encoding::Datetime { parts } => {
            json!({ "as": "datetime", "parts": parts.iter().map(|part| name_of(&PARTS, *part)).collect::<Vec<_>>() })
        }
        Encoding::Words { table, tokenizer, pooling, max_tokens } => {
            let (pooling, window) = match pooling {
                Pooling::Window { length } => ("window", Some(*length)),
                Pooling::Sum => ("sum", None),
                Pooling::Mean | Pooling::Single => ("mean", None),
            };
            json!({ "as": "text", "embedding": table, "tokenizer": name_of(&TOKENIZERS, *tokenizer), "pooling": pooling,
                    "window": window, "max_tokens": max_tokens })
        }
    }
}

fn named<T: Copy, const N: usize>(at: &At<'_>, names: &[(&'static str, T); N]) -> Option<T> {
    let word = at.word(&names.map(|(name, _)| name))?;
    names.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

fn name_of<T: PartialEq, const N: usize>(names: &[(&'static str, T); N], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}
