//! Where each tensor lies in the one flat vector that holds all parameters. No values, no mathematics.

use std::ops::Range;

/// What a tensor is to the network; optimizers and penalties treat the roles differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a dense layer, `[out, in]`.
    Weight,
    /// Bias of a dense layer, `[out]`.
    Bias,
    /// Rows of an embedding table, `[rows, dim]`.
    Embedding,
    /// Scale of a normalisation, `[units]`.
    NormScale,
    /// Shift of a normalisation, `[units]`.
    NormShift,
    /// Running mean of a batch normalisation, `[units]`; a buffer, never trained.
    RunningMean,
    /// Running variance of a batch normalisation, `[units]`; a buffer, never trained.
    RunningVariance,
}

/// One tensor in a flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The name in files: `hidden.0.weight`, `head.species.bias`, `embedding.words.weight`.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// First element in the flat vector.
    pub offset: usize,
}

impl Segment {
    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat vector.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The tensors of a flat vector, in order and without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    segments: Vec<Segment>,
    len: usize,
}

impl Layout {
    /// Appends a tensor and returns its index.
    pub fn push(&mut self, name: impl Into<String>, role: Role, shape: &[usize]) -> usize {
        let segment = Segment { name: name.into(), role, shape: shape.to_vec(), offset: self.len };
        self.len += segment.len();
        self.segments.push(segment);
        self.segments.len() - 1
    }

    /// All tensors in the order of their offsets.
    #[inline]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Length of the flat vector.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The tensor of that name.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }
}
