//! Pictures as SVG, from plain numbers.
//!
//! The room knows neither jobs nor metrics: it takes names and pairs of numbers and gives back one self-contained,
//! accessible SVG document, dark on white, without scripts, fonts or links. Drawing is left to `plotters`; the axis with
//! its ticks is ours (`axis`), because a loss that moves between 0.31 and 0.33 needs ticks on a log axis too.

mod axis;
mod blocks;
mod lines;
mod text;

pub use blocks::{Bars, Matrix, bars, matrix};
pub use lines::{LineChart, Series, lines};
pub use text::number;
