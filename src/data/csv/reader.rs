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

/// Turns every line end (`\r\n`, `\r`, `\n`) into `\n`, because only then can the line of a row be told from the parser's own count.
pub(super) struct Lines<R> {
    inner: R,
    /// The last byte read was `\r`: a `\n` that follows belongs to it.
    after_return: bool,
}

impl<R> Lines<R> {
    pub(super) fn new(inner: R) -> Lines<R> {
        Lines { inner, after_return: false }
    }

    /// Unifies line ends in place; returns how many bytes are left.
    fn unify(&mut self, bytes: &mut [u8]) -> usize {
        let first = usize::from(self.after_return && bytes.first() == Some(&b'\n'));
        self.after_return = bytes.last() == Some(&b'\r');
        let Some(at) = memchr::memchr(b'\r', &bytes[first..]) else {
            if first > 0 {
                bytes.copy_within(first.., 0);
            }
            return bytes.len() - first;
        };
        bytes.copy_within(first..first + at, 0);
        let (mut kept, mut from) = (at, first + at);
        // At `from` stands a `\r`: it is written as `\n`, one behind it is left out, and all up to the next one moves to the front.
        while from < bytes.len() {
            bytes[kept] = b'\n';
            from += 1 + usize::from(bytes.get(from + 1) == Some(&b'\n'));
            let rest = &bytes[from.min(bytes.len())..];
            let length = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
            bytes.copy_within(from..from + length, kept + 1);
            (kept, from) = (kept + 1 + length, from + length);
        }
        kept
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(buffer)?;
            if read == 0 {
                return Ok(0);
            }
            let kept = self.unify(&mut buffer[..read]);
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

/// A reader between text of one kind of line end and the parser.
///
/// The last line leaves it with a line end, and behind it stands [`END`]. It fails once more than `longest` bytes went by since the row began: a quote that is
/// never closed must not bring the whole file into memory.
pub(super) struct Watched<R> {
    inner: R,
    since: usize,
    longest: usize,
    last: u8,
    /// What went by, where somebody wants to go back to it.
    kept: Option<Vec<u8>>,
    /// What is still to be given behind the last line, once that has been read.
    tail: Option<Vec<u8>>,
}

impl<R> Watched<R> {
    pub(super) fn new(inner: R, longest: usize) -> Watched<R> {
        Watched { inner, since: 0, longest, last: b'\n', kept: None, tail: None }
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

    /// Keeps what goes by from here on.
    pub(super) fn keep(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// What went by since [`Watched::keep`], and what is still to come.
    pub(super) fn into_parts(self) -> (Vec<u8>, R) {
        (self.kept.unwrap_or_default(), self.inner)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
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
        self.last = buffer[read - 1];
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&buffer[..read]);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of the lengths that are asked for.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let given = self.1.min(buffer.len()).min(self.0.len());
            buffer[..given].copy_from_slice(&self.0[..given]);
            self.0 = &self.0[given..];
            Ok(given)
        }
    }

    proptest! {
        /// However the bytes come in, the lines are the same.
        #[test]
        fn line_ends_become_one_kind(text in "[ab\r\n]{0,40}", piece in 1usize..7) {
            let mut found = String::new();
            Lines::new(Pieces(text.as_bytes(), piece)).read_to_string(&mut found).unwrap();
            prop_assert_eq!(found, text.replace("\r\n", "\n").replace('\r', "\n"));
        }
    }
}
