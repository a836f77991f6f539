//! Nonlinearities of hidden layers: value and derivative side by side. To add one: a variant, a line in [`Activation::ALL`], an arm in
//! each `match` here. Softmax and its kin belong to a head's loss, not here.

use serde::{Deserialize, Serialize};

use crate::num::Real;

/// A nonlinearity, applied to each pre-activation z; its output is a.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl Activation {
    /// Every activation with its name and default parameters.
    pub const ALL: [(&'static str, Activation); 12] = [
        ("identity", Activation::Identity),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("hard_tanh", Activation::HardTanh),
        ("softsign", Activation::Softsign),
        ("softplus", Activation::Softplus),
        ("relu", Activation::Relu),
        ("leaky_relu", Activation::LeakyRelu { alpha: 0.01 }),
        ("elu", Activation::Elu { alpha: 1.0 }),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
        ("silu", Activation::Silu),
    ];

    /// The name in specs.
    pub fn name(self) -> &'static str {
        let same = |other: &Activation| std::mem::discriminant(other) == std::mem::discriminant(&self);
        Self::ALL.iter().find(|(_, other)| same(other)).map_or("", |(name, _)| name)
    }

    /// The activation of that name with its default parameters.
    pub fn from_name(name: &str) -> Option<Activation> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
    }

    /// Computes a = f(z) for each element.
    pub fn forward<T: Real>(self, z: &[T], a: &mut [T]) {
        let number = T::from_f64;
        match self {
            Activation::Identity => map(z, a, |z| z),
            Activation::Sigmoid => map(z, a, sigmoid),
            Activation::Tanh => map(z, a, T::tanh),
            Activation::HardTanh => map(z, a, |z| clamp(z, -T::ONE, T::ONE)),
            Activation::Softsign => map(z, a, |z| z / (T::ONE + z.abs())),
            Activation::Softplus => map(z, a, softplus),
            Activation::Relu => map(z, a, |z| if z > T::ZERO || z.is_nan() { z } else { T::ZERO }),
            Activation::LeakyRelu { alpha } => {
                let alpha = number(alpha);
                map(z, a, |z| if z > T::ZERO { z } else { alpha * z });
            }
            Activation::Elu { alpha } => {
                let alpha = number(alpha);
                map(z, a, |z| if z > T::ZERO { z } else { alpha * z.exp_m1() });
            }
            Activation::Gelu => map(z, a, |z| z * normal_cdf(z)),
            Activation::GeluTanh => map(z, a, |z| number(0.5) * z * (T::ONE + gelu_inner(z).tanh())),
            Activation::Silu => map(z, a, |z| z * sigmoid(z)),
        }
    }

    /// Multiplies each element of `d`, the slope of the loss with respect to a, by f'(z): it becomes the slope with respect to z.
    /// At a kink the derivative is torch's: 0 for relu at 0 and hard tanh at ±1, alpha for leaky relu and elu at 0.
    pub fn backward<T: Real>(self, z: &[T], a: &[T], d: &mut [T]) {
        let number = T::from_f64;
        let (zero, one) = (T::ZERO, T::ONE);
        match self {
            Activation::Identity => {}
            Activation::Sigmoid => scale(z, a, d, |_, a| a * (one - a)),
            Activation::Tanh => scale(z, a, d, |_, a| one - a * a),
            Activation::HardTanh => scale(z, a, d, |z, _| if z > -one && z < one { one } else { zero }),
            Activation::Softsign => scale(z, a, d, |z, _| {
                let slope = one / (one + z.abs());
                slope * slope
            }),
            Activation::Softplus => scale(z, a, d, |z, _| sigmoid(z)),
            Activation::Relu => scale(z, a, d, |z, _| if z > zero { one } else { zero }),
            Activation::LeakyRelu { alpha } => {
                let alpha = number(alpha);
                scale(z, a, d, |z, _| if z > zero { one } else { alpha });
            }
            Activation::Elu { alpha } => {
                let alpha = number(alpha);
                scale(z, a, d, |z, a| if z > zero { one } else { a + alpha });
            }
            Activation::Gelu => scale(z, a, d, |z, _| {
                let density = number(INVERSE_ROOT_OF_TWO_PI) * (-(z * z) * number(0.5)).exp();
                normal_cdf(z) + z * density
            }),
            Activation::GeluTanh => scale(z, a, d, |z, _| {
                let t = gelu_inner(z).tanh();
                let inner = number(ROOT_OF_TWO_OVER_PI) * (one + number(3.0 * 0.044715) * z * z);
                number(0.5) * (one + t) + number(0.5) * z * (one - t * t) * inner
            }),
            Activation::Silu => scale(z, a, d, |z, _| {
                let s = sigmoid(z);
                s * (one + z * (one - s))
            }),
        }
        #[cfg(test)]
        fault::spoil(self, d);
    }

    /// Where f has corners: the gradient check leaves out coordinates that push a unit over one.
    pub fn kinks(self) -> &'static [f64] {
        match self {
            Activation::HardTanh => &[-1.0, 1.0],
            Activation::Relu | Activation::LeakyRelu { .. } => &[0.0],
            Activation::Elu { alpha } if alpha != 1.0 => &[0.0],
            _ => &[],
        }
    }

    /// The slope below 0 that the He rules account for.
    pub fn negative_slope(self) -> f64 {
        match self {
            Activation::LeakyRelu { alpha } => alpha,
            _ => 0.0,
        }
    }
}

const INVERSE_ROOT_OF_TWO_PI: f64 = 0.398_942_280_401_432_7;
const ROOT_OF_TWO_OVER_PI: f64 = 0.797_884_560_802_865_4;

#[inline(always)]
fn map<T: Real>(z: &[T], a: &mut [T], f: impl Fn(T) -> T) {
    for (a, &z) in a.iter_mut().zip(z) {
        *a = f(z);
    }
}

#[inline(always)]
fn scale<T: Real>(z: &[T], a: &[T], d: &mut [T], slope: impl Fn(T, T) -> T) {
    for ((d, &z), &a) in d.iter_mut().zip(z).zip(a) {
        *d *= slope(z, a);
    }
}

#[inline(always)]
fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// 1 / (1 + exp(-z)) without overflow.
#[inline(always)]
pub(super) fn sigmoid<T: Real>(z: T) -> T {
    let e = (-z.abs()).exp();
    let small = e / (T::ONE + e);
    if z < T::ZERO { small } else { T::ONE / (T::ONE + e) }
}

/// ln(1 + exp(z)) without overflow.
#[inline(always)]
pub(super) fn softplus<T: Real>(z: T) -> T {
    let positive = if z > T::ZERO || z.is_nan() { z } else { T::ZERO };
    positive + (-z.abs()).exp().ln_1p()
}

#[inline(always)]
fn normal_cdf<T: Real>(z: T) -> T {
    T::from_f64(0.5) * (T::ONE + (z * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

#[inline(always)]
fn gelu_inner<T: Real>(z: T) -> T {
    T::from_f64(ROOT_OF_TWO_OVER_PI) * (z + T::from_f64(0.044715) * z * z * z)
}

/// A wrong derivative on purpose, so that tests can show that the gradient check notices.
#[cfg(test)]
pub(super) mod fault {
    use super::Activation;
    use crate::num::Real;
    use std::cell::Cell;

    thread_local! {
        static BROKEN: Cell<Option<(Activation, f64)>> = const { Cell::new(None) };
    }

    /// While `work` runs, the derivative of `activation` is multiplied by `factor` on this thread.
    pub fn with_broken<R>(activation: Activation, factor: f64, work: impl FnOnce() -> R) -> R {
        BROKEN.set(Some((activation, factor)));
        let result = work();
        BROKEN.set(None);
        result
    }

    pub(super) fn spoil<T: Real>(activation: Activation, d: &mut [T]) {
        if let Some((broken, factor)) = BROKEN.get()
            && broken == activation
        {
            d.iter_mut().for_each(|d| *d *= T::from_f64(factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_has_the_values_of_torch() {
        let z: Vec<f64> = (-3..=3).map(f64::from).collect();
        let mut a = [0.0; 7];
        Activation::Gelu.forward(&z, &mut a);
        let golden = [-0.00404969, -0.04550026, -0.15865525, 0.0, 0.84134475, 1.95449974, 2.99595031];
        for (a, golden) in a.iter().zip(golden) {
            assert!((a - golden).abs() < 1e-8, "{a} {golden}");
        }
    }

    #[test]
    fn kinks_have_the_slopes_of_torch() {
        let cases = [
            (Activation::Relu, 0.0, 0.0),
            (Activation::LeakyRelu { alpha: 0.01 }, 0.0, 0.01),
            (Activation::HardTanh, 1.0, 0.0),
            (Activation::HardTanh, -1.0, 0.0),
            (Activation::Softsign, 0.0, 1.0),
            (Activation::Elu { alpha: 1.0 }, 0.0, 1.0),
        ];
        for (activation, z, expected) in cases {
            let (mut a, mut d) = ([0.0f64], [1.0]);
            activation.forward(&[z], &mut a);
            activation.backward(&[z], &a, &mut d);
            assert_eq!(d[0], expected, "{activation:?} at {z}");
        }
    }

    #[test]
    fn far_out_values_stay_finite_and_nan_stays_visible() {
        for (name, activation) in Activation::ALL {
            for z in [-1e4f32, -90.0, 90.0, 1e4] {
                let (mut a, mut d) = ([0.0f32], [1.0f32]);
                activation.forward(&[z], &mut a);
                activation.backward(&[z], &a, &mut d);
                assert!(a[0].is_finite() && d[0].is_finite(), "{name} at {z}: {} {}", a[0], d[0]);
            }
            let mut a = [0.0f32];
            activation.forward(&[f32::NAN], &mut a);
            assert!(a[0].is_nan(), "{name} hides a NaN");
        }
    }

    #[test]
    fn names_lead_back() {
        for (name, activation) in Activation::ALL {
            assert_eq!(activation.name(), name);
            assert_eq!(Activation::from_name(name), Some(activation));
        }
    }
}
