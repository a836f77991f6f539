//! Where log lines go: standard error, as text for people or as JSON for machines.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Installs the process's log output; a second call changes nothing.
///
/// `filter` is a `tracing` filter (`info`, `trainyard=debug,sqlx=warn`).
///
/// # Errors
/// The filter does not parse; the text says where.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| format!("the log filter `{filter}` is not one: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // What tells of a line that could not be written is a panic where standard error is a file on a full disk.
        .log_internal_errors(false);
    let installed = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // Tests start several servers in one process; the first one's log serves them all.
    drop(installed);
    Ok(())
}
