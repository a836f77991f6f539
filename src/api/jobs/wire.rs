//! A job's JSON.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::time;
use crate::store::{Job, Transition};

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobBody {
    /// Its id.
    #[schema(example = "job_01a20b4cfb0474edb3e48ff00d88a447")]
    id: String,
    /// A label for people.
    name: Option<String>,
    /// `queued`, `running`, `pausing`, `paused`, `cancelling`, `succeeded`, `failed` or `cancelled`.
    #[schema(example = "running")]
    status: &'static str,
    /// How often a worker has taken it.
    attempt: u32,
    /// Higher goes first.
    priority: i32,
    /// The client's labels.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    tags: Value,
    /// The dataset as it was when the job came in.
    dataset: JobDatasetBody,
    /// The version of the program that took the job in.
    version: String,
    /// The version of the arithmetic it is computed with.
    arithmetic_version: u32,
    /// When it came in.
    created_at: String,
    /// When a worker first took it.
    started_at: Option<String>,
    /// When it finished; set exactly then.
    finished_at: Option<String>,
    /// Seconds it waited in the queue.
    queue_seconds: f64,
    /// Seconds it was trained, over all attempts.
    train_seconds: f64,
    /// Jobs that will be taken before it; only while queued.
    queue_position: Option<u64>,
    /// Why it waits although a worker is free.
    queue_reason: Option<String>,
    /// How far it is.
    #[schema(value_type = Option<ProgressBody>)]
    progress: Option<Value>,
    /// The best epoch so far.
    best: Option<BestBody>,
    /// The numbers of the last epoch: `{"epoch":12,"loss":0.35,"val_loss":0.33}`.
    #[schema(value_type = Option<Object>)]
    last: Option<Value>,
    /// `epochs_done`, `early_stopping`, `max_seconds`, `target_reached`, `folds_done`, `cancelled`, `diverged`, `failed_check` or `error`.
    stop_reason: Option<String>,
    /// What failed, where, and what to change.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    /// Parameters of the network.
    parameters: Option<u64>,
    /// Estimate of the memory it needs.
    memory_bytes: Option<u64>,
    /// The job it came from: `{"job","relation","finding","message","patch"}`; `finding` is the code of the finding that led to it.
    #[schema(value_type = Option<Object>)]
    parent: Option<Value>,
    /// Of a cross-validation: `{"count","succeeded","metrics":{"val_loss":{"mean","sd","values"}},"jobs":[{"fold","job","status","epoch","metrics"}]}`, each
    /// fold with the numbers of its best epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    folds: Option<Value>,
    /// What the server noticed when it took the job in.
    #[schema(value_type = Vec<Object>)]
    warnings: Value,
    /// The spec as sent; left out in lists unless `fields` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    request: Option<Value>,
    /// The spec with every default filled in; left out in lists unless `fields` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
    /// How it came to its status; left out in lists unless `fields` names it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transitions: Vec<TransitionBody>,
    /// Where its parts are.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    links: Value,
}

/// The dataset of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobDataset)]
pub(crate) struct JobDatasetBody {
    id: String,
    /// Its name then.
    name: Option<String>,
    /// SHA-256 of its bytes.
    sha256: String,
}

/// The best value of the monitored metric.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Best)]
pub(crate) struct BestBody {
    /// The completed epoch.
    epoch: u64,
    /// The metric's name.
    #[schema(example = "val_loss")]
    metric: String,
    /// Its value.
    value: Option<f64>,
}

/// How far a job is.
#[derive(ToSchema)]
#[schema(as = Progress)]
#[allow(dead_code, reason = "describes the JSON that the worker writes")]
pub(crate) struct ProgressBody {
    /// Completed epochs.
    epoch: u64,
    epochs: u64,
    /// Completed steps.
    step: u64,
    steps: u64,
    /// 0 to 1.
    fraction: f64,
    samples_per_second: Option<f64>,
    eta_seconds: Option<f64>,
    /// Epochs without improvement that early stopping still allows.
    patience_left: Option<u64>,
}

/// One change of status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transition)]
pub(crate) struct TransitionBody {
    /// Before; `null` for the first.
    from: Option<&'static str>,
    /// After.
    to: &'static str,
    /// When.
    at: String,
    /// Why, in words.
    reason: String,
}

/// A page of jobs.
#[derive(ToSchema)]
#[schema(as = JobPage)]
#[allow(dead_code, reason = "describes the JSON of a list")]
pub(crate) struct JobPageBody {
    /// The jobs, newest first unless `sort` says otherwise; each as `Job`, or with `fields` what that names.
    #[schema(value_type = Vec<Object>)]
    data: Vec<JobBody>,
    /// Whether there are more.
    has_more: bool,
    /// Goes into `?after=` for the next page.
    next_cursor: Option<String>,
}

/// A job as its clients see it.
pub(crate) fn body(job: &Job) -> JobBody {
    let id = job.id.to_string();
    JobBody {
        name: job.name.clone(),
        status: job.status.as_str(),
        attempt: job.attempt,
        priority: job.priority,
        tags: json!(job.tags),
        dataset: JobDatasetBody {
            id: job.dataset.id.to_string(),
            name: job.dataset.name.clone(),
            sha256: job.dataset.sha256.clone(),
        },
        version: job.version.clone(),
        arithmetic_version: job.arithmetic_version,
        created_at: time::text(job.created_at),
        started_at: job.started_at.map(time::text),
        finished_at: job.finished_at.map(time::text),
        queue_seconds: job.queue_seconds,
        train_seconds: job.train_seconds,
        queue_position: job.queue_position,
        queue_reason: job.queue_reason.clone(),
        progress: job.progress.clone(),
        best: job.best.as_ref().map(|best| BestBody {
            epoch: best.epoch,
            metric: best.metric.clone(),
            value: best.value.is_finite().then_some(best.value),
        }),
        last: job.last.clone(),
        stop_reason: job.stop_reason.clone(),
        error: job.error.clone(),
        parameters: job.parameters,
        memory_bytes: job.memory_bytes,
        parent: job.parent.clone(),
        folds: (job.members > 0)
            .then(|| job.folds.clone().unwrap_or_else(|| json!({"count": job.members, "succeeded": 0, "jobs": []}))),
        warnings: if job.warnings.is_null() { json!([]) } else { job.warnings.clone() },
        request: job.request.clone(),
        spec: job.spec.clone(),
        transitions: job.transitions.iter().map(transition).collect(),
        links: links(&id),
        id,
    }
}

fn transition(transition: &Transition) -> TransitionBody {
    TransitionBody {
        from: transition.from.map(|status| status.as_str()),
        to: transition.to.as_str(),
        at: time::text(transition.at),
        reason: transition.reason.clone(),
    }
}

fn links(id: &str) -> Value {
    let base = format!("/v1/jobs/{id}");
    json!({
        "self": base,
        "metrics": format!("{base}/metrics"),
        "events": format!("{base}/events"),
        "log": format!("{base}/log"),
        "loss": format!("{base}/loss.svg"),
        "checkpoints": format!("{base}/checkpoints"),
        "checks": format!("{base}/checks"),
        "diagnosis": format!("{base}/diagnosis"),
        "layers": format!("{base}/layers"),
        "lineage": format!("{base}/lineage"),
        "report": format!("{base}/report"),
        "evaluation": format!("{base}/evaluation"),
        "predictions": format!("{base}/predictions"),
    })
}

/// The tag of a job: it changes with everything that the job has.
pub(crate) fn tag(revision: u64) -> String {
    format!("W/\"r{revision}\"")
}

/// What `?fields=` leaves of a job: the named values in their places.
pub(crate) fn only(item: &Value, fields: &[String]) -> Value {
    let mut out = Value::Object(Map::new());
    for field in fields {
        let path: Vec<&str> = field.split('.').collect();
        let found = path.iter().try_fold(item, |value, step| value.get(step)).cloned().unwrap_or(Value::Null);
        put(&mut out, &path, found);
    }
    out
}

fn put(target: &mut Value, path: &[&str], value: Value) {
    let Some(((first, rest), fields)) = path.split_first().zip(target.as_object_mut()) else { return };
    if rest.is_empty() {
        fields.insert((*first).to_owned(), value);
        return;
    }
    let inner = fields.entry((*first).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    put(inner, rest, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_leave_the_named_values_in_their_places() {
        let job = json!({"id": "job_1", "best": {"value": 0.5, "epoch": 3}, "spec": {"epochs": 9}});
        let fields = ["id", "best.value", "spec.optimizer.type"].map(str::to_owned);
        let wanted = json!({"id": "job_1", "best": {"value": 0.5}, "spec": {"optimizer": {"type": null}}});
        assert_eq!(only(&job, &fields), wanted);
    }
}
