//! From the stored tables to the encoded parts of a job: in memory where they were admitted so, else with their inputs in spool files.

use super::failure::Failure;
use super::run::Session;
use crate::data::{Encoder, Part, PartWriter, Rows, Split, StoredTable};
use crate::store::StoreError;
use crate::train::{Dataset, Real};

/// Where the rows of the parts come from.
pub(super) struct Sources<'a> {
    /// The job's dataset.
    pub own: &'a StoredTable,
    /// A validation set of its own.
    pub validation: Option<&'a StoredTable>,
    /// A test set of its own.
    pub test: Option<&'a StoredTable>,
}

/// Encodes all parts; `None` where the job was told to stop meanwhile.
pub(super) fn encode<T: Real>(
    session: &Session<'_>,
    encoder: &Encoder,
    sources: &Sources<'_>,
    split: &Split,
    in_memory: bool,
) -> Result<Option<Dataset<T>>, Failure> {
    let validation = if sources.validation.is_some() { &[][..] } else { split.validation.as_slice() };
    let test = if sources.test.is_some() { &[][..] } else { split.test.as_slice() };
    // One way through the dataset for all of its parts.
    let rows = [split.train.as_slice(), validation, test];
    let Some(own) = parts::<T>(session, encoder, sources.own, &rows, in_memory)? else { return Ok(None) };
    let mut own = own.into_iter();
    let mut data = Dataset {
        train: own.next().unwrap_or_default(),
        validation: own.next().filter(|part| part.rows() > 0),
        test: own.next().filter(|part| part.rows() > 0),
    };
    for (source, part) in [(sources.validation, &mut data.validation), (sources.test, &mut data.test)] {
        let Some(source) = source else { continue };
        let all: Vec<u32> = (0..source.rows() as u32).collect();
        let Some(other) = parts::<T>(session, encoder, source, &[all.as_slice()], in_memory)? else { return Ok(None) };
        *part = other.into_iter().next();
    }
    Ok(Some(data))
}

fn parts<T: Real>(
    session: &Session<'_>,
    encoder: &Encoder,
    source: &StoredTable,
    rows: &[&[u32]],
    in_memory: bool,
) -> Result<Option<Vec<Part<T>>>, Failure> {
    let writer = |rows: &&[u32]| match in_memory || rows.is_empty() {
        true => Ok(PartWriter::in_memory()),
        false => {
            let bytes = rows.len() as u64 * (encoder.features() * T::BYTES) as u64;
            Ok(PartWriter::spooled(session.store.file_scratch(bytes).map_err(|error| no_room(error, bytes))?))
        }
    };
    let mut writers = rows.iter().map(writer).collect::<Result<Vec<PartWriter<T>>, Failure>>()?;
    let stopped = &mut || session.control.asked().is_some();
    if !encoder.encode_parts(source, rows, true, &mut writers, stopped)? {
        return Ok(None);
    }
    Ok(Some(writers.into_iter().map(PartWriter::finish).collect::<Result<Vec<_>, _>>()?))
}

fn no_room(error: StoreError, bytes: u64) -> Failure {
    if !matches!(error, StoreError::Full) {
        return error.into();
    }
    let detail = format!(
        "the encoded rows do not fit into memory, and the data directory has no room for {:.1} MB of them; free some room, or give the \
         server more memory, and submit the job again",
        bytes as f64 / 1e6
    );
    Failure::new("disk_full", "The disk is nearly full", detail, serde_json::Value::Null)
}
