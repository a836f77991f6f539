//! Facts of a job that its spec alone does not tell: how often its words come up, and what one of its targets reached alone.

use serde_json::Value;

use super::failure::Failure;
use super::run::Session;
use crate::data::{Encoder, Vocabulary};
use crate::practice::diagnosis::{Alone, Facts, TableFacts};
use crate::store::{Axis, Job, JobFilter, MetricQuery, Status, StoreError};

/// Earlier jobs that are looked at for a target alone, newest first.
const MOST_JOBS: u32 = 200;
/// Epochs of such a job that are read.
const MOST_EPOCHS: usize = 10_000;
/// Rows of every table that are no words: padding, and the place of all words without one.
const NO_WORDS: usize = 2;

/// How often the words of each embedding table come up in the training part.
pub(super) fn tables(encoder: &Encoder) -> Vec<TableFacts> {
    let table = |vocabulary: &Vocabulary| {
        let mut words_by_count = [0; 5];
        for count in vocabulary.counts().iter().skip(NO_WORDS).filter(|count| **count > 0) {
            words_by_count[(*count).min(5) as usize - 1] += 1;
        }
        TableFacts { name: vocabulary.name().to_owned(), words_by_count }
    };
    encoder.tables().iter().map(table).collect()
}

/// Notes for each target with classes what a job reached that had this target alone, on the same dataset, with the same split.
pub(super) fn alone(session: &Session<'_>, facts: &mut Facts) -> Result<(), Failure> {
    let Some(spec) = session.job.spec.as_ref().filter(|_| facts.tasks.len() > 1) else { return Ok(()) };
    let (store, dataset) = (session.store, session.job.dataset.id);
    let filter = JobFilter {
        status: vec![Status::Succeeded],
        dataset: vec![dataset.to_string()],
        only_roots: true,
        ..JobFilter::default()
    };
    let page = session.runtime.block_on(store.job_list(&filter, None, MOST_JOBS, None, true))?;
    for task in facts.tasks.iter_mut().filter(|task| task.classes.is_some()) {
        for job in page.jobs.iter().filter(|job| is_alone(job, &task.name, spec)) {
            let found = session.runtime.block_on(best_accuracy(session, job))?;
            let better = |accuracy: f64| task.alone.as_ref().is_none_or(|known| accuracy > known.accuracy);
            if let Some(accuracy) = found.filter(|accuracy| better(*accuracy)) {
                task.alone = Some(Alone { job: job.id.to_string(), accuracy, rows: facts.validation_rows });
            }
        }
    }
    Ok(())
}

/// Whether a job has this target of the spec and no other, and validates on the same rows.
fn is_alone(job: &Job, name: &str, spec: &Value) -> bool {
    let Some(own) = &job.spec else { return false };
    let targets = |spec: &Value| spec["targets"].as_array().cloned().unwrap_or_default();
    let own_targets = targets(own);
    let [target] = own_targets.as_slice() else { return false };
    let wanted = targets(spec).into_iter().find(|target| name_of(target) == Some(name));
    let same = |field: &str| own[field] == spec[field];
    let same_target =
        wanted.is_some_and(|wanted| ["column", "columns", "type"].iter().all(|field| target[*field] == wanted[*field]));
    job.members == 0 && same_target && same("split") && same("seed")
}

fn name_of(target: &Value) -> Option<&str> {
    target["name"].as_str().or_else(|| target["column"].as_str())
}

async fn best_accuracy(session: &Session<'_>, job: &Job) -> Result<Option<f64>, StoreError> {
    let names = vec!["val_accuracy".to_owned()];
    let query = MetricQuery { axis: Axis::Epoch, names, after: 0, limit: MOST_EPOCHS, max_points: None };
    let read = session.store.metric_read(job.id, &query).await?;
    let values = read.columns.iter().flat_map(|column| column.values.iter().copied().flatten());
    Ok(values.max_by(f64::total_cmp))
}
