//! Merge patches (RFC 7396) with one rule more: what changes its `type` starts anew.

use serde_json::{Map, Value};

/// Applies a merge patch to a request: `null` removes, objects merge, everything else (arrays too) replaces.
///
/// Beyond RFC 7396: where the patch changes the `type` of an object (or replaces an object by the bare name of another type, or a bare name by an
/// object), the members that it does not name are dropped, because they belonged to the old type. Naming the same type again changes nothing else.
pub fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut result = match target {
        Value::Object(old) if same_type(old, changes) => old.clone(),
        // `"optimizer":"adam"` patched with `{"learning_rate":…}` keeps its type.
        Value::String(name) if !changes.contains_key("type") => {
            Map::from_iter([("type".to_owned(), Value::String(name.clone()))])
        }
        _ => Map::new(),
    };
    for (key, change) in changes {
        if change.is_null() {
            result.shift_remove(key);
        } else {
            let merged = merge_patch(result.get(key).unwrap_or(&Value::Null), change);
            result.insert(key.clone(), merged);
        }
    }
    Value::Object(result)
}

fn same_type(old: &Map<String, Value>, changes: &Map<String, Value>) -> bool {
    match (old.get("type"), changes.get("type")) {
        (Some(old), Some(new)) => old == new,
        // The old object had no type, or the patch leaves it as it is.
        _ => true,
    }
}
