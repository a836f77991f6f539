//! The two number types of the arithmetic, f32 and f64, behind one trait. Elementary functions are in `elementary`.

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use super::elementary;
use super::kernel::product::Wide;

/// A number that networks are trained in. Every operation gives the same bits on every machine.
pub trait Real:
    Copy
    + Debug
    + Default
    + Display
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Wide
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// `f32` or `f64`.
    const NAME: &'static str;
    /// Bytes of one number.
    const BYTES: usize;

    /// Rounds to the nearest.
    fn from_f64(x: f64) -> Self;
    /// Widens without loss.
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger; `other` where `self` is NaN.
    fn maximum(self, other: Self) -> Self;
    /// The smaller; `other` where `self` is NaN.
    fn minimum(self, other: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    fn is_nan(self) -> bool;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// `exp(self) - 1` without cancellation.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + self)` without cancellation.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Error function.
    fn erf(self) -> Self;
    /// Appends the little-endian bytes.
    fn write_le(self, into: &mut Vec<u8>);
    /// Reads little-endian bytes; `bytes` must be [`Real::BYTES`] long, else the result is 0.
    fn read_le(bytes: &[u8]) -> Self;
}

macro_rules! real {
    ($type:ty, $name:literal, $functions:ident) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAME: &'static str = $name;
            const BYTES: usize = size_of::<$type>();

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$type>::mul_add(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$type>::abs(self)
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$type>::is_finite(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$type>::is_nan(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                elementary::$functions::exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                elementary::$functions::exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                elementary::$functions::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                elementary::$functions::ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                elementary::$functions::tanh(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                elementary::$functions::erf(self)
            }
            fn write_le(self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_le_bytes());
            }
            fn read_le(bytes: &[u8]) -> Self {
                bytes.try_into().map(<$type>::from_le_bytes).unwrap_or(0.0)
            }
        }
    };
}

real!(f32, "f32", single);
real!(f64, "f64", double);
