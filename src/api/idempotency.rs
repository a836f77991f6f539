//! `Idempotency-Key` on creating requests: the same key and body get the first answer again, across restarts too.
//!
//! The work runs on a task of its own, so that a client that hangs up cannot leave a key half used. Only what was made is
//! kept; a refusal changed nothing, and its key is free again, however the work ended.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::App;
use super::problem::{Kind, Problem};
use crate::store::{Answer, IdempotencyBegin, IdempotencyKey};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key of a creating request, if it has one, with what it is bound to.
#[derive(Debug, Clone)]
pub(crate) struct Idempotency {
    key: Option<IdempotencyKey>,
    query: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let key = match parts.headers.get(IDEMPOTENCY_KEY) {
            None => None,
            Some(value) => {
                let key = value.to_str().ok().map(str::trim).filter(|key| (1..=255).contains(&key.len()));
                let fault = || Problem::new(Kind::Malformed, "Idempotency-Key must be 1 to 255 printable characters");
                let scope = format!("{} {}", parts.method, parts.uri.path());
                Some(IdempotencyKey { scope, key: key.ok_or_else(fault)?.to_owned() })
            }
        };
        Ok(Idempotency { key, query: parts.uri.query().unwrap_or("").to_owned() })
    }
}

impl Idempotency {
    /// The key, to be noted in the transaction that makes the resource.
    pub(crate) fn key(&self) -> Option<IdempotencyKey> {
        self.key.clone()
    }

    /// Gives the first answer again, or makes one: `make` does the work, `made` answers for a resource (named by its id) that a
    /// former process made without having had the time to answer. `body` is what the request is known again by.
    pub(crate) async fn answer<Make, Made>(
        self,
        app: &App,
        body: &[u8],
        make: Make,
        made: impl FnOnce(String) -> Made,
    ) -> Result<Response, Problem>
    where
        Make: Future<Output = Result<Response, Problem>> + Send + 'static,
        Made: Future<Output = Result<Response, Problem>>,
    {
        let Some(key) = self.key else { return make.await };
        let fingerprint = fingerprint(&self.query, body);
        match app.store().idempotency_begin(&key, &fingerprint).await? {
            IdempotencyBegin::Replay(answer) => Ok(replayed(answer)),
            IdempotencyBegin::Made(id) => mark_replayed(made(id).await?),
            IdempotencyBegin::UnderWay => {
                Err(Problem::new(Kind::InProgress, "the first request with this key has no answer yet").retry_after(1))
            }
            IdempotencyBegin::OtherBody => {
                Err(Problem::new(Kind::KeyReused, "this Idempotency-Key came with another body or query before"))
            }
            IdempotencyBegin::Fresh => {
                let taken = Taken { app: app.clone(), key };
                let work = tokio::spawn(finish(taken, make));
                work.await.map_err(Problem::internal)?
            }
        }
    }
}

fn fingerprint(query: &str, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(query.as_bytes());
    digest.update([0]);
    digest.update(body);
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key that is under way for as long as this lives.
struct Taken {
    app: App,
    key: IdempotencyKey,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.app.store().idempotency_release(&self.key);
    }
}

/// Does the work, then keeps its answer.
async fn finish(taken: Taken, make: impl Future<Output = Result<Response, Problem>>) -> Result<Response, Problem> {
    let response = make.await?;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(Problem::internal)?.to_bytes();
    let answer = Answer { status: parts.status.as_u16(), headers: worth_keeping(&parts.headers), body: body.to_vec() };
    // What was made is there, and its key names it: without this answer a repeated request is answered from the resource.
    if let Err(error) = taken.app.store().idempotency_finish(&taken.key, answer).await {
        tracing::warn!(%error, "the answer to an idempotency key could not be kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn worth_keeping(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = [CONTENT_TYPE, LOCATION, ETAG];
    let text = |name: &HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()));
    kept.iter().filter_map(text).collect()
}

fn replayed(answer: Answer) -> Response {
    let mut response = Body::from(answer.body).into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

fn mark_replayed(mut response: Response) -> Result<Response, Problem> {
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
