//! The list of jobs: filters, order and cursor.
use serde_json::Value;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};

use super::job::{self, Job, columns};
use super::{Status, Store, StoreError, place};
use crate::id::{AutotrainId, JobId};

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
    /// Leaves out jobs that others lead, or that an autotrain run tries: they are told with these.
    pub only_roots: bool,
    /// The autotrain run that made them.
    pub autotrain: Option<AutotrainId>,
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
    pub fn parse(text: &str) -> Result<Self, String> {
        let key = match text {
            "created_at" | "id" => Self::Created,
            "started_at" => Self::Started,
            "finished_at" => Self::Finished,
            "name" => Self::Name,
            "status" => Self::Status,
            "priority" => Self::Priority,
            "train_seconds" => Self::TrainSeconds,
            "parameters" => Self::Parameters,
            "best.value" => Self::BestValue,
            "best.epoch" => Self::BestEpoch,
            _ => {
                // Quotes and controls cannot be part of a path that SQLite reads.
                let plain =
                    |name: &str| !name.is_empty() && !name.chars().any(|c| c == '"' || c == '\\' || c.is_control());
                let (root, rest) = text.split_once('.').unwrap_or((text, ""));
                let names: Vec<String> = rest.split('.').map(str::to_owned).collect();
                match root {
                    "last" if plain(rest) => Self::Last(rest.to_owned()),
                    "spec" if names.iter().all(|name| plain(name)) => Self::Spec(names),
                    _ => {
                        return Err(format!(
                            "cannot sort by {text:?}; there are created_at, started_at, finished_at, name, status, priority, \
                             train_seconds, parameters, best.value, best.epoch, last.<metric> and spec.<field>"
                        ));
                    }
                }
            }
        };
        Ok(key)
    }

    /// Gives the expression, and the path that it takes as its one parameter.
    fn sql(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Created => ("seq", None),
            Self::Started => ("started_at", None),
            Self::Finished => ("finished_at", None),
            Self::Name => ("name", None),
            Self::Status => ("status", None),
            Self::Priority => ("priority", None),
            Self::TrainSeconds => ("train_seconds", None),
            Self::Parameters => ("parameters", None),
            Self::BestValue => ("best_value", None),
            Self::BestEpoch => ("best_epoch", None),
            Self::Last(name) => ("json_extract(last, ", Some(format!("$.\"{name}\""))),
            Self::Spec(names) => {
                let path: String = names.iter().map(|name| format!(".\"{name}\"")).collect();
                ("json_extract(spec, ", Some(format!("${path}")))
            }
        }
    }

    fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        let (expression, path) = self.sql();
        query.push(expression);
        if let Some(path) = path {
            query.push_bind(path).push(")");
        }
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

impl JobSort {
    /// Reads an order as a client writes it: a key, with `-` before it for the largest first.
    ///
    /// # Errors
    /// A message for the client that names the keys there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (descending, key) = text.strip_prefix('-').map_or((false, text), |key| (true, key));
        Ok(Self { key: SortKey::parse(key)?, descending })
    }
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
        filter: &JobFilter,
        sort: Option<&JobSort>,
        limit: u32,
        after: Option<&str>,
        documents: bool,
    ) -> Result<JobPage, StoreError> {
        let newest = JobSort { key: SortKey::Created, descending: true };
        let sort = sort.unwrap_or(&newest);
        let mut connection = self.read().await?;
        let rows = select(&mut connection, filter, sort, limit, after, documents).await?;
        let more = rows.len() > limit as usize;
        let rows = rows.get(..limit as usize).unwrap_or(&rows);
        let next = if more { rows.last().map(cursor_of).transpose()? } else { None };
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            let mut job = job::from_row(row)?;
            if documents {
                let transitions = job::transitions(&mut connection, row.try_get("seq")?).await?;
                job::add_documents(row, &transitions, &mut job)?;
            }
            jobs.push((row.try_get("seq")?, job));
        }
        place::add(&mut connection, &mut jobs).await?;
        Ok(JobPage { jobs: jobs.into_iter().map(|(_, job)| job).collect(), next })
    }

    /// Counts the jobs that a filter leaves.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database.
    pub async fn job_count(&self, filter: &JobFilter) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM job WHERE TRUE");
        push_filter(&mut query, filter);
        let count: i64 = query.build_query_scalar().fetch_one(&mut *self.read().await?).await?;
        Ok(count as u64)
    }
}

async fn select(
    connection: &mut SqliteConnection,
    filter: &JobFilter,
    sort: &JobSort,
    limit: u32,
    after: Option<&str>,
    documents: bool,
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(columns!()).push(if documents { ", request, spec, " } else { ", " });
    sort.key.push(&mut query);
    query.push(" AS sorted FROM job WHERE TRUE");
    push_filter(&mut query, filter);
    if let Some(after) = after {
        push_after(&mut query, sort, after)?;
    }
    let direction = if sort.descending { " DESC" } else { " ASC" };
    if sort.key == SortKey::Created {
        query.push(" ORDER BY seq").push(direction); // walks the table, and stops at the limit
    } else {
        query.push(" ORDER BY sorted IS NULL, sorted").push(direction).push(", seq DESC");
    }
    query.push(" LIMIT ").push_bind(i64::from(limit) + 1);
    Ok(query.build().fetch_all(connection).await?)
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &JobFilter) {
    fn any_of(query: &mut QueryBuilder<Sqlite>, column: &'static str, values: Vec<String>) {
        query.push(column).push(" IN (");
        let mut list = query.separated(", ");
        for value in values {
            list.push_bind(value);
        }
        query.push(")");
    }
    if !filter.status.is_empty() {
        query.push(" AND ");
        any_of(query, "status", filter.status.iter().map(ToString::to_string).collect());
    }
    if !filter.name.is_empty() {
        query.push(" AND ");
        any_of(query, "name", filter.name.clone());
    }
    if !filter.id.is_empty() {
        query.push(" AND ");
        any_of(query, "id", filter.id.iter().map(ToString::to_string).collect());
    }
    if !filter.dataset.is_empty() {
        query.push(" AND (");
        any_of(query, "dataset", filter.dataset.clone());
        query.push(" OR ");
        any_of(query, "dataset_name", filter.dataset.clone());
        query.push(" OR ");
        let digests = filter.dataset.iter().map(|key| key.trim_start_matches("sha256:").to_owned()).collect();
        any_of(query, "dataset_sha256", digests);
        query.push(")");
    }
    if let Some(parent) = filter.parent {
        query.push(" AND parent_job = ").push_bind(parent.to_string());
    }
    if let Some(run) = filter.autotrain {
        query.push(" AND json_extract(parent, '$.autotrain') = ").push_bind(run.to_string());
    }
    if filter.only_roots {
        query.push(" AND family IS NULL AND autotrain IS NULL");
    }
    for (key, value) in &filter.tags {
        query.push(" AND EXISTS (SELECT 1 FROM json_each(job.tags) AS tag WHERE tag.key = ").push_bind(key.clone());
        if let Some(value) = value {
            query.push(" AND tag.value = ").push_bind(value.clone());
        }
        query.push(")");
    }
}

/// A cursor is the number of the last row and, for other orders than by time, the value it was sorted by.
fn cursor_of(row: &SqliteRow) -> Result<String, StoreError> {
    use sqlx::{TypeInfo, ValueRef};
    let seq: i64 = row.try_get("seq")?;
    let raw = row.try_get_raw("sorted")?;
    let value = match raw.type_info().name() {
        _ if raw.is_null() => Value::Null,
        "INTEGER" => Value::from(row.try_get::<i64, _>("sorted")?),
        "REAL" => Value::from(row.try_get::<f64, _>("sorted")?),
        _ => Value::from(row.try_get::<String, _>("sorted")?),
    };
    Ok(format!("{seq}-{}", super::file::hex(value.to_string().as_bytes())))
}

fn read_cursor(text: &str) -> Option<(i64, Value)> {
    let (seq, value) = text.split_once('-')?;
    let digits = |at: usize| value.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..value.len()).step_by(2).map(digits).collect();
    Some((seq.parse().ok()?, serde_json::from_slice(&bytes?).ok()?))
}

fn push_after(query: &mut QueryBuilder<Sqlite>, sort: &JobSort, after: &str) -> Result<(), StoreError> {
    let (seq, value) = read_cursor(after).ok_or_else(|| StoreError::Cursor(after.to_owned()))?;
    let beyond = if sort.descending { " < " } else { " > " };
    if sort.key == SortKey::Created {
        query.push(" AND seq").push(beyond).push_bind(seq);
        return Ok(());
    }
    if value.is_null() {
        query.push(" AND sorted IS NULL AND seq < ").push_bind(seq);
        return Ok(());
    }
    let bind = |query: &mut QueryBuilder<Sqlite>| {
        match &value {
            Value::Number(n) if n.is_i64() => query.push_bind(n.as_i64()),
            Value::Number(n) => query.push_bind(n.as_f64()),
            Value::String(text) => query.push_bind(text.clone()),
            _ => query.push("NULL"),
        };
    };
    query.push(" AND (sorted IS NULL OR sorted").push(beyond);
    bind(query);
    query.push(" OR (sorted = ");
    bind(query);
    query.push(" AND seq < ").push_bind(seq).push("))");
    Ok(())
}
