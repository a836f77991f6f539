//! Answers that need not be sent again, and downloads in parts: `ETag`, `If-None-Match`, `Range`.

use std::io::SeekFrom;
use std::path::Path;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::problem::{Kind, Problem};

/// Whether the client already has what `tag` stands for (RFC 9110, 13.1.2: weak comparison).
pub(crate) fn has(headers: &HeaderMap, tag: &str) -> bool {
    listed(headers.get_all(IF_NONE_MATCH).iter(), |theirs| opaque(theirs) == opaque(tag))
}

/// Refuses with `412` when `If-Match` names another version.
pub(crate) fn require_match(headers: &HeaderMap, tag: &str) -> Result<(), Problem> {
    if !headers.contains_key(IF_MATCH)
        || listed(headers.get_all(IF_MATCH).iter(), |theirs| opaque(theirs) == opaque(tag))
    {
        return Ok(());
    }
    Err(Problem::new(Kind::Precondition, format!("the present version is {tag}")))
}

fn listed<'a>(values: impl Iterator<Item = &'a HeaderValue>, same: impl Fn(&str) -> bool) -> bool {
    let mut tags = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.any(|tag| tag.trim() == "*" || same(tag.trim()))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// `304` with the tag.
pub(crate) fn not_modified(tag: &str) -> Response {
    tagged(StatusCode::NOT_MODIFIED.into_response(), tag)
}

/// Adds the tag to an answer.
pub(crate) fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// A file to download: what it is called, what is in it, and the digest that its tag is.
pub(crate) struct Download<'a> {
    pub(crate) file_name: String,
    pub(crate) content_type: &'static str,
    pub(crate) sha256: &'a str,
    pub(crate) length: u64,
}

impl Download<'_> {
    /// Answers from memory.
    pub(crate) fn bytes(&self, method: &Method, headers: &HeaderMap, bytes: Bytes) -> Result<Response, Problem> {
        let part = match self.part(headers)? {
            Part::Known => return Ok(not_modified(&self.tag())),
            Part::Whole => 0..self.length,
            Part::Range(range) => range,
        };
        let slice = bytes.slice(part.start as usize..part.end as usize);
        let body = if method == Method::HEAD { Body::empty() } else { Body::from(slice) };
        Ok(self.answer(part, body))
    }

    /// Answers from a file, as the client takes it.
    pub(crate) async fn file(&self, method: &Method, headers: &HeaderMap, path: &Path) -> Result<Response, Problem> {
        let part = match self.part(headers)? {
            Part::Known => return Ok(not_modified(&self.tag())),
            Part::Whole => 0..self.length,
            Part::Range(range) => range,
        };
        if method == Method::HEAD {
            return Ok(self.answer(part, Body::empty()));
        }
        let mut file = tokio::fs::File::open(path).await.map_err(Problem::internal)?;
        file.seek(SeekFrom::Start(part.start)).await.map_err(Problem::internal)?;
        let stream = ReaderStream::with_capacity(file.take(part.end - part.start), 256 << 10);
        Ok(self.answer(part, Body::from_stream(stream)))
    }

    fn tag(&self) -> String {
        format!("\"{}\"", self.sha256)
    }

    fn part(&self, headers: &HeaderMap) -> Result<Part, Problem> {
        if has(headers, &self.tag()) {
            return Ok(Part::Known);
        }
        let stale = headers.get(IF_RANGE).is_some_and(|tag| tag.as_bytes() != self.tag().as_bytes());
        match headers.get(RANGE).and_then(|range| range.to_str().ok()).filter(|_| !stale) {
            None => Ok(Part::Whole),
            Some(text) => match range(text, self.length) {
                Wanted::Whole => Ok(Part::Whole),
                Wanted::Range(range) => Ok(Part::Range(range)),
                Wanted::Outside => {
                    let problem = Problem::new(Kind::Range, format!("the file has {} bytes", self.length));
                    let length =
                        HeaderValue::from_str(&format!("bytes */{}", self.length)).map_err(Problem::internal)?;
                    Err(problem.header(CONTENT_RANGE, length))
                }
            },
        }
    }

    fn answer(&self, part: std::ops::Range<u64>, body: Body) -> Response {
        let whole = part == (0..self.length);
        let mut response = Response::new(body);
        *response.status_mut() = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if !whole
            && let Ok(range) = HeaderValue::from_str(&format!("bytes {}-{}/{}", part.start, part.end - 1, self.length))
        {
            headers.insert(CONTENT_RANGE, range);
        }
        if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", self.file_name)) {
            headers.insert(CONTENT_DISPOSITION, name);
        }
        tagged(response, &self.tag())
    }
}

enum Part {
    Known,
    Whole,
    Range(std::ops::Range<u64>),
}

#[derive(Debug, PartialEq)]
enum Wanted {
    Whole,
    Range(std::ops::Range<u64>),
    Outside,
}

/// One range is served; several, or what is no range at all, get the whole (RFC 9110, 14.2 allows both).
fn range(text: &str, length: u64) -> Wanted {
    let Some(spec) = text.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else { return Wanted::Whole };
    let bounds = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, length),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => {
            if suffix == 0 {
                return Wanted::Outside;
            }
            (length.saturating_sub(suffix), length)
        }
        _ => return Wanted::Whole,
    };
    if bounds.0 >= length { Wanted::Outside } else { Wanted::Range(bounds.0..bounds.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_file_or_lies_outside() {
        assert_eq!(range("bytes=0-3", 10), Wanted::Range(0..4));
        assert_eq!(range("bytes=4-", 10), Wanted::Range(4..10));
        assert_eq!(range("bytes=-3", 10), Wanted::Range(7..10));
        assert_eq!(range("bytes=-30", 10), Wanted::Range(0..10));
        assert_eq!(range("bytes=5-99", 10), Wanted::Range(5..10));
        assert_eq!(range("bytes=10-", 10), Wanted::Outside);
        assert_eq!(range("bytes=0-0", 0), Wanted::Outside);
        assert_eq!(range("bytes=-0", 10), Wanted::Outside);
        assert_eq!(range("bytes=0-1,4-5", 10), Wanted::Whole);
        assert_eq!(range("rows=1-2", 10), Wanted::Whole);
    }

    #[test]
    fn tags_are_compared_weakly() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"a\", W/\"b\""));
        assert!(has(&headers, "W/\"a\"") && has(&headers, "\"b\"") && !has(&headers, "\"c\""));
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        assert!(has(&headers, "\"c\""));
    }
}
