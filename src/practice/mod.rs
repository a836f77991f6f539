//! Procedures that the classic notes teach: checks before, during and after a run.
