//! What one step of a network eats: borrowed rows, tokens, targets. Owns nothing.

/// The class of a row whose label is missing.
pub const MISSING_CLASS: u32 = u32::MAX;

/// Rows that go through the network together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    /// Number of rows.
    pub rows: usize,
    /// Dense features, `[rows, features]`.
    pub features: &'a [T],
    /// One entry for each token input of the architecture.
    pub tokens: &'a [Tokens<'a>],
    /// One entry for each head; empty for inference.
    pub targets: &'a [Targets<'a, T>],
    /// Weight of each row, `[rows]`.
    pub weights: Option<&'a [T]>,
}

/// The tokens of one input: those of row r are `ids[offsets[r]..offsets[r + 1]]`.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    /// `rows + 1` ascending offsets. The first need not be 0: ids may be part of a longer list.
    pub offsets: &'a [u32],
    /// Rows of the table.
    pub ids: &'a [u32],
}

/// The labels of one head.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a, T> {
    /// Class of each row; [`MISSING_CLASS`] where there is none.
    Classes(&'a [u32]),
    /// `[rows, outputs]`; NaN where there is none.
    Values(&'a [T]),
    /// Soft labels: a distribution over the classes for each row, `[rows, outputs]`; NaN throughout where there is none.
    Distribution(&'a [T]),
}
