//! Deterministic arithmetic: products, reductions, elementary functions and counter-based randomness. Nothing here knows what a network is.
