//! What stands in for a missing value, by the form of the column: how it is read, and how it is shown.

use serde_json::{Value, json};

use super::catalogue::real;
use super::read::{At, Range, quoted_text, unknown};
use crate::data::encoder::{MissingCategory, MissingMoment, MissingNumber, MissingTruth};
use crate::data::parse_datetime;
use crate::data::table::format_datetime;

pub(super) fn number(at: &At<'_>) -> Option<MissingNumber> {
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

pub(super) fn truth(at: &At<'_>) -> Option<MissingTruth> {
    match (at.value.as_str(), at.value.as_bool()) {
        (Some("mean"), _) => Some(MissingTruth::Mean),
        (_, Some(truth)) => Some(MissingTruth::Constant(truth)),
        _ => {
            at.expected("\"mean\", true or false");
            None
        }
    }
}

/// `neutral` is the word for a category that is nothing.
pub(super) fn category(at: Option<At<'_>>, neutral: &str, preset: MissingCategory) -> MissingCategory {
    let Some(at) = at else { return preset };
    if let Some(mut object) = at.value.is_object().then(|| at.object()).flatten() {
        let constant = object.field("constant").and_then(|at| label(&at));
        if constant.is_none() && !object.has("constant") {
            object.fault("lacks \"constant\": the category that stands in");
        }
        object.finish();
        return constant.map_or(preset, MissingCategory::Constant);
    }
    match at.word(&["category", neutral, "most_frequent"]) {
        Some("category") => MissingCategory::Own,
        Some("most_frequent") => MissingCategory::MostFrequent,
        Some(_) => MissingCategory::Neutral,
        None => preset,
    }
}

/// A category as the client writes it.
fn label(at: &At<'_>) -> Option<String> {
    let text = at.text()?.trim();
    if text.is_empty() || text.len() > 1000 {
        at.fault("a category has 1 to 1000 characters");
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn moment(at: &At<'_>) -> Option<MissingMoment> {
    match at.text()? {
        "zeros" => Some(MissingMoment::Zeros),
        "mean" => Some(MissingMoment::Mean),
        "median" => Some(MissingMoment::Median),
        text => {
            let ms = parse_datetime(text);
            if ms.is_none() {
                at.fault(format!(
                    "must be \"zeros\", \"mean\", \"median\" or a time such as \"2026-11-05\", got {}",
                    quoted_text(text)
                ));
            }
            ms.map(MissingMoment::Constant)
        }
    }
}

pub(super) fn number_json(missing: MissingNumber) -> Value {
    match missing {
        MissingNumber::Mean => "mean".into(),
        MissingNumber::Median => "median".into(),
        MissingNumber::Constant(x) => real(x),
    }
}

pub(super) fn category_json(missing: &MissingCategory, neutral: &str) -> Value {
    match missing {
        MissingCategory::Own => "category".into(),
        MissingCategory::Neutral => neutral.into(),
        MissingCategory::MostFrequent => "most_frequent".into(),
        MissingCategory::Constant(label) => json!({ "constant": label }),
    }
}

pub(super) fn truth_json(missing: MissingTruth) -> Value {
    match missing {
        MissingTruth::Mean => "mean".into(),
        MissingTruth::Constant(truth) => truth.into(),
    }
}

pub(super) fn moment_json(missing: MissingMoment) -> Value {
    match missing {
        MissingMoment::Zeros => "zeros".into(),
        MissingMoment::Mean => "mean".into(),
        MissingMoment::Median => "median".into(),
        MissingMoment::Constant(ms) => format_datetime(ms).into(),
    }
}
