//! From bytes to typed tables, profiles, encoders and encoded examples. Knows nothing of networks or HTTP.
//!
//! The way of a dataset: [`formats::build`] turns bytes into a [`StoredTable`], one columnar file, a group of rows at a time;
//! [`profile::profile`] says what is in it. The way of a job: [`split::split`] names the rows of each part, [`Encoder::fit`] learns from the
//! training part alone how to turn cells into numbers, [`Encoder::encode_parts`] does so, and [`Part::gather`] copies batches out. Those three
//! take [`Rows`], in memory or in a file.

mod build;
pub mod cell;
mod columns;
pub mod csv;
pub mod duplicates;
pub mod encoder;
pub mod error;
pub mod examples;
mod folds;
pub mod formats;
mod parse;
pub mod part;
pub mod profile;
pub(in crate::data) mod rows;
pub mod samples;
mod sketch;
pub mod split;
pub mod table;
pub mod tensors;
pub mod vectors;

pub use cell::Cell;
pub use encoder::{Encoder, EncoderPlan, Vocabulary};
pub use error::DataError;
pub use examples::{BatchBuffer, Examples, TargetColumn, TokenColumn};
pub(crate) use parse::parse_datetime;
pub use part::{Part, PartWriter};
pub use rows::Rows;
pub use split::{Fold, Split, SplitMethod, SplitPlan};
pub use table::{Column, EqualRows, Kind, Storage, StoredTable, Table, Values, Warning};
