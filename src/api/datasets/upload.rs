//! How a dataset comes to be: bytes received, parsed and profiled on a blocking thread, then one durable row.

use std::fs::File;

use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::wire::{self, DatasetBody};
use crate::api::App;
use crate::api::conditional;
use crate::api::extract::{FromParams, Params, Query};
use crate::api::idempotency::Idempotency;
use crate::api::problem::{Fault, Kind, Problem, ProblemBody};
use crate::api::upload::{Received, receive};
use crate::data::csv::{self, ParseOptions};
use crate::data::formats;
use crate::data::profile::{self, Profile};
use crate::data::{DataError, Rows, Storage};
use crate::id::Name;
use crate::store::{Ahead, Dataset, DatasetPut, IdempotencyKey, NewDataset, Staged, Store, StoreError, StoredProfile};

/// What to call the file and how to read it; what is not said is detected.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadParams {
    /// The name by which specs can speak of it.
    #[param(required = false, pattern = "[A-Za-z0-9._-]{1,64}", example = "iris")]
    name: Option<String>,
    /// The character between cells.
    #[param(required = false, example = ";")]
    delimiter: Option<String>,
    /// Lines that begin with this mark are left out.
    #[param(required = false, example = "#")]
    comment: Option<String>,
    /// Whether the first row holds the names.
    #[param(required = false)]
    header: Option<String>,
    /// The texts that mean "no value", separated by commas.
    #[param(required = false, example = "NA,?")]
    null: Option<String>,
    /// The decimal mark, `.` or `,`.
    #[param(required = false)]
    decimal: Option<String>,
    /// `utf-8`, `utf-16le`, `utf-16be`, `latin-1` or `windows-1252`.
    #[param(required = false)]
    encoding: Option<String>,
    /// Kinds of columns that you know better: `zip:categorical,id:identifier`.
    #[param(required = false)]
    kinds: Option<String>,
}

impl FromParams for UploadParams {
    fn read(params: &mut Params) -> UploadParams {
        UploadParams {
            name: params.text("name"),
            delimiter: params.text("delimiter"),
            comment: params.text("comment"),
            header: params.text("header"),
            null: params.text("null"),
            decimal: params.text("decimal"),
            encoding: params.text("encoding"),
            kinds: params.text("kinds"),
        }
    }
}

impl UploadParams {
    /// A form's fields stand beside the query's; the query wins.
    fn adopt(&mut self, fields: &[(String, String)]) -> Result<(), Problem> {
        let mut faults = Vec::new();
        for (name, value) in fields {
            let slot = match name.as_str() {
                "name" => &mut self.name,
                "delimiter" => &mut self.delimiter,
                "comment" => &mut self.comment,
                "header" => &mut self.header,
                "null" => &mut self.null,
                "decimal" => &mut self.decimal,
                "encoding" => &mut self.encoding,
                "kinds" => &mut self.kinds,
                _ => {
                    faults.push(Fault::parameter(name, "is not a field of this form"));
                    continue;
                }
            };
            slot.get_or_insert_with(|| value.clone());
        }
        if faults.is_empty() { Ok(()) } else { Err(Problem::faults(Kind::Malformed, faults)) }
    }

    fn options(&self) -> Result<ParseOptions, Problem> {
        let named = [
            ("delimiter", &self.delimiter),
            ("comment", &self.comment),
            ("header", &self.header),
            ("null", &self.null),
            ("decimal", &self.decimal),
            ("encoding", &self.encoding),
            ("kinds", &self.kinds),
        ];
        let pairs = named.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        ParseOptions::parse(pairs).map_err(|faults| DataError::Options(faults).into())
    }
}

fn parse_name(text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|error: crate::id::ParseError| {
        Problem::faults(Kind::Malformed, vec![Fault::parameter("name", error.to_string())])
    })
}

/// Uploads a file: any body (`curl --data-binary @iris.csv`) or a form (`-F file=@iris.csv`).
///
/// The bytes decide what it is: CSV with any delimiter, NDJSON, a JSON array of objects, Parquet or Arrow IPC; text also packed with
/// gzip or zstd, and in UTF-8, UTF-16 or Latin-1.
/// The same bytes with the same options again give the same dataset.
#[utoipa::path(post, path = "/v1/datasets", tag = "datasets", params(UploadParams,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    request_body(content = String, content_type = "text/csv", description = "The file itself, of any content type, or a form with a `file`",
        example = "sepal_length,species\n5.1,setosa\n"),
    responses((status = 201, description = "The dataset", body = DatasetBody),
              (status = 200, description = "The same bytes were there already", body = DatasetBody),
              (status = 409, description = "The name is taken", body = ProblemBody, content_type = "application/problem+json"),
              (status = 413, description = "The file is too large", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The file is not a table", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(app): State<App>,
    Query(mut params): Query<UploadParams>,
    idempotency: Idempotency,
    request: Request,
) -> Result<Response, Problem> {
    let received = receive(&app, request).await?;
    params.adopt(&received.fields)?;
    let from_file = received.file_name.as_deref().and_then(name_of_file);
    let name = params.name.as_deref().map(parse_name).transpose()?.or(from_file);
    let options = params.options()?;
    let (sha256, key) = (received.file.sha256().to_owned(), idempotency.key());
    let plan = Import { name, options, move_name: false, idempotency: key };
    let work = import_and_answer(app.clone(), received, plan);
    let app_again = app.clone();
    idempotency
        .answer(&app, sha256.as_bytes(), work, async move |id| {
            Ok(answer(&DatasetPut { dataset: app_again.store().dataset_get(&id).await?, created: true }))
        })
        .await
}

/// Uploads a file under a name (`curl -T iris.csv`), or moves the name to new bytes; the old dataset keeps its id.
#[utoipa::path(put, path = "/v1/datasets/{dataset}", tag = "datasets",
    params(("dataset" = String, Path, description = "The name", example = "iris"), UploadParams),
    request_body(content = String, content_type = "text/csv", description = "The file itself, of any content type"),
    responses((status = 201, description = "The new dataset", body = DatasetBody),
              (status = 200, description = "The same bytes were there already", body = DatasetBody),
              (status = 413, description = "The file is too large", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The file is not a table", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(mut params): Query<UploadParams>,
    request: Request,
) -> Result<Response, Problem> {
    let name = parse_name(&name)?;
    let received = receive(&app, request).await?;
    params.adopt(&received.fields)?;
    let plan = Import { name: Some(name), options: params.options()?, move_name: true, idempotency: None };
    import_and_answer(app, received, plan).await
}

/// `iris.csv` becomes `iris`.
fn name_of_file(file_name: &str) -> Option<Name> {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or("");
    let stem = last.split_once('.').map_or(last, |(stem, _)| stem);
    Name::from_loose(if stem.is_empty() { last } else { stem })
}

/// What is to become of bytes.
struct Import {
    name: Option<Name>,
    options: ParseOptions,
    move_name: bool,
    idempotency: Option<IdempotencyKey>,
}

async fn import_and_answer(app: App, received: Received, plan: Import) -> Result<Response, Problem> {
    Ok(answer(&import(&app, received.file, plan).await?))
}

pub(crate) fn answer(put: &DatasetPut) -> Response {
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    let body = wire::body(&put.dataset);
    let mut response = (status, axum::Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/datasets/{}", put.dataset.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    conditional::tagged(response, &wire::tag(&put.dataset))
}

/// Turns staged bytes into a dataset; bytes that are already one are not parsed again.
async fn import(app: &App, original: Staged, plan: Import) -> Result<DatasetPut, Problem> {
    let identity: Value = serde_json::from_str(&plan.options.canonical()).map_err(Problem::internal)?;
    if let Some(known) = app.store().dataset_find(original.sha256(), &identity).await?
        && leads_to(app, plan.name.as_ref(), &known).await
    {
        return Ok(DatasetPut { dataset: known, created: false });
    }
    let store = app.store().clone();
    let mut plan = plan;
    plan.options.limits.unpacked_bytes = app.limits().upload_bytes;
    let new = app.blocking(move || read(&store, original, plan, identity)).await?;
    Ok(app.store().dataset_insert(new).await?)
}

/// Whether nothing is left to do for this name.
async fn leads_to(app: &App, name: Option<&Name>, known: &Dataset) -> bool {
    match name {
        None => true,
        Some(name) => app.store().dataset_get(name.as_str()).await.is_ok_and(|dataset| dataset.id == known.id),
    }
}

/// What can go wrong between a file and its table.
enum ReadError {
    Data(DataError),
    Store(StoreError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> ReadError {
        ReadError::Store(error)
    }
}

impl From<DataError> for ReadError {
    fn from(error: DataError) -> ReadError {
        ReadError::Data(error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::Data(error) => error.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}

/// Parses into the table's file, profiles it there and stages it (blocking).
fn read(store: &Store, original: Staged, plan: Import, identity: Value) -> Result<NewDataset, Problem> {
    let input = original.open()?;
    let mut made = None;
    let table = store.file_stage(|file: &mut File, ahead: &mut Ahead| -> Result<(), ReadError> {
        let storage = Storage::file(file.try_clone().map_err(DataError::Io)?)?;
        let (mut table, found) = formats::build(input, &plan.options, storage)?;
        // All columns are written: they go to the disk while they are looked at.
        let (profiled, went) = std::thread::scope(|scope| {
            let going = scope.spawn(|| ahead.go());
            (profile::profile(&table), going.join())
        });
        let (profile, equal) = profiled?;
        went.unwrap_or_else(|_| Err(std::io::Error::other("a thread ended early"))).map_err(DataError::Io)?;
        // Of very many rows only a share was looked at: a split then looks itself.
        table.close((equal.share == 1).then_some(equal.sets.as_slice()))?;
        made = Some((table.rows() as u64, table.names().len() as u64, profile, found));
        Ok(())
    })?;
    let (rows, columns, profile, found) = made.ok_or_else(|| Problem::internal("a table without contents"))?;
    Ok(NewDataset {
        name: plan.name,
        format: found.format,
        identity,
        options: found.options,
        rows,
        columns,
        profile: StoredProfile::of(&profile).map_err(Problem::internal)?,
        original,
        table,
        move_name: plan.move_name,
        idempotency: plan.idempotency,
    })
}

/// Makes a dataset of bytes that come with the binary.
///
/// Its name may be taken by something else of the user's: then it stays nameless, and is found by its digest.
pub(crate) async fn install(
    app: &App,
    name: Option<&str>,
    bytes: &[u8],
    key: Option<IdempotencyKey>,
) -> Result<DatasetPut, Problem> {
    let wanted = name.map(str::parse::<Name>).transpose().map_err(Problem::internal)?;
    let mut upload = app.store().upload_begin().await?;
    upload.write(bytes).await?;
    let staged = upload.finish().await?;
    let plan = Import { name: wanted, options: ParseOptions::default(), move_name: false, idempotency: key };
    import(app, staged, plan).await
}

/// Reads a bundled file without keeping anything of it: its number of rows and its profile (blocking).
pub(crate) fn profile_of(bytes: &[u8]) -> Result<(u64, Profile), Problem> {
    let (table, _) = csv::build(bytes, &ParseOptions::default(), Storage::memory(Vec::new()))?;
    Ok((table.rows() as u64, profile::profile(&table)?.0))
}

/// The dataset that a spec's `sample:NAME` means, installed if it is not.
pub(crate) async fn sample(app: &App, drawn: crate::data::samples::Drawn) -> Result<Dataset, Problem> {
    let identity: Value = serde_json::from_str(&ParseOptions::default().canonical()).map_err(Problem::internal)?;
    let name = drawn.name();
    let csv = app.blocking(move || Ok(drawn.csv())).await?;
    let digest = super::sha256_hex(&csv);
    if let Some(known) = app.store().dataset_find(&digest, &identity).await? {
        return Ok(known);
    }
    match install(app, name.as_deref(), &csv, None).await {
        Ok(put) => Ok(put.dataset),
        Err(problem) if problem.kind() == Kind::NameTaken => {
            let mut upload = app.store().upload_begin().await?;
            upload.write(&csv).await?;
            let staged = upload.finish().await?;
            let plan = Import { name: None, options: ParseOptions::default(), move_name: false, idempotency: None };
            Ok(import(app, staged, plan).await?.dataset)
        }
        Err(problem) => Err(problem),
    }
}

/// One line for the list of samples.
pub(crate) fn sample_body(sample: &'static crate::data::samples::Sample) -> Value {
    json!({
        "name": sample.name,
        "description": sample.description,
        "target": sample.target,
        "source": sample.source,
        "licence": sample.licence,
        "rows": sample.rows,
        "parameters": sample.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "bytes": sample.csv().len(),
    })
}

fn parameter(parameter: &crate::data::samples::Parameter) -> Value {
    let number = |x: f64| if parameter.whole { Value::from(x as u64) } else { Value::from(x) };
    json!({
        "name": parameter.name,
        "kind": if parameter.whole { "integer" } else { "number" },
        "default": number(parameter.default),
        "minimum": number(parameter.least),
        "maximum": number(parameter.most),
        "help": parameter.help,
    })
}
