//! How weights start. Every rule of the notes and of the libraries that recipes come from; which one a layer gets is decided by `spec`.

use serde::{Deserialize, Serialize};

use rand::rngs::ChaCha8Rng;

use crate::num::Real;
use crate::num::random::{below, normal, uniform};

/// Distribution of a tensor's first values, and a factor on it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightInit {
    /// The distribution.
    pub kind: InitKind,
    /// Factor on every value.
    pub gain: f64,
}

/// A distribution of first values. fan_in and fan_out are the tensor's columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// The rule for a layer of which nothing else is known.
impl Default for WeightInit {
    fn default() -> Self {
        WeightInit::of(InitKind::GlorotUniform)
    }
}

impl WeightInit {
    /// A rule without a factor.
    pub fn of(kind: InitKind) -> Self {
        WeightInit { kind, gain: 1.0 }
    }

    /// Fills `weights`, `[fan_out, fan_in]`.
    pub fn fill<T: Real>(&self, weights: &mut [T], fan_in: usize, fan_out: usize, generator: &mut ChaCha8Rng) {
        let (inputs, outputs) = (fan_in.max(1) as f64, fan_out.max(1) as f64);
        let both = inputs + outputs;
        match self.kind {
            InitKind::GlorotUniform => self.uniform(weights, (6.0 / both).sqrt(), generator),
            InitKind::GlorotNormal => self.normal(weights, (2.0 / both).sqrt(), generator),
            InitKind::HeUniform { alpha } => {
                self.uniform(weights, (6.0 / ((1.0 + alpha * alpha) * inputs)).sqrt(), generator)
            }
            InitKind::HeNormal { alpha } => {
                self.normal(weights, (2.0 / ((1.0 + alpha * alpha) * inputs)).sqrt(), generator)
            }
            InitKind::LecunUniform => self.uniform(weights, (3.0 / inputs).sqrt(), generator),
            InitKind::LecunNormal => self.normal(weights, (1.0 / inputs).sqrt(), generator),
            InitKind::Uniform { limit } => self.uniform(weights, limit, generator),
            InitKind::Normal { std } => self.normal(weights, std, generator),
            InitKind::TruncatedNormal { std } => self.each(weights, || {
                let draw = loop {
                    let draw = normal(generator);
                    if draw.abs() <= 2.0 {
                        break draw;
                    }
                };
                draw * std / STD_OF_CUT_NORMAL
            }),
            InitKind::Orthogonal => self.orthogonal(weights, fan_in, fan_out, generator),
            InitKind::Sparse { connections, std } => self.sparse(weights, fan_in, connections, std, generator),
            InitKind::TorchDefault => self.uniform(weights, 1.0 / inputs.sqrt(), generator),
            InitKind::Sklearn { logistic } => self.uniform(weights, sklearn_limit(logistic, both), generator),
            InitKind::Zeros => self.each(weights, || 0.0),
            InitKind::Constant { value } => self.each(weights, || value),
        }
    }

    /// Fills the biases of a layer: `bias` throughout, but for the rules that draw biases too.
    pub fn fill_bias<T: Real>(&self, biases: &mut [T], bias: f64, fan_in: usize, generator: &mut ChaCha8Rng) {
        let (inputs, both) = (fan_in.max(1) as f64, (fan_in + biases.len()).max(1) as f64);
        match self.kind {
            InitKind::TorchDefault => self.uniform(biases, 1.0 / inputs.sqrt(), generator),
            InitKind::Sklearn { logistic } => self.uniform(biases, sklearn_limit(logistic, both), generator),
            _ => biases.fill(T::from_f64(bias)),
        }
    }

    fn each<T: Real>(&self, weights: &mut [T], mut draw: impl FnMut() -> f64) {
        weights.iter_mut().for_each(|weight| *weight = T::from_f64(self.gain * draw()));
    }

    fn uniform<T: Real>(&self, weights: &mut [T], limit: f64, generator: &mut ChaCha8Rng) {
        self.each(weights, || limit * (2.0 * uniform(generator) - 1.0));
    }

    fn normal<T: Real>(&self, weights: &mut [T], std: f64, generator: &mut ChaCha8Rng) {
        self.each(weights, || std * normal(generator));
    }

    fn sparse<T: Real>(
        &self,
        weights: &mut [T],
        fan_in: usize,
        connections: usize,
        std: f64,
        generator: &mut ChaCha8Rng,
    ) {
        weights.fill(T::ZERO);
        let mut inputs: Vec<u32> = (0..fan_in as u32).collect();
        for unit in weights.chunks_exact_mut(fan_in.max(1)) {
            for place in 0..connections.min(fan_in) {
                inputs.swap(place, place + below(generator, (fan_in - place) as u32) as usize);
                unit[inputs[place] as usize] = T::from_f64(self.gain * std * normal(generator));
            }
        }
    }

    /// QR of a normal matrix by Gram and Schmidt, done twice for accuracy: the shorter side becomes orthonormal, the diagonal of R is positive by
    /// construction, so the distribution is uniform over the orthogonal matrices (Saxe et al. 2013; torch's `orthogonal_`).
    fn orthogonal<T: Real>(&self, weights: &mut [T], fan_in: usize, fan_out: usize, generator: &mut ChaCha8Rng) {
        let (count, length) = (fan_in.min(fan_out), fan_in.max(fan_out));
        let mut vectors: Vec<f64> = (0..count * length).map(|_| normal(generator)).collect();
        for i in 0..count {
            let (done, rest) = vectors.split_at_mut(i * length);
            let vector = &mut rest[..length];
            for _ in 0..2 {
                for other in done.chunks_exact(length) {
                    let overlap = crate::num::reduce::dot(vector, other);
                    vector.iter_mut().zip(other).for_each(|(x, y)| *x -= overlap * y);
                }
            }
            let norm = crate::num::reduce::sum_of_squares(vector).sqrt();
            vector.iter_mut().for_each(|x| *x /= norm);
        }
        for out in 0..fan_out {
            for input in 0..fan_in {
                let value =
                    if fan_out <= fan_in { vectors[out * length + input] } else { vectors[input * length + out] };
                weights[out * fan_in + input] = T::from_f64(self.gain * value);
            }
        }
    }
}

/// Standard deviation of a standard normal cut at ±2.
const STD_OF_CUT_NORMAL: f64 = 0.879_625_661_034_239_8;

fn sklearn_limit(logistic: bool, both: f64) -> f64 {
    (if logistic { 2.0 } else { 6.0 } / both).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::random::{Stream, generator};

    fn draw(kind: InitKind, gain: f64, fan_in: usize, fan_out: usize) -> Vec<f64> {
        let mut weights = vec![0.0; fan_in * fan_out];
        WeightInit { kind, gain }.fill(&mut weights, fan_in, fan_out, &mut generator(1, Stream::Init, 0, 0));
        weights
    }

    fn std(x: &[f64]) -> f64 {
        (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt()
    }

    #[test]
    fn spreads_are_what_the_rules_say() {
        let cases = [
            (InitKind::GlorotUniform, 1.0, (2.0f64 / 500.0).sqrt()),
            (InitKind::GlorotUniform, 4.0, 4.0 * (2.0f64 / 500.0).sqrt()),
            (InitKind::GlorotNormal, 1.0, (2.0f64 / 500.0).sqrt()),
            (InitKind::HeNormal { alpha: 0.0 }, 1.0, (2.0f64 / 300.0).sqrt()),
            (InitKind::HeUniform { alpha: 1.0 }, 1.0, (1.0f64 / 300.0).sqrt()),
            (InitKind::LecunUniform, 1.0, (1.0f64 / 300.0).sqrt()),
            (InitKind::LecunNormal, 1.0, (1.0f64 / 300.0).sqrt()),
            (InitKind::TruncatedNormal { std: 0.1 }, 1.0, 0.1),
            (InitKind::TorchDefault, 1.0, (1.0f64 / 900.0).sqrt()),
        ];
        for (kind, gain, expected) in cases {
            let seen = std(&draw(kind, gain, 300, 200));
            assert!((seen / expected - 1.0).abs() < 0.02, "{kind:?}: {seen} instead of {expected}");
        }
        let limit = (6.0f64 / 500.0).sqrt();
        assert!(draw(InitKind::GlorotUniform, 1.0, 300, 200).iter().all(|w| w.abs() <= limit));
    }

    #[test]
    fn orthogonal_weights_are_orthonormal_on_the_shorter_side() {
        for (fan_in, fan_out) in [(20, 12), (12, 20)] {
            let w = draw(InitKind::Orthogonal, 1.0, fan_in, fan_out);
            let side = fan_in.min(fan_out);
            for i in 0..side {
                for j in 0..side {
                    let product: f64 = (0..fan_in.max(fan_out))
                        .map(|k| {
                            if fan_out <= fan_in {
                                w[i * fan_in + k] * w[j * fan_in + k]
                            } else {
                                w[k * fan_in + i] * w[k * fan_in + j]
                            }
                        })
                        .sum();
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12, "{i} {j} {product}");
                }
            }
        }
    }

    #[test]
    fn sparse_weights_keep_their_connections() {
        let w = draw(InitKind::Sparse { connections: 15, std: 1.0 }, 1.0, 100, 30);
        assert!(w.chunks(100).all(|unit| unit.iter().filter(|w| **w != 0.0).count() == 15));
    }
}
