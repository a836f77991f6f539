//! The encoded rows of one part of a dataset: all in memory, or with their inputs in a spool file.
//!
//! A spool holds one record a row: the dense features, then the tokens of each input, little-endian. Targets, weights, row ids and
//! the places of the tokens stay in memory. It has no name in the file system: when the job ends, however it ends, it is gone.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::examples::TokenColumn;
use super::{BatchBuffer, DataError, Examples};
use crate::num::{Real, room_for};

/// Bytes of records in a row that are read at once, at most.
const READ_BYTES: u64 = 1 << 20;

/// The encoded rows of one part.
#[derive(Clone, Debug)]
pub enum Part<T: 'static> {
    /// In memory.
    Memory(Examples<T>),
    /// With their inputs in a file.
    Spooled(Spooled<T>),
}

/// Rows whose inputs are in a file.
#[derive(Clone, Debug)]
pub struct Spooled<T: 'static> {
    spool: Arc<Spool<T>>,
    /// The thread that reads ahead, once there is one.
    ahead: Arc<Mutex<Option<Ahead<T>>>>,
}

#[derive(Debug)]
struct Spool<T> {
    file: File,
    /// Everything but dense features and tokens; the offsets of the tokens are there.
    labels: Examples<T>,
}

/// A batch that was asked for before its turn.
#[derive(Debug)]
struct Ahead<T> {
    wanted: Sender<Request<T>>,
    read: Receiver<(Request<T>, Result<(), DataError>)>,
    /// Whether a request is under way.
    pending: bool,
    spare: BatchBuffer<T>,
}

#[derive(Debug)]
struct Request<T> {
    indices: Vec<u32>,
    buffer: BatchBuffer<T>,
}

impl<T> From<Examples<T>> for Part<T> {
    fn from(examples: Examples<T>) -> Part<T> {
        Part::Memory(examples)
    }
}

impl<T> Default for Part<T> {
    fn default() -> Part<T> {
        Part::Memory(Examples::default())
    }
}

impl<T: Real> Part<T> {
    /// Moves the inputs of examples into an empty file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn spool(examples: Examples<T>, file: File) -> Result<Part<T>, DataError> {
        let mut writer = PartWriter::spooled(file);
        writer.begin(examples.rows, examples.features, examples.tokens.len());
        writer.examples = examples;
        writer.end_stretch()?;
        writer.finish()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels().rows
    }

    /// The examples; of those in a file everything but `dense` and the ids of the tokens.
    pub fn labels(&self) -> &Examples<T> {
        match self {
            Part::Memory(examples) => examples,
            Part::Spooled(spooled) => &spooled.spool.labels,
        }
    }

    /// Whether the inputs are in a file.
    pub fn is_spooled(&self) -> bool {
        matches!(self, Part::Spooled(_))
    }

    /// A buffer with room for any batch of up to `rows` of these examples.
    pub fn buffer(&self, rows: usize) -> BatchBuffer<T> {
        self.labels().buffer(rows)
    }

    /// Copies the examples at `indices` into `buffer`, as [`Examples::gather`] does.
    ///
    /// # Errors
    /// Where a spool cannot be read.
    ///
    /// # Panics
    /// Where an index is not below the number of rows.
    pub fn gather(&self, indices: &[u32], buffer: &mut BatchBuffer<T>) -> Result<(), DataError> {
        match self {
            Part::Memory(examples) => {
                examples.gather(indices, buffer);
                Ok(())
            }
            Part::Spooled(spooled) => spooled.gather(indices, buffer),
        }
    }

    /// Says which batch will be gathered next: one in a file is read meanwhile.
    pub fn expect(&self, indices: &[u32]) {
        if let Part::Spooled(spooled) = self {
            spooled.expect(indices);
        }
    }

    /// Some rows that follow each other: where they are, and which they are there. Those of a file are read into `buffer`.
    ///
    /// # Errors
    /// Where a spool cannot be read.
    pub fn view<'a>(
        &'a self,
        rows: Range<usize>,
        buffer: &'a mut BatchBuffer<T>,
    ) -> Result<(&'a Examples<T>, Range<usize>), DataError> {
        match self {
            Part::Memory(examples) => Ok((examples, rows)),
            Part::Spooled(spooled) => {
                let indices: Vec<u32> = (rows.start as u32..rows.end as u32).collect();
                spooled.spool.gather(&indices, buffer)?;
                Ok((&buffer.examples, 0..rows.len()))
            }
        }
    }
}

impl<T: Real> Spooled<T> {
    fn gather(&self, indices: &[u32], buffer: &mut BatchBuffer<T>) -> Result<(), DataError> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ahead) = ahead.as_mut().filter(|ahead| ahead.pending) {
            ahead.pending = false;
            if let Ok((request, outcome)) = ahead.read.recv() {
                let is_it = request.indices == indices && outcome.is_ok();
                ahead.spare = request.buffer;
                if is_it {
                    std::mem::swap(buffer, &mut ahead.spare);
                    return Ok(());
                }
            }
        }
        self.spool.gather(indices, buffer)
    }

    fn expect(&self, indices: &[u32]) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.is_none() {
            *ahead = Ahead::start(Arc::clone(&self.spool));
        }
        // Without a thread the batch is read when its turn comes.
        let Some(ahead) = ahead.as_mut().filter(|ahead| !ahead.pending) else { return };
        let buffer = std::mem::take(&mut ahead.spare);
        ahead.pending = ahead.wanted.send(Request { indices: indices.to_vec(), buffer }).is_ok();
    }
}

impl<T: Real> Ahead<T> {
    fn start(spool: Arc<Spool<T>>) -> Option<Ahead<T>> {
        let (wanted, requests) = channel::<Request<T>>();
        let (answer, read) = channel();
        let work = move || {
            for mut request in requests {
                let outcome = spool.gather(&request.indices, &mut request.buffer);
                if answer.send((request, outcome)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("read-ahead".into()).spawn(work).ok()?;
        Some(Ahead { wanted, read, pending: false, spare: BatchBuffer::default() })
    }
}

impl<T: Real> Spool<T> {
    /// Where the record of a row begins; of the row behind the last, where the file ends.
    fn start(&self, row: usize) -> u64 {
        let tokens: u64 = self.labels.tokens.iter().map(|column| u64::from(column.offsets[row])).sum();
        (row * self.labels.features * T::BYTES) as u64 + 4 * tokens
    }

    fn gather(&self, indices: &[u32], buffer: &mut BatchBuffer<T>) -> Result<(), DataError> {
        let to = &mut buffer.examples;
        self.labels.gather_labels(indices, to);
        let features = self.labels.features;
        to.dense.clear();
        to.tokens.resize_with(self.labels.tokens.len(), TokenColumn::default);
        to.tokens.iter_mut().for_each(TokenColumn::clear);
        let mut bytes = Vec::new();
        let mut rest = indices;
        while let Some(&first) = rest.first() {
            let (first, start) = (first as usize, self.start(first as usize));
            // Rows that follow each other are read together.
            let mut run = 1;
            while rest.get(run).is_some_and(|next| *next as usize == first + run)
                && self.start(first + run + 1) - start <= READ_BYTES
            {
                run += 1;
            }
            bytes.resize((self.start(first + run) - start) as usize, 0);
            self.file.read_exact_at(&mut bytes, start)?;
            let mut left = bytes.as_slice();
            for row in first..first + run {
                let (dense, after) = left.split_at(features * T::BYTES);
                to.dense.extend(dense.chunks_exact(T::BYTES).map(T::read_le));
                left = after;
                for (column, to) in self.labels.tokens.iter().zip(&mut to.tokens) {
                    let length = (column.offsets[row + 1] - column.offsets[row]) as usize;
                    let (ids, after) = left.split_at(4 * length);
                    let (ids, _) = ids.as_chunks::<4>();
                    to.ids.extend(ids.iter().map(|id| u32::from_le_bytes(*id)));
                    to.end_row();
                    left = after;
                }
            }
            rest = &rest[run..];
        }
        Ok(())
    }
}

/// Takes encoded rows, stretch by stretch.
#[derive(Debug)]
pub struct PartWriter<T> {
    /// All rows, or of a spool those of this stretch.
    examples: Examples<T>,
    spool: Option<Writing<T>>,
}

#[derive(Debug)]
struct Writing<T> {
    out: BufWriter<File>,
    labels: Examples<T>,
    bytes: Vec<u8>,
}

impl<T: Real> PartWriter<T> {
    /// Keeps everything in memory.
    pub fn in_memory() -> PartWriter<T> {
        PartWriter { examples: Examples::default(), spool: None }
    }

    /// Writes the inputs into an empty file.
    pub fn spooled(file: File) -> PartWriter<T> {
        let writing =
            Writing { out: BufWriter::with_capacity(1 << 18, file), labels: Examples::default(), bytes: Vec::new() };
        PartWriter { examples: Examples::default(), spool: Some(writing) }
    }

    /// Gives the part its form and room for its rows.
    pub(super) fn begin(&mut self, rows: usize, features: usize, tokens: usize) {
        let shape = |examples: &mut Examples<T>| {
            examples.features = features;
            examples.tokens.resize_with(tokens, TokenColumn::default);
        };
        shape(&mut self.examples);
        match &mut self.spool {
            None => {
                self.examples.dense = room_for(rows * features);
                self.examples.row_ids.reserve_exact(rows);
            }
            Some(spool) => {
                shape(&mut spool.labels);
                spool.labels.row_ids.reserve_exact(rows);
                spool.labels.tokens.iter_mut().for_each(|column| column.offsets.reserve_exact(rows));
            }
        }
    }

    /// Where the next rows go.
    pub(super) fn examples(&mut self) -> &mut Examples<T> {
        &mut self.examples
    }

    pub(super) fn is_empty(&self) -> bool {
        self.examples.rows == 0 && self.spool.as_ref().is_none_or(|spool| spool.labels.rows == 0)
    }

    /// Takes the rows that came in.
    pub(super) fn end_stretch(&mut self) -> Result<(), DataError> {
        let Some(Writing { out, labels, bytes }) = &mut self.spool else { return Ok(()) };
        let from = &mut self.examples;
        bytes.clear();
        for row in 0..from.rows {
            from.dense[row * from.features..(row + 1) * from.features].iter().for_each(|x| x.write_le(bytes));
            for column in &from.tokens {
                column.row(row).iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
            }
        }
        out.write_all(bytes)?;
        labels.append_labels(from).ok_or_else(|| {
            DataError::Io(std::io::Error::other("there are more than 4,294,967,295 words in one column"))
        })
    }

    /// Ends the part.
    ///
    /// # Errors
    /// Where the spool cannot be written.
    pub fn finish(self) -> Result<Part<T>, DataError> {
        match self.spool {
            None => Ok(Part::Memory(self.examples)),
            Some(Writing { out, labels, .. }) => {
                let file = out.into_inner().map_err(|error| DataError::Io(error.into_error()))?;
                let spool = Arc::new(Spool { file, labels });
                Ok(Part::Spooled(Spooled { spool, ahead: Arc::new(Mutex::new(None)) }))
            }
        }
    }

    /// The examples of a part in memory.
    pub(super) fn into_examples(self) -> Examples<T> {
        self.examples
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::TargetColumn;

    fn examples(rows: usize, bags: bool) -> Examples<f32> {
        let mut tokens = TokenColumn::default();
        for row in 0..rows {
            let length = if bags { row % 4 } else { 2 };
            tokens.ids.extend((0..length as u32).map(|at| at * 1000 + row as u32));
            tokens.end_row();
        }
        Examples {
            rows,
            features: 3,
            dense: (0..rows * 3).map(|i| i as f32 / 7.0).collect(),
            tokens: vec![tokens.clone(), tokens],
            targets: vec![
                TargetColumn::Classes((0..rows as u32).collect()),
                TargetColumn::Values { width: 2, values: (0..rows * 2).map(|i| i as f32).collect() },
            ],
            weights: Some((0..rows).map(|row| row as f32 + 0.5).collect()),
            row_ids: (0..rows as u32).map(|row| row * 10).collect(),
        }
    }

    fn spooled(whole: &Examples<f32>, pieces: usize) -> Part<f32> {
        let mut writer = PartWriter::spooled(tempfile::tempfile().unwrap());
        writer.begin(whole.rows, whole.features, whole.tokens.len());
        let rows: Vec<u32> = (0..whole.rows as u32).collect();
        for rows in rows.chunks(rows.len().div_ceil(pieces).max(1)) {
            let mut piece = BatchBuffer::default();
            whole.gather(rows, &mut piece);
            *writer.examples() = piece.examples;
            writer.end_stretch().unwrap();
        }
        writer.finish().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever is asked for, in whatever order and with whatever expected before, a spool gives what memory gives.
        #[test]
        fn a_spool_gives_what_memory_gives(
            batches in prop::collection::vec((prop::collection::vec(0u32..50, 0..20), any::<bool>()), 1..6),
            bags: bool,
            pieces in 1usize..5,
        ) {
            let whole = examples(50, bags);
            let part = spooled(&whole, pieces);
            let (mut found, mut wanted) = (part.buffer(20), whole.buffer(20));
            for (indices, expected) in &batches {
                part.expect(if *expected { indices } else { &[1, 2, 3] });
                part.gather(indices, &mut found).unwrap();
                whole.gather(indices, &mut wanted);
                prop_assert_eq!(&found.examples, &wanted.examples);
            }
            let (view, range) = part.view(7..23, &mut found).unwrap();
            whole.gather(&(7..23).collect::<Vec<u32>>(), &mut wanted);
            prop_assert_eq!((view, range), (&wanted.examples, 0..16));
        }
    }
}
