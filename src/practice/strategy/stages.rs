//! The stages in their order: which recipes each tries, and when the next one begins.

use super::search::{borders, round};
use super::trials::{Trial, best, compare, least, trials};
use super::words::{self, number};
use super::{Done, Outcome, Plan, Recipe, Situation, Stage};
use crate::num::random::{Stream, generator, uniform};

/// The smallest network, and those that follow while they gain.
const SMALL: [u64; 1] = [16];
const LARGER: [&[&[u64]]; 2] = [&[&[64], &[64, 64]], &[&[256], &[256, 128]]];
/// Below so many rows hidden layers start as tanh, whose smooth units do better with few rows.
const FEW_ROWS: u64 = 1000;
/// Steps that a trial may take where the rows are few; early stopping ends it sooner.
const STEPS: u64 = 5_000;
/// The rates between which a suggestion is believed.
const RATES: [f64; 2] = [3e-4, 0.03];
/// The rate before the range test has spoken.
const FIRST_RATE: f64 = 3e-3;
/// Random recipes of a step, and steps without a gain after which no more follow.
const DRAWN: usize = 4;
const PATIENCE: usize = 3;

type Step = (String, String, Plan);

/// The step that follows, at most `left` trials of it; `None` when all stages are done.
pub(super) fn next(situation: &Situation, done: &[Done], left: usize) -> Option<Step> {
    let step = before_training(situation, done).or_else(|| training(situation, done))?;
    let (title, reason, mut plan) = step;
    if let Plan::Train { recipes, .. } = &mut plan {
        recipes.truncate(left);
    }
    Some((title, reason, plan))
}

/// The checks that come before the first trial.
fn before_training(situation: &Situation, done: &[Done]) -> Option<Step> {
    let recipe = start(situation, &SMALL);
    let step = |title: &str, reason: String, plan: Plan| Some((title.to_owned(), reason, plan));
    let ran = |wanted: fn(&Plan) -> bool| done.iter().filter(|done| wanted(&done.plan)).count();
    if ran(|plan| matches!(plan, Plan::Data { .. })) == 0 {
        let reason = "Most bad models come from bad data, and nothing that follows would show it.".to_owned();
        return step("Look at the data", reason, Plan::Data { recipe });
    }
    if ran(|plan| matches!(plan, Plan::Network { .. })) == 0 {
        let reason = "Before the first step the loss is known by theory, the gradient can be measured, and no layer may be silent."
            .to_owned();
        return step("Look at the untrained network", reason, Plan::Network { recipe });
    }
    match ran(|plan| matches!(plan, Plan::Overfit { .. })) {
        0 => {
            let reason =
                "A network that cannot learn twenty rows by heart will not learn more: a small one first.".to_owned();
            return step("Learn a handful of rows by heart", reason, Plan::Overfit { recipe });
        }
        1 if failed(done, "overfit") => {
            let reason = format!(
                "The small network could not: {} Perhaps it is too small; one of 64 units tries the same rows.",
                advice(done, "overfit")
            );
            let recipe = start(situation, &[64]);
            return step("Learn a handful of rows by heart, with more units", reason, Plan::Overfit { recipe });
        }
        _ => {}
    }
    if ran(|plan| matches!(plan, Plan::Range { .. })) == 0 {
        let reason = match failed(done, "overfit") {
            false => "It can learn. The learning rate matters most of all: a short run with a rising rate shows where it works.".to_owned(),
            true => format!(
                "Even the larger network could not learn them by heart: {} What can be learned is looked for all the same, from the \
                 learning rate on.",
                advice(done, "overfit")
            ),
        };
        return step("Find the range of the learning rate", reason, Plan::Range { recipe });
    }
    None
}

/// The trials.
fn training(situation: &Situation, done: &[Done]) -> Option<Step> {
    let of = |stage: Stage| done.iter().filter(move |done| is(done, stage));
    if of(Stage::Baseline).next().is_none() {
        return Some(baseline(situation, done));
    }
    let best = best(done)?;
    let grown = of(Stage::Grow).count();
    if let Some(sizes) =
        LARGER.get(grown).filter(|_| grown == 0 || of(Stage::Grow).next_back().is_some_and(|last| has(last, best)))
    {
        return Some(grow(done, sizes, grown));
    }
    if of(Stage::Regularise).next().is_none() {
        return Some(regularise(done, best));
    }
    if of(Stage::Refine).next().is_none() {
        return Some(refine(done, best));
    }
    if of(Stage::Combine).next().is_none()
        && let Some(step) = combine(done)
    {
        return Some(step);
    }
    let explored: Vec<&Done> = of(Stage::Explore).collect();
    let idle = explored.iter().rev().take_while(|step| !has(step, best)).count();
    (idle < PATIENCE).then(|| explore(situation, done, best, explored.len()))
}

fn is(done: &Done, wanted: Stage) -> bool {
    matches!(&done.plan, Plan::Train { stage, .. } if *stage == wanted)
}

fn has(step: &Done, trial: &Trial) -> bool {
    matches!(&step.outcome, Outcome::Trained { trials } if trials.contains(trial))
}

fn failed(done: &[Done], check: &str) -> bool {
    words::report(done, check).is_some_and(|report| report.verdict == "failed")
}

fn advice(done: &[Done], check: &str) -> String {
    words::report(done, check).map_or_else(String::new, |report| report.advice.clone())
}

/// The recipe of the first network.
pub fn first(situation: &Situation) -> Recipe {
    start(situation, &SMALL)
}

/// The recipe that everything starts from.
fn start(situation: &Situation, hidden: &[u64]) -> Recipe {
    let batch_size = match situation.rows {
        0..20_000 => 32,
        20_000..200_000 => 128,
        _ => 512,
    };
    let training = situation.rows.saturating_sub(situation.rows / 5);
    let steps = training.div_ceil(batch_size).max(1);
    Recipe {
        hidden: hidden.to_vec(),
        activation: if situation.rows < FEW_ROWS { "tanh" } else { "relu" }.to_owned(),
        learning_rate: FIRST_RATE,
        weight_decay: 0.0,
        dropout: 0.0,
        batch_size,
        epochs: STEPS.div_ceil(steps).clamp(30, 600),
    }
}

fn baseline(situation: &Situation, done: &[Done]) -> Step {
    let suggested = words::report(done, "lr_range").and_then(|report| report.report.get("suggestion")?.as_f64());
    let rate = round(suggested.unwrap_or(FIRST_RATE).clamp(RATES[0], RATES[1]));
    let small = |rate: f64| Recipe { learning_rate: round(rate), ..start(situation, &SMALL) };
    let linear = Recipe { learning_rate: rate, ..start(situation, &[]) };
    let recipes = vec![small(rate), linear, small(rate / 3.0), small(rate / 10.0)];
    let reason = match suggested {
        Some(found) => format!(
            "The range test suggests a rate of {}. A short run cannot tell how long it stays good: a small network tries {}, a third and a tenth of \
             it, and a linear model shows what can be had without hidden layers.",
            number(found),
            number(rate)
        ),
        None => format!(
            "The range test found no rate by itself: a small network tries {}, a third and a tenth of it, and a linear model shows what \
             can be had without hidden layers.",
            number(rate)
        ),
    };
    ("Train a linear model and a small network".to_owned(), reason, Plan::Train { stage: Stage::Baseline, recipes })
}

/// The best trial that has hidden layers, or the best.
fn hidden(done: &[Done]) -> Option<&Trial> {
    least(trials(done).filter(|trial| !trial.recipe.hidden.is_empty())).or_else(|| best(done))
}

fn grow(done: &[Done], sizes: &[&[u64]], grown: usize) -> Step {
    let base = hidden(done);
    let recipe = base.map(|trial| trial.recipe.clone());
    let with = |units: &[u64], factor: f64| {
        recipe.clone().map(|recipe| Recipe {
            hidden: units.to_vec(),
            learning_rate: round(recipe.learning_rate * factor),
            ..recipe
        })
    };
    // More units want a smaller rate: the first size is tried at both.
    let first = sizes.first().into_iter().flat_map(|units| [with(units, 1.0), with(units, 0.5)]);
    let recipes = first.chain(sizes.iter().skip(1).map(|units| with(units, 0.5))).flatten().collect();
    let (title, reason) = match grown {
        0 => ("Grow the network", words::before_growing(done, base)),
        _ => ("Grow it further", words::growing(done, base)),
    };
    (title.to_owned(), reason, Plan::Train { stage: Stage::Grow, recipes })
}

/// The best as it is with less freedom, and the largest that was tried with much less.
fn regularise(done: &[Done], best: &Trial) -> Step {
    let base = &best.recipe;
    let mut recipes = vec![Recipe { weight_decay: 0.1, ..base.clone() }, Recipe { weight_decay: 1.0, ..base.clone() }];
    if !base.hidden.is_empty() {
        recipes.push(Recipe { dropout: 0.25, ..base.clone() });
    }
    let largest = trials(done).filter(|trial| trial.loss().is_some()).max_by_key(|trial| trial.parameters);
    if let Some(largest) = largest.filter(|trial| !trial.recipe.hidden.is_empty()) {
        recipes.push(Recipe { dropout: 0.5, ..largest.recipe.clone() });
        recipes.push(Recipe { dropout: 0.5, weight_decay: 0.3, ..largest.recipe.clone() });
    }
    let reason = words::before_regularising(best, largest);
    ("Regularise".to_owned(), reason, Plan::Train { stage: Stage::Regularise, recipes })
}

fn refine(done: &[Done], best: &Trial) -> Step {
    let base = &best.recipe;
    let rate = |factor: f64| Recipe { learning_rate: round(base.learning_rate * factor), ..base.clone() };
    let mut recipes = vec![rate(0.5), rate(2.0), Recipe { batch_size: base.batch_size / 2, ..base.clone() }];
    if !base.hidden.is_empty() {
        let activation = if base.activation == "relu" { "tanh" } else { "relu" }.to_owned();
        recipes.push(Recipe { activation, ..base.clone() });
    }
    let reason = words::before_refining(done, best);
    ("Change one thing at a time".to_owned(), reason, Plan::Train { stage: Stage::Refine, recipes })
}

/// The two single changes that gained most, in one recipe.
fn combine(done: &[Done]) -> Option<Step> {
    let at = done.iter().position(|done| is(done, Stage::Refine))?;
    let base = best(done.get(..at)?)?;
    let Outcome::Trained { trials } = &done.get(at)?.outcome else { return None };
    let mut gains: Vec<(&Trial, f64)> = trials
        .iter()
        .filter_map(|trial| Some((trial, compare(base, trial)?.gain)))
        .filter(|(_, gain)| *gain > 0.0)
        .collect();
    gains.sort_by(|a, b| b.1.total_cmp(&a.1));
    let [(first, _), (second, _), ..] = gains.as_slice() else { return None };
    let (from, other) = (&base.recipe, &second.recipe);
    let mut recipe = first.recipe.clone();
    if other.learning_rate != from.learning_rate {
        // Two rates cannot both hold: the one that gained more stays.
        if recipe.learning_rate == from.learning_rate {
            recipe.learning_rate = other.learning_rate;
        }
    }
    if other.batch_size != from.batch_size {
        recipe.batch_size = other.batch_size;
    }
    if other.activation != from.activation {
        recipe.activation.clone_from(&other.activation);
    }
    if recipe == first.recipe {
        return None;
    }
    let reason = format!(
        "{} and {} each lowered the loss: perhaps they do so together.",
        words::capital(&words::change(from, &first.recipe)),
        words::change(from, &second.recipe)
    );
    let plan = Plan::Train { stage: Stage::Combine, recipes: vec![recipe] };
    Some(("Put together what helped".to_owned(), reason, plan))
}

/// Recipes drawn around the best, by the seed and the number of the step.
fn explore(situation: &Situation, done: &[Done], best: &Trial, round_number: usize) -> Step {
    let tried: Vec<&Recipe> = trials(done).map(|trial| &trial.recipe).collect();
    let mut draw = generator(situation.seed, Stream::Search, round_number as u64, 0);
    // Where the best stands at the edge of what was tried, the range was too narrow.
    let borders = borders(done);
    let beyond = borders.iter().map(|border| border.beyond(&best.recipe));
    let mut recipes: Vec<Recipe> = beyond.filter(|recipe| !tried.contains(&recipe)).collect();
    let recipes_begin_beyond = !recipes.is_empty();
    for _ in 0..8 * DRAWN {
        let mut drawn = || uniform(&mut draw);
        let base = &best.recipe;
        let mut recipe = base.clone();
        recipe.learning_rate = round(base.learning_rate * (3.0_f64).powf(2.0 * drawn() - 1.0));
        let decay = [0.0, 0.03, 0.1, 0.3, 1.0];
        recipe.weight_decay = decay[(drawn() * 5.0) as usize % 5];
        if !base.hidden.is_empty() {
            recipe.dropout = [0.0, 0.1, 0.2, 0.3, 0.5][(drawn() * 5.0) as usize % 5];
            let factor = [0.5, 1.0, 1.0, 2.0][(drawn() * 4.0) as usize % 4];
            recipe.hidden = base.hidden.iter().map(|units| ((*units as f64 * factor) as u64).clamp(4, 1024)).collect();
        }
        if recipes.len() < DRAWN && !tried.contains(&&recipe) && !recipes.contains(&recipe) {
            recipes.push(recipe);
        }
    }
    let reason = words::before_exploring(best, round_number, if recipes_begin_beyond { &borders } else { &[] });
    ("Look around the best".to_owned(), reason, Plan::Train { stage: Stage::Explore, recipes })
}

/// The recipe of the model: as many epochs as the folds found best.
pub(super) fn model(best: &Trial) -> Recipe {
    Recipe { epochs: best.epoch.max(1), ..best.recipe.clone() }
}
