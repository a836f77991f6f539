//! What is to be predicted: columns, their types, losses and heads.

use serde_json::{Map, Value, json};

use super::catalogue::{Chosen, choose, real};
use super::inits;
use super::layers::{Layer, LayerDefaults, Weights, layers};
use super::losses;
use super::prove::Proof;
use super::read::{At, Object, Range, listed, quoted_text, unknown};
use super::schema::{Kind, SchemaColumn};

/// A numeric column is taken for classes only up to so many distinct whole numbers …
const MOST_NUMERIC_CLASSES: u64 = 20;
/// … with at least so many rows each.
const ROWS_OF_A_NUMERIC_CLASS: u64 = 10;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetType {
    Classification,
    Binary,
    Regression,
    Multilabel,
    Distribution,
}

impl TargetType {
    pub(super) const NAMES: [&'static str; 5] =
        ["classification", "binary", "regression", "multilabel", "distribution"];

    pub(super) fn name(self) -> &'static str {
        match self {
            TargetType::Classification => "classification",
            TargetType::Binary => "binary",
            TargetType::Regression => "regression",
            TargetType::Multilabel => "multilabel",
            TargetType::Distribution => "distribution",
        }
    }

    pub(super) const ALL: [TargetType; 5] = [
        TargetType::Classification,
        TargetType::Binary,
        TargetType::Regression,
        TargetType::Multilabel,
        TargetType::Distribution,
    ];

    fn from_name(name: &str) -> TargetType {
        TargetType::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(TargetType::Classification)
    }

    /// Whether one target of this type has several columns.
    fn is_wide(self) -> bool {
        matches!(self, TargetType::Multilabel | TargetType::Distribution)
    }

    /// Whether its predictions can be right or wrong.
    pub(super) fn has_accuracy(self) -> bool {
        self != TargetType::Regression
    }
}

/// How the classes of a target are weighted in its loss.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ClassWeight {
    Even,
    /// n / (K · n_k), counted in the training part.
    Balanced,
    /// By label.
    Given(Vec<(String, f64)>),
}

/// One target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where the request names it, for faults.
    pub(super) pointer: String,
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) kind: TargetType,
    pub(super) standardize: bool,
    pub(super) loss: Chosen<losses::Built>,
    pub(super) weight: f64,
    pub(super) class_weight: ClassWeight,
    pub(super) hidden_layers: Vec<Layer>,
    pub(super) init: Chosen<inits::Built>,
    /// Classes, labels or 1, as far as the schema tells.
    pub(super) outputs: u64,
}

impl Target {
    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.kind.is_wide() {
            map.insert("name".into(), self.name.clone().into());
            map.insert("columns".into(), json!(self.columns));
        } else {
            map.insert("column".into(), self.name.clone().into());
        }
        map.insert("type".into(), self.kind.name().into());
        if self.kind == TargetType::Regression {
            map.insert("standardize".into(), self.standardize.into());
        }
        map.insert("loss".into(), self.loss.to_json());
        map.insert("weight".into(), real(self.weight));
        if self.kind == TargetType::Classification || self.kind == TargetType::Binary {
            let class_weight = match &self.class_weight {
                ClassWeight::Even => Value::Null,
                ClassWeight::Balanced => "balanced".into(),
                ClassWeight::Given(weights) => weights.iter().map(|(label, w)| (label.clone(), real(*w))).collect(),
            };
            map.insert("class_weight".into(), class_weight);
        }
        map.insert("hidden_layers".into(), self.hidden_layers.iter().map(Layer::to_json).collect());
        map.insert("init".into(), self.init.to_json());
        Value::Object(map)
    }
}

/// Reads `target` or `targets`, of which exactly one must be there.
pub(super) fn targets(proof: &mut Proof<'_>, root: &mut Object<'_>, defaults: &LayerDefaults) -> Vec<Target> {
    let mut list = Vec::new();
    match (root.field("target"), root.field("targets")) {
        (Some(_), Some(at)) => at.fault("\"target\" and \"targets\" exclude each other: keep one of them"),
        (None, None) => {
            root.fault("lacks \"target\": the column to predict, or \"targets\": a list of them with their options")
        }
        (Some(at), None) if at.value.is_array() => {
            for item in at.items().unwrap_or_default() {
                list.extend(item.text().and_then(|name| column_target(proof, &item, name, None, defaults)));
            }
            if at.value.as_array().is_some_and(Vec::is_empty) {
                at.fault("names no column");
            }
        }
        (Some(at), None) => match at.value.as_str() {
            Some(name) => list.extend(column_target(proof, &at, name, None, defaults)),
            None => at.expected("the name of a column or a list of names"),
        },
        (None, Some(at)) => {
            let items = at.items().unwrap_or_default();
            if items.is_empty() && at.value.is_array() {
                at.fault("names no target");
            }
            for item in items {
                list.extend(one(proof, &item, defaults));
            }
        }
    }
    if list.len() > proof.limits.targets {
        root.fault(format!("{} targets; this server admits at most {}", list.len(), proof.limits.targets));
        list.truncate(proof.limits.targets);
    }
    let mut seen: Vec<&str> = Vec::new();
    for target in &list {
        for name in &target.columns {
            if seen.contains(&name.as_str()) {
                proof.faults.add(&target.pointer, format!("column {} is a target twice", quoted_text(name)));
            }
            seen.push(name);
        }
        if list.iter().filter(|other| other.name == target.name).count() > 1 && target.kind.is_wide() {
            proof.faults.add(&target.pointer, format!("another target is called {} too", quoted_text(&target.name)));
        }
    }
    list
}

fn one(proof: &mut Proof<'_>, at: &At<'_>, defaults: &LayerDefaults) -> Option<Target> {
    if let Some(name) = at.value.as_str() {
        return column_target(proof, at, name, None, defaults);
    }
    if !at.value.is_object() {
        at.expected("the name of a column or an object with \"column\"");
        return None;
    }
    let mut object = at.object()?;
    let column = object.field("column");
    let columns = object.field("columns");
    match (column, columns) {
        (Some(column), None) => {
            let name = column.text()?;
            column_target(proof, &column, name, Some(object), defaults)
        }
        (None, Some(columns)) => wide_target(proof, &columns, object, defaults),
        (Some(_), Some(columns)) => {
            columns.fault("\"column\" and \"columns\" exclude each other");
            None
        }
        (None, None) => {
            at.fault("lacks \"column\"");
            None
        }
    }
}

/// A target of one column; `object` holds its other fields, where there are any.
fn column_target(
    proof: &mut Proof<'_>,
    at: &At<'_>,
    name: &str,
    mut object: Option<Object<'_>>,
    defaults: &LayerDefaults,
) -> Option<Target> {
    let known = proof.column(at, name);
    let wanted = object.as_mut().and_then(|object| object.field("type"));
    let wanted = wanted.and_then(|at| at.word(&TargetType::NAMES).map(|word| (TargetType::from_name(word), at)));
    if let Some((kind, type_at)) = &wanted
        && kind.is_wide()
    {
        type_at.fault(format!("a {} target takes \"columns\", a list with a column for each label", kind.name()));
        return None;
    }
    let natural = known.and_then(|column| natural_type(proof, at, column, wanted.is_some()));
    let kind = match (&wanted, natural) {
        (Some((kind, type_at)), _) => {
            if let Some(column) = known {
                fits(type_at, *kind, column);
            }
            *kind
        }
        (None, Some(kind)) => kind,
        // Without the column (or with one that cannot be a target) the other fields are still read for their faults.
        (None, None) => TargetType::Classification,
    };
    let outputs = match kind {
        TargetType::Classification => known.map_or(2, |column| column.distinct.max(2)),
        _ => 1,
    };
    let sure = known.is_some() && (wanted.is_some() || natural.is_some());
    let base = Base {
        pointer: at.pointer.clone(),
        name: name.to_owned(),
        columns: vec![name.to_owned()],
        kind,
        outputs,
        sure,
    };
    let target = options(proof, base, object, known, defaults);
    sure.then_some(target)
}

/// A target of several columns: yes-or-no labels, or shares of classes.
fn wide_target(proof: &mut Proof<'_>, at: &At<'_>, mut object: Object<'_>, defaults: &LayerDefaults) -> Option<Target> {
    let mut columns = Vec::new();
    for item in at.items()? {
        let Some(name) = item.text() else { continue };
        if let Some(column) = proof.column(&item, name)
            && !matches!(column.kind, Kind::Numeric | Kind::Boolean | Kind::Constant)
        {
            item.fault(format!("holds {} values; a column of such a target holds numbers", column.kind.name()));
        }
        columns.push(name.to_owned());
    }
    if columns.len() < 2 {
        at.fault("needs at least two columns");
    }
    let name_at = object.field("name");
    let name = name_at.as_ref().and_then(At::text);
    if name_at.is_none() {
        object.fault("lacks \"name\": what metrics and predictions call this target");
    }
    let kind = match object.field("type") {
        Some(at) => at.word(&["multilabel", "distribution"]).map(TargetType::from_name),
        None => {
            object.fault("lacks \"type\": \"multilabel\" (several yes-or-no labels) or \"distribution\" (shares that add up to 1)");
            None
        }
    };
    let outputs = columns.len() as u64;
    let base = Base {
        pointer: object.pointer.clone(),
        name: name.unwrap_or("").to_owned(),
        columns,
        kind: kind.unwrap_or(TargetType::Multilabel),
        outputs,
        sure: kind.is_some(),
    };
    Some(options(proof, base, Some(object), None, defaults))
}

struct Base {
    pointer: String,
    name: String,
    columns: Vec<String>,
    kind: TargetType,
    outputs: u64,
    /// Whether `kind` is what the client will get: else the loss is not judged by it.
    sure: bool,
}

/// The fields that a target has whatever its columns are.
fn options(
    proof: &mut Proof<'_>,
    base: Base,
    object: Option<Object<'_>>,
    column: Option<&SchemaColumn>,
    defaults: &LayerDefaults,
) -> Target {
    let Base { pointer, name, columns, kind, outputs, sure } = base;
    let allowed = losses::of(kind);
    let default_loss =
        losses::TABLE.iter().find(|entry| allowed.first() == Some(&entry.name)).unwrap_or(&losses::TABLE[0]);
    let mut target = Target {
        pointer,
        name,
        columns,
        kind,
        standardize: kind == TargetType::Regression,
        loss: Chosen::preset(default_loss),
        weight: 1.0,
        class_weight: ClassWeight::Even,
        hidden_layers: Vec::new(),
        init: defaults.weights.output(),
        outputs,
    };
    let Some(mut object) = object else { return target };
    if let Some(at) = object.field("loss") {
        target.loss = choose(&at, "a loss", &losses::TABLE, default_loss, &[]).chosen;
        if sure && !allowed.contains(&target.loss.name()) {
            at.fault(format!(
                "\"{}\" does not fit a {} target; use {}",
                target.loss.name(),
                kind.name(),
                allowed.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
            ));
        }
        if sure && target.loss.name() == "poisson" {
            target.standardize = false;
            poisson(&at, column);
        }
    }
    target.weight = object.number("weight", Range::NOT_NEGATIVE, 1.0);
    if let Some(at) = object.field("class_weight") {
        target.class_weight = class_weight(&at, kind, column);
    }
    if let Some(at) = object.field("standardize") {
        let wish = at.flag().unwrap_or(target.standardize);
        if kind != TargetType::Regression {
            at.fault(format!("only a regression target is standardised; this one is {}", kind.name()));
        } else if wish && target.loss.name() == "poisson" {
            at.fault("poisson predicts counts, which are not standardised: leave it out or write false");
        } else {
            target.standardize = wish;
        }
    }
    if let Some(at) = object.field("hidden_layers") {
        target.hidden_layers = layers(&at, proof.limits.layers, defaults);
    }
    if let Some(at) = object.field("init") {
        target.init = Weights::read(&at).output();
    }
    object.finish();
    target
}

/// What a column is as a target when the client does not say; faults where it can be none.
fn natural_type(proof: &mut Proof<'_>, at: &At<'_>, column: &SchemaColumn, asked: bool) -> Option<TargetType> {
    let distinct = column.distinct;
    let name = quoted_text(&column.name);
    match column.kind {
        _ if distinct == 0 => {
            at.fault(format!("column {name} is empty: there is nothing to learn from it"));
            None
        }
        Kind::Constant => {
            at.fault(format!("column {name} holds one value only: a target needs at least two"));
            None
        }
        Kind::Identifier => {
            at.fault(format!(
                "column {name} looks like an identifier: another value in each row, from which nothing can be learned. If it is \
                 a target all the same, upload the file with ?kinds={}:categorical or {}:numeric",
                column.name, column.name
            ));
            None
        }
        Kind::Datetime => {
            at.fault(format!(
                "column {name} holds points in time, which cannot be predicted: use a number such as days until then"
            ));
            None
        }
        Kind::Text if !asked => {
            at.fault(format!(
                "column {name} holds free text ({distinct} distinct values), which cannot be predicted. If these are labels, say \
                 \"targets\":[{{\"column\":{name},\"type\":\"classification\"}}]"
            ));
            None
        }
        Kind::Boolean => Some(TargetType::Binary),
        _ if distinct == 2 => Some(TargetType::Binary),
        Kind::Categorical | Kind::Text => Some(TargetType::Classification),
        Kind::Numeric => {
            let least = column.counts().and_then(|counts| counts.iter().map(|(_, count)| *count).min());
            let classes = column.whole == Some(true)
                && distinct <= MOST_NUMERIC_CLASSES
                && least.is_some_and(|least| least >= ROWS_OF_A_NUMERIC_CLASS);
            if classes && !asked {
                proof.warn(
                    "numeric_classes",
                    &at.pointer,
                    format!(
                        "column {name} holds {distinct} whole numbers with at least {ROWS_OF_A_NUMERIC_CLASS} rows each: taken as \
                         classes. For a regression say \"targets\":[{{\"column\":{name},\"type\":\"regression\"}}]"
                    ),
                );
            }
            Some(if classes { TargetType::Classification } else { TargetType::Regression })
        }
    }
}

/// Whether a column can be what the client says that it is.
fn fits(at: &At<'_>, kind: TargetType, column: &SchemaColumn) {
    match kind {
        TargetType::Binary if column.distinct > 2 => {
            at.fault(format!(
                "a binary target has two values, this column has {}: use \"classification\"",
                column.distinct
            ));
        }
        TargetType::Regression if column.kind != Kind::Numeric && column.kind != Kind::Constant => {
            at.fault(format!("a regression needs numbers, this column is {}", column.kind.name()));
        }
        TargetType::Classification if column.distinct > 10_000 => {
            at.fault(format!("{} classes are too many; at most 10000", column.distinct));
        }
        _ => {}
    }
}

fn poisson(at: &At<'_>, column: Option<&SchemaColumn>) {
    if let Some(low) = column.and_then(|column| column.min)
        && low < 0.0
    {
        at.fault(format!("poisson needs counts ≥ 0; the smallest value of the column is {low}"));
    }
}

fn class_weight(at: &At<'_>, kind: TargetType, column: Option<&SchemaColumn>) -> ClassWeight {
    if at.is_off() {
        return ClassWeight::Even;
    }
    match kind {
        TargetType::Classification | TargetType::Binary => {}
        TargetType::Regression => {
            at.fault("a regression has no classes to weight; weight rows with \"sample_weight\" instead");
            return ClassWeight::Even;
        }
        TargetType::Multilabel | TargetType::Distribution => {
            at.fault(format!(
                "a {} target has no class weights; weight rows with \"sample_weight\" instead",
                kind.name()
            ));
            return ClassWeight::Even;
        }
    }
    if let Some(word) = at.value.as_str() {
        if word == "balanced" {
            return ClassWeight::Balanced;
        }
        at.fault(unknown("value", word, ["balanced"].into_iter()));
        return ClassWeight::Even;
    }
    if !at.value.is_object() {
        at.expected("\"balanced\" or an object with a weight for each class");
        return ClassWeight::Even;
    }
    let labels: Option<Vec<&str>> =
        column.and_then(SchemaColumn::counts).map(|counts| counts.iter().map(|(label, _)| label.as_str()).collect());
    let mut weights = Vec::new();
    for (label, item) in at.entries().unwrap_or_default() {
        if let Some(labels) = &labels
            && !labels.contains(&label)
        {
            item.fault(unknown("class", label, labels.iter().copied()));
        }
        weights.extend(item.number(Range::NOT_NEGATIVE).map(|weight| (label.to_owned(), weight)));
    }
    let lacking: Vec<&str> = labels
        .iter()
        .flatten()
        .copied()
        .filter(|label| !weights.iter().any(|(known, _)| known == label) && at.value.get(*label).is_none())
        .collect();
    if !lacking.is_empty() {
        at.fault(format!("lacks the weight of {}", listed(&lacking)));
    }
    if !weights.is_empty() && weights.iter().all(|(_, weight)| *weight == 0.0) {
        at.fault("all weights are 0: nothing would be learned");
    }
    ClassWeight::Given(weights)
}
