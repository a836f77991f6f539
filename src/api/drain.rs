//! Reads away what a refused client still sends, within bounds, so that it gets to read the refusal.
//!
//! A connection that closes with unread bytes is reset, and the reset can overtake the answer. A client that asked with
//! `Expect: 100-continue` waits for leave and gets none.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::EXPECT;
use http_body_util::BodyExt;

/// At most this much is read away.
const MOST_BYTES: usize = 1 << 20;
/// And for no longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// Reads the body of a refused request away, up to a bound in bytes and time.
pub(super) async fn discard(request: Request) {
    if request.headers().contains_key(EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let mut left = MOST_BYTES;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // What does not come in time is not waited for.
    drop(tokio::time::timeout(LONGEST, reading).await);
}
