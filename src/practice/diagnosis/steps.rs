//! Rules about the size and number of steps.

use super::run::round;
use super::{Change, Facts, Finding, Run, Severity};

/// The run blew up: a number that is not finite, or a loss ten times the first for three steps.
pub(super) fn diverged(run: &Run<'_>) -> Option<Finding> {
    let facts = run.facts;
    let first = run.first_loss().unwrap_or(f64::INFINITY);
    let limit = 10.0 * first.max(facts.chance().unwrap_or(0.0));
    let losses = run.curves.step_losses();
    let exploded = losses.windows(3).find(|three| three.iter().all(|(_, loss)| *loss > limit || !loss.is_finite()));
    let recovered = run.last("loss").is_some_and(|loss| loss.is_finite() && loss < first);
    let (step, what) = match (&run.diverged, exploded) {
        (Some(diverged), _) => {
            (diverged.step, format!("the first number that was not finite is in {}", diverged.tensor))
        }
        (None, Some(three)) if !recovered => {
            (three[0].0, format!("its loss stands above ten times the first one, {first:.3}"))
        }
        _ => return None,
    };
    let mut evidence = vec![("step", step as f64), ("learning_rate", facts.learning_rate)];
    evidence.extend(losses.iter().rev().take(1).map(|(_, loss)| ("last_loss", *loss)));
    evidence.extend(run.first_loss().map(|loss| ("first_loss", loss)));
    let rate = facts.much_lower_rate();
    Some(Finding {
        code: "diverged",
        // A classifier can be right with confidence gone wild; its probabilities are not worth much then.
        severity: if run.is_good() && run.diverged.is_none() { Severity::Warn } else { Severity::Error },
        message: format!("Training blew up at step {step}: {what}."),
        evidence,
        advice: format!("Lower the learning rate from {} to {rate}.", facts.learning_rate),
        changes: vec![Change::LearningRate(rate)],
        source: "tuning playbook; CS231n 3",
    })
}

/// The loss bounces instead of falling.
pub(super) fn too_large(run: &Run<'_>) -> Option<Finding> {
    let losses = run.trained("loss");
    if losses.len() < 3 || run.is_good() {
        return None;
    }
    let chance = run.facts.chance()?;
    let last = *losses.last()?;
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let ratio = run
        .curves
        .of_layers("update_ratio")
        .iter()
        .filter_map(|(_, points)| Some(points.last()?.1))
        .fold(0.0, f64::max);
    let early_ratio = run
        .curves
        .of_layers("update_ratio")
        .iter()
        .flat_map(|(_, points)| points.iter().filter(|(epoch, _)| (1..=3).contains(epoch)).map(|(_, ratio)| *ratio))
        .fold(0.0, f64::max);
    let rising = losses.windows(2).filter(|pair| pair[1] > pair[0]).count() as f64 / (losses.len() - 1) as f64;
    let stuck = last > 0.9 * losses[0] || last > 1.2 * lowest;
    // Far above what a constant reaches, or steps that are large beside the weights while the loss does not fall.
    let wild = last > 1.5 * chance;
    let high = run.facts.learning_rate > run.facts.usual_rate();
    let large = ratio > 0.1 || (early_ratio > 0.1 && high) || (high && rising > 0.3);
    // Far above what is usual, a start that rose before it fell, or losses that go up and down, are enough.
    let far_above = run.facts.learning_rate > 10.0 * run.facts.usual_rate()
        && (ratio > 0.05 || early_ratio > 0.1 || rising > 0.2 || unstable_start(run).is_some());
    let bounces = (stuck || wild) && (large || (wild && high)) && last >= 0.2 * chance;
    if !bounces && !far_above {
        return None;
    }
    let rate = if run.facts.learning_rate > 10.0 * run.facts.usual_rate() {
        round(run.facts.usual_rate())
    } else {
        run.facts.lower_rate()
    };
    Some(Finding {
        code: "steps_too_large",
        severity: if bounces { Severity::Error } else { Severity::Warn },
        message: format!(
            "Steps are too large: the loss stands at {last:.3} (guessing would give {chance:.3}), and a step moves a layer \
             by up to {:.0} % of its weights.",
            100.0 * ratio.max(early_ratio)
        ),
        evidence: vec![
            ("loss", last),
            ("lowest_loss", lowest),
            ("chance_loss", chance),
            ("rising_share", rising),
            ("update_ratio", ratio.max(early_ratio)),
            ("learning_rate", run.facts.learning_rate),
        ],
        advice: format!("Lower the learning rate from {} to {rate}.", run.facts.learning_rate),
        changes: vec![Change::LearningRate(rate)],
        source: "CS231n 3",
    })
}

/// Momentum with which a usual rate goes well.
const USUAL_MOMENTUM: f64 = 0.9;

/// Steps are too large because each goes on for so long: the rate would do with less momentum.
pub(super) fn momentum_too_high(run: &Run<'_>) -> Option<Finding> {
    let facts = run.facts;
    let usual = Facts::usual_rate_with(USUAL_MOMENTUM);
    let good = run.checked.suggested_rate.unwrap_or(usual);
    if facts.optimizer != "sgd" || facts.momentum < 0.95 || facts.learning_rate < good / 3.0 {
        return None;
    }
    let bouncing = too_large(run)?;
    let (momentum, far) = (facts.momentum, 1.0 / (1.0 - facts.momentum));
    let rate = round(facts.learning_rate.min(usual));
    let mut changes = vec![Change::Momentum(USUAL_MOMENTUM)];
    if rate < facts.learning_rate {
        changes.push(Change::LearningRate(rate));
    }
    let mut evidence = vec![("momentum", momentum), ("effective_rate", far * facts.learning_rate)];
    evidence.extend(bouncing.evidence);
    Some(Finding {
        code: "momentum_too_high",
        severity: bouncing.severity,
        message: format!(
            "With a momentum of {momentum} every step goes {far:.0} times as far in the end, and the rate {} is not small enough for that: the loss \
             bounces instead of falling.",
            facts.learning_rate
        ),
        evidence,
        advice: format!("Take a momentum of {USUAL_MOMENTUM}, with a learning rate of {rate}."),
        changes,
        source: "the lecture notes; CS231n 3",
    })
}

/// Nothing is being learned because the steps are tiny.
pub(super) fn too_small(run: &Run<'_>) -> Option<Finding> {
    let losses = run.trained("loss");
    let (first, last) = (run.first_loss().or_else(|| losses.first().copied())?, *losses.last()?);
    let chance = run.facts.chance()?;
    if losses.len() < 3 || run.is_good() || run.facts.optimizer == "lbfgs" {
        return None;
    }
    let ratios: Vec<f64> =
        run.curves.of_layers("update_ratio").iter().filter_map(|(_, points)| Some(points.last()?.1)).collect();
    let ratio = median(&ratios)?;
    let slow = last > 0.2 * chance && last <= 1.02 * first;
    let low = run.facts.learning_rate < run.facts.usual_rate();
    // Steps of a healthy run are 5e-4 to 4e-3 of the weights at its end; below the usual rate a loss that is still high points the same way.
    let tiny = ratio < 4e-4 || (low && ratio < 3e-3);
    if !slow || !tiny {
        return None;
    }
    let rate = run.facts.higher_rate();
    Some(Finding {
        code: "steps_too_small",
        severity: Severity::Warn,
        message: format!(
            "Steps are tiny and little is being learned: after {} epochs the loss is {last:.3} (guessing would give {chance:.3}), and a step moves a \
             layer by {:.4} % of its weights.",
            run.epochs(),
            100.0 * ratio
        ),
        evidence: vec![
            ("loss", last),
            ("first_loss", first),
            ("chance_loss", chance),
            ("update_ratio", ratio),
            ("learning_rate", run.facts.learning_rate),
        ],
        advice: format!("Raise the learning rate from {} to {rate}.", run.facts.learning_rate),
        changes: vec![Change::LearningRate(rate)],
        source: "CS231n 3: a step should move weights by about a thousandth",
    })
}

/// The schedule, or AdaGrad's sum, ended the learning before the end.
pub(super) fn decayed_away(run: &Run<'_>) -> Option<Finding> {
    let rates = run.curves.of("learning_rate");
    let (first, last) = (rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max), rates.last()?);
    let chance = run.facts.chance()?;
    let loss = run.training_loss()?;
    let fell = rates.iter().find(|(_, rate)| *rate < 1e-3 * first)?.0;
    if run.facts.schedule == "constant"
        || last.1 >= 1e-3 * first
        || fell as f64 > 0.6 * run.facts.epochs as f64
        || loss < 0.3 * chance
    {
        return None;
    }
    Some(Finding {
        code: "decayed_away",
        severity: Severity::Warn,
        message: format!(
            "The schedule stopped the learning early: after epoch {fell} of {} the rate was a thousandth of what it had been, at a loss of {loss:.3}.",
            run.facts.epochs
        ),
        evidence: vec![
            ("epoch", fell as f64),
            ("learning_rate", last.1),
            ("first_learning_rate", first),
            ("loss", loss),
        ],
        advice: "Keep the rate constant, or let it fall more slowly.".to_owned(),
        changes: vec![Change::Schedule("constant")],
        source: "Karpathy's recipe",
    })
}

/// The untrained network is confidently wrong.
pub(super) fn bad_start(run: &Run<'_>) -> Option<Finding> {
    let chance = run.facts.chance()?;
    let first = run.first_loss()?;
    let classes = run.facts.tasks.iter().all(|task| task.classes.is_some());
    if !classes || first <= (1.5 * chance).max(chance + 1.0) {
        return None;
    }
    Some(Finding {
        code: "bad_start",
        severity: Severity::Warn,
        message: format!(
            "The untrained network is already confidently wrong: its first loss is {first:.3}, and guessing would give {chance:.3}."
        ),
        evidence: vec![("first_loss", first), ("chance_loss", chance)],
        advice: "Let the initialisation fit the activation, and start the output biases at the prior.".to_owned(),
        changes: vec![Change::FittingInit, Change::PriorBias],
        source: "CS231n 3; Karpathy's recipe",
    })
}

/// More than half of the steps are clipped.
pub(super) fn always_clipped(run: &Run<'_>) -> Option<Finding> {
    let shares = run.trained("clipped_share");
    let share = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    let norms = run.trained("gradient_norm");
    if shares.is_empty() || share <= 0.5 {
        return None;
    }
    let limit = round(quantile(&norms, 0.9)?);
    Some(Finding {
        code: "clipped_steps",
        severity: Severity::Info,
        message: format!("{:.0} % of the steps were clipped; that is just a smaller learning rate.", 100.0 * share),
        evidence: vec![
            ("clipped_share", share),
            ("limit", run.facts.clip_norm.unwrap_or(f64::NAN)),
            ("norm_p90", limit),
        ],
        advice: format!("Clip only what is rare: at {limit}, the 90th percentile of the norms of this run."),
        changes: vec![Change::ClipNorm(limit)],
        source: "tuning playbook",
    })
}

/// The loss rose far in the first steps and came back.
pub(super) fn unstable_start(run: &Run<'_>) -> Option<Finding> {
    let first = run.first_loss()?;
    let losses = run.curves.step_losses();
    let early: Vec<f64> = losses.iter().filter(|(step, _)| *step <= 100).map(|(_, loss)| *loss).collect();
    let peak = early.iter().copied().fold(0.0, f64::max);
    let last = run.last("loss")?;
    if early.len() < 10 || peak < 2.0 * first || last > first {
        return None;
    }
    let steps = (run.facts.steps_per_epoch.saturating_mul(run.facts.epochs) / 20).max(1);
    Some(Finding {
        code: "unstable_start",
        severity: Severity::Info,
        message: format!("The first steps were unstable: the loss rose from {first:.3} to {peak:.3} before it fell."),
        evidence: vec![("first_loss", first), ("peak_loss", peak), ("last_loss", last)],
        advice: format!("Let the rate rise over the first {steps} steps."),
        changes: vec![Change::Warmup(steps)],
        source: "tuning playbook",
    })
}

/// The first steps are spent on learning how frequent the classes are.
pub(super) fn frequencies_first(run: &Run<'_>) -> Option<Finding> {
    let [task] = run.facts.tasks.as_slice() else { return None };
    let (chance, uniform) = (task.chance?, (task.classes? as f64).ln());
    let first = run.first_loss()?;
    // With biases of 0 the network begins at ln K, and where classes are uneven that is more than their entropy.
    if run.facts.prior_bias || uniform < 1.25 * chance || first < 1.15 * chance {
        return None;
    }
    Some(Finding {
        code: "frequencies_first",
        severity: Severity::Info,
        message: format!(
            "The first steps were spent on learning how frequent the classes are: the untrained loss is {first:.3}, and their shares alone give {chance:.3}."
        ),
        evidence: vec![("first_loss", first), ("chance_loss", chance)],
        advice: "Start the output biases at the prior.".to_owned(),
        changes: vec![Change::PriorBias],
        source: "Karpathy's recipe; CS224d",
    })
}

/// The validation loss still bounces at the end, at a rate that never fell.
pub(super) fn noisy_end(run: &Run<'_>) -> Option<Finding> {
    let losses = run.trained("val_loss");
    let end = losses.get(losses.len() * 3 / 4..).filter(|end| end.len() >= 5)?;
    let mean = end.iter().sum::<f64>() / end.len() as f64;
    let spread = (end.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / end.len() as f64).sqrt() / mean;
    // What falls or rises all the way is no noise.
    let turns = end.windows(3).filter(|three| (three[1] > three[0]) != (three[2] > three[1])).count();
    let noisy = spread.is_finite() && spread > 0.1 && turns * 3 >= end.len();
    if !noisy || !run.is_over || run.facts.schedule != "constant" || run.facts.optimizer == "lbfgs" || run.is_good() {
        return None;
    }
    Some(Finding {
        code: "noisy_end",
        severity: Severity::Info,
        message: format!(
            "It still bounces at the end: over the last quarter the validation loss varies by {:.0} %.",
            100.0 * spread
        ),
        evidence: vec![("spread", spread), ("val_loss", mean), ("learning_rate", run.facts.learning_rate)],
        advice: "Let the rate fall, so that the last steps settle: a cosine to nothing over the run.".to_owned(),
        changes: vec![Change::Schedule("cosine")],
        source: "tuning playbook; CS231n 3",
    })
}

/// So few updates that no rate could do much.
pub(super) fn few_updates(run: &Run<'_>) -> Option<Finding> {
    let facts = run.facts;
    let updates = facts.steps_per_epoch.saturating_mul(facts.epochs);
    if facts.optimizer == "lbfgs"
        || updates >= 300
        || facts.steps_per_epoch > 4
        || run.is_good()
        || facts.batch_size <= 32
    {
        return None;
    }
    Some(Finding {
        code: "few_updates",
        severity: Severity::Warn,
        message: format!("A batch of {} rows leaves {updates} updates in the whole run.", facts.batch_size),
        evidence: vec![("batch_size", facts.batch_size as f64), ("updates", updates as f64)],
        advice: "Take batches of 32 rows: each epoch then makes many more steps at the same cost.".to_owned(),
        changes: vec![Change::BatchSize(32)],
        source: "the lecture notes: batches of 20 to 1000",
    })
}

pub(super) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied()
}
