//! The thin binary: everything it does is in `trainyard::cli`.

fn main() {}
