//! Autotrain runs, advanced from stored state: one task looks at each run, and does what `practice::strategy` says is next.
//!
//! A step is written with the jobs that it starts, and closed once with what came of them; what follows is a pure function of the closed steps. So a
//! death at any place costs at most a check that is made again, and the same budget in jobs leads to the same model. Checks are made in this
//! task, one at a time; training is the pool's.

mod checks;
mod outcome;

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

use super::failure::Failure;
use super::train_job::schema_of;
use crate::data::vectors;
use crate::practice::strategy::{self, Done, Next, Outcome, Plan, Recipe};
use crate::spec::{self, AutotrainSpec, ReferenceKind, ResolvedSpec, Schema, VectorsShape};
use crate::store::{Autotrain, AutotrainEnd, AutotrainStep, Dataset, Job, NewJob, NewStep, Status, Store, StoreError};

/// How often runs are looked at without a signal.
const POLL: Duration = Duration::from_millis(500);
/// Share of a budget in seconds after which no further trials begin, and after which those that still run are ended: the rest is the model's.
const LAST_TRIAL: f64 = 0.7;
const TRIALS_END: f64 = 0.85;

/// Why a look at a run ended early.
enum Trouble {
    /// The store failed: the next look tries again.
    Store(StoreError),
    /// The run cannot go on.
    Run(Failure),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        match error {
            StoreError::NotFound { .. } | StoreError::Damaged { .. } => Trouble::Run(error.into()),
            other => Trouble::Store(other),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Run(failure)
    }
}

/// Advances runs for as long as the task lives; `memory_bytes` is what jobs may need.
pub(super) async fn advance(store: Store, memory_bytes: u64) {
    let mut queue = store.queue_changes();
    loop {
        queue.mark_unchanged();
        let mut moved = false;
        match store.autotrain_open().await {
            Ok(runs) => {
                for run in &runs {
                    moved |= look(&store, run, memory_bytes).await;
                }
            }
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "the autotrain runs could not be read; tried again"),
        }
        if moved {
            continue; // what was written may call for more at once
        }
        tokio::select! {
            _ = queue.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Advances one run by a step at most; says whether it moved.
async fn look(store: &Store, run: &Autotrain, memory_bytes: u64) -> bool {
    match step(store, run, memory_bytes).await {
        Ok(moved) => moved,
        Err(Trouble::Store(error)) => {
            if !matches!(error, StoreError::Closed) {
                tracing::warn!(%error, autotrain.id = %run.id, "an autotrain run could not be advanced; tried again");
            }
            false
        }
        Err(Trouble::Run(failure)) => fail(store, run, failure).await,
    }
}

async fn fail(store: &Store, run: &Autotrain, failure: Failure) -> bool {
    tracing::info!(autotrain.id = %run.id, error = %failure.error, "the run failed");
    let reason = failure.error["detail"].as_str().unwrap_or("a fault").to_owned();
    if let Err(error) = store.autotrain_stop_jobs(run.id, "the run that tried it failed").await {
        tracing::warn!(%error, autotrain.id = %run.id, "the jobs of a failed run go on");
    }
    match store.autotrain_finish(run.id, AutotrainEnd::Failed(failure.error), &reason).await {
        Ok(ended) => ended,
        Err(error) => {
            tracing::warn!(%error, autotrain.id = %run.id, "the end of a run could not be written; tried again");
            false
        }
    }
}

async fn step(store: &Store, run: &Autotrain, memory_bytes: u64) -> Result<bool, Trouble> {
    let open = run.steps.last().filter(|step| step.finished_at.is_none());
    if run.status == Status::Cancelling {
        let jobs = open.map_or(&[][..], |step| &step.jobs);
        let jobs = store.autotrain_jobs(jobs).await?;
        let over = jobs.iter().flatten().all(|job| job.status.is_finished());
        return Ok(over && store.autotrain_finish(run.id, AutotrainEnd::Cancelled, "a client asked for it").await?);
    }
    let dataset = store.dataset_get(&run.dataset.id.to_string()).await?;
    let settings = spec::autotrain(&run.spec, dataset.rows).map_err(|faults| no_longer(&faults))?;
    match open {
        Some(open) => close(store, run, open, &settings, &dataset, memory_bytes).await,
        None => begin(store, run, &settings, &dataset, memory_bytes).await,
    }
}

fn no_longer(faults: &[spec::Fault]) -> Failure {
    let detail: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
    Failure::new("invalid_job_spec", "The request no longer holds", detail.join("; "), json!({}))
}

/// The share of a budget in seconds that is used up; 0 without one.
fn share_used(run: &Autotrain, settings: &AutotrainSpec) -> f64 {
    let elapsed = (Utc::now() - run.created_at).num_milliseconds() as f64 / 1000.0;
    settings.seconds().map_or(0.0, |seconds| elapsed / seconds)
}

/// Closes a step when all that it does is done.
async fn close(
    store: &Store,
    run: &Autotrain,
    open: &AutotrainStep,
    settings: &AutotrainSpec,
    dataset: &Dataset,
    memory_bytes: u64,
) -> Result<bool, Trouble> {
    let done = history(&run.steps)?;
    let plan: Plan = parsed(&open.plan)?;
    let outcome = match &plan {
        Plan::Data { recipe } | Plan::Network { recipe } | Plan::Overfit { recipe } | Plan::Range { recipe } => {
            let spec = prove(store, &settings.trial(recipe, None), dataset, memory_bytes).await?;
            let spec = spec.map_err(|faults| no_longer(&faults))?;
            checks::run(store, &plan, spec, dataset).await?
        }
        Plan::Train { recipes, .. } => {
            let jobs = store.autotrain_jobs(&open.jobs).await?;
            if !over(store, run, settings, &jobs, true).await? {
                return Ok(false);
            }
            outcome::trials(store, recipes, &open.jobs, &jobs).await?
        }
        Plan::Final { .. } => {
            let jobs = store.autotrain_jobs(&open.jobs).await?;
            if !over(store, run, settings, &jobs, false).await? {
                return Ok(false);
            }
            outcome::model(&open.jobs, &jobs)
        }
    };
    let conclusion = strategy::conclude(&plan, &outcome, &done);
    tracing::info!(autotrain.id = %run.id, step = open.number, conclusion, "a step is done");
    Ok(store.autotrain_step_end(run.id, open.number, document(&outcome), conclusion).await?)
}

/// Says whether all jobs have finished; ends those that have outlived a budget in seconds.
async fn over(
    store: &Store,
    run: &Autotrain,
    settings: &AutotrainSpec,
    jobs: &[Option<Job>],
    trials: bool,
) -> Result<bool, StoreError> {
    if jobs.iter().flatten().all(|job| job.status.is_finished()) {
        return Ok(true);
    }
    let waits = |job: &Job| !job.status.is_finished() && job.status != Status::Cancelling;
    if trials && share_used(run, settings) > TRIALS_END && jobs.iter().flatten().any(waits) {
        store.autotrain_stop_jobs(run.id, "the time of the run is over").await?;
    }
    Ok(false)
}

/// Begins the step that follows, or ends the run.
async fn begin(
    store: &Store,
    run: &Autotrain,
    settings: &AutotrainSpec,
    dataset: &Dataset,
    memory_bytes: u64,
) -> Result<bool, Trouble> {
    let done = history(&run.steps)?;
    let used = share_used(run, settings);
    let (title, reason, mut plan) = match strategy::next(&settings.situation(used > LAST_TRIAL), &done) {
        Next::Step { title, reason, plan } => (title, reason, plan),
        Next::Finished => return end(store, run, &done).await,
        Next::Failed { reason } => {
            let advice = "look at the steps: each has its numbers and what they mean";
            let failure = Failure::new("autotrain_failed", "No model came of it", reason, json!({"advice": advice}));
            return Err(failure.into());
        }
    };
    let mut jobs = Vec::new();
    let mut keep = false;
    match &mut plan {
        Plan::Data { .. } | Plan::Network { .. } | Plan::Overfit { .. } | Plan::Range { .. } => {}
        Plan::Train { recipes, .. } => {
            // A network that can never fit into the memory is not tried; the others are.
            let mut kept: Vec<Recipe> = Vec::new();
            let left = settings.seconds().map(|seconds| (seconds * (TRIALS_END - used)).max(0.5));
            for recipe in std::mem::take(recipes) {
                let request = settings.trial(&recipe, left);
                if let Ok(spec) = prove(store, &request, dataset, memory_bytes).await? {
                    jobs.push(job(run, request, &spec, dataset));
                    kept.push(recipe);
                }
            }
            *recipes = kept;
        }
        Plan::Final { recipe } => {
            let request = settings.model(recipe);
            let spec = prove(store, &request, dataset, memory_bytes).await?.map_err(|faults| no_longer(&faults))?;
            let mut job = job(run, request, &spec, dataset);
            if let Some(test) = settings.test_dataset() {
                job.also_uses.push(store.dataset_get(test).await?.id);
            }
            jobs.push(job);
            keep = true;
        }
    }
    let number = run.steps.len() as u64 + 1;
    tracing::info!(autotrain.id = %run.id, step = number, title, jobs = jobs.len(), "a step begins");
    let step = NewStep { number, title, reason, plan: document(&plan), jobs, keep };
    Ok(store.autotrain_step_begin(run.id, step).await?)
}

fn job(run: &Autotrain, request: Value, spec: &ResolvedSpec, dataset: &Dataset) -> NewJob {
    NewJob { request_id: run.request_id.clone(), ..super::submission::new_job(request, spec, dataset) }
}

/// Ends a run whose model is there.
async fn end(store: &Store, run: &Autotrain, done: &[Done]) -> Result<bool, Trouble> {
    let (Some(Outcome::Model { job, test, .. }), Some(best)) =
        (done.last().map(|done| &done.outcome), strategy::best(done))
    else {
        return Err(Failure::internal(0).into());
    };
    let model = job.parse().map_err(|_| Failure::internal(0))?;
    let trainings = strategy::trials(done).count() + 1;
    let result = json!({
        "recipe": best.recipe, "trial": best.job, "validation": {"loss": best.loss(), "standard_error": best.error(),
        "accuracy": best.accuracy}, "test": test, "trainings": trainings,
        "findings": strategy::search_findings(done),
    });
    let end = AutotrainEnd::Succeeded { model, result };
    Ok(store.autotrain_finish(run.id, end, "the model is trained").await?)
}

/// The closed steps as the strategy reads them.
fn history(steps: &[AutotrainStep]) -> Result<Vec<Done>, Failure> {
    let closed = steps.iter().filter_map(|step| Some((step, step.outcome.as_ref()?)));
    closed.map(|(step, outcome)| Ok(Done { plan: parsed(&step.plan)?, outcome: parsed(outcome)? })).collect()
}

fn parsed<T: serde::de::DeserializeOwned>(document: &Value) -> Result<T, Failure> {
    serde_json::from_value(document.clone()).map_err(|error| {
        let detail = format!("a stored step is not one of this version: {error}");
        Failure::new("autotrain_failed", "A step cannot be read", detail, json!({}))
    })
}

fn document(value: &impl serde::Serialize) -> Value {
    // Plans and outcomes are plain structs of numbers and words: nothing in them can fail to become JSON.
    serde_json::to_value(value).unwrap_or_default()
}

/// Proves the spec of one of the run's jobs; faults where it cannot be.
async fn prove(
    store: &Store,
    request: &Value,
    dataset: &Dataset,
    memory_bytes: u64,
) -> Result<Result<ResolvedSpec, Vec<spec::Fault>>, Trouble> {
    let mut schema: Schema = schema_of(dataset)?;
    for reference in spec::references(request) {
        match reference.kind {
            ReferenceKind::TestDataset => {
                let other = store.dataset_get(&reference.value).await?;
                schema.test = Some(Box::new(schema_of(&other)?));
            }
            ReferenceKind::Vectors => {
                let gone = || Failure::gone(&format!("the weights {}", reference.value));
                let row = store.weights_get(reference.value.parse().map_err(|_| gone())?).await?;
                let mut file = std::fs::File::open(store.weights_file(&row)).map_err(|_| gone())?;
                let (words, dim) = vectors::shape(&mut file).map_err(Failure::data)?;
                schema.vectors.insert(reference.value, VectorsShape { words: words as u64, dim: dim as u64 });
            }
            // A run names no other job, and validates on its own rows.
            ReferenceKind::Dataset | ReferenceKind::ValidationDataset | ReferenceKind::Weights | ReferenceKind::Job => {
            }
        }
    }
    Ok(spec::prove(request, &schema, &spec::Limits { memory_bytes, ..spec::Limits::default() }))
}
