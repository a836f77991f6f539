//! Texts and codes in blocks: how they are written, read, brought under one dictionary and hashed.

use std::collections::HashMap;

use super::stored::StoredColumn;
use super::{Column, MISSING_CODE, Values};
use crate::data::{DataError, sketch};

/// One dictionary out of several.
pub(super) struct Merged {
    pub(super) texts: Vec<String>,
    index: HashMap<String, u32>,
}

impl Merged {
    pub(super) fn new(texts: &[String]) -> Merged {
        let index = texts.iter().enumerate().map(|(code, text)| (text.clone(), code as u32)).collect();
        Merged { texts: texts.to_vec(), index }
    }

    /// Turns codes into texts of `own` into codes of the whole.
    pub(super) fn translate(&mut self, own: Vec<String>, codes: &mut [u32]) {
        let translation: Vec<u32> = own
            .into_iter()
            .map(|text| {
                if let Some(code) = self.index.get(&text) {
                    return *code;
                }
                let code = self.texts.len() as u32;
                self.texts.push(text.clone());
                self.index.insert(text, code);
                code
            })
            .collect();
        for code in codes {
            *code = translation.get(*code as usize).copied().unwrap_or(MISSING_CODE);
        }
    }
}

pub(super) fn push_codes(bytes: &[u8], codes: &mut Vec<u32>) {
    let (chunks, _) = bytes.as_chunks::<4>();
    codes.extend(chunks.iter().map(|bytes| u32::from_le_bytes(*bytes)));
}

/// Texts, each behind its length.
pub(super) fn read_texts(column: &StoredColumn, mut rest: &[u8], texts: &mut Vec<String>) -> Result<(), DataError> {
    let wrong = || column.corrupt("the texts are cut off");
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
        let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(wrong)?;
        texts.push(String::from_utf8(text.to_vec()).map_err(|_| wrong())?);
        rest = after;
    }
    Ok(())
}

/// Appends a text behind its length.
pub(in crate::data) fn push_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Mixes the values of a column into the hashes of the rows; equal values mix equally, whatever their codes.
pub(super) fn mix_column(column: &Column, hashes: &mut [u64]) {
    match &column.values {
        Values::Numeric(values) => {
            hashes.iter_mut().zip(values).for_each(|(hash, x)| *hash = sketch::mix(*hash, sketch::number_bits(*x)));
        }
        Values::Datetime(times) => {
            hashes.iter_mut().zip(times).for_each(|(hash, ms)| *hash = sketch::mix(*hash, *ms as u64));
        }
        Values::Text { codes, dictionary } => {
            // A stretch of few rows need not hash all texts of a long dictionary.
            let known: Vec<u64> = match dictionary.len() <= 4 * codes.len() {
                true => dictionary.iter().map(|text| sketch::of_text(text)).collect(),
                false => Vec::new(),
            };
            for (hash, code) in hashes.iter_mut().zip(codes) {
                let text = match (known.get(*code as usize), dictionary.get(*code as usize)) {
                    (Some(known), _) => *known,
                    (None, Some(text)) => sketch::of_text(text),
                    (None, None) => u64::MAX,
                };
                *hash = sketch::mix(*hash, text);
            }
        }
    }
}
