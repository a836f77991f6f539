//! Serves the built dashboard from the binary; it speaks only the public API.
