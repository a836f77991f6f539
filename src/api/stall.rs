//! A client that takes nothing for half a minute is let go: it would hold its connection, its stream's place and a batch of events.
//!
//! hyper waits for ever for a socket that can be written to again; so the bound is here, under it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection whose writes fail when nothing of them could be sent for a while.
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Patient<S> {
        Patient { stream, patience, stalled: None }
    }

    /// Passes on what a write gave, unless it has given nothing for too long.
    fn bounded<T>(&mut self, context: &mut Context<'_>, gave: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if gave.is_ready() {
            self.stalled = None;
            return gave;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let gave = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.bounded(context, gave)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let gave = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.bounded(context, gave)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let gave = Pin::new(&mut this.stream).poll_flush(context);
        this.bounded(context, gave)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let gave = Pin::new(&mut this.stream).poll_shutdown(context);
        this.bounded(context, gave)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_let_go_and_a_slow_one_is_not() {
        let (mut client, server) = duplex(16);
        let mut server = Patient::new(server, Duration::from_secs(60));
        let slow = async {
            let mut taken = [0; 40];
            client.read_exact(&mut taken).await
        };
        let (wrote, took) = tokio::join!(server.write_all(&[1; 40]), slow);
        assert!(wrote.is_ok() && took.is_ok());

        let (_client, server) = duplex(16);
        let mut server = Patient::new(server, Duration::from_millis(20));
        let gave_up = server.write_all(&[1; 40]).await.unwrap_err();
        assert_eq!(gave_up.kind(), io::ErrorKind::TimedOut);
    }
}
