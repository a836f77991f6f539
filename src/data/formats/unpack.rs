//! gzip and zstd, with a bound on how large and how many times larger the contents may be. Unpacking is flate2's and zstd's.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use super::fault;
use crate::data::DataError;

/// Contents may be so many times as large as the file,
const RATIO: u64 = 200;
/// and this large whatever the file's size.
const FREE: u64 = 16 << 20;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    pub(super) fn of(head: &[u8]) -> Option<Packing> {
        match () {
            () if head.starts_with(b"\x1f\x8b") => Some(Packing::Gzip),
            () if head.starts_with(b"\x28\xb5\x2f\xfd") => Some(Packing::Zstd),
            () => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// What stopped the reading, known here and not to those who read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Nothing, or the packed bytes themselves are broken.
    Contents,
    /// The disk.
    Source,
    /// The contents are larger than allowed.
    Size,
    /// The contents are too many times larger than the file.
    Ratio,
}

/// Tells afterwards why reading stopped.
pub(super) struct Watch {
    packing: Packing,
    limit: u64,
    stop: Rc<Cell<Stop>>,
}

impl Watch {
    /// A reading error as a fault of the file, unless it was the disk's.
    pub(super) fn explain(&self, error: DataError) -> DataError {
        let DataError::Io(error) = error else { return error };
        let name = self.packing.name();
        match self.stop.get() {
            Stop::Source => DataError::Io(error),
            Stop::Contents => {
                let detail = format!("the {name} stream is broken or cut off: {error}");
                DataError::File(fault("broken_archive", None, detail, "pack the file again, or send it unpacked"))
            }
            Stop::Size => {
                let detail = format!("the {name} file unpacks to more than {} bytes", self.limit);
                DataError::File(fault("too_large_unpacked", None, detail, "send it in parts"))
            }
            Stop::Ratio => {
                let detail = format!("the {name} file unpacks to more than {RATIO} times its size");
                DataError::File(fault("too_large_unpacked", None, detail, "send it unpacked"))
            }
        }
    }
}

/// Opens packed bytes.
pub(super) fn open<'r>(
    reader: impl Read + 'r,
    packing: Packing,
    limit: u64,
) -> Result<(Box<dyn Read + 'r>, Watch), DataError> {
    let stop = Rc::new(Cell::new(Stop::Contents));
    let packed = Rc::new(Cell::new(0));
    let counted = Counted { inner: reader, packed: packed.clone(), stop: stop.clone() };
    let unpacked: Box<dyn Read + 'r> = match packing {
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted))),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(counted)?),
    };
    let bounded = Bounded { inner: unpacked, unpacked: 0, limit, packed, stop: stop.clone() };
    Ok((Box::new(bounded), Watch { packing, limit, stop }))
}

/// Counts the packed bytes.
struct Counted<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    stop: Rc<Cell<Stop>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.stop.set(Stop::Source);
            }
        })?;
        self.packed.set(self.packed.get() + read as u64);
        Ok(read)
    }
}

/// Fails once too much has come out.
struct Bounded<R> {
    inner: R,
    unpacked: u64,
    limit: u64,
    packed: Rc<Cell<u64>>,
    stop: Rc<Cell<Stop>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpacked += read as u64;
        let over = match () {
            () if self.unpacked > self.limit => Some(Stop::Size),
            () if self.unpacked > self.packed.get().saturating_mul(RATIO).saturating_add(FREE) => Some(Stop::Ratio),
            () => None,
        };
        match over {
            None => Ok(read),
            Some(stop) => {
                self.stop.set(stop);
                Err(io::Error::new(io::ErrorKind::InvalidData, "unpacks to too much"))
            }
        }
    }
}
