//! Text cut into blocks of whole lines, for as long as no quote stands in it: then a line end is the end of a row, and blocks can be read apart.

use std::io::{self, Cursor, Read};

use super::source::Text;

/// Bytes of the first blocks, which are read by one thread, and of those behind them.
pub(super) const FIRST_BYTES: usize = 1 << 16;
pub(super) const BYTES: usize = 1 << 19;

/// Whole lines, each with its line end.
#[derive(Default)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// The number of the first line.
    pub(super) line: u64,
    pub(super) lines: usize,
}

/// Cuts text into blocks.
pub(super) struct Blocks<'r> {
    text: Text<'r>,
    /// What was read and belongs to no block yet.
    over: Vec<u8>,
    line: u64,
    ended: bool,
}

impl<'r> Blocks<'r> {
    pub(super) fn new(text: Text<'r>, line: u64) -> Blocks<'r> {
        Blocks { text, over: Vec::new(), line, ended: false }
    }

    /// Fills a block with about so many bytes; says whether it did. It does not at the end of the text, and where a quote comes or a line is
    /// longer than a block: what follows is then told by [`Blocks::rest`].
    pub(super) fn fill(&mut self, block: &mut Block, bytes: usize) -> io::Result<bool> {
        let buffer = &mut block.bytes;
        let length = bytes.max(self.over.len());
        buffer.resize(length, 0);
        let mut filled = self.over.len();
        buffer[..filled].copy_from_slice(&self.over);
        self.over.clear();
        while filled < length {
            match self.text.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let ended = filled < length;
        buffer.truncate(filled);
        if ended && buffer.last().is_some_and(|last| *last != b'\n') {
            buffer.push(b'\n');
        }
        let whole = memchr::memrchr(b'\n', buffer).map_or(0, |at| at + 1);
        if ended && buffer.is_empty() {
            self.ended = true;
            return Ok(false);
        }
        if whole == 0 || memchr::memchr(b'"', &buffer[..whole]).is_some() {
            self.over.append(buffer);
            return Ok(false);
        }
        self.over.extend_from_slice(&buffer[whole..]);
        buffer.truncate(whole);
        (block.line, block.lines) = (self.line, memchr::memchr_iter(b'\n', buffer).count());
        self.line += block.lines as u64;
        Ok(true)
    }

    /// The text that is in no block, and the line on which it begins; `None` where there is no more.
    pub(super) fn rest(self) -> Option<(Text<'r>, u64)> {
        let text = Cursor::new(self.over).chain(self.text);
        (!self.ended).then(|| (Box::new(text) as Text<'r>, self.line))
    }
}
