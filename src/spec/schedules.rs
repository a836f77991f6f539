//! The table of learning-rate schedules. What each computes stands in `nn::schedule`.

use super::catalogue::{Domain, Entry, Parameter, Preset, number, required, whole};
use super::read::Range;

/// What a schedule's choice is built into.
pub(super) type Built = ();

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
    Entry { name: "constant", help: "The same rate throughout.", parameters: &[], build: |_| () },
    Entry {
        name: "step",
        help: "Multiplies the rate by gamma every step_size.",
        parameters: &[
            required("step_size", Domain::Whole { low: 1, high: MOST }, "how many epochs (or steps) between two cuts"),
            number("gamma", Range::FACTOR, 0.1, "Factor of each cut."),
            unit("epoch"),
        ],
        build: |_| (),
    },
    Entry {
        name: "exponential",
        help: "rate · gamma^t.",
        parameters: &[number("gamma", Range::FACTOR, 0.95, "Factor per epoch (or step)."), unit("epoch")],
        build: |_| (),
    },
    Entry {
        name: "inverse_time",
        help: "rate / (1 + k·t).",
        parameters: &[number("k", Range::NOT_NEGATIVE, 0.1, "How quickly the rate falls."), unit("epoch")],
        build: |_| (),
    },
    Entry {
        name: "tau",
        help: "Constant for tau, then falling as 1/t: rate · tau / max(t, tau).",
        parameters: &[
            required("tau", Domain::Number(Range::POSITIVE), "how many steps (or epochs) the rate stays constant"),
            unit("step"),
        ],
        build: |_| (),
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
        build: |_| (),
    },
    Entry {
        name: "cosine",
        help: "Falls from the rate to final along half a cosine and stays there.",
        parameters: &[length("steps", "Length of the fall."), FINAL, unit("step")],
        build: |_| (),
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
        build: |_| (),
    },
    Entry {
        name: "one_cycle",
        help: "Rises from max/25 to max_learning_rate, then falls to almost nothing, while the momentum does the reverse.",
        parameters: &[
            length("steps", "Steps of the cycle."),
            required("max_learning_rate", Domain::Number(Range::POSITIVE), "the rate at the peak"),
            number("rise", Range::INSIDE, 0.3, "Share of the cycle that rises."),
        ],
        build: |_| (),
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
        build: |_| (),
    },
];
