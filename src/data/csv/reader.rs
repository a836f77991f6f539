//! Reading with bounds: a sample from the front, a watch over how many bytes one row takes, one kind of line end.

use std::io::{self, Read};

/// Reads up to `bytes` bytes; fewer only at the end.
pub(super) fn fill(reader: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut sample = Vec::with_capacity(bytes);
    reader.take(bytes as u64).read_to_end(&mut sample)?;
    Ok(sample)
}

/// What stands behind the last line, in bytes that no text has: a row of its own, or inside of a cell whose quote was never closed.
pub(super) const END: &[u8] = b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8";

/// A reader between the text and the parser.
///
/// Every line end (`\r\n`, `\r`, `\n`) leaves it as `\n` and the last line has one, because only then can the line of a row be told from the parser's own
/// count. Behind the last line stands [`END`]. It fails once more than `longest` bytes went by since the row began: a quote that is never closed must not bring the whole file into memory.
pub(super) struct Watched<R> {
    inner: R,
    since: usize,
    longest: usize,
    last: u8,
    /// The last byte read was `\r`: a `\n` that follows belongs to it.
    after_return: bool,
    /// What is still to be given behind the last line, once that has been read.
    tail: Option<Vec<u8>>,
}

impl<R> Watched<R> {
    pub(super) fn new(inner: R, longest: usize) -> Watched<R> {
        Watched { inner, since: 0, longest, last: b'\n', after_return: false, tail: None }
    }

    pub(super) fn begin_row(&mut self) {
        self.since = 0;
    }

    pub(super) fn is_over(&self) -> bool {
        self.since > self.longest
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Turns `\r\n` and `\r` into `\n` in place; returns how many bytes are left.
    fn unify_line_ends(&mut self, bytes: &mut [u8]) -> usize {
        if !self.after_return && !bytes.contains(&b'\r') {
            return bytes.len();
        }
        let mut kept = 0;
        for i in 0..bytes.len() {
            let byte = bytes[i];
            if !(byte == b'\n' && self.after_return) {
                bytes[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
            self.after_return = byte == b'\r';
        }
        kept
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.inner.read(buffer)?;
            if read == 0 {
                let last = self.last;
                let tail = self.tail.get_or_insert_with(|| {
                    let line_end: &[u8] = if last == b'\n' { b"" } else { b"\n" };
                    [line_end, END, b"\n"].concat()
                });
                let given = tail.len().min(buffer.len());
                buffer[..given].copy_from_slice(&tail[..given]);
                tail.drain(..given);
                return Ok(given);
            }
            self.since += read;
            if self.is_over() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "row too long"));
            }
            let kept = self.unify_line_ends(&mut buffer[..read]);
            if kept > 0 {
                self.last = buffer[kept - 1];
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}
