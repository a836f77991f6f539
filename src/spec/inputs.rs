//! Which columns go in, and how each is turned into numbers.

use serde_json::{Map, Value, json};

use super::catalogue::real;
use super::embeddings::{self, Table};
use super::encodings::{self, SCALES, clip, clip_json, name_of, named, usual_parts, words};
use super::layers;
use super::missing;
use super::prove::Proof;
use super::read::{At, listed, quoted_text};
use super::schema::{Kind, SchemaColumn};
use crate::data::encoder::{
    Clip, Encoding, MissingCategory, MissingMoment, MissingNumber, MissingTruth, NumericScale, UnknownCategory,
};

/// More categories than these are embedded rather than spread over one feature each.
pub(super) const MOST_ONE_HOT: u64 = 50;
/// A share of missing values from which on a feature of its own says that the value was missing.
const INDICATOR_SHARE: f64 = 0.01;

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
    pub(super) numeric: NumericScale,
    pub(super) missing: MissingNumber,
    pub(super) clip: Clip,
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
            "missing": missing::number_json(self.missing),
            "clip": clip_json(self.clip),
            "dropout": real(self.dropout),
            "embeddings": self.tables.iter().map(|t| (t.name.clone(), t.to_json())).collect::<Map<_, _>>(),
            "columns": self.columns.iter().map(|c| (c.column.clone(), encodings::to_json(&c.encoding))).collect::<Map<_, _>>(),
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
        clip: Clip::None,
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
        inputs.missing = missing::number(&at).unwrap_or(inputs.missing);
    }
    if let Some(at) = object.field("clip") {
        inputs.clip = clip(&at).unwrap_or(inputs.clip);
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
            encodings::read(proof, inputs, None, &at);
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
            Some((_, at)) => encodings::read(proof, inputs, Some(column), at),
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
    let one_hot = Encoding::OneHot { unknown: UnknownCategory::Zeros, missing: MissingCategory::Own };
    match column.kind {
        Kind::Boolean => Encoding::Boolean { missing: MissingTruth::Mean, indicator: indicator(inputs, column) },
        Kind::Datetime => Encoding::Datetime { parts: usual_parts(), missing: MissingMoment::Zeros, indicator: false },
        Kind::Categorical if column.distinct <= MOST_ONE_HOT => one_hot,
        Kind::Categorical => {
            let table = embeddings::own(inputs, column, false);
            Encoding::Embedding { table, missing: MissingCategory::Neutral }
        }
        Kind::Text => words(embeddings::own(inputs, column, true)),
        Kind::Identifier | Kind::Constant if column.mean.is_none() => one_hot,
        Kind::Numeric | Kind::Identifier | Kind::Constant => Encoding::Numeric {
            scale: inputs.numeric,
            missing: inputs.missing,
            indicator: indicator(inputs, column),
            clip: inputs.clip,
        },
    }
}

pub(super) fn indicator(inputs: &Inputs, column: &SchemaColumn) -> bool {
    column.missing > 0 && column.missing as f64 >= INDICATOR_SHARE * inputs.rows as f64
}

/// Dense features of an encoding, as far as the schema tells: fewer where the training part lacks a category.
fn features(encoding: &Encoding, column: &SchemaColumn) -> u64 {
    let own = |missing: &MissingCategory| u64::from(column.missing > 0 && *missing != MissingCategory::Neutral);
    match encoding {
        Encoding::Numeric { indicator, .. } | Encoding::Boolean { indicator, .. } => 1 + u64::from(*indicator),
        // A category that stands in for missing ones may be one that the file does not have.
        Encoding::OneHot { missing, .. } => column.distinct + own(missing),
        Encoding::HashedOneHot { buckets, missing } => {
            *buckets as u64 + u64::from(column.missing > 0 && *missing == MissingCategory::Own)
        }
        Encoding::Datetime { parts, indicator, .. } => {
            parts.iter().map(|part| part.width() as u64).sum::<u64>() + u64::from(*indicator)
        }
        Encoding::Embedding { .. } | Encoding::Words { .. } => 0,
    }
}
