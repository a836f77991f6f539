//! Predictions of a body without an end: read, predicted and answered chunk by chunk, in bounded memory.
//!
//! A thread reads records out of the body as it arrives and predicts those that are there whenever it would have to wait for
//! more, so that an answer never waits for a chunk to fill.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::input::{Matched, cell};
use super::output::Layout;
use super::{OnError, PredictParams};
use crate::api::extract::body_problem;
use crate::api::models::Model;
use crate::api::places::Place;
use crate::api::problem::{Problem, shortened};
use crate::data::Cell;

/// Records predicted together.
const ROWS: usize = 512;
/// One record is no longer than this.
const LONGEST_RECORD: usize = 4 << 20;
/// Chunks of an answer that wait for the client.
const WAITING_CHUNKS: usize = 64;
/// A client that reads nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stream is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Ndjson,
}

/// Answers a stream in kind. A missing column is told before the first byte; a bad row in its place.
pub(super) async fn answer(
    model: Arc<Model>,
    params: PredictParams,
    kind: Kind,
    body: Body,
    place: Place,
) -> Result<Response, Problem> {
    let (frames, incoming) = mpsc::channel(8);
    tokio::spawn(pump(body, frames));
    let (chunks, outgoing) = mpsc::channel(WAITING_CHUNKS);
    let (begin, begun) = oneshot::channel();
    let runtime = Handle::current();
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let _entered = span.entered();
        let out = Out { runtime, chunks, begin: Some(begin) };
        run(model, &params, kind, Incoming { frames: incoming, current: Bytes::new() }, out);
    });
    let warnings = begun.await.map_err(|_| Problem::internal("a stream of predictions ended before it began"))??;
    let content_type = match kind {
        Kind::Csv => "text/csv; charset=utf-8; header=present",
        Kind::Ndjson => "application/x-ndjson",
    };
    let mut response =
        ([(CONTENT_TYPE, content_type)], Body::from_stream(ReceiverStream::new(outgoing))).into_response();
    let ascii: String =
        warnings.join("; ").chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    if !ascii.is_empty()
        && let Ok(value) = HeaderValue::from_str(&ascii)
    {
        response.headers_mut().insert(HeaderName::from_static("x-warning"), value);
    }
    Ok(response)
}

/// Hands the body's bytes to the thread, as fast as it takes them.
async fn pump(mut body: Body, frames: mpsc::Sender<Result<Bytes, Problem>>) {
    while let Some(frame) = body.frame().await {
        let bytes = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => {
                // The thread may be gone already.
                drop(frames.send(Err(body_problem(error.into(), u64::MAX))).await);
                return;
            }
        };
        if frames.send(Ok(bytes)).await.is_err() {
            return;
        }
    }
}

/// The body as the thread reads it.
struct Incoming {
    frames: mpsc::Receiver<Result<Bytes, Problem>>,
    current: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() {
            match self.frames.blocking_recv() {
                Some(Ok(bytes)) => self.current = bytes,
                Some(Err(problem)) => return Err(io::Error::other(problem.detail().to_owned())),
                None => return Ok(0),
            }
        }
        let n = self.current.len().min(into.len());
        self.current.copy_to_slice(into.get_mut(..n).unwrap_or_default());
        Ok(n)
    }
}

/// The answer as the thread writes it.
struct Out {
    runtime: Handle,
    chunks: mpsc::Sender<Result<Bytes, io::Error>>,
    begin: Option<oneshot::Sender<Result<Vec<String>, Problem>>>,
}

impl Out {
    /// Lets the answer begin, or refuses it.
    fn begin(&mut self, how: Result<Vec<String>, Problem>) {
        if let Some(begin) = self.begin.take() {
            // A client that has gone needs no answer.
            drop(begin.send(how));
        }
    }

    /// Sends a chunk; an error means that nobody reads any more.
    fn send(&self, chunk: Vec<u8>) -> io::Result<()> {
        let sent = self.runtime.block_on(tokio::time::timeout(PATIENCE, self.chunks.send(Ok(chunk.into()))));
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Cuts the answer off, so that the client does not take it for whole.
    fn abort(&self, error: io::Error) {
        drop(self.runtime.block_on(tokio::time::timeout(PATIENCE, self.chunks.send(Err(error)))));
    }
}

/// A record that was read: its cells, or why it is none.
struct Record {
    cells: Result<Vec<Value>, String>,
    included: Vec<Value>,
}

/// What is read but not yet predicted, and where the predictions go.
struct Session<'a> {
    model: &'a Model,
    layout: Layout,
    kind: Kind,
    stop_on_error: bool,
    waiting: Vec<Record>,
    row: u64,
    stopped: bool,
    out: Out,
}

fn run(model: Arc<Model>, params: &PredictParams, kind: Kind, incoming: Incoming, out: Out) {
    let session = Rc::new(RefCell::new(Session {
        model: &model,
        layout: Layout::new(&model.predictor, params.include.clone()),
        kind,
        stop_on_error: params.on_error == OnError::Stop,
        waiting: Vec::new(),
        row: 0,
        stopped: false,
        out,
    }));
    let source = Eager { incoming, session: session.clone(), since_newline: 0 };
    let reader = BufReader::with_capacity(64 << 10, source);
    let outcome = match kind {
        Kind::Csv => read_csv(reader, &session, params),
        Kind::Ndjson => read_ndjson(reader, &session, params),
    };
    let outcome = outcome.and_then(|()| session.borrow_mut().flush());
    if let Err(error) = outcome {
        let mut session = session.borrow_mut();
        session.out.begin(Err(Problem::new(super::Kind::Malformed, format!("the body could not be read: {error}"))));
        session.out.abort(error);
    }
}

/// Reads the body, and before it would wait has predicted what was read so far.
struct Eager<'a> {
    incoming: Incoming,
    session: Rc<RefCell<Session<'a>>>,
    since_newline: usize,
}

impl Read for Eager<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.incoming.current.has_remaining() {
            self.session.borrow_mut().flush()?;
        }
        let n = self.incoming.read(into)?;
        let fresh = into.get(..n).unwrap_or_default();
        self.since_newline = match fresh.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => n - at,
            None => self.since_newline + n,
        };
        if self.since_newline > LONGEST_RECORD {
            return Err(io::Error::other(format!("a line is longer than {LONGEST_RECORD} bytes")));
        }
        Ok(n)
    }
}

impl Session<'_> {
    fn push(&mut self, record: Record) -> io::Result<()> {
        self.waiting.push(record);
        if self.waiting.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    /// Predicts and sends what waits.
    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() || self.stopped {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let good: Vec<&Vec<Value>> = waiting.iter().filter_map(|record| record.cells.as_ref().ok()).collect();
        let raw = self.kind == Kind::Csv;
        let cells: Vec<Cell<'_>> =
            good.iter().flat_map(|row| row.iter().map(move |value| as_cell(value, raw))).collect();
        let predicted = self.model.predictor.predict_cells(&cells);
        let mut chunk = Chunk::new(self.kind);
        let mut at = 0;
        for record in &waiting {
            let error = match &record.cells {
                Err(detail) => Some(detail.clone()),
                Ok(_) => {
                    let faults = predicted.faults.iter().filter(|fault| fault.row == at);
                    let told: Vec<String> =
                        faults.map(|fault| format!("column {}: {}", fault.column, fault.detail)).collect();
                    (!told.is_empty()).then(|| told.join("; "))
                }
            };
            match &error {
                None => chunk.row(&self.layout, &predicted, at, self.row, &record.included)?,
                Some(error) => chunk.error(&self.layout, self.row, &record.included, error)?,
            }
            at += usize::from(record.cells.is_ok());
            self.row += 1;
            if error.is_some() && self.stop_on_error {
                self.stopped = true;
                break;
            }
        }
        self.out.send(chunk.bytes()?)
    }
}

/// CSV cells are characters of unknown meaning; JSON values say what they are.
fn as_cell(value: &Value, raw: bool) -> Cell<'_> {
    match value {
        Value::String(text) if raw => Cell::Raw(text),
        other => cell(other).unwrap_or(Cell::Missing),
    }
}

/// Rows of an answer in the making.
enum Chunk {
    Csv(Box<csv::Writer<Vec<u8>>>),
    Lines(Vec<u8>),
}

impl Chunk {
    fn new(kind: Kind) -> Chunk {
        match kind {
            Kind::Csv => Chunk::Csv(Box::new(csv::Writer::from_writer(Vec::new()))),
            Kind::Ndjson => Chunk::Lines(Vec::new()),
        }
    }

    fn row(
        &mut self,
        layout: &Layout,
        predicted: &crate::predict::Predictions,
        at: usize,
        row: u64,
        included: &Vec<Value>,
    ) -> io::Result<()> {
        match self {
            Chunk::Csv(writer) => {
                writer.write_record(layout.csv(predicted, at, row, Some(included))).map_err(io::Error::other)
            }
            Chunk::Lines(bytes) => line(bytes, &layout.json(predicted, at, row, Some(included))),
        }
    }

    fn error(&mut self, layout: &Layout, row: u64, included: &Vec<Value>, error: &str) -> io::Result<()> {
        match self {
            Chunk::Csv(writer) => {
                writer.write_record(layout.csv_error(row, Some(included), error)).map_err(io::Error::other)
            }
            Chunk::Lines(bytes) => line(bytes, &layout.json_error(row, Some(included), error)),
        }
    }

    fn bytes(self) -> io::Result<Vec<u8>> {
        match self {
            Chunk::Csv(writer) => writer.into_inner().map_err(|error| io::Error::other(error.to_string())),
            Chunk::Lines(bytes) => Ok(bytes),
        }
    }
}

fn line(bytes: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *bytes, value)?;
    bytes.write_all(b"\n")
}

/// Reads CSV with a header; the delimiter is told from the header line.
fn read_csv(mut reader: impl BufRead, session: &Rc<RefCell<Session<'_>>>, params: &PredictParams) -> io::Result<()> {
    let delimiter = delimiter(&mut reader)?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(reader);
    let header = reader.byte_headers().map_err(into_io)?.clone();
    let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let header: Vec<&str> = names.iter().map(String::as_str).collect();
    let Some(matched) = begin(session, &header, params) else { return Ok(()) };
    let titles = session.borrow().layout.header().to_vec();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(titles).map_err(into_io)?;
    session.borrow().out.send(writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?)?;
    let mut record = csv::ByteRecord::new();
    while !session.borrow().stopped && reader.read_byte_record(&mut record).map_err(into_io)? {
        let take = |places: &[usize]| -> Result<Vec<Value>, String> {
            places.iter().map(|at| utf8(record.get(*at).unwrap_or_default())).collect()
        };
        let cells = if record.len() == names.len() {
            take(&matched.inputs)
        } else {
            Err(format!("the row has {} cells, the header {}", record.len(), names.len()))
        };
        let included = take(&matched.included).unwrap_or_else(|_| vec![Value::Null; matched.included.len()]);
        session.borrow_mut().push(Record { cells, included })?;
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<Value, String> {
    std::str::from_utf8(bytes).map(|text| Value::String(text.to_owned())).map_err(|_| "a cell is not UTF-8".to_owned())
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Skips a byte order mark and finds the character that divides the first line most often.
fn delimiter(reader: &mut impl BufRead) -> io::Result<u8> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let buffered = reader.fill_buf()?;
    let first = buffered.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| first.iter().filter(|byte| **byte == delimiter).count();
    Ok([b',', b';', b'\t', b'|'].into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b','))
}

/// Matches the columns and lets the answer begin; `None` when it was refused.
fn begin(session: &Rc<RefCell<Session<'_>>>, header: &[&str], params: &PredictParams) -> Option<Matched> {
    let mut session = session.borrow_mut();
    match Matched::new(session.model, header, &params.include) {
        Ok(matched) => {
            session.out.begin(Ok(matched.warnings.clone()));
            Some(matched)
        }
        Err(problem) => {
            session.out.begin(Err(problem));
            None
        }
    }
}

/// Reads a JSON object a line; the first one tells the columns.
fn read_ndjson(mut reader: impl BufRead, session: &Rc<RefCell<Session<'_>>>, params: &PredictParams) -> io::Result<()> {
    let mut text = Vec::new();
    let mut begun = false;
    loop {
        text.clear();
        if session.borrow().stopped || reader.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed: Result<Value, String> = serde_json::from_slice(&text).map_err(|error| format!("not JSON: {error}"));
        if !begun && let Ok(Value::Object(fields)) = &parsed {
            let header: Vec<&str> = fields.keys().map(String::as_str).collect();
            begun = true;
            if begin(session, &header, params).is_none() {
                return Ok(());
            }
        }
        let record = object(parsed, session.borrow().model, params);
        session.borrow_mut().push(record)?;
        if !begun {
            // Nothing but rubbish so far: the rows say so one by one.
            begun = true;
            session.borrow_mut().out.begin(Ok(Vec::new()));
        }
    }
    session.borrow_mut().out.begin(Ok(Vec::new()));
    Ok(())
}

fn object(parsed: Result<Value, String>, model: &Model, params: &PredictParams) -> Record {
    let fields = match parsed {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Record { cells: Err("the line is not a JSON object".to_owned()), included: Vec::new() },
        Err(error) => return Record { cells: Err(shortened(&error)), included: Vec::new() },
    };
    let included = params.include.iter().map(|name| fields.get(name).cloned().unwrap_or_default()).collect();
    let take = |name: &str| match fields.get(name) {
        Some(value) if cell(value).is_some() => Ok(value.clone()),
        Some(_) => Err(format!("column {name}: must be a number, a text, true, false or null")),
        None => Err(format!("the input column `{name}` is missing; null stands for no value")),
    };
    let cells = model.predictor.encoder().input_columns().into_iter().map(take).collect();
    Record { cells, included }
}
