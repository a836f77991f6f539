//! The JSON of an autotrain run.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::time;
use crate::practice::strategy::{self, Outcome, Plan};
use crate::store::{Autotrain, AutotrainStep};

/// What to do, with what, within which bounds.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the JSON that `spec` reads")]
pub(super) struct AutotrainRequest {
    /// Id or name of a dataset, or `sample:NAME`.
    #[schema(example = "iris")]
    dataset: String,
    /// The column to predict, or a list; either this or `targets`.
    #[schema(value_type = Option<Object>, example = "species")]
    target: Option<Value>,
    /// As in a job.
    #[schema(value_type = Option<Vec<Object>>)]
    targets: Option<Value>,
    /// As in a job.
    #[schema(value_type = Option<Object>)]
    inputs: Option<Value>,
    /// As in a job.
    sample_weight: Option<String>,
    /// `{"jobs":24}` or `{"seconds":600}`.
    #[schema(value_type = Option<Object>, example = json!({"jobs": 24}))]
    budget: Option<Value>,
    /// A share of the rows, `{"dataset":…}`, or false.
    #[schema(value_type = Option<Object>, example = 0.2)]
    test: Option<Value>,
    /// A column whose values stay on one side.
    group: Option<String>,
    /// Parts that validate, 2 to 20.
    folds: Option<u64>,
    /// Everything random follows from it.
    seed: Option<u64>,
    /// A label for people; the job of the model gets it too.
    name: Option<String>,
    /// Of the jobs.
    priority: Option<i64>,
    /// Of the jobs.
    #[schema(value_type = Option<Object>)]
    tags: Option<Value>,
}

/// A run of the whole strategy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Autotrain)]
pub(super) struct AutotrainBody {
    /// Its id.
    #[schema(example = "auto_01a20b4cfb0474edb3e48ff00d88a447")]
    id: String,
    /// A label for people.
    name: Option<String>,
    /// `running`, `cancelling`, `succeeded`, `failed` or `cancelled`.
    #[schema(example = "running")]
    status: &'static str,
    /// The dataset as it was when the run came in.
    #[schema(value_type = Object)]
    dataset: Value,
    /// The version of the program that took it in.
    version: String,
    /// When it came in.
    created_at: String,
    /// When it ended; set exactly then.
    finished_at: Option<String>,
    /// Why it ended, in words.
    stop_reason: Option<String>,
    /// What failed, and what to do.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    /// The job that has the model.
    model: Option<String>,
    /// The model in numbers: `{"recipe","trial","validation":{"loss","standard_error","accuracy"},"test":{"test_loss":…},"trainings","findings":[{"code":"within_noise|best_at_the_border","severity","message","advice"}]}`.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// What was done, and why.
    steps: Vec<StepBody>,
    /// As sent.
    #[schema(value_type = Object)]
    request: Value,
    /// With every default; a valid body of `POST /v1/autotrain`.
    #[schema(value_type = Object)]
    spec: Value,
    /// Where its parts are.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    links: Value,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutotrainStep)]
pub(super) struct StepBody {
    /// 1, 2, …
    number: u64,
    /// `data`, `network`, `overfit`, `range`, `train` or `final`.
    #[schema(example = "train")]
    kind: String,
    /// Of trials: `baseline`, `grow`, `regularise`, `refine`, `combine` or `explore`.
    stage: Option<String>,
    /// In a few words.
    title: String,
    /// Why it was taken, with the numbers that say so.
    reason: String,
    /// The jobs that do it.
    jobs: Vec<String>,
    /// When it began.
    started_at: String,
    /// When it was done; set exactly then.
    finished_at: Option<String>,
    /// What that says.
    conclusion: Option<String>,
    /// What is tried, in words, in the order of `jobs`.
    recipes: Vec<String>,
    /// What came of it: `reports` of checks, `trials` with their numbers, or the `job` of the model and its `test`.
    #[schema(value_type = Option<Object>)]
    outcome: Option<Value>,
}

/// A page of runs.
#[derive(ToSchema)]
#[schema(as = AutotrainPage)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(super) struct AutotrainPageBody {
    /// The runs, newest first, without steps, request and spec.
    #[schema(value_type = Vec<Object>)]
    data: Vec<AutotrainBody>,
    /// Whether there are more.
    has_more: bool,
    /// Goes into `?after=` for the next page.
    next_cursor: Option<String>,
}

/// A run as its clients see it.
pub(super) fn body(run: &Autotrain) -> AutotrainBody {
    let base = format!("/v1/autotrain/{}", run.id);
    let mut links =
        json!({"self": base, "report": format!("{base}/report"), "jobs": format!("/v1/jobs?autotrain={}", run.id)});
    if let Some(model) = run.model {
        links["model"] = format!("/v1/jobs/{model}").into();
        links["predictions"] = format!("/v1/jobs/{model}/predictions").into();
    }
    AutotrainBody {
        id: run.id.to_string(),
        name: run.name.clone(),
        status: run.status.as_str(),
        dataset: json!({"id": run.dataset.id, "name": run.dataset.name, "sha256": run.dataset.sha256}),
        version: run.version.clone(),
        created_at: time::text(run.created_at),
        finished_at: run.finished_at.map(time::text),
        stop_reason: run.stop_reason.clone(),
        error: run.error.clone(),
        model: run.model.map(|job| job.to_string()),
        result: run.result.clone(),
        steps: run.steps.iter().map(step).collect(),
        request: run.request.clone(),
        spec: run.spec.clone(),
        links,
    }
}

fn step(step: &AutotrainStep) -> StepBody {
    let text = |name: &str| step.plan.get(name).and_then(Value::as_str).map(str::to_owned);
    StepBody {
        number: step.number,
        kind: text("kind").unwrap_or_default(),
        stage: text("stage"),
        title: step.title.clone(),
        reason: step.reason.clone(),
        jobs: step.jobs.iter().map(ToString::to_string).collect(),
        started_at: time::text(step.started_at),
        finished_at: step.finished_at.map(time::text),
        conclusion: step.conclusion.clone(),
        recipes: recipes(step),
        outcome: step.outcome.clone(),
    }
}

/// What a step tries, in words.
fn recipes(step: &AutotrainStep) -> Vec<String> {
    match plan(step) {
        Some(Plan::Train { recipes, .. }) => recipes.iter().map(strategy::describe).collect(),
        Some(Plan::Final { recipe }) => vec![strategy::describe(&recipe)],
        _ => Vec::new(),
    }
}

/// A step's plan, if it is one of this version.
pub(super) fn plan(step: &AutotrainStep) -> Option<Plan> {
    serde_json::from_value(step.plan.clone()).ok()
}

/// What came of a step, if it is done.
pub(super) fn outcome(step: &AutotrainStep) -> Option<Outcome> {
    serde_json::from_value(step.outcome.clone()?).ok()
}

/// The tag of a run: it changes with everything that the run has.
pub(super) fn tag(revision: u64) -> String {
    format!("W/\"r{revision}\"")
}
