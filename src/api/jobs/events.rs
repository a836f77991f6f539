//! What happened to a job: as a list, as a live stream of server-sent events, and as a text log.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::feed::{Feed, Form};
use super::job_id;
use crate::api::App;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::list::{self, PageParams};
use crate::api::places::{Peer, Place};
use crate::api::problem::{Fault, Kind, Problem, ProblemBody};
use crate::api::time;
use crate::id::JobId;
use crate::store::{EventFilter, EventRow, Level};

/// A silent stream says this often that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client whose stream broke comes back after this.
const RETRY: Duration = Duration::from_secs(1);
const TYPES: [&str; 6] = ["status", "epoch", "checkpoint", "check", "finding", "log"];

/// Which events.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventParams {
    /// `info`, `warn` or `error` (repeatable).
    #[param(required = false, value_type = Vec<String>)]
    level: Vec<Level>,
    /// `status`, `epoch`, `checkpoint`, `check`, `finding` or `log` (repeatable).
    #[param(required = false, rename = "type")]
    kind: Vec<String>,
    /// `desc` (newest first) or `asc`; a stream is always oldest first.
    #[param(required = false, value_type = Option<String>)]
    order: Order,
}

/// The order of a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

impl FromParams for EventParams {
    fn read(params: &mut Params) -> EventParams {
        let mut level = Vec::new();
        for word in params.list("level") {
            match [Level::Info, Level::Warn, Level::Error].into_iter().find(|level| level.as_str() == word) {
                Some(known) => level.push(known),
                None => params.fault("level", "must be info, warn or error"),
            }
        }
        let kind = params.list("type");
        if kind.iter().any(|word| !TYPES.contains(&word.as_str())) {
            params.fault("type", format!("must be one of {}", TYPES.join(", ")));
        }
        let orders = [("desc", Order::NewestFirst), ("asc", Order::OldestFirst)];
        EventParams { level, kind, order: params.choice("order", &orders).unwrap_or(Order::NewestFirst) }
    }
}

/// Something that happened to a job.
#[derive(ToSchema)]
#[schema(as = Event)]
#[allow(dead_code, reason = "describes the JSON that `wire` makes")]
pub(super) struct EventBody {
    /// Its number within the job, from 1; the `id` of the stream.
    id: u64,
    /// When it happened.
    created_at: String,
    /// `info`, `warn` or `error`.
    level: String,
    /// `status`, `epoch`, `checkpoint`, `check`, `finding` or `log`.
    r#type: String,
    /// A sentence for people.
    message: String,
    /// The same for programs.
    #[schema(value_type = Object)]
    data: Value,
}

/// A page of events.
#[derive(ToSchema)]
#[schema(as = EventPage)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(super) struct EventPageBody {
    data: Vec<EventBody>,
    has_more: bool,
    next_cursor: Option<String>,
}

fn wire(event: &EventRow) -> Value {
    json!({
        "id": event.number,
        "created_at": time::text(event.created_at),
        "level": event.level.as_str(),
        "type": event.kind,
        "message": event.message,
        "data": event.data,
    })
}

/// Gives the events of a job; `Accept: text/event-stream` streams them live.
///
/// A stream resumes after `Last-Event-ID`, has a heartbeat, and ends with `event: end` when the job has finished.
#[utoipa::path(get, path = "/v1/jobs/{job}/events", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), EventParams, PageParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that you have; the stream goes on after it")),
    responses((status = 200, description = "A page of events, or the stream", content(
                  (EventPageBody = "application/json"), (String = "text/event-stream"))),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json"),
              (status = 429, description = "Too many streams are open", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query((wanted, page)): Query<(EventParams, PageParams)>,
    client: Peer,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let filter = EventFilter { level: wanted.level, kind: wanted.kind };
    let after = page.after.as_deref().map(number).transpose()?;
    if wants_stream(&headers) && page.format.is_none() {
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(number).transpose()?;
        return stream(&app, client, id, filter, last.or(after)).await;
    }
    let newest_first = wanted.order == Order::NewestFirst;
    let mut events = app.store().event_list(id, &filter, after, newest_first, page.limit + 1).await?;
    let more = events.len() > page.limit as usize;
    events.truncate(page.limit as usize);
    let next = events.last().filter(|_| more).map(|event| event.number.to_string());
    list::reply(events.iter().map(wire).collect(), next, page.format, &headers, &uri)
}

fn wants_stream(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/event-stream"))
}

fn number(text: &str) -> Result<u64, Problem> {
    let fault = || Problem::faults(Kind::Malformed, vec![Fault::parameter("after", "must be the number of an event")]);
    text.trim().parse().map_err(|_| fault())
}

async fn stream(
    app: &App,
    client: Peer,
    id: JobId,
    filter: EventFilter,
    after: Option<u64>,
) -> Result<Response, Problem> {
    let place = app.streams().take(client)?;
    app.store().job_status(id).await?;
    let feed = Feed::new(app.clone(), id, Form::Sse, filter, after.unwrap_or(0), true);
    let first = Bytes::from(format!(": stream\nretry: {}\n\n", RETRY.as_millis()));
    let state = Streaming { feed, first: Some(first), ended: false, _place: place };
    let bytes = stream::unfold(state, |mut state| async move {
        let bytes = state.next().await?;
        Some((Ok::<_, Infallible>(bytes), state))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    // Whoever compresses asks once more after the end.
    Ok((headers, Body::from_stream(bytes.fuse())).into_response())
}

/// A stream under way. It takes events as its client does: one that does not read holds at most one batch.
struct Streaming {
    feed: Feed,
    first: Option<Bytes>,
    ended: bool,
    _place: Place,
}

impl Streaming {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.ended {
            return None;
        }
        match tokio::time::timeout(HEARTBEAT, self.feed.next()).await {
            Err(_) => Some(Bytes::from_static(b": heartbeat\n\n")),
            Ok(Some(events)) => Some(events),
            Ok(None) => {
                self.ended = true;
                // A server that drains only lets go; the client comes back and resumes.
                let status = self.feed.finished()?;
                Some(format!("event: end\ndata: {}\n\n", json!({"status": status.as_str()})).into())
            }
        }
    }
}

/// An event as a stream has it. JSON has no line break in it.
pub(super) fn sse(event: &EventRow) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.number, event.kind, wire(event))
}

/// Whether the log goes on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// Goes on until the job has finished.
    #[param(required = false, default = false)]
    follow: bool,
}

impl FromParams for LogParams {
    fn read(params: &mut Params) -> LogParams {
        LogParams { follow: params.flag("follow").unwrap_or(false) }
    }
}

/// Gives the log of a job as text: a line an event, the last one `status: succeeded`.
#[utoipa::path(get, path = "/v1/jobs/{job}/log", tag = "jobs",
    params(("job" = String, Path, description = "The job's id"), LogParams),
    responses((status = 200, description = "The log", body = String, content_type = "text/plain"),
              (status = 404, description = "No such job", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn log(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(LogParams { follow }): Query<LogParams>,
    client: Peer,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let place = app.streams().take(client)?;
    app.store().job_status(id).await?;
    let feed = Feed::new(app.clone(), id, Form::Line, EventFilter::default(), 0, follow);
    let lines = stream::unfold(Some((feed, place)), |state| async move {
        let (mut feed, place) = state?;
        match feed.next().await {
            Some(lines) => Some((Ok::<_, Infallible>(lines), Some((feed, place)))),
            None => feed.finished().map(|status| (Ok(format!("status: {status}\n").into()), None)),
        }
    });
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(lines.fuse())).into_response())
}

/// An event as the text log has it.
pub(super) fn line(event: &EventRow) -> String {
    let level = match event.level {
        Level::Info => "",
        Level::Warn => "warning: ",
        Level::Error => "error: ",
    };
    format!("{} {level}{}\n", time::text(event.created_at), event.message.replace('\n', " "))
}
