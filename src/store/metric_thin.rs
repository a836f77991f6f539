//! Long curves made short: which points keep a curve's shape, and the rows from which a million points are drawn in milliseconds.
//!
//! When a chunk of 4,096 points is complete, the points that a thinned curve can need of it are kept a second time, all metrics at the
//! same places. Where a thinned curve wants no finer parts than these, it is drawn from them and from the points since.

use std::collections::HashMap;
use std::ops::Range;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::metric::{Axis, CHUNK, MetricColumn, floats, is_absent, read_column, to_bytes};
use super::writer::Tx;

/// Each so many points keep their extremes.
const PART: usize = 256;
/// What a point is counted and timed by: not a curve, has no extremes.
const INDEX: [&str; 4] = ["time", "step", "epoch", "train_seconds"];
/// The name under which the places of the kept points stand.
const PLACES: &str = "";

/// Reads points of several metrics and keeps about `most` of them: the first, the last, and of each of equal parts where each metric
/// is least, greatest and not finite.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    job: i64,
    axis: Axis,
    names: &[String],
    range: Range<u64>,
    most: usize,
) -> Result<Vec<Vec<f64>>, StoreError> {
    let count = (range.end - range.start) as usize;
    let curves = names.iter().filter(|name| is_curve(name)).count();
    let parts = (most.saturating_sub(2) / (2 * curves.max(1))).max(1);
    let (places, columns) = match from_kept(connection, job, axis, names, &range, count / parts).await? {
        Some(kept) => kept,
        None => {
            let mut columns = Vec::with_capacity(names.len());
            for name in names {
                columns.push(read_column(connection, job, axis, name, range.start, range.end).await?);
            }
            ((0..count).collect(), columns)
        }
    };
    let kept = keep_shape(names, &columns, &places, count, parts);
    let choose = |column: &Vec<f64>| kept.iter().filter_map(|at| column.get(*at).copied()).collect();
    Ok(columns.iter().map(choose).collect())
}

/// Reads the kept points of all complete chunks, and every point after them; `None` where parts are to be finer than what was kept,
/// or where an older version kept nothing.
async fn from_kept(
    connection: &mut SqliteConnection,
    job: i64,
    axis: Axis,
    names: &[String],
    range: &Range<u64>,
    part: usize,
) -> Result<Option<(Vec<usize>, Vec<Vec<f64>>)>, StoreError> {
    let chunks = range.end / CHUNK;
    if range.start != 0 || part < 2 * PART || chunks == 0 {
        return Ok(None);
    }
    let stored = kept(connection, job, axis, PLACES).await?;
    if stored.len() as u64 != chunks {
        return Ok(None);
    }
    let mut places: Vec<usize> = Vec::new();
    for (start, offsets) in &stored {
        places.extend(offsets.iter().map(|offset| *start as usize + *offset as usize));
    }
    let tail = chunks * CHUNK;
    places.extend(tail as usize..range.end as usize);
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let own: HashMap<i64, Vec<f64>> = kept(connection, job, axis, name).await?.into_iter().collect();
        let mut column = Vec::with_capacity(places.len());
        for (start, offsets) in &stored {
            match own.get(start) {
                Some(values) if values.len() == offsets.len() => column.extend(values),
                _ => column.resize(column.len() + offsets.len(), MetricColumn::ABSENT),
            }
        }
        column.extend(read_column(connection, job, axis, name, tail, range.end).await?);
        columns.push(column);
    }
    Ok(Some((places, columns)))
}

async fn kept(
    connection: &mut SqliteConnection,
    job: i64,
    axis: Axis,
    name: &str,
) -> Result<Vec<(i64, Vec<f64>)>, StoreError> {
    let mut rows =
        sqlx::query("SELECT start, points FROM metric_thin WHERE job = ? AND axis = ? AND name = ? ORDER BY start")
            .bind(job)
            .bind(axis.as_str())
            .bind(name)
            .fetch(connection);
    let mut kept = Vec::new();
    while let Some(row) = rows.try_next().await? {
        kept.push((row.try_get("start")?, floats(row.try_get("points")?).collect()));
    }
    Ok(kept)
}

fn is_curve(name: &str) -> bool {
    !INDEX.contains(&name)
}

/// Chooses among points at rising `places` below `count` those that keep the shape of the curves; gives their indices.
fn keep_shape(names: &[String], columns: &[Vec<f64>], places: &[usize], count: usize, parts: usize) -> Vec<usize> {
    let curves = names.iter().zip(columns).filter(|(name, _)| is_curve(name));
    let curves: Vec<&Vec<f64>> = curves.map(|(_, column)| column).collect();
    let mut kept = vec![0, places.len().saturating_sub(1)];
    for part in 0..parts {
        let at = |place: usize| places.partition_point(|known| *known < place);
        let (from, to) = (at(part * count / parts), at((part + 1) * count / parts));
        for column in &curves {
            let Some(values) = column.get(from..to) else { continue };
            kept.extend(extremes(values).into_iter().flatten().map(|at| from + at));
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// Finds where values are least, greatest, and first not finite.
fn extremes(values: &[f64]) -> [Option<usize>; 3] {
    let (mut least, mut greatest, mut odd) = (None::<(usize, f64)>, None::<(usize, f64)>, None);
    for (at, value) in values.iter().copied().enumerate() {
        if value.is_finite() {
            if least.is_none_or(|(_, so_far)| value < so_far) {
                least = Some((at, value));
            }
            if greatest.is_none_or(|(_, so_far)| value > so_far) {
                greatest = Some((at, value));
            }
        } else if odd.is_none() && !is_absent(value) {
            odd = Some(at);
        }
    }
    [least.map(|(at, _)| at), greatest.map(|(at, _)| at), odd]
}

/// Keeps of a complete chunk what thinned curves can need.
async fn keep(
    tx: &mut Tx,
    job: i64,
    axis: Axis,
    start: u64,
    columns: &HashMap<String, Vec<f64>>,
) -> Result<(), StoreError> {
    let mut places = vec![0, CHUNK as usize - 1];
    for (_, values) in columns.iter().filter(|(name, _)| is_curve(name)) {
        for (part, values) in values.chunks(PART).enumerate() {
            places.extend(extremes(values).into_iter().flatten().map(|at| part * PART + at));
        }
    }
    places.sort_unstable();
    places.dedup();
    let offsets = places.iter().map(|place| *place as f64).collect();
    let kept = columns.iter().map(|(name, values)| {
        let values: Vec<f64> = places.iter().filter_map(|place| values.get(*place).copied()).collect();
        (name.as_str(), values)
    });
    for (name, values) in std::iter::once((PLACES, offsets)).chain(kept) {
        insert(tx, INTO_THIN, job, axis, name, start, &values).await?;
    }
    Ok(())
}

const INTO_THIN: &str = "INSERT INTO metric_thin (job, axis, name, start, count, points) VALUES (?, ?, ?, ?, ?, ?)";
const INTO_CHUNK: &str = "INSERT INTO metric_chunk (job, axis, name, start, count, points) VALUES (?, ?, ?, ?, ?, ?)";

/// Writes the points of one metric from `start` on.
async fn insert(
    tx: &mut Tx,
    into: &'static str,
    job: i64,
    axis: Axis,
    name: &str,
    start: u64,
    values: &[f64],
) -> Result<(), StoreError> {
    sqlx::query(into)
        .bind(job)
        .bind(axis.as_str())
        .bind(name)
        .bind(start as i64)
        .bind(values.len() as i64)
        .bind(to_bytes(values))
        .execute(&mut tx.connection)
        .await?;
    Ok(())
}

/// Makes one chunk of the short ones from `start` on, for each metric.
pub(super) async fn merge(tx: &mut Tx, job: i64, axis: Axis, start: u64) -> Result<(), StoreError> {
    let end = start + CHUNK;
    let rows = sqlx::query(
        "DELETE FROM metric_chunk WHERE job = ? AND axis = ? AND start >= ? AND start < ? RETURNING name, start, points",
    )
    .bind(job)
    .bind(axis.as_str())
    .bind(start as i64)
    .bind(end as i64)
    .fetch_all(&mut tx.connection)
    .await?;
    let mut merged: HashMap<String, Vec<f64>> = HashMap::new();
    for row in rows {
        let at = (row.try_get::<i64, _>("start")? as u64 - start) as usize;
        let column = merged.entry(row.try_get("name")?).or_insert_with(|| vec![MetricColumn::ABSENT; CHUNK as usize]);
        let Some(room) = column.get_mut(at..) else { continue };
        room.iter_mut().zip(floats(row.try_get("points")?)).for_each(|(value, stored)| *value = stored);
    }
    keep(tx, job, axis, start, &merged).await?;
    for (name, values) in merged {
        insert(tx, INTO_CHUNK, job, axis, &name, start, &values).await?;
    }
    Ok(())
}
