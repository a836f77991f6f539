//! Fuzzes `arrow` of `tests/parsers/targets.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses its own part")]

#[path = "../../tests/parsers/served.rs"]
mod served;
#[path = "../../tests/parsers/targets.rs"]
mod targets;

// The decoder panics on some broken bytes; the server catches that and calls the file broken. What it does not catch still ends here.
libfuzzer_sys::fuzz_target!(init: { drop(std::panic::take_hook()) }, |bytes: &[u8]| targets::arrow(bytes));
