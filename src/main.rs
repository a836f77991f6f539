//! The thin binary: everything it does is in `trainyard::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    trainyard::cli::run()
}
