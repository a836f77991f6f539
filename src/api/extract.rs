//! What a handler takes from a request: strict query parameters and bounded JSON bodies. Not here: what the values mean.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::App;
use super::problem::{Fault, Kind, Problem, shortened};

/// A body that is read into memory has to come within this time.
const LONGEST_READ: Duration = Duration::from_secs(60);

/// A longer body is parsed on a thread of its own: the others must not wait for it.
const QUICK_JSON: usize = 64 << 10;

/// The query of a request, read parameter by parameter; whatever is left over was misspelt.
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    asked: BTreeSet<&'static str>,
    faults: Vec<Fault>,
}

impl Params {
    fn of(query: &str) -> Params {
        Params { pairs: decode_form(query), asked: BTreeSet::new(), faults: Vec::new() }
    }

    /// Every value of a repeatable parameter; commas separate too.
    pub(crate) fn list(&mut self, name: &'static str) -> Vec<String> {
        let values = self.every(name);
        values.iter().flat_map(|value| value.split(',')).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Every value of a repeatable parameter as it stands.
    pub(crate) fn every(&mut self, name: &'static str) -> Vec<String> {
        self.asked.insert(name);
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// The value of a parameter that stands at most once.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.every(name);
        if values.len() > 1 {
            self.faults.push(Fault::parameter(name, "stands more than once"));
        }
        values.pop()
    }

    /// `true`, `false`, `1`, `0`, or the bare name for true.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.text(name)?.as_str() {
            "true" | "1" | "" => Some(true),
            "false" | "0" => Some(false),
            other => {
                let detail = format!("must be true or false, got `{}`", shortened(other));
                self.faults.push(Fault::parameter(name, detail));
                None
            }
        }
    }

    /// A number within `range`.
    pub(crate) fn number<N>(&mut self, name: &'static str, range: RangeInclusive<N>) -> Option<N>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let text = self.text(name)?;
        match text.parse::<N>() {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                let (least, most) = (range.start(), range.end());
                let detail = format!("must be a number from {least} to {most}, got `{}`", shortened(&text));
                self.faults.push(Fault::parameter(name, detail));
                None
            }
        }
    }

    /// One of the named choices.
    pub(crate) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let detail = format!("must be one of {}, got `{}`", words.join(", "), shortened(&text));
            self.faults.push(Fault::parameter(name, detail));
        }
        found
    }

    /// Adds a fault that a reader found by itself.
    pub(crate) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(Fault::parameter(name, detail));
    }

    fn finish(mut self) -> Result<(), Problem> {
        let mut told = BTreeSet::new();
        for (key, _) in &self.pairs {
            if self.asked.contains(key.as_str()) || !told.insert(key.clone()) {
                continue;
            }
            let detail = match nearest(key, self.asked.iter().copied()) {
                Some(known) => format!("is not a parameter here; did you mean `{known}`?"),
                None if self.asked.is_empty() => "is not a parameter here; there are none".to_owned(),
                None => {
                    let known: Vec<&str> = self.asked.iter().copied().collect();
                    format!("is not a parameter here; known are {}", known.join(", "))
                }
            };
            self.faults.push(Fault::parameter(shortened(key), detail));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::faults(Kind::Malformed, self.faults)) }
    }
}

/// `application/x-www-form-urlencoded` pairs: `+` is a space, `%41` is `A`, broken escapes stay as they are.
fn decode_form(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode(&text.replace('+', " "));
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            pair.split_once('=').map_or((decode(pair), String::new()), |(key, value)| (decode(key), decode(value)))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match escape.filter(|_| byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A set of query parameters.
pub(crate) trait FromParams: Sized {
    /// Reads its parameters; faults collect in `params`.
    fn read(params: &mut Params) -> Self;
}

/// Routes without parameters still refuse unknown ones.
impl FromParams for () {
    fn read(_: &mut Params) -> Self {}
}

impl<A: FromParams, B: FromParams> FromParams for (A, B) {
    fn read(params: &mut Params) -> Self {
        (A::read(params), B::read(params))
    }
}

/// The query of a request, strictly read: an unknown parameter is an error that names the nearest known one.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: FromParams, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(parts.uri.query().unwrap_or(""));
        let value = T::read(&mut params);
        params.finish()?;
        Ok(Query(value))
    }
}

/// A JSON body of any shape, bounded in size and depth, whose content type says that it is JSON.
pub(crate) struct JsonBody(pub(crate) serde_json::Value);

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let bytes = read_body(request, app.limits().json_bytes).await?;
        if bytes.len() <= QUICK_JSON {
            return Ok(JsonBody(parse_json(&bytes)?));
        }
        Ok(JsonBody(app.blocking(move || parse_json(&bytes)).await?))
    }
}

/// Reads a body of at most `limit` bytes, as unpacked.
pub(crate) async fn read_body(request: Request, limit: usize) -> Result<bytes::Bytes, Problem> {
    let length = declared_length(request.headers());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit as u64));
    }
    let reading = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(LONGEST_READ, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(body_problem(error, limit as u64)),
        Err(_) => Err(Problem::new(Kind::Timeout, "the body arrived too slowly")),
    }
}

/// What went wrong while a body arrived.
pub(crate) fn body_problem(error: Box<dyn std::error::Error + Send + Sync>, limit: u64) -> Problem {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(link) = cause {
        if link.is::<LengthLimitError>() {
            return too_large(limit);
        }
        if link.is::<tower_http::timeout::TimeoutError>() {
            return Problem::new(Kind::Timeout, "the body arrived too slowly");
        }
        cause = link.source();
    }
    Problem::new(Kind::Malformed, format!("the body could not be read to its end: {}", shortened(&error.to_string())))
}

pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(Kind::TooLarge, format!("this address takes at most {limit} bytes"))
}

/// The length that the client declared, where the body travels as it is.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Parses JSON in UTF-8, at most 128 levels deep.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<serde_json::Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = if bytes.iter().all(u8::is_ascii_whitespace) {
            "the body is empty; JSON is wanted, `{}` at least".to_owned()
        } else {
            format!("the body is not JSON: {error}")
        };
        Problem::new(Kind::Malformed, detail)
    })
}

/// A browser can send `text/plain` to foreign servers without asking first; it cannot send JSON so.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or(""));
    if kind.is_some_and(is_json) {
        return Ok(());
    }
    let got = kind.map_or("none".to_owned(), |kind| format!("`{}`", shortened(kind)));
    Err(Problem::new(
        Kind::UnsupportedMedia,
        format!("this address takes Content-Type: application/json, got {got}; `curl --json '{{…}}'` sends it"),
    ))
}

/// Whether a content type is JSON: `application/json` or `application/…+json`, with any parameters.
pub(crate) fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(query: &str, read: impl FnOnce(&mut Params) -> T) -> Result<T, String> {
        let mut params = Params::of(query);
        let value = read(&mut params);
        params.finish().map(|()| value).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_misspelt_parameter_names_the_nearest_known_one() {
        let fault = read("dryrun=true", |p| p.flag("dry_run")).unwrap_err();
        assert_eq!(fault, "?dryrun: is not a parameter here; did you mean `dry_run`?");
    }

    #[test]
    fn all_faults_of_a_query_come_at_once() {
        let fault =
            read("limit=0&wait=x", |p| (p.number("limit", 1..=1000), p.number("wait", 0.0..=60.0))).unwrap_err();
        assert_eq!(fault, "?limit: must be a number from 1 to 1000, got `0`; and 1 more");
    }

    #[test]
    fn values_are_decoded_once() {
        assert_eq!(read("name=a%2520b+c", |p| p.text("name")).unwrap().unwrap(), "a%20b c");
        assert_eq!(read("names=loss,val_loss&names=accuracy", |p| p.list("names")).unwrap().len(), 3);
        assert_eq!(read("x=%zz%4", |p| p.text("x")).unwrap().unwrap(), "%zz%4");
    }

    #[test]
    fn json_nested_too_deep_is_malformed_not_a_crash() {
        let deep = "[".repeat(100_000);
        let problem = parse_json(deep.as_bytes()).unwrap_err();
        assert_eq!(problem.kind(), Kind::Malformed);
    }

    #[test]
    fn only_json_counts_as_json() {
        assert!(is_json("application/json; charset=utf-8"));
        assert!(is_json("application/merge-patch+json"));
        assert!(!is_json("text/plain"));
    }
}
