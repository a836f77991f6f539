//! Where the bytes of a table lie: in a file, or in memory. Reads name their place, so that threads can share it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::data::DataError;

/// Bytes that are appended once and read anywhere.
#[derive(Debug)]
pub struct Storage {
    place: Place,
    length: u64,
}

#[derive(Debug)]
enum Place {
    File(File),
    Memory(Vec<u8>),
}

impl Storage {
    /// A file; what is appended comes behind what it holds.
    ///
    /// # Errors
    /// Where its length cannot be told.
    pub fn file(file: File) -> Result<Storage, DataError> {
        let length = file.metadata()?.len();
        Ok(Storage { place: Place::File(file), length })
    }

    /// Memory.
    pub fn memory(bytes: Vec<u8>) -> Storage {
        Storage { length: bytes.len() as u64, place: Place::Memory(bytes) }
    }

    pub(in crate::data) fn length(&self) -> u64 {
        self.length
    }

    /// Appends bytes and says where they begin.
    pub(in crate::data) fn append(&mut self, bytes: &[u8]) -> Result<u64, DataError> {
        let offset = self.length;
        match &mut self.place {
            Place::File(file) => file.write_all_at(bytes, offset)?,
            Place::Memory(memory) => memory.extend_from_slice(bytes),
        }
        self.length += bytes.len() as u64;
        Ok(offset)
    }

    /// Reads `length` bytes; that they are there is checked before room is made for them.
    pub(in crate::data) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        self.read_into(offset, length, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads `length` bytes into a buffer that is used again.
    pub(in crate::data) fn read_into(&self, offset: u64, length: u64, buffer: &mut Vec<u8>) -> Result<(), DataError> {
        let outside = || DataError::Corrupt("a block lies outside of the file".into());
        let end = offset.checked_add(length).filter(|end| *end <= self.length).ok_or_else(outside)?;
        match &self.place {
            Place::File(file) => {
                buffer.resize(length as usize, 0);
                file.read_exact_at(buffer, offset)?;
            }
            Place::Memory(memory) => {
                buffer.clear();
                buffer.extend_from_slice(memory.get(offset as usize..end as usize).ok_or_else(outside)?);
            }
        }
        Ok(())
    }

    /// The bytes, where they are in memory.
    #[cfg(test)]
    pub(crate) fn into_memory(self) -> Vec<u8> {
        match self.place {
            Place::Memory(memory) => memory,
            Place::File(_) => Vec::new(),
        }
    }
}
