//! What is in a safetensors file, from its header alone: the tensors of a large file are never in memory.

use std::io::{Read, Seek};

use crate::data::tensors;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSummary {
    /// Its name.
    pub name: String,
    /// `F32`, `F64`, ….
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Lists the tensors of a safetensors file in the order of their bytes, after checking that header and length agree.
///
/// # Errors
/// What is wrong with the file, in words for the client.
pub fn summary(file: &mut (impl Read + Seek)) -> Result<Vec<TensorSummary>, String> {
    let metadata = tensors::header(file)?;
    let tensor = |name: String| {
        let info = metadata.info(&name)?;
        Some(TensorSummary { dtype: format!("{:?}", info.dtype), shape: info.shape.clone(), name })
    };
    Ok(metadata.offset_keys().into_iter().filter_map(tensor).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{Dtype, TensorView};
    use std::io::Cursor;

    fn file() -> Vec<u8> {
        let data = [0u8; 24];
        let view = TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
        safetensors::serialize([("hidden.0.weight", view)], None).unwrap()
    }

    #[test]
    fn the_header_tells_names_types_and_shapes() {
        let found = summary(&mut Cursor::new(file())).unwrap();
        let wanted = TensorSummary { name: "hidden.0.weight".into(), dtype: "F32".into(), shape: vec![2, 3] };
        assert_eq!(found, [wanted]);
    }

    #[test]
    fn what_is_no_safetensors_file_is_refused_in_words() {
        let mut cut = file();
        cut.pop();
        assert!(summary(&mut Cursor::new(cut)).unwrap_err().contains("23 follow"));
        assert!(summary(&mut Cursor::new(b"PK\x03\x04 a zip file, or a pickle")).unwrap_err().contains("cannot have"));
        assert!(summary(&mut Cursor::new(b"abc")).is_err());
        assert!(summary(&mut Cursor::new([&2u64.to_le_bytes()[..], b"[]"].concat())).is_err());
    }
}
