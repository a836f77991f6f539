//! What the packed buffers of an Arrow file claim to hold, looked at before anything is unpacked: the decoder makes room for the claim,
//! and where there is no such room the process would end, which nothing can catch.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

/// A buffer may claim so many times as much as it takes,
const RATIO: u64 = 300;
/// and this much whatever it takes.
const FREE: u64 = 256 << 20;
/// The footer's length and the magic word behind it.
const TAIL: u64 = 10;

/// Looks at every packed buffer; `Some` with what is claimed where that is too much. What is broken in another way is left to the decoder.
pub(super) fn too_large(file: &mut (impl Read + Seek)) -> Option<u64> {
    let found = largest(file).ok().flatten();
    file.rewind().ok()?;
    found
}

fn largest(file: &mut (impl Read + Seek)) -> Result<Option<u64>> {
    let end = file.seek(SeekFrom::End(0))?;
    let tail = bytes(file, end, end.saturating_sub(TAIL), TAIL)?;
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let footer = bytes(file, end, end.saturating_sub(TAIL + length), length)?;
    let footer = arrow_ipc::root_as_footer(&footer).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    let (batches, dictionaries) = (footer.recordBatches(), footer.dictionaries());
    // A block that is broken may stand behind one that is not.
    let mut blocks = batches.iter().chain(&dictionaries).flatten();
    Ok(blocks.find_map(|block| of_block(file, end, block).ok().flatten()))
}

/// The first claim of a block that is too large.
fn of_block(file: &mut (impl Read + Seek), end: u64, block: &arrow_ipc::Block) -> Result<Option<u64>> {
    let (start, length) = (block.offset() as u64, block.metaDataLength() as u64);
    let data = start.saturating_add(length);
    let metadata = bytes(file, end, start, length)?;
    // What the message names may stand behind it: the decoder looks there too.
    match in_message(file, end, data, &metadata) {
        Err(_) => {
            let whole = bytes(file, end, start, length.saturating_add(block.bodyLength() as u64))?;
            in_message(file, end, data, &whole)
        }
        found => found,
    }
}

fn in_message(file: &mut (impl Read + Seek), end: u64, data: u64, message: &[u8]) -> Result<Option<u64>> {
    // The length stands before the message, in files of today behind a mark.
    let skipped = if message.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let message = message.get(skipped..).unwrap_or_default();
    let message = arrow_ipc::root_as_message(message).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|batch| batch.data()));
    let buffers = batch.filter(|batch| batch.compression().is_some()).and_then(|batch| batch.buffers());
    let mut packed = buffers.iter().flatten().filter(|buffer| buffer.length() >= 8);
    Ok(packed.find_map(|buffer| {
        let claim = bytes(file, end, data.saturating_add(buffer.offset() as u64), 8).ok()?;
        // Below 0: not packed.
        let claim = u64::try_from(i64::from_le_bytes(claim.try_into().ok()?)).ok()?;
        (claim > (buffer.length() as u64).saturating_mul(RATIO).saturating_add(FREE)).then_some(claim)
    }))
}

/// Bytes of a file that ends at `end`, never more than it has.
fn bytes(file: &mut (impl Read + Seek), end: u64, start: u64, length: u64) -> Result<Vec<u8>> {
    if start.checked_add(length).is_none_or(|last| last > end) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; length as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
