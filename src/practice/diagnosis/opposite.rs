//! Which changes pull in opposite directions: two findings of one run may not offer both.

use super::{Change, Facts};

/// What a change moves, and which way; changes without a direction oppose nothing.
fn direction(change: &Change, facts: &Facts) -> Option<(String, i8)> {
    let towards = |new: f64, old: f64| if new > old { 1 } else { -1 };
    // More units and less regularisation both give the network more room.
    let room = |way: i8| Some(("room".to_owned(), way));
    match change {
        Change::LearningRate(rate) | Change::Optimizer(_, rate) => {
            Some(("learning_rate".to_owned(), towards(*rate, facts.learning_rate)))
        }
        Change::Momentum(momentum) => Some(("momentum".to_owned(), towards(*momentum, facts.momentum))),
        Change::Units(_) | Change::NoLastDropout => room(1),
        // The penalty goes, and a decay that means the same comes.
        Change::DecoupledDecay(_) => room(1),
        Change::L2(l2) => room(-towards(*l2, facts.l2)),
        Change::Dropout(dropout) => room(-towards(*dropout, facts.dropout)),
        Change::Epochs(epochs) => Some(("epochs".to_owned(), towards(*epochs as f64, facts.epochs as f64))),
        Change::BatchSize(rows) => Some(("batch_size".to_owned(), towards(*rows as f64, facts.batch_size as f64))),
        Change::TaskWeight(task, weight) => {
            let old = facts.tasks.iter().find(|known| known.name == *task).map_or(1.0, |task| task.weight);
            Some((format!("weight of {task}"), towards(*weight, old)))
        }
        _ => None,
    }
}

/// Whether two changes contradict each other.
pub(super) fn opposite(one: &Change, other: &Change, facts: &Facts) -> bool {
    match (one, other) {
        (Change::Activation(one), Change::Activation(other)) | (Change::Schedule(one), Change::Schedule(other)) => {
            one != other
        }
        _ => match (direction(one, facts), direction(other, facts)) {
            (Some((field, way)), Some((known, other))) => field == known && way != other,
            _ => false,
        },
    }
}
