//! Fuzzes `csv` of `tests/parsers/targets.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses its own part")]

#[path = "../../tests/parsers/served.rs"]
mod served;
#[path = "../../tests/parsers/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::csv(bytes));
