//! The connection loop: HTTP/1.1 with a time-out on headers, and a drain.
//!
//! `axum::serve` cannot set the header time-out, and hyper switches it off when no timer is given; so the loop is here.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::StartError;
use super::places::Peer;
use super::stall::Patient;
use crate::worker;

/// A client gets this long to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing of its answer for so long is let go.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many clients may have come before they are accepted; the system has a bound of its own. Whom this one turns away tries
/// again only after a second, and the usual 128 turn away a burst of a thousand.
const BACKLOG: u32 = 4096;
/// After a failed accept (no file handles left) the loop rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Binds the listening socket.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted server takes its port at once; on Windows the option would let a second server take it too.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| StartError::Bind { address, source })
}

/// Accepts and answers until `stop`, then lets open answers and running jobs end for at most `drain`.
pub(super) async fn run(
    listener: TcpListener,
    router: axum::Router,
    stop: impl Future<Output = ()>,
    draining: CancellationToken,
    workers: &worker::Handle,
    drain: Duration,
) {
    let connections = TaskTracker::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(answer(stream, Peer(Some(peer.ip())), router.clone(), draining.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
        }
    }
    drop(listener);
    tracing::info!(running = workers.running(), "draining");
    draining.cancel();
    connections.close();
    let ended = async {
        tokio::join!(workers.drain(), connections.wait());
    };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            running = workers.running(),
            "the drain time is over; what is open is cut"
        );
        workers.let_go().await;
    }
}

/// Serves one connection; after `draining` it ends with the answer that is under way.
async fn answer(stream: TcpStream, peer: Peer, router: axum::Router, draining: CancellationToken) {
    // Small answers must not wait for Nagle's algorithm; a socket that refuses the option still works.
    drop(stream.set_nodelay(true));
    let service = TowerToHyperService::new(router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    }));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}
