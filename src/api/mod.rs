//! HTTP in, HTTP out: one file a resource, one error map, one OpenAPI document.
//!
//! A handler extracts, authorises, calls and replies. Not here: what a spec means (`spec`), what is kept (`store`), how a
//! network learns (`train`), what the dashboard looks like (`ui`).

#![allow(unused_qualifications, reason = "utoipa's macros write out whole paths")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

mod app;
mod autotrain;
mod checks;
mod compare;
mod conditional;
mod config;
mod datasets;
mod diagnosis;
mod drain;
mod edge;
mod error;
mod evaluation;
mod extract;
mod guard;
mod idempotency;
mod jobs;
mod list;
mod listener;
mod models;
mod openapi;
mod operating;
mod page;
mod places;
mod predictions;
mod problem;
mod report;
mod router;
mod samples;
mod specs;
mod stall;
mod time;
mod upload;
mod weights;

use crate::store::Store;
use crate::worker;
use app::App;
pub use config::{ApiKey, Config, Limits, StartError};

/// The store gets so long to write what is queued when everything else has ended.
const CLOSING: Duration = Duration::from_secs(3);

/// Serves HTTP until `stop` resolves, then drains: no new connection, running jobs write a checkpoint, answers end.
///
/// `ready` is told the bound address once requests are answered.
///
/// # Errors
/// The configuration is unsafe (no key beyond loopback), the address or the data directory is taken or not usable.
pub async fn serve(
    config: Config,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    config.refuse_exposure()?;
    let draining = CancellationToken::new();
    // The address first: a server that cannot listen must not take the jobs of the one that does.
    let listener = listener::bind(config.listen)?;
    let store = Store::open(&config.data_dir).await?;
    store.keep_free(config.limits.keep_free_bytes);
    let workers = worker::Pool::start(
        store.clone(),
        worker::Config { workers: config.workers, memory_bytes: config.limits.memory_bytes },
    );
    let tidying = tokio::spawn(worker::tidy_up(store.clone(), config.retention));
    let app = App::new(&config, store.clone(), workers.clone(), draining.clone());
    let router = router::build(&app, &config)?;
    let address = listener.local_addr().map_err(|source| StartError::Bind { address: config.listen, source })?;
    ready(address);
    listener::run(listener, router, stop, draining, &workers, config.drain).await;
    tidying.abort();
    // Whoever still reads after the drain time must not keep the process from ending.
    if tokio::time::timeout(CLOSING, store.close()).await.is_err() {
        tracing::warn!("the store did not close in time");
    }
    Ok(())
}
