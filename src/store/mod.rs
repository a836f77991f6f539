//! The only SQL, and the only place that knows the data directory.
