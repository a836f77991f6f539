//! The plan of a run, the training loop, evaluation and the checkpoint's bytes. No clock, files, SQL or HTTP.
