//! What every handler shares: the configuration's bounds, the guard's lists, and the way to do blocking work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::Hosts;
use super::jobs::feed::Feeds;
use super::models::Models;
use super::places::Places;
use super::problem::{Kind, Problem};
use super::{ApiKey, Config, Limits};
use crate::store::Store;
use crate::worker;

/// Streams of predictions at the same time; half of them for one client.
const PREDICTION_STREAMS: usize = 128;

/// The server's shared state; a clone is another handle on the same.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    store: Store,
    workers: worker::Handle,
    api_key: Option<ApiKey>,
    hosts: Hosts,
    cors_origins: Vec<String>,
    limits: Limits,
    worker_count: usize,
    started: Instant,
    draining: CancellationToken,
    models: Models,
    /// Bounds the threads that parse, predict and evaluate at the same time.
    blocking: Semaphore,
    /// Bounds the requests that wait for a job.
    waits: Semaphore,
    /// Bounds the open event streams.
    streams: Places,
    /// Bounds the streams of predictions: each holds a thread of those that files are written by, too.
    predicting: Places,
    /// What happens to the jobs that are watched now.
    feeds: Feeds,
}

impl App {
    pub(super) fn new(config: &Config, store: Store, workers: worker::Handle, draining: CancellationToken) -> App {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        App(Arc::new(Inner {
            store,
            workers,
            api_key: config.api_key.clone(),
            hosts: Hosts::new(config.listen.ip(), &config.allowed_hosts, config.api_key.is_some()),
            cors_origins: config.cors_origins.clone(),
            limits: config.limits,
            worker_count: config.workers,
            started: Instant::now(),
            draining,
            models: Models::default(),
            blocking: Semaphore::new(processors.max(2)),
            waits: Semaphore::new(config.limits.waits),
            streams: Places::new(config.limits.streams, config.limits.streams_per_client),
            predicting: Places::new(PREDICTION_STREAMS, PREDICTION_STREAMS / 2),
            feeds: Feeds::default(),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn workers(&self) -> &worker::Handle {
        &self.0.workers
    }

    pub(crate) fn api_key(&self) -> Option<&ApiKey> {
        self.0.api_key.as_ref()
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    pub(crate) fn cors_origins(&self) -> &[String] {
        &self.0.cors_origins
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn models(&self) -> &Models {
        &self.0.models
    }

    pub(crate) fn waits(&self) -> &Semaphore {
        &self.0.waits
    }

    pub(crate) fn streams(&self) -> &Places {
        &self.0.streams
    }

    pub(crate) fn predicting(&self) -> &Places {
        &self.0.predicting
    }

    pub(super) fn feeds(&self) -> &Feeds {
        &self.0.feeds
    }

    pub(crate) fn worker_count(&self) -> usize {
        self.0.worker_count
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Ends when the server begins to drain; streams and waits end with it.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Runs work that would hold the reactor on a thread of its own, a bounded number at a time.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let draining = || Problem::new(Kind::Busy, "the server is draining").retry_after(5);
        let _permit = self.0.blocking.acquire().await.map_err(|_| draining())?;
        let span = tracing::Span::current();
        match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() => Err(draining()),
            Err(error) => Err(Problem::internal(error)),
        }
    }
}
