//! `trainyard doctor`: the whole strategy on a dataset, told step by step, with a model and a page at the end.
//!
//! It speaks to a server over HTTP: one that runs already (`--url`), or one in this process. Not here: what is said (`story`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::sync::oneshot;

use super::client::{Client, Refusal};
use super::logging::{self, LogFormat};
use super::serve::{failed, key_text, stop_signal, usage};
use crate::api::{self, Config};

mod story;

/// The flags of `trainyard doctor`.
#[derive(Debug, Parser)]
pub struct Args {
    /// File to upload, or a dataset that the server has: an id, a name, `sample:iris`
    data: String,

    /// Column to predict (repeatable)
    #[arg(long, required = true, value_name = "COLUMN")]
    target: Vec<String>,

    /// What tests the model at the end: a share of the rows, a file or dataset with the same columns, or `none` [default: 0.2]
    #[arg(long, value_name = "SHARE|DATA|none")]
    test: Option<String>,

    /// Trainings at most; the same number gives the same model [default: 24]
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    jobs: Option<u64>,

    /// Seconds to spend, about
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,

    /// Column whose values stay on one side of every split
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,

    /// Everything random follows from it
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Where the page is written
    #[arg(long, default_value = "doctor.html", value_name = "FILE")]
    report: PathBuf,

    /// A server that runs already; without it one runs in this process for as long as it takes
    #[arg(long, env = "TRAINYARD_URL", value_name = "URL")]
    url: Option<String>,

    /// File that holds the server's API key (or set TRAINYARD_API_KEY)
    #[arg(long, env = "TRAINYARD_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Directory that holds everything the server of this process keeps
    #[arg(long, default_value = "./doctor-data", value_name = "DIR", conflicts_with = "url")]
    data_dir: PathBuf,

    /// What the server of this process logs to standard error, as a filter
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Returns 0 with a model, 1 without one, 2 for what was asked wrongly, 3 when the run was cancelled, 4 when no server can be reached, 130
/// when interrupted.
pub fn run(args: Args) -> ExitCode {
    if let Err(fault) = logging::init(&args.log, LogFormat::Text) {
        return usage(&fault);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("reactor").build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime could not start: {error}")),
    };
    let code = runtime.block_on(async {
        match args.url.clone() {
            Some(url) => elsewhere(url, args).await,
            None => here(args).await,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Asks a server that runs already.
async fn elsewhere(url: String, args: Args) -> ExitCode {
    let key = match key_text(args.api_key_file.clone()) {
        Ok(key) => key,
        Err(fault) => return usage(&fault),
    };
    let client = Client::at(url.trim_end_matches('/').to_owned(), key);
    tokio::select! {
        () = stop_signal() => ExitCode::from(130), // the run is the server's, and goes on
        told = tokio::task::spawn_blocking(move || story::tell(&client, &args)) => code(told),
    }
}

/// Starts a server in this process, asks it, and stops it. Interrupted, the run goes on when the same data directory is served again.
async fn here(args: Args) -> ExitCode {
    let mut config = Config::local(&args.data_dir);
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (is_ready, ready) = oneshot::channel::<SocketAddr>();
    let (tell_stop, told_to_stop) = oneshot::channel::<()>();
    let stop = async {
        tokio::select! {
            () = stop_signal() => {}
            _ = told_to_stop => {}
        }
    };
    let announce = |address| {
        let _ = is_ready.send(address);
    };
    let serving = api::serve(config, announce, stop);
    tokio::pin!(serving);
    let telling = async {
        // The sender is dropped when the server cannot start; `serving` then says why.
        let Ok(address) = ready.await else { return std::future::pending().await };
        tokio::task::spawn_blocking(move || story::tell(&Client::new(address), &args)).await
    };
    let told = tokio::select! {
        served = &mut serving => {
            return match served {
                Ok(()) => ExitCode::from(130),
                Err(error) => failed(&error.to_string()),
            };
        }
        told = telling => code(told),
    };
    let _ = tell_stop.send(());
    match serving.await {
        Ok(()) => told,
        Err(error) => failed(&error.to_string()),
    }
}

fn code(told: Result<anyhow::Result<ExitCode>, tokio::task::JoinError>) -> ExitCode {
    match told {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            let said = failed(&format!("{error:#}"));
            match error.downcast_ref::<Refusal>().map(|refusal| refusal.status) {
                Some(400 | 404 | 413 | 415 | 422) => ExitCode::from(2),
                Some(_) => said,
                None if error.chain().any(|cause| cause.is::<ureq::Error>()) => ExitCode::from(4),
                None if error.chain().any(|cause| cause.is::<std::io::Error>()) => ExitCode::from(2),
                None => said,
            }
        }
        Err(error) => failed(&format!("the command broke off: {error}")),
    }
}
