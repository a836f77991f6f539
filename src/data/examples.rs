//! Encoded rows: what the network eats, and the copying of batches out of them. Not how cells become numbers.

use crate::num::{Threads, prefetch};

/// Encoded rows. `dense` is row-major, `[rows, features]`.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A batch copied out of [`Examples`], of the same form; its buffers are used again for the next batch.
#[derive(Clone, Debug)]
pub struct BatchBuffer<T> {
    /// The batch; its `row_ids` are rows of the table.
    pub examples: Examples<T>,
    threads: Threads,
}

impl<T> BatchBuffer<T> {
    /// The same buffer; long copies into it are made by these threads.
    pub fn on(self, threads: &Threads) -> BatchBuffer<T> {
        BatchBuffer { threads: threads.clone(), ..self }
    }
}

impl<T> Default for Examples<T> {
    fn default() -> Examples<T> {
        Examples {
            rows: 0,
            features: 0,
            dense: Vec::new(),
            tokens: Vec::new(),
            targets: Vec::new(),
            weights: None,
            row_ids: Vec::new(),
        }
    }
}

impl<T> Default for BatchBuffer<T> {
    fn default() -> BatchBuffer<T> {
        BatchBuffer { examples: Examples::default(), threads: Threads::default() }
    }
}

impl Default for TokenColumn {
    fn default() -> TokenColumn {
        TokenColumn { offsets: vec![0], ids: Vec::new() }
    }
}

impl TokenColumn {
    /// The tokens of row `row`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.ids[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Number of tokens of the longest row.
    pub fn longest(&self) -> usize {
        self.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0)
    }

    pub(super) fn clear(&mut self) {
        self.offsets.clear();
        self.offsets.push(0);
        self.ids.clear();
    }

    /// Ends the row whose tokens were pushed to `ids`.
    pub(super) fn end_row(&mut self) {
        self.offsets.push(self.ids.len() as u32);
    }
}

impl<T: Copy> TargetColumn<T> {
    /// An empty column of the same form.
    fn like(&self) -> TargetColumn<T> {
        match *self {
            TargetColumn::Classes(_) => TargetColumn::Classes(Vec::new()),
            TargetColumn::Values { width, .. } => TargetColumn::Values { width, values: Vec::new() },
            TargetColumn::Distribution { width, .. } => TargetColumn::Distribution { width, values: Vec::new() },
        }
    }

    /// Appends the labels of more rows.
    pub(super) fn append(&mut self, other: TargetColumn<T>) {
        match (self, other) {
            (TargetColumn::Classes(own), TargetColumn::Classes(other)) => own.extend(other),
            (TargetColumn::Values { values: own, .. }, TargetColumn::Values { values: other, .. })
            | (TargetColumn::Distribution { values: own, .. }, TargetColumn::Distribution { values: other, .. }) => {
                own.extend(other);
            }
            // Labels of one target have one form.
            _ => {}
        }
    }

    /// Replaces what is in here by the rows of `from` at `indices`.
    fn gather(&mut self, from: &TargetColumn<T>, indices: &[u32]) {
        match (self, from) {
            (TargetColumn::Classes(to), TargetColumn::Classes(from)) => {
                to.clear();
                to.extend(indices.iter().map(|&i| from[i as usize]));
            }
            (TargetColumn::Values { values: to, .. }, TargetColumn::Values { width, values: from })
            | (TargetColumn::Distribution { values: to, .. }, TargetColumn::Distribution { width, values: from }) => {
                gather_rows(from, *width, indices, to);
            }
            (to, from) => {
                *to = from.like();
                to.gather(from, indices);
            }
        }
    }
}

/// Bytes of rows that are asked for before their turn: rows of a large table come from far away, one here and one there.
const ASKED_AHEAD: usize = 4096;

/// What copying a number costs, in multiply-adds of a product: most of it is waiting for memory.
const COST: usize = 64;

/// As [`gather_rows`], on as many threads as are worth it.
fn gather_rows_on<T: Copy + Send + Sync>(
    from: &[T],
    width: usize,
    indices: &[u32],
    to: &mut Vec<T>,
    threads: &Threads,
) {
    let numbers = indices.len() * width;
    let parts = threads.worth(COST * numbers);
    let (2.., Some(&any)) = (parts, from.first()) else { return gather_rows(from, width, indices, to) };
    to.resize(numbers, any);
    threads.run_on([to], width, parts, |range, [to]| {
        let indices = &indices[range.start / width..range.end / width];
        let ahead = (ASKED_AHEAD / (width * size_of::<T>()).max(1)).clamp(1, 16);
        for (place, (&i, to)) in indices.iter().zip(to.chunks_exact_mut(width)).enumerate() {
            if let Some(&next) = indices.get(place + ahead) {
                prefetch(&from[next as usize * width..][..width]);
            }
            to.copy_from_slice(&from[i as usize * width..(i as usize + 1) * width]);
        }
    });
}

fn gather_rows<T: Copy>(from: &[T], width: usize, indices: &[u32], to: &mut Vec<T>) {
    to.clear();
    let ahead = (ASKED_AHEAD / (width * size_of::<T>()).max(1)).clamp(1, 16);
    for (place, &i) in indices.iter().enumerate() {
        if let Some(&next) = indices.get(place + ahead) {
            prefetch(&from[next as usize * width..][..width]);
        }
        to.extend_from_slice(&from[i as usize * width..(i as usize + 1) * width]);
    }
}

impl<T: Copy + Send + Sync> Examples<T> {
    /// Copies the examples at `indices` (places in these examples, not rows of the table; repeats are fine) into `buffer`. Once the buffer has seen the
    /// largest batch, nothing is allocated; [`Examples::buffer`] makes one that has room from the start.
    ///
    /// # Panics
    /// Where an index is not below `rows`.
    pub fn gather(&self, indices: &[u32], buffer: &mut BatchBuffer<T>) {
        let BatchBuffer { examples: to, threads } = buffer;
        gather_rows_on(&self.dense, self.features, indices, &mut to.dense, threads);
        to.tokens.resize_with(self.tokens.len(), TokenColumn::default);
        for (to, from) in to.tokens.iter_mut().zip(&self.tokens) {
            to.clear();
            for &i in indices {
                to.ids.extend_from_slice(from.row(i as usize));
                to.end_row();
            }
        }
        self.gather_labels(indices, to);
    }

    /// Copies everything but dense features and tokens.
    pub(super) fn gather_labels(&self, indices: &[u32], to: &mut Examples<T>) {
        to.rows = indices.len();
        to.features = self.features;
        to.targets.truncate(self.targets.len());
        for (place, from) in self.targets.iter().enumerate() {
            if place == to.targets.len() {
                to.targets.push(from.like());
            }
            to.targets[place].gather(from, indices);
        }
        match (&self.weights, &mut to.weights) {
            (Some(from), Some(to)) => gather_rows(from, 1, indices, to),
            (Some(from), to) => *to = Some(indices.iter().map(|&i| from[i as usize]).collect()),
            (None, to) => *to = None,
        }
        to.row_ids.clear();
        to.row_ids.extend(indices.iter().map(|&i| self.row_ids[i as usize]));
    }

    /// Moves everything but dense features and tokens of some rows behind what is here, and empties `from`; `None` where there are too
    /// many tokens to count.
    pub(super) fn append_labels(&mut self, from: &mut Examples<T>) -> Option<()> {
        self.rows += from.rows;
        for (own, from) in self.tokens.iter_mut().zip(&mut from.tokens) {
            let before = own.offsets.last().copied().unwrap_or(0);
            before.checked_add(u32::try_from(from.ids.len()).ok()?)?;
            own.offsets.extend(from.offsets.iter().skip(1).map(|offset| before + offset));
            from.clear();
        }
        for (place, column) in from.targets.drain(..).enumerate() {
            match self.targets.get_mut(place) {
                Some(own) => own.append(column),
                None => self.targets.push(column),
            }
        }
        if let Some(weights) = from.weights.take() {
            self.weights.get_or_insert_default().extend(weights);
        }
        self.row_ids.append(&mut from.row_ids);
        from.rows = 0;
        from.dense.clear();
        Some(())
    }

    /// A buffer with room for any batch of up to `rows` of these examples.
    pub fn buffer(&self, rows: usize) -> BatchBuffer<T> {
        let token_column = |from: &TokenColumn| TokenColumn {
            offsets: Vec::with_capacity(rows + 1),
            ids: Vec::with_capacity(rows * from.longest()),
        };
        let target = |from: &TargetColumn<T>| match *from {
            TargetColumn::Classes(_) => TargetColumn::Classes(Vec::with_capacity(rows)),
            TargetColumn::Values { width, .. } => {
                TargetColumn::Values { width, values: Vec::with_capacity(rows * width) }
            }
            TargetColumn::Distribution { width, .. } => {
                TargetColumn::Distribution { width, values: Vec::with_capacity(rows * width) }
            }
        };
        let examples = Examples {
            rows: 0,
            features: self.features,
            dense: Vec::with_capacity(rows * self.features),
            tokens: self.tokens.iter().map(token_column).collect(),
            targets: self.targets.iter().map(target).collect(),
            weights: self.weights.as_ref().map(|_| Vec::with_capacity(rows)),
            row_ids: Vec::with_capacity(rows),
        };
        BatchBuffer { examples, threads: Threads::default() }
    }

    /// Bytes that these examples hold.
    pub fn bytes(&self) -> usize {
        let tokens: usize = self.tokens.iter().map(|column| 4 * (column.offsets.len() + column.ids.len())).sum();
        let targets = |column: &TargetColumn<T>| match column {
            TargetColumn::Classes(classes) => 4 * classes.len(),
            TargetColumn::Values { values, .. } | TargetColumn::Distribution { values, .. } => {
                size_of::<T>() * values.len()
            }
        };
        let targets: usize = self.targets.iter().map(targets).sum();
        let numbers = self.dense.len() + self.weights.as_ref().map_or(0, Vec::len);
        size_of::<T>() * numbers + tokens + targets + 4 * self.row_ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Examples<f32> {
        Examples {
            rows: 3,
            features: 2,
            dense: vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5],
            tokens: vec![TokenColumn { offsets: vec![0, 2, 2, 3], ids: vec![5, 6, 7] }],
            targets: vec![
                TargetColumn::Classes(vec![1, MISSING_CLASS, 0]),
                TargetColumn::Values { width: 1, values: vec![10.0, 11.0, 12.0] },
            ],
            weights: Some(vec![1.0, 2.0, 3.0]),
            row_ids: vec![20, 21, 22],
        }
    }

    #[test]
    fn a_batch_holds_the_rows_asked_for_in_their_order_repeats_included() {
        let examples = examples();
        let mut buffer = BatchBuffer::default();
        examples.gather(&[1, 0], &mut buffer);
        examples.gather(&[2, 0, 2], &mut buffer);
        let batch = &buffer.examples;
        assert_eq!((batch.rows, batch.features), (3, 2));
        assert_eq!(batch.dense, [2.0, 2.5, 0.0, 0.5, 2.0, 2.5]);
        assert_eq!(batch.tokens[0], TokenColumn { offsets: vec![0, 1, 3, 4], ids: vec![7, 5, 6, 7] });
        assert_eq!(batch.targets[0], TargetColumn::Classes(vec![0, 1, 0]));
        assert_eq!(batch.targets[1], TargetColumn::Values { width: 1, values: vec![12.0, 10.0, 12.0] });
        assert_eq!(batch.weights, Some(vec![3.0, 1.0, 3.0]));
        assert_eq!(batch.row_ids, [22, 20, 22]);
    }

    #[test]
    fn threads_copy_what_one_copies() {
        let (rows, features) = (300usize, 511usize);
        let dense: Vec<f32> = (0..rows * features).map(|i| i as f32).collect();
        let row_ids: Vec<u32> = (0..rows as u32).collect();
        let examples = Examples { rows, features, dense, row_ids, ..Examples::default() };
        let indices: Vec<u32> = (0..200u32).map(|i| i * 101 % rows as u32).collect();
        let (mut one, mut three) = (BatchBuffer::default(), BatchBuffer::default().on(&Threads::new(3)));
        for indices in [&indices[..], &indices[50..], &[]] {
            examples.gather(indices, &mut one);
            examples.gather(indices, &mut three);
            assert_eq!(one.examples, three.examples);
        }
        assert!(Threads::new(3).worth(COST * indices.len() * features) == 3, "the first batch is worth three threads");
    }

    #[test]
    fn a_buffer_made_for_the_examples_never_grows() {
        let examples = examples();
        let mut buffer = examples.buffer(4);
        let places = |buffer: &BatchBuffer<f32>| {
            let batch = &buffer.examples;
            (
                batch.dense.as_ptr(),
                batch.tokens[0].ids.as_ptr(),
                batch.tokens[0].offsets.as_ptr(),
                batch.row_ids.as_ptr(),
            )
        };
        let before = places(&buffer);
        for indices in [&[0u32, 0, 0, 0][..], &[1], &[2, 1, 0, 0]] {
            examples.gather(indices, &mut buffer);
        }
        assert_eq!(places(&buffer), before);
    }
}
