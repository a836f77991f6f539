//! How weights start.

/// Distribution of a tensor's first values, and a factor on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightInit {
    /// The distribution.
    pub kind: InitKind,
    /// Factor on every value.
    pub gain: f64,
}

/// A distribution of first values. fan_in and fan_out are the tensor's columns and rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitKind {
    /// U(±√(6 / (fan_in + fan_out))).
    GlorotUniform,
    /// N(0, 2 / (fan_in + fan_out)).
    GlorotNormal,
    /// U(±√(6 / ((1 + alpha²) fan_in))); alpha is the slope of a leaky relu, else 0.
    HeUniform {
        /// Slope below 0 of the layer's activation.
        alpha: f64,
    },
    /// N(0, 2 / ((1 + alpha²) fan_in)).
    HeNormal {
        /// Slope below 0 of the layer's activation.
        alpha: f64,
    },
    /// U(±√(3 / fan_in)).
    LecunUniform,
    /// N(0, 1 / fan_in).
    LecunNormal,
    /// U(±limit).
    Uniform {
        /// Limit.
        limit: f64,
    },
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// N(0, std²) cut at two standard deviations and scaled so that the standard deviation is right.
    TruncatedNormal {
        /// Standard deviation after the cut.
        std: f64,
    },
    /// Orthogonal rows or columns (QR of a normal matrix).
    Orthogonal,
    /// Each unit has `connections` normal inputs of standard deviation `std`; the others are 0.
    Sparse {
        /// Inputs of each unit that are not 0.
        connections: usize,
        /// Standard deviation.
        std: f64,
    },
    /// U(±1/√fan_in), as torch's linear layers start; biases too.
    TorchDefault,
    /// scikit-learn's: Glorot, √(2 / (fan_in + fan_out)) for sigmoid layers; biases from the same range.
    Sklearn {
        /// Whether the layer is a sigmoid.
        logistic: bool,
    },
    /// All 0.
    Zeros,
    /// All the same.
    Constant {
        /// The value.
        value: f64,
    },
}
