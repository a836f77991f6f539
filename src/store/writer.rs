//! The one writer.
use super::*;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) struct Writer {}

/// Waits for the commit of a command that is already queued; dropped, the command is done all the same.
pub struct Pending<T> {
    receiver: tokio::sync::oneshot::Receiver<Result<T, StoreError>>,
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(|reply| reply.unwrap_or(Err(StoreError::Closed)))
    }
}
