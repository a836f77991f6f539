//! Why a job failed, as the problem object that its `error` shows: what happened, where, and what to change.
//!
//! These documents are read by clients: no path, no SQL and no backtrace gets in.

use serde_json::{Map, Value, json};

use crate::store::StoreError;
use crate::train::Divergence;

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

    /// The numbers of the run stopped being finite; `lower` is a learning rate to try.
    pub fn diverged(divergence: &Divergence, lower: Option<f64>) -> Self {
        let Divergence { tensor, kind, epoch, step, rows } = divergence;
        let layer = tensor.strip_suffix(".weight").or_else(|| tensor.strip_suffix(".bias")).unwrap_or(tensor);
        let shown: Vec<String> = rows.iter().take(10).map(ToString::to_string).collect();
        let more = if rows.len() > shown.len() { ", …" } else { "" };
        let detail = format!(
            "{kind} of {tensor} is not finite at step {step}, in epoch {}; the batch had the rows {}{more}",
            epoch + 1,
            shown.join(", ")
        );
        let advice = match (*kind, lower) {
            ("input", _) => "look at these rows: an input is not finite, or far too large".to_owned(),
            (_, Some(lower)) => format!(
                "lower the learning rate (say to {lower}), clip the gradient, and look at the inputs of these rows; the last finite \
                 checkpoint is kept"
            ),
            (_, None) => "lower the learning rate, clip the gradient, and look at the inputs of these rows".to_owned(),
        };
        let patch = lower.map(|lower| json!({"optimizer": {"learning_rate": lower}}));
        let more = json!({
            "tensor": tensor, "layer": layer, "kind": kind, "epoch": epoch, "step": step, "rows": rows,
            "advice": advice, "patch": patch,
        });
        Self::new("diverged", "The numbers stopped being finite", detail, more)
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
