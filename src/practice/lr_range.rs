//! The learning-rate range test (Smith 2015; the plot of fastai): a short run whose rate rises from far too small to far too large. Where the loss falls fastest
//! the rate is good; where it turns, too large. Its weights are thrown away, so the job after it has the bytes that it would have had.

use serde::Serialize;

use super::Verdict;
use super::gradient::spread;
use super::short::{ShortRun, steps_one_by_one};
use crate::data::Examples;
use crate::nn::optimizer::Optimizer;
use crate::nn::{Architecture, Penalties};

/// Rates that are tried, evenly spread on a logarithmic scale.
const STEPS: usize = 100;
const LOWEST: f64 = 1e-6;
const HIGHEST: f64 = 10.0;
/// Share of the smoothed loss that is kept from step to step.
const SMOOTHING: f64 = 0.9;
/// The loss is lost when it is so many times the best.
const LOST: f64 = 4.0;
/// Training rows that are used at most.
const ROWS: usize = 4_096;

/// What the range test found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LrRange {
    /// Passed where some rate learned something.
    pub verdict: Verdict,
    /// The rate of the spec.
    pub learning_rate: f64,
    /// A tenth of the rate at which the smoothed loss was least.
    pub minimum_tenth: Option<f64>,
    /// The rate at which it fell fastest.
    pub steepest: Option<f64>,
    /// The rate two thirds down the longest fall.
    pub valley: Option<f64>,
    /// The one to take: the middle of the three.
    pub suggestion: Option<f64>,
    /// Rates and losses.
    pub curve: RangeCurve,
    /// What it means and what to do.
    pub advice: String,
}

/// The loss by rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RangeCurve {
    /// The rates, rising.
    pub learning_rate: Vec<f64>,
    /// The smoothed loss at each.
    pub loss: Vec<f64>,
}

/// The rows that a range test trains on: some thousand, spread evenly.
pub fn range_rows(training: &[u32]) -> Vec<u32> {
    spread(training, ROWS)
}

/// Runs the test with the job's own optimizer, penalties and batch size on `examples` (the rows of [`range_rows`]).
pub fn check_lr_range(
    architecture: &Architecture,
    optimizer: &Optimizer,
    penalties: &Penalties,
    batch_rows: usize,
    seed: u64,
    examples: &Examples<f64>,
    stopped: &dyn Fn() -> bool,
) -> LrRange {
    let mut report = LrRange {
        verdict: Verdict::Unchecked,
        learning_rate: optimizer.learning_rate,
        minimum_tenth: None,
        steepest: None,
        valley: None,
        suggestion: None,
        curve: RangeCurve::default(),
        advice: "This optimizer finds its own step along each line: there is no rate to look for.".to_owned(),
    };
    if !steps_one_by_one(optimizer) || examples.rows == 0 {
        return report;
    }
    let mut run = ShortRun::new(architecture, *optimizer, penalties, batch_rows, seed, examples);
    let (mut smoothed, mut weight, mut best) = (0.0, 0.0, f64::INFINITY);
    for step in 0..STEPS {
        let rate = LOWEST * (HIGHEST / LOWEST).powf(step as f64 / (STEPS - 1) as f64);
        let loss = run.step(rate);
        smoothed = SMOOTHING * smoothed + (1.0 - SMOOTHING) * loss;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        let value = smoothed / weight;
        if !value.is_finite() || value > LOST * best || stopped() {
            break;
        }
        best = best.min(value);
        report.curve.learning_rate.push(rate);
        report.curve.loss.push(value);
    }
    suggest(&mut report);
    report
}

fn suggest(report: &mut LrRange) {
    let RangeCurve { learning_rate: rates, loss: losses } = &report.curve;
    let Some(lowest) = (0..losses.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b])) else { return };
    if losses[lowest] > 0.95 * losses[0] {
        report.verdict = Verdict::Failed;
        report.advice =
            "No rate made the loss fall: run the overfit check, and look at the inputs and the labels.".to_owned();
        return;
    }
    let tenth = rates[lowest] / 10.0;
    // The rates lie evenly on the logarithmic scale, so differences are slopes. The first ones are noise of the start.
    let steepest = (1..=lowest).min_by(|a, b| (losses[*a] - losses[*a - 1]).total_cmp(&(losses[*b] - losses[*b - 1])));
    let steepest = steepest.map_or(tenth, |at| rates[at]);
    let valley = rates[valley(losses)];
    let mut three = [tenth, steepest, valley];
    three.sort_by(f64::total_cmp);
    let rounded = |x: f64| format!("{x:.1e}").parse().unwrap_or(x);
    let suggestion: f64 = rounded(three[1]);
    report.verdict = Verdict::Passed;
    (report.minimum_tenth, report.steepest, report.valley) =
        (Some(rounded(tenth)), Some(rounded(steepest)), Some(rounded(valley)));
    report.suggestion = Some(suggestion);
    let ratio = report.learning_rate / suggestion;
    report.advice = if (0.1..=10.0).contains(&ratio) {
        format!("The rate {} fits: the test suggests about {suggestion}.", report.learning_rate)
    } else {
        let side = if ratio < 1.0 { "below" } else { "above" };
        format!("The rate {} is far {side} what the test suggests: try {suggestion}.", report.learning_rate)
    };
}

/// The place two thirds down the longest falling subsequence (fastai's `valley`).
fn valley(losses: &[f64]) -> usize {
    let mut longest = vec![1_usize; losses.len()];
    for i in 1..losses.len() {
        for j in 0..i {
            if losses[i] < losses[j] && longest[i] < longest[j] + 1 {
                longest[i] = longest[j] + 1;
            }
        }
    }
    let end = (0..losses.len()).max_by_key(|i| (longest[*i], std::cmp::Reverse(*i))).unwrap_or(0);
    let start = (end + 1).saturating_sub(longest.get(end).copied().unwrap_or(1));
    start + (end - start) * 2 / 3
}
