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
        let outside = || DataError::Corrupt("a block lies outside of the file".into());
        let end = offset.checked_add(length).filter(|end| *end <= self.length).ok_or_else(outside)?;
        match &self.place {
            Place::File(file) => {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
            Place::Memory(memory) => memory.get(offset as usize..end as usize).map(<[u8]>::to_vec).ok_or_else(outside),
        }
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
