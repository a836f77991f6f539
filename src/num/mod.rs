//! Deterministic arithmetic: products, reductions, elementary functions and counter-based randomness. Nothing here knows what a
//! network is.

mod elementary;
mod kernel;
pub mod product;
pub mod random;
mod real;
pub mod reduce;
pub mod slices;
pub mod threads;

pub use kernel::isa::{Pass, run};
#[cfg(test)]
pub use kernel::isa::{sets, with_set};
pub use kernel::pages::{give_back, room_for, zeros};
pub use kernel::prefetch::prefetch;
pub use product::{Matrix, Packed, product};
pub use real::Real;
pub use threads::Threads;

/// Version of the arithmetic: a checkpoint of another version does not go on to the same bits.
pub const ARITHMETIC_VERSION: u32 = 3;
