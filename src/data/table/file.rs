//! The table file: typed columns on disk, each block with a length and a checksum. Nothing about meaning.
//!
//! ```text
//! magic | blocks of values and texts, one after the other | directory (JSON) | its length, u64 | its SHA-256 | magic
//! ```
//! Numbers are little-endian. The directory names each block by place, length, rows and SHA-256; a column has blocks of at most [`BLOCK_ROWS`] rows, so that a later
//! writer can stream and a later reader can take rows from the middle. Nothing is allocated beyond what the length of the file can hold.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Column, Kind, MISSING_CODE, Table, Values, Warning};
use crate::data::DataError;

const MAGIC: &[u8; 8] = b"TYTABLE\x01";
const VERSION: u32 = 1;
const BLOCK_ROWS: usize = 1 << 16;
/// Length and checksum of the directory, and the closing magic.
const TAIL_BYTES: u64 = 8 + 32 + 8;

#[derive(Serialize, Deserialize)]
struct Directory {
    version: u32,
    rows: u64,
    columns: Vec<ColumnEntry>,
    warnings: Vec<Warning>,
}

#[derive(Serialize, Deserialize)]
struct ColumnEntry {
    name: String,
    kind: Kind,
    storage: Storage,
    blocks: Vec<Block>,
    /// Texts in the order of their codes, each its length as u32 and its bytes; `rows` counts texts.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    dictionary: Vec<Block>,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Storage {
    F64,
    Codes,
    Milliseconds,
}

#[derive(Serialize, Deserialize)]
struct Block {
    offset: u64,
    bytes: u64,
    rows: u64,
    sha256: String,
}

/// Writes and keeps the place.
struct Placed<'a, W> {
    out: &'a mut W,
    offset: u64,
}

impl<W: Write> Placed<'_, W> {
    fn block(&mut self, bytes: &[u8], rows: usize) -> Result<Block, DataError> {
        self.out.write_all(bytes)?;
        let block = Block {
            offset: self.offset,
            bytes: bytes.len() as u64,
            rows: rows as u64,
            sha256: hex(&Sha256::digest(bytes)),
        };
        self.offset += bytes.len() as u64;
        Ok(block)
    }

    fn values<V: Copy, const N: usize>(
        &mut self,
        values: &[V],
        to_bytes: fn(V) -> [u8; N],
    ) -> Result<Vec<Block>, DataError> {
        let mut bytes = Vec::with_capacity(N * values.len().min(BLOCK_ROWS));
        let mut blocks = Vec::new();
        for chunk in values.chunks(BLOCK_ROWS) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| to_bytes(*value)));
            blocks.push(self.block(&bytes, chunk.len())?);
        }
        Ok(blocks)
    }

    fn texts(&mut self, texts: &[String]) -> Result<Vec<Block>, DataError> {
        let mut blocks = Vec::new();
        for chunk in texts.chunks(BLOCK_ROWS) {
            let mut bytes = Vec::new();
            for text in chunk {
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            blocks.push(self.block(&bytes, chunk.len())?);
        }
        Ok(blocks)
    }
}

pub(super) fn write(table: &Table, out: &mut impl Write) -> Result<(), DataError> {
    out.write_all(MAGIC)?;
    let mut placed = Placed { out, offset: MAGIC.len() as u64 };
    let mut columns = Vec::with_capacity(table.columns.len());
    for Column { name, kind, values } in &table.columns {
        let (storage, blocks, dictionary) = match values {
            Values::Numeric(values) => (Storage::F64, placed.values(values, f64::to_le_bytes)?, Vec::new()),
            Values::Datetime(times) => (Storage::Milliseconds, placed.values(times, i64::to_le_bytes)?, Vec::new()),
            Values::Text { codes, dictionary } => {
                (Storage::Codes, placed.values(codes, u32::to_le_bytes)?, placed.texts(dictionary)?)
            }
        };
        columns.push(ColumnEntry { name: name.clone(), kind: *kind, storage, blocks, dictionary });
    }
    let directory = Directory { version: VERSION, rows: table.rows as u64, columns, warnings: table.warnings.clone() };
    let directory = serde_json::to_vec(&directory).map_err(|error| DataError::Io(error.into()))?;
    placed.out.write_all(&directory)?;
    placed.out.write_all(&(directory.len() as u64).to_le_bytes())?;
    placed.out.write_all(&Sha256::digest(&directory))?;
    placed.out.write_all(MAGIC)?;
    Ok(())
}

/// Which part of a table to read; the rest of the file is not looked at.
#[derive(Clone, Default)]
pub(super) struct Wanted<'a> {
    /// These columns; all where it is not said.
    pub(super) columns: Option<&'a [&'a str]>,
    /// These rows, as far as they are there; all where it is not said.
    pub(super) rows: Option<Range<usize>>,
}

pub(super) fn read(path: &Path, wanted: Wanted<'_>) -> Result<Table, DataError> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    read_from(&mut file, length, wanted)
}

fn read_from(file: &mut (impl Read + Seek), length: u64, wanted: Wanted<'_>) -> Result<Table, DataError> {
    let magic = MAGIC.len() as u64;
    if length < magic + TAIL_BYTES {
        return Err(corrupt("it is too short"));
    }
    let mut head = [0u8; MAGIC.len()];
    file.read_exact(&mut head)?;
    let mut tail = [0u8; TAIL_BYTES as usize];
    file.seek(SeekFrom::Start(length - TAIL_BYTES))?;
    file.read_exact(&mut tail)?;
    let (bytes, rest) = tail.split_at(8);
    let (digest, closing) = rest.split_at(32);
    if head != *MAGIC || closing != MAGIC {
        return Err(corrupt("it does not begin and end as a table file of this version"));
    }
    let bytes = u64::from_le_bytes(bytes.try_into().map_err(|_| corrupt("its directory has no length"))?);
    let room = length - TAIL_BYTES - magic;
    if bytes > room {
        return Err(corrupt("its directory is longer than the file"));
    }
    let end = length - TAIL_BYTES - bytes;
    let mut directory = vec![0u8; bytes as usize];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut directory)?;
    if Sha256::digest(&directory).as_slice() != digest {
        return Err(corrupt("the checksum of its directory is wrong"));
    }
    let directory: Directory = serde_json::from_slice(&directory)
        .map_err(|error| corrupt(&format!("its directory cannot be read: {error}")))?;
    if directory.version != VERSION {
        return Err(corrupt(&format!("it is of version {}, this server reads {VERSION}", directory.version)));
    }
    let rows = usize::try_from(directory.rows).map_err(|_| corrupt("it has too many rows"))?;
    let window =
        wanted.rows.map_or(0..rows, |range| range.start.min(rows)..range.end.clamp(range.start.min(rows), rows));
    let mut source = Source { file, end, rows, window: window.clone() };
    let mut columns = Vec::new();
    for entry in &directory.columns {
        if wanted.columns.is_none_or(|names| names.contains(&entry.name.as_str())) {
            columns.push(source.column(entry)?);
        }
    }
    Ok(Table { rows: window.len(), columns, warnings: directory.warnings })
}

fn corrupt(detail: &str) -> DataError {
    DataError::Corrupt(detail.to_owned())
}

/// The part of the file that holds blocks.
struct Source<'a, F> {
    file: &'a mut F,
    end: u64,
    /// Rows of the table.
    rows: usize,
    /// Rows to read.
    window: Range<usize>,
}

impl<F: Read + Seek> Source<'_, F> {
    fn block(&mut self, block: &Block, column: &str) -> Result<Vec<u8>, DataError> {
        let fits = block.offset.checked_add(block.bytes).is_some_and(|end| end <= self.end);
        if !fits {
            return Err(corrupt(&format!("a block of column \"{column}\" lies outside")));
        }
        let mut bytes = vec![0u8; block.bytes as usize];
        self.file.seek(SeekFrom::Start(block.offset))?;
        self.file.read_exact(&mut bytes)?;
        if hex(&Sha256::digest(&bytes)) != block.sha256 {
            return Err(corrupt(&format!("the checksum of a block of column \"{column}\" is wrong")));
        }
        Ok(bytes)
    }

    fn values<V, const N: usize>(
        &mut self,
        entry: &ColumnEntry,
        from_bytes: fn([u8; N]) -> V,
    ) -> Result<Vec<V>, DataError> {
        let wrong = || corrupt(&format!("column \"{}\" does not have its {} rows", entry.name, self.rows));
        let lengths = entry.blocks.iter().map(|block| block.rows);
        let sum = lengths.clone().try_fold(0u64, u64::checked_add);
        let whole = entry.blocks.iter().all(|block| block.rows.checked_mul(N as u64) == Some(block.bytes));
        if sum != Some(self.rows as u64) || !whole {
            return Err(wrong());
        }
        let mut values = Vec::new();
        let mut start = 0;
        for block in &entry.blocks {
            let end = start + block.rows as usize;
            let wanted = self.window.start.max(start)..self.window.end.min(end);
            if wanted.start < wanted.end {
                let bytes = self.block(block, &entry.name)?;
                let (chunks, _) = bytes.as_chunks::<N>();
                values.extend(chunks[wanted.start - start..wanted.end - start].iter().map(|bytes| from_bytes(*bytes)));
            }
            start = end;
        }
        Ok(values)
    }

    fn texts(&mut self, entry: &ColumnEntry) -> Result<Vec<String>, DataError> {
        let wrong = || corrupt(&format!("the texts of column \"{}\" are cut off", entry.name));
        let mut texts = Vec::new();
        for block in &entry.dictionary {
            let bytes = self.block(block, &entry.name)?;
            let mut rest = bytes.as_slice();
            for _ in 0..block.rows {
                let (length, after) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
                let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(wrong)?;
                texts.push(String::from_utf8(text.to_vec()).map_err(|_| wrong())?);
                rest = after;
            }
            if !rest.is_empty() {
                return Err(wrong());
            }
        }
        Ok(texts)
    }

    fn column(&mut self, entry: &ColumnEntry) -> Result<Column, DataError> {
        let values = match entry.storage {
            Storage::F64 => Values::Numeric(self.values(entry, f64::from_le_bytes)?),
            Storage::Milliseconds => Values::Datetime(self.values(entry, i64::from_le_bytes)?),
            Storage::Codes => {
                let codes = self.values(entry, u32::from_le_bytes)?;
                let dictionary = self.texts(entry)?;
                if codes.iter().any(|code| *code != MISSING_CODE && *code as usize >= dictionary.len()) {
                    return Err(corrupt(&format!("column \"{}\" has a code without a text", entry.name)));
                }
                Values::Text { codes, dictionary }
            }
        };
        Ok(Column { name: entry.name.clone(), kind: entry.kind, values })
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::data::table::MISSING_TIME;

    fn bytes(table: &Table) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(table, &mut bytes).unwrap();
        bytes
    }

    fn back(bytes: &[u8], wanted: Wanted<'_>) -> Result<Table, DataError> {
        read_from(&mut Cursor::new(bytes), bytes.len() as u64, wanted)
    }

    fn column(rows: usize) -> impl Strategy<Value = Column> {
        let numbers =
            proptest::collection::vec(prop_oneof![4 => -1e9..1e9, 1 => Just(f64::MAX), 1 => Just(-0.0)], rows);
        let times = proptest::collection::vec(prop_oneof![3 => any::<i64>(), 1 => Just(MISSING_TIME)], rows);
        let texts = (proptest::collection::vec(any::<String>(), 1..9), proptest::collection::vec(any::<u32>(), rows));
        let values = prop_oneof![
            numbers.prop_map(Values::Numeric),
            times.prop_map(Values::Datetime),
            texts.prop_map(|(dictionary, codes)| {
                let n = dictionary.len() as u32 + 1;
                let code = |code: u32| if code % n == n - 1 { MISSING_CODE } else { code % n };
                Values::Text { codes: codes.into_iter().map(code).collect(), dictionary }
            }),
        ];
        let kind = (0..Kind::ALL.len()).prop_map(|i| Kind::ALL[i].1);
        (any::<String>(), kind, values).prop_map(|(name, kind, values)| Column { name, kind, values })
    }

    fn table() -> impl Strategy<Value = Table> {
        (0usize..40).prop_flat_map(|rows| {
            let warning =
                Warning { column: Some("x".into()), code: "mixed_types".into(), detail: "first at line 3".into() };
            proptest::collection::vec(column(rows), 0..5).prop_map(move |columns| Table {
                rows,
                columns,
                warnings: vec![warning.clone()],
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_table_comes_back_as_it_was(table in table()) {
            prop_assert_eq!(back(&bytes(&table), Wanted::default()).unwrap(), table);
        }

        #[test]
        fn a_damaged_file_is_refused_and_never_believed(table in table(), place in any::<prop::sample::Index>(), flip in 1u8..=255) {
            let mut damaged = bytes(&table);
            let place = place.index(damaged.len());
            damaged[place] ^= flip;
            prop_assert!(back(&damaged, Wanted::default()).is_err());
            let whole = bytes(&table);
            prop_assert!(back(&whole[..place], Wanted::default()).is_err());
        }
    }

    #[test]
    fn a_long_column_has_several_blocks_and_columns_are_read_by_name() {
        let rows = 2 * BLOCK_ROWS + 7;
        let column = |name: &str, at: f64| Column {
            name: name.into(),
            kind: Kind::Numeric,
            values: Values::Numeric((0..rows).map(|i| at + i as f64).collect()),
        };
        let table = Table { rows, columns: vec![column("a", 0.0), column("b", 0.5)], warnings: Vec::new() };
        let bytes = bytes(&table);
        let read = back(&bytes, Wanted { columns: Some(&["b", "c"]), rows: None }).unwrap();
        assert_eq!((read.rows, read.columns.len()), (rows, 1));
        assert_eq!(read.columns[0], table.columns[1]);
        for range in [BLOCK_ROWS - 2..BLOCK_ROWS + 3, 5..5, rows - 1..rows + 9, rows + 4..rows + 9] {
            let read = back(&bytes, Wanted { columns: None, rows: Some(range.clone()) }).unwrap();
            let Values::Numeric(values) = &read.columns[0].values else { panic!("numbers") };
            let expected: Vec<f64> = range.filter(|i| *i < rows).map(|i| i as f64).collect();
            assert_eq!((values, read.rows), (&expected, expected.len()));
        }
    }

    #[test]
    fn a_missing_number_stays_missing() {
        let values = Values::Numeric(vec![1.0, f64::NAN]);
        let columns = vec![Column { name: "x".into(), kind: Kind::Numeric, values }];
        let table = Table { rows: 2, columns, warnings: Vec::new() };
        assert!(back(&bytes(&table), Wanted::default()).unwrap().columns[0].is_missing(1));
    }
}
