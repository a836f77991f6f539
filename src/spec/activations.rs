//! The table of activations of hidden layers, and the initialisation that fits each.

use super::catalogue::{Entry, number};
use super::read::Range;
use crate::nn::Activation;

/// What an activation's choice is built into.
pub(super) type Built = Activation;

/// All activations that a spec may name.
pub(super) static TABLE: [Entry<Built>; 12] = [
    Entry { name: "relu", help: "max(0, z).", parameters: &[], build: |_| Activation::Relu },
    Entry {
        name: "leaky_relu",
        help: "z above 0, alpha·z below: no unit dies.",
        parameters: &[number("alpha", Range::ANY, 0.01, "Slope below 0.")],
        build: |values| Activation::LeakyRelu { alpha: values.number("alpha") },
    },
    Entry {
        name: "elu",
        help: "z above 0, alpha·(e^z − 1) below.",
        parameters: &[number("alpha", Range::POSITIVE, 1.0, "Depth below 0.")],
        build: |values| Activation::Elu { alpha: values.number("alpha") },
    },
    Entry {
        name: "gelu",
        help: "z·Φ(z) with the exact normal distribution.",
        parameters: &[],
        build: |_| Activation::Gelu,
    },
    Entry {
        name: "gelu_tanh",
        help: "GELU by its tanh approximation (differs at 3e-4).",
        parameters: &[],
        build: |_| Activation::GeluTanh,
    },
    Entry { name: "silu", help: "z·sigmoid(z), also called swish.", parameters: &[], build: |_| Activation::Silu },
    Entry { name: "tanh", help: "Hyperbolic tangent, −1 to 1.", parameters: &[], build: |_| Activation::Tanh },
    Entry {
        name: "sigmoid",
        help: "1 / (1 + e^−z), 0 to 1; its Glorot init takes gain 4.",
        parameters: &[],
        build: |_| Activation::Sigmoid,
    },
    Entry { name: "hard_tanh", help: "z cut to −1 … 1.", parameters: &[], build: |_| Activation::HardTanh },
    Entry {
        name: "softsign",
        help: "z / (1 + |z|): slower to saturate than tanh.",
        parameters: &[],
        build: |_| Activation::Softsign,
    },
    Entry { name: "softplus", help: "ln(1 + e^z): a smooth relu.", parameters: &[], build: |_| Activation::Softplus },
    Entry {
        name: "identity",
        help: "z itself; a stack of these is one linear layer.",
        parameters: &[],
        build: |_| Activation::Identity,
    },
];

/// The initialisation that keeps signals at their size through a layer with this activation.
pub(super) fn fitting_init(activation: &str) -> &'static str {
    match activation {
        "relu" | "leaky_relu" | "elu" | "gelu" | "gelu_tanh" | "silu" | "softplus" => "he_normal",
        _ => "glorot_uniform",
    }
}

/// The gain of an initialisation before this activation where the client gives none: 4 for Glorot before sigmoid (CS224d
/// lecture 6, Glorot 2010; the notes print it the wrong way round), else 1.
pub(super) fn fitting_gain(activation: &str, init: &str) -> f64 {
    if activation == "sigmoid" && init.starts_with("glorot") { 4.0 } else { 1.0 }
}
