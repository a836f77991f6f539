//! Nonlinearities of hidden layers: value and derivative side by side. To add one: a variant, a line in [`Activation::ALL`] and in
//! `with_curve!`, and its `Curve`. Softmax and its kin belong to a head's loss, not here.

use serde::{Deserialize, Serialize};

use crate::num::{Pass, Real, reduce, run};

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

/// Does something with the [`Curve`] of an activation, which is of another type for each.
macro_rules! with_curve {
    ($activation:expr, $curve:ident => $work:expr) => {
        match $activation {
            Activation::Identity => with_curve!(@ Identity, $curve => $work),
            Activation::Sigmoid => with_curve!(@ Sigmoid, $curve => $work),
            Activation::Tanh => with_curve!(@ Tanh, $curve => $work),
            Activation::HardTanh => with_curve!(@ HardTanh, $curve => $work),
            Activation::Softsign => with_curve!(@ Softsign, $curve => $work),
            Activation::Softplus => with_curve!(@ Softplus, $curve => $work),
            Activation::Relu => with_curve!(@ Relu, $curve => $work),
            Activation::LeakyRelu { alpha } => with_curve!(@ LeakyRelu(T::from_f64(alpha)), $curve => $work),
            Activation::Elu { alpha } => with_curve!(@ Elu(T::from_f64(alpha)), $curve => $work),
            Activation::Gelu => with_curve!(@ Gelu, $curve => $work),
            Activation::GeluTanh => with_curve!(@ GeluTanh, $curve => $work),
            Activation::Silu => with_curve!(@ Silu, $curve => $work),
        }
    };
    (@ $value:expr, $curve:ident => $work:expr) => {{
        let $curve = $value;
        $work
    }};
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
        with_curve!(self, curve => run(Forward { curve, z, a }));
    }

    /// Multiplies each element of `d`, the slope of the loss with respect to a, by f'(z): it becomes the slope with respect to z.
    /// At a kink the derivative is torch's: 0 for relu at 0 and hard tanh at ±1, alpha for leaky relu and elu at 0.
    pub fn backward<T: Real>(self, z: &[T], a: &[T], d: &mut [T]) {
        if self != Activation::Identity {
            with_curve!(self, curve => run(Backward { curve, z, a, d }));
        }
        #[cfg(any(test, debug_assertions))]
        super::fault::spoil(super::fault::Site::Activation(self), d);
    }

    /// As [`Activation::backward`], and writes the sum of each column of the result (rows as long as `sums`), one chain over ascending rows. Some rows at a
    /// time, so that the sums find them in the first cache.
    pub fn backward_and_sum<T: Real>(self, z: &[T], a: &[T], d: &mut [T], sums: &mut [T]) {
        const AT_ONCE: usize = 2048;
        let units = sums.len().max(1);
        let some = (AT_ONCE / units).max(1) * units;
        sums.fill(T::ZERO);
        for ((d, z), a) in d.chunks_mut(some).zip(z.chunks(some)).zip(a.chunks(some)) {
            self.backward(z, a, d);
            reduce::add_column_sums(d, sums);
        }
    }

    /// Where f or its slope has a corner: the gradient check leaves out coordinates that push a unit over one. (Differences across a
    /// corner of the slope, as softsign and elu have it, are off by about ε / 4, more than the check allows.)
    pub fn kinks(self) -> &'static [f64] {
        match self {
            Activation::HardTanh => &[-1.0, 1.0],
            Activation::Relu | Activation::LeakyRelu { .. } | Activation::Elu { .. } | Activation::Softsign => &[0.0],
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

/// A function of one number. Everything here is inlined into the passes below, which are compiled for wide registers.
trait Curve<T>: Copy {
    /// f(z).
    fn value(self, z: T) -> T;
    /// f'(z), where a is f(z).
    fn slope(self, z: T, a: T) -> T;
}

struct Forward<'a, T, C> {
    curve: C,
    z: &'a [T],
    a: &'a mut [T],
}

impl<T: Real, C: Curve<T>> Pass for Forward<'_, T, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (a, &z) in self.a.iter_mut().zip(self.z) {
            *a = self.curve.value(z);
        }
    }
}

struct Backward<'a, T, C> {
    curve: C,
    z: &'a [T],
    a: &'a [T],
    d: &'a mut [T],
}

impl<T: Real, C: Curve<T>> Pass for Backward<'_, T, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((d, &z), &a) in self.d.iter_mut().zip(self.z).zip(self.a) {
            *d *= self.curve.slope(z, a);
        }
    }
}

#[derive(Clone, Copy)]
struct Identity;

impl<T: Real> Curve<T> for Identity {
    #[inline(always)]
    fn value(self, z: T) -> T {
        z
    }
    #[inline(always)]
    fn slope(self, _: T, _: T) -> T {
        T::ONE
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl<T: Real> Curve<T> for Sigmoid {
    #[inline(always)]
    fn value(self, z: T) -> T {
        sigmoid(z)
    }
    #[inline(always)]
    fn slope(self, _: T, a: T) -> T {
        a * (T::ONE - a)
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl<T: Real> Curve<T> for Tanh {
    #[inline(always)]
    fn value(self, z: T) -> T {
        z.tanh()
    }
    #[inline(always)]
    fn slope(self, _: T, a: T) -> T {
        T::ONE - a * a
    }
}

#[derive(Clone, Copy)]
struct HardTanh;

impl<T: Real> Curve<T> for HardTanh {
    #[inline(always)]
    fn value(self, z: T) -> T {
        clamp(z, -T::ONE, T::ONE)
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        if z > -T::ONE && z < T::ONE { T::ONE } else { T::ZERO }
    }
}

#[derive(Clone, Copy)]
struct Softsign;

impl<T: Real> Curve<T> for Softsign {
    #[inline(always)]
    fn value(self, z: T) -> T {
        z / (T::ONE + z.abs())
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        let slope = T::ONE / (T::ONE + z.abs());
        slope * slope
    }
}

#[derive(Clone, Copy)]
struct Softplus;

impl<T: Real> Curve<T> for Softplus {
    #[inline(always)]
    fn value(self, z: T) -> T {
        softplus(z)
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        sigmoid(z)
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl<T: Real> Curve<T> for Relu {
    #[inline(always)]
    fn value(self, z: T) -> T {
        positive(z)
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        if z > T::ZERO { T::ONE } else { T::ZERO }
    }
}

#[derive(Clone, Copy)]
struct LeakyRelu<T>(T);

impl<T: Real> Curve<T> for LeakyRelu<T> {
    #[inline(always)]
    fn value(self, z: T) -> T {
        if z > T::ZERO { z } else { self.0 * z }
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        if z > T::ZERO { T::ONE } else { self.0 }
    }
}

#[derive(Clone, Copy)]
struct Elu<T>(T);

impl<T: Real> Curve<T> for Elu<T> {
    #[inline(always)]
    fn value(self, z: T) -> T {
        if z > T::ZERO { z } else { self.0 * z.exp_m1() }
    }
    #[inline(always)]
    fn slope(self, z: T, a: T) -> T {
        if z > T::ZERO { T::ONE } else { a + self.0 }
    }
}

#[derive(Clone, Copy)]
struct Gelu;

impl<T: Real> Curve<T> for Gelu {
    #[inline(always)]
    fn value(self, z: T) -> T {
        z * normal_cdf(z)
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        normal_cdf(z) + z * (T::from_f64(INVERSE_ROOT_OF_TWO_PI) * (-(z * z) * T::from_f64(0.5)).exp())
    }
}

#[derive(Clone, Copy)]
struct GeluTanh;

impl<T: Real> Curve<T> for GeluTanh {
    #[inline(always)]
    fn value(self, z: T) -> T {
        T::from_f64(0.5) * z * (T::ONE + gelu_inner(z).tanh())
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        let t = gelu_inner(z).tanh();
        let inner = T::from_f64(ROOT_OF_TWO_OVER_PI) * (T::ONE + T::from_f64(3.0 * 0.044715) * z * z);
        T::from_f64(0.5) * (T::ONE + t) + T::from_f64(0.5) * z * (T::ONE - t * t) * inner
    }
}

#[derive(Clone, Copy)]
struct Silu;

impl<T: Real> Curve<T> for Silu {
    #[inline(always)]
    fn value(self, z: T) -> T {
        z * sigmoid(z)
    }
    #[inline(always)]
    fn slope(self, z: T, _: T) -> T {
        let s = sigmoid(z);
        s * (T::ONE + z * (T::ONE - s))
    }
}

const INVERSE_ROOT_OF_TWO_PI: f64 = 0.398_942_280_401_432_7;
const ROOT_OF_TWO_OVER_PI: f64 = 0.797_884_560_802_865_4;

#[inline(always)]
fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// max(0, z), and NaN where z is.
#[inline(always)]
fn positive<T: Real>(z: T) -> T {
    if z < T::ZERO { T::ZERO } else { z }
}

/// 1 / (1 + exp(-z)) without overflow.
#[inline(always)]
pub(super) fn sigmoid<T: Real>(z: T) -> T {
    let e = (-z.abs()).exp();
    (if z < T::ZERO { e } else { T::ONE }) / (T::ONE + e)
}

/// ln(1 + exp(z)) without overflow.
#[inline(always)]
pub(super) fn softplus<T: Real>(z: T) -> T {
    positive(z) + (-z.abs()).exp().ln_1p()
}

#[inline(always)]
fn normal_cdf<T: Real>(z: T) -> T {
    T::from_f64(0.5) * (T::ONE + (z * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

#[inline(always)]
fn gelu_inner<T: Real>(z: T) -> T {
    T::from_f64(ROOT_OF_TWO_OVER_PI) * (z + T::from_f64(0.044715) * z * z * z)
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
