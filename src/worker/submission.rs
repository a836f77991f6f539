//! From a proved spec to the row of a job, and of those that it leads.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::spec::{self, ResolvedSpec};
use crate::store::{Dataset, JobDataset, NewJob, NewMember};

/// Makes what the store takes in as a job: of `request`, which was proved to be `spec` on `dataset`. Who asked, what else it uses and where it
/// comes from are the caller's to add.
pub fn new_job(request: Value, spec: &ResolvedSpec, dataset: &Dataset) -> NewJob {
    let resolved = spec.to_json();
    let members = (1..=spec.folds().unwrap_or(0)).map(|fold| member(&request, &resolved, fold)).collect();
    NewJob {
        name: spec.name().map(str::to_owned),
        priority: i32::try_from(spec.priority()).unwrap_or(0),
        tags: tags(spec.tags()),
        dataset: JobDataset {
            id: dataset.id,
            name: dataset.name.as_ref().map(ToString::to_string),
            sha256: dataset.sha256.clone(),
        },
        also_uses: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arithmetic_version: crate::train::ARITHMETIC_VERSION,
        request_id: None,
        request,
        spec: resolved,
        parameters: Some(spec.parameters()),
        memory_bytes: Some(spec.memory_bytes()),
        parent: None,
        // Warnings are plain structs of texts: nothing in them can fail to become JSON.
        warnings: serde_json::to_value(spec.warnings()).unwrap_or_default(),
        idempotency: None,
        queue_limit: None,
        members,
    }
}

/// One fold of a cross-validation, as a job that it leads.
fn member(request: &Value, resolved: &Value, fold: u64) -> NewMember {
    let (request, spec) = (spec::fold(request, fold), spec::fold(resolved, fold));
    let name = spec.get("name").and_then(Value::as_str).map(str::to_owned);
    NewMember { name, request, spec, parent: json!({"relation": "fold", "fold": fold}) }
}

fn tags(fields: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}
