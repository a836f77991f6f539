//! Deterministic arithmetic: products, reductions, elementary functions and counter-based randomness. Nothing here knows what a
//! network is.

mod elementary;
mod real;

pub use real::Real;

/// Version of the arithmetic: a checkpoint of another version does not go on to the same bits.
pub const ARITHMETIC_VERSION: u32 = 1;
