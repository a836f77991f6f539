//! Numbers are believed against a reference: golden numbers of other frameworks, each beside the script that made them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod allocation;
mod lbfgs;
mod network;
mod scores;
mod trajectories;
