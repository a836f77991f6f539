//! `trainyard backup`, `restore` and `verify`: a data directory copied while its server runs, put back, and proved to be whole.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::serve::failed;
use crate::store::{self, Holding, StoreError};

/// The flags of `trainyard backup`.
#[derive(Debug, Parser)]
pub struct BackupArgs {
    /// Folder to make; it must not be there yet, or be empty
    target: PathBuf,

    /// The server's data directory; the server may be running
    #[arg(long, env = "TRAINYARD_DATA_DIR", default_value = "./trainyard-data", value_name = "DIR")]
    data_dir: PathBuf,
}

/// The flags of `trainyard restore`.
#[derive(Debug, Parser)]
pub struct RestoreArgs {
    /// Folder that `trainyard backup` made
    backup: PathBuf,

    /// Data directory to make of it; it must not be there yet, or be empty
    #[arg(long, env = "TRAINYARD_DATA_DIR", default_value = "./trainyard-data", value_name = "DIR")]
    data_dir: PathBuf,
}

/// The flags of `trainyard verify`.
#[derive(Debug, Parser)]
pub struct VerifyArgs {
    /// Backup, or data directory of a server that is stopped
    folder: PathBuf,
}

/// Copies a data directory; returns 0 when the copy is whole and synced, 1 otherwise.
pub fn backup(args: &BackupArgs) -> ExitCode {
    report("copied", store::backup(&args.data_dir, &args.target))
}

/// Puts a backup back; returns 0 when a server can start on it, 1 otherwise.
pub fn restore(args: &RestoreArgs) -> ExitCode {
    report("restored", store::restore(&args.backup, &args.data_dir))
}

/// Checks the database, and each file and checkpoint against its checksum; returns 0 when all is whole, 1 otherwise.
pub fn verify(args: &VerifyArgs) -> ExitCode {
    report("whole", store::verify(&args.folder))
}

fn report(what: &str, work: impl Future<Output = Result<Holding, StoreError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime could not start: {error}")),
    };
    match runtime.block_on(work) {
        Ok(Holding { jobs, checkpoints, files, bytes }) => {
            let line = format!("{what}: {jobs} jobs, {checkpoints} checkpoints, {files} files, {bytes} bytes");
            drop(writeln!(std::io::stdout(), "{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error.to_string()),
    }
}
