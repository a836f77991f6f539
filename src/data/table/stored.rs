//! A table in its file: which blocks it has, and reading any rows of any columns of it. How that is written down is in `file.rs`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use twox_hash::XxHash64;

use super::storage::Storage;
pub(in crate::data) use super::texts::push_text;
use super::texts::{Merged, mix_column, push_codes, read_texts};
use super::{Column, Kind, MISSING_CODE, MISSING_TIME, Table, Values, Warning, file};
use crate::data::sketch::HashedSet;
use crate::data::{DataError, Rows};

/// Bytes of numbers and codes that one stretch holds, about.
const STRETCH_BYTES: usize = 4 << 20;
/// Rows of a stretch, at least: less is not worth a read.
const STRETCH_ROWS: usize = 256;
/// Rows that are looked through for equal ones with a hash for each in memory; of more, only a share is (see [`StoredTable::equal_rows`]).
const HASHED_ROWS: usize = 16 << 20;

/// A table in a file, of which any part can be read.
#[derive(Debug)]
pub struct StoredTable {
    pub(in crate::data) storage: Storage,
    pub(in crate::data) rows: usize,
    /// The first row of each group, and the number of rows at the end.
    pub(in crate::data) starts: Vec<usize>,
    pub(in crate::data) columns: Vec<StoredColumn>,
    pub(in crate::data) warnings: Vec<Warning>,
    /// Sets of equal rows, each as its length and its rows; `None` where nobody looked.
    pub(super) duplicates: Option<Vec<Block>>,
}

/// One column of a stored table.
#[derive(Debug)]
pub(in crate::data) struct StoredColumn {
    pub(in crate::data) name: String,
    pub(in crate::data) kind: Kind,
    pub(in crate::data) form: Form,
    /// One a group.
    pub(in crate::data) blocks: Vec<Block>,
    /// The texts of the codes, in their order. A block of codes that is longer than its codes brings texts of its own instead.
    pub(in crate::data) dictionary: Vec<Block>,
    texts: OnceLock<Arc<Vec<String>>>,
}

/// How values lie in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Form {
    Numbers,
    Codes,
    Milliseconds,
}

/// Bytes with a checksum. A block of no bytes stands for rows without a value.
#[derive(Debug)]
pub(in crate::data) struct Block {
    pub(in crate::data) offset: u64,
    pub(in crate::data) bytes: u64,
    pub(in crate::data) sum: Sum,
    /// Whether the checksum was looked at.
    checked: AtomicBool,
}

/// A checksum against damage on the disk, not against malice: a file's name is its SHA-256.
#[derive(Debug)]
pub(in crate::data) enum Sum {
    /// Of files of the first version.
    Sha256(Box<[u8; 32]>),
    Xx(u64),
}

impl Form {
    /// Bytes of a value.
    pub(in crate::data) fn width(self) -> usize {
        match self {
            Form::Numbers | Form::Milliseconds => 8,
            Form::Codes => 4,
        }
    }
}

impl Block {
    pub(in crate::data) fn new(offset: u64, bytes: u64, sum: Sum) -> Block {
        Block { offset, bytes, sum, checked: AtomicBool::new(false) }
    }

    /// The description of bytes that were just written.
    pub(in crate::data) fn of(offset: u64, bytes: &[u8]) -> Block {
        let block = Block::new(offset, bytes.len() as u64, Sum::Xx(XxHash64::oneshot(0, bytes)));
        block.checked.store(true, Ordering::Relaxed);
        block
    }

    /// Rows without a value.
    pub(in crate::data) fn missing() -> Block {
        Block::new(0, 0, Sum::Xx(0))
    }

    fn is_checked(&self) -> bool {
        self.checked.load(Ordering::Relaxed)
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        match &self.sum {
            Sum::Sha256(sum) => Sha256::digest(bytes).as_slice() == sum.as_slice(),
            Sum::Xx(sum) => XxHash64::oneshot(0, bytes) == *sum,
        }
    }
}

impl StoredColumn {
    pub(in crate::data) fn new(
        name: String,
        kind: Kind,
        form: Form,
        blocks: Vec<Block>,
        dictionary: Vec<Block>,
    ) -> StoredColumn {
        StoredColumn { name, kind, form, blocks, dictionary, texts: OnceLock::new() }
    }

    /// Puts other blocks in the place of those it had.
    pub(in crate::data) fn replace(&mut self, form: Form, blocks: Vec<Block>, dictionary: Vec<Block>) {
        (self.form, self.blocks, self.dictionary, self.texts) = (form, blocks, dictionary, OnceLock::new());
    }

    pub(super) fn corrupt(&self, what: &str) -> DataError {
        DataError::Corrupt(format!("{what} of column \"{}\"", self.name))
    }
}

impl StoredTable {
    /// A table whose blocks are written, and nothing behind them.
    pub(in crate::data) fn unfinished(
        storage: Storage,
        rows: usize,
        starts: Vec<usize>,
        columns: Vec<StoredColumn>,
    ) -> StoredTable {
        StoredTable { storage, rows, starts, columns, warnings: Vec::new(), duplicates: None }
    }

    /// Opens a table file; of its contents only the directory is read.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] where it is none, or damaged; [`DataError::Io`].
    pub fn open(path: &Path) -> Result<StoredTable, DataError> {
        file::open(Storage::file(std::fs::File::open(path)?)?)
    }

    /// The table file in these bytes.
    ///
    /// # Errors
    /// As [`StoredTable::open`].
    pub fn from_storage(storage: Storage) -> Result<StoredTable, DataError> {
        file::open(storage)
    }

    /// Puts a table into a storage.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn of(table: &Table, storage: Storage) -> Result<StoredTable, DataError> {
        file::put(table, storage)
    }

    /// What was noticed while the file was read.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Name and kind of each column.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.kind))
    }

    /// Reads some rows (as far as they are there) of some columns, or of all.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] where a checksum or a length is wrong, [`DataError::Io`].
    pub fn read(&self, columns: Option<&[&str]>, rows: Range<usize>) -> Result<Table, DataError> {
        let end = rows.end.min(self.rows);
        let rows = rows.start.min(end)..end;
        let names: Option<HashSet<&str>> = columns.map(|names| names.iter().copied().collect());
        let wanted = |column: &&StoredColumn| names.as_ref().is_none_or(|names| names.contains(column.name.as_str()));
        let columns = self.columns.iter().filter(wanted);
        let columns = columns.map(|column| self.column(column, rows.clone())).collect::<Result<Vec<Column>, _>>()?;
        Ok(Table { rows: rows.len(), columns, warnings: self.warnings.clone() })
    }

    /// Ends the file: sets of equal rows, index and directory. Syncing is the caller's.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn close(&mut self, duplicates: Option<&[Vec<u32>]>) -> Result<(), DataError> {
        file::close(self, duplicates)
    }

    fn column(&self, column: &StoredColumn, rows: Range<usize>) -> Result<Column, DataError> {
        let values = match column.form {
            Form::Numbers => Values::Numeric(self.values(column, rows, f64::from_le_bytes, f64::NAN)?),
            Form::Milliseconds => Values::Datetime(self.values(column, rows, i64::from_le_bytes, MISSING_TIME)?),
            Form::Codes => self.texts(column, rows)?,
        };
        Ok(Column { name: column.name.clone(), kind: column.kind, values })
    }

    /// The groups that overlap some rows, each with the rows of it that do, counted from its first.
    fn groups(&self, rows: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + use<'_> {
        let first = self.starts.partition_point(|start| *start <= rows.start).saturating_sub(1);
        let rows = rows.clone();
        (first..self.starts.len().saturating_sub(1)).map_while(move |group| {
            let (start, end) = (self.starts[group], self.starts[group + 1]);
            (start < rows.end).then(|| (group, rows.start.max(start) - start..rows.end.min(end).max(start) - start))
        })
    }

    fn values<V: Clone, const N: usize>(
        &self,
        column: &StoredColumn,
        rows: Range<usize>,
        from_bytes: impl Fn([u8; N]) -> V,
        missing: V,
    ) -> Result<Vec<V>, DataError> {
        let (mut values, mut bytes) = (Vec::with_capacity(rows.len()), Vec::new());
        for (group, part) in self.groups(&rows) {
            let block = &column.blocks[group];
            if block.bytes == 0 {
                values.resize(values.len() + part.len(), missing.clone());
                continue;
            }
            let part = self.part(column, block, part.start * N..part.end * N, &mut bytes)?;
            let (chunks, _) = part.as_chunks::<N>();
            values.extend(chunks.iter().map(|bytes| from_bytes(*bytes)));
        }
        Ok(values)
    }

    /// Bytes `range` of a block, through a buffer that is used again; the first time, the whole block is read to check it.
    fn part<'b>(
        &self,
        column: &StoredColumn,
        block: &Block,
        range: Range<usize>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], DataError> {
        if range.end as u64 > block.bytes {
            return Err(column.corrupt("a block is too short"));
        }
        if block.is_checked() {
            self.storage.read_into(block.offset + range.start as u64, range.len() as u64, buffer)?;
            return Ok(buffer);
        }
        *buffer = self.checked(column, block)?;
        Ok(&buffer[range])
    }

    fn checked(&self, column: &StoredColumn, block: &Block) -> Result<Vec<u8>, DataError> {
        let bytes = self.storage.read(block.offset, block.bytes)?;
        if !block.is_checked() {
            if !block.fits(&bytes) {
                return Err(column.corrupt("the checksum of a block is wrong"));
            }
            block.checked.store(true, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    fn dictionary(&self, column: &StoredColumn) -> Result<Arc<Vec<String>>, DataError> {
        if let Some(texts) = column.texts.get() {
            return Ok(Arc::clone(texts));
        }
        let mut texts = Vec::new();
        for block in &column.dictionary {
            read_texts(column, &self.checked(column, block)?, &mut texts)?;
        }
        Ok(Arc::clone(column.texts.get_or_init(|| Arc::new(texts))))
    }

    fn texts(&self, column: &StoredColumn, rows: Range<usize>) -> Result<Values, DataError> {
        let mut codes: Vec<u32> = Vec::with_capacity(rows.len());
        let (mut merged, mut bytes): (Option<Merged>, Vec<u8>) = (None, Vec::new());
        let groups: Vec<(usize, Range<usize>)> = self.groups(&rows).collect();
        let single = groups.len() == 1;
        for (group, part) in groups {
            let block = &column.blocks[group];
            let in_block = self.starts[group + 1] - self.starts[group];
            if block.bytes == 0 {
                codes.resize(codes.len() + part.len(), MISSING_CODE);
                continue;
            }
            let has_own = block.bytes > 4 * in_block as u64;
            let before = codes.len();
            let own = if has_own {
                let bytes = self.checked(column, block)?;
                let (own_codes, texts) = bytes.split_at(4 * in_block);
                push_codes(&own_codes[4 * part.start..4 * part.end], &mut codes);
                let mut own = Vec::new();
                read_texts(column, texts, &mut own)?;
                Some(own)
            } else {
                push_codes(self.part(column, block, 4 * part.start..4 * part.end, &mut bytes)?, &mut codes);
                None
            };
            let most = match &own {
                Some(own) => own.len(),
                None => self.dictionary(column)?.len(),
            };
            if codes[before..].iter().any(|code| *code != MISSING_CODE && *code as usize >= most) {
                return Err(column.corrupt("a code has no text in a block"));
            }
            match own {
                None => {}
                // All rows are of this block: its texts are all there is to say.
                Some(own) if single => return Ok(Values::Text { codes, dictionary: Arc::new(own) }),
                Some(own) => {
                    if merged.is_none() {
                        merged = Some(Merged::new(&self.dictionary(column)?));
                    }
                    if let Some(merged) = &mut merged {
                        merged.translate(own, &mut codes[before..]);
                    }
                }
            }
        }
        let dictionary = match merged {
            Some(merged) => Arc::new(merged.texts),
            None => self.dictionary(column)?,
        };
        Ok(Values::Text { codes, dictionary })
    }

    /// Looks for rows that are equal in every column but identifiers, by a hash of each.
    ///
    /// Beyond 16,777,216 rows only those are looked at whose hash falls into a share of all: equal rows have one hash, so what is found
    /// is that share of all sets.
    ///
    /// # Errors
    /// As [`StoredTable::read`].
    pub fn equal_rows(&self) -> Result<EqualRows, DataError> {
        let share = self.rows.div_ceil(HASHED_ROWS).next_power_of_two() as u64;
        Ok(EqualRows { sets: self.sets(share)?, share })
    }

    fn sets(&self, share: u64) -> Result<Vec<Vec<u32>>, DataError> {
        let columns: Vec<&str> =
            self.kinds().filter(|(_, kind)| *kind != Kind::Identifier).map(|(name, _)| name).collect();
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let mut hashes: Vec<u64> = Vec::with_capacity(if share == 1 { self.rows } else { 0 });
        let mut rows: Vec<u32> = Vec::new();
        for range in self.stretches(&columns) {
            let stretch = self.read(Some(&columns), range.clone())?;
            let mut own = vec![0u64; stretch.rows];
            stretch.columns.iter().for_each(|column| mix_column(column, &mut own));
            if share == 1 {
                hashes.append(&mut own);
                continue;
            }
            for (place, hash) in own.into_iter().enumerate().filter(|(_, hash)| hash % share == 0) {
                hashes.push(hash);
                rows.push((range.start + place) as u32);
            }
        }
        let mut sorted = hashes.clone();
        sorted.sort_unstable();
        let repeated: HashedSet = sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        drop(sorted);
        if repeated.is_empty() {
            return Ok(Vec::new());
        }
        let mut place_of: HashMap<u64, usize> = HashMap::with_capacity(repeated.len());
        let mut sets: Vec<Vec<u32>> = Vec::new();
        for (at, hash) in hashes.iter().enumerate().filter(|(_, hash)| repeated.contains(*hash)) {
            let place = *place_of.entry(*hash).or_insert_with(|| {
                sets.push(Vec::new());
                sets.len() - 1
            });
            sets[place].push(rows.get(at).copied().unwrap_or(at as u32));
        }
        Ok(sets)
    }
}

/// Sets of equal rows.
#[derive(Debug)]
pub struct EqualRows {
    /// Two or more rows in each, by their first.
    pub sets: Vec<Vec<u32>>,
    /// These are one of so many parts of all there are; 1: all.
    pub share: u64,
}

impl Rows for StoredTable {
    fn rows(&self) -> usize {
        self.rows
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    fn stretches(&self, columns: &[&str]) -> Vec<Range<usize>> {
        let read = columns.len().min(self.columns.len());
        let most = (STRETCH_BYTES / (8 * read.max(1))).max(STRETCH_ROWS);
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for pair in self.starts.windows(2) {
            // Few columns are read of several groups at once; groups of the first version's files may be too long for many.
            if let Some(last) = stretches.last_mut()
                && pair[1] - last.start <= most
            {
                last.end = pair[1];
                continue;
            }
            stretches.extend((pair[0]..pair[1]).step_by(most).map(|start| start..pair[1].min(start + most)));
        }
        stretches
    }

    fn narrowed(&self, stretch: Range<usize>, rows: &[u32]) -> Range<usize> {
        let (first, last) = (rows.iter().min(), rows.iter().max());
        match (first, last) {
            (Some(first), Some(last)) => *first as usize..*last as usize + 1,
            _ => stretch.start..stretch.start,
        }
    }

    fn stretch(&self, columns: &[&str], range: Range<usize>) -> Result<Cow<'_, Table>, DataError> {
        Ok(Cow::Owned(self.read(Some(columns), range)?))
    }

    fn duplicates(&self) -> Result<Vec<Vec<u32>>, DataError> {
        match &self.duplicates {
            None => self.sets(1),
            Some(blocks) => {
                let mut sets = Vec::new();
                for block in blocks {
                    let corrupt = || DataError::Corrupt("the sets of equal rows cannot be read".into());
                    let bytes = self.storage.read(block.offset, block.bytes)?;
                    if !block.fits(&bytes) {
                        return Err(corrupt());
                    }
                    let mut numbers = Vec::new();
                    push_codes(&bytes, &mut numbers);
                    let mut rest = numbers.as_slice();
                    while let Some((length, after)) = rest.split_first() {
                        let (set, after) = after.split_at_checked(*length as usize).ok_or_else(corrupt)?;
                        if set.iter().any(|row| *row as usize >= self.rows) || set.is_empty() {
                            return Err(corrupt());
                        }
                        sets.push(set.to_vec());
                        rest = after;
                    }
                }
                Ok(sets)
            }
        }
    }
}
