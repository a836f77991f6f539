//! Reports of checks.
use serde_json::Value;

use super::*;
use crate::id::CheckId;

/// Holds a report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its id.
    pub id: CheckId,
    /// The job it is about, if any.
    pub job: Option<JobId>,
    /// `gradient`, `initial_loss`, …
    pub kind: String,
    /// `passed`, `warning`, `failed`, …
    pub verdict: String,
    /// All of it.
    pub document: Value,
    /// When it was made.
    pub created_at: Time,
}

/// Holds what makes a report.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// `gradient`, `initial_loss`, …
    pub kind: String,
    /// `passed`, `warning`, `failed`, …
    pub verdict: String,
    /// All of it.
    pub document: Value,
}

impl Store {
    /// Writes the report of a check that ran outside a worker.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn report_put(&self, _job: Option<JobId>, _new: NewReport) -> Result<Report, StoreError> {
        unimplemented!()
    }
    /// Reads a report.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn report_get(&self, _id: CheckId) -> Result<Report, StoreError> {
        unimplemented!()
    }
    /// Lists reports, newest first: of a job or of all, of a kind or of all.
    pub async fn report_list(
        &self,
        _job: Option<JobId>,
        _kind: Option<&str>,
        _limit: u32,
        _after: Option<&str>,
    ) -> Result<(Vec<Report>, Option<String>), StoreError> {
        unimplemented!()
    }
}
