//! Rules about settings that work together, but not as one expects. The spec warns of them before the run; here they come with the change.

use super::{Change, Finding, Run, Severity};

/// Adam's L2 penalty passes through its moments.
pub(super) fn adam_with_l2(run: &Run<'_>) -> Option<Finding> {
    let advice = "Use AdamW with a weight decay, which does what is usually meant.";
    finding(run, "adam_with_l2", advice, "Loshchilov and Hutter 2019", |_| vec![Change::DecoupledDecay(0.01)])
}

/// Dropout that shifts the scale of a regression.
pub(super) fn dropout_before_regression(run: &Run<'_>) -> Option<Finding> {
    let trunk = |pointer: &str| pointer.starts_with("/hidden_layers");
    let advice = "Drop out in earlier layers only.";
    finding(run, "dropout_before_regression", advice, "CS231n 2", |pointer| match trunk(pointer) {
        true => vec![Change::NoLastDropout],
        false => Vec::new(),
    })
}

/// Biases that decay with the weights.
pub(super) fn decayed_biases(run: &Run<'_>) -> Option<Finding> {
    let advice = "Let the weights alone decay, as most recipes do.";
    finding(run, "decayed_biases", advice, "CS231n 2", |_| vec![Change::BiasesWithoutDecay])
}

fn finding(
    run: &Run<'_>,
    code: &'static str,
    advice: &str,
    source: &'static str,
    changes: impl Fn(&str) -> Vec<Change>,
) -> Option<Finding> {
    let pitfall = run.facts.pitfalls.iter().find(|pitfall| pitfall.code == code)?;
    let why = pitfall.detail.split([':', ';']).next().unwrap_or_default();
    Some(Finding {
        code,
        severity: Severity::Info,
        message: format!("The combination works, but not as one expects: {why}."),
        evidence: Vec::new(),
        advice: advice.to_owned(),
        changes: changes(&pitfall.pointer),
        source,
    })
}
