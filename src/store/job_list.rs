//! The list of jobs: filters, order and cursor.
use super::*;

/// Says which jobs a list has. Values of one field are alternatives; fields must all hold.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Statuses.
    pub status: Vec<Status>,
    /// Ids or names of datasets.
    pub dataset: Vec<String>,
    /// Tags, all of which must be there with this value (`None`: with any).
    pub tags: Vec<(String, Option<String>)>,
    /// Names.
    pub name: Vec<String>,
    /// Ids.
    pub id: Vec<JobId>,
    /// The parent's id.
    pub parent: Option<JobId>,
}

/// Names what a list can be sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// When it came in.
    Created,
    /// When a worker first took it.
    Started,
    /// When it finished.
    Finished,
    /// Its name.
    Name,
    /// Its status.
    Status,
    /// Its priority.
    Priority,
    /// Seconds of training.
    TrainSeconds,
    /// Number of parameters.
    Parameters,
    /// The best value of the monitored metric.
    BestValue,
    /// The epoch of the best value.
    BestEpoch,
    /// A number of the last epoch: `val_loss`, …
    Last(String),
    /// A value of the spec, by its field names from the root: `["optimizer", "learning_rate"]`.
    Spec(Vec<String>),
}

impl SortKey {
    /// Reads a key as a client writes it: `created_at`, `best.value`, `last.val_loss`, `spec.optimizer.learning_rate`, …
    ///
    /// # Errors
    /// A message for the client that names the keys there are.
    pub fn parse(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }
}

/// Says how a list is ordered; jobs that have no such value come last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSort {
    /// By what.
    pub key: SortKey,
    /// Largest first.
    pub descending: bool,
}

/// Holds one page of a list.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Leads to the next page, if there is one.
    pub next: Option<String>,
}

impl Store {
    /// Lists jobs, newest first unless `sort` says otherwise. `documents` adds request, spec and transitions.
    ///
    /// # Errors
    /// [`StoreError::Cursor`].
    pub async fn job_list(
        &self,
        _filter: &JobFilter,
        _sort: Option<&JobSort>,
        _limit: u32,
        _after: Option<&str>,
        _documents: bool,
    ) -> Result<JobPage, StoreError> {
        unimplemented!()
    }
}
