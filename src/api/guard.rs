//! Who may ask: the key, the host names that this server answers for, and the origins whose pages may write.
//!
//! [`key`] wraps every route of the API and its fallback, so a new route cannot be forgotten; [`host_and_origin`] wraps
//! the page and the health routes too.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::App;
use super::problem::{Kind, Problem, shortened};

/// Lets a request through that carries the server's key, or any when the server has none.
pub(super) async fn key(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let refusal = match (app.api_key(), bearer(request.headers())) {
        (None, _) => return Ok(next.run(request).await),
        (Some(key), Some(sent)) if key.matches(sent) => return Ok(next.run(request).await),
        (Some(_), Some(_)) => "this key is not the server's",
        (Some(_), None) => "send the server's key as `Authorization: Bearer KEY`",
    };
    let challenge = HeaderValue::from_static("Bearer realm=\"trainyard\"");
    Err(Problem::new(Kind::Unauthorized, refusal).header(WWW_AUTHENTICATE, challenge))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// Refuses host names that are not this server's (DNS rebinding), whatever the method, and writes by foreign pages.
pub(super) async fn host_and_origin(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let host = host_of(&request);
    let refusal = if !app.hosts().allow(host.as_ref()) {
        let name = host.as_ref().map_or("none", |host| host.as_str());
        Some(Problem::new(
            Kind::ForbiddenHost,
            format!("this server does not answer for the host `{}`", shortened(name)),
        ))
    } else if is_write(request.method()) && !origin_may_write(request.headers(), host.as_ref(), app.cors_origins()) {
        Some(Problem::new(Kind::ForbiddenOrigin, "a page of another origin may not change anything here"))
    } else {
        None
    };
    match refusal {
        None => Ok(next.run(request).await),
        Some(problem) => Err(problem),
    }
}

fn host_of(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    request.headers().get(HOST)?.to_str().ok()?.parse().ok()
}

fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// No origin means no browser page; the own origin and the listed ones may write.
fn origin_may_write(headers: &HeaderMap, host: Option<&Authority>, listed: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if listed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.zip(host).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host.as_str()))
}

/// The host names that requests may name.
#[derive(Debug)]
pub(super) struct Hosts {
    /// `None`: any, since a foreign page does not have the key.
    names: Option<Vec<String>>,
}

impl Hosts {
    /// Loopback's names, the listening address and `listed`; with a key and nothing listed, any.
    pub(super) fn new(listen: std::net::IpAddr, listed: &[String], with_key: bool) -> Hosts {
        if with_key && listed.is_empty() {
            return Hosts { names: None };
        }
        let own = match listen {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let fixed = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let names = listed.iter().map(|name| name.to_ascii_lowercase()).chain(fixed).chain([own]);
        Hosts { names: Some(names.collect()) }
    }

    fn allow(&self, host: Option<&Authority>) -> bool {
        match (&self.names, host) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(names), Some(host)) => names.contains(&host.host().to_ascii_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Option<Authority> {
        text.parse().ok()
    }

    #[test]
    fn without_a_key_only_loopback_names_are_served() {
        let hosts = Hosts::new([127, 0, 0, 1].into(), &[], false);
        assert!(hosts.allow(authority("localhost:8080").as_ref()));
        assert!(hosts.allow(authority("127.0.0.1:1").as_ref()));
        assert!(hosts.allow(authority("[::1]:8080").as_ref()));
        assert!(!hosts.allow(authority("evil.example:8080").as_ref()));
        assert!(!hosts.allow(authority("localhost.evil.example").as_ref()));
        assert!(!hosts.allow(None));
    }

    #[test]
    fn a_foreign_origin_may_not_write() {
        let host = authority("localhost:8080");
        let with = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            origin_may_write(&headers, host.as_ref(), &["https://lab.example".to_owned()])
        };
        assert!(origin_may_write(&HeaderMap::new(), host.as_ref(), &[]));
        assert!(with("http://localhost:8080"));
        assert!(with("https://lab.example"));
        assert!(!with("http://localhost:9090"));
        assert!(!with("https://evil.example"));
        assert!(!with("null"));
    }
}
