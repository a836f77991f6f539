//! L-BFGS ends where PyTorch ends.
