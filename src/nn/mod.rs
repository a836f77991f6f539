//! The mathematics of feed-forward networks. No HTTP, SQL, files, clock or wire format.
