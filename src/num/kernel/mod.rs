//! The only place with `unsafe`: running a pass under the instruction set that the machine has, the inner part of the matrix product, and threads kept
//! at hand. Everything above is safe code.
#![allow(unsafe_code)]

pub mod isa;
mod lanes;
pub mod pool;
pub mod prefetch;
pub mod product;
mod tile;
mod transpose;
