//! How good a job's model is on a part of its own dataset, or on any other that has the target. What is said of a target stands in
//! `report`, what is drawn in `pictures`, what each column does in `explain`.

mod dependence;
mod explain;
mod folds;
mod pictures;
mod report;

use std::path::PathBuf;
use std::sync::Arc;

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
use crate::data::{Rows, StoredTable, Table, split};
use crate::id::DatasetId;
use crate::score::Resampling;
use crate::spec::{self, ResolvedSpec};
use crate::store::{Dataset, Job, StoreError};
use folds::Folds;

/// The route of evaluations.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get))
        .routes(routes!(pictures::picture))
        .routes(routes!(explain::importance))
        .routes(routes!(explain::dependence))
        .routes(routes!(dependence::picture))
}

/// Rows with the largest losses that an evaluation names, unless it is asked for others.
const WORST: usize = 10;
/// Resamples behind an interval, unless it is asked for others.
const RESAMPLES: usize = 1000;
/// Probabilities held at a time, at most (400 MB): a larger part is looked at by evenly spaced rows.
const MOST_PROBABILITIES: usize = 50_000_000;

/// Which model on which rows.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct EvaluationParams {
    #[param(ignore)]
    on: OnParams,
    /// Rows with the largest losses to name.
    #[param(required = false, default = 10, maximum = 1000)]
    worst: usize,
    /// Resamples behind the intervals; 0 for none.
    #[param(required = false, default = 1000, maximum = 10000)]
    bootstrap: usize,
}

/// Which model on which rows.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
struct OnParams {
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

impl FromParams for OnParams {
    fn read(params: &mut Params) -> OnParams {
        let read = OnParams {
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

impl FromParams for EvaluationParams {
    fn read(params: &mut Params) -> EvaluationParams {
        EvaluationParams {
            on: OnParams::read(params),
            worst: params.number("worst", 0..=1000).unwrap_or(WORST),
            bootstrap: params.number("bootstrap", 0..=10_000).unwrap_or(RESAMPLES),
        }
    }
}

/// Evaluates a job's model.
///
/// Of classes: log loss, accuracy, balanced accuracy, precision, recall and F1 (each class, macro, weighted), ROC-AUC, average
/// precision, Cohen's kappa, Matthews' correlation, Brier loss, top-k, confusion matrix, calibration; of two classes also decisions by
/// threshold. Of numbers, in their own unit: MAE, MSE, RMSE, MAPE, R², median and largest error, bias, quantiles of the residuals.
/// Beside them 95 % intervals, what the majority (or mean) and a linear model on the same encoding reach, and the worst rows.
/// Of a cross-validation every row is predicted by the fold that did not learn from it, and all are judged together; of another dataset
/// by the mean of all folds. `folds` has the
/// mean and standard deviation of each measure over the folds. A measure without a value is `null`, with its reason in `undefined`. Rows count alike, whatever their weights; `loss` is the
/// one that was trained.
#[utoipa::path(get, path = "/v1/jobs/{job}/evaluation", tag = "predictions",
    params(("job" = String, Path, description = "The job's id"), OnParams, EvaluationParams),
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
    let detail = format!("{}.{}", wanted.worst, wanted.bootstrap);
    let found = app.store().job_get(job_id(&job)?).await?;
    if let Some(folds) = Folds::of(&app, &found, &wanted.on).await? {
        let tag = folds.tag(&detail);
        if conditional::has(&headers, &tag) {
            return Ok(conditional::not_modified(&tag));
        }
        let seed = seed(&found);
        let resampling = Resampling { resamples: wanted.bootstrap, seed };
        let body = app.blocking(move || folds.evaluate(report::Wanted { worst: wanted.worst, resampling })).await?;
        return Ok(conditional::tagged(axum::Json(body).into_response(), &tag));
    }
    let question = Question::of(&app, &job, &wanted.on).await?;
    let tag = question.tag(&detail);
    if conditional::has(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    let body = app.blocking(move || evaluate(&question.open()?, wanted.worst, wanted.bootstrap)).await?;
    Ok(conditional::tagged(axum::Json(body).into_response(), &tag))
}

/// What a page about a job says of its model.
pub(super) struct ForPage {
    /// As `GET …/evaluation` gives it.
    pub(super) document: Value,
    /// Titles and SVG documents.
    pub(super) pictures: Vec<(String, String)>,
}

/// Resamples behind an interval on a page.
const RESAMPLES_OF_PAGE: usize = 300;

/// Evaluates a job's best checkpoint for a page, with the pictures that its targets have.
pub(super) async fn for_page(app: &App, job: &Job) -> Result<ForPage, Problem> {
    let on = OnParams { split: None, dataset: None, checkpoint: "best".to_owned() };
    if let Some(folds) = Folds::of(app, job, &on).await? {
        let resampling = Resampling { resamples: RESAMPLES_OF_PAGE, seed: seed(job) };
        let evaluate = move || folds.evaluate(report::Wanted { worst: 0, resampling });
        return Ok(ForPage { document: app.blocking(evaluate).await?, pictures: Vec::new() });
    }
    let question = Question::of(app, &job.id.to_string(), &on).await?;
    app.blocking(move || {
        let opened = question.open()?;
        let document = evaluate(&opened, 0, RESAMPLES_OF_PAGE)?;
        Ok(ForPage { pictures: pictures::of_page(&opened), document })
    })
    .await
}

fn seed(job: &Job) -> u64 {
    job.spec.as_ref().and_then(|spec| spec.get("seed")?.as_u64()).unwrap_or(0)
}

/// Which model is looked at on which rows.
struct Question {
    model: Arc<Model>,
    subject: Subject,
    path: PathBuf,
    seed: u64,
}

impl Question {
    async fn of(app: &App, job: &str, on: &OnParams) -> Result<Question, Problem> {
        let id = job_id(job)?;
        let model = models::load(app, id, &on.checkpoint).await?;
        let job = app.store().job_get(id).await?;
        let subject = match &on.dataset {
            Some(key) => Subject::Whole(app.store().dataset_get(key).await?),
            None => own(app, &job, on.split).await?,
        };
        let seed = seed(&job);
        let path = app.store().dataset_table(subject.dataset());
        Ok(Question { model, subject, path, seed })
    }

    /// What an answer depends on, `detail` beside model and rows.
    fn tag(&self, detail: &str) -> String {
        format!("W/\"{}.{}.{detail}\"", self.model.checkpoint, self.subject.label())
    }

    /// Reads the table and finds the rows (blocking).
    fn open(self) -> Result<Opened, Problem> {
        let table = StoredTable::open(&self.path)?;
        let Chosen { part, rows, train } = chosen(&self.subject, &table)?;
        Ok(Opened { question: self, table, part, rows, train })
    }
}

/// A table and the rows that are looked at.
struct Opened {
    question: Question,
    table: StoredTable,
    part: &'static str,
    rows: Vec<u32>,
    /// The rows that the model learned from, where they are of this table.
    train: Option<Vec<u32>>,
}

impl Opened {
    /// Evenly spaced rows, at most `most`.
    fn some_rows(&self, most: usize) -> Vec<u32> {
        let stride = self.rows.len().div_ceil(most.max(1)).max(1);
        self.rows.iter().copied().step_by(stride).collect()
    }

    /// As many rows as their probabilities fit into memory.
    fn judged_rows(&self) -> Vec<u32> {
        let outputs = self.question.model.predictor.encoder().targets().iter().map(|target| target.outputs());
        self.some_rows(MOST_PROBABILITIES / outputs.sum::<usize>().max(1))
    }
}

/// What is evaluated on.
enum Subject {
    /// All rows of a dataset.
    Whole(Dataset),
    /// All rows of a dataset that validates or tests for the job.
    Own(Dataset, Part),
    /// A part of the job's dataset; `None` takes the first that has rows.
    Part(Dataset, Box<ResolvedSpec>, Option<Part>),
}

impl Subject {
    fn dataset(&self) -> &Dataset {
        match self {
            Subject::Whole(dataset) | Subject::Own(dataset, _) | Subject::Part(dataset, ..) => dataset,
        }
    }

    fn label(&self) -> String {
        match self {
            Subject::Whole(dataset) => dataset.id.to_string(),
            Subject::Own(_, part) => part.name().to_owned(),
            Subject::Part(_, _, part) => part.map_or("any", Part::name).to_owned(),
        }
    }
}

/// The job's own data, split as its spec says.
async fn own(app: &App, job: &Job, part: Option<Part>) -> Result<Subject, Problem> {
    let Material { resolved, dataset, validation, test } = material(app, job).await?;
    match (part, validation, test) {
        (None | Some(Part::Validation), Some(validation), _) => Ok(Subject::Own(validation, Part::Validation)),
        (Some(Part::Test), _, Some(test)) => Ok(Subject::Own(test, Part::Test)),
        // A model that nothing but its test set judges is judged by that.
        (None, None, Some(test)) if !resolved.has_validation() => Ok(Subject::Own(test, Part::Test)),
        _ => Ok(Subject::Part(dataset, Box::new(resolved), part)),
    }
}

/// What a job was made of, as far as it is still there.
pub(super) struct Material {
    pub(super) resolved: ResolvedSpec,
    pub(super) dataset: Dataset,
    /// A dataset of its own that validates.
    pub(super) validation: Option<Dataset>,
    /// A dataset of its own that tests.
    pub(super) test: Option<Dataset>,
}

/// A job's proved spec, its dataset, and those that validate and test for it.
pub(super) async fn material(app: &App, job: &Job) -> Result<Material, Problem> {
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
    let (validation, test) = (other(app, job, "validation").await?, other(app, job, "test").await?);
    schema.validation = validation.as_ref().map(datasets::schema).transpose()?.map(Box::new);
    schema.test = test.as_ref().map(datasets::schema).transpose()?.map(Box::new);
    // How much memory the job took was looked at when it came in.
    let limits = spec::Limits { memory_bytes: u64::MAX, ..spec::Limits::default() };
    let proved = spec::prove(&request, &schema, &limits);
    let resolved = proved.map_err(|_| Problem::internal(format!("the spec of {} no longer holds", job.id)))?;
    Ok(Material { resolved, dataset, validation, test })
}

/// The dataset of its own that a part of the job has, if it has one.
async fn other(app: &App, job: &Job, part: &str) -> Result<Option<Dataset>, Problem> {
    let named = job.spec.as_ref().and_then(|spec| spec.pointer(&format!("/split/{part}/dataset"))?.as_str());
    let Some(key) = named else { return Ok(None) };
    if key.parse::<DatasetId>().is_ok() {
        return Ok(Some(app.store().dataset_get(key).await?));
    }
    // A job of an older program says its name, which may have moved on; a job that validates on its own dataset uses no other.
    let also = app.store().job_also_uses(job.id).await?;
    let id = also.first().copied().unwrap_or(job.dataset.id);
    Ok(Some(app.store().dataset_get(&id.to_string()).await?))
}

/// The name of a part and its rows, and the training rows where the table has them.
struct Chosen {
    part: &'static str,
    rows: Vec<u32>,
    train: Option<Vec<u32>>,
}

fn chosen(subject: &Subject, table: &StoredTable) -> Result<Chosen, Problem> {
    let all = || (0..table.rows() as u32).collect();
    let (part, rows, train): (&str, Vec<u32>, Option<Vec<u32>>) = match subject {
        Subject::Whole(_) => ("dataset", all(), None),
        Subject::Own(_, part) => (part.name(), all(), None),
        Subject::Part(_, resolved, part) => {
            let split = split::split(table, &resolved.split_plan(), resolved.seed())?;
            let train = split.train.clone();
            let parts = [(Part::Validation, split.validation), (Part::Test, split.test), (Part::Train, split.train)];
            let found = parts.into_iter().find(|(name, rows)| part.map_or(!rows.is_empty(), |part| part == *name));
            let (name, rows) = found.map_or(("train", Vec::new()), |(name, rows)| (name.name(), rows));
            (name, rows, Some(train))
        }
    };
    if rows.is_empty() {
        let detail = format!("this job has no {part} rows: its spec gave that part nothing");
        return Err(Problem::faults(Kind::InvalidBody, vec![Fault::parameter("split", detail)]));
    }
    Ok(Chosen { part, rows, train })
}

/// Predicts the rows, and says how good that is (blocking).
fn evaluate(opened: &Opened, worst: usize, resamples: usize) -> Result<Value, Problem> {
    let Opened { question, table, part, rows, train } = opened;
    let predictor = &question.model.predictor;
    let found = predictor.evaluate(table, rows, 1)?;
    let some = opened.judged_rows();
    let judged = predictor.judge(table, &some)?;
    let known = Known::of_rows(table, some.clone())?;
    let linear = match train {
        None => Err("it is only made beside parts of the dataset that the job was trained on"),
        Some(train) => match predictor.linear(table, train, question.seed)? {
            Some(linear) => Ok(linear.judge(table, &some)?),
            None => Err("it is too much work beside an evaluation; fork the job with `hidden_layers` []"),
        },
    };
    let wanted = report::Wanted { worst, resampling: Resampling { resamples, seed: question.seed } };
    let mut targets = Map::new();
    for (place, (judged, task)) in judged.iter().zip(&found.tasks).enumerate() {
        let linear = match &linear {
            Ok(linear) => linear.get(place).ok_or("the linear model has other outputs"),
            Err(reason) => Err(*reason),
        };
        let mut told = report::target(judged, &linear, wanted, &known);
        if let Some(fields) = told.as_object_mut() {
            fields.shift_insert(1, "loss".to_owned(), finite(task.loss));
        }
        targets.insert(judged.name.clone(), told);
    }
    let dataset = question.subject.dataset();
    let mut body = json!({
        "job": question.model.job,
        "checkpoint": question.model.checkpoint,
        "split": part,
        "dataset": {"id": dataset.id, "name": dataset.name},
        "rows": found.rows,
        "loss": finite(found.loss),
        "targets": targets,
    });
    if some.len() < rows.len() {
        body["measured_rows"] = some.len().into();
    }
    Ok(body)
}

/// Identifiers of some rows, by which they are named.
pub(super) struct Known {
    /// Rows of the dataset, ascending.
    rows: Vec<u32>,
    /// Their identifiers.
    table: Table,
}

impl Known {
    /// Reads the identifiers of ascending rows.
    fn of_rows(table: &StoredTable, rows: Vec<u32>) -> Result<Known, Problem> {
        let names: Vec<&str> =
            table.kinds().filter(|(_, kind)| *kind == crate::data::Kind::Identifier).map(|(name, _)| name).collect();
        let table = if names.is_empty() { Table::default() } else { table.load(&names)?.take(&rows) };
        Ok(Known { rows, table })
    }

    /// The identifiers of a row of the dataset.
    fn of(&self, row: u32) -> Map<String, Value> {
        let Ok(at) = self.rows.binary_search(&row) else { return Map::new() };
        self.table.columns.iter().map(|column| (column.name.clone(), column.cell(at).to_json())).collect()
    }
}

fn finite(value: f64) -> Value {
    if value.is_finite() { value.into() } else { Value::Null }
}
