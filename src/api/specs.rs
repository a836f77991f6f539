//! From a request's JSON to a proved spec: looks up what it names and lets `spec` prove the rest.
//!
//! Not here: what a spec means (`spec`). What is missing is a fault of the body at its pointer, beside all its others.

use std::collections::BTreeMap;

use serde_json::Value;

use super::App;
use super::datasets;
use super::error::spec_faults;
use super::problem::{Kind, Problem};
use crate::id::{JobId, WeightsId};
use crate::spec::{self, Fault, Limits, Reference, ReferenceKind, ResolvedSpec, Schema, VectorsShape};
use crate::store::{Dataset, StoreError, Weights};

/// A spec that holds, with the datasets it needs.
pub(super) struct Proved {
    pub(super) spec: ResolvedSpec,
    pub(super) schema: Schema,
    /// `None` only for a sample that a dry run does not install.
    pub(super) dataset: Option<Dataset>,
    /// Datasets of their own that validate or test.
    pub(super) others: Vec<Dataset>,
}

/// Proves `request`; a sample is installed only when the result is to be `kept`.
pub(super) async fn prove(app: &App, request: &Value, kept: bool) -> Result<Proved, Problem> {
    // What the server can never hold is refused now; what it can hold later waits in the queue.
    let limits = Limits { memory_bytes: app.limits().memory_bytes, ..Limits::default() };
    if !request.is_object() {
        return Err(spec_faults(vec![fault(
            "",
            "a job spec is a JSON object, such as {\"dataset\":\"iris\",\"target\":\"species\"}",
        )]));
    }
    let mut missing = Vec::new();
    let mut schema = None;
    let mut dataset = None;
    let (mut validation, mut test) = (None, None);
    let mut others = Vec::new();
    let mut exact = request.clone();
    let mut vectors = BTreeMap::new();
    for reference in spec::references(request) {
        let found = look_up(app, &reference, kept).await?;
        match (reference.kind, found) {
            (ReferenceKind::Dataset, Found::Dataset(it)) => {
                schema = Some(datasets::schema(&it)?);
                dataset = Some(*it);
            }
            (ReferenceKind::Dataset, Found::Sample(it)) => schema = Some(it),
            (kind @ (ReferenceKind::ValidationDataset | ReferenceKind::TestDataset), Found::Dataset(it)) => {
                let part = if kind == ReferenceKind::TestDataset { &mut test } else { &mut validation };
                *part = Some(Box::new(datasets::schema(&it)?));
                // Its name may lead to other bytes later.
                if let Some(value) = exact.pointer_mut(&reference.pointer) {
                    *value = it.id.to_string().into();
                }
                others.push(*it);
            }
            (ReferenceKind::ValidationDataset, Found::Sample(it)) => validation = Some(Box::new(it)),
            (ReferenceKind::TestDataset, Found::Sample(it)) => test = Some(Box::new(it)),
            (_, Found::Missing(detail)) => missing.push(fault(&reference.pointer, &detail)),
            (ReferenceKind::Vectors, Found::Vectors(shape)) => {
                vectors.insert(reference.value, shape);
            }
            (_, Found::Dataset(_) | Found::Sample(_) | Found::Vectors(_) | Found::Other) => {}
        }
    }
    let Some(mut schema) = schema else {
        missing.extend(spec::shape_faults(request, &limits));
        return Err(spec_faults(missing));
    };
    (schema.validation, schema.test, schema.vectors) = (validation, test, vectors);
    let proved = if is_large(&exact) {
        // The others of this thread must not wait for it.
        tokio::task::block_in_place(|| spec::prove(&exact, &schema, &limits))
    } else {
        spec::prove(&exact, &schema, &limits)
    };
    match proved {
        Ok(spec) if missing.is_empty() => Ok(Proved { spec, schema, dataset, others }),
        Ok(_) => Err(spec_faults(missing)),
        Err(faults) => {
            missing.extend(faults);
            Err(spec_faults(missing))
        }
    }
}

/// So many values in a document are proved in less than a millisecond.
const QUICK: usize = 1000;

/// Says whether a document has more values than are quickly proved; looks at no more of them than that.
pub(super) fn is_large(document: &Value) -> bool {
    let mut left = QUICK;
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        let inner = match value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            // A long text counts, too: sixteen bytes as one value.
            Value::String(text) => text.len() / 16,
            _ => 0,
        };
        if inner >= left {
            return true;
        }
        left -= inner;
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    false
}

fn fault(pointer: &str, detail: &str) -> Fault {
    Fault { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

enum Found {
    Dataset(Box<Dataset>),
    Sample(Schema),
    Vectors(VectorsShape),
    Other,
    Missing(String),
}

async fn look_up(app: &App, reference: &Reference, kept: bool) -> Result<Found, Problem> {
    let value = reference.value.as_str();
    match reference.kind {
        ReferenceKind::Dataset | ReferenceKind::ValidationDataset | ReferenceKind::TestDataset => {
            match value.strip_prefix("sample:") {
                Some(name) => sample(app, name, kept).await,
                None => match app.store().dataset_get(value).await {
                    Ok(dataset) => Ok(Found::Dataset(Box::new(dataset))),
                    Err(StoreError::NotFound { .. }) => Ok(Found::Missing(no_dataset(app, value).await?)),
                    Err(error) => Err(error.into()),
                },
            }
        }
        ReferenceKind::Job => match value.parse::<JobId>() {
            Ok(id) => found(app.store().job_status(id).await.map(drop), "job", value),
            Err(error) => Ok(Found::Missing(error.to_string())),
        },
        ReferenceKind::Weights => match value.parse::<WeightsId>() {
            Ok(id) => found(app.store().weights_get(id).await.map(drop), "weights", value),
            Err(error) => Ok(Found::Missing(error.to_string())),
        },
        ReferenceKind::Vectors => match value.parse::<WeightsId>() {
            Ok(id) => match app.store().weights_get(id).await {
                Ok(weights) => word_vectors(app, &weights).await,
                Err(error) => found(Err(error), "weights", value),
            },
            Err(error) => Ok(Found::Missing(error.to_string())),
        },
    }
}

/// What is in uploaded word vectors, by their header.
async fn word_vectors(app: &App, weights: &Weights) -> Result<Found, Problem> {
    let path = app.store().weights_file(weights);
    let open = move || Ok(crate::data::vectors::shape(&mut std::fs::File::open(path).map_err(Problem::internal)?));
    Ok(match app.blocking(open).await? {
        Ok((words, dim)) => Found::Vectors(VectorsShape { words: words as u64, dim: dim as u64 }),
        Err(detail) => Found::Missing(format!("{} {detail}", weights.id)),
    })
}

fn found(outcome: Result<(), StoreError>, what: &str, value: &str) -> Result<Found, Problem> {
    match outcome {
        Ok(()) => Ok(Found::Other),
        Err(StoreError::NotFound { .. }) => Ok(Found::Missing(Problem::not_found(what, value).detail().to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// Tells what there is instead: the nearest name, or a sample of that name.
async fn no_dataset(app: &App, value: &str) -> Result<String, Problem> {
    let plain = Problem::not_found("dataset", value).detail().to_owned();
    let (datasets, _) = app.store().dataset_list(None, 1000, None).await?;
    let names: Vec<&str> = datasets.iter().filter_map(|dataset| Some(dataset.name.as_ref()?.as_str())).collect();
    let near = super::extract::nearest(value, names.iter().copied());
    Ok(match (near, crate::data::samples::get(value)) {
        (_, Some(sample)) => format!("{plain}; the bundled one is `sample:{}`", sample.name),
        (Some(name), None) => format!("{plain}; did you mean `{name}`?"),
        (None, None) => format!("{plain}; `GET /v1/datasets` lists them, `POST /v1/datasets` uploads one"),
    })
}

async fn sample(app: &App, name: &str, kept: bool) -> Result<Found, Problem> {
    let drawn = match crate::data::samples::find(name) {
        Ok(Some(drawn)) => drawn,
        Ok(None) => return Ok(Found::Missing(Problem::not_found("sample", name).detail().to_owned())),
        Err(detail) => return Ok(Found::Missing(detail)),
    };
    if kept {
        return Ok(Found::Dataset(Box::new(datasets::sample(app, drawn).await?)));
    }
    let (rows, profile) = app.blocking(move || datasets::profile_of(&drawn.csv())).await?;
    Ok(Found::Sample(Schema::from_profile(rows, &profile)))
}

/// A dataset that the spec was proved with must be stored before a job can name it.
pub(super) fn stored(dataset: Option<Dataset>) -> Result<Dataset, Problem> {
    dataset.ok_or_else(|| Problem::new(Kind::Internal, "the dataset of the job was not stored"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_large;

    #[test]
    fn a_document_is_large_by_its_values_wherever_they_stand() {
        assert!(!is_large(&json!({"dataset": "iris", "target": "species", "hidden_layers": [64, 64]})));
        assert!(is_large(&json!({"batches": [vec![0; 2000]]})));
        assert!(is_large(&json!({"batches": vec![[0, 1]; 400]})));
        assert!(is_large(&json!({"name": "x".repeat(20_000)})));
    }
}
