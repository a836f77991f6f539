//! How large a job may be on this server. Refused before anything is allocated.

/// The caps that a spec is proved against.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes that a job may need for parameters, optimizer state, work space and its encoded data.
    pub memory_bytes: u64,
    /// Hidden layers of the trunk or of one head.
    pub layers: usize,
    /// Units of one layer.
    pub units: u64,
    /// Targets of a job.
    pub targets: usize,
    /// Epochs of a job.
    pub epochs: u64,
    /// Threads of a job.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_bytes: 2 << 30, layers: 100, units: 1_000_000, targets: 100, epochs: 1_000_000, threads: 64 }
    }
}
