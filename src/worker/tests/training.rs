//! Stories of real training: bundled data, real specs, the real loop, on a real store.

use super::*;
use crate::spec::{self, Limits, Schema};
use crate::store::{EventFilter, Level};
use crate::worker::train_job::train_job;

async fn kit(sample: &str) -> Kit {
    Kit::start_on(1, Arc::new(train_job), sample).await
}

impl Kit {
    /// Proves a request as the API does, and submits it.
    async fn train(&self, request: Value) -> JobId {
        let schema = Schema { rows: self.dataset.rows, ..self.dataset.profile.read().unwrap() };
        let resolved = spec::prove(&request, &schema, &Limits::default()).unwrap_or_else(|faults| panic!("{faults:?}"));
        self.submit(resolved.to_json()).await
    }

    async fn finished(&self, id: JobId) -> Job {
        self.reaches(id, Status::is_finished).await
    }

    /// Waits until training has told how far it is.
    async fn under_way(&self, id: JobId) {
        self.until(id, async |store| {
            let job = store.job_get(id).await.unwrap();
            job.status.is_finished() || job.progress.is_some()
        })
        .await;
    }

    async fn weights_of(&self, id: JobId, key: &str) -> String {
        self.store.checkpoint_get(id, key).await.unwrap().weights_sha256
    }

    async fn column(&self, id: JobId, axis: Axis, name: &str) -> Vec<Option<f64>> {
        let query = MetricQuery { axis, names: vec![name.to_owned()], after: 0, limit: 100_000, max_points: None };
        self.store.metric_read(id, &query).await.unwrap().columns.remove(0).values
    }
}

/// Long enough to be interrupted several times, small enough to be quick.
fn long() -> Value {
    json!({"dataset": "digits", "target": "digit", "hidden_layers": [{"units": 32, "dropout": 0.1}], "epochs": 60,
           "batch_size": 32, "seed": 5, "early_stopping": false, "optimizer": "adam"})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_spec_trains_iris_well_and_tells_everything() {
    let kit = kit("iris").await;
    let id = kit.train(json!({"dataset": "iris", "target": "species", "checks": ["gradient", "initial_loss"]})).await;
    let job = kit.finished(id).await;
    assert_eq!(job.status, Status::Succeeded, "{:?}", job.error);
    let progress = job.progress.as_ref().unwrap();
    assert_eq!(progress["eta_seconds"], 0.0, "{progress}");
    assert!(progress["samples_per_second"].as_f64().unwrap() > 0.0);
    let best = job.best.clone().unwrap();
    assert_eq!(best.metric, "val_loss");
    assert!(best.value < 0.3, "{best:?}");
    assert!(job.last.as_ref().unwrap()["val_accuracy"].as_f64().unwrap() > 0.85, "{:?}", job.last);
    assert!(job.train_seconds > 0.0 && job.stop_reason.is_some());

    let names = kit.store.metric_names(id, Axis::Epoch).await.unwrap();
    for name in ["time", "step", "epoch", "train_seconds", "loss", "val_loss", "learning_rate"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
    let epochs = kit.column(id, Axis::Epoch, "epoch").await;
    let expected: Vec<Option<f64>> = (0..epochs.len()).map(|epoch| Some(epoch as f64)).collect();
    assert_eq!(epochs, expected, "epoch 0 is the untrained network, and none is missing");
    assert_eq!(kit.column(id, Axis::Epoch, "val_loss").await[best.epoch as usize], Some(best.value));

    let (reports, _) = kit.store.report_list(Some(id), None, 10, None).await.unwrap();
    let kinds: Vec<_> = reports.iter().map(|report| report.kind.as_str()).collect();
    assert_eq!(kinds, ["initial_loss", "gradient"]);
    assert_eq!(reports[1].verdict, "passed", "{}", reports[1].document);
    let best_row = kit.store.checkpoint_get(id, "best").await.unwrap();
    assert_eq!((best_row.epoch, best_row.metric), (best.epoch, Some(("val_loss".to_owned(), best.value))));
    kit.store.checkpoint_get(id, "last").await.unwrap();
    let events = kit.store.event_list(id, &EventFilter::default(), None, false, 1000).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert!(kinds.starts_with(&["status", "status", "check", "check", "log"]), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"status"));
    assert!(kinds.contains(&"epoch") && kinds.contains(&"checkpoint"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_spec_gives_the_same_bytes_on_one_thread_and_on_two() {
    let kit = kit("iris").await;
    let mut weights = Vec::new();
    for threads in [1, 1, 2] {
        let request = json!({"dataset": "iris", "target": "species", "epochs": 20, "seed": 3, "threads": threads});
        let id = kit.train(request).await;
        kit.finished(id).await;
        weights.push(kit.weights_of(id, "last").await);
    }
    assert!(weights.iter().all(|sha256| *sha256 == weights[0]), "{weights:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_torn_from_its_worker_goes_on_to_the_same_bytes() {
    let kit = kit("digits").await;
    let calm = kit.train(long()).await;
    kit.finished(calm).await;
    let mut request = long();
    request["checkpoints"] = json!({"every": {"steps": 25}});
    let torn = kit.train(request).await;
    let furthest = async |store: &Store| {
        let checkpoints = store.checkpoint_list(torn).await.unwrap();
        checkpoints.iter().filter(|checkpoint| checkpoint.last).map(|checkpoint| checkpoint.step).max().unwrap_or(0)
    };
    for _ in 0..3 {
        let before = furthest(&kit.store).await;
        kit.until(torn, async |store| {
            let (status, _) = store.job_status(torn).await.unwrap();
            status.is_finished() || (status == Status::Running && furthest(store).await > before)
        })
        .await;
        // As a new process does that finds it held.
        kit.store.job_rescue().await.unwrap();
        kit.handle.wake();
    }
    let job = kit.finished(torn).await;
    assert_eq!(job.status, Status::Succeeded, "{:?}", job.error);
    assert_eq!(job.attempt, 4);
    assert_eq!(kit.weights_of(torn, "last").await, kit.weights_of(calm, "last").await);
    assert_eq!(kit.weights_of(torn, "best").await, kit.weights_of(calm, "best").await);
    for name in ["epoch", "step", "loss", "val_loss", "learning_rate"] {
        assert_eq!(kit.column(torn, Axis::Epoch, name).await, kit.column(calm, Axis::Epoch, name).await, "{name}");
        assert_eq!(
            kit.column(torn, Axis::Step, name).await,
            kit.column(calm, Axis::Step, name).await,
            "{name} by step"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_and_draining_change_no_bit() {
    let kit = kit("digits").await;
    let calm = kit.train(long()).await;
    kit.finished(calm).await;
    let paused = kit.train(long()).await;
    kit.reaches(paused, |status| status == Status::Running).await;
    kit.under_way(paused).await;
    kit.store.job_pause(paused, "test").await.unwrap();
    kit.handle.pause(paused);
    let job = kit.reaches(paused, |status| status == Status::Paused || status.is_finished()).await;
    assert_eq!(job.status, Status::Paused, "it was to be interrupted");
    assert!(kit.store.checkpoint_get(paused, "last").await.unwrap().step > 0);
    kit.store.job_resume(paused, "test").await.unwrap();
    kit.reaches(paused, |status| status == Status::Running).await;
    kit.handle.drain().await;
    let Kit { directory, store, dataset, handle } = kit;
    assert_eq!(store.job_status(paused).await.unwrap().0, Status::Queued);
    drop(handle);
    let handle = Pool::start_with(store.clone(), Config { workers: 1, memory_bytes: u64::MAX }, Arc::new(train_job));
    let kit = Kit { directory, store, dataset, handle };
    let job = kit.finished(paused).await;
    assert_eq!((job.status, job.attempt), (Status::Succeeded, 3), "{:?}", job.error);
    assert_eq!(kit.weights_of(paused, "last").await, kit.weights_of(calm, "last").await);
    assert_eq!(kit.column(paused, Axis::Epoch, "loss").await, kit.column(calm, Axis::Epoch, "loss").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_within_a_second_and_its_numbers_stay() {
    let kit = kit("digits").await;
    let mut request = long();
    request["epochs"] = json!(100_000);
    let id = kit.train(request).await;
    kit.under_way(id).await;
    let started = Instant::now();
    kit.store.job_cancel(id, "test").await.unwrap();
    kit.handle.cancel(id);
    let job = kit.finished(id).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!((job.status, job.stop_reason.as_deref()), (Status::Cancelled, Some("cancelled")));
    assert!(!kit.column(id, Axis::Epoch, "loss").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diverged_job_says_where_and_what_to_try() {
    let kit = kit("iris").await;
    let optimizer = json!({"type": "sgd", "learning_rate": 1e30});
    let request = json!({"dataset": "iris", "target": "species", "optimizer": optimizer, "activation": "relu"});
    let id = kit.train(request).await;
    let job = kit.finished(id).await;
    assert_eq!((job.status, job.stop_reason.as_deref()), (Status::Failed, Some("diverged")), "{:?}", job.error);
    let error = job.error.unwrap();
    assert_eq!(error["code"], "diverged");
    assert!(error["step"].as_u64().unwrap() >= 1 && error["tensor"].is_string(), "{error}");
    assert!(!error["rows"].as_array().unwrap().is_empty());
    assert!(error["advice"].as_str().unwrap().contains("learning rate"));
    assert_eq!(error["patch"]["optimizer"]["learning_rate"].as_f64(), Some(0.3), "the usual rate");
    kit.store.checkpoint_get(id, "last").await.unwrap();
    let errors = EventFilter { level: vec![Level::Error], ..EventFilter::default() };
    let told = kit.store.event_list(id, &errors, None, false, 10).await.unwrap();
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["finding", "status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_time_ends_a_job_well() {
    let kit = kit("digits").await;
    let mut request = long();
    request["epochs"] = json!(100_000);
    request["limits"] = json!({"max_seconds": 0.3});
    let id = kit.train(request).await;
    let job = kit.finished(id).await;
    assert_eq!((job.status, job.stop_reason.as_deref()), (Status::Succeeded, Some("max_seconds")));
    assert!(job.train_seconds >= 0.3 && job.train_seconds < 1.5, "{}", job.train_seconds);
    kit.store.checkpoint_get(id, "best").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_data_went_fails_and_says_so() {
    let kit = kit("iris").await;
    kit.handle.drain().await;
    let id = kit.train(json!({"dataset": "iris", "target": "species"})).await;
    kit.store.dataset_delete("iris", true).await.unwrap();
    let Kit { directory, store, dataset, .. } = kit;
    let handle = Pool::start_with(store.clone(), Config { workers: 1, memory_bytes: u64::MAX }, Arc::new(train_job));
    let kit = Kit { directory, store, dataset, handle };
    let job = kit.finished(id).await;
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.error.unwrap()["code"], "gone");
}
