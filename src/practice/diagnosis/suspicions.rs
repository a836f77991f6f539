//! Rules about what a run was given: inputs, penalties, and whether its gradient is right.

use super::run::round;
use super::{Change, Finding, Run, Severity};

/// Backpropagation disagrees with finite differences.
pub(super) fn gradient_wrong(run: &Run<'_>) -> Option<Finding> {
    let tensors = run.checked.gradient_failed.as_ref()?;
    let place = if tensors.is_empty() { String::new() } else { format!(" in {}", tensors.join(", ")) };
    Some(Finding {
        code: "gradient_wrong",
        severity: Severity::Error,
        message: format!("Backpropagation disagrees with the measured slope{place}."),
        evidence: Vec::new(),
        advice:
            "Look at the report of the gradient check. This is a fault of the server: please report it with the spec."
                .to_owned(),
        changes: Vec::new(),
        source: "UFLDL; CS231n 3",
    })
}

/// Inputs go in neither centred nor scaled.
pub(super) fn unscaled_inputs(run: &Run<'_>) -> Option<Finding> {
    let said = run.facts.unscaled_inputs.as_ref()?;
    Some(Finding {
        code: "unscaled_inputs",
        severity: if run.is_good() { Severity::Info } else { Severity::Warn },
        message: format!("Inputs are neither centred nor scaled: {said}"),
        evidence: Vec::new(),
        advice:
            "Standardise them: a number that is a thousand times larger moves its weights a thousand times further."
                .to_owned(),
        changes: vec![Change::Standardize],
        source: "the lecture notes; CS231n 2",
    })
}

/// The penalty outweighs the data.
pub(super) fn penalty_dominates(run: &Run<'_>) -> Option<Finding> {
    let (penalty, objective) = (run.last("penalty")?, run.last("objective")?);
    let share = penalty / objective;
    if run.epochs() < 2 || share.is_nan() || share <= 0.5 || run.is_good() {
        return None;
    }
    let l2 = round(run.facts.l2 * 0.1);
    let changes = if run.facts.l2 > 0.0 { vec![Change::L2(l2)] } else { Vec::new() };
    Some(Finding {
        code: "penalty_dominates",
        severity: Severity::Warn,
        message: format!("The penalty outweighs the data: it is {:.0} % of what is minimised.", 100.0 * share),
        evidence: vec![("penalty", penalty), ("objective", objective), ("l2", run.facts.l2)],
        advice: "Take a tenth of the penalty.".to_owned(),
        changes,
        source: "CS231n 3",
    })
}
