//! Columns that alone tell another one: as an input, such a column gives the target away, and nobody notices until the model meets
//! rows in which it is not yet known.

use crate::data::{Column, DataError, Kind, Rows, StoredTable, Values, Warning};

/// Fewer rows agree by chance.
const FEWEST_ROWS: usize = 50;
/// Labels that a column may have to be looked at as a target.
const MOST_LABELS: usize = 50;
/// Values compared in all, at most; wide and long tables are not looked at.
const MOST_WORK: usize = 100_000_000;
/// Correlation from which two columns of numbers are taken for one.
const SAME: f64 = 0.999_99;

/// And values held in memory.
const MOST_VALUES: usize = 8_000_000;

/// A warning for each column that tells another one in every row.
pub(super) fn giveaways(table: &StoredTable) -> Result<Vec<Warning>, DataError> {
    let possible = |kind: Kind| matches!(kind, Kind::Numeric | Kind::Categorical | Kind::Boolean);
    let names: Vec<&str> = table.kinds().filter(|(_, kind)| possible(*kind)).map(|(name, _)| name).collect();
    let (rows, count) = (table.rows(), names.len());
    let work = count.saturating_mul(count).saturating_mul(rows);
    if rows < FEWEST_ROWS || count < 2 || work > MOST_WORK || count.saturating_mul(rows) > MOST_VALUES {
        return Ok(Vec::new());
    }
    let loaded = table.load(&names)?;
    let columns: Vec<&Column> = loaded.columns.iter().collect();
    let orders: Vec<Vec<u32>> = columns.iter().map(|column| order(column)).collect();
    let mut found = Vec::new();
    for (column, order) in columns.iter().zip(&orders) {
        for target in columns.iter().filter(|target| target.name != column.name) {
            let told = match (&column.values, &target.values) {
                (Values::Numeric(x), Values::Text { codes, dictionary }) => {
                    dictionary.len() <= MOST_LABELS && cuts(x, order, codes) + 1 == dictionary.len()
                }
                (Values::Text { codes: x, dictionary: own }, Values::Text { codes, dictionary }) => {
                    dictionary.len() <= MOST_LABELS && own.len() <= MOST_LABELS && decides(x, own.len(), codes)
                }
                (Values::Numeric(x), Values::Numeric(y)) => correlation(x, y).abs() > SAME,
                _ => false,
            };
            if told {
                let detail = format!(
                    "alone tells \"{}\" in every row; if that is the target and this is known only afterwards, exclude it",
                    target.name
                );
                found.push(Warning { column: Some(column.name.clone()), code: "gives_away".to_owned(), detail });
            }
        }
    }
    Ok(found)
}

/// Rows by ascending number; empty for other columns.
fn order(column: &Column) -> Vec<u32> {
    let Values::Numeric(values) = &column.values else { return Vec::new() };
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
    order
}

/// How often the label changes along the numbers; as often as can be where one number has several labels, or something is missing.
fn cuts(x: &[f64], order: &[u32], labels: &[u32]) -> usize {
    let mut cuts = 0;
    for pair in order.windows(2) {
        let (a, b) = (pair[0] as usize, pair[1] as usize);
        if x[b].is_nan() || labels[a] == crate::data::table::MISSING_CODE {
            return usize::MAX - 1;
        }
        if labels[a] != labels[b] {
            if x[a] == x[b] {
                return usize::MAX - 1;
            }
            cuts += 1;
        }
    }
    cuts
}

/// Whether each of `own` labels stands with one label of the other column only.
fn decides(x: &[u32], own: usize, labels: &[u32]) -> bool {
    let mut seen = vec![None; own];
    x.iter().zip(labels).all(|(x, label)| match seen.get_mut(*x as usize) {
        Some(known) => *known.get_or_insert(*label) == *label,
        None => false,
    })
}

/// Pearson's correlation; 0 where something is missing.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    let found = xy / (xx * yy).sqrt();
    if found.is_finite() { found } else { 0.0 }
}
