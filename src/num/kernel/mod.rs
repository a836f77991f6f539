//! The only place with `unsafe`: running a pass under the instruction set that the machine has, the inner part of the matrix product, threads kept
//! at hand, and hints about memory. Everything above is safe code.
#![allow(unsafe_code)]

pub mod isa;
mod lanes;
pub mod pages;
pub mod parts;
pub mod pool;
pub mod prefetch;
pub mod product;
mod tile;
mod transpose;
