//! Foreign bytes: random tables there and back through every format, broken files with their places, and the seeds of the fuzz
//! targets. Through the doors of the library, and for predictions of a server; stories of uploads are in `tests/stories`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod broken;
mod round_trip;
mod seeds;
mod served;
mod targets;
