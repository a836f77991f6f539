//! What a request names outside itself: datasets, jobs, weights. The caller looks them up before it asks for the proof.

use serde_json::Value;

use super::read::escaped;

/// Something outside the body that a spec names; the caller looks it up and puts its fault at `pointer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where the body names it.
    pub pointer: String,
    /// What is named.
    pub kind: ReferenceKind,
    /// The id or name, as sent.
    pub value: String,
}

/// What a [`Reference`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceKind {
    /// The dataset to train on (`/dataset`).
    Dataset,
    /// The dataset to validate on (`/split/validation/dataset`).
    ValidationDataset,
    /// The dataset to test on (`/split/test/dataset`).
    TestDataset,
    /// Uploaded weights (`/warm_start/weights`).
    Weights,
    /// Uploaded word vectors (`/inputs/embeddings/NAME/vectors`).
    Vectors,
    /// Another job (`/warm_start/job`).
    Job,
}

/// What the request names outside itself. Values of a wrong type are left to the proof.
pub fn references(request: &Value) -> Vec<Reference> {
    const PLACES: [(&str, ReferenceKind); 5] = [
        ("/dataset", ReferenceKind::Dataset),
        ("/split/validation/dataset", ReferenceKind::ValidationDataset),
        ("/split/test/dataset", ReferenceKind::TestDataset),
        ("/warm_start/job", ReferenceKind::Job),
        ("/warm_start/weights", ReferenceKind::Weights),
    ];
    let mut list: Vec<Reference> =
        PLACES.iter().filter_map(|(place, kind)| reference(request, (*place).to_owned(), *kind)).collect();
    if let Some(tables) = request.pointer("/inputs/embeddings").and_then(Value::as_object) {
        let places = tables.keys().map(|name| format!("/inputs/embeddings/{}/vectors", escaped(name)));
        list.extend(places.filter_map(|place| reference(request, place, ReferenceKind::Vectors)));
    }
    list
}

fn reference(request: &Value, pointer: String, kind: ReferenceKind) -> Option<Reference> {
    let value = request.pointer(&pointer)?.as_str()?.to_owned();
    Some(Reference { pointer, kind, value })
}
