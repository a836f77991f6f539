//! How good a job's model is on a part of its own dataset, or on any other that has the target.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::conditional;
use super::datasets;
use super::extract::{FromParams, Params, Query};
use super::jobs::job_id;
use super::models::{self, Model};
use super::problem::{Fault, Kind, Problem, ProblemBody};
use crate::data::{Table, split};
use crate::spec::{self, ResolvedSpec};
use crate::store::{Dataset, Job, StoreError};
use crate::train::{Evaluation, TaskEvaluation};

/// The route of evaluations.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// Which model on which rows.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct EvaluationParams {
    /// `validation`, `test` or `train`; without it the first of validation, test and train that has rows.
    #[param(required = false, value_type = Option<String>, example = "test")]
    split: Option<Part>,
    /// Another dataset that has the inputs and the target: all its rows.
    #[param(required = false)]
    dataset: Option<String>,
    /// Id, `best`, `last` or `step-N`.
    #[param(required = false, default = "best")]
    checkpoint: String,
}

/// A part of the job's own dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    const NAMES: [(&'static str, Part); 3] =
        [("validation", Part::Validation), ("test", Part::Test), ("train", Part::Train)];

    fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

impl FromParams for EvaluationParams {
    fn read(params: &mut Params) -> EvaluationParams {
        let read = EvaluationParams {
            split: params.choice("split", &Part::NAMES),
            dataset: params.text("dataset"),
            checkpoint: params.text("checkpoint").unwrap_or_else(|| "best".to_owned()),
        };
        if read.split.is_some() && read.dataset.is_some() {
            params.fault("dataset", "stands for all its rows; it cannot stand beside `split`");
        }
        read
    }
}

/// Evaluates a job's model: loss, accuracy and confusion matrix of each target, or the errors of a regression in its own unit.
#[utoipa::path(get, path = "/v1/jobs/{job}/evaluation", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"), EvaluationParams),
    responses((status = 200, description = "`{\"rows\":30,\"loss\":…,\"targets\":{\"species\":{\"accuracy\":…,\"confusion_matrix\":…}}}`", body = Value),
              (status = 304, description = "The same as before"),
              (status = 404, description = "No such job, checkpoint or dataset", body = ProblemBody, content_type = "application/problem+json"),
              (status = 409, description = "The job has no checkpoint yet", body = ProblemBody, content_type = "application/problem+json"),
              (status = 422, description = "No rows to evaluate on, or the dataset does not fit", body = ProblemBody, content_type = "application/problem+json")))]
async fn get(
    State(app): State<App>,
    Path(job): Path<String>,
    Query(wanted): Query<EvaluationParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&job)?;
    let model = models::load(&app, id, &wanted.checkpoint).await?;
    let job = app.store().job_get(id).await?;
    let subject = match &wanted.dataset {
        Some(key) => Subject::Whole(app.store().dataset_get(key).await?),
        None => own(&app, &job, wanted.split).await?,
    };
    let tag = format!("W/\"{}.{}\"", model.checkpoint, subject.label());
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let path = app.store().dataset_table(subject.dataset());
    let body = app.blocking(move || evaluate(&model, &subject, &Table::open(&path)?)).await?;
    Ok(conditional::tagged(axum::Json(body).into_response(), &tag))
}

/// What is evaluated on.
enum Subject {
    /// All rows of a dataset.
    Whole(Dataset),
    /// All rows of the job's own validation dataset.
    Validation(Dataset),
    /// A part of the job's dataset; `None` takes the first that has rows.
    Part(Dataset, Box<ResolvedSpec>, Option<Part>),
}

impl Subject {
    fn dataset(&self) -> &Dataset {
        match self {
            Subject::Whole(dataset) | Subject::Validation(dataset) | Subject::Part(dataset, ..) => dataset,
        }
    }

    fn label(&self) -> String {
        match self {
            Subject::Whole(dataset) => dataset.id.to_string(),
            Subject::Validation(_) => "validation".to_owned(),
            Subject::Part(_, _, part) => part.map_or("any", Part::name).to_owned(),
        }
    }
}

/// The job's own data, split as its spec says.
async fn own(app: &App, job: &Job, part: Option<Part>) -> Result<Subject, Problem> {
    let (resolved, dataset, validation) = material(app, job).await?;
    match (validation, part) {
        (Some(validation), None | Some(Part::Validation)) => Ok(Subject::Validation(validation)),
        _ => Ok(Subject::Part(dataset, Box::new(resolved), part)),
    }
}

/// A job's proved spec, its dataset, and its validation dataset where it has one of its own.
pub(super) async fn material(app: &App, job: &Job) -> Result<(ResolvedSpec, Dataset, Option<Dataset>), Problem> {
    let dataset = match app.store().dataset_get(&job.dataset.id.to_string()).await {
        Ok(dataset) => dataset,
        Err(StoreError::NotFound { .. }) => {
            return Err(Problem::new(
                Kind::NotFound,
                "the dataset of this job was deleted; `?dataset=` evaluates on another one",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let mut schema = datasets::schema(&dataset)?;
    let request = job.spec.clone().unwrap_or_default();
    let validation = match request.pointer("/split/validation/dataset").is_some() {
        // A job that validates on its own dataset uses no other.
        true => Some(app.store().job_also_uses(job.id).await?.first().copied().unwrap_or(job.dataset.id)),
        false => None,
    };
    let validation = match validation {
        Some(id) => Some(app.store().dataset_get(&id.to_string()).await?),
        None => None,
    };
    if let Some(validation) = &validation {
        schema.validation = Some(Box::new(datasets::schema(validation)?));
    }
    let proved = spec::prove(&request, &schema, &spec::Limits::default());
    let resolved = proved.map_err(|_| Problem::internal(format!("the spec of {} no longer holds", job.id)))?;
    Ok((resolved, dataset, validation))
}

/// Encodes the rows and passes them through the network (blocking).
fn evaluate(model: &Model, subject: &Subject, table: &Table) -> Result<Value, Problem> {
    let all = || (0..table.rows as u32).collect();
    let (part, rows): (&str, Vec<u32>) = match subject {
        Subject::Whole(_) => ("dataset", all()),
        Subject::Validation(_) => ("validation", all()),
        Subject::Part(_, resolved, part) => {
            let split = split::split(table, &resolved.split_plan(), resolved.seed())?;
            let parts = [(Part::Validation, split.validation), (Part::Test, split.test), (Part::Train, split.train)];
            let found = parts.into_iter().find(|(name, rows)| part.map_or(!rows.is_empty(), |part| part == *name));
            found.map_or(("train", Vec::new()), |(name, rows)| (name.name(), rows))
        }
    };
    if rows.is_empty() {
        let detail = format!("this job has no {part} rows: its spec gave that part nothing");
        return Err(Problem::faults(Kind::InvalidBody, vec![Fault::parameter("split", detail)]));
    }
    let found = model.predictor.evaluate(table, &rows, 1)?;
    Ok(body(model, subject, part, &found))
}

fn body(model: &Model, subject: &Subject, part: &str, found: &Evaluation) -> Value {
    let targets: Map<String, Value> = model
        .predictor
        .encoder()
        .targets()
        .iter()
        .zip(&found.tasks)
        .map(|(target, task)| (target.name.clone(), task_body(task, &target.classes)))
        .collect();
    json!({
        "job": model.job,
        "checkpoint": model.checkpoint,
        "split": part,
        "dataset": {"id": subject.dataset().id, "name": subject.dataset().name},
        "rows": found.rows,
        "loss": finite(found.loss),
        "targets": targets,
    })
}

/// What is said of one target; what does not belong to its kind is left out.
fn task_body(task: &TaskEvaluation, classes: &[String]) -> Value {
    let mut fields = Map::new();
    fields.insert("rows".to_owned(), (task.labelled as u64).into());
    fields.insert("loss".to_owned(), finite(task.loss));
    let numbers = [("accuracy", task.accuracy), ("mse", task.mse), ("mae", task.mae), ("r2", task.r2)];
    for (name, value) in numbers {
        if let Some(value) = value {
            fields.insert(name.to_owned(), finite(value));
        }
    }
    if let Some(mse) = task.mse {
        fields.insert("rmse".to_owned(), finite(mse.sqrt()));
    }
    if let Some(matrix) = &task.confusion {
        fields.insert("confusion_matrix".to_owned(), json!({"classes": classes, "matrix": matrix}));
    }
    Value::Object(fields)
}

fn finite(value: f64) -> Value {
    if value.is_finite() { value.into() } else { Value::Null }
}
