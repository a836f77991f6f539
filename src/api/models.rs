//! Trained models in memory, ready to predict: loaded from a checkpoint once and shared between requests.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::App;
use super::problem::{Kind, Problem};
use crate::id::{CheckpointId, JobId};
use crate::predict::Predictor;
use crate::spec::Schema;
use crate::store::{Checkpoint, Job, StoreError};

/// Models kept in memory, at most so many and so large together.
const MOST_MODELS: usize = 32;
const MOST_BYTES: u64 = 256 << 20;

/// A trained model and what belongs to it.
pub(crate) struct Model {
    pub(crate) job: JobId,
    pub(crate) checkpoint: CheckpointId,
    pub(crate) predictor: Predictor,
    /// Columns that are no input and yet no surprise: targets, weights, and all others of the training file.
    pub(crate) known: HashSet<String>,
}

/// The models that were asked for last.
#[derive(Default)]
pub(crate) struct Models(Mutex<VecDeque<(Arc<Model>, u64)>>);

impl Models {
    fn get(&self, id: CheckpointId) -> Option<Arc<Model>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(model, _)| model.checkpoint == id)?;
        let entry = kept.remove(at)?;
        let model = entry.0.clone();
        kept.push_front(entry);
        Some(model)
    }

    fn keep(&self, model: Arc<Model>, bytes: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front((model, bytes));
        while kept.len() > MOST_MODELS
            || (kept.len() > 1 && kept.iter().map(|(_, bytes)| bytes).sum::<u64>() > MOST_BYTES)
        {
            kept.pop_back();
        }
    }
}

/// Finds a checkpoint of a job; a job that has none yet says in which state it is.
pub(crate) async fn checkpoint(app: &App, job: JobId, key: &str) -> Result<Checkpoint, Problem> {
    match app.store().checkpoint_get(job, key).await {
        Ok(checkpoint) => Ok(checkpoint),
        Err(StoreError::NotFound { what: "checkpoint", key }) => {
            let found = app.store().job_get(job).await?;
            let status = found.status;
            if found.members > 0 {
                let detail = format!(
                    "{job} is a cross-validation: its folds have models, it has none of its own; ask one of them (`folds.jobs`), or \
                     fork the job with another split to train one on more rows"
                );
                return Err(Problem::new(Kind::WrongState, detail));
            }
            Err(match status.is_finished() {
                true => Problem::not_found("checkpoint of this job", &key),
                false => Problem::new(
                    Kind::WrongState,
                    format!(
                        "the job is {status}: it has no checkpoint `{key}` yet; `?wait=` on the job waits for its end"
                    ),
                ),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Finds a checkpoint of a job and reads its bytes. `last` and `best` of a running job may be replaced between the two: then it is
/// looked for again.
pub(crate) async fn read(app: &App, job: JobId, key: &str) -> Result<(Checkpoint, Vec<u8>), Problem> {
    let mut found = checkpoint(app, job, key).await?;
    loop {
        match app.store().checkpoint_read(found.id).await {
            Ok(bytes) => return Ok((found, bytes)),
            Err(StoreError::NotFound { .. }) => {
                let now = checkpoint(app, job, key).await?;
                if now.id == found.id {
                    return Err(Problem::not_found("checkpoint of this job", key));
                }
                found = now;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gives the model of a checkpoint.
pub(crate) async fn load(app: &App, job: JobId, key: &str) -> Result<Arc<Model>, Problem> {
    let found = checkpoint(app, job, key).await?;
    if let Some(model) = app.models().get(found.id) {
        return Ok(model);
    }
    let (found, bytes) = read(app, job, key).await?;
    let length = bytes.len() as u64;
    let known = known_columns(app, &app.store().job_get(job).await?).await;
    let model = app
        .blocking(move || {
            let predictor = Predictor::from_checkpoint(&bytes)?;
            let mut known = known;
            known.extend(predictor.encoder().targets().iter().flat_map(|target| target.columns.iter().cloned()));
            known.extend(predictor.encoder().sample_weight().map(str::to_owned));
            Ok(Arc::new(Model { job, checkpoint: found.id, predictor, known }))
        })
        .await?;
    app.models().keep(model.clone(), length);
    Ok(model)
}

/// The columns of the training file, as far as it is still there.
async fn known_columns(app: &App, job: &Job) -> HashSet<String> {
    let dataset = app.store().dataset_get(&job.dataset.id.to_string()).await.ok();
    let schema: Schema = dataset.and_then(|dataset| dataset.profile.read().ok()).unwrap_or_default();
    schema.columns.into_iter().map(|column| column.name).collect()
}
