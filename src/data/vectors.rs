//! Word vectors that a client uploaded: a safetensors file with one matrix, a row a word, and the words in its metadata.
//!
//! The bytes are foreign: every length is checked, nothing in them is run.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

use safetensors::tensor::SafeTensors;

use super::tensors;
use crate::num::Real;

/// The entry of the file's metadata that names the words: a JSON array of strings, or one word a line.
const VOCABULARY: &str = "vocabulary";

/// Word vectors, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct WordVectors<T> {
    /// The words.
    pub words: Vec<String>,
    /// Dimensions of a vector.
    pub dim: usize,
    /// Row-major, `[words, dim]`.
    pub values: Vec<T>,
}

/// Reads the words out of a file's metadata.
///
/// # Errors
/// What is wrong, in words for the client.
fn vocabulary(metadata: Option<&HashMap<String, String>>) -> Result<Vec<String>, String> {
    let Some(text) = metadata.and_then(|metadata| metadata.get(VOCABULARY)) else {
        return Err("has no words: put them into the metadata entry \"vocabulary\", as a JSON array of strings or one a line, in the \
                    order of the matrix's rows"
            .to_owned());
    };
    let words: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
            .map_err(|error| format!("has a \"vocabulary\" that is no JSON array of strings: {error}"))?
    } else {
        text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
    };
    let mut seen = HashSet::with_capacity(words.len());
    match words.iter().position(|word| word.is_empty() || !seen.insert(word.as_str())) {
        Some(place) if words[place].is_empty() => {
            Err(format!("has an empty word at place {place} of its \"vocabulary\""))
        }
        Some(place) => {
            Err(format!("has the word {:?} twice in its \"vocabulary\", again at place {place}", words[place]))
        }
        None => Ok(words),
    }
}

/// Finds the matrix among the tensors of a file (names with shapes): the only one with two dimensions. Gives its place and its dimensions.
///
/// # Errors
/// Where there is none, several, or one with other rows than there are words.
fn matrix(tensors: &[(&str, &[usize])], words: usize) -> Result<(usize, usize), String> {
    let mut matrices = tensors.iter().enumerate().filter(|(_, (_, shape))| shape.len() == 2);
    let Some((place, (name, shape))) = matrices.next() else {
        return Err("has no matrix: a tensor of shape [words, dim] is needed".to_owned());
    };
    if let Some((_, (other, _))) = matrices.next() {
        return Err(format!("has several matrices ({name} and {other}): keep the one with the vectors"));
    }
    if shape[0] != words {
        return Err(format!("has {} rows in {name} and {words} words in its \"vocabulary\"", shape[0]));
    }
    if words == 0 || shape[1] == 0 {
        return Err(format!("has an empty matrix {name}, {shape:?}"));
    }
    Ok((place, shape[1]))
}

/// Tells how many words a file has, and how many dimensions their vectors, from its header alone.
///
/// # Errors
/// What is wrong, in words for the client.
pub fn shape(file: &mut (impl Read + Seek)) -> Result<(usize, usize), String> {
    let metadata = tensors::header(file).map_err(|detail| format!("is not a safetensors file: {detail}"))?;
    let words = vocabulary(metadata.metadata().as_ref())?.len();
    let tensors = metadata.tensors();
    let shapes: Vec<(&str, &[usize])> =
        tensors.iter().map(|(name, info)| (name.as_str(), info.shape.as_slice())).collect();
    matrix(&shapes, words).map(|(_, dim)| (words, dim))
}

/// Reads the whole file.
///
/// # Errors
/// What is wrong, in words for the client.
pub fn read<T: Real>(bytes: &[u8]) -> Result<WordVectors<T>, String> {
    let wrong = |error: safetensors::SafeTensorError| format!("is not a safetensors file: {error}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    let file = SafeTensors::deserialize(bytes).map_err(wrong)?;
    let words = vocabulary(metadata.metadata().as_ref())?;
    let views = file.tensors();
    let shapes: Vec<(&str, &[usize])> = views.iter().map(|(name, view)| (name.as_str(), view.shape())).collect();
    let (place, dim) = matrix(&shapes, words.len())?;
    let (name, view) = &views[place];
    let mut values = vec![T::ZERO; words.len() * dim];
    if !tensors::copy(view, &mut values) {
        return Err(format!("has {name} in the number type {:?}; F64, F32, F16 and BF16 are read", view.dtype()));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("has a number that is not finite in the vector of {:?}", words[at / dim.max(1)])),
        None => Ok(WordVectors { words, dim, values }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{Dtype, TensorView};

    fn file(shape: &[usize], vocabulary: Option<&str>) -> Vec<u8> {
        let data: Vec<u8> = (0..shape.iter().product()).flat_map(|i: usize| (i as f32).to_le_bytes()).collect();
        let metadata = vocabulary.map(|text| HashMap::from([(VOCABULARY.to_owned(), text.to_owned())]));
        let view = TensorView::new(Dtype::F32, shape.to_vec(), &data).unwrap();
        safetensors::serialize([("vectors", view)], metadata).unwrap()
    }

    #[test]
    fn words_come_as_json_or_as_lines() {
        for text in ["[\"a\",\"b\"]", "a\nb\n", "a\r\nb"] {
            let found = read::<f64>(&file(&[2, 3], Some(text))).unwrap();
            assert_eq!(
                found,
                WordVectors { words: vec!["a".into(), "b".into()], dim: 3, values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] }
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let cases = [
            (file(&[2, 3], None), "metadata entry \"vocabulary\""),
            (file(&[2, 3], Some("a\na")), "\"a\" twice"),
            (file(&[2, 3], Some("a\n\nb")), "an empty word at place 1"),
            (file(&[2, 3], Some("[1]")), "no JSON array of strings"),
            (file(&[2, 3], Some("a")), "2 rows in vectors and 1 words"),
            (file(&[6], Some("a")), "no matrix"),
            (b"PK".to_vec(), "not a safetensors file"),
        ];
        for (bytes, wanted) in cases {
            let said = read::<f32>(&bytes).unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
    }
}
