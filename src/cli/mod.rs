//! The command line: one file a command, all through the same doors as the API.
//!
//! Not here: what a command does beyond reading its flags and printing its answer.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod backup;
mod client;
pub mod demo;
pub mod doctor;
pub mod health;
mod logging;
pub mod serve;

/// Training as a service for feed-forward neural networks.
#[derive(Debug, Parser)]
#[command(name = "trainyard", version, about, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One variant a command; each command's flags live in its own file.
#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server.
    Serve(Box<serve::Args>),
    /// Train a model on each bundled sample, show what came of it, and keep serving.
    Demo(demo::Args),
    /// Go through the whole strategy on a dataset, step by step, to a model and a page that says why.
    Doctor(Box<doctor::Args>),
    /// Copy a data directory while its server runs.
    Backup(backup::BackupArgs),
    /// Make a data directory of a backup.
    Restore(backup::RestoreArgs),
    /// Prove that a backup or a data directory is whole, by every checksum.
    Verify(backup::VerifyArgs),
    /// Ask a running server whether it is ready; the container's health check.
    Health(health::Args),
}

/// Reads the process's arguments, runs the command they name and returns its exit code.
///
/// 0 succeeded, 1 failed, 2 usage, 3 cancelled (`doctor`), 4 unreachable (`health`, `doctor`), 130 interrupted.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Demo(args) => demo::run(&args),
        Command::Doctor(args) => doctor::run(*args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Verify(args) => backup::verify(&args),
        Command::Health(args) => health::run(&args),
    }
}
