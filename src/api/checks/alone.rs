//! A check that runs alone: of a spec before there is a job, or of a job at its first weights or at a checkpoint.
//!
//! Not here: what a check does (`practice`).

use std::path::PathBuf;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::evaluation;
use crate::api::extract::{JsonBody, Query, nearest};
use crate::api::idempotency::Idempotency;
use crate::api::jobs::job_id;
use crate::api::models;
use crate::api::problem::{Fault, Kind, Problem, ProblemBody, shortened};
use crate::api::specs;
use crate::data::{Encoder, Rows, StoredTable, split, vectors};
use crate::id::JobId;
use crate::practice;
use crate::spec::ResolvedSpec;
use crate::store::{Dataset, IdempotencyKey, NewReport};
use crate::train::checkpoint::decode;
use crate::train::{Start, start_with_vectors};

/// What to check: a spec, or a job.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON that `read` reads")]
pub(super) struct CheckRequest {
    /// `data`, `gradient`, `initial_loss`, `overfit`, `init`, `input_independent` or `lr_range`.
    #[schema(example = "gradient")]
    kind: String,
    /// A job spec; either this or `job`.
    #[schema(value_type = Option<Object>, example = json!({"dataset": "iris", "target": "species"}))]
    spec: Option<Value>,
    /// A job's id.
    job: Option<String>,
    /// A checkpoint of the job, at whose weights to check; the first weights without it.
    checkpoint: Option<String>,
}

/// Runs one check alone and keeps its report.
#[utoipa::path(post, path = "/v1/checks", tag = "checks",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeats of the request get the first answer")),
    request_body(content = CheckRequest, example = json!({"kind": "gradient", "spec": {"dataset": "iris", "target": "species"}})),
    responses((status = 201, description = "The report", body = Value),
              (status = 404, description = "No such job or checkpoint", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "The request or the spec has faults", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(app): State<App>,
    Query(()): Query<()>,
    idempotency: Idempotency,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let wanted = read(&body)?;
    let text = serde_json::to_vec(&body).map_err(Problem::internal)?;
    let again = app.clone();
    let made = async move |id: String| {
        let id = id.parse().map_err(|error| crate::api::error::no_such("check", &id, &error))?;
        answer(&again.store().report_get(id).await?)
    };
    let work = run(app.clone(), wanted, idempotency.key());
    idempotency.answer(&app, &text, work, made).await
}

/// A request that makes sense.
struct Wanted {
    kind: &'static str,
    subject: Subject,
}

enum Subject {
    Spec(Value),
    Job(JobId, Option<String>),
}

fn read(body: &Value) -> Result<Wanted, Problem> {
    let whole = |detail: &str| Problem::faults(Kind::InvalidBody, vec![Fault::at("", detail)]);
    let fields = body.as_object().ok_or_else(|| whole("must be an object with kind, and spec or job"))?;
    let mut faults = Vec::new();
    for field in fields.keys() {
        if !["kind", "spec", "job", "checkpoint"].contains(&field.as_str()) {
            let near = nearest(field, ["kind", "spec", "job", "checkpoint"].into_iter());
            let advice = near
                .map_or("known are kind, spec, job, checkpoint".to_owned(), |near| format!("did you mean `{near}`?"));
            faults.push(Fault::at(format!("/{}", shortened(field)), format!("unknown field; {advice}")));
        }
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let kind = practice::CHECKS.into_iter().find(|kind| text("kind") == Some(kind));
    if kind.is_none() {
        faults.push(Fault::at("/kind", format!("must be one of {}", practice::CHECKS.join(", "))));
    }
    let checkpoint = text("checkpoint").map(str::to_owned);
    let subject = match (fields.get("spec"), text("job")) {
        (Some(spec), None) if checkpoint.is_none() => Some(Subject::Spec(spec.clone())),
        (None, Some(job)) => Some(Subject::Job(job_id(job)?, checkpoint)),
        _ => {
            faults.push(Fault::at("", "give either spec, or job and perhaps checkpoint"));
            None
        }
    };
    match (kind, subject) {
        (Some(kind), Some(subject)) if faults.is_empty() => Ok(Wanted { kind, subject }),
        _ => Err(Problem::faults(Kind::InvalidBody, faults)),
    }
}

/// What a check needs.
struct Material {
    kind: &'static str,
    spec: ResolvedSpec,
    dataset: Dataset,
    /// The tables of datasets of their own that validate and test.
    held_out: Vec<PathBuf>,
    /// The files of word vectors, each with the name of its table.
    vectors: Vec<(String, PathBuf)>,
    checkpoint: Option<Vec<u8>>,
}

async fn run(app: App, wanted: Wanted, key: Option<IdempotencyKey>) -> Result<Response, Problem> {
    let (job, spec, dataset, held_out, checkpoint) = match wanted.subject {
        Subject::Spec(request) => {
            let proved = specs::prove(&app, &request, true).await?;
            (None, proved.spec, specs::stored(proved.dataset)?, proved.others, None)
        }
        Subject::Job(id, key) => {
            let evaluation::Material { resolved: spec, dataset, validation, test } =
                evaluation::material(&app, &app.store().job_get(id).await?).await?;
            let held_out = validation.into_iter().chain(test).collect();
            let bytes = match key {
                Some(key) => Some(models::read(&app, id, &key).await?.1),
                None => None,
            };
            (Some(id), spec, dataset, held_out, bytes)
        }
    };
    let path = app.store().dataset_table(&dataset);
    let held_out = held_out.iter().map(|other| app.store().dataset_table(other)).collect();
    let vectors = vector_files(&app, &spec).await?;
    let material = Material { kind: wanted.kind, spec, dataset, held_out, vectors, checkpoint };
    let report = app.blocking(move || check(&material, &StoredTable::open(&path)?)).await?;
    answer(&app.store().report_put(job, report, key).await?)
}

fn answer(report: &crate::store::Report) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(&format!("/v1/checks/{}", report.id)).map_err(Problem::internal)?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], axum::Json(super::body(report))).into_response())
}

/// Where the word vectors lie that a spec names.
async fn vector_files(app: &App, spec: &ResolvedSpec) -> Result<Vec<(String, PathBuf)>, Problem> {
    let mut files = Vec::new();
    for (table, id) in spec.vectors() {
        let id = id.parse().map_err(|error| crate::api::error::no_such("weights", id, &error))?;
        files.push((table.to_owned(), app.store().weights_file(&app.store().weights_get(id).await?)));
    }
    Ok(files)
}

/// Splits, encodes and checks (blocking).
fn check(material: &Material, table: &StoredTable) -> Result<NewReport, Problem> {
    let Material { kind, spec, held_out: others, vectors, checkpoint, .. } = material;
    let split::Split { train: train_rows, validation: mut held_out, test, .. } =
        split::split(table, &spec.split_plan(), spec.seed())?;
    held_out.extend(test);
    let others = others.iter().map(|path| StoredTable::open(path)).collect::<Result<Vec<StoredTable>, _>>()?;
    let others: Vec<&dyn Rows> = others.iter().map(|other| other as &dyn Rows).collect();
    let vectors = vectors
        .iter()
        .map(|(table, path)| {
            let bytes = std::fs::read(path).map_err(Problem::internal)?;
            Ok((table.clone(), vectors::read::<f64>(&bytes).map_err(Problem::internal)?))
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let checkpoint = checkpoint.as_deref().map(decode).transpose().map_err(Problem::internal)?;
    let encoder = match &checkpoint {
        Some(checkpoint) => Encoder::from_json(&checkpoint.encoder)?,
        None => {
            let mut plan = spec.encoder_plan();
            for (name, vectors) in &vectors {
                let table = plan.tables.iter_mut().find(|table| table.name == *name);
                table.into_iter().for_each(|table| table.words.clone_from(&vectors.words));
            }
            Encoder::fit(table, &plan, &train_rows)?
        }
    };
    let (plan, penalties) = (spec.plan(&encoder, train_rows.len()), spec.penalties());
    let weights = match &checkpoint {
        Some(one) => Some((one.parameters::<f64>(), one.buffers::<f64>())),
        None if vectors.is_empty() => None,
        None => match start_with_vectors(&plan, &encoder, &vectors) {
            Start::Weights { parameters, buffers } => Some((parameters, buffers.unwrap_or_default())),
            _ => None,
        },
    };
    let weights = weights.as_ref().map(|(parameters, buffers)| (parameters.as_slice(), buffers.as_slice()));
    let subject = practice::Subject {
        plan: &plan,
        penalties: &penalties,
        table,
        encoder: &encoder,
        train_rows: &train_rows,
        held_out: practice::HeldOut { rows: &held_out, tables: &others },
        weights,
        stopped: &|| false,
    };
    let found = practice::check(kind, &subject)?.ok_or_else(|| Problem::internal(format!("no check {kind}")))?;
    let mut document = found.document;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("dataset".to_owned(), json!({"id": material.dataset.id, "name": material.dataset.name}));
    }
    Ok(NewReport { kind: (*kind).to_owned(), verdict: found.verdict.name().to_owned(), document })
}
