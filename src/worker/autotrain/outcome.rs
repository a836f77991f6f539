//! From finished jobs to what the strategy reads of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::id::JobId;
use crate::practice::strategy::{Outcome, Recipe, Trial};
use crate::store::{Job, Status, Store, StoreError};
use crate::worker::family::tale;

/// What the trials of a step came to.
pub(super) async fn trials(
    store: &Store,
    recipes: &[Recipe],
    ids: &[JobId],
    jobs: &[Option<Job>],
) -> Result<Outcome, StoreError> {
    let mut trials = Vec::with_capacity(recipes.len());
    for ((recipe, id), job) in recipes.iter().zip(ids).zip(jobs) {
        let mut trial = Trial {
            recipe: recipe.clone(),
            job: id.to_string(),
            status: job.as_ref().map_or("deleted", |job| job.status.as_str()).to_owned(),
            losses: Vec::new(),
            train_loss: None,
            accuracy: None,
            epoch: 0,
            parameters: job.as_ref().and_then(|job| job.parameters).unwrap_or(0),
            seconds: job.as_ref().map_or(0.0, |job| job.train_seconds),
        };
        match job {
            Some(job) if job.status == Status::Succeeded && job.members > 0 => of_folds(&mut trial, job),
            Some(job) if job.status == Status::Succeeded => {
                let (epoch, numbers) = tale::at_best(store, job).await?;
                trial.losses.extend(numbers.get("val_loss"));
                trial.train_loss = numbers.get("train_eval_loss").or(numbers.get("loss")).copied();
                trial.accuracy = numbers.get("val_accuracy").copied();
                trial.epoch = epoch.unwrap_or(0);
            }
            _ => {}
        }
        trials.push(trial);
    }
    Ok(Outcome::Trained { trials })
}

/// The numbers of a cross-validation, as its job tells them.
fn of_folds(trial: &mut Trial, job: &Job) {
    let Some(folds) = &job.folds else { return };
    let measure = |name: &str| folds.get("metrics")?.get(name);
    let mean = |name: &str| measure(name)?.get("mean")?.as_f64();
    let values = measure("val_loss").and_then(|one| one.get("values")?.as_array());
    trial.losses = values.into_iter().flatten().filter_map(Value::as_f64).collect();
    if trial.losses.len() as u64 != job.members {
        trial.losses.clear(); // a fold without a finite loss: no mean would be fair
    }
    trial.train_loss = mean("train_eval_loss").or_else(|| mean("loss"));
    trial.accuracy = mean("val_accuracy");
    let jobs = folds.get("jobs").and_then(Value::as_array);
    let mut epochs: Vec<u64> = jobs.into_iter().flatten().filter_map(|fold| fold.get("epoch")?.as_u64()).collect();
    epochs.sort_unstable();
    trial.epoch = epochs.get(epochs.len().saturating_sub(1) / 2).copied().unwrap_or(0);
}

/// What the last training came to.
pub(super) fn model(ids: &[JobId], jobs: &[Option<Job>]) -> Outcome {
    let job = jobs.first().and_then(Option::as_ref);
    let last = job.and_then(|job| job.last.as_ref()?.as_object());
    let numbers = last.into_iter().flatten().filter(|(name, _)| name.starts_with("test_"));
    let test: BTreeMap<String, f64> =
        numbers.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
    Outcome::Model {
        job: ids.first().map(ToString::to_string).unwrap_or_default(),
        succeeded: job.is_some_and(|job| job.status == Status::Succeeded),
        test,
    }
}
