//! What is to be known before one believes in the choice of a search: whether others were as good, and whether the best stands at the edge of
//! what was tried. Sources: Google's tuning playbook; CS231n notes, part 3.

use serde::Serialize;

use super::trials::{Trial, best, compare, trials};
use super::words::{describe, number};
use super::{Done, Recipe};

/// Differences below so many of their standard errors are noise.
const CLEAR: f64 = 2.0;
/// Share of the range, on a logarithmic scale, that counts as its edge.
const EDGE: f64 = 0.1;
/// How far beyond the edge the next trial goes.
const BEYOND: f64 = 3.0;
/// Hidden layers grow no wider than this by themselves.
const WIDEST: u64 = 1024;

/// Something that is to be known of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchFinding {
    /// Its name: stable, `snake_case`.
    pub code: &'static str,
    /// `info`: the model is what it is all the same.
    pub severity: &'static str,
    /// What, in plain words with the numbers.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// What is to be known of a search that is over.
pub fn search_findings(done: &[Done]) -> Vec<SearchFinding> {
    [within_noise(done), at_the_border(done)].into_iter().flatten().collect()
}

/// The trials that the folds cannot tell from the best one.
pub(super) fn as_good<'a>(done: &'a [Done], best: &Trial) -> Vec<&'a Trial> {
    let noise = |trial: &&Trial| {
        trial.job != best.job
            && trial.losses.len() > 1
            && compare(trial, best).is_some_and(|found| found.gain < CLEAR * found.error)
    };
    trials(done).filter(noise).collect()
}

/// The best trial is one of several that the folds cannot tell apart.
fn within_noise(done: &[Done]) -> Option<SearchFinding> {
    let best = best(done)?;
    let others = as_good(done, best);
    let nearest = others.iter().min_by(|a, b| gain(a, best).total_cmp(&gain(b, best)))?;
    let found = compare(nearest, best)?;
    let smallest =
        others.iter().min_by_key(|trial| trial.parameters).filter(|trial| trial.parameters < best.parameters);
    let smaller = smallest.map_or_else(String::new, |trial| {
        format!(" The smallest of them has {} parameters ({}).", trial.parameters, describe(&trial.recipe))
    });
    Some(SearchFinding {
        code: "within_noise",
        severity: "info",
        message: format!(
            "The best is not better than {} beyond the noise of the folds: the next one is {} behind, with a standard error of {}.{smaller}",
            if others.len() == 1 { "another trial".to_owned() } else { format!("{} other trials", others.len()) },
            number(found.gain),
            number(found.error)
        ),
        advice: "Choose among them by size or speed; more rows, or the same recipes with several seeds, would tell them apart."
            .to_owned(),
    })
}

fn gain(old: &Trial, new: &Trial) -> f64 {
    compare(old, new).map_or(f64::INFINITY, |found| found.gain)
}

/// A number of the best recipe that is the least or the largest of all that were tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Border {
    what: What,
    value: f64,
    is_largest: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    LearningRate,
    Units,
}

impl Border {
    /// Which edge it is, in words.
    pub fn edge(&self) -> String {
        let edge = if self.is_largest { "largest" } else { "smallest" };
        match self.what {
            What::LearningRate => format!("the {edge} learning rate that was tried, {}", number(self.value)),
            What::Units => format!("the {edge} hidden layers that were tried, {} units in all", self.value),
        }
    }

    /// The recipe a step beyond the edge.
    pub fn beyond(&self, best: &Recipe) -> Recipe {
        let factor = if self.is_largest { BEYOND } else { 1.0 / BEYOND };
        match self.what {
            What::LearningRate => Recipe { learning_rate: round(best.learning_rate * factor), ..best.clone() },
            What::Units => {
                let other = |units: &u64| if self.is_largest { (units * 2).min(WIDEST) } else { (units / 2).max(4) };
                Recipe { hidden: best.hidden.iter().map(other).collect(), ..best.clone() }
            }
        }
    }
}

/// The edges at which the best recipe stands.
pub(super) fn borders(done: &[Done]) -> Vec<Border> {
    let Some(best) = best(done) else { return Vec::new() };
    let units = |recipe: &Recipe| recipe.hidden.iter().sum::<u64>() as f64;
    let with_hidden = |recipe: &&Recipe| recipe.hidden.is_empty() == best.recipe.hidden.is_empty();
    let recipes = || trials(done).filter(|trial| trial.loss().is_some()).map(|trial| &trial.recipe).filter(with_hidden);
    let rates = border(What::LearningRate, best.recipe.learning_rate, recipes().map(|recipe| recipe.learning_rate));
    let sizes = border(What::Units, units(&best.recipe), recipes().map(units).filter(|units| *units > 0.0));
    rates.into_iter().chain(sizes).collect()
}

/// Where a value stands in the range of those that were tried, if that is at an edge.
fn border(what: What, value: f64, tried: impl Iterator<Item = f64>) -> Option<Border> {
    let mut tried: Vec<f64> = tried.collect();
    tried.sort_by(f64::total_cmp);
    tried.dedup();
    let (least, largest) = (*tried.first()?, *tried.last()?);
    if tried.len() < 3 {
        return None;
    }
    let share = (value / least).ln() / (largest / least).ln();
    let is_largest = share > 0.5;
    (share <= EDGE || share >= 1.0 - EDGE).then_some(Border { what, value, is_largest })
}

/// The best value of something stands at the edge of what was tried.
fn at_the_border(done: &[Done]) -> Option<SearchFinding> {
    let borders = borders(done);
    let edges: Vec<String> = borders.iter().map(Border::edge).collect();
    (!edges.is_empty()).then(|| SearchFinding {
        code: "best_at_the_border",
        severity: "info",
        message: format!(
            "The best recipe has {}: what lies beyond was not tried, and may be better.",
            edges.join(" and ")
        ),
        advice: "Give a larger budget: the next trials go beyond that edge first.".to_owned(),
    })
}

/// Two significant digits: what is tried is also told.
pub(super) fn round(rate: f64) -> f64 {
    let scale = 10.0_f64.powi(1 - rate.abs().log10().floor() as i32);
    (rate * scale).round() / scale
}
