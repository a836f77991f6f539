//! Why a job failed, as the problem object that its `error` shows: what happened, where, and what to change.
//!
//! These documents are read by clients: no path, no SQL and no backtrace gets in.

use serde_json::{Map, Value, json};

use crate::store::StoreError;

/// Ends a job: how it is called, and what is told of it.
#[derive(Debug)]
pub(super) struct Failure {
    /// `diverged`, `failed_check` or `error`.
    pub stop_reason: &'static str,
    /// The problem object.
    pub error: Value,
}

impl Failure {
    /// Makes a failure of its code, a title and a sentence; `more` are further members of the object.
    pub fn new(code: &str, title: &str, detail: impl Into<String>, more: Value) -> Self {
        let mut error = Map::new();
        error.insert("type".to_owned(), format!("/problems/{}", code.replace('_', "-")).into());
        error.insert("code".to_owned(), code.into());
        error.insert("title".to_owned(), title.into());
        error.insert("detail".to_owned(), detail.into().into());
        if let Value::Object(more) = more {
            error.extend(more);
        }
        let stop_reason = match code {
            "diverged" => "diverged",
            "failed_check" => "failed_check",
            _ => "error",
        };
        Self { stop_reason, error: Value::Object(error) }
    }

    /// A fault of ours: the log has it, the client gets the number of the attempt to name.
    pub fn internal(attempt: u32) -> Self {
        let detail = "a fault in the server ended the job; its log has the details";
        Self::new("internal", "A fault in the server", detail, json!({"attempt": attempt}))
    }

    /// The data of the job cannot be read or encoded.
    pub fn data(detail: impl Into<String>) -> Self {
        let advice = "look at the dataset's profile and warnings, then submit the job again";
        Self::new("data", "The data cannot be trained on", detail, json!({"advice": advice}))
    }

    /// What the job was taken in with can no longer be had.
    pub fn gone(what: &str) -> Self {
        Self::new(
            "gone",
            "Something the job needs is gone",
            format!("{what} was deleted before the job ran"),
            Value::Null,
        )
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, key } => Self::gone(&format!("{what} {key}")),
            StoreError::Damaged { what } => Self::new(
                "damaged",
                "Stored bytes are damaged",
                format!("{what} differs from its checksum"),
                Value::Null,
            ),
            other => {
                tracing::error!(error = %other, "the store failed a job");
                Self::new(
                    "store",
                    "The store failed",
                    "the server could not read or write its data directory",
                    Value::Null,
                )
            }
        }
    }
}
