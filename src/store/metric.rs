//! Metrics: columns of 64-bit floats in chunks of at most 4,096 points, by epoch and by step.
use super::*;

/// Says by what points are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// A point an epoch; point 0 is the untrained network.
    Epoch,
    /// A point a step (or every so many).
    Step,
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
    pub async fn metric_read(&self, _job: JobId, _query: &MetricQuery) -> Result<Metrics, StoreError> {
        unimplemented!()
    }
    /// Lists the names of a job's metrics by this axis, in the order in which they first came.
    pub async fn metric_names(&self, _job: JobId, _axis: Axis) -> Result<Vec<String>, StoreError> {
        unimplemented!()
    }
}
