//! A block of lines without quotes, read into numbers column by column; what is no number is told by its place. Pure: blocks are read on several threads.

use super::blocks::Block;
use super::source::{check_row, not_utf8};
use super::{Detected, Limits};
use crate::data::error::FileFault;
use crate::data::parse::{Markers, POWERS_OF_TEN, is_code, parse_number, plain_number};

/// What all blocks of a file have in common.
pub(super) struct Form<'a> {
    pub(super) names: &'a [String],
    pub(super) markers: &'a Markers,
    pub(super) limits: Limits,
    delimiter: u8,
    comment: Option<u8>,
    decimal: u8,
    /// Whether digits can be read as they come: no number means "no value", and the delimiter cannot stand in one.
    by_digits: bool,
}

/// A cell that has a value which is no number, or may be none.
#[derive(Clone, Copy)]
pub(super) struct Other {
    pub(super) row: u32,
    /// Its line, counted from the block's first.
    line: u32,
    start: u32,
    end: u32,
}

/// A block that was read. Of a faulty one, the rows before the fault.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) block: Block,
    pub(super) rows: usize,
    /// The numbers, `stride` places a column; NaN where there is none.
    values: Vec<f64>,
    stride: usize,
    columns: Vec<Column>,
    pub(super) fault: Option<FileFault>,
}

#[derive(Default)]
struct Column {
    /// No number was looked for: every cell with a value is among the others.
    as_text: bool,
    others: Vec<Other>,
}

impl Parsed {
    pub(super) fn is_as_text(&self, column: usize) -> bool {
        self.columns[column].as_text
    }

    /// The numbers of a column; NaN where there is none.
    pub(super) fn values(&self, column: usize) -> &[f64] {
        &self.values[column * self.stride..][..self.rows]
    }

    /// The other cells of a column in some rows.
    pub(super) fn others(&self, column: usize, rows: &std::ops::Range<usize>) -> &[Other] {
        let others = self.columns[column].others.as_slice();
        let from = |row: usize| others.partition_point(|other| (other.row as usize) < row);
        &others[from(rows.start)..from(rows.end)]
    }

    pub(super) fn cell(&self, other: &Other) -> &[u8] {
        &self.block.bytes[other.start as usize..other.end as usize]
    }

    /// The line of a cell.
    pub(super) fn line(&self, other: &Other) -> u64 {
        self.block.line + u64::from(other.line)
    }
}

impl<'a> Form<'a> {
    pub(super) fn new(names: &'a [String], markers: &'a Markers, limits: Limits, detected: &Detected) -> Form<'a> {
        let (delimiter, decimal) = (detected.delimiter as u8, detected.decimal as u8);
        Form {
            names,
            markers,
            limits,
            delimiter,
            comment: detected.comment.map(|c| c as u8),
            decimal,
            by_digits: !markers.numeric && delimiter != decimal && !b"0123456789+-".contains(&delimiter),
        }
    }

    /// Reads the block of `parsed`, whose other parts are used again; `as_text` says of which columns no number is looked for.
    pub(super) fn read(&self, parsed: &mut Parsed, as_text: impl Fn(usize) -> bool) {
        let Parsed { block, rows, values, stride, columns, fault } = parsed;
        let (width, bytes) = (self.names.len(), block.bytes.as_slice());
        // A row has a byte a cell at least.
        *stride = block.lines.min(bytes.len() / width.max(1));
        values.resize(width * *stride, f64::NAN);
        columns.resize_with(width, Column::default);
        for (place, column) in columns.iter_mut().enumerate() {
            column.as_text = as_text(place);
            column.others.clear();
        }
        (*rows, *fault) = (0, None);
        let (mut at, mut line) = (0, 0u32);
        while at < bytes.len() {
            let start = at;
            let is_row = bytes[at] != b'\n' && Some(bytes[at]) != self.comment;
            if is_row
                && *rows < *stride
                && let Some(end) = self.row(bytes, at, *rows, line, values, *stride, columns)
            {
                at = end;
                *rows += 1;
            } else {
                at = start + memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len() - start, |length| length + 1);
                let of_line = &bytes[start..at - 1];
                let is_blank = !of_line.contains(&self.delimiter) && of_line.trim_ascii().is_empty();
                if is_row && !is_blank {
                    *fault = Some(self.fault_of(of_line, block.line + u64::from(line)));
                    break;
                }
                // What there was of a row is none.
                let row = *rows as u32;
                columns
                    .iter_mut()
                    .for_each(|column| column.others.truncate(column.others.partition_point(|other| other.row < row)));
            }
            line += 1;
        }
    }

    /// Reads one row and gives the place behind its line end; `None` where it is none or has a fault.
    #[inline]
    fn row(
        &self,
        bytes: &[u8],
        mut at: usize,
        row: usize,
        line: u32,
        values: &mut [f64],
        stride: usize,
        columns: &mut [Column],
    ) -> Option<usize> {
        let last = columns.len().checked_sub(1)?;
        for (place, column) in columns.iter_mut().enumerate() {
            let read = if self.by_digits && !column.as_text { number(bytes, at, self.decimal) } else { None };
            let (x, end) = match read {
                Some((x, end)) if bytes[end] == self.delimiter || bytes[end] == b'\n' => (x, end),
                _ => {
                    let rest = bytes.get(at..)?;
                    let end = at + memchr::memchr2(self.delimiter, b'\n', rest)?;
                    let cell = &bytes[at..end];
                    // One cell that is blank is a line that is.
                    if cell.len() > self.limits.cell_bytes || (last == 0 && cell.trim_ascii().is_empty()) {
                        return None;
                    }
                    (self.other(cell, Other { row: row as u32, line, start: at as u32, end: end as u32 }, column)?, end)
                }
            };
            values[place * stride + row] = x;
            if (bytes[end] == b'\n') != (place == last) {
                return None;
            }
            at = end + 1;
        }
        Some(at)
    }

    /// A cell that is not a number at first sight: NaN where it has another value or none. `None` where it is not UTF-8.
    #[inline]
    fn other(&self, cell: &[u8], place: Other, column: &mut Column) -> Option<f64> {
        let cell = cell.trim_ascii();
        if self.markers.is_missing(cell) {
            return Some(f64::NAN);
        }
        if !column.as_text
            && !is_code(cell)
            && let Some(x) = parse_number(cell, self.decimal)
        {
            return Some(x);
        }
        std::str::from_utf8(cell).ok()?;
        column.others.push(place);
        Some(f64::NAN)
    }

    /// What is wrong with a line.
    fn fault_of(&self, line: &[u8], number: u64) -> FileFault {
        let record = csv::ByteRecord::from(line.split(|byte| *byte == self.delimiter).collect::<Vec<&[u8]>>());
        check_row(&record, number, self.names, self.limits).err().unwrap_or_else(|| {
            let wrong = record.iter().zip(self.names).find(|(cell, _)| std::str::from_utf8(cell).is_err());
            not_utf8(number, wrong.map_or_else(|| "?".to_owned(), |(_, name)| format!("\"{name}\"")))
        })
    }

    /// The cells of a column of a block that was read, with a value or without.
    pub(super) fn cells<'b>(
        &self,
        parsed: &'b Parsed,
        column: usize,
    ) -> impl Iterator<Item = (u64, &'b [u8])> + use<'b> {
        let (delimiter, comment, narrow) = (self.delimiter, self.comment, self.names.len() == 1);
        let lines = parsed.block.bytes.split(|byte| *byte == b'\n').zip(parsed.block.line..);
        let is_row = move |line: &[u8]| {
            !line.is_empty()
                && line.first().copied() != comment
                && (line.contains(&delimiter) || (narrow && !line.trim_ascii().is_empty()))
        };
        let rows = lines.filter(move |(line, _)| is_row(line)).take(parsed.rows);
        rows.map(move |(line, number)| (number, line.split(|byte| *byte == delimiter).nth(column).unwrap_or_default()))
    }
}

/// Digits with or without a sign and a mark, from `at` on: the number and the place behind it. `None` where it is for [`parse_number`] to say,
/// or for [`is_code`].
#[inline]
fn number(bytes: &[u8], at: usize, decimal: u8) -> Option<(f64, usize)> {
    let sign = *bytes.get(at)?;
    let signed = usize::from(sign == b'-' || sign == b'+');
    let mut digits = Digits { whole: 0, count: 0 };
    let start = at + signed;
    let mark = digits.take_few(bytes, start)?;
    let (end, behind) = match bytes.get(mark) {
        Some(byte) if *byte == decimal => {
            let before = digits.count;
            (digits.take(bytes, mark + 1)?, digits.count - before)
        }
        // A leading zero and digits alone: a code.
        _ if signed == 0 && digits.count > 1 && bytes[start] == b'0' => return None,
        _ => (mark, 0),
    };
    let x = match plain_number(sign == b'-', digits.whole, digits.count, behind) {
        Some(x) => x,
        None => long_number(bytes.get(at..end)?, digits.count, decimal)?,
    };
    Some((x, end))
}

/// More digits than [`plain_number`] takes: the library finds the nearest.
fn long_number(cell: &[u8], digits: usize, decimal: u8) -> Option<f64> {
    if decimal != b'.' || digits == 0 {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse::<f64>().ok().filter(|x| x.is_finite())
}

struct Digits {
    whole: u64,
    count: usize,
}

impl Digits {
    /// As [`Digits::take`], the quicker way for few.
    #[inline(always)]
    fn take_few(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        match bytes.get(at..).and_then(<[u8]>::first_chunk::<8>).map(|word| eight(u64::from_le_bytes(*word), 8)) {
            Some((count, digits)) if count < 8 => {
                (self.whole, self.count) = (digits, count);
                Some(at + count)
            }
            _ => self.take(bytes, at),
        }
    }

    /// Takes the digits from `at` on and gives the place behind them; `None` where they are too many.
    #[inline]
    fn take(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        // Sixteen at a time, without a branch for how many there are: that cannot be foreseen.
        while let Some((first, second)) = bytes.get(at..).and_then(two_words) {
            let (count, digits) = eight(first, 8);
            let (more, others) = eight(second, if count == 8 { 8 } else { 0 });
            self.whole = self.whole.wrapping_mul(POWERS_OF_TEN[count]).wrapping_add(digits);
            self.whole = self.whole.wrapping_mul(POWERS_OF_TEN[more]).wrapping_add(others);
            self.count += count + more;
            at += count + more;
            if count + more < 16 {
                return Some(at);
            }
            if self.count > 18 {
                return None;
            }
        }
        while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            if self.count > 18 {
                return None;
            }
            self.whole = self.whole.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.count += 1;
            at += 1;
        }
        Some(at)
    }
}

#[inline]
fn two_words(bytes: &[u8]) -> Option<(u64, u64)> {
    let both = u128::from_le_bytes(*bytes.first_chunk::<16>()?);
    Some((both as u64, (both >> 64) as u64))
}

/// How many of eight characters, but at most `most`, are digits before the first that is none, and the number they make (Lemire 2018).
#[inline]
fn eight(characters: u64, most: usize) -> (usize, u64) {
    let word = characters ^ 0x3030_3030_3030_3030;
    let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
    let count = ((others.trailing_zeros() / 8) as usize).min(most);
    // What is no digit goes out at the top, and zeros come in at the front; in two steps, because all may go.
    let half = 32 - 4 * count as u32;
    let word = (word << half) << half;
    let pairs = word.wrapping_mul(2561) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601) >> 16;
    (count, (fours & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001) >> 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Digits read sixteen at a time are the number that the cell is, or are left to others.
        #[test]
        fn numbers_are_those_of_their_cells(
            cell in "[-+]?[0-9]{0,20}([.][0-9]{0,20})?",
            behind in "[,\n][0-9,.\n]{0,20}",
        ) {
            let bytes = [cell.as_bytes(), behind.as_bytes(), b"\n"].concat();
            if let Some((x, end)) = number(&bytes, 0, b'.') {
                prop_assert_eq!(end, cell.len());
                prop_assert!(!is_code(cell.as_bytes()));
                prop_assert_eq!(parse_number(cell.as_bytes(), b'.').map(f64::to_bits), Some(x.to_bits()));
            } else {
                let digits = cell.bytes().filter(u8::is_ascii_digit).count();
                prop_assert!(is_code(cell.as_bytes()) || digits == 0 || digits > 18, "{cell}");
            }
        }
    }
}
