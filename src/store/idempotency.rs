//! Idempotency keys: the first answer to a key, for as long as the key is kept.
use super::*;

/// Names a client's key within its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who and what: the principal, the method and the route.
    pub scope: String,
    /// The key as sent.
    pub key: String,
}

/// Holds an answer to give again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers worth repeating: `Location`, `Content-Type`, …
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Tells what is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyBegin {
    /// Nothing: the key is now taken; answer, then call `idempotency_finish` or `idempotency_forget`.
    Fresh,
    /// The first answer.
    Replay(Answer),
    /// The first request made this resource, and the process died before it could answer: answer from the resource.
    Made(String),
    /// The first request is still under way.
    UnderWay,
    /// The key came with another body.
    OtherBody,
}

impl Store {
    /// Takes a key, or tells what became of it. `fingerprint` is a digest of the request's body and query.
    pub async fn idempotency_begin(
        &self,
        _key: &IdempotencyKey,
        _fingerprint: &str,
    ) -> Result<IdempotencyBegin, StoreError> {
        unimplemented!()
    }
    /// Keeps the answer.
    pub async fn idempotency_finish(&self, _key: &IdempotencyKey, _answer: Answer) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Frees a key whose request changed nothing (a fault of the server, a cut connection).
    pub async fn idempotency_forget(&self, _key: &IdempotencyKey) -> Result<(), StoreError> {
        unimplemented!()
    }
}
