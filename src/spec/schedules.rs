//! The table of learning-rate schedules. What each computes stands in `nn::schedule`.

use super::catalogue::{Domain, Entry, Parameter, Preset, number, required, whole};
use super::read::Range;
use super::training::{self, higher_is_better};
use crate::nn::schedule::{Plateau, Rule, Schedule, Unit, Warmup};

/// What a schedule's choice is built into.
pub(super) type Built = Rule;

const MOST: u64 = u32::MAX as u64;

/// Whether `t` counts completed steps or completed epochs.
const fn unit(preset: &'static str) -> Parameter {
    Parameter {
        name: "unit",
        domain: Domain::Word(&["step", "epoch"]),
        preset: Preset::Word(preset),
        help: "Whether t counts completed steps or completed epochs.",
    }
}

const fn length(name: &'static str, help: &'static str) -> Parameter {
    Parameter { name, domain: Domain::Length, preset: Preset::Word("total"), help }
}

const FINAL: Parameter = number("final", Range::NOT_NEGATIVE, 0.0, "The rate at the end.");

/// All schedules that a spec may name.
pub(super) static TABLE: [Entry<Built>; 10] = [
    Entry { name: "constant", help: "The same rate throughout.", parameters: &[], build: |_| Rule::Constant },
    Entry {
        name: "step",
        help: "Multiplies the rate by gamma every step_size.",
        parameters: &[
            required("step_size", Domain::Whole { low: 1, high: MOST }, "how many epochs (or steps) between two cuts"),
            number("gamma", Range::FACTOR, 0.1, "Factor of each cut."),
            unit("epoch"),
        ],
        build: |values| Rule::Step { step_size: values.whole("step_size"), gamma: values.number("gamma") },
    },
    Entry {
        name: "exponential",
        help: "rate · gamma^t.",
        parameters: &[number("gamma", Range::FACTOR, 0.95, "Factor per epoch (or step)."), unit("epoch")],
        build: |values| Rule::Exponential { gamma: values.number("gamma") },
    },
    Entry {
        name: "inverse_time",
        help: "rate / (1 + k·t).",
        parameters: &[number("k", Range::NOT_NEGATIVE, 0.1, "How quickly the rate falls."), unit("epoch")],
        build: |values| Rule::InverseTime { k: values.number("k") },
    },
    Entry {
        name: "tau",
        help: "Constant for tau, then falling as 1/t: rate · tau / max(t, tau).",
        parameters: &[
            required("tau", Domain::Number(Range::POSITIVE), "how many steps (or epochs) the rate stays constant"),
            unit("step"),
        ],
        build: |values| Rule::Tau { tau: values.number("tau") },
    },
    Entry {
        name: "polynomial",
        help: "Falls from the rate to final as (1 − t/steps)^power.",
        parameters: &[
            length("steps", "Length of the fall."),
            number("power", Range::POSITIVE, 1.0, "1 falls in a straight line."),
            FINAL,
            unit("step"),
        ],
        build: |values| Rule::Polynomial {
            steps: values.whole("steps"),
            power: values.number("power"),
            last: values.number("final"),
        },
    },
    Entry {
        name: "cosine",
        help: "Falls from the rate to final along half a cosine and stays there.",
        parameters: &[length("steps", "Length of the fall."), FINAL, unit("step")],
        build: |values| Rule::Cosine { steps: values.whole("steps"), last: values.number("final") },
    },
    Entry {
        name: "cosine_restarts",
        help: "Cosine that starts again, each round longer by the multiplier.",
        parameters: &[
            required("first", Domain::Whole { low: 1, high: MOST }, "the length of the first round"),
            whole("multiplier", 1, 100, 2, "Each round is this many times as long as the one before."),
            FINAL,
            unit("step"),
        ],
        build: |values| Rule::CosineRestarts {
            first: values.whole("first"),
            multiplier: values.whole("multiplier"),
            last: values.number("final"),
        },
    },
    Entry {
        name: "one_cycle",
        help: "Rises from max/25 to max_learning_rate, then falls to almost nothing, while the momentum does the reverse.",
        parameters: &[
            length("steps", "Steps of the cycle."),
            required("max_learning_rate", Domain::Number(Range::POSITIVE), "the rate at the peak"),
            number("rise", Range::INSIDE, 0.3, "Share of the cycle that rises."),
        ],
        build: |values| Rule::OneCycle {
            steps: values.whole("steps"),
            max_learning_rate: values.number("max_learning_rate"),
            rise: values.number("rise"),
        },
    },
    Entry {
        name: "plateau",
        help: "Multiplies the rate by factor when the monitored metric has not improved for patience epochs.",
        parameters: &[
            Parameter {
                name: "monitor",
                domain: Domain::Metric,
                preset: Preset::Word("auto"),
                help: "Metric to watch; auto is val_loss, or loss without a validation part.",
            },
            number("factor", Range::INSIDE, 0.5, "Factor of each cut."),
            whole("patience", 0, MOST, 5, "Bad epochs that are forgiven; the next one cuts."),
            number(
                "min_delta",
                Range::NOT_NEGATIVE,
                1e-4,
                "An improvement smaller than this, in the metric's own unit, is none.",
            ),
            whole("cooldown", 0, MOST, 0, "Epochs after a cut in which none is counted as bad."),
            number("min_learning_rate", Range::NOT_NEGATIVE, 0.0, "The rate never falls below this."),
        ],
        build: |values| {
            Rule::Plateau(Plateau {
                monitor: values.word("monitor").to_owned(),
                maximise: higher_is_better(values.word("monitor")),
                factor: values.number("factor"),
                patience: values.whole("patience"),
                min_delta: values.number("min_delta"),
                cooldown: values.whole("cooldown"),
                min_learning_rate: values.number("min_learning_rate"),
            })
        },
    },
];

/// The length of a run, for schedules that last as long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) steps_per_epoch: u64,
    pub(super) epochs: u64,
}

/// The schedule that was chosen, for a run of this length.
pub(super) fn build(chosen: &training::Schedule, length: Length, has_validation: bool) -> Schedule {
    let warmup = chosen.warmup.map(|warmup| Warmup { steps: warmup.steps, start_factor: warmup.start_factor });
    let unit = if chosen.chosen.values.word("unit") == "epoch" || chosen.chosen.name() == "plateau" {
        Unit::Epoch
    } else {
        Unit::Step
    };
    let before = warmup.map_or(0, |warmup| warmup.steps);
    // The rule's own time begins when the warm-up ends.
    let total = match unit {
        Unit::Step => length.epochs.saturating_mul(length.steps_per_epoch).saturating_sub(before),
        Unit::Epoch => length.epochs.saturating_sub(before / length.steps_per_epoch.max(1)),
    };
    let mut rule = chosen.chosen.build();
    match &mut rule {
        // `"total"` is read as 0.
        Rule::Polynomial { steps, .. } | Rule::Cosine { steps, .. } | Rule::OneCycle { steps, .. } if *steps == 0 => {
            *steps = total.max(1);
        }
        Rule::Plateau(plateau) if plateau.monitor == "auto" => {
            plateau.monitor = if has_validation { "val_loss" } else { "loss" }.to_owned();
        }
        _ => {}
    }
    Schedule { rule, unit, warmup }
}
