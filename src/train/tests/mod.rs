//! Stories of whole runs: what they tell, when they end, and that an interruption leaves no trace.

mod kit;
mod resume;
mod stories;
