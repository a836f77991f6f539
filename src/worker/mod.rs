//! Claims jobs, runs them on their own threads, records and finishes them.
