//! Stories of the whole: each drives the real server over HTTP and reads from top to bottom.
//!
//! One test binary, a module a topic. `kit` starts the server and speaks HTTP; stories hold no plumbing and never sleep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![allow(clippy::print_stdout, reason = "figures for who runs a story with --nocapture")]

mod anchors;
mod attacks;
mod autotrain;
mod backups;
mod bad_input;
mod cancelling;
mod checking;
mod clock;
mod contract;
mod crowds;
mod demo;
mod demonstration;
mod demonstrations;
mod diagnosing;
mod draining;
mod drawn_specs;
mod encoding;
mod evaluation;
#[cfg(debug_assertions)] // release builds have no failpoints
mod failpoints;
mod faults;
mod folds;
mod full_disk;
mod jobs;
#[allow(dead_code, reason = "the kit may offer more than the stories of today use")]
mod kit;
mod order;
mod planted;
mod planted_rules;
mod predicting;
mod readme;
mod repeated;
mod reporting;
mod room;
mod same_bits;
mod server;
mod soak;
mod splitting;
mod streaming;
mod upgrades;
mod uploads;
mod warm_start;
mod watching;
mod word_vectors;
