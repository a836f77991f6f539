//! The work of a job: its table, its split, its encoder, its plan, the checks it asked for, then training.

use chrono::Utc;
use serde_json::json;

use super::checks::{self, Subject};
use super::encoded::{self, Sources};
use super::facts;
use super::failure::Failure;
use super::findings::{self, End, Findings};
use super::observer::{self, Settings, Watch};
use super::recorder::Recorder;
use super::run::{Ended, Session};
use super::start;
use crate::data::{self, DataError, Encoder, Part, Rows, StoredTable};
use crate::id::DatasetId;
use crate::practice::HeldOut;
use crate::practice::diagnosis::{Curves, Diverged, Facts};
use crate::spec::{self, ResolvedSpec, Schema};
use crate::store::{Dataset, Level, NewEvent, StoreError};
use crate::train::{self, Real, Start, StopReason};

/// Trains a job from its last checkpoint, or from the start.
pub(super) fn train_job(session: &Session<'_>, recorder: &mut Recorder) -> Result<Ended, Failure> {
    let material = load(session)?;
    if material.spec.is_f64() {
        train::<f64>(session, recorder, &material)
    } else {
        train::<f32>(session, recorder, &material)
    }
}

/// What a job is made of, before it is numbers.
struct Material {
    spec: ResolvedSpec,
    /// What the diagnosis looks at.
    facts: Facts,
    table: StoredTable,
    /// A validation set of its own.
    validation: Option<StoredTable>,
    /// A test set of its own.
    test: Option<StoredTable>,
}

/// A job's spec, proved anew, and what it was proved beside.
pub(super) struct Proved {
    pub(super) spec: ResolvedSpec,
    schema: Schema,
    own: Dataset,
    validation: Option<Dataset>,
    test: Option<Dataset>,
}

/// Proves a job's spec.
pub(super) fn proved(session: &Session<'_>, limits: &spec::Limits) -> Result<Proved, Failure> {
    let job = session.job;
    let own = dataset(session, &job.dataset.id.to_string())?;
    let mut schema = schema_of(&own)?;
    let (validation, test) = (other(session, "validation")?, other(session, "test")?);
    schema.validation = validation.as_ref().map(schema_of).transpose()?.map(Box::new);
    schema.test = test.as_ref().map(schema_of).transpose()?.map(Box::new);
    let request = job.spec.clone().unwrap_or_default();
    schema.vectors = start::vector_shapes(session, &request)?;
    let spec = spec::prove(&request, &schema, limits).map_err(|faults| {
        let detail = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect::<Vec<_>>();
        Failure::new("invalid_job_spec", "The spec no longer holds", detail.join("; "), json!({}))
    })?;
    Ok(Proved { spec, schema, own, validation, test })
}

fn load(session: &Session<'_>) -> Result<Material, Failure> {
    let Proved { spec, schema, own, validation, test } = proved(session, &admitted())?;
    let mut facts = spec::facts(&spec, &schema);
    facts::alone(session, &mut facts)?;
    let table = open(session, &own)?;
    let validation = validation.map(|other| open(session, &other)).transpose()?;
    let test = test.map(|other| open(session, &other)).transpose()?;
    Ok(Material { spec, facts, table, validation, test })
}

/// The dataset of its own that a part has, if it has one.
fn other(session: &Session<'_>, part: &str) -> Result<Option<Dataset>, Failure> {
    let job = session.job;
    let named = job.spec.as_ref().and_then(|spec| spec.pointer(&format!("/split/{part}/dataset"))?.as_str());
    let Some(key) = named else { return Ok(None) };
    if key.parse::<DatasetId>().is_ok() {
        return dataset(session, key).map(Some);
    }
    // A job of an older program says its name, which may have moved on; a job that validates on its own dataset uses no other.
    let also = session.runtime.block_on(session.store.job_also_uses(job.id))?;
    let id = also.first().copied().unwrap_or(job.dataset.id);
    dataset(session, &id.to_string()).map(Some)
}

/// The memory was looked at when the job came in and when it was claimed.
fn admitted() -> spec::Limits {
    spec::Limits { memory_bytes: u64::MAX, ..spec::Limits::default() }
}

fn dataset(session: &Session<'_>, key: &str) -> Result<Dataset, Failure> {
    Ok(session.runtime.block_on(session.store.dataset_get(key))?)
}

pub(super) fn schema_of(dataset: &Dataset) -> Result<Schema, Failure> {
    let unreadable = |error| Failure::data(format!("the profile of the dataset cannot be read: {error}"));
    Ok(Schema { rows: dataset.rows, ..dataset.profile.read().map_err(unreadable)? })
}

fn open(session: &Session<'_>, dataset: &Dataset) -> Result<StoredTable, Failure> {
    Ok(StoredTable::open(&session.store.dataset_table(dataset))?)
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => StoreError::Full.into(),
            DataError::Io(error) => {
                tracing::error!(%error, "a table file cannot be read");
                Failure::data("the stored table cannot be read")
            }
            other => Failure::data(other.to_string()),
        }
    }
}

fn train<T: Real>(session: &Session<'_>, recorder: &mut Recorder, material: &Material) -> Result<Ended, Failure> {
    let Material { spec, facts, table, validation, test } = material;
    let mut parts = data::split::split(table, &spec.split_plan(), spec.seed())?;
    let vectors = start::word_vectors::<T>(session, spec)?;
    let mut encoder_plan = spec.encoder_plan();
    for (name, vectors) in &vectors {
        let table = encoder_plan.tables.iter_mut().find(|table| table.name == *name);
        table.into_iter().for_each(|table| table.words.clone_from(&vectors.words));
    }
    let encoder = Encoder::fit(table, &encoder_plan, &parts.train)?;
    let in_memory = spec.fits_in_memory(session.job.memory_bytes);
    let sources = Sources { own: table, validation: validation.as_ref(), test: test.as_ref() };
    if spec.is_fold() {
        parts.test.clear(); // of a cross-validation the test part is set aside: no fold looks at it
    }
    let excluded = parts.excluded.len();
    let encoded = encoded::encode::<T>(session, &encoder, &sources, &parts, in_memory)?;
    drop(parts); // the examples know their rows
    let (Some(data), None) = (encoded, session.control.asked()) else {
        let stop = session.control.asked().unwrap_or(super::control::Stop::Drain);
        return Ok(Ended::Stopped { stop, set: None });
    };
    let plan = spec.plan(&encoder, data.train.rows());
    let start = start::start::<T>(session, recorder, spec, &plan)?;
    let start = match start {
        Start::Fresh if !vectors.is_empty() => train::start_with_vectors(&plan, &encoder, &vectors),
        other => other,
    };
    let curves = match session.job.attempt {
        0..=1 => Curves::default(),
        _ => session.runtime.block_on(findings::recorded_curves(session.store, session.job.id))?,
    };
    let facts = Facts { tables: facts::tables(&encoder), ..facts.clone() };
    recorder.latest().facts = serde_json::to_value(&facts).ok();
    let mut findings = Findings::new(facts.clone(), spec.to_json(), curves);
    // Rows of datasets of their own are looked at there.
    let own = |part: &Option<Part<T>>, other: &Option<StoredTable>| match (part, other) {
        (Some(part), None) => part.labels().row_ids.clone(),
        _ => Vec::new(),
    };
    let held_out = [own(&data.validation, validation), own(&data.test, test)].concat();
    let others: Vec<&dyn Rows> = validation.iter().chain(test).map(|other| other as &dyn Rows).collect();
    let subject = Subject {
        spec,
        plan: &plan,
        table,
        encoder: &encoder,
        train_rows: &data.train.labels().row_ids,
        held_out: HeldOut { rows: &held_out, tables: &others },
        start: &start,
    };
    if let Err(failure) = checks::run(session, recorder, &subject, findings.checked()) {
        findings.end(recorder, End { epochs_done: false, diverged: None });
        return Err(failure);
    }
    if let Some(stop) = session.control.asked() {
        // Training has not begun: the next attempt runs the checks that are left.
        return Ok(Ended::Stopped { stop, set: None });
    }
    let rows = |part: &Option<Part<T>>| part.as_ref().map_or(0, Part::rows);
    let (train_rows, validation_rows, test_rows) = (data.train.rows(), rows(&data.validation), rows(&data.test));
    recorder.event(NewEvent {
        level: Level::Info,
        kind: "log",
        message: format!("training on {train_rows} rows, validating on {validation_rows}, testing on {test_rows}"),
        data: json!({"code": "parts", "train": train_rows, "validation": validation_rows, "test": test_rows,
                     "excluded": excluded, "features": encoder.features(), "data_in_memory": in_memory}),
        at: Utc::now(),
    });
    let keep = keep(spec);
    let settings = Settings { max_seconds: spec.max_seconds(), keep, seconds_before: session.job.train_seconds };
    let mut watch = Watch::new(recorder, session.control, settings, findings);
    let outcome = train::fit(&plan, &data, start, &mut watch);
    match outcome {
        Ok(outcome) => {
            watch.stand(&outcome.at, outcome.reason.is_done());
            if outcome.reason.is_done() {
                watch.diagnose(End { epochs_done: outcome.reason == StopReason::EpochsDone, diverged: None });
            }
            if let Some(best) = &outcome.best {
                recorder.latest().best = Some(observer::best_row(best));
            }
            let set = Some(observer::checkpoint_rows(recorder, outcome.set, keep));
            Ok(match (outcome.reason, session.control.asked()) {
                (reason, _) if reason.is_done() => Ended::Done { stop_reason: reason.name(), set },
                (StopReason::Paused, _) => Ended::Stopped { stop: super::control::Stop::Pause, set },
                (StopReason::Drained, _) => Ended::Stopped { stop: super::control::Stop::Drain, set },
                _ => Ended::Stopped { stop: super::control::Stop::Cancel, set },
            })
        }
        Err(train::Failure::Diverged(divergence)) => {
            watch.stand_at_last();
            let train::Divergence { tensor, epoch, step, .. } = &divergence;
            let diverged = Diverged { tensor: tensor.clone(), epoch: *epoch, step: *step };
            watch.diagnose(End { epochs_done: false, diverged: Some(diverged) });
            let lower = (facts.optimizer != "lbfgs").then(|| facts.much_lower_rate());
            Err(Failure::diverged(&divergence, lower))
        }
        Err(train::Failure::Observer(error)) => {
            // The recorder knows the store's error, and says it when the job is let go of.
            Err(Failure::new("store", "The store failed", error.to_string(), json!({})))
        }
        Err(train::Failure::Data(detail)) => Err(Failure::data(detail)),
        Err(train::Failure::Mismatch(detail)) => {
            Err(Failure::new("mismatch", "Start, plan and data do not belong together", detail, json!({})))
        }
    }
}

/// Checkpoints to keep.
fn keep(spec: &ResolvedSpec) -> u32 {
    let keep = spec.to_json().pointer("/checkpoints/keep").and_then(serde_json::Value::as_u64);
    keep.and_then(|keep| u32::try_from(keep).ok()).unwrap_or(3)
}
