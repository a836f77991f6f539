//! What limits a run, in plain words: small pure rules over what was recorded, each with its trigger, its numbers, its advice and the change that it offers.
//!
//! The rules are those of the notes, of CS231n's third chapter, of Karpathy's recipe and of the tuning playbook, with thresholds that were measured on a grid
//! of runs. A healthy run has no finding of level error, and no two findings of a run contradict each other.

mod checked;
mod combinations;
mod data;
mod fitting;
mod layers;
mod opposite;
mod run;
mod steps;
mod suspicions;
mod tasks;
mod words;

pub use checked::{Checked, DataFault};
pub use run::{Alone, Curves, Diverged, Facts, HiddenFacts, Pitfall, Run, TableFacts, TaskFacts};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It costs something.
    Warn,
    /// The result is not worth much.
    Error,
}

impl Severity {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        }
    }
}

/// A change of a spec that a finding offers; `spec` renders it as a merge patch.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The optimizer's learning rate.
    LearningRate(f64),
    /// The activation of all hidden layers of the trunk, each with the initialisation that fits.
    Activation(&'static str),
    /// The initialisation that fits each layer.
    FittingInit,
    /// Biases of the hidden layers of the trunk at 0.
    HiddenBias,
    /// Output biases at the prior.
    PriorBias,
    /// Numeric inputs centred and scaled.
    Standardize,
    /// The units of all hidden layers of the trunk, times this.
    Units(u64),
    /// λ of the L2 penalty.
    L2(f64),
    /// Dropout of all hidden layers.
    Dropout(f64),
    /// Passes over the training part.
    Epochs(u64),
    /// Early stopping with so much patience.
    EarlyStopping(u64),
    /// Rows of a batch.
    BatchSize(u64),
    /// Clipping by norm.
    ClipNorm(f64),
    /// Another schedule without parameters of its own.
    Schedule(&'static str),
    /// A warm-up of so many steps.
    Warmup(u64),
    /// The weight of a task.
    TaskWeight(String, f64),
    /// Columns that are no inputs.
    Exclude(Vec<String>),
    /// Equal rows on one side of the split.
    DuplicatesTogether,
    /// Classes weighed by how rare they are.
    BalancedClasses,
    /// The optimizer's momentum.
    Momentum(f64),
    /// Another optimizer with this rate.
    Optimizer(&'static str, f64),
    /// The best weights instead of the last.
    RestoreBest,
    /// AdamW with so much decay in place of Adam with an L2 penalty.
    DecoupledDecay(f64),
    /// No dropout in the last hidden layer of the trunk.
    NoLastDropout,
    /// Biases that do not decay.
    BiasesWithoutDecay,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its name: stable, `snake_case`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in plain words with the numbers.
    pub message: String,
    /// The numbers it rests on.
    pub evidence: Vec<(&'static str, f64)>,
    /// What to do.
    pub advice: String,
    /// The change that does it; none where only the user can.
    pub changes: Vec<Change>,
    /// Where the rule comes from.
    pub source: &'static str,
}

/// A rule: what it finds in a run, if it finds something.
type Rule = fn(&Run<'_>) -> Option<Finding>;

/// All rules, causes before what follows from them.
const RULES: [Rule; 38] = [
    steps::diverged,
    suspicions::gradient_wrong,
    data::gives_away,
    data::contradicting,
    data::in_two_parts,
    suspicions::unscaled_inputs,
    layers::wide_tanh,
    layers::dead,
    steps::momentum_too_high,
    steps::too_large,
    layers::saturated,
    layers::vanishing,
    layers::exploding,
    steps::too_small,
    steps::decayed_away,
    steps::bad_start,
    fitting::rare_class,
    fitting::majority_only,
    fitting::cannot_overfit,
    fitting::underfitting,
    fitting::overfitting,
    fitting::best_not_kept,
    fitting::stopped_early,
    fitting::better_on_validation,
    suspicions::penalty_dominates,
    tasks::starved_task,
    tasks::negative_transfer,
    words::rare_words,
    steps::always_clipped,
    steps::unstable_start,
    steps::frequencies_first,
    steps::noisy_end,
    steps::few_updates,
    fitting::small_validation,
    fitting::wasted_epochs,
    combinations::adam_with_l2,
    combinations::dropout_before_regression,
    combinations::decayed_biases,
];

/// What follows from what: where the first is found, the second says nothing new.
const COVERS: [(&str, &[&str]); 17] = [
    (
        "diverged",
        &[
            "momentum_too_high",
            "steps_too_large",
            "saturated_units",
            "dead_units",
            "majority_only",
            "underfitting",
            "unstable_start",
            "overfitting",
            "steps_too_small",
            "vanishing_gradient",
            "clipped_steps",
            "few_updates",
            "wasted_epochs",
            "bad_start",
            "still_improving",
            "exploding_gradient",
            "rare_class_ignored",
            "frequencies_first",
            "noisy_end",
        ],
    ),
    ("momentum_too_high", &["steps_too_large"]),
    (
        "dead_units",
        &[
            "momentum_too_high",
            "steps_too_large",
            "majority_only",
            "underfitting",
            "wasted_epochs",
            "steps_too_small",
            "unstable_start",
            "still_improving",
            "exploding_gradient",
            "rare_class_ignored",
            "noisy_end",
        ],
    ),
    (
        "steps_too_large",
        &[
            "saturated_units",
            "majority_only",
            "underfitting",
            "unstable_start",
            "steps_too_small",
            "wasted_epochs",
            "still_improving",
            "overfitting",
            "exploding_gradient",
            "rare_class_ignored",
            "noisy_end",
        ],
    ),
    (
        "saturated_units",
        &[
            "majority_only",
            "underfitting",
            "steps_too_small",
            "wasted_epochs",
            "vanishing_gradient",
            "exploding_gradient",
            "rare_class_ignored",
        ],
    ),
    ("wide_tanh", &["saturated_units", "bad_start", "exploding_gradient"]),
    (
        "vanishing_gradient",
        &["steps_too_small", "majority_only", "underfitting", "still_improving", "wasted_epochs", "rare_class_ignored"],
    ),
    (
        "steps_too_small",
        &[
            "majority_only",
            "underfitting",
            "still_improving",
            "wasted_epochs",
            "few_updates",
            "decayed_away",
            "rare_class_ignored",
            "noisy_end",
        ],
    ),
    ("decayed_away", &["majority_only", "underfitting", "wasted_epochs", "rare_class_ignored"]),
    ("penalty_dominates", &["underfitting", "majority_only", "rare_class_ignored"]),
    // The labels cannot be told from the inputs, whatever the network.
    ("contradicting_labels", &["underfitting"]),
    ("bad_start", &["frequencies_first"]),
    ("starved_task", &["negative_transfer"]),
    // What is memorised is told with the epoch that was best.
    ("best_not_kept", &["noisy_end"]),
    ("rare_class_ignored", &["majority_only", "underfitting"]),
    ("underfitting", &["still_improving", "few_updates", "wasted_epochs"]),
    ("overfitting", &["wasted_epochs", "still_improving", "noisy_end"]),
];

/// Says what limits a run, the worst first. May be asked while it runs: what needs its end is then not judged.
pub fn diagnose(run: &Run<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = RULES.iter().filter_map(|rule| rule(run)).collect();
    let present: Vec<&str> = found.iter().map(|finding| finding.code).collect();
    let covered = |code: &str| {
        COVERS.iter().any(|(cause, effects)| present.contains(cause) && effects.contains(&code) && *cause != code)
    };
    found.retain(|finding| !covered(finding.code));
    // Stable: among equals the order of the rules stays, causes first.
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    without_contradictions(found, run.facts)
}

/// What contradicts something graver is not said.
fn without_contradictions(found: Vec<Finding>, facts: &Facts) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in found {
        let against = |graver: &Finding| {
            finding.changes.iter().any(|one| graver.changes.iter().any(|other| opposite::opposite(one, other, facts)))
        };
        if !kept.iter().any(against) {
            kept.push(finding);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
