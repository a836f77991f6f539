//! What is said of the steps, in sentences with the numbers that they rest on.

use super::search::Border;
use super::trials::{Trial, best, compare, least};
use super::{Checked, Done, Outcome, Plan, Recipe, Situation, Stage};

/// The last report of a check.
pub(super) fn report<'a>(done: &'a [Done], check: &str) -> Option<&'a Checked> {
    let reports = done.iter().rev().filter_map(|done| match &done.outcome {
        Outcome::Checked { reports } => Some(reports),
        _ => None,
    });
    reports.flatten().find(|report| report.check == check)
}

/// What a range test says, without the rate that its job happened to have: the strategy, not the client, chose that one.
pub fn range(report: &serde_json::Value) -> Option<String> {
    let of = |name: &str| report.get(name)?.as_f64();
    let (suggestion, steepest, tenth) = (of("suggestion")?, of("steepest")?, of("minimum_tenth")?);
    Some(format!(
        "The loss falls fastest at a rate of {}, and is least at {}, where it is about to turn: {} is a good one to begin with.",
        number(steepest),
        number(10.0 * tenth),
        number(suggestion)
    ))
}

/// A number with three significant digits.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The validation loss of a trial, with its standard error.
fn loss(trial: &Trial) -> String {
    match (trial.loss(), trial.error()) {
        (Some(loss), Some(error)) => format!("{} ± {}", number(loss), number(error)),
        (Some(loss), None) => number(loss),
        (None, _) => "no finite loss".to_owned(),
    }
}

/// A network in words.
pub(super) fn network(recipe: &Recipe) -> String {
    match recipe.hidden.as_slice() {
        [] => "the linear model".to_owned(),
        [units] => format!("one layer of {units}"),
        layers => format!("layers of {}", layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")),
    }
}

/// A recipe in words: the network, the learning rate, and what else it has.
pub fn describe(recipe: &Recipe) -> String {
    let mut parts = vec![network(recipe)];
    if !recipe.hidden.is_empty() {
        parts.push(recipe.activation.clone());
    }
    parts.push(format!("learning rate {}", number(recipe.learning_rate)));
    if recipe.dropout > 0.0 {
        parts.push(format!("dropout {}", number(recipe.dropout)));
    }
    if recipe.weight_decay > 0.0 {
        parts.push(format!("weight decay {}", number(recipe.weight_decay)));
    }
    parts.push(format!("batches of {}", recipe.batch_size));
    parts.join(", ")
}

/// What differs between two recipes, in words.
pub(super) fn change(from: &Recipe, to: &Recipe) -> String {
    let mut parts = Vec::new();
    if from.hidden != to.hidden {
        parts.push(network(to));
    }
    if from.activation != to.activation {
        parts.push(to.activation.clone());
    }
    if from.learning_rate != to.learning_rate {
        parts.push(format!("a learning rate of {}", number(to.learning_rate)));
    }
    if from.dropout != to.dropout {
        parts.push(format!("dropout {}", number(to.dropout)));
    }
    if from.weight_decay != to.weight_decay {
        parts.push(format!("weight decay {}", number(to.weight_decay)));
    }
    if from.batch_size != to.batch_size {
        parts.push(format!("batches of {}", to.batch_size));
    }
    if parts.is_empty() { "the same recipe".to_owned() } else { parts.join(" with ") }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What the training part says beside the validation part.
fn gap(trial: &Trial) -> String {
    match (trial.train_loss, trial.loss()) {
        (Some(train), Some(validation)) if train < 0.5 * validation => {
            format!("Its loss on the training part is {}, far below: it learns by heart.", number(train))
        }
        (Some(train), Some(_)) => {
            format!(
                "Its loss on the training part is {}, not far from that: it does not yet learn by heart.",
                number(train)
            )
        }
        _ => String::new(),
    }
}

pub(super) fn before_growing(done: &[Done], base: Option<&Trial>) -> String {
    let Some(base) = base else { return "Nothing has been learned yet: more units may help.".to_owned() };
    let linear = least(super::trials(done).filter(|trial| trial.recipe.hidden.is_empty()));
    let beside = linear.and_then(|linear| Some((linear, compare(linear, base)?)));
    let against = match beside {
        Some((linear, found)) if found.is_clear() => {
            format!("better than the linear model ({}) by more than the folds differ", loss(linear))
        }
        Some((linear, _)) => format!("not clearly better than the linear model ({})", loss(linear)),
        None => "with no linear model to compare with".to_owned(),
    };
    format!(
        "The small network reaches a validation loss of {}, {against}. {} Larger networks show whether size is what it lacks.",
        loss(base),
        gap(base)
    )
}

pub(super) fn growing(done: &[Done], base: Option<&Trial>) -> String {
    let Some(base) = base else { return "More units may help.".to_owned() };
    let before = best(done.get(..done.len().saturating_sub(1)).unwrap_or(&[]));
    let gain = before.and_then(|before| compare(before, base));
    let gain = gain.map_or_else(String::new, |found| {
        format!(", {} less than before (standard error {})", number(found.gain), number(found.error))
    });
    format!("{} came to {}{gain}. While size helps, there is more of it.", capital(&network(&base.recipe)), loss(base))
}

pub(super) fn before_regularising(best: &Trial, largest: Option<&Trial>) -> String {
    let own = format!("More units do no better than {}, at {}. {}", network(&best.recipe), loss(best), gap(best));
    match largest.filter(|trial| trial.recipe.hidden != best.recipe.hidden) {
        Some(largest) => format!(
            "{own} The best with weight decay and dropout is tried, and the largest network ({}, at {}) with more of both.",
            network(&largest.recipe),
            loss(largest)
        ),
        None => format!("{own} Weight decay and dropout give it less freedom to."),
    }
}

pub(super) fn before_refining(done: &[Done], best: &Trial) -> String {
    let helped =
        done.last().is_some_and(|last| matches!(&last.outcome, Outcome::Trained { trials } if trials.contains(best)));
    let said = if helped { "Regularisation helped" } else { "Regularisation did not help" };
    format!(
        "{said}: the best is {}, at {}. Around it the learning rate, the batch and the activation are changed one at a time, so that each \
         gain has one cause.",
        describe(&best.recipe),
        loss(best)
    )
}

pub(super) fn before_exploring(best: &Trial, round: usize, borders: &[Border]) -> String {
    let told = looking_around(best, round);
    let edges: Vec<String> = borders.iter().map(Border::edge).collect();
    match edges.is_empty() {
        true => told,
        false => format!("{told} It has {}: what lies beyond is tried first.", edges.join(" and ")),
    }
}

fn looking_around(best: &Trial, round: usize) -> String {
    match round {
        0 => format!(
            "The best so far is {}, at {}. What is left of the budget looks around it at random: that finds what changes of one thing cannot.",
            describe(&best.recipe),
            loss(best)
        ),
        _ => format!(
            "The best is now {}, at {}; the budget allows another look around it.",
            describe(&best.recipe),
            loss(best)
        ),
    }
}

pub(super) fn choice(situation: &Situation, done: &[Done], best: &Trial, over: bool) -> String {
    let spent = super::trials(done).count();
    let why = match (situation.out_of_time, over) {
        (true, _) => "The time is over",
        (_, true) => "The budget is spent",
        _ => "Nothing that was tried since did better",
    };
    let test = match situation.tests {
        true => " The rows that were held out have decided nothing so far; they test it, once.",
        false => {
            " No rows were held out: how good it is, the validation alone tells, and a little too kindly, since it also chose."
        }
    };
    let equals = match super::search::as_good(done, best).len() {
        0 => String::new(),
        n => format!(" {n} of the others are as good within the noise of the folds."),
    };
    format!(
        "{why}: of {spent} trials the best is {}, at {}.{equals} It is trained anew on all rows that trained or validated, for {} epochs, the middle of \
         what the folds found best.{test}",
        describe(&best.recipe),
        loss(best),
        best.epoch.max(1)
    )
}

/// What came of a step, in a sentence or two; `before` are the steps before it.
pub fn conclude(plan: &Plan, outcome: &Outcome, before: &[Done]) -> String {
    match (plan, outcome) {
        (_, Outcome::Checked { reports }) => {
            reports.iter().map(|report| report.advice.as_str()).collect::<Vec<_>>().join(" ")
        }
        (Plan::Train { stage, .. }, Outcome::Trained { trials }) => trained(*stage, trials, best(before)),
        (_, Outcome::Trained { trials }) => trained(Stage::Explore, trials, best(before)),
        (_, Outcome::Model { job, succeeded: true, test }) => {
            let told: Vec<String> = test.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
            match told.is_empty() {
                true => format!("The model is {job}."),
                false => format!("The model is {job}; on the rows that were held out: {}.", told.join(", ")),
            }
        }
        (_, Outcome::Model { job, .. }) => format!("{job} did not succeed."),
    }
}

fn trained(stage: Stage, trials: &[Trial], before: Option<&Trial>) -> String {
    let lost = trials.iter().filter(|trial| trial.loss().is_none()).count();
    let Some(best) = least(trials.iter()) else { return "None of these trials came to a finite loss.".to_owned() };
    let found = before.and_then(|before| Some((before, compare(before, best)?)));
    let told = match found {
        None => format!("The best is {}, at {}.", describe(&best.recipe), loss(best)),
        Some((before, found)) if found.is_clear() => format!(
            "Better: {} reaches {}, {} less than {}, with a standard error of {}.",
            describe(&best.recipe),
            loss(best),
            number(found.gain),
            network(&before.recipe),
            number(found.error)
        ),
        Some((_, found)) if found.gain > 0.0 => format!(
            "Slightly better, but no more than the folds differ: {} reaches {} ({} less, standard error {}).",
            describe(&best.recipe),
            loss(best),
            number(found.gain),
            number(found.error)
        ),
        Some((before, _)) => {
            let what = match stage {
                Stage::Grow => "No larger network did better",
                Stage::Regularise => "No regularisation did better",
                _ => "Nothing here did better",
            };
            format!("{what}: the best of these reaches {}, against {} before.", loss(best), loss(before))
        }
    };
    match lost {
        0 => told,
        _ => format!("{told} {lost} of {} trials came to no finite loss.", trials.len()),
    }
}
