//! Where a job begins: at its own last checkpoint, at another job's, at uploaded weights, or anew.

use std::collections::BTreeMap;
use std::io::Cursor;

use chrono::Utc;
use serde_json::json;

use super::failure::Failure;
use super::recorder::Recorder;
use super::run::Session;
use crate::data::vectors::{self, WordVectors};
use crate::id::JobId;
use crate::spec::{self, Reference, ReferenceKind, ResolvedSpec, VectorsShape, WarmStart};
use crate::store::{Checkpoint, Level, NewEvent, StoreError};
use crate::train::{self, Plan, Real, Start, checkpoint};

/// Finds where a job begins. What it was before it was interrupted comes first.
pub(super) fn start<T: Real>(
    session: &Session<'_>,
    recorder: &mut Recorder,
    spec: &ResolvedSpec,
    plan: &Plan,
) -> Result<Start<T>, Failure> {
    let made_by = session.job.arithmetic_version;
    if made_by != train::ARITHMETIC_VERSION {
        begin_anew(session, recorder, made_by)?;
    } else if session.job.attempt > 1
        && let Some(start) = resume(session, recorder)?
    {
        return Ok(start);
    }
    match spec.warm_start() {
        None => Ok(Start::Fresh),
        Some(WarmStart::Job { job, checkpoint, full_state }) => from_job(session, job, checkpoint, *full_state),
        Some(WarmStart::Weights { weights }) => from_upload(session, plan, weights),
    }
}

/// An older program computed with another arithmetic: going on from its state would give bits that neither of the two gives. The job
/// says so and begins anew.
fn begin_anew(session: &Session<'_>, recorder: &mut Recorder, made_by: u32) -> Result<(), Failure> {
    let now = train::ARITHMETIC_VERSION;
    recorder.begin_anew(session.runtime, now)?;
    let message = format!(
        "begins anew: it came in under version {made_by} of the arithmetic and this program computes by version {now}; to go on from \
         the old state would give the bits of neither"
    );
    let data = json!({"code": "arithmetic_changed", "from": made_by, "to": now});
    recorder.event(NewEvent { level: Level::Warn, kind: "log", message, data, at: Utc::now() });
    Ok(())
}

/// Begins with weights that a client uploaded.
fn from_upload<T: Real>(session: &Session<'_>, plan: &Plan, id: &str) -> Result<Start<T>, Failure> {
    train::start_with(plan, &uploaded(session, id)?)
        .map_err(|error| Failure::new("weights", "The weights do not fit the network", error.to_string(), json!({})))
}

/// The bytes of uploaded weights.
fn uploaded(session: &Session<'_>, id: &str) -> Result<Vec<u8>, Failure> {
    let gone = || Failure::gone(&format!("the weights {id}"));
    let row = session.runtime.block_on(session.store.weights_get(id.parse().map_err(|_| gone())?))?;
    std::fs::read(session.store.weights_file(&row)).map_err(|_| gone())
}

/// Reads the word vectors that a spec names, each with the name of its table.
pub(super) fn word_vectors<T: Real>(
    session: &Session<'_>,
    spec: &ResolvedSpec,
) -> Result<Vec<(String, WordVectors<T>)>, Failure> {
    let read = |(table, id): (&str, &str)| {
        let vectors = vectors::read(&uploaded(session, id)?).map_err(|detail| no_vectors(id, &detail))?;
        Ok((table.to_owned(), vectors))
    };
    spec.vectors().into_iter().map(read).collect()
}

/// The sizes of the word vectors that a request names, for its proof.
pub(super) fn vector_shapes(
    session: &Session<'_>,
    request: &serde_json::Value,
) -> Result<BTreeMap<String, VectorsShape>, Failure> {
    let named = spec::references(request).into_iter().filter(|reference| reference.kind == ReferenceKind::Vectors);
    let shape = |Reference { value: id, .. }| {
        let (words, dim) =
            vectors::shape(&mut Cursor::new(uploaded(session, &id)?)).map_err(|detail| no_vectors(&id, &detail))?;
        Ok((id, VectorsShape { words: words as u64, dim: dim as u64 }))
    };
    named.map(shape).collect()
}

fn no_vectors(id: &str, detail: &str) -> Failure {
    Failure::new("weights", "The word vectors cannot be used", format!("{id} {detail}"), json!({}))
}

/// Goes on from the job's last checkpoint that is whole. A damaged one is dropped, and the one before is taken.
fn resume<T: Real>(session: &Session<'_>, recorder: &mut Recorder) -> Result<Option<Start<T>>, Failure> {
    let listed = session.runtime.block_on(session.store.checkpoint_list(session.job.id))?;
    for row in &listed {
        let Some(last) = read(session, recorder, row)? else { continue };
        if !last.can_resume() {
            continue; // weights alone
        }
        // The best of that moment: the mark may have moved on since, to a checkpoint that is damaged now.
        let best_step = last.best_step().filter(|step| *step != row.step);
        let best = match listed.iter().find(|other| Some(other.step) == best_step) {
            Some(best) => read(session, recorder, best)?.map(Box::new),
            None => None,
        };
        if best_step.is_some() && best.is_none() {
            continue; // the weights to restore at the end are gone: an earlier state, or anew
        }
        let message = format!("goes on from the checkpoint of step {}", row.step);
        let data = json!({"code": "resumed", "step": row.step, "epoch": row.epoch, "attempt": session.job.attempt});
        recorder.event(NewEvent { level: Level::Info, kind: "log", message, data, at: Utc::now() });
        return Ok(Some(Start::Resume { last: Box::new(last), best, best_is_kept: true }));
    }
    if !listed.is_empty() {
        let message = "begins anew: no checkpoint is left that it can go on from to the same bits".to_owned();
        let data = json!({"code": "begins_anew", "attempt": session.job.attempt});
        recorder.event(NewEvent { level: Level::Warn, kind: "log", message, data, at: Utc::now() });
    }
    Ok(None)
}

/// Reads a checkpoint of the job's own; `None` if it is damaged, which the event log then says.
fn read(
    session: &Session<'_>,
    recorder: &mut Recorder,
    row: &Checkpoint,
) -> Result<Option<train::Checkpoint>, Failure> {
    let why = match session.runtime.block_on(session.store.checkpoint_read(row.id)) {
        Ok(bytes) => match checkpoint::decode(&bytes) {
            Ok(checkpoint) => return Ok(Some(checkpoint)),
            Err(error) => error.to_string(),
        },
        Err(StoreError::Damaged { what }) => format!("{what} differs from its checksum"),
        Err(error) => return Err(error.into()),
    };
    session.runtime.block_on(session.store.checkpoint_drop_damaged(session.job.id, row.id))?;
    let message = format!("the checkpoint of step {} is damaged; the one before is used", row.step);
    let data = json!({"code": "checkpoint_damaged", "step": row.step, "detail": why});
    recorder.event(NewEvent { level: Level::Warn, kind: "log", message, data, at: Utc::now() });
    Ok(None)
}

/// Begins with what another job learned.
fn from_job<T: Real>(session: &Session<'_>, job: &str, key: &str, full: bool) -> Result<Start<T>, Failure> {
    let gone = || Failure::gone(&format!("checkpoint {key} of {job}"));
    let id: JobId = job.parse().map_err(|_| gone())?;
    let fetch = |key: &str| -> Result<(Checkpoint, train::Checkpoint), Failure> {
        let row = session.runtime.block_on(session.store.checkpoint_get(id, key))?;
        let bytes = session.runtime.block_on(session.store.checkpoint_read(row.id))?;
        let checkpoint = checkpoint::decode(&bytes)
            .map_err(|error| Failure::new("damaged", "Stored bytes are damaged", error.to_string(), json!({})))?;
        Ok((row, checkpoint))
    };
    let (row, checkpoint) = fetch(key)?;
    if !full {
        let (parameters, buffers) = (checkpoint.parameters(), checkpoint.buffers());
        return Ok(Start::Weights { parameters, buffers: Some(buffers) });
    }
    let best = match fetch("best") {
        Ok((best, decoded)) if best.step < row.step => Some(Box::new(decoded)),
        _ => None,
    };
    Ok(Start::Resume { last: Box::new(checkpoint), best, best_is_kept: false })
}
