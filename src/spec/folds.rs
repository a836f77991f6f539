//! From the spec of a cross-validation to those of its folds.

use serde_json::{Value, json};

/// Letters that a name may have.
const NAME: usize = 64;

/// The spec (as sent, or resolved) of one fold, from 1, of the cross-validation that `spec` asks for; a name gets the fold's number.
pub fn fold(spec: &Value, fold: u64) -> Value {
    let mut own = spec.clone();
    if let Some(split) = own.get_mut("split").and_then(Value::as_object_mut) {
        split.insert("fold".to_owned(), fold.into());
    }
    if let Some(name) = spec.get("name").and_then(Value::as_str) {
        let ending = format!("-fold-{fold}");
        let kept: String = name.chars().take(NAME - ending.len()).collect();
        own["name"] = json!(kept + &ending);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_differs_by_its_number_alone() {
        let spec = json!({"dataset": "iris", "target": "species", "name": "x".repeat(64), "split": {"k_folds": 5}});
        let own = fold(&spec, 3);
        assert_eq!(own["split"], json!({"k_folds": 5, "fold": 3}));
        assert_eq!(own["name"].as_str().map(str::len), Some(64));
        assert_eq!((&own["dataset"], &own["target"]), (&spec["dataset"], &spec["target"]));
    }
}
