//! The table of losses, and what kinds of target each fits. What each computes stands in `nn`.

use super::catalogue::{Domain, Entry, Parameter, Preset, flag, number};
use super::read::Range;
use super::targets::TargetType;
use crate::nn::Loss;

/// What a loss's choice is built into.
pub(super) type Built = Loss;

/// All losses that a spec may name.
pub(super) static TABLE: [Entry<Built>; 6] = [
    Entry {
        name: "cross_entropy",
        help: "Softmax over the classes and the negative log-likelihood of the right one.",
        parameters: &[number(
            "label_smoothing",
            Range::SHARE,
            0.0,
            "Share of the label that is spread over all classes.",
        )],
        build: |values| Loss::CrossEntropy { label_smoothing: values.number("label_smoothing") },
    },
    Entry {
        name: "binary_cross_entropy",
        help: "Sigmoid and the negative log-likelihood of yes or no, for each output.",
        parameters: &[Parameter {
            name: "pos_weight",
            domain: Domain::Balance,
            preset: Preset::Number(1.0),
            help: "Multiplies the loss of the positive rows; balanced is negatives / positives in the training part.",
        }],
        build: |values| Loss::BinaryCrossEntropy { pos_weight: values.number("pos_weight") },
    },
    Entry {
        name: "mse",
        help: "Squared error, the mean over all elements.",
        parameters: &[flag("half", "Takes half the squared error, as scikit-learn does.")],
        build: |values| Loss::Mse { half: values.flag("half") },
    },
    Entry {
        name: "mae",
        help: "Absolute error: the median rather than the mean.",
        parameters: &[],
        build: |_| Loss::Mae,
    },
    Entry {
        name: "huber",
        help: "Squared error up to delta, absolute beyond: outliers pull less.",
        parameters: &[number("delta", Range::POSITIVE, 1.0, "Where the loss turns from squared to absolute.")],
        build: |values| Loss::Huber { delta: values.number("delta") },
    },
    Entry {
        name: "poisson",
        help: "Counts with a log link: the network gives the logarithm of the expected count.",
        parameters: &[],
        build: |_| Loss::Poisson,
    },
];

/// The losses that a type of target allows; the first is its default.
pub(super) fn of(kind: TargetType) -> &'static [&'static str] {
    match kind {
        TargetType::Classification | TargetType::Distribution => &["cross_entropy"],
        TargetType::Binary | TargetType::Multilabel => &["binary_cross_entropy"],
        TargetType::Regression => &["mse", "mae", "huber", "poisson"],
    }
}
