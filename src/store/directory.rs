//! The data directory.
pub(crate) struct Directory {}
