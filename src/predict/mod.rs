//! From a checkpoint and raw rows to named predictions.
