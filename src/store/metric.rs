//! Metrics: columns of 64-bit floats in chunks of at most 4,096 points, by epoch and by step.
use std::collections::HashMap;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::writer::Tx;
use super::{Store, StoreError, job, metric_thin};
use crate::id::JobId;

/// Points of a merged chunk.
pub(super) const CHUNK: u64 = 4096;
/// Points of a chunk that still grows: an append writes a chunk anew, so it must not be long.
const FRESH: u64 = 256;

/// Says by what points are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// A point an epoch; point 0 is the untrained network.
    Epoch,
    /// A point a step (or every so many).
    Step,
}

impl Axis {
    /// Gives the word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Axis::Epoch => "epoch",
            Axis::Step => "step",
        }
    }
}

/// Holds consecutive points of one axis, column by column.
#[derive(Debug, Clone)]
pub struct Points {
    /// By what they are counted.
    pub axis: Axis,
    /// The epoch or step that each point completes; strictly rising. What is not beyond the last stored one is dropped.
    pub keys: Vec<u64>,
    /// Names and values; a column has as many values as there are keys, [`MetricColumn::ABSENT`] where there is none.
    pub columns: Vec<(String, Vec<f64>)>,
}

/// Asks for metrics.
#[derive(Debug, Clone)]
pub struct MetricQuery {
    /// By what.
    pub axis: Axis,
    /// Which columns, in this order; empty: all there are, the index columns first.
    pub names: Vec<String>,
    /// The index of the first point: 0, or the `next` of the answer before.
    pub after: u64,
    /// At most so many points; with fewer than there are, `has_more`.
    pub limit: usize,
    /// Thins all points from `after` on to about so many, keeping minima and maxima.
    pub max_points: Option<usize>,
}

/// Holds columns of equal length.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The columns, in the order asked for.
    pub columns: Vec<MetricColumn>,
    /// Number of points in each.
    pub points: usize,
    /// The index of the point after the last one here.
    pub next: u64,
    /// More are stored beyond `next`.
    pub has_more: bool,
    /// Some were left out.
    pub downsampled: bool,
}

/// Holds one column of an answer.
#[derive(Debug, Clone)]
pub struct MetricColumn {
    /// Its name.
    pub name: String,
    /// Its values; `None` where there is none or it is not finite.
    pub values: Vec<Option<f64>>,
    /// The places and kinds of those that are not finite.
    pub nonfinite: Vec<(usize, Nonfinite)>,
}

impl MetricColumn {
    /// Stands for "no value at this point" among the values of [`Points`]: a NaN that no arithmetic makes.
    pub const ABSENT: f64 = f64::from_bits(0x7ff8_6162_7365_6e74);
}

/// Names what is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonfinite {
    /// Not a number.
    Nan,
    /// +∞.
    PositiveInfinity,
    /// −∞.
    NegativeInfinity,
}

impl Nonfinite {
    /// Gives the word: `nan`, `+inf`, `-inf`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Nonfinite::Nan => "nan",
            Nonfinite::PositiveInfinity => "+inf",
            Nonfinite::NegativeInfinity => "-inf",
        }
    }
}

impl Store {
    /// Reads metrics of a job; names that it does not have give columns without values.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn metric_read(&self, job: JobId, query: &MetricQuery) -> Result<Metrics, StoreError> {
        let mut connection = self.read().await?;
        let job = job::seq_of(&mut connection, job).await?;
        let total: Option<i64> = sqlx::query_scalar("SELECT points FROM metric_axis WHERE job = ? AND axis = ?")
            .bind(job)
            .bind(query.axis.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        let total = total.unwrap_or(0) as u64;
        let names = if query.names.is_empty() {
            names_of(&mut connection, job, query.axis).await?
        } else {
            query.names.clone()
        };
        let start = query.after.min(total);
        let thin = query.max_points.filter(|most| (total - start) as usize > *most);
        let end = if thin.is_some() { total } else { total.min(start + query.limit as u64) };
        let mut columns = Vec::with_capacity(names.len());
        match thin {
            Some(most) => {
                columns = metric_thin::read(&mut connection, job, query.axis, &names, start..end, most).await?
            }
            None => {
                for name in &names {
                    columns.push(read_column(&mut connection, job, query.axis, name, start, end).await?);
                }
            }
        }
        let points = columns.first().map_or((end - start) as usize, Vec::len);
        let columns = names.into_iter().zip(columns).map(|(name, values)| present(name, &values)).collect();
        Ok(Metrics { columns, points, next: end, has_more: end < total, downsampled: thin.is_some() })
    }

    /// Lists the names of a job's metrics by this axis, in the order in which they first came.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the job is not there.
    pub async fn metric_names(&self, job: JobId, axis: Axis) -> Result<Vec<String>, StoreError> {
        let mut connection = self.read().await?;
        let job = job::seq_of(&mut connection, job).await?;
        names_of(&mut connection, job, axis).await
    }
}

async fn names_of(connection: &mut SqliteConnection, job: i64, axis: Axis) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT name FROM metric_name WHERE job = ? AND axis = ? ORDER BY number")
        .bind(job)
        .bind(axis.as_str())
        .fetch_all(connection)
        .await?)
}

/// Reads points `start..end` of one metric; where none is stored there is [`MetricColumn::ABSENT`].
pub(super) async fn read_column(
    connection: &mut SqliteConnection,
    job: i64,
    axis: Axis,
    name: &str,
    start: u64,
    end: u64,
) -> Result<Vec<f64>, StoreError> {
    let mut values = vec![MetricColumn::ABSENT; (end - start) as usize];
    let mut chunks = sqlx::query(
        "SELECT start, points FROM metric_chunk
         WHERE job = ?1 AND axis = ?2 AND name = ?3 AND start < ?5 AND start > ?4 - 4096 AND start + count > ?4
         ORDER BY start",
    )
    .bind(job)
    .bind(axis.as_str())
    .bind(name)
    .bind(start as i64)
    .bind(end as i64)
    .fetch(connection);
    while let Some(chunk) = chunks.try_next().await? {
        let first = chunk.try_get::<i64, _>("start")? as u64;
        let skipped = start.saturating_sub(first) as usize;
        let at = first.saturating_sub(start) as usize;
        let Some(room) = values.get_mut(at..) else { continue };
        for (value, stored) in room.iter_mut().zip(floats(chunk.try_get("points")?).skip(skipped)) {
            *value = stored;
        }
    }
    Ok(values)
}

pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|eight| f64::from_le_bytes(*eight))
}

pub(super) fn to_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(super) fn is_absent(value: f64) -> bool {
    value.to_bits() == MetricColumn::ABSENT.to_bits()
}

/// Makes a column fit for JSON: what is not finite becomes `None`, and its place is told unless there simply is no value.
fn present(name: String, values: &[f64]) -> MetricColumn {
    let mut nonfinite = Vec::new();
    let mut shown = Vec::with_capacity(values.len());
    for (at, value) in values.iter().copied().enumerate() {
        if value.is_finite() {
            shown.push(Some(value));
            continue;
        }
        shown.push(None);
        if value == f64::INFINITY {
            nonfinite.push((at, Nonfinite::PositiveInfinity));
        } else if value == f64::NEG_INFINITY {
            nonfinite.push((at, Nonfinite::NegativeInfinity));
        } else if !is_absent(value) {
            nonfinite.push((at, Nonfinite::Nan));
        }
    }
    MetricColumn { name, values: shown, nonfinite }
}

/// Appends points beyond the last one stored; others were computed again after a crash and keep their place and first time.
pub(super) async fn append(tx: &mut Tx, job: i64, points: &Points) -> Result<(), StoreError> {
    let axis = points.axis;
    let row = sqlx::query("SELECT points, last_key FROM metric_axis WHERE job = ? AND axis = ?")
        .bind(job)
        .bind(axis.as_str())
        .fetch_optional(&mut tx.connection)
        .await?;
    let (stored, last) = match row {
        Some(row) => (row.try_get::<i64, _>("points")? as u64, Some(row.try_get::<i64, _>("last_key")? as u64)),
        None => (0, None),
    };
    let skip = points.keys.partition_point(|key| last.is_some_and(|last| *key <= last));
    let fresh = points.keys.len() - skip;
    let (Some(last), true) = (points.keys.last(), fresh > 0) else { return Ok(()) };
    for (name, _) in &points.columns {
        sqlx::query(
            "INSERT INTO metric_name (job, axis, number, name)
             SELECT ?1, ?2, (SELECT count(*) FROM metric_name WHERE job = ?1 AND axis = ?2), ?3
             WHERE NOT EXISTS (SELECT 1 FROM metric_name WHERE job = ?1 AND axis = ?2 AND name = ?3)",
        )
        .bind(job)
        .bind(axis.as_str())
        .bind(name)
        .execute(&mut tx.connection)
        .await?;
    }
    let mut done = 0;
    while done < fresh {
        // Up to the end of the short chunk that is begun, then chunk by chunk.
        let at = stored + done as u64;
        let start = at - at % FRESH;
        let count = ((start + FRESH - at) as usize).min(fresh - done);
        append_within(tx, job, points, skip + done, count, start, (at - start) as usize).await?;
        done += count;
        let complete = stored + done as u64;
        if complete.is_multiple_of(CHUNK) {
            metric_thin::merge(tx, job, axis, complete - CHUNK).await?;
        }
    }
    sqlx::query(
        "INSERT INTO metric_axis (job, axis, points, last_key) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET points = ?3, last_key = ?4",
    )
    .bind(job)
    .bind(axis.as_str())
    .bind((stored + fresh as u64) as i64)
    .bind(*last as i64)
    .execute(&mut tx.connection)
    .await?;
    Ok(())
}

/// Appends `count` points from place `from` of `points` to the short chunk at `start`, of which `before` are stored.
async fn append_within(
    tx: &mut Tx,
    job: i64,
    points: &Points,
    from: usize,
    count: usize,
    start: u64,
    before: usize,
) -> Result<(), StoreError> {
    let mut lengths: HashMap<String, usize> = HashMap::new();
    if before > 0 {
        let rows = sqlx::query("SELECT name, count FROM metric_chunk WHERE job = ? AND axis = ? AND start = ?")
            .bind(job)
            .bind(points.axis.as_str())
            .bind(start as i64)
            .fetch_all(&mut tx.connection)
            .await?;
        for row in rows {
            lengths.insert(row.try_get("name")?, row.try_get::<i64, _>("count")? as usize);
        }
    }
    for (name, values) in &points.columns {
        let Some(values) = values.get(from..from + count) else { continue };
        if values.iter().copied().all(is_absent) {
            continue; // A gap at the end is as good as none stored.
        }
        // A metric that was silent for a while: its chunk is filled up to here.
        let gap = before - lengths.get(name).copied().unwrap_or(0).min(before);
        let mut bytes = to_bytes(&vec![MetricColumn::ABSENT; gap]);
        bytes.extend(to_bytes(values));
        sqlx::query(
            "INSERT INTO metric_chunk (job, axis, name, start, count, points) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = count + excluded.count, points = CAST(points || excluded.points AS BLOB)",
        )
        .bind(job)
        .bind(points.axis.as_str())
        .bind(name)
        .bind(start as i64)
        .bind((gap + count) as i64)
        .bind(bytes)
        .execute(&mut tx.connection)
        .await?;
    }
    Ok(())
}
