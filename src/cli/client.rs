//! A small blocking HTTP client for commands: JSON in, JSON out, and a problem document becomes an error that reads well.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

/// Longer than the longest `?wait=` that is asked for.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Asks one server.
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    key: Option<String>,
}

/// Something as last seen, with the tag that asks for the next change.
pub(super) struct Seen {
    pub(super) job: Value,
    tag: Option<String>,
}

/// An answer that is a problem: its status, and what it says.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    said: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Refusal {}

impl Client {
    /// Asks the server at an address of this machine.
    pub(super) fn new(address: SocketAddr) -> Client {
        Client::at(format!("http://{address}"), None)
    }

    /// Asks the server at `base`, with a key where it wants one.
    pub(super) fn at(base: String, key: Option<String>) -> Client {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(TIMEOUT)).build();
        Client { agent: config.into(), base, key }
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.with_key(self.agent.get(self.url(path))).call();
        read(&format!("GET {path}"), answer)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.with_key(self.agent.post(self.url(path))).send_json(body);
        read(&format!("POST {path}"), answer)
    }

    /// Sends a file as it is; however long it takes, as long as something moves.
    pub(super) fn upload(&self, path: &str, file: std::fs::File) -> anyhow::Result<Value> {
        let request = self.with_key(self.agent.post(self.url(path))).config().timeout_global(None).build();
        read(&format!("POST {path}"), request.send(file))
    }

    /// Gives a document that is no JSON.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        let mut answer = self.with_key(self.agent.get(self.url(path))).call().with_context(|| format!("GET {path}"))?;
        if !answer.status().is_success() {
            return read(&format!("GET {path}"), Ok(answer)).map(|_| String::new());
        }
        answer.body_mut().with_config().limit(256 << 20).read_to_string().with_context(|| format!("GET {path}"))
    }

    /// The job now, or at its next change after `seen`; the server answers a wait without a change with 304.
    pub(super) fn next(&self, id: &str, seen: Option<Seen>) -> anyhow::Result<Seen> {
        self.change(&format!("/v1/jobs/{id}"), seen)
    }

    /// What is at `path` now, or at its next change after `seen`.
    pub(super) fn change(&self, path: &str, seen: Option<Seen>) -> anyhow::Result<Seen> {
        let Some(seen) = seen else { return self.look(path, None) };
        self.look(&format!("{path}?wait=30"), Some(seen))
    }

    fn look(&self, path: &str, seen: Option<Seen>) -> anyhow::Result<Seen> {
        let mut request = self.with_key(self.agent.get(self.url(path)));
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

    fn with_key<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
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
        let places = body["errors"].as_array().into_iter().flatten().filter_map(|fault| {
            Some(format!("\n  {} {}", fault["pointer"].as_str().unwrap_or(""), fault["detail"].as_str()?))
        });
        let said = format!("{request} was answered {status}: {detail}{}", places.collect::<String>());
        return Err(Refusal { status: status.as_u16(), said }.into());
    }
    Ok(body)
}
