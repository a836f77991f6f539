//! The only place with `unsafe`: running a pass under the instruction set that the machine has, and keeping threads at hand. Everything above is safe code.
#![allow(unsafe_code)]

pub mod isa;
