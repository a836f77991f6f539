//! Rules about what the network fits: too little, too much, too long, too short.

use super::run::round;
use super::{Change, Finding, Run, Severity};

/// The model says the same class whatever it sees.
pub(super) fn majority_only(run: &Run<'_>) -> Option<Finding> {
    let majority = run.facts.majority()?;
    let name = if run.last("val_accuracy").is_some() { "val_accuracy" } else { "accuracy" };
    let accuracy = run.last(name)?;
    // What has learned its training rows looks at its inputs: they tell nothing that holds for others.
    let memorised = run.training_loss().zip(run.facts.chance()).is_some_and(|(loss, chance)| loss < 0.5 * chance);
    if run.epochs() < 3 || accuracy > majority + 0.02 || majority > 0.98 || memorised {
        return None;
    }
    let low = run.facts.learning_rate < run.facts.usual_rate();
    let rate = if low { run.facts.higher_rate() } else { run.facts.lower_rate() };
    Some(Finding {
        code: "majority_only",
        severity: Severity::Error,
        message: format!(
            "The model ignores its input: {:.1} % are right, and always saying the most frequent class gives {:.1} %.",
            100.0 * accuracy,
            100.0 * majority
        ),
        evidence: vec![("accuracy", accuracy), ("majority_share", majority)],
        advice: format!(
            "Try the learning rate {rate}; if that changes nothing, run the overfit check (POST /v1/checks): a network that cannot learn twenty \
             rows by heart has a cause in its data."
        ),
        changes: vec![Change::LearningRate(rate)],
        source: "Karpathy's recipe: an input-independent baseline",
    })
}

/// A rare class is almost never said. How often a class is recalled is not recorded; but a model that is hardly better than always saying
/// the most frequent class, although it has learned something, cannot say the others often.
pub(super) fn rare_class(run: &Run<'_>) -> Option<Finding> {
    let [task] = run.facts.tasks.as_slice() else { return None };
    let (majority, minority, chance) = (task.majority?, task.minority?, task.chance?);
    let accuracy = run.last("val_accuracy").or_else(|| run.last("accuracy"))?;
    let loss = run.last("val_loss").or_else(|| run.training_loss())?;
    let ignored = accuracy <= majority + 0.2 * (1.0 - majority) && majority >= 0.8 && majority >= 10.0 * minority;
    let learned = loss < 0.98 * chance;
    if run.epochs() < 3 || !task.even_classes || !ignored || !learned {
        return None;
    }
    Some(Finding {
        code: "rare_class_ignored",
        severity: Severity::Warn,
        message: format!(
            "The rare class is hardly ever predicted: {:.1} % are right, the most frequent class is {:.1} % and the rarest {:.1} % of the rows.",
            100.0 * accuracy,
            100.0 * majority,
            100.0 * minority
        ),
        evidence: vec![("accuracy", accuracy), ("majority_share", majority), ("minority_share", minority)],
        advice:
            "Weigh the classes by how rare they are, and judge by balanced accuracy and F1, which the evaluation has."
                .to_owned(),
        changes: vec![Change::BalancedClasses],
        source: "Karpathy's recipe",
    })
}

/// Twenty rows could not be learned by heart.
pub(super) fn cannot_overfit(run: &Run<'_>) -> Option<Finding> {
    let advice = run.checked.overfit_failed.as_ref()?;
    // More units do not help where nothing can: equal inputs with different labels.
    let contradicting = run.checked.data.iter().any(|fault| fault.code == "contradicting_labels");
    Some(Finding {
        code: "cannot_overfit",
        severity: Severity::Error,
        message: "The network cannot even learn twenty rows by heart.".to_owned(),
        evidence: Vec::new(),
        advice: advice.clone(),
        changes: if contradicting || advice.contains("another label") { Vec::new() } else { vec![Change::Units(2)] },
        source: "CS231n 3; Karpathy's recipe; the lecture notes",
    })
}

/// Training and validation agree, and both are poor.
pub(super) fn underfitting(run: &Run<'_>) -> Option<Finding> {
    let (chance, loss, validation) = (run.facts.chance()?, run.training_loss()?, run.last("val_loss")?);
    let losses = run.trained("loss");
    let flat = losses.len() > 3 && losses[losses.len() - 4..].windows(2).all(|pair| pair[1] > 0.99 * pair[0]);
    if !run.is_over || loss <= 0.5 * chance || (validation - loss).abs() > 0.1 * loss || !flat {
        return None;
    }
    let restricted = run.facts.l2 > 0.0 || run.facts.l1 > 0.0 || run.facts.dropout > 0.0;
    let (advice, changes) = if restricted {
        (
            "Take the regularisation away first: nothing is being memorised.".to_owned(),
            vec![Change::L2(0.0), Change::Dropout(0.0)],
        )
    } else {
        (
            "Give the network more units, or the data more columns that tell something.".to_owned(),
            vec![Change::Units(2)],
        )
    };
    Some(Finding {
        code: "underfitting",
        severity: Severity::Warn,
        message: format!(
            "Training ({loss:.3}) and validation ({validation:.3}) agree but both are poor (guessing would give {chance:.3}): too small, too restricted, or \
             the inputs do not tell more."
        ),
        evidence: vec![("train_eval_loss", loss), ("val_loss", validation), ("chance_loss", chance)],
        advice,
        changes,
        source: "CS231n 3",
    })
}

/// The validation loss rises while the training loss falls.
pub(super) fn overfitting(run: &Run<'_>) -> Option<Finding> {
    let validation: Vec<(u64, f64)> = run.curves.of("val_loss").into_iter().filter(|(epoch, _)| *epoch > 0).collect();
    let (best_epoch, best) = validation.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let (epoch, last) = *validation.last()?;
    let losses = run.trained("loss");
    let falls = losses.len() > 1 && losses.last()? < losses.get(losses.len() / 2)?;
    let behind = validation.iter().filter(|(at, loss)| *at > best_epoch && *loss > 1.1 * best).count();
    if last <= 1.1 * best || behind < 5 || !falls {
        return None;
    }
    let facts = run.facts;
    // What a run forgot is kept by restoring the best; what it could not reach is gained by regularising.
    let mut changes = Vec::new();
    let mut advice = Vec::new();
    if facts.dropout == 0.0 && facts.hidden.iter().any(|hidden| hidden.units >= 32) {
        changes.push(Change::Dropout(0.3));
        advice.push("dropout of 0.3");
    } else {
        changes.push(Change::L2(if facts.l2 > 0.0 { round(10.0 * facts.l2) } else { 1e-3 }));
        advice.push("a stronger L2 penalty");
    }
    if !facts.early_stopping {
        changes.push(Change::EarlyStopping(10));
        advice.push("early stopping, which keeps the best");
    }
    Some(Finding {
        code: "overfitting",
        severity: if facts.early_stopping { Severity::Info } else { Severity::Warn },
        message: format!(
            "It is memorising: the validation loss was best after epoch {best_epoch} ({best:.3}) and is {last:.3} after epoch {epoch}, while the training loss \
             goes on falling."
        ),
        evidence: vec![
            ("best_val_loss", best),
            ("best_epoch", best_epoch as f64),
            ("val_loss", last),
            ("loss", *losses.last()?),
        ],
        advice: format!("Regularise: {}; or more data.", advice.join(" and ")),
        changes,
        source: "CS231n 3; Karpathy's recipe; Prechelt 1998",
    })
}

/// The model is that of the last epoch, and an earlier one was better.
pub(super) fn best_not_kept(run: &Run<'_>) -> Option<Finding> {
    let ((best_epoch, best), (epoch, last)) = run.best_and_last("val_loss")?;
    if !run.is_over || !run.facts.keeps_last || last <= best + 0.02 * best.abs() {
        return None;
    }
    let costly = last > best + 0.1 * best.abs() && !run.is_good();
    Some(Finding {
        code: "best_not_kept",
        severity: if costly { Severity::Warn } else { Severity::Info },
        message: format!(
            "The saved model is not the best one seen: the validation loss was {best:.3} after epoch {best_epoch}, and the model is that of epoch \
             {epoch}, with {last:.3}."
        ),
        evidence: vec![("best_val_loss", best), ("best_epoch", best_epoch as f64), ("val_loss", last)],
        advice: "Keep the best weights: \"restore_best\": true.".to_owned(),
        changes: vec![Change::RestoreBest],
        source: "tuning playbook: choose the checkpoint in retrospect",
    })
}

/// It was still improving when it stopped.
pub(super) fn stopped_early(run: &Run<'_>) -> Option<Finding> {
    let name = if run.last("val_loss").is_some() { "val_loss" } else { "loss" };
    let losses = run.trained(name);
    let [.., a, b, c, d] = losses.as_slice() else { return None };
    let improving = *b < 0.99 * a && *c < 0.99 * b && *d < 0.99 * c;
    if !run.epochs_done || !improving {
        return None;
    }
    let facts = run.facts;
    let epochs = facts.epochs.saturating_mul(2);
    let poor = facts.chance().is_some() && !run.is_good();
    let low = facts.learning_rate < facts.usual_rate();
    let (advice, changes) = if poor && low && facts.optimizer != "lbfgs" {
        let rate = facts.higher_rate();
        (
            format!("Raise the learning rate from {} to {rate}, or train for {epochs} epochs.", facts.learning_rate),
            vec![Change::LearningRate(rate)],
        )
    } else {
        (format!("Train for {epochs} epochs."), vec![Change::Epochs(epochs)])
    };
    Some(Finding {
        code: "still_improving",
        severity: if poor { Severity::Warn } else { Severity::Info },
        message: format!(
            "It was still improving when it stopped: {name} fell by {:.0} % in the last three epochs.",
            100.0 * (1.0 - d / a)
        ),
        evidence: vec![("three_epochs_before", *a), ("last", *d)],
        advice,
        changes,
        source: "tuning playbook; Karpathy's recipe",
    })
}

/// Validation rows are easier than training rows, which they should not be.
pub(super) fn better_on_validation(run: &Run<'_>) -> Option<Finding> {
    let facts = run.facts;
    if facts.dropout > 0.0 || facts.other_regularization || !run.is_over || run.facts.validation_rows < 50 {
        return None;
    }
    let training: Vec<(u64, f64)> =
        run.curves.of("train_eval_loss").into_iter().filter(|(epoch, _)| *epoch > 0).collect();
    let validation = run.curves.of("val_loss");
    let pairs: Vec<(f64, f64)> = training
        .iter()
        .rev()
        .take(3)
        .filter_map(|(epoch, loss)| Some((*loss, validation.iter().find(|(at, _)| at == epoch)?.1)))
        .collect();
    if pairs.len() < 3 || pairs.iter().any(|(training, validation)| *validation >= 0.8 * training) {
        return None;
    }
    let (training, validation) = pairs[0];
    Some(Finding {
        code: "better_on_validation",
        severity: Severity::Warn,
        message: format!(
            "The model is better on rows it never saw ({validation:.3}) than on those it learned from ({training:.3})."
        ),
        evidence: vec![("train_eval_loss", training), ("val_loss", validation)],
        advice: "Look for rows that stand in both parts, and for a split that divides by time or group.".to_owned(),
        changes: Vec::new(),
        source: "Karpathy's recipe",
    })
}

/// So few validation rows that two runs cannot be told apart.
pub(super) fn small_validation(run: &Run<'_>) -> Option<Finding> {
    let rows = run.facts.validation_rows;
    let accuracy = run.last("val_accuracy")?;
    let error = (accuracy * (1.0 - accuracy) / rows.max(1) as f64).sqrt();
    if rows == 0 || !run.is_over || (rows >= 100 && error <= 0.03) {
        return None;
    }
    Some(Finding {
        code: "small_validation",
        severity: Severity::Info,
        message: format!(
            "{rows} validation rows tell an accuracy to about ± {:.1} points.",
            100.0 * error.max(0.5 / rows as f64)
        ),
        evidence: vec![("validation_rows", rows as f64), ("standard_error", error)],
        advice: "Differences between runs below that are chance: compare several seeds, or keep more rows apart."
            .to_owned(),
        changes: Vec::new(),
        source: "tuning playbook",
    })
}

/// Nothing changed in the last half.
pub(super) fn wasted_epochs(run: &Run<'_>) -> Option<Finding> {
    let validation: Vec<(u64, f64)> = run.curves.of("val_loss").into_iter().filter(|(epoch, _)| *epoch > 0).collect();
    let best = validation.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    let half = validation.len() / 2;
    let still =
        validation.len() >= 20 && validation[half..].iter().all(|(_, loss)| (loss - best).abs() <= 0.005 * best.abs());
    if !run.epochs_done || !still {
        return None;
    }
    let epochs = (run.facts.epochs / 2).max(1);
    Some(Finding {
        code: "wasted_epochs",
        severity: Severity::Info,
        message: "Nothing changed in the last half of the epochs.".to_owned(),
        evidence: vec![("best_val_loss", best), ("epochs", run.facts.epochs as f64)],
        advice: format!("{epochs} epochs do the same."),
        changes: vec![Change::Epochs(epochs)],
        source: "tuning playbook",
    })
}
