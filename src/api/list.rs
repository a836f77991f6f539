//! The shape of every list: a page with a cursor, or the same rows as a bare array, CSV or lines.

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::extract::{FromParams, Params};
use super::problem::Problem;

/// How many items a page has when nothing is said.
const DEFAULT_LIMIT: u32 = 50;

/// Which page of a list.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Items on a page.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub(crate) limit: u32,
    /// The `next_cursor` of the page before.
    #[param(required = false)]
    pub(crate) after: Option<String>,
    /// `rows`: a bare array of flat objects; `csv`; `ndjson`; `json`: the usual page. It beats `Accept`.
    #[param(required = false, inline)]
    pub(crate) format: Option<Format>,
}

/// The forms of a list or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Format {
    /// The usual document.
    Json,
    /// A bare JSON array of flat objects.
    Rows,
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

impl Format {
    const NAMES: [(&'static str, Format); 4] =
        [("json", Format::Json), ("rows", Format::Rows), ("csv", Format::Csv), ("ndjson", Format::Ndjson)];

    pub(crate) fn read(params: &mut Params) -> Option<Format> {
        params.choice("format", &Format::NAMES)
    }

    /// What is asked for: `?format=` before `Accept`, the usual document when neither says.
    pub(crate) fn chosen(asked: Option<Format>, headers: &HeaderMap) -> Format {
        asked.unwrap_or_else(|| {
            let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
            match accept.split(',').next().unwrap_or("").split(';').next().unwrap_or("").trim() {
                "text/csv" => Format::Csv,
                "application/x-ndjson" | "application/jsonl" => Format::Ndjson,
                _ => Format::Json,
            }
        })
    }
}

impl FromParams for PageParams {
    fn read(params: &mut Params) -> PageParams {
        PageParams {
            limit: params.number("limit", 1..=1000).unwrap_or(DEFAULT_LIMIT),
            after: params.text("after"),
            format: Format::read(params),
        }
    }
}

/// Answers with one page of a list in the form that was asked for.
pub(crate) fn reply(
    items: Vec<Value>,
    next: Option<String>,
    format: Option<Format>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Problem> {
    let mut response = match Format::chosen(format, headers) {
        Format::Json => axum::Json(json!({
            "data": items,
            "has_more": next.is_some(),
            "next_cursor": next,
        }))
        .into_response(),
        other => table(&items, other)?,
    };
    if let Some(cursor) = &next
        && let Ok(link) = HeaderValue::from_str(&next_link(uri, cursor))
    {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The rows as they are, a JSON value a line.
pub(crate) fn lines(rows: &[Value]) -> Result<Response, Problem> {
    let mut body = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut body, row).map_err(Problem::internal)?;
        body.push(b'\n');
    }
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The rows as a bare array, CSV or lines; nested fields become `best.value`.
pub(crate) fn table(items: &[Value], format: Format) -> Result<Response, Problem> {
    let rows: Vec<Map<String, Value>> = items.iter().map(flat).collect();
    let (kind, body) = match format {
        Format::Json | Format::Rows => ("application/json", serde_json::to_vec(&rows).map_err(Problem::internal)?),
        Format::Csv => ("text/csv; charset=utf-8; header=present", csv_of(&rows)?),
        Format::Ndjson => {
            let mut body = Vec::new();
            for row in &rows {
                serde_json::to_writer(&mut body, row).map_err(Problem::internal)?;
                body.push(b'\n');
            }
            ("application/x-ndjson", body)
        }
    };
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(kind))], Body::from(body)).into_response())
}

fn csv_of(rows: &[Map<String, Value>]) -> Result<Vec<u8>, Problem> {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows {
        for key in row.keys() {
            if !columns.contains(&key.as_str()) {
                columns.push(key);
            }
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    if !columns.is_empty() {
        writer.write_record(&columns).map_err(Problem::internal)?;
    }
    for row in rows {
        let cells = columns.iter().map(|column| row.get(*column).map_or(String::new(), csv_cell));
        writer.write_record(cells).map_err(Problem::internal)?;
    }
    writer.into_inner().map_err(|error| Problem::internal(error.to_string()))
}

/// A JSON value as a CSV cell: text without its quotes, nothing for null.
pub(crate) fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Nested objects become dotted names; arrays stay JSON text.
pub(crate) fn flat(item: &Value) -> Map<String, Value> {
    fn walk(prefix: &str, value: &Value, out: &mut Map<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() || prefix.is_empty() => {
                for (key, inner) in fields {
                    let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&name, inner, out);
                }
            }
            Value::Object(_) => drop(out.insert(prefix.to_owned(), Value::Null)),
            Value::Array(_) => drop(out.insert(prefix.to_owned(), Value::String(value.to_string()))),
            scalar => drop(out.insert(prefix.to_owned(), scalar.clone())),
        }
    }
    let mut out = Map::new();
    walk("", item, &mut out);
    out
}

/// The same address with the cursor in it.
pub(crate) fn next_link(uri: &Uri, cursor: &str) -> String {
    let kept = uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after="));
    let query: Vec<&str> = kept.collect();
    let joined = if query.is_empty() { String::new() } else { format!("{}&", query.join("&")) };
    format!("<{}?{joined}after={}>; rel=\"next\"", uri.path(), escaped(cursor))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_become_dotted_names() {
        let row = flat(&json!({"id": "job_1", "best": {"value": 0.5, "epoch": 3}, "tags": {}, "shape": [1, 2]}));
        assert_eq!(
            Value::Object(row),
            json!({"id": "job_1", "best.value": 0.5, "best.epoch": 3, "tags": null, "shape": "[1,2]"})
        );
    }

    #[test]
    fn csv_has_the_columns_of_all_rows() {
        let rows = [flat(&json!({"a": 1})), flat(&json!({"b": "x,y", "a": null}))];
        assert_eq!(String::from_utf8(csv_of(&rows).unwrap()).unwrap(), "a,b\n1,\n,\"x,y\"\n");
    }

    #[test]
    fn the_link_keeps_the_filters_and_replaces_the_cursor() {
        let uri: Uri = "/v1/jobs?status=running&after=old&limit=2".parse().unwrap();
        assert_eq!(next_link(&uri, "a b"), "</v1/jobs?status=running&limit=2&after=a%20b>; rel=\"next\"");
    }
}
