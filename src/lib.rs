//! Trainyard: training as a service for feed-forward neural networks.
//!
//! One package, a library and a thin binary. Each module below is a room; which room may use which is written in
//! `ARCHITECTURE.md` and held by `tests/tidy.rs`.

pub mod api;
pub mod cli;
pub mod data;
pub mod export;
pub mod id;
pub mod nn;
pub mod num;
pub mod plot;
pub mod practice;
pub mod predict;
pub mod score;
pub mod spec;
pub mod store;
pub mod train;
pub mod ui;
pub mod worker;
