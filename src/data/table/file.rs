//! The table file: typed columns on disk, each block with a length and a checksum. Nothing about meaning.
//!
//! ```text
//! magic | blocks, one after the other | index | directory (JSON) | its length, u64 | its SHA-256 | magic
//! ```
//! Numbers are little-endian. Rows lie in groups; each column has one block a group, of 8 bytes a number or time (NaN and the least time
//! are missing) or 4 a code (all ones is missing). A block of no bytes is a group without values. Codes count the texts of the column's
//! dictionary; a column with very many texts has codes of its block's own texts, which follow them. A text is its length (u32) and its
//! bytes. The index has a place (u64), a length (u64) and an XXH64 checksum for each block: those of the first column, those of
//! the second, then what the directory names. Sets of equal rows are each a length and rows, u32.
//!
//! Files of the first version have no index: their directory names each block, with its SHA-256, in groups of 65,536 rows. They are
//! read, not written. Nothing is allocated beyond what the length of the file can hold.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::storage::Storage;
use super::stored::{Block, Form, StoredColumn, StoredTable, Sum, push_text};
use super::{Column, Kind, Table, Values, Warning};
use crate::data::DataError;

const MAGIC: &[u8; 8] = b"TYTABLE\x01";
const VERSION: u32 = 2;
/// Rows of a group, at most, and bytes, about.
pub(in crate::data) const GROUP_ROWS: usize = 1 << 16;
pub(in crate::data) const GROUP_BYTES: usize = 4 << 20;
/// Texts of a dictionary block.
const TEXTS: usize = 1 << 16;
/// Numbers of a block of sets of equal rows.
const SET_NUMBERS: usize = 1 << 20;
/// Length and checksum of the directory, and the closing magic.
const TAIL_BYTES: u64 = 8 + 32 + 8;
/// Bytes of a block in the index.
const ENTRY_BYTES: usize = 24;

#[derive(Serialize, Deserialize)]
struct Directory {
    version: u32,
    rows: u64,
    columns: Vec<ColumnEntry>,
    warnings: Vec<Warning>,
    /// Since version 2: rows of each group.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    groups: Vec<u32>,
    /// Blocks of sets of equal rows; absent where nobody looked for them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    equal_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    index: Option<IndexEntry>,
}

#[derive(Serialize, Deserialize)]
struct IndexEntry {
    offset: u64,
    bytes: u64,
    xxh64: u64,
}

#[derive(Serialize, Deserialize)]
struct ColumnEntry {
    name: String,
    kind: Kind,
    storage: Kept,
    /// Blocks of the dictionary; they follow those of the values in the index.
    #[serde(default)]
    texts: u64,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    blocks: Vec<FirstBlock>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    dictionary: Vec<FirstBlock>,
}

/// A block as the first version names it.
#[derive(Serialize, Deserialize)]
struct FirstBlock {
    offset: u64,
    bytes: u64,
    rows: u64,
    sha256: String,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    F64,
    Codes,
    Milliseconds,
}

impl Kept {
    fn form(self) -> Form {
        match self {
            Kept::F64 => Form::Numbers,
            Kept::Codes => Form::Codes,
            Kept::Milliseconds => Form::Milliseconds,
        }
    }

    fn of(form: Form) -> Kept {
        match form {
            Form::Numbers => Kept::F64,
            Form::Codes => Kept::Codes,
            Form::Milliseconds => Kept::Milliseconds,
        }
    }
}

/// Begins a file.
pub(in crate::data) fn begin(storage: &mut Storage) -> Result<(), DataError> {
    storage.append(MAGIC)?;
    Ok(())
}

/// Appends the texts of a dictionary.
pub(in crate::data) fn put_texts<'t>(
    texts: impl Iterator<Item = &'t str>,
    storage: &mut Storage,
) -> Result<Vec<Block>, DataError> {
    let (mut blocks, mut bytes, mut count) = (Vec::new(), Vec::new(), 0);
    let mut texts = texts.peekable();
    while let Some(text) = texts.next() {
        push_text(text, &mut bytes);
        count += 1;
        if count % TEXTS == 0 || bytes.len() >= GROUP_BYTES || texts.peek().is_none() {
            blocks.push(Block::of(storage.append(&bytes)?, &bytes));
            bytes.clear();
        }
    }
    Ok(blocks)
}

/// A group of so many rows is large enough.
pub(in crate::data) fn group_rows(columns: usize) -> usize {
    (GROUP_BYTES / (8 * columns.max(1))).clamp(256, GROUP_ROWS)
}

/// Puts a table into an empty storage.
pub(super) fn put(table: &Table, mut storage: Storage) -> Result<StoredTable, DataError> {
    begin(&mut storage)?;
    let size = group_rows(table.columns.len());
    let starts: Vec<usize> = (0..table.rows).step_by(size).chain([table.rows]).collect();
    let mut blocks: Vec<Vec<Block>> = table.columns.iter().map(|_| Vec::new()).collect();
    for pair in starts.windows(2) {
        for (column, blocks) in table.columns.iter().zip(&mut blocks) {
            let bytes: Vec<u8> = match &column.values {
                Values::Numeric(values) => values[pair[0]..pair[1]].iter().flat_map(|x| x.to_le_bytes()).collect(),
                Values::Datetime(times) => times[pair[0]..pair[1]].iter().flat_map(|x| x.to_le_bytes()).collect(),
                Values::Text { codes, .. } => codes[pair[0]..pair[1]].iter().flat_map(|x| x.to_le_bytes()).collect(),
            };
            blocks.push(Block::of(storage.append(&bytes)?, &bytes));
        }
    }
    let mut columns = Vec::with_capacity(table.columns.len());
    for (Column { name, kind, values }, blocks) in table.columns.iter().zip(blocks) {
        let (form, dictionary) = match values {
            Values::Numeric(_) => (Form::Numbers, Vec::new()),
            Values::Datetime(_) => (Form::Milliseconds, Vec::new()),
            Values::Text { dictionary, .. } => {
                (Form::Codes, put_texts(dictionary.iter().map(String::as_str), &mut storage)?)
            }
        };
        columns.push(StoredColumn::new(name.clone(), *kind, form, blocks, dictionary));
    }
    let warnings = table.warnings.clone();
    Ok(StoredTable { storage, rows: table.rows, starts, columns, warnings, duplicates: None })
}

/// Writes what stands behind the blocks.
pub(super) fn close(table: &mut StoredTable, sets: Option<&[Vec<u32>]>) -> Result<(), DataError> {
    if let Some(sets) = sets {
        let (mut blocks, mut bytes) = (Vec::new(), Vec::new());
        for (at, set) in sets.iter().enumerate() {
            bytes.extend((set.len() as u32).to_le_bytes());
            set.iter().for_each(|row| bytes.extend(row.to_le_bytes()));
            if bytes.len() >= 4 * SET_NUMBERS || at + 1 == sets.len() {
                blocks.push(Block::of(table.storage.append(&bytes)?, &bytes));
                bytes.clear();
            }
        }
        table.duplicates = Some(blocks);
    }
    let mut index = Vec::new();
    let mut name = |block: &Block| {
        let sum = match block.sum {
            Sum::Xx(sum) => sum,
            Sum::Sha256(_) => 0, // only in files that are never written
        };
        [block.offset, block.bytes, sum].iter().for_each(|number| index.extend(number.to_le_bytes()));
    };
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        column.blocks.iter().chain(&column.dictionary).for_each(&mut name);
        columns.push(ColumnEntry {
            name: column.name.clone(),
            kind: column.kind,
            storage: Kept::of(column.form),
            texts: column.dictionary.len() as u64,
            blocks: Vec::new(),
            dictionary: Vec::new(),
        });
    }
    table.duplicates.iter().flatten().for_each(&mut name);
    let place = table.storage.append(&index)?;
    let entry = Block::of(place, &index);
    let Sum::Xx(xxh64) = entry.sum else { return Err(corrupt("its index has no checksum")) };
    let directory = Directory {
        version: VERSION,
        rows: table.rows as u64,
        columns,
        warnings: table.warnings.clone(),
        groups: table.starts.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect(),
        equal_rows: table.duplicates.as_ref().map(|blocks| blocks.len() as u64),
        index: Some(IndexEntry { offset: place, bytes: index.len() as u64, xxh64 }),
    };
    let mut bytes = serde_json::to_vec(&directory).map_err(|error| DataError::Io(error.into()))?;
    let (length, digest) = (bytes.len() as u64, Sha256::digest(&bytes));
    bytes.extend(length.to_le_bytes());
    bytes.extend(digest);
    bytes.extend(MAGIC);
    table.storage.append(&bytes)?;
    Ok(())
}

fn corrupt(detail: &str) -> DataError {
    DataError::Corrupt(detail.to_owned())
}

/// Reads the directory of a file of either version.
pub(super) fn open(storage: Storage) -> Result<StoredTable, DataError> {
    let (length, magic) = (storage.length(), MAGIC.len() as u64);
    if length < magic + TAIL_BYTES {
        return Err(corrupt("it is too short"));
    }
    let head = storage.read(0, magic)?;
    let tail = storage.read(length - TAIL_BYTES, TAIL_BYTES)?;
    let (bytes, rest) = tail.split_at(8);
    let (digest, closing) = rest.split_at(32);
    if head != MAGIC || closing != MAGIC {
        return Err(corrupt("it does not begin and end as a table file of this version"));
    }
    let bytes = u64::from_le_bytes(bytes.try_into().map_err(|_| corrupt("its directory has no length"))?);
    if bytes > length - TAIL_BYTES - magic {
        return Err(corrupt("its directory is longer than the file"));
    }
    let end = length - TAIL_BYTES - bytes;
    let directory = storage.read(end, bytes)?;
    if Sha256::digest(&directory).as_slice() != digest {
        return Err(corrupt("the checksum of its directory is wrong"));
    }
    let directory: Directory = serde_json::from_slice(&directory)
        .map_err(|error| corrupt(&format!("its directory cannot be read: {error}")))?;
    match directory.version {
        1 => first_version(storage, directory, end),
        VERSION => second_version(storage, directory, end),
        other => Err(corrupt(&format!("it is of version {other}, this server reads 1 and {VERSION}"))),
    }
}

fn second_version(storage: Storage, directory: Directory, end: u64) -> Result<StoredTable, DataError> {
    let rows = usize::try_from(directory.rows).map_err(|_| corrupt("it has too many rows"))?;
    let mut starts = Vec::with_capacity(directory.groups.len() + 1);
    starts.push(0);
    let mut sum = 0usize;
    for group in &directory.groups {
        sum = sum.checked_add(*group as usize).ok_or_else(|| corrupt("it has too many rows"))?;
        starts.push(sum);
    }
    if sum != rows {
        return Err(corrupt("its groups do not have its rows"));
    }
    let entry = directory.index.ok_or_else(|| corrupt("it has no index"))?;
    if entry.offset.checked_add(entry.bytes).is_none_or(|index_end| index_end > end) {
        return Err(corrupt("its index lies outside"));
    }
    let index = storage.read(entry.offset, entry.bytes)?;
    match Block::of(entry.offset, &index).sum {
        Sum::Xx(sum) if sum == entry.xxh64 => {}
        _ => return Err(corrupt("the checksum of its index is wrong")),
    }
    let groups = directory.groups.len() as u64;
    let of_columns =
        directory.columns.iter().try_fold(0u64, |sum, column| sum.checked_add(groups)?.checked_add(column.texts));
    let wanted = of_columns.and_then(|sum| sum.checked_add(directory.equal_rows.unwrap_or(0)));
    if wanted.and_then(|blocks| blocks.checked_mul(ENTRY_BYTES as u64)) != Some(entry.bytes) {
        return Err(corrupt("its index has not one entry a block"));
    }
    let (numbers, _) = index.as_chunks::<8>();
    let mut entries = numbers.chunks_exact(3).map(|entry| {
        let number = |at: usize| u64::from_le_bytes(entry[at]);
        Block::new(number(0), number(1), Sum::Xx(number(2)))
    });
    let mut take = |count: u64| -> Result<Vec<Block>, DataError> {
        let blocks: Vec<Block> = entries.by_ref().take(count as usize).collect();
        let inside = |block: &Block| block.offset.checked_add(block.bytes).is_some_and(|last| last <= end);
        if blocks.iter().all(inside) { Ok(blocks) } else { Err(corrupt("a block lies outside")) }
    };
    let mut columns = Vec::with_capacity(directory.columns.len());
    for column in directory.columns {
        let form = column.storage.form();
        let blocks = take(groups)?;
        let whole = |(block, rows): (&Block, &u32)| {
            let bytes = u64::from(*rows) * form.width() as u64;
            block.bytes == 0 || block.bytes == bytes || (form == Form::Codes && block.bytes > bytes)
        };
        if !blocks.iter().zip(&directory.groups).all(whole) {
            return Err(corrupt(&format!("column \"{}\" does not have its {rows} rows", column.name)));
        }
        let dictionary = take(column.texts)?;
        columns.push(StoredColumn::new(column.name, column.kind, form, blocks, dictionary));
    }
    let duplicates = directory.equal_rows.map(&mut take).transpose()?;
    Ok(StoredTable { storage, rows, starts, columns, warnings: directory.warnings, duplicates })
}

fn first_version(storage: Storage, directory: Directory, end: u64) -> Result<StoredTable, DataError> {
    let rows = usize::try_from(directory.rows).map_err(|_| corrupt("it has too many rows"))?;
    let starts: Vec<usize> = (0..rows).step_by(GROUP_ROWS).chain([rows]).collect();
    let block = |block: FirstBlock, column: &str| {
        let inside = block.offset.checked_add(block.bytes).is_some_and(|last| last <= end);
        let digest = unhex(&block.sha256).filter(|_| inside);
        let digest = digest.ok_or_else(|| corrupt(&format!("a block of column \"{column}\" lies outside")))?;
        Ok::<Block, DataError>(Block::new(block.offset, block.bytes, Sum::Sha256(Box::new(digest))))
    };
    let mut columns = Vec::with_capacity(directory.columns.len());
    for ColumnEntry { name, kind, storage, blocks, dictionary, .. } in directory.columns {
        let form = storage.form();
        let lengths = starts.windows(2).map(|pair| (pair[1] - pair[0]) as u64);
        let found = blocks.iter().map(|block| (block.rows, block.bytes));
        if !found.eq(lengths.map(|rows| (rows, rows * form.width() as u64))) {
            return Err(corrupt(&format!("column \"{name}\" does not have its {rows} rows")));
        }
        let of = |blocks: Vec<FirstBlock>| blocks.into_iter().map(|one| block(one, &name)).collect::<Result<_, _>>();
        let (blocks, dictionary) = (of(blocks)?, of(dictionary)?);
        columns.push(StoredColumn::new(name, kind, form, blocks, dictionary));
    }
    Ok(StoredTable { storage, rows, starts, columns, warnings: directory.warnings, duplicates: None })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Vec<u8> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>()?;
    bytes.try_into().ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
