//! HTTP in, HTTP out: one file a resource, one error map, one OpenAPI document.
//!
//! A handler extracts, authorises, calls and replies. Not here: what a spec means (`spec`), what is kept (`store`), how a
//! network learns (`train`), what the dashboard looks like (`ui`).

use std::net::SocketAddr;

mod config;
mod listener;

pub use config::{ApiKey, Config, Limits, Page, StartError};

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
    let listener = listener::bind(config.listen).await?;
    let address = listener.local_addr().map_err(|source| StartError::Bind { address: config.listen, source })?;
    let router = axum::Router::new()
        .route("/healthz", axum::routing::get(async || "ok\n"))
        .route("/readyz", axum::routing::get(async || "ready\n"))
        .merge(config.page.router);
    ready(address);
    listener::run(listener, router, stop, config.drain).await;
    Ok(())
}
