//! The strategy of the classic notes, one step after another: what to do next with a dataset, and why, from what was done so far.
//!
//! [`next`] is a pure function: the same steps done, the same step follows. Nothing here trains, reads a clock or keeps anything; what was done
//! is handed in with its numbers. What is said of a step stands in `words`, how trials are compared in `trials`, which recipes a
//! stage tries in `stages`.
//!
//! Sources. The order (become one with the data, set up the skeleton and look at its first loss, overfit a handful of rows, grow until the
//! training part is learned, then regularise, then tune): Karpathy, "A recipe for training neural networks" (2019). The checks and
//! the search from coarse to fine: CS231n notes, part 3. The range of the learning rate: Smith (2015). One change at a time, and
//! differences within the noise of the folds taken for none: Google's tuning playbook. The small network against the linear one: CS224d
//! notes. Test rows that are looked at once, when everything is decided: all of them.

mod search;
mod stages;
mod trials;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use search::{SearchFinding, search_findings};
pub use stages::first;
pub use trials::{Comparison, Trial, best, compare, trials};
pub use words::{conclude, describe, range};

/// What is known before the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// Rows that train and validate.
    pub rows: u64,
    /// Folds that validate a recipe: all of them, or one where the rows are many.
    pub folds: u64,
    /// Whether rows are held out to test the model at the end.
    pub tests: bool,
    /// Trainings that may be started, the last one among them; a cross-validation is one.
    pub most_trainings: u64,
    /// Whether the time is over that the client gave.
    pub out_of_time: bool,
    /// Draws what is tried at random.
    pub seed: u64,
}

/// How a network is built and trained, as far as the strategy chooses it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Units of each hidden layer; none is a linear model.
    pub hidden: Vec<u64>,
    /// `relu` or `tanh`.
    pub activation: String,
    /// Of Adam.
    pub learning_rate: f64,
    /// Decoupled from the gradient (AdamW); 0 for none.
    pub weight_decay: f64,
    /// Share of hidden units that is dropped.
    pub dropout: f64,
    /// Rows of a step.
    pub batch_size: u64,
    /// At most; early stopping ends a trial sooner.
    pub epochs: u64,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Plan {
    /// Looks at the data.
    Data {
        /// The network that the data are for.
        recipe: Recipe,
    },
    /// Looks at the network before its first step.
    Network {
        /// The network.
        recipe: Recipe,
    },
    /// Lets it learn a handful of rows by heart.
    Overfit {
        /// The network.
        recipe: Recipe,
    },
    /// Looks for the range of the learning rate.
    Range {
        /// The network.
        recipe: Recipe,
    },
    /// Trains and validates.
    Train {
        /// What for.
        stage: Stage,
        /// What is tried.
        recipes: Vec<Recipe>,
    },
    /// Trains the model on all rows but those that test, which it is then tested on, once.
    Final {
        /// What was chosen.
        recipe: Recipe,
    },
}

/// What trials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A linear model and a small network.
    Baseline,
    /// Larger networks.
    Grow,
    /// Against learning by heart.
    Regularise,
    /// One change at a time.
    Refine,
    /// Changes that helped, together.
    Combine,
    /// At random, near the best.
    Explore,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// Of checks.
    Checked {
        /// A report each.
        reports: Vec<Checked>,
    },
    /// Of trials, in the order of the recipes.
    Trained {
        /// One each.
        trials: Vec<Trial>,
    },
    /// Of the last step.
    Model {
        /// The job that has the model.
        job: String,
        /// Whether it was trained to its end.
        succeeded: bool,
        /// Numbers of the test part by name; empty where there is none.
        test: std::collections::BTreeMap<String, f64>,
    },
}

/// What a check said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Its name.
    pub check: String,
    /// `passed`, `failed` or `unchecked`.
    pub verdict: String,
    /// What it means and what to do.
    pub advice: String,
    /// All of it.
    pub report: Value,
}

/// A step with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What it did.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Another step.
    Step {
        /// In a few words.
        title: String,
        /// Why, with the numbers that say so.
        reason: String,
        /// What it does.
        plan: Plan,
    },
    /// Nothing: the model is there.
    Finished,
    /// Nothing: there will be no model.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Decides what follows.
pub fn next(situation: &Situation, done: &[Done]) -> Next {
    match done.last() {
        Some(Done { outcome: Outcome::Model { succeeded: true, .. }, .. }) => return Next::Finished,
        Some(Done { outcome: Outcome::Model { .. }, .. }) => {
            return Next::Failed { reason: "the last training did not succeed".to_owned() };
        }
        _ => {}
    }
    if let Some(reason) = wrong_gradient(done) {
        return Next::Failed { reason };
    }
    let left = situation.most_trainings.saturating_sub(1).saturating_sub(trials(done).count() as u64) as usize;
    let over = situation.out_of_time || left == 0;
    if !(over && best(done).is_some())
        && let Some((title, reason, plan)) = stages::next(situation, done, left.max(1))
    {
        return Next::Step { title, reason, plan };
    }
    match best(done) {
        Some(best) => Next::Step {
            title: "Train the model".to_owned(),
            reason: words::choice(situation, done, best, over),
            plan: Plan::Final { recipe: stages::model(best) },
        },
        None => Next::Failed { reason: "none of the trials gave a finite validation loss".to_owned() },
    }
}

/// A derivative that disagrees with the measured slope makes all that follows worthless.
fn wrong_gradient(done: &[Done]) -> Option<String> {
    let reports = done.iter().filter_map(|done| match &done.outcome {
        Outcome::Checked { reports } => Some(reports),
        _ => None,
    });
    let wrong = reports.flatten().find(|report| report.check == "gradient" && report.verdict == "failed")?;
    Some(format!("the gradient check failed, so that no training could be trusted: {}", wrong.advice))
}

#[cfg(test)]
mod tests;
