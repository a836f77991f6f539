//! The table of optimizers: names, parameters, defaults. What each computes stands in `nn::optimizer`.

use serde_json::Value;

use super::catalogue::{Chosen, Domain, Entry, Parameter, Preset, Values, flag, number};
use super::read::Range;
use crate::nn::optimizer::{
    Adadelta, Adagrad, Adam, Lbfgs, Method, Momentum, MomentumForm, Nadam, Optimizer, Rmsprop, Sgd,
};

/// What an optimizer's choice is built into.
pub(super) type Built = Method;

const fn learning_rate(preset: f64) -> Parameter {
    Parameter {
        name: "learning_rate",
        domain: Domain::Number(Range::POSITIVE),
        preset: Preset::Number(preset),
        help: "Size of a step before the schedule.",
    }
}

const fn epsilon(preset: f64) -> Parameter {
    number(
        "epsilon",
        Range::POSITIVE,
        preset,
        "Added to the denominator, outside the root (Adadelta: inside both roots).",
    )
}

const COUPLED: Parameter =
    number("weight_decay", Range::NOT_NEGATIVE, 0.0, "λ: adds λ·w to the gradient of each weight, before the moments.");
const DECAY_BIASES: Parameter = flag(
    "weight_decay_biases",
    "Decays biases and normalisation parameters too, as PyTorch does unless they are grouped.",
);
const BETA1: Parameter = number("beta1", Range::SHARE, 0.9, "Decay of the running mean of the gradient.");
const BETA2: Parameter = number("beta2", Range::SHARE, 0.999, "Decay of the running mean of the squared gradient.");
const AMSGRAD: Parameter =
    flag("amsgrad", "Divides by the largest second moment seen so far instead of the current one.");

/// All optimizers that a spec may name.
pub(super) static TABLE: [Entry<Built>; 8] = [
    Entry {
        name: "sgd",
        help: "Stochastic gradient descent, with momentum where asked for; batch_size \"full\" makes it plain gradient descent.",
        parameters: &[
            learning_rate(0.1),
            Parameter {
                name: "momentum",
                domain: Domain::Momentum,
                preset: Preset::Number(0.0),
                help: "Share of the last step that is kept; an object raises it linearly over the first epochs.",
            },
            flag("nesterov", "Looks ahead along the momentum before it measures the slope."),
            number(
                "dampening",
                Range::UNIT,
                0.0,
                "Share by which a new gradient is damped in the momentum buffer, from step 2 on.",
            ),
            Parameter {
                name: "momentum_form",
                domain: Domain::Word(&["pytorch", "classical"]),
                preset: Preset::Word("pytorch"),
                help: "pytorch keeps the learning rate outside the buffer; classical (the notes, Keras) inside. They differ only while the rate changes.",
            },
            COUPLED,
            DECAY_BIASES,
        ],
        build: |values| Method::Sgd(sgd(values)),
    },
    Entry {
        name: "adagrad",
        help: "Divides each coordinate by the root of the sum of its squared gradients: rare features take large steps.",
        parameters: &[
            learning_rate(0.05),
            number("learning_rate_decay", Range::NOT_NEGATIVE, 0.0, "k: the rate at step t is divided by 1 + (t−1)·k."),
            number(
                "initial_accumulator",
                Range::NOT_NEGATIVE,
                0.0,
                "Start of the sum of squares (Keras and optax: 0.1).",
            ),
            epsilon(1e-10),
            COUPLED,
            DECAY_BIASES,
        ],
        build: |values| {
            Method::Adagrad(Adagrad {
                learning_rate_decay: values.number("learning_rate_decay"),
                initial_accumulator: values.number("initial_accumulator"),
                epsilon: values.number("epsilon"),
            })
        },
    },
    Entry {
        name: "rmsprop",
        help: "Divides each coordinate by a running root mean square of its gradient.",
        parameters: &[
            learning_rate(1e-3),
            number("alpha", Range::SHARE, 0.99, "Decay of the running mean square."),
            epsilon(1e-8),
            flag("centered", "Subtracts the squared running mean: divides by the standard deviation."),
            number("momentum", Range::SHARE, 0.0, "Momentum over the scaled gradients."),
            COUPLED,
            DECAY_BIASES,
        ],
        build: |values| {
            Method::Rmsprop(Rmsprop {
                alpha: values.number("alpha"),
                epsilon: values.number("epsilon"),
                centered: values.flag("centered"),
                momentum: values.number("momentum"),
            })
        },
    },
    Entry {
        name: "adadelta",
        help: "Scales steps by the ratio of past step sizes to past gradients; its learning rate is a factor, usually 1.",
        parameters: &[
            learning_rate(1.0),
            number("rho", Range::SHARE, 0.9, "Decay of both running means."),
            epsilon(1e-6),
            COUPLED,
            DECAY_BIASES,
        ],
        build: |values| Method::Adadelta(Adadelta { rho: values.number("rho"), epsilon: values.number("epsilon") }),
    },
    Entry {
        name: "adam",
        help: "Momentum over gradients scaled by their running root mean square, with bias correction.",
        parameters: &[learning_rate(1e-3), BETA1, BETA2, epsilon(1e-8), AMSGRAD, COUPLED, DECAY_BIASES],
        build: |values| Method::Adam(adam(values)),
    },
    Entry {
        name: "adamw",
        help: "Adam with decoupled weight decay: weights shrink by rate·λ, apart from the gradient.",
        parameters: &[
            learning_rate(1e-3),
            BETA1,
            BETA2,
            epsilon(1e-8),
            AMSGRAD,
            number(
                "weight_decay",
                Range::NOT_NEGATIVE,
                0.01,
                "λ: each weight is multiplied by 1 − rate·λ before the step.",
            ),
            DECAY_BIASES,
        ],
        build: |values| Method::AdamW(adam(values)),
    },
    Entry {
        name: "nadam",
        help: "Adam with Nesterov's look-ahead.",
        parameters: &[
            learning_rate(2e-3),
            BETA1,
            BETA2,
            epsilon(1e-8),
            number("momentum_decay", Range::NOT_NEGATIVE, 4e-3, "ψ: how quickly the momentum grows to beta1."),
            COUPLED,
            DECAY_BIASES,
        ],
        build: |values| {
            Method::Nadam(Nadam {
                beta1: values.number("beta1"),
                beta2: values.number("beta2"),
                epsilon: values.number("epsilon"),
                momentum_decay: values.number("momentum_decay"),
            })
        },
    },
    Entry {
        name: "lbfgs",
        help: "Quasi-Newton steps over the full batch with a strong Wolfe line search; for small data without noise.",
        parameters: &[
            learning_rate(1.0),
            Parameter {
                name: "history",
                domain: Domain::Whole { low: 1, high: 1000 },
                preset: Preset::Whole(10),
                help: "Number of past steps that the curvature is estimated from.",
            },
            Parameter {
                name: "max_iterations",
                domain: Domain::Whole { low: 1, high: 10_000 },
                preset: Preset::Whole(20),
                help: "Iterations in one step (one epoch).",
            },
            COUPLED,
            DECAY_BIASES,
        ],
        build: |values| {
            Method::Lbfgs(Lbfgs {
                history: values.whole("history") as usize,
                max_iterations: values.whole("max_iterations") as usize,
            })
        },
    },
];

/// The optimizer that was chosen: its method, and what all methods share.
pub(super) fn build(chosen: &Chosen<Built>) -> Optimizer {
    Optimizer {
        method: chosen.build(),
        learning_rate: chosen.values.number("learning_rate"),
        weight_decay: chosen.values.number("weight_decay"),
        weight_decay_biases: chosen.values.flag("weight_decay_biases"),
    }
}

fn sgd(values: &Values) -> Sgd {
    let momentum = values.get("momentum");
    let number = |name: &str| momentum.and_then(|schedule| schedule.get(name)).and_then(Value::as_f64).unwrap_or(0.0);
    Sgd {
        momentum: match momentum {
            Some(Value::Object(schedule)) => Momentum::Rising {
                initial: number("initial"),
                last: number("final"),
                epochs: schedule.get("epochs").and_then(Value::as_u64).unwrap_or(1),
            },
            other => Momentum::Constant(other.and_then(Value::as_f64).unwrap_or(0.0)),
        },
        form: if values.word("momentum_form") == "classical" { MomentumForm::Classical } else { MomentumForm::Pytorch },
        dampening: values.number("dampening"),
        nesterov: values.flag("nesterov"),
    }
}

fn adam(values: &Values) -> Adam {
    Adam {
        beta1: values.number("beta1"),
        beta2: values.number("beta2"),
        epsilon: values.number("epsilon"),
        amsgrad: values.flag("amsgrad"),
    }
}
