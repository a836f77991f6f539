//! Counts the bytes of a body as they arrive, and reads away what a refused client still sends, within bounds, so that it
//! gets to read the refusal.
//!
//! A connection that closes with unread bytes is reset, and the reset can overtake the answer. A client that asked with
//! `Expect: 100-continue` and got no leave sends nothing; from it nothing is read, for reading would give leave.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

/// At most this much is read away.
const MOST_BYTES: usize = 4 << 20;
/// And for no longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// How many bytes of the body have arrived, before unpacking.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrived(Arc<AtomicU64>);

impl Arrived {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers, then reads away what an error left of the body.
pub(super) async fn refused_bodies(request: Request, next: Next) -> Response {
    let asked_leave = request.headers().contains_key(EXPECT);
    let (mut parts, body) = request.into_parts();
    let arrived = Arrived::default();
    parts.extensions.insert(arrived.clone());
    let shared = Arc::new(Mutex::new(Taken { body, began: false, arrived }));
    let response = next.run(Request::from_parts(parts, Body::new(Lent(shared.clone())))).await;
    let refused = response.status().is_client_error() || response.status().is_server_error();
    let began = lock(&shared).began;
    if refused && (began || !asked_leave) {
        // What does not come in time is not waited for.
        drop(tokio::time::timeout(LONGEST, discard(Lent(shared))).await);
    }
    response
}

async fn discard(mut body: Lent) {
    let mut left = MOST_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// A body that the handler reads and that is still here afterwards.
struct Taken {
    body: Body,
    began: bool,
    arrived: Arrived,
}

struct Lent(Arc<Mutex<Taken>>);

fn lock(shared: &Mutex<Taken>) -> std::sync::MutexGuard<'_, Taken> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut taken = lock(&self.0);
        taken.began = true;
        let polled = Pin::new(&mut taken.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            taken.arrived.0.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).body.size_hint()
    }
}
