//! Rules about tasks that share layers: one that drowns another, one that would do better alone.

use super::run::{Alone, TaskFacts, round};
use super::{Change, Finding, Run, Severity};

/// One task takes the shared layers for itself.
pub(super) fn starved_task(run: &Run<'_>) -> Option<Finding> {
    let norms: Vec<(&str, f64)> = run
        .facts
        .tasks
        .iter()
        .filter_map(|task| Some((task.name.as_str(), run.last(&format!("gradient_norm/{}", task.name))?)))
        .collect();
    let fell = |task: &str| -> Option<f64> {
        let curve = run.curves.of(&format!("loss/{task}"));
        Some(curve.last()?.1 / curve.first()?.1)
    };
    let total: f64 = norms.iter().map(|(_, norm)| norm).sum();
    let (least, small) = norms.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let (most, _) = norms.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let share = small / total;
    if norms.len() < 2 || share.is_nan() || share >= 0.05 || fell(least)? < 0.5 || fell(most)? > 0.9 {
        return None;
    }
    let weight = run.facts.tasks.iter().find(|task| task.name == most).map_or(1.0, |task| task.weight);
    let less = round(weight * (small / (total - small)).max(0.01) * norms.len() as f64);
    Some(Finding {
        code: "starved_task",
        severity: Severity::Warn,
        message: format!(
            "{most} drowns {least}: only {:.1} % of the pull on the shared layers is {least}'s, and its loss hardly falls.",
            100.0 * share
        ),
        evidence: vec![("pull_share", share), ("loss_left", fell(least)?)],
        advice: format!("Lower the weight of {most} from {weight} to {less}."),
        changes: vec![Change::TaskWeight(most.to_owned(), less)],
        source: "the lecture notes: losses of tasks are summed",
    })
}

/// A task does worse in company than a network did that learned it alone.
pub(super) fn negative_transfer(run: &Run<'_>) -> Option<Finding> {
    let tasks = &run.facts.tasks;
    if tasks.len() < 2 || !run.is_over {
        return None;
    }
    let worse = |task: &TaskFacts| -> Option<(String, Alone, f64, f64)> {
        let alone = task.alone.clone().filter(|alone| alone.rows > 0)?;
        let curve = run.curves.of(&format!("val_accuracy/{}", task.name));
        let reached = curve.iter().map(|(_, accuracy)| *accuracy).max_by(f64::total_cmp)?;
        // With a right and a wrong row added, so that an accuracy of 1 has an error too.
        let rows = alone.rows as f64;
        let share = (alone.accuracy * rows + 1.0) / (rows + 2.0);
        let error = (share * (1.0 - share) / rows).sqrt();
        (reached < alone.accuracy - error).then(|| (task.name.clone(), alone, reached, error))
    };
    let behind = |one: &(String, Alone, f64, f64)| (one.1.accuracy - one.2) / one.3;
    let (name, alone, reached, error) =
        tasks.iter().filter_map(worse).max_by(|a, b| behind(a).total_cmp(&behind(b)))?;
    let others = || tasks.iter().filter(|task| task.name != name);
    let told: Vec<String> = others().map(|task| format!("{} to {}", task.name, round(task.weight / 3.0))).collect();
    Some(Finding {
        code: "negative_transfer",
        // The best of two curves differ by an error now and then.
        severity: if reached < alone.accuracy - 2.0 * error { Severity::Warn } else { Severity::Info },
        message: format!(
            "Sharing hurts {name}: {:.1} % of its labels are right at best, and {} reached {:.1} % with a network for it alone (± {:.1}).",
            100.0 * reached,
            alone.job,
            100.0 * alone.accuracy,
            100.0 * error
        ),
        evidence: vec![("accuracy", reached), ("accuracy_alone", alone.accuracy), ("standard_error", error)],
        advice: format!(
            "Lower the weights of the other targets ({}); if that is not enough, give {name} hidden layers of its own, or a job of its own.",
            told.join(", ")
        ),
        changes: others().map(|task| Change::TaskWeight(task.name.clone(), round(task.weight / 3.0))).collect(),
        source: "Caruana 1997; the lecture notes on shared representations",
    })
}
