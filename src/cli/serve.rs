//! `trainyard serve`: reads the flags, binds, says where it listens, and drains on SIGTERM and Ctrl-C.
//!
//! Not here: what is answered (`api`).

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::logging::{self, LogFormat};
use crate::api::{ApiKey, Config, Limits};
use crate::store::Retention;

/// The flags of `trainyard serve`; each is also an environment variable.
#[derive(Debug, Parser)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "TRAINYARD_LISTEN", default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    listen: String,

    /// Directory that holds everything the server keeps
    #[arg(long, env = "TRAINYARD_DATA_DIR", default_value = "./trainyard-data", value_name = "DIR")]
    data_dir: PathBuf,

    /// Jobs that train at the same time [default: the number of processors]
    #[arg(long, env = "TRAINYARD_WORKERS", value_name = "N")]
    workers: Option<usize>,

    /// File that holds the API key (or set TRAINYARD_API_KEY); without a key only loopback is served
    #[arg(long, env = "TRAINYARD_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Further host name that requests may name (repeatable); with a key and none given, any is served
    #[arg(long = "allowed-host", env = "TRAINYARD_ALLOWED_HOSTS", value_delimiter = ',', value_name = "HOST")]
    allowed_hosts: Vec<String>,

    /// Origin whose pages may call this server from a browser (repeatable)
    #[arg(long = "cors-origin", env = "TRAINYARD_CORS_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    cors_origins: Vec<String>,

    /// Largest data file accepted, in bytes, as sent and as unpacked
    #[arg(long, env = "TRAINYARD_MAX_UPLOAD_BYTES", default_value_t = Limits::default().upload_bytes, value_name = "BYTES")]
    max_upload_bytes: u64,

    /// Largest JSON body accepted, in bytes
    #[arg(long, env = "TRAINYARD_MAX_JSON_BYTES", default_value_t = Limits::default().json_bytes, value_name = "BYTES")]
    max_json_bytes: usize,

    /// Memory that running jobs may need together, in bytes [default: three quarters of the machine's or its container's]
    #[arg(long, env = "TRAINYARD_MEMORY_BYTES", value_name = "BYTES")]
    memory_bytes: Option<u64>,

    /// Room on the disk that is kept free, in bytes: with less, writes are refused and jobs pause
    #[arg(long, env = "TRAINYARD_KEEP_FREE_BYTES", default_value_t = Limits::default().keep_free_bytes, value_name = "BYTES")]
    keep_free_bytes: u64,

    /// Keep only the newest so many finished jobs; the others are deleted [default: keep all]
    #[arg(long, env = "TRAINYARD_KEEP_JOBS", value_name = "N")]
    keep_jobs: Option<u64>,

    /// Delete jobs so many days after they finished [default: keep all]
    #[arg(long, env = "TRAINYARD_KEEP_DAYS", value_name = "DAYS")]
    keep_days: Option<u64>,

    /// Event streams open at the same time
    #[arg(long, env = "TRAINYARD_MAX_STREAMS", default_value_t = Limits::default().streams, value_name = "N")]
    max_streams: usize,

    /// Of these for one client, by its address
    #[arg(long, env = "TRAINYARD_MAX_STREAMS_PER_CLIENT", default_value_t = Limits::default().streams_per_client, value_name = "N")]
    max_streams_per_client: usize,

    /// Seconds a running job gets to write its checkpoint when the server is told to stop
    #[arg(long, env = "TRAINYARD_DRAIN_SECONDS", default_value_t = 20, value_name = "SECONDS")]
    drain_seconds: u64,

    /// What is logged, as a filter (`info`, `trainyard=debug`)
    #[arg(long, env = "TRAINYARD_LOG", default_value = "info,sqlx=warn", value_name = "FILTER")]
    log: String,

    /// How a log line is written
    #[arg(long, env = "TRAINYARD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// Serves until told to stop; returns 0 after a clean drain, 1 when the server could not start, 2 on a wrong flag.
pub fn run(args: Args) -> ExitCode {
    if let Err(fault) = logging::init(&args.log, args.log_format) {
        return usage(&fault);
    }
    let config = match args.into_config() {
        Ok(config) => config,
        Err(fault) => return usage(&fault),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("reactor").build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime could not start: {error}")),
    };
    let outcome = runtime.block_on(async {
        prepare_process();
        crate::api::serve(config, announce, stop_signal()).await
    });
    // Blocking work that outlived the drain must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

impl Args {
    fn into_config(self) -> Result<Config, String> {
        let workers = match self.workers {
            Some(0) => return Err("--workers must be at least 1".to_owned()),
            Some(n) => n,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(Config {
            listen: resolve(&self.listen)?,
            data_dir: self.data_dir,
            workers,
            api_key: api_key(self.api_key_file)?,
            allowed_hosts: self.allowed_hosts,
            cors_origins: self.cors_origins,
            limits: Limits {
                upload_bytes: self.max_upload_bytes,
                json_bytes: self.max_json_bytes,
                memory_bytes: self.memory_bytes.unwrap_or(Limits::default().memory_bytes),
                keep_free_bytes: self.keep_free_bytes,
                streams: self.max_streams,
                streams_per_client: self.max_streams_per_client,
                ..Limits::default()
            },
            retention: Retention { jobs: self.keep_jobs, days: self.keep_days },
            drain: Duration::from_secs(self.drain_seconds),
            page: crate::ui::router(),
        })
    }
}

/// Takes `host:port`, `[v6]:port` and `:port`.
fn resolve(listen: &str) -> Result<SocketAddr, String> {
    let text = if listen.starts_with(':') { format!("127.0.0.1{listen}") } else { listen.to_owned() };
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| format!("--listen takes HOST:PORT such as 127.0.0.1:8080, got `{listen}` ({error})"))?;
    found.next().ok_or_else(|| format!("--listen: `{listen}` names no address"))
}

/// The key comes from the environment or from a file, never from a flag's value, where `ps` would show it.
fn api_key(file: Option<PathBuf>) -> Result<Option<ApiKey>, String> {
    key_text(file)?.map(|text| ApiKey::new(&text)).transpose()
}

/// The text of that key.
pub(super) fn key_text(file: Option<PathBuf>) -> Result<Option<String>, String> {
    let text = match (std::env::var("TRAINYARD_API_KEY").ok().filter(|key| !key.is_empty()), file) {
        (Some(_), Some(_)) => return Err("give either TRAINYARD_API_KEY or --api-key-file, not both".to_owned()),
        (Some(key), None) => key,
        (None, Some(path)) => std::fs::read_to_string(&path)
            .map_err(|error| format!("--api-key-file: {} cannot be read: {error}", path.display()))?,
        (None, None) => return Ok(None),
    };
    Ok(Some(text.trim().to_owned()))
}

/// Takes every file handle that the system allows (a thousand slow clients must not lock the others out), and has a limit on the size of
/// files be an error of a write instead of the end of the process.
#[cfg(unix)]
fn prepare_process() {
    use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
    use tokio::signal::unix::{SignalKind, signal};
    let handles = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: handles.maximum, maximum: handles.maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    // A signal that has a listener no longer ends the process; nobody needs to hear it.
    if let Err(error) = signal(SignalKind::from_raw(Signal::XFSZ.as_raw())) {
        tracing::warn!(%error, "a limit on the size of files would end the process");
    }
}

#[cfg(not(unix))]
fn prepare_process() {}

/// The one line a supervisor or a script waits for.
fn announce(address: SocketAddr) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to stop serving.
    drop(writeln!(out, "listening on http://{address}").and_then(|()| out.flush()));
}

#[cfg(unix)]
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be watched; Ctrl-C still stops the server");
            drop(tokio::signal::ctrl_c().await);
        }
    }
}

#[cfg(not(unix))]
pub(super) async fn stop_signal() {
    drop(tokio::signal::ctrl_c().await);
}

pub(super) fn usage(fault: &str) -> ExitCode {
    drop(writeln!(std::io::stderr(), "trainyard: {fault}"));
    ExitCode::from(2)
}

pub(super) fn failed(fault: &str) -> ExitCode {
    drop(writeln!(std::io::stderr(), "trainyard: {fault}"));
    ExitCode::FAILURE
}
