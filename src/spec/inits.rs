//! The table of weight initialisations. What each draws stands in `nn`.

use super::catalogue::{Domain, Entry, Parameter, number, required, whole};
use super::read::Range;
use crate::nn::{InitKind, WeightInit};

/// What an initialisation's choice is built into.
pub(super) type Built = WeightInit;

const GAIN: Parameter =
    number("gain", Range::POSITIVE, 1.0, "Multiplies the spread; 4 by default for Glorot before sigmoid, else 1.");

/// All initialisations that a spec may name.
pub(super) static TABLE: [Entry<Built>; 15] = [
    Entry {
        name: "glorot_uniform",
        help: "Uniform in ±gain·√(6/(fan_in+fan_out)): for tanh and its kin.",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::GlorotUniform, gain: values.number("gain") },
    },
    Entry {
        name: "glorot_normal",
        help: "Normal with variance gain²·2/(fan_in+fan_out).",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::GlorotNormal, gain: values.number("gain") },
    },
    Entry {
        name: "he_uniform",
        help: "Uniform in ±gain·√(6/fan_in).",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::HeUniform { alpha: 0.0 }, gain: values.number("gain") },
    },
    Entry {
        name: "he_normal",
        help: "Normal with variance gain²·2/fan_in: for relu and its kin.",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::HeNormal { alpha: 0.0 }, gain: values.number("gain") },
    },
    Entry {
        name: "lecun_uniform",
        help: "Uniform in ±gain·√(3/fan_in).",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::LecunUniform, gain: values.number("gain") },
    },
    Entry {
        name: "lecun_normal",
        help: "Normal with variance gain²/fan_in.",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::LecunNormal, gain: values.number("gain") },
    },
    Entry {
        name: "uniform",
        help: "Uniform in ±limit.",
        parameters: &[number("limit", Range::POSITIVE, 0.05, "Half the width.")],
        build: |values| WeightInit { kind: InitKind::Uniform { limit: values.number("limit") }, gain: 1.0 },
    },
    Entry {
        name: "normal",
        help: "Normal around 0.",
        parameters: &[number("std", Range::POSITIVE, 0.05, "Standard deviation.")],
        build: |values| WeightInit { kind: InitKind::Normal { std: values.number("std") }, gain: 1.0 },
    },
    Entry {
        name: "truncated_normal",
        help: "Normal cut at two standard deviations and scaled so that std is right.",
        parameters: &[number("std", Range::POSITIVE, 0.05, "Standard deviation after the cut.")],
        build: |values| WeightInit { kind: InitKind::TruncatedNormal { std: values.number("std") }, gain: 1.0 },
    },
    Entry {
        name: "orthogonal",
        help: "Rows (or columns) orthogonal to each other, of length gain.",
        parameters: &[GAIN],
        build: |values| WeightInit { kind: InitKind::Orthogonal, gain: values.number("gain") },
    },
    Entry {
        name: "sparse",
        help: "Each unit keeps a few normal inputs, the others are 0.",
        parameters: &[
            whole("connections", 1, 1_000_000, 15, "Inputs that each unit keeps."),
            number("std", Range::POSITIVE, 0.05, "Standard deviation of those kept."),
        ],
        build: |values| WeightInit {
            kind: InitKind::Sparse { connections: values.whole("connections") as usize, std: values.number("std") },
            gain: 1.0,
        },
    },
    Entry {
        name: "torch_default",
        help: "PyTorch's Linear: weights and biases uniform in ±1/√fan_in.",
        parameters: &[],
        build: |_| WeightInit { kind: InitKind::TorchDefault, gain: 1.0 },
    },
    Entry {
        name: "sklearn",
        help: "scikit-learn's: uniform Glorot (narrower before sigmoid), biases from the same range.",
        parameters: &[],
        build: |_| WeightInit { kind: InitKind::Sklearn { logistic: false }, gain: 1.0 },
    },
    Entry {
        name: "zeros",
        help: "All 0; refused in a hidden layer, whose units would all stay alike.",
        parameters: &[],
        build: |_| WeightInit { kind: InitKind::Zeros, gain: 1.0 },
    },
    Entry {
        name: "constant",
        help: "All the same; refused in a hidden layer, whose units would all stay alike.",
        parameters: &[required("value", Domain::Number(Range::ANY), "the value of every weight")],
        build: |values| WeightInit { kind: InitKind::Constant { value: values.number("value") }, gain: 1.0 },
    },
];
