//! Which rows train, validate and test.

use serde_json::{Value, json};

use super::catalogue::real;
use super::prove::Proof;
use super::read::{At, Range, quoted_text};
use super::schema::{Kind, Schema, SchemaColumn};
use super::targets::{Target, TargetType};

/// The share that validates unless the client says otherwise.
const VALIDATION: f64 = 0.2;
/// The most folds: each is a job.
const FOLDS: u64 = 100;
const METHODS: [&str; 3] = ["stratified", "random", "sequential"];
/// What becomes of rows that are equal in every column but identifiers.
const DUPLICATES: [&str; 2] = ["together", "apart"];

/// How rows are divided.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Split {
    /// All rows train.
    Off,
    /// By share.
    Shares { validation: f64, test: f64, method: Method, together: bool },
    /// Another dataset validates, tests, or two others do both; shares are of the rows of the job's own.
    Datasets { validation: Side, test: Side, method: Method, together: bool },
    /// As a column says.
    Column { column: String, validation: bool },
    /// By share, whole groups at a time.
    Group { column: String, validation: f64, test: f64 },
    /// What does not test is divided into folds, each of which validates once: one of them, or all, each in a job of its own.
    Folds(Folds),
}

/// A cross-validation, or one fold of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Folds {
    pub folds: u64,
    /// From 1; absent where the job stands for all of them.
    pub fold: Option<u64>,
    pub by: FoldBy,
    pub test: f64,
}

/// How rows get into folds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FoldBy {
    Method {
        method: Method,
        together: bool,
    },
    /// Whole groups of this column.
    Group(String),
}

/// Where the rows of a part come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Side {
    /// A share of the rows of the job's dataset.
    Share(f64),
    /// All rows of another dataset.
    Dataset(String),
}

impl Side {
    /// The share of the job's own rows.
    pub(super) fn share(&self) -> f64 {
        match self {
            Side::Share(share) => *share,
            Side::Dataset(_) => 0.0,
        }
    }

    fn is_there(&self) -> bool {
        *self != Side::Share(0.0)
    }

    fn to_json(&self) -> Value {
        match self {
            Side::Share(share) => real(*share),
            Side::Dataset(dataset) => json!({ "dataset": dataset }),
        }
    }
}

/// How rows are chosen for a share.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Method {
    /// Each class of this target in proportion.
    Stratified {
        by: String,
    },
    Random,
    Sequential,
    /// Whole groups of this column.
    Group {
        column: String,
    },
}

impl Method {
    fn name(&self) -> &'static str {
        match self {
            Method::Stratified { .. } => METHODS[0],
            Method::Random => METHODS[1],
            Method::Sequential => METHODS[2],
            Method::Group { .. } => "group",
        }
    }
}

impl Split {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Split::Off => false.into(),
            Split::Shares { validation, test, method, together } => json!({
                "validation": real(*validation), "test": real(*test), "method": method.name(),
                "duplicates": DUPLICATES[usize::from(!together)],
            }),
            Split::Datasets { validation, test, method: Method::Group { column }, .. } => {
                json!({ "group": column, "validation": validation.to_json(), "test": test.to_json() })
            }
            Split::Datasets { validation, test, method, together } => json!({
                "validation": validation.to_json(), "test": test.to_json(), "method": method.name(),
                "duplicates": DUPLICATES[usize::from(!together)],
            }),
            Split::Column { column, .. } => json!({ "column": column }),
            Split::Group { column, validation, test } => {
                json!({ "group": column, "validation": real(*validation), "test": real(*test) })
            }
            Split::Folds(folds) => folds.to_json(),
        }
    }

    pub(super) fn has_validation(&self) -> bool {
        match self {
            Split::Off => false,
            Split::Shares { validation, .. } | Split::Group { validation, .. } => *validation > 0.0,
            Split::Column { validation, .. } => *validation,
            Split::Datasets { validation, .. } => validation.is_there(),
            Split::Folds(_) => true,
        }
    }

    /// The column that this split reads and that therefore is no input.
    pub(super) fn column(&self) -> Option<(String, &'static str)> {
        match self {
            Split::Column { column, .. } => Some((column.clone(), "what the split is read from")),
            Split::Group { column, .. }
            | Split::Datasets { method: Method::Group { column }, .. }
            | Split::Folds(Folds { by: FoldBy::Group(column), .. }) => {
                Some((column.clone(), "what the groups of the split are read from"))
            }
            _ => None,
        }
    }

    /// Rows that decide when to stop, as far as the schema tells.
    pub(super) fn validation_rows(&self, schema: &Schema) -> u64 {
        match self {
            _ if !self.has_validation() => 0,
            Split::Shares { validation, .. } | Split::Group { validation, .. } => {
                (schema.rows as f64 * validation).round() as u64
            }
            Split::Datasets { validation: Side::Share(share), .. } => (schema.rows as f64 * share).round() as u64,
            Split::Datasets { .. } => schema.validation.as_ref().map_or(0, |other| other.rows),
            Split::Folds(Folds { test, .. }) => {
                let tested = (schema.rows as f64 * test).round() as u64;
                schema.rows.saturating_sub(tested).saturating_sub(self.training_rows(schema))
            }
            Split::Column { .. } | Split::Off => schema.rows.saturating_sub(self.training_rows(schema)),
        }
    }

    /// Rows that train, as far as the schema tells.
    pub(super) fn training_rows(&self, schema: &Schema) -> u64 {
        let rows = schema.rows as f64;
        let of = |share: f64| (rows * share).round();
        let left = match self {
            Split::Off => rows,
            Split::Shares { validation, test, .. } | Split::Group { validation, test, .. } => {
                rows - of(*validation) - of(*test)
            }
            Split::Datasets { validation, test, .. } => rows - of(validation.share()) - of(test.share()),
            Split::Folds(Folds { folds, test, .. }) => {
                let divided = rows - of(*test);
                divided - (divided / *folds as f64).round()
            }
            Split::Column { column, .. } => {
                let counts = schema.column(column).and_then(SchemaColumn::counts).unwrap_or(&[]);
                let training = counts.iter().filter(|(value, _)| value == "train" || value == "false");
                let sum: u64 = training.map(|(_, count)| *count).sum();
                if sum > 0 { sum as f64 } else { rows }
            }
        };
        left.max(0.0) as u64
    }
}

impl Folds {
    fn to_json(&self) -> Value {
        let mut split = json!({ "k_folds": self.folds });
        if let Some(fold) = self.fold {
            split["fold"] = fold.into();
        }
        match &self.by {
            FoldBy::Method { method, together } => {
                split["method"] = method.name().into();
                split["duplicates"] = DUPLICATES[usize::from(!together)].into();
            }
            FoldBy::Group(column) => split["group"] = column.as_str().into(),
        }
        split["test"] = real(self.test);
        split
    }
}

/// Reads `split`; `whole` says that the batches are given, so that nothing may be split off.
pub(super) fn split(proof: &mut Proof<'_>, at: Option<At<'_>>, targets: &[Target], whole: bool) -> Split {
    let natural = match targets.iter().find(|target| stratifies(target)) {
        Some(target) => Method::Stratified { by: target.name.clone() },
        None => Method::Random,
    };
    let Some(at) = at else {
        // Fewer rows than these leave nothing to validate on.
        if whole || proof.schema.is_some_and(|schema| schema.rows < 5) {
            return Split::Off;
        }
        return Split::Shares { validation: VALIDATION, test: 0.0, method: natural, together: true };
    };
    if at.is_off() {
        return Split::Off;
    }
    if whole {
        at.fault("\"batches\" are rows of the whole file and exclude a split: leave it out or write false");
    }
    let Some(mut object) = at.object() else { return Split::Off };
    let column = object.field("column");
    let group = object.field("group");
    let folds = object.field("k_folds");
    let fold = object.field("fold");
    let validation = object.field("validation");
    let test = object.field("test");
    let method_at = object.field("method");
    let duplicates = object.field("duplicates");
    let method = method_at.as_ref().map_or_else(|| natural.clone(), |at| method(at, natural.clone(), targets));
    object.finish();
    // In the order of the file, rows stay where they stand.
    let natural_together = method != Method::Sequential;
    let together = match duplicates.as_ref().map(|at| (at, at.word(&DUPLICATES))) {
        Some((at, Some("together"))) if !natural_together => {
            at.fault("a sequential split keeps the order of the file: write \"apart\" or leave it out");
            false
        }
        Some((_, Some(word))) => word == DUPLICATES[0],
        _ => natural_together,
    };
    if column.is_some() || group.is_some() {
        refuse(&[("duplicates", &duplicates)], "column and group say which rows belong together");
    }
    exclusive(&at, [("column", column.is_some()), ("group", group.is_some())]);
    exclusive(&at, [("column", column.is_some()), ("k_folds", folds.is_some())]);
    if folds.is_none() {
        refuse(&[("fold", &fold)], "it names one of the \"k_folds\" of a cross-validation");
    }
    if let Some(column) = column {
        refuse(&[("validation", &validation), ("test", &test), ("method", &method_at)], "the column says all");
        return by_column(proof, &column);
    }
    if let Some(folds) = folds {
        refuse(&[("validation", &validation)], "each fold validates once");
        if group.is_some() {
            refuse(&[("method", &method_at)], "groups go into folds whole, the largest first");
        }
        let by = match group.map(|at| group_column(proof, &at)) {
            Some(column) => FoldBy::Group(column),
            None => FoldBy::Method { method, together },
        };
        let test = match (side(&test, 0.0), &test) {
            (Side::Dataset(_), Some(at)) => {
                at.fault("a cross-validation sets a share aside: write one, or evaluate the model on the other dataset at the end");
                0.0
            }
            (side, _) => side.share(),
        };
        leaves_rows(&at, 0.0, test);
        return Split::Folds(by_folds(proof, &folds, fold.as_ref(), by, test));
    }
    if let Some(group) = group {
        refuse(&[("method", &method_at)], "groups are drawn at random");
        let (validation, test) = (side(&validation, VALIDATION), side(&test, 0.0));
        leaves_rows(&at, validation.share(), test.share());
        let column = group_column(proof, &group);
        return match (validation, test) {
            (Side::Share(validation), Side::Share(test)) => Split::Group { column, validation, test },
            (validation, test) => {
                if validation.share() + test.share() == 0.0 {
                    group.fault("it divides nothing where no share is set aside: write one, or leave \"group\" out");
                }
                Split::Datasets { validation, test, method: Method::Group { column }, together: false }
            }
        };
    }
    let (validation, test) = (side(&validation, VALIDATION), side(&test, 0.0));
    leaves_rows(&at, validation.share(), test.share());
    enough_rows(proof, &at, validation.share(), test.share());
    match (validation, test) {
        (Side::Share(0.0), Side::Share(0.0)) => Split::Off,
        (Side::Share(validation), Side::Share(test)) => Split::Shares { validation, test, method, together },
        (Side::Dataset(one), Side::Dataset(other)) if one == other && !one.is_empty() => {
            at.fault(format!(
                "{} cannot both validate and test: what chooses the model would also judge it",
                quoted_text(&one)
            ));
            Split::Off
        }
        (validation, test) => Split::Datasets { validation, test, method, together },
    }
}

/// A share, or another dataset.
fn side(at: &Option<At<'_>>, preset: f64) -> Side {
    let Some(at) = at else { return Side::Share(preset) };
    if at.is_off() {
        return Side::Share(0.0);
    }
    if !at.value.is_object() {
        return Side::Share(at.number(Range::SHARE).unwrap_or(preset));
    }
    let mut dataset = String::new();
    if let Some(mut object) = at.object() {
        match object.field("dataset") {
            Some(at) => dataset = at.text().unwrap_or("").to_owned(),
            None => object.fault("lacks \"dataset\""),
        }
        object.finish();
    }
    Side::Dataset(dataset)
}

fn group_column(proof: &Proof<'_>, at: &At<'_>) -> String {
    let name = at.text().unwrap_or("");
    if let Some(column) = proof.column(at, name)
        && column.distinct < 2
    {
        at.fault(format!("column {} holds one group only", quoted_text(name)));
    }
    name.to_owned()
}

fn by_folds(proof: &Proof<'_>, at: &At<'_>, fold: Option<&At<'_>>, by: FoldBy, test: f64) -> Folds {
    let folds = at.whole(2, FOLDS).unwrap_or(5);
    let fold = fold.and_then(|at| at.whole(1, folds));
    if let Some(schema) = proof.schema {
        let divided = schema.rows as f64 * (1.0 - test);
        if divided < folds as f64 {
            at.fault(format!("{} rows cannot be divided into {folds} folds", divided.round()));
        }
        if let FoldBy::Group(name) = &by
            && let Some(column) = schema.column(name)
            && column.distinct < folds
            && column.missing == 0
        {
            at.fault(format!(
                "column {} holds {} groups, too few for {folds} folds",
                quoted_text(name),
                column.distinct
            ));
        }
    }
    Folds { folds, fold, by, test }
}

fn stratifies(target: &Target) -> bool {
    matches!(target.kind, TargetType::Classification | TargetType::Binary)
}

fn method(at: &At<'_>, natural: Method, targets: &[Target]) -> Method {
    match at.word(&METHODS) {
        Some("random") => Method::Random,
        Some("sequential") => Method::Sequential,
        Some("stratified") if !targets.is_empty() && !targets.iter().any(stratifies) => {
            at.fault("\"stratified\" keeps the shares of classes, and no target has classes: use \"random\"");
            natural
        }
        _ => natural,
    }
}

fn exclusive<const N: usize>(at: &At<'_>, fields: [(&str, bool); N]) {
    let there: Vec<String> = fields.iter().filter(|(_, there)| *there).map(|(name, _)| format!("\"{name}\"")).collect();
    if there.len() > 1 {
        at.fault(format!("{} exclude each other: keep one of them", there.join(" and ")));
    }
}

fn refuse(fields: &[(&str, &Option<At<'_>>)], reason: &str) {
    for (name, at) in fields {
        if let Some(at) = at {
            at.fault(format!("leave \"{name}\" out here: {reason}"));
        }
    }
}

fn leaves_rows(at: &At<'_>, validation: f64, test: f64) {
    if validation + test >= 1.0 {
        at.fault(format!("validation {validation} and test {test} leave nothing to train on"));
    }
}

/// A share that rounds to no row would be empty.
fn enough_rows(proof: &Proof<'_>, at: &At<'_>, validation: f64, test: f64) {
    let Some(schema) = proof.schema else { return };
    for (name, share) in [("validation", validation), ("test", test)] {
        if share > 0.0 && (schema.rows as f64 * share).round() < 1.0 {
            at.fault(format!("{name} {share} of {} rows is less than one row: write 0 or raise it", schema.rows));
        }
    }
}

fn by_column(proof: &Proof<'_>, at: &At<'_>) -> Split {
    let name = at.text().unwrap_or("");
    let split = |validation| Split::Column { column: name.to_owned(), validation };
    let Some(column) = proof.column(at, name) else { return split(true) };
    let (mut has_train, mut has_validation) = (false, false);
    // The schema lists the values of a column that has few; one with many cannot be right.
    let Some(counts) = column.counts() else {
        at.fault(format!(
            "column {} holds {} distinct values; it must say train, validation or test (or be a boolean)",
            quoted_text(name),
            column.distinct
        ));
        return split(true);
    };
    for (value, _) in counts {
        match value.as_str() {
            "train" => has_train = true,
            "validation" => has_validation = true,
            "test" => {}
            "false" if column.kind == Kind::Boolean => has_train = true,
            "true" if column.kind == Kind::Boolean => has_validation = true,
            other => {
                at.fault(format!(
                    "column {} holds {}; it must say train, validation or test (or be a boolean, whose true is validation)",
                    quoted_text(name),
                    quoted_text(other)
                ));
                return split(true);
            }
        }
    }
    if !has_train {
        at.fault(format!("column {} leaves no row to train on", quoted_text(name)));
    }
    split(has_validation)
}
