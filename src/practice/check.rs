//! All checks by their names: which rows each looks at, and its report. For a job before its first step, and for a check that runs alone.

use serde::Serialize;
use serde_json::Value;

use super::{
    HeldOut, Verdict, beginning_rows, check_data, check_gradient, check_init, check_initial_loss,
    check_input_independent, check_lr_range, check_overfit, gradient_rows, overfit_rows, range_rows,
};
use crate::data::{DataError, Encoder, Examples, Rows};
use crate::nn::{Network, Penalties};
use crate::train::Plan;

/// The names of all checks.
pub const CHECKS: [&str; 7] = ["data", "initial_loss", "gradient", "overfit", "init", "input_independent", "lr_range"];

/// Rows of the training part on which the first loss is looked at.
const INITIAL_LOSS_ROWS: usize = 2_000;

/// What a check looks at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The run that is or would be.
    pub plan: &'a Plan,
    /// Its penalties, which are looked at apart from its loss.
    pub penalties: &'a Penalties,
    /// The dataset.
    pub table: &'a dyn Rows,
    /// How its rows become numbers.
    pub encoder: &'a Encoder,
    /// The rows that train.
    pub train_rows: &'a [u32],
    /// The rows that do not.
    pub held_out: HeldOut<'a>,
    /// First parameters and buffers, where they are not drawn by the plan's seed.
    pub weights: Option<(&'a [f64], &'a [f64])>,
    /// Asked now and then: whether the check is no longer wanted. It then ends soon, and what it reports means nothing.
    pub stopped: &'a dyn Fn() -> bool,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// What it means and what to do.
    pub advice: String,
    /// All of it, as JSON.
    pub document: Value,
}

/// Runs the check of that name; `None` where there is none.
///
/// # Errors
/// Rows that cannot be encoded.
pub fn check(name: &str, subject: &Subject<'_>) -> Result<Option<Report>, DataError> {
    let Subject { plan, penalties, table, encoder, train_rows, held_out, weights, stopped } = *subject;
    let (architecture, optimizer, seed, rows) = (&plan.architecture, &plan.optimizer, plan.seed, plan.batch_rows());
    // Weights without running statistics of their own start with those of an untrained network.
    let initial = Network::new(architecture.clone()).initial_buffers::<f64>();
    let weights = weights.map(|(parameters, own)| (parameters, if own.is_empty() { initial.as_slice() } else { own }));
    let on = |rows: &[u32]| -> Result<Examples<f64>, DataError> { encoder.encode::<f64>(table, rows) };
    Ok(Some(match name {
        "data" => {
            let found = check_data(table, encoder, train_rows, held_out)?;
            report(found.verdict, &found.advice, &found)
        }
        "initial_loss" => {
            let stride = train_rows.len().div_ceil(INITIAL_LOSS_ROWS).max(1);
            let some: Vec<u32> = train_rows.iter().copied().step_by(stride).collect();
            let found = check_initial_loss(architecture, seed, &on(&some)?, weights);
            report(found.verdict, &found.advice, &found)
        }
        "gradient" => {
            let examples = on(&gradient_rows(architecture, train_rows))?;
            let found = check_gradient(architecture, penalties, seed, &examples, weights, stopped);
            report(found.verdict, &found.advice, &found)
        }
        "overfit" => {
            let found = check_overfit(architecture, seed, &on(&overfit_rows(train_rows))?, stopped);
            report(found.verdict, &found.advice, &found)
        }
        "init" => {
            let found = check_init(architecture, seed, &on(&beginning_rows(train_rows))?);
            report(found.verdict, &found.advice, &found)
        }
        "input_independent" => {
            let examples = on(&beginning_rows(train_rows))?;
            let found = check_input_independent(architecture, optimizer, penalties, rows, seed, &examples, stopped);
            report(found.verdict, &found.advice, &found)
        }
        "lr_range" => {
            let examples = on(&range_rows(train_rows))?;
            let found = check_lr_range(architecture, optimizer, penalties, rows, seed, &examples, stopped);
            report(found.verdict, &found.advice, &found)
        }
        _ => return Ok(None),
    }))
}

fn report(verdict: Verdict, advice: &str, found: &impl Serialize) -> Report {
    // Reports are plain structs of numbers and words: nothing in them can fail to become JSON.
    Report { verdict, advice: advice.to_owned(), document: serde_json::to_value(found).unwrap_or_default() }
}
