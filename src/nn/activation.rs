//! Nonlinearities of hidden layers.

/// A nonlinearity, applied to each pre-activation z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// z.
    Identity,
    /// 1 / (1 + exp(-z)).
    Sigmoid,
    /// tanh z.
    Tanh,
    /// z clamped to [-1, 1].
    HardTanh,
    /// z / (1 + |z|).
    Softsign,
    /// ln(1 + exp(z)).
    Softplus,
    /// max(0, z).
    Relu,
    /// z or alpha z.
    LeakyRelu {
        /// Slope below 0.
        alpha: f64,
    },
    /// z or alpha (exp(z) - 1).
    Elu {
        /// Limit below 0, negated.
        alpha: f64,
    },
    /// z Phi(z), with the error function.
    Gelu,
    /// The tanh approximation of gelu.
    GeluTanh,
    /// z sigmoid(z).
    Silu,
}
