//! Rules about embedding tables.

use super::run::TableFacts;
use super::{Change, Finding, Run, Severity};

/// A word that was touched less often than this has hardly moved.
const FEWEST_UPDATES: u64 = 5;
/// Share of such words that a run can bear.
const MOST_RARE: f64 = 0.3;

/// Plain gradient descent moves a rare word as little as it comes up, and many words come up hardly ever.
pub(super) fn rare_words(run: &Run<'_>) -> Option<Finding> {
    let epochs = run.epochs();
    if run.facts.optimizer != "sgd" || !run.is_over || epochs == 0 {
        return None;
    }
    let share = |table: &TableFacts| -> Option<(u64, f64)> {
        let all: u64 = table.words_by_count.iter().sum();
        // The last place has the words that come up at least five times an epoch.
        let seldom = table.words_by_count.iter().take(4).zip(1_u64..);
        let rare: u64 = seldom.filter(|(_, count)| count * epochs < FEWEST_UPDATES).map(|(words, _)| words).sum();
        (all > 0).then(|| (rare, rare as f64 / all as f64))
    };
    let of = run.facts.tables.iter().filter_map(|table| Some((table, share(table)?)));
    let (table, (rare, share)) = of.max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
    if share <= MOST_RARE {
        return None;
    }
    Some(Finding {
        code: "rare_words",
        severity: if run.is_good() { Severity::Info } else { Severity::Warn },
        message: format!(
            "Rare words barely move: {rare} of the words of {} ({:.0} %) were touched by fewer than {FEWEST_UPDATES} steps of plain gradient descent.",
            table.name,
            100.0 * share
        ),
        evidence: vec![("rare_share", share), ("rare_words", rare as f64), ("epochs", epochs as f64)],
        advice: "Use AdaGrad, which steps farther where slopes were few; or let rare words share <unk> with min_count."
            .to_owned(),
        changes: vec![Change::Optimizer("adagrad", 0.05)],
        source: "Duchi, Hazan and Singer 2011; the lecture notes on word vectors",
    })
}
