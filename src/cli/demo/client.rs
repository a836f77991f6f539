//! A small blocking HTTP client for the demo: JSON in, JSON out, and a problem document becomes an error that reads well.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// Longer than the longest `?wait=` that the demo uses.
const TIMEOUT: Duration = Duration::from_secs(90);

pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
}

/// A job as last seen, with the tag that asks for the next change.
pub(super) struct Seen {
    pub(super) job: Value,
    tag: Option<String>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Client {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(TIMEOUT)).build();
        Client { agent: config.into(), base: format!("http://{address}") }
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.agent.get(self.url(path)).call();
        read(&format!("GET {path}"), answer)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.agent.post(self.url(path)).send_json(body);
        read(&format!("POST {path}"), answer)
    }

    /// The job now, or at its next change after `seen`; the server answers a wait without a change with 304.
    pub(super) fn next(&self, id: &str, seen: Option<Seen>) -> anyhow::Result<Seen> {
        let Some(seen) = seen else { return self.look(&format!("/v1/jobs/{id}"), None) };
        self.look(&format!("/v1/jobs/{id}?wait=30"), Some(seen))
    }

    fn look(&self, path: &str, seen: Option<Seen>) -> anyhow::Result<Seen> {
        let mut request = self.agent.get(self.url(path));
        if let Some(tag) = seen.as_ref().and_then(|seen| seen.tag.as_ref()) {
            request = request.header("if-none-match", tag);
        }
        let answer = request.call();
        if let (Ok(answer), Some(seen)) = (&answer, seen)
            && answer.status() == 304
        {
            return Ok(seen);
        }
        let tag = answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.headers().get("etag"))
            .and_then(|tag| tag.to_str().ok())
            .map(str::to_owned);
        Ok(Seen { job: read(&format!("GET {path}"), answer)?, tag })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn read(request: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Value> {
    let mut answer = answer.with_context(|| request.to_owned())?;
    let status = answer.status();
    let body: Value = answer.body_mut().read_json().with_context(|| format!("{request}: the answer is not JSON"))?;
    if !status.is_success() {
        let detail = body["detail"].as_str().or(body["title"].as_str()).unwrap_or("no reason given");
        bail!("{request} was answered {status}: {detail}");
    }
    Ok(body)
}
