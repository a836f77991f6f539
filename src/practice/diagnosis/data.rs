//! Rules about the data, as the check of the data found it.

use super::checked::DataFault;
use super::{Change, Finding, Run, Severity};

fn fault<'a>(run: &Run<'a>, code: &str) -> Option<&'a DataFault> {
    run.checked.data.iter().find(|fault| fault.code == code)
}

fn finding(code: &'static str, fault: &DataFault, changes: Vec<Change>, source: &'static str) -> Finding {
    Finding {
        code,
        severity: Severity::Warn,
        message: fault.message.clone(),
        evidence: Vec::new(),
        advice: fault.advice.clone(),
        changes,
        source,
    }
}

/// A column is the answer, or a copy of it.
pub(super) fn gives_away(run: &Run<'_>) -> Option<Finding> {
    let fault = fault(run, "column_gives_away")?;
    let changes = vec![Change::Exclude(fault.columns.clone())];
    Some(finding("column_gives_away", fault, changes, "Karpathy's recipe"))
}

/// Equal inputs, different labels.
pub(super) fn contradicting(run: &Run<'_>) -> Option<Finding> {
    let fault = fault(run, "contradicting_labels")?;
    Some(finding("contradicting_labels", fault, Vec::new(), "Karpathy's recipe: become one with the data"))
}

/// What validates was learned from.
pub(super) fn in_two_parts(run: &Run<'_>) -> Option<Finding> {
    let fault = fault(run, "rows_in_two_parts")?;
    let changes = if run.facts.duplicates_apart { vec![Change::DuplicatesTogether] } else { Vec::new() };
    Some(finding("rows_in_two_parts", fault, changes, "Karpathy's recipe"))
}
