//! Stories of the pool: jobs whose work is told by the test, on a real store. Real training is in `tests/training.rs`.

mod training;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::control::Stop;
use super::failure::Failure;
use super::pool::{Config, Handle, Pool};
use super::recorder::Recorder;
use super::run::{Ended, Session, Work};
use crate::data;
use crate::id::JobId;
use crate::store::{
    Axis, CheckpointSet, Dataset, Job, JobDataset, MetricQuery, NewCheckpoint, NewDataset, NewJob, Status, Store,
    StoreError, StoredProfile,
};

/// A store with a dataset and a pool.
struct Kit {
    directory: TempDir,
    store: Store,
    dataset: Dataset,
    handle: Handle,
}

impl Kit {
    async fn start(
        workers: usize,
        work: impl Fn(&Session<'_>, &mut Recorder) -> Result<Ended, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(workers, Arc::new(work), "iris").await
    }

    /// Starts on a bundled sample.
    async fn start_on(workers: usize, work: Arc<Work>, sample: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Store::open(directory.path()).await.unwrap();
        let sample = data::samples::get(sample).unwrap();
        let dataset = import(&store, sample.name, &sample.csv()).await;
        let handle = Pool::start_with(store.clone(), Config { workers, memory_bytes: u64::MAX }, work);
        Self { directory, store, dataset, handle }
    }

    async fn submit(&self, request: Value) -> JobId {
        let dataset = JobDataset { id: self.dataset.id, name: None, sha256: self.dataset.sha256.clone() };
        let new = NewJob {
            name: None,
            priority: 0,
            tags: BTreeMap::new(),
            dataset,
            also_uses: Vec::new(),
            version: String::new(),
            arithmetic_version: crate::train::ARITHMETIC_VERSION,
            request_id: None,
            spec: request.clone(),
            request,
            parameters: None,
            memory_bytes: None,
            parent: None,
            warnings: json!([]),
            idempotency: None,
            queue_limit: None,
            members: Vec::new(),
        };
        self.store.job_insert(new).await.unwrap().id
    }

    /// Waits by signal until a job has a status.
    async fn reaches(&self, id: JobId, wanted: impl Fn(Status) -> bool) -> Job {
        self.until(id, async |store: &Store| wanted(store.job_status(id).await.unwrap().0)).await
    }

    /// Waits by signal until something holds of a job.
    async fn until(&self, id: JobId, holds: impl AsyncFn(&Store) -> bool) -> Job {
        let mut changes = self.store.job_changes(id);
        let waiting = async {
            while !holds(&self.store).await {
                changes.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        let job = self.store.job_get(id).await.unwrap();
        assert!(waited.is_ok(), "waited in vain: {} {:?}", job.status, job.error);
        job
    }
}

/// Makes a dataset of a CSV, as an upload does.
async fn import(store: &Store, name: &str, csv: &[u8]) -> Dataset {
    let mut upload = store.upload_begin().await.unwrap();
    upload.write(csv).await.unwrap();
    let original = upload.finish().await.unwrap();
    let (table, _) = data::csv::ingest(csv, &data::csv::ParseOptions::default()).unwrap();
    let profile = StoredProfile::of(&data::profile::profile_table(&table).unwrap()).unwrap();
    let staged = store
        .file_stage(|file, _| -> Result<(), StoreError> {
            table.write(file).unwrap();
            Ok(())
        })
        .unwrap();
    let new = NewDataset {
        name: name.parse().ok(),
        format: "csv".to_owned(),
        identity: json!({}),
        options: json!({}),
        rows: table.rows as u64,
        columns: table.columns.len() as u64,
        profile,
        original,
        table: staged,
        move_name: false,
        idempotency: None,
    };
    store.dataset_insert(new).await.unwrap().dataset
}

fn done() -> Result<Ended, Failure> {
    Ok(Ended::Done { stop_reason: "epochs_done", set: None })
}

/// Works until told to stop, as training does: one look a step.
fn obey(session: &Session<'_>) -> Stop {
    loop {
        if let Some(stop) = session.control.asked() {
            return stop;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_as_soon_as_it_is_submitted_and_its_end_is_told() {
    let kit = Kit::start(2, |_, _| done()).await;
    let started = Instant::now();
    let id = kit.submit(json!({})).await;
    let job = kit.reaches(id, Status::is_finished).await;
    assert_eq!((job.status, job.stop_reason.as_deref()), (Status::Succeeded, Some("epochs_done")));
    assert!(started.elapsed() < Duration::from_millis(400), "not by polling: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_the_job_and_leaves_the_pool_its_size() {
    let kit = Kit::start(1, |session, _| match session.job.request.as_ref().unwrap()["panic"].as_bool() {
        Some(true) => panic!("a slip"),
        _ => done(),
    })
    .await;
    let bad = kit.submit(json!({"panic": true})).await;
    let good = kit.submit(json!({})).await;
    let bad = kit.reaches(bad, Status::is_finished).await;
    assert_eq!(bad.status, Status::Failed);
    let error = bad.error.unwrap();
    assert_eq!(error["code"], "internal");
    assert!(!error.to_string().contains("slip"), "a client learns nothing of our insides: {error}");
    assert_eq!(kit.reaches(good, Status::is_finished).await.status, Status::Succeeded);
    assert!(kit.handle.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled_and_paused_within_a_second_even_when_only_the_store_was_told() {
    let kit = Kit::start(2, |session, _| Ok(Ended::Stopped { stop: obey(session), set: None })).await;
    let cancelled = kit.submit(json!({})).await;
    let paused = kit.submit(json!({})).await;
    for id in [cancelled, paused] {
        kit.reaches(id, |status| status == Status::Running).await;
    }
    let started = Instant::now();
    kit.store.job_cancel(cancelled, "test").await.unwrap();
    kit.store.job_pause(paused, "test").await.unwrap();
    let job = kit.reaches(cancelled, Status::is_finished).await;
    assert_eq!((job.status, job.stop_reason.as_deref()), (Status::Cancelled, Some("cancelled")));
    kit.reaches(paused, |status| status == Status::Paused).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    kit.store.job_resume(paused, "test").await.unwrap();
    let again = kit.reaches(paused, |status| status == Status::Running).await;
    assert_eq!(again.attempt, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_run_at_once_than_there_are_workers() {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (n, m) = (Arc::clone(&now), Arc::clone(&most));
    // Each job waits for two others: they end only where three run at once.
    let three = Barrier::new(3);
    let kit = Kit::start(3, move |_, _| {
        m.fetch_max(n.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        three.wait();
        n.fetch_sub(1, Ordering::SeqCst);
        done()
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..21 {
        ids.push(kit.submit(json!({})).await);
    }
    for id in ids {
        assert_eq!(kit.reaches(id, Status::is_finished).await.status, Status::Succeeded);
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_writes_the_state_and_the_next_start_goes_on_from_it() {
    let kit = Kit::start(1, |session, recorder| {
        recorder.point(Axis::Epoch, 0, [("loss", 1.0)]);
        let stop = obey(session);
        let last =
            NewCheckpoint { step: 7, epoch: 1, metric: None, weights_sha256: "0".repeat(64), bytes: vec![7; 7].into() };
        Ok(Ended::Stopped { stop, set: Some(CheckpointSet { last: Some(last), best: None, keep: 3 }) })
    })
    .await;
    let id = kit.submit(json!({})).await;
    let waiting = kit.submit(json!({})).await;
    kit.reaches(id, |status| status == Status::Running).await;
    kit.handle.drain().await;
    assert_eq!(kit.handle.running(), 0);
    assert!(!kit.handle.is_alive() && kit.handle.is_draining());
    let job = kit.store.job_get(id).await.unwrap();
    assert_eq!(job.status, Status::Queued);
    assert_eq!(kit.store.job_status(waiting).await.unwrap().0, Status::Queued);
    let last = kit.store.checkpoint_get(id, "last").await.unwrap();
    assert_eq!(kit.store.checkpoint_read(last.id).await.unwrap(), [7; 7]);
    kit.store.close().await;
    let Kit { directory, store, .. } = kit;
    drop(store);
    drop(directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_ordered_and_complete_however_fast_it_comes() {
    const STEPS: u64 = 20_000;
    let kit = Kit::start(1, |_, recorder| {
        for step in 1..=STEPS {
            recorder.point(Axis::Step, step, [("loss", step as f64)]);
            if step % 3 == 0 {
                recorder.point(Axis::Epoch, step / 3, [("val_loss", 0.5), ("loss", 0.25)]);
            }
            recorder.tick(Instant::now());
        }
        done()
    })
    .await;
    let id = kit.submit(json!({})).await;
    kit.reaches(id, Status::is_finished).await;
    let query = |axis| MetricQuery { axis, names: vec!["loss".to_owned()], after: 0, limit: 50_000, max_points: None };
    let steps = kit.store.metric_read(id, &query(Axis::Step)).await.unwrap();
    assert!(steps.columns[0].values.iter().copied().eq((1..=STEPS).map(|step| Some(step as f64))));
    assert_eq!(kit.store.metric_read(id, &query(Axis::Epoch)).await.unwrap().points as u64, STEPS / 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_taken_away_writes_nothing_and_frees_its_place() {
    let kit = Kit::start(1, |session, _| {
        if session.job.attempt == 1 {
            // As if another process had rescued it.
            session.runtime.block_on(session.store.job_rescue()).unwrap();
        }
        done()
    })
    .await;
    let id = kit.submit(json!({})).await;
    let job = kit.reaches(id, Status::is_finished).await;
    assert_eq!((job.status, job.attempt), (Status::Succeeded, 2));
}
