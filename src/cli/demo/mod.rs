//! `trainyard demo`: a server with the bundled samples, a model trained on each over HTTP, and then it keeps serving.
//!
//! The server runs in this process; the story is told by a client that knows only its address. Not here: what is
//! said and asked (`story`), how it is asked (`client`).

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::sync::oneshot;

use super::logging::{self, LogFormat};
use super::serve::{failed, stop_signal, usage};
use crate::api::{self, Config};

mod screen;
mod story;

use screen::Screen;

/// The flags of `trainyard demo`.
#[derive(Debug, Parser)]
pub struct Args {
    /// Loopback port to listen on; a free one is taken when it is busy
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    port: u16,

    /// Directory that holds everything the server keeps
    #[arg(long, default_value = "./demo-data", value_name = "DIR")]
    data_dir: PathBuf,

    /// End after the story instead of serving until Ctrl-C
    #[arg(long)]
    exit: bool,

    /// What the server logs to standard error, as a filter (`info`, `trainyard=debug`)
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Tells the story and keeps serving; returns 0, or 1 when a step failed, 2 on a wrong flag, 130 when interrupted early.
pub fn run(args: &Args) -> ExitCode {
    if let Err(fault) = logging::init(&args.log, LogFormat::Text) {
        return usage(&fault);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("reactor").build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime could not start: {error}")),
    };
    let code = runtime.block_on(serve_and_tell(args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn serve_and_tell(args: &Args) -> ExitCode {
    let mut config = Config::local(&args.data_dir);
    config.listen = free_address(args.port);
    config.page = crate::ui::router();
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

    let data_dir = args.data_dir.clone();
    let telling = async {
        // The sender is dropped when the server cannot start; `serving` then says why.
        let Ok(address) = ready.await else { return std::future::pending().await };
        tokio::task::spawn_blocking(move || story::tell(&Screen::new(), address, &data_dir)).await
    };

    let told = tokio::select! {
        served = &mut serving => {
            return match served {
                Ok(()) => ExitCode::from(130),
                Err(error) => failed(&error.to_string()),
            };
        }
        told = telling => told,
    };
    let code = match told {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&format!("{error:#}")),
        Err(error) => failed(&format!("the demo broke off: {error}")),
    };
    if args.exit || code != ExitCode::SUCCESS {
        let _ = tell_stop.send(());
    }
    match serving.await {
        Ok(()) => code,
        Err(error) => failed(&error.to_string()),
    }
}

/// The wanted port of loopback, or a free one when something listens there already.
fn free_address(port: u16) -> SocketAddr {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    match TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}
