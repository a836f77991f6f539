//! Trials: what a recipe came to, and whether one is better than another beyond the noise of the folds.

use serde::{Deserialize, Serialize};

use super::{Done, Outcome, Recipe};

/// What a recipe came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was tried.
    pub recipe: Recipe,
    /// The job that tried it.
    pub job: String,
    /// How the job ended: `succeeded`, `failed`, `cancelled`, `deleted`.
    pub status: String,
    /// The validation loss of each fold at its best epoch; none where the job did not succeed.
    pub losses: Vec<f64>,
    /// The loss on the training part at these epochs, mean over the folds.
    pub train_loss: Option<f64>,
    /// The accuracy on the validation part at these epochs, mean over the folds.
    pub accuracy: Option<f64>,
    /// The middle one of these epochs.
    pub epoch: u64,
    /// Parameters of the network.
    pub parameters: u64,
    /// Seconds of training, over the folds.
    pub seconds: f64,
}

impl Trial {
    /// The mean of the validation losses; `None` where there are none, or one is not finite.
    pub fn loss(&self) -> Option<f64> {
        mean(&self.losses).filter(|loss| loss.is_finite())
    }

    /// The standard error of that mean.
    pub fn error(&self) -> Option<f64> {
        let mean = mean(&self.losses)?;
        let n = self.losses.len() as f64;
        let squares = self.losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
        (n > 1.0).then(|| (squares / (n - 1.0) / n).sqrt())
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// All trials so far.
pub fn trials(done: &[Done]) -> impl Iterator<Item = &Trial> {
    done.iter().flat_map(|done| match &done.outcome {
        Outcome::Trained { trials } => trials.as_slice(),
        _ => &[],
    })
}

/// The trial with the least validation loss; of equal ones the first.
pub fn best(done: &[Done]) -> Option<&Trial> {
    least(trials(done))
}

/// The trial with the least validation loss among these.
pub(super) fn least<'a>(trials: impl Iterator<Item = &'a Trial>) -> Option<&'a Trial> {
    let known = trials.filter_map(|trial| Some((trial, trial.loss()?)));
    known
        .fold(None, |best: Option<(&Trial, f64)>, one| match best {
            Some(best) if best.1 <= one.1 => Some(best),
            _ => Some(one),
        })
        .map(|(trial, _)| trial)
}

/// How one trial stands to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// By how much the validation loss is lower, mean over the folds.
    pub gain: f64,
    /// The standard error of that mean, fold against fold; 0 where one fold alone validates.
    pub error: f64,
}

impl Comparison {
    /// Whether the gain is more than its standard error: the folds agree that it is one.
    pub fn is_clear(&self) -> bool {
        self.gain > self.error && self.gain > 0.0
    }
}

/// Compares fold by fold, so that what makes a fold hard for both is no noise.
pub fn compare(old: &Trial, new: &Trial) -> Option<Comparison> {
    let (before, after) = (old.loss()?, new.loss()?);
    let differences: Vec<f64> = old.losses.iter().zip(&new.losses).map(|(old, new)| old - new).collect();
    let n = differences.len() as f64;
    let gain = before - after;
    let squares = differences.iter().map(|one| (one - gain).powi(2)).sum::<f64>();
    let error = if n > 1.0 && old.losses.len() == new.losses.len() { (squares / (n - 1.0) / n).sqrt() } else { 0.0 };
    Some(Comparison { gain, error })
}
