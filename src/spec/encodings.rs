//! How one column becomes numbers: what a client says of it under `inputs.columns`, and how that is shown.

use serde_json::{Value, json};

use super::catalogue::real;
use super::embeddings;
use super::inputs::{Inputs, MOST_ONE_HOT, indicator};
use super::missing;
use super::prove::Proof;
use super::read::{At, Object, Range, quoted_text, unknown};
use super::schema::{Kind, SchemaColumn};
use crate::data::encoder::{
    Clip, DatetimePart, Encoding, MissingCategory, MissingMoment, MissingTruth, NumericScale, Pooling, Tokenizer,
    UnknownCategory,
};

/// Words of a text that are read unless the client says otherwise.
const MAX_TOKENS: u64 = 1000;
/// Features that categories may be hashed to.
const MOST_BUCKETS: u64 = 10_000;
/// Features that categories are hashed to unless the client says otherwise.
const BUCKETS: u64 = 64;

pub(super) const FORMS: [&str; 5] = ["numeric", "boolean", "categorical", "text", "datetime"];
pub(super) const SCALES: [(&str, NumericScale); 5] = [
    ("standardize", NumericScale::Standardize),
    ("min_max", NumericScale::MinMax),
    ("robust", NumericScale::Robust),
    ("quantile", NumericScale::Quantile),
    ("none", NumericScale::None),
];
pub(super) const PARTS: [(&str, DatetimePart); 11] = [
    ("time", DatetimePart::Time),
    ("year", DatetimePart::Year),
    ("quarter", DatetimePart::Quarter),
    ("month", DatetimePart::Month),
    ("day", DatetimePart::Day),
    ("day_of_year", DatetimePart::DayOfYear),
    ("weekday", DatetimePart::Weekday),
    ("weekend", DatetimePart::Weekend),
    ("hour", DatetimePart::Hour),
    ("minute", DatetimePart::Minute),
    ("second", DatetimePart::Second),
];
pub(super) const TOKENIZERS: [(&str, Tokenizer); 2] =
    [("words", Tokenizer::Words), ("whitespace", Tokenizer::Whitespace)];
pub(super) const CATEGORIES: [&str; 3] = ["one_hot", "embedding", "hash"];
/// What clipping is unless the client says more.
const CLIPS: [(&str, Clip); 3] =
    [("none", Clip::None), ("quantile", Clip::Quantile { low: 0.01, high: 0.99 }), ("std", Clip::Std { times: 3.0 })];

/// What is taken of a time when the client does not say.
pub(super) fn usual_parts() -> Vec<DatetimePart> {
    vec![DatetimePart::Time, DatetimePart::Month, DatetimePart::Weekday, DatetimePart::Hour]
}

pub(super) fn words(table: String) -> Encoding {
    Encoding::Words { table, tokenizer: Tokenizer::Words, pooling: Pooling::Mean, max_tokens: MAX_TOKENS as usize }
}

/// Reads what the client says of one column.
pub(super) fn read(
    proof: &mut Proof<'_>,
    inputs: &mut Inputs,
    column: Option<&SchemaColumn>,
    at: &At<'_>,
) -> Option<Encoding> {
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
    let with_indicator = |object: &mut Option<Object<'_>>, preset: bool| {
        object.as_mut().map_or(preset, |object| object.flag("indicator", preset))
    };
    let encoding = match form {
        "numeric" => {
            let (mut scale, mut stand_in, mut ends) = (inputs.numeric, inputs.missing, inputs.clip);
            if let Some(object) = &mut object {
                scale = object.field("scale").and_then(|at| named(&at, &SCALES)).unwrap_or(scale);
                stand_in = object.field("missing").and_then(|at| missing::number(&at)).unwrap_or(stand_in);
                ends = object.field("clip").and_then(|at| clip(&at)).unwrap_or(ends);
            }
            let indicator = with_indicator(&mut object, preset);
            Encoding::Numeric { scale, missing: stand_in, indicator, clip: ends }
        }
        "boolean" => {
            let missing = object.as_mut().and_then(|object| object.field("missing"));
            let missing = missing.and_then(|at| missing::truth(&at)).unwrap_or(MissingTruth::Mean);
            Encoding::Boolean { missing, indicator: with_indicator(&mut object, preset) }
        }
        "datetime" => {
            let mut parts = usual_parts();
            if let Some(at) = object.as_mut().and_then(|object| object.field("parts")) {
                parts = at.items().unwrap_or_default().iter().filter_map(|item| named(item, &PARTS)).collect();
                if parts.is_empty() && !proof.faults.at(&at.pointer) {
                    at.fault("names no part");
                }
            }
            let missing = object.as_mut().and_then(|object| object.field("missing"));
            let missing = missing.and_then(|at| missing::moment(&at)).unwrap_or(MissingMoment::Zeros);
            Encoding::Datetime { parts, missing, indicator: with_indicator(&mut object, false) }
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
            Some(column) if many => {
                let table = embeddings::own(inputs, column, false);
                Encoding::Embedding { table, missing: MissingCategory::Neutral }
            }
            _ => Encoding::OneHot { unknown: UnknownCategory::Zeros, missing: MissingCategory::Own },
        };
    };
    let table = object.field("embedding");
    let size = object.field("size");
    let unknown_at = object.field("unknown");
    let missing_at = object.field("missing");
    let preset = match () {
        () if size.is_some() => "hash",
        () if table.is_some() || many => "embedding",
        () => "one_hot",
    };
    let encoding = object.field("encoding");
    let word = encoding.as_ref().and_then(|at| at.word(&CATEGORIES)).unwrap_or(preset);
    let alone = |at: &Option<At<'_>>, name: &str, owner: &str| {
        if let Some(at) = at {
            at.fault(format!(
                "\"{name}\" goes with \"encoding\":\"{owner}\", not with \"{word}\": remove one of the two"
            ));
        }
    };
    if word != "embedding" {
        alone(&table, "embedding", "embedding");
    }
    if word != "hash" {
        alone(&size, "size", "hash");
    }
    if word != "one_hot" {
        alone(&unknown_at, "unknown", "one_hot");
    }
    match word {
        "one_hot" => {
            let unknown = match unknown_at.and_then(|at| at.word(&["zeros", "refuse"])) {
                Some("refuse") => UnknownCategory::Refuse,
                _ => UnknownCategory::Zeros,
            };
            Encoding::OneHot { unknown, missing: missing::category(missing_at, "zeros", MissingCategory::Own) }
        }
        "hash" => {
            let buckets = size.and_then(|at| at.whole(1, MOST_BUCKETS)).unwrap_or(BUCKETS) as usize;
            Encoding::HashedOneHot { buckets, missing: missing::category(missing_at, "zeros", MissingCategory::Own) }
        }
        _ => {
            let table = table_name(inputs, column, table, false);
            Encoding::Embedding { table, missing: missing::category(missing_at, "unknown", MissingCategory::Neutral) }
        }
    }
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

/// Reads where numbers end: a name alone, or an object with its parameters.
pub(super) fn clip(at: &At<'_>) -> Option<Clip> {
    if at.is_off() {
        return Some(Clip::None);
    }
    if at.value.is_string() {
        return named(at, &CLIPS);
    }
    let mut object = at.object()?;
    let kind = match object.field("type") {
        Some(at) => named(&at, &CLIPS),
        None => {
            object.fault("lacks \"type\": \"quantile\", \"std\" or \"none\"");
            None
        }
    };
    let clip = match kind {
        Some(Clip::Quantile { low, high }) => {
            let (low, high) = (object.number("low", Range::UNIT, low), object.number("high", Range::UNIT, high));
            if low >= high {
                object.fault(format!("\"low\" {low} is not below \"high\" {high}"));
            }
            Some(Clip::Quantile { low, high })
        }
        Some(Clip::Std { times }) => Some(Clip::Std { times: object.number("times", Range::POSITIVE, times) }),
        other => other,
    };
    if clip.is_some() {
        object.finish();
    }
    clip
}

pub(super) fn clip_json(clip: Clip) -> Value {
    match clip {
        Clip::None => false.into(),
        Clip::Quantile { low, high } => json!({ "type": "quantile", "low": real(low), "high": real(high) }),
        Clip::Std { times } => json!({ "type": "std", "times": real(times) }),
    }
}

/// An encoding as a client would write it.
pub(super) fn to_json(encoding: &Encoding) -> Value {
    match encoding {
        Encoding::Numeric { scale, missing, indicator, clip } => json!({
            "as": "numeric", "scale": name_of(&SCALES, *scale), "missing": missing::number_json(*missing), "indicator": indicator,
            "clip": clip_json(*clip),
        }),
        Encoding::Boolean { missing, indicator } => {
            json!({ "as": "boolean", "missing": missing::truth_json(*missing), "indicator": indicator })
        }
        Encoding::OneHot { unknown, missing } => json!({
            "as": "categorical", "encoding": "one_hot",
            "unknown": if *unknown == UnknownCategory::Refuse { "refuse" } else { "zeros" },
            "missing": missing::category_json(missing, "zeros"),
        }),
        Encoding::HashedOneHot { buckets, missing } => json!({
            "as": "categorical", "encoding": "hash", "size": buckets, "missing": missing::category_json(missing, "zeros"),
        }),
        Encoding::Embedding { table, missing } => json!({
            "as": "categorical", "encoding": "embedding", "embedding": table,
            "missing": missing::category_json(missing, "unknown"),
        }),
        Encoding::Datetime { parts, missing, indicator } => {
            let parts = parts.iter().map(|part| name_of(&PARTS, *part)).collect::<Vec<_>>();
            json!({ "as": "datetime", "parts": parts, "missing": missing::moment_json(*missing), "indicator": indicator })
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

pub(super) fn named<T: Copy, const N: usize>(at: &At<'_>, names: &[(&'static str, T); N]) -> Option<T> {
    let word = at.word(&names.map(|(name, _)| name))?;
    names.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

pub(super) fn name_of<T: PartialEq, const N: usize>(names: &[(&'static str, T); N], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}
