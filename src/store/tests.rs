//! Stories of the store on a real SQLite file in a temporary directory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod model;
mod torn;
use crate::id::Name;

async fn opened() -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path()).await.unwrap();
    (directory, store)
}

async fn reopened(store: Store, directory: &TempDir) -> Store {
    store.close().await;
    drop(store);
    Store::open(directory.path()).await.unwrap()
}

async fn staged(store: &Store, bytes: &[u8]) -> Staged {
    let mut upload = store.upload_begin().await.unwrap();
    upload.write(bytes).await.unwrap();
    upload.finish().await.unwrap()
}

async fn new_dataset(store: &Store, name: &str, bytes: &[u8]) -> NewDataset {
    NewDataset {
        name: name.parse::<Name>().ok(),
        format: "csv".to_owned(),
        identity: json!({}),
        options: json!({"delimiter": ","}),
        rows: 2,
        columns: 1,
        profile: StoredProfile::of(&json!({"columns": [], "warnings": []})).unwrap(),
        original: staged(store, bytes).await,
        table: staged(store, &[b"table of ", bytes].concat()).await,
        move_name: false,
        idempotency: None,
    }
}

async fn dataset(store: &Store, name: &str) -> Dataset {
    let new = new_dataset(store, name, name.as_bytes()).await;
    store.dataset_insert(new).await.unwrap().dataset
}

fn new_job(dataset: &Dataset) -> NewJob {
    NewJob {
        name: None,
        priority: 0,
        tags: BTreeMap::new(),
        dataset: JobDataset {
            id: dataset.id,
            name: dataset.name.as_ref().map(ToString::to_string),
            sha256: dataset.sha256.clone(),
        },
        also_uses: Vec::new(),
        version: "0.1.0".to_owned(),
        arithmetic_version: 1,
        request_id: None,
        request: json!({"dataset": "iris"}),
        spec: json!({"dataset": "iris", "optimizer": {"learning_rate": 0.1}}),
        parameters: Some(387),
        memory_bytes: Some(1000),
        parent: None,
        warnings: json!([]),
        idempotency: None,
        queue_limit: None,
        members: Vec::new(),
    }
}

async fn job(store: &Store, dataset: &Dataset) -> JobId {
    store.job_insert(new_job(dataset)).await.unwrap().id
}

async fn claimed(store: &Store) -> Lease {
    store.job_claim("worker-1", None).await.unwrap().unwrap().0
}

fn finish(outcome: Outcome) -> Finish {
    Finish { outcome, stop_reason: "epochs_done".to_owned() }
}

/// A column's name and its value at a key.
type ColumnRule<'a> = (&'a str, fn(u64) -> f64);

fn points(axis: Axis, keys: std::ops::Range<u64>, columns: &[ColumnRule<'_>]) -> Record {
    let columns =
        columns.iter().map(|(name, value)| ((*name).to_owned(), keys.clone().map(*value).collect())).collect();
    Record { points: vec![Points { axis, keys: keys.collect(), columns }], ..Record::default() }
}

fn checkpoint(step: u64, bytes: Vec<u8>) -> NewCheckpoint {
    NewCheckpoint { step, epoch: step, metric: None, weights_sha256: "0".repeat(64), bytes: bytes.into() }
}

fn all_points(axis: Axis) -> MetricQuery {
    MetricQuery { axis, names: Vec::new(), after: 0, limit: 10_000, max_points: None }
}

#[tokio::test]
async fn a_second_server_is_refused_with_the_process_that_holds_the_directory() {
    let (directory, store) = opened().await;
    let refused = Store::open(directory.path()).await.err().unwrap();
    let StoreError::Locked { pid, .. } = refused else { panic!("{refused}") };
    assert_eq!(pid, Some(std::process::id()));
    store.close().await;
    drop(store);
    Store::open(directory.path()).await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let (directory, store) = opened().await;
    store.close().await;
    drop(store);
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(directory.path().join("trainyard.db")))
            .await
            .unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, '', 1, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let refused = Store::open(directory.path()).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerSchema { found: 9999, .. }), "{refused}");
}

#[tokio::test]
async fn tables_without_rowid_begin_with_the_columns_of_their_key() {
    let (_directory, store) = opened().await;
    let mut connection = store.read().await.unwrap();
    // `cid` is a column's place in the table, `pk` its place in the key, from 1.
    let wrong: Vec<String> = sqlx::query_scalar(
        "SELECT t.name || '.' || c.name FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
         WHERE t.wr = 1 AND c.pk > 0 AND c.pk <> c.cid + 1",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    assert!(wrong.is_empty(), "integrity_check of SQLite 3.40 calls these damaged: {wrong:?}");
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test]
async fn the_same_bytes_are_the_same_dataset_and_a_name_leads_to_one() {
    let (_directory, store) = opened().await;
    let first = store.dataset_insert(new_dataset(&store, "iris", b"a,b").await).await.unwrap();
    assert!(first.created);
    let again = store.dataset_insert(new_dataset(&store, "iris", b"a,b").await).await.unwrap();
    assert!(!again.created);
    assert_eq!(first.dataset.id, again.dataset.id);

    let taken = store.dataset_insert(new_dataset(&store, "iris", b"other").await).await.unwrap_err();
    assert!(matches!(taken, StoreError::NameTaken { holder, .. } if holder == first.dataset.id));

    let moved = NewDataset { move_name: true, ..new_dataset(&store, "iris", b"other").await };
    let moved = store.dataset_insert(moved).await.unwrap().dataset;
    assert_eq!(store.dataset_get("iris").await.unwrap().id, moved.id);
    let old = store.dataset_get(&first.dataset.id.to_string()).await.unwrap();
    assert_eq!(old.name, None);
    let by_digest = store.dataset_get(&format!("sha256:{}", old.sha256)).await.unwrap();
    assert_eq!(by_digest.id, old.id);
    assert_eq!(std::fs::read(store.dataset_original(&old)).unwrap(), b"a,b");
}

#[tokio::test]
async fn datasets_are_listed_newest_first_in_pages() {
    let (_directory, store) = opened().await;
    for name in ["a", "b", "c"] {
        dataset(&store, name).await;
    }
    let (page, next) = store.dataset_list(None, 2, None).await.unwrap();
    let names = |page: &[Dataset]| page.iter().map(|d| d.name.clone().unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(names(&page), ["c", "b"]);
    let (page, next) = store.dataset_list(None, 2, next.as_deref()).await.unwrap();
    assert_eq!((names(&page), next), (vec!["a".to_owned()], None));
    let (page, _) = store.dataset_list(Some("b"), 2, None).await.unwrap();
    assert_eq!(names(&page), ["b"]);
    assert!(matches!(store.dataset_list(None, 2, Some("x")).await, Err(StoreError::Cursor(_))));
}

#[tokio::test]
async fn a_deleted_dataset_takes_its_files_along_but_not_under_an_unfinished_job() {
    let (directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let in_use = store.dataset_delete("iris", false).await.unwrap_err();
    assert!(matches!(in_use, StoreError::InUse { jobs } if jobs == [id]));
    store.job_cancel(id, "no longer wanted").await.unwrap();
    store.dataset_delete("iris", false).await.unwrap();
    store.ping().await.unwrap(); // files go after the commit and before the next
    assert_eq!(std::fs::read_dir(directory.path().join("files")).unwrap().count(), 0);
    assert!(matches!(store.dataset_get("iris").await, Err(StoreError::NotFound { .. })));
    let orphan = store.job_insert(new_job(&iris)).await.unwrap_err();
    assert!(matches!(orphan, StoreError::NotFound { what: "dataset", .. }));
}

#[tokio::test]
async fn what_no_row_names_is_swept_at_start() {
    let (directory, store) = opened().await;
    dataset(&store, "iris").await;
    std::fs::write(directory.path().join("incoming/half"), b"x").unwrap(); // of a process that died
    std::fs::write(directory.path().join("files/orphan"), b"x").unwrap();
    let store = reopened(store, &directory).await;
    assert_eq!(std::fs::read_dir(directory.path().join("incoming")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(directory.path().join("files")).unwrap().count(), 2);
    let iris = store.dataset_get("iris").await.unwrap();
    assert_eq!(std::fs::read(store.dataset_original(&iris)).unwrap(), b"iris");
}

#[tokio::test]
async fn jobs_are_claimed_by_priority_and_then_in_order() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let first = job(&store, &iris).await;
    let second = job(&store, &iris).await;
    let urgent = store.job_insert(NewJob { priority: 5, ..new_job(&iris) }).await.unwrap();
    assert_eq!(urgent.queue_position, Some(0));
    assert_eq!(store.job_get(second).await.unwrap().queue_position, Some(2));
    let listed = store.job_list(&JobFilter::default(), None, 10, None, false).await.unwrap();
    let places: Vec<_> = listed.jobs.iter().map(|job| job.queue_position.unwrap()).collect();
    assert_eq!(places, [0, 2, 1]);
    for expected in [urgent.id, first, second] {
        assert_eq!(claimed(&store).await.job, expected);
    }
    assert!(store.job_claim("worker-1", None).await.unwrap().is_none());
    let job = store.job_get(first).await.unwrap();
    assert_eq!((job.status, job.attempt, job.queue_position), (Status::Running, 1, None));
}

#[tokio::test]
async fn a_job_that_does_not_fit_waits_for_memory_and_says_so() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let first = job(&store, &iris).await;
    let memory = |free_bytes| Some(Memory { free_bytes, budget_bytes: 5000 });
    assert!(store.job_claim("w", memory(999)).await.unwrap().is_none());
    let reason = async || store.job_get(first).await.unwrap().queue_reason.unwrap_or_default();
    assert!(reason().await.contains("leave less of the budget"), "{}", reason().await);
    let small = store.job_insert(NewJob { memory_bytes: Some(10), ..new_job(&iris) }).await.unwrap();
    let (lease, _) = store.job_claim("w", memory(999)).await.unwrap().unwrap();
    assert_eq!(lease.job, small.id, "what fits may overtake");

    let earlier = std::time::Instant::now().checked_sub(Duration::from_secs(61));
    let a_minute_ago = move |tx: &mut writer::Tx| {
        tx.head_waits = tx.head_waits.zip(earlier).map(|((seq, _), since)| (seq, since));
        Ok(())
    };
    store.write(move |tx| Box::pin(async move { a_minute_ago(tx) })).await.unwrap();
    job(&store, &iris).await;
    let other = store.job_insert(NewJob { memory_bytes: Some(10), ..new_job(&iris) }).await.unwrap();
    assert!(store.job_claim("w", memory(999)).await.unwrap().is_none(), "but not for ever");
    let (lease, job) = store.job_claim("w", memory(1000)).await.unwrap().unwrap();
    assert_eq!((lease.job, job.queue_reason), (first, None));

    // A server that was started with less memory than a queued job needs says so, and goes on with the others.
    let (lease, _) = store.job_claim("w", Some(Memory { free_bytes: 500, budget_bytes: 500 })).await.unwrap().unwrap();
    assert_eq!(lease.job, other.id);
    let waiting = store
        .job_list(&JobFilter { status: vec![Status::Queued], ..JobFilter::default() }, None, 9, None, false)
        .await
        .unwrap();
    assert!(waiting.jobs[0].queue_reason.as_ref().unwrap().contains("cannot run here"));
}

#[tokio::test]
async fn a_full_queue_takes_no_more_until_one_has_left() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let bounded = || NewJob { queue_limit: Some(2), ..new_job(&iris) };
    store.job_insert(bounded()).await.unwrap();
    store.job_insert(bounded()).await.unwrap();
    let refused = store.job_insert(bounded()).await.unwrap_err();
    assert!(matches!(refused, StoreError::QueueFull { queued: 2, limit: 2 }), "{refused}");
    claimed(&store).await;
    store.job_insert(bounded()).await.unwrap();
}

#[tokio::test]
async fn sixteen_claimants_never_get_the_same_job() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    for _ in 0..8 {
        job(&store, &iris).await;
    }
    let mut claimants = tokio::task::JoinSet::new();
    for n in 0..16 {
        let store = store.clone();
        claimants.spawn(async move { store.job_claim(&format!("w{n}"), None).await.unwrap().map(|(l, _)| l.job) });
    }
    let mut got: Vec<JobId> = claimants.join_all().await.into_iter().flatten().collect();
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len(), 8);
}

#[tokio::test]
async fn a_stale_attempt_writes_nothing() {
    let (directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let old = claimed(&store).await;
    let store = reopened(store, &directory).await;
    let new = claimed(&store).await;
    assert_eq!((new.job, new.attempt), (id, 2));
    let stale = store.job_record(&old, points(Axis::Epoch, 0..3, &[("loss", |_| 1.0)])).await.unwrap_err();
    assert!(matches!(stale, StoreError::Stale { attempt: 1, .. }), "{stale}");
    let set = CheckpointSet { last: Some(checkpoint(1, vec![1])), best: None, keep: 3 };
    assert!(store.job_checkpoint(&old, Record::default(), set).await.is_err());
    assert!(store.job_finish(&old, Record::default(), None, finish(Outcome::Succeeded)).await.is_err());
    assert_eq!(store.metric_names(id, Axis::Epoch).await.unwrap(), Vec::<String>::new());
    assert!(store.checkpoint_list(id).await.unwrap().is_empty());
    store.job_finish(&new, Record::default(), None, finish(Outcome::Succeeded)).await.unwrap();
    let late = store.job_record(&new, Record::default()).await.unwrap_err();
    assert!(matches!(late, StoreError::Stale { .. }), "nothing is written to a finished job: {late}");
}

#[tokio::test]
async fn a_start_takes_back_what_a_former_process_held() {
    let (directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(job(&store, &iris).await);
    }
    for _ in 0..4 {
        claimed(&store).await;
    }
    store.job_pause(ids[1], "asked").await.unwrap();
    store.job_cancel(ids[2], "asked").await.unwrap();
    store.job_pause(ids[3], "asked").await.unwrap();
    store.job_resume(ids[3], "asked").await.unwrap();
    let store = reopened(store, &directory).await;
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(store.job_status(*id).await.unwrap().0);
    }
    assert_eq!(statuses, [Status::Queued, Status::Paused, Status::Cancelled, Status::Queued]);
    let cancelled = store.job_get(ids[2]).await.unwrap();
    assert_eq!(cancelled.stop_reason.as_deref(), Some("cancelled"));
    assert!(cancelled.finished_at.is_some());
    let path: Vec<Status> = store.job_get(ids[0]).await.unwrap().transitions.iter().map(|t| t.to).collect();
    assert_eq!(path, [Status::Queued, Status::Running, Status::Queued]);
}

#[tokio::test]
async fn a_job_that_ends_the_server_three_times_without_getting_further_fails() {
    let (directory, mut store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    for step in [10, 20, 20, 20, 20] {
        assert_eq!(store.job_status(id).await.unwrap().0, Status::Queued);
        let lease = claimed(&store).await;
        store.job_record(&lease, Record { step: Some(step), ..Record::default() }).await.unwrap();
        store = reopened(store, &directory).await;
        if store.job_status(id).await.unwrap().0.is_finished() {
            break;
        }
    }
    let job = store.job_get(id).await.unwrap();
    assert_eq!((job.status, job.attempt), (Status::Failed, 4), "got to 20 in attempt 2, then died there three times");
    assert_eq!(job.error.unwrap()["code"], "crashed_repeatedly");
}

#[tokio::test]
async fn a_restart_of_the_machine_is_no_fault_of_the_jobs_that_ran() {
    let (directory, mut store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    for _ in 0..4 {
        claimed(&store).await;
        store.close().await;
        drop(store);
        let path = directory.path().join("trainyard.db");
        let mut connection = SqliteConnection::connect(&path.display().to_string()).await.unwrap();
        let other = sqlx::query("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'");
        assert_eq!(other.execute(&mut connection).await.unwrap().rows_affected(), 1);
        connection.close().await.unwrap();
        store = Store::open(directory.path()).await.unwrap();
        let job = store.job_get(id).await.unwrap();
        assert_eq!(job.status, Status::Queued, "{job:?}");
        assert_eq!(job.transitions.last().unwrap().reason, "the machine restarted while it ran");
    }
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_a_running_one_when_its_worker_obeys() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let queued = job(&store, &iris).await;
    let asked = store.job_cancel(queued, "asked by a client").await.unwrap();
    assert!(asked.changed);
    assert_eq!(asked.job.status, Status::Cancelled);
    assert!(!store.job_cancel(queued, "again").await.unwrap().changed);
    let refused = store.job_resume(queued, "no").await.unwrap_err();
    assert!(matches!(refused, StoreError::WrongState { status: Status::Cancelled, .. }));

    let running = job(&store, &iris).await;
    let lease = claimed(&store).await;
    assert_eq!(store.job_cancel(running, "asked").await.unwrap().job.status, Status::Cancelling);
    let requests = store.job_stop_requests().await.unwrap();
    assert_eq!(requests, [StopRequest { job: running, attempt: 1, status: Status::Cancelling }]);
    let ended = store.job_finish(&lease, Record::default(), None, finish(Outcome::Stopped)).await.unwrap();
    assert_eq!(ended, Status::Cancelled);
    assert!(matches!(store.job_pause(running, "no").await, Err(StoreError::WrongState { .. })));
}

#[tokio::test]
async fn a_job_resumed_while_it_pauses_goes_back_to_the_queue() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    store.job_pause(id, "asked").await.unwrap();
    let asked = store.job_resume(id, "asked").await.unwrap();
    assert_eq!(asked.job.status, Status::Pausing);
    let status = store.job_finish(&lease, Record::default(), None, finish(Outcome::Stopped)).await.unwrap();
    assert_eq!(status, Status::Queued);
    assert_eq!(claimed(&store).await.attempt, 2);
}

#[tokio::test]
async fn a_failed_job_says_why_and_a_finished_one_can_be_deleted_with_all_it_has() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    assert!(matches!(store.job_delete(id).await, Err(StoreError::WrongState { .. })));
    let lease = claimed(&store).await;
    let record = points(Axis::Epoch, 0..5, &[("loss", |_| 1.0)]);
    let set = CheckpointSet { last: Some(checkpoint(5, vec![7; 100])), best: None, keep: 3 };
    let outcome = Outcome::Failed(json!({"code": "diverged"}));
    let failed = Finish { outcome, stop_reason: "diverged".to_owned() };
    store.job_finish(&lease, record, Some(set), failed).await.unwrap();
    let job = store.job_get(id).await.unwrap();
    assert_eq!((job.status, job.stop_reason.as_deref()), (Status::Failed, Some("diverged")));
    assert_eq!(job.error.unwrap()["code"], "diverged");
    store.job_delete(id).await.unwrap();
    assert!(matches!(store.job_get(id).await, Err(StoreError::NotFound { .. })));
    let mut connection = store.read().await.unwrap();
    for table in ["job_transition", "metric_chunk", "metric_axis", "event", "checkpoint", "checkpoint_chunk"] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn a_point_computed_again_keeps_its_place_and_first_time() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let first = points(Axis::Epoch, 0..8, &[("time", |_| 1.0), ("loss", |n| n as f64)]);
    store.job_record(&lease, first).await.unwrap();
    let again = points(Axis::Epoch, 5..12, &[("time", |_| 2.0), ("loss", |n| n as f64)]);
    store.job_record(&lease, again).await.unwrap();
    let metrics = store.metric_read(id, &all_points(Axis::Epoch)).await.unwrap();
    let [time, loss] = metrics.columns.as_slice() else { panic!() };
    assert_eq!(loss.values, (0..12).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    assert_eq!(time.values, [[Some(1.0); 8].as_slice(), &[Some(2.0); 4]].concat());
    assert_eq!((metrics.next, metrics.has_more), (12, false));
}

#[tokio::test]
async fn metrics_have_equal_lengths_gaps_and_the_places_of_what_is_not_finite() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let record = points(Axis::Step, 1..4, &[("loss", |n| if n == 2 { f64::NAN } else { n as f64 })]);
    store.job_record(&lease, record).await.unwrap();
    // A metric that comes later, is away for a while, and comes again.
    let record = points(Axis::Step, 4..6, &[("loss", |_| f64::INFINITY), ("late", |n| n as f64)]);
    store.job_record(&lease, record).await.unwrap();
    store.job_record(&lease, points(Axis::Step, 6..8, &[("loss", |_| 0.0)])).await.unwrap();
    store.job_record(&lease, points(Axis::Step, 8..9, &[("late", |n| n as f64)])).await.unwrap();
    let metrics = store.metric_read(id, &all_points(Axis::Step)).await.unwrap();
    let [loss, late] = metrics.columns.as_slice() else { panic!() };
    assert_eq!(loss.values, [Some(1.0), None, Some(3.0), None, None, Some(0.0), Some(0.0), None]);
    let infinite = Nonfinite::PositiveInfinity;
    assert_eq!(loss.nonfinite, [(1, Nonfinite::Nan), (3, infinite), (4, infinite)]);
    assert_eq!(late.values, [None, None, None, Some(4.0), Some(5.0), None, None, Some(8.0)]);
    assert!(late.nonfinite.is_empty());
    let unknown = MetricQuery { names: vec!["nothing".to_owned(), "loss".to_owned()], ..all_points(Axis::Step) };
    let metrics = store.metric_read(id, &unknown).await.unwrap();
    assert_eq!(metrics.columns[0].values, [None; 8]);
    assert_eq!(metrics.columns[1].values.len(), 8);
}

#[tokio::test]
async fn long_curves_are_merged_into_chunks_paged_and_thinned_to_their_shape() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let mut key = 1;
    for size in [1, 100, 155, 256, 3000, 700, 5000, 1, 787].into_iter().cycle().take(27) {
        let curve: fn(u64) -> f64 = |n| if n == 12_345 { 1e6 } else { n as f64 };
        store.job_record(&lease, points(Axis::Step, key..key + size, &[("loss", curve)])).await.unwrap();
        key += size;
    }
    let total = key - 1;
    assert_eq!(total, 30_000);
    let chunks: Vec<(i64, i64)> = sqlx::query_as("SELECT start, count FROM metric_chunk ORDER BY start")
        .fetch_all(&mut *store.read().await.unwrap())
        .await
        .unwrap();
    assert!(chunks.iter().take(7).all(|(_, count)| *count == 4096), "{chunks:?}");
    assert_eq!(chunks.iter().map(|(_, count)| count).sum::<i64>(), total as i64);

    let mut after = 0;
    let mut all = Vec::new();
    loop {
        let page = MetricQuery { after, limit: 7001, ..all_points(Axis::Step) };
        let page = store.metric_read(id, &page).await.unwrap();
        all.extend(page.columns[0].values.iter().map(|value| value.unwrap()));
        after = page.next;
        if !page.has_more {
            break;
        }
    }
    let expected: Vec<f64> = (1..=total).map(|n| if n == 12_345 { 1e6 } else { n as f64 }).collect();
    assert!(all == expected);

    let thin = MetricQuery { max_points: Some(500), ..all_points(Axis::Step) };
    let thin = store.metric_read(id, &thin).await.unwrap();
    let values: Vec<f64> = thin.columns[0].values.iter().map(|value| value.unwrap()).collect();
    assert!(thin.downsampled && values.len() <= 500 && values.len() > 400, "{}", values.len());
    assert!(values.contains(&1e6) && values.contains(&1.0) && values.contains(&30_000.0));
    assert_eq!(thin.next, total);
}

#[tokio::test]
async fn events_are_numbered_without_a_gap_and_can_be_followed() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let event = |kind, level| NewEvent { level, kind, message: "…".to_owned(), data: json!({}), at: Utc::now() };
    let events = vec![event("epoch", Level::Info), event("check", Level::Warn)];
    store.job_record(&lease, Record { events, ..Record::default() }).await.unwrap();
    let all = store.event_list(id, &EventFilter::default(), None, false, 100).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(all[1].data["to"], "running");
    let after = store.event_list(id, &EventFilter::default(), Some(3), false, 100).await.unwrap();
    assert_eq!(after.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["check"]);
    let warnings = EventFilter { level: vec![Level::Warn], kind: vec!["check".to_owned()] };
    assert_eq!(store.event_list(id, &warnings, None, true, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn checkpoints_are_whole_marked_and_only_the_latest_are_kept() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    for step in 1..=6 {
        let best = (step == 2).then(|| checkpoint(step, large.clone()));
        let last = if step == 2 { large.clone() } else { vec![step as u8; 10] };
        let set = CheckpointSet { last: Some(checkpoint(step, last)), best, keep: 2 };
        store.job_checkpoint(&lease, Record::default(), set).await.unwrap();
    }
    let listed = store.checkpoint_list(id).await.unwrap();
    let marks: Vec<_> = listed.iter().map(|c| (c.step, c.best, c.last)).collect();
    assert_eq!(marks, [(6, false, true), (5, false, false), (2, true, false)]);
    let best = store.checkpoint_get(id, "best").await.unwrap();
    assert_eq!(best.step, 2);
    assert!(store.checkpoint_read(best.id).await.unwrap() == large);
    assert_eq!(store.checkpoint_get(id, "step-5").await.unwrap().step, 5);
    assert_eq!(store.checkpoint_get(id, &best.id.to_string()).await.unwrap().id, best.id);
    assert!(matches!(store.checkpoint_get(id, "step-1").await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.checkpoint_delete(id, "last").await, Err(StoreError::WrongState { .. })));
    store.checkpoint_delete(id, "step-5").await.unwrap();
    assert_eq!(store.checkpoint_list(id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_damaged_checkpoint_is_told_and_not_given() {
    let (directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let set = CheckpointSet { last: Some(checkpoint(1, vec![1; 50])), best: None, keep: 3 };
    store.job_checkpoint(&lease, Record::default(), set).await.unwrap();
    let options = SqliteConnectOptions::new().filename(directory.path().join("trainyard.db"));
    let mut rot = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE checkpoint_chunk SET content = zeroblob(50)").execute(&mut rot).await.unwrap();
    let last = store.checkpoint_get(id, "last").await.unwrap();
    let damaged = store.checkpoint_read(last.id).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }));
    store.checkpoint_drop_damaged(id, last.id).await.unwrap();
    assert!(store.checkpoint_list(id).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let (_directory, store) = opened().await;
    let (iris, digits) = (dataset(&store, "iris").await, dataset(&store, "digits").await);
    let mut ids = Vec::new();
    for n in 0..6_i64 {
        let on = if n % 2 == 0 { &iris } else { &digits };
        let tags = BTreeMap::from([("team".to_owned(), format!("t{}", n % 3))]);
        let spec = json!({"optimizer": {"learning_rate": n}});
        let new = NewJob { name: Some(format!("job-{n}")), tags, spec, ..new_job(on) };
        ids.push(store.job_insert(new).await.unwrap().id);
    }
    for (value, best) in [(0.5, true), (0.1, true), (0.0, false)] {
        let lease = claimed(&store).await;
        let best = best.then(|| Best { epoch: 1, metric: "val_loss".to_owned(), value });
        let last = Some(json!({"val_loss": value}));
        let record = Record { best, last, ..Record::default() };
        store.job_finish(&lease, record, None, finish(Outcome::Succeeded)).await.unwrap();
    }
    let list = async |filter: JobFilter, sort: Option<&str>| -> Vec<usize> {
        let sort = sort.map(|text| JobSort::parse(text).unwrap());
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.job_list(&filter, sort.as_ref(), 2, after.as_deref(), false).await.unwrap();
            found.extend(page.jobs.iter().map(|job| ids.iter().position(|id| *id == job.id).unwrap()));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let all = JobFilter::default;
    assert_eq!(list(all(), None).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(list(all(), Some("created_at")).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(list(JobFilter { status: vec![Status::Queued], ..all() }, None).await, [5, 4, 3]);
    assert_eq!(list(JobFilter { dataset: vec!["digits".to_owned()], ..all() }, None).await, [5, 3, 1]);
    assert_eq!(list(JobFilter { dataset: vec![iris.id.to_string()], ..all() }, None).await, [4, 2, 0]);
    let tag = ("team".to_owned(), Some("t1".to_owned()));
    assert_eq!(list(JobFilter { tags: vec![tag], ..all() }, None).await, [4, 1]);
    let names = vec!["job-2".to_owned(), "job-3".to_owned()];
    assert_eq!(list(JobFilter { name: names, ..all() }, None).await, [3, 2]);
    assert_eq!(list(JobFilter { id: vec![ids[1]], ..all() }, None).await, [1]);
    assert_eq!(list(all(), Some("best.value")).await, [1, 0, 5, 4, 3, 2]);
    assert_eq!(list(all(), Some("-best.value")).await, [0, 1, 5, 4, 3, 2]);
    assert_eq!(list(all(), Some("last.val_loss")).await, [2, 1, 0, 5, 4, 3]);
    assert_eq!(list(all(), Some("spec.optimizer.learning_rate")).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(list(all(), Some("-name")).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(
        list(all(), Some("status")).await,
        [5, 4, 3, 2, 1, 0],
        "queued before succeeded, newest first among equals"
    );
    assert!(JobSort::parse("-best").unwrap_err().contains("best.value"));
    let wrong = store.job_list(&all(), None, 2, Some("nonsense"), false).await.unwrap_err();
    assert!(matches!(wrong, StoreError::Cursor(_)));
    assert_eq!(store.job_count(&JobFilter { status: vec![Status::Succeeded], ..all() }).await.unwrap(), 3);
    let page = store.job_list(&all(), None, 1, None, true).await.unwrap();
    assert!(page.jobs[0].spec.is_some() && page.jobs[0].transitions.len() == 1);
}

#[tokio::test]
async fn waiters_wake_after_the_commit_and_the_revision_grows() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let mut queue = store.queue_changes();
    let mut changes = store.job_changes(id);
    let (_, before) = store.job_status(id).await.unwrap();
    let lease = claimed(&store).await;
    tokio::time::timeout(Duration::from_secs(5), changes.changed()).await.unwrap().unwrap();
    assert!(queue.has_changed().unwrap());
    queue.mark_unchanged();
    let (status, after) = store.job_status(id).await.unwrap();
    assert_eq!(status, Status::Running);
    assert!(after > before);
    store.job_record(&lease, points(Axis::Epoch, 0..1, &[("loss", |_| 1.0)])).await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert!(!queue.has_changed().unwrap(), "metrics do not wake the pool");
    assert!(store.job_status(id).await.unwrap().1 > after);
    let other = store.job_changes(JobId::new());
    assert!(!other.has_changed().unwrap());
}

#[tokio::test]
async fn a_command_that_fails_leaves_the_others_of_its_commit_alone() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let nobody = Lease { job: JobId::new(), worker: "w".to_owned(), attempt: 1 };
    // Queued in one go, so they share a commit.
    let refused = store.job_record(&nobody, Record::default());
    let good = store.job_insert(new_job(&iris));
    let (refused, good) = tokio::join!(refused, good);
    assert!(matches!(refused, Err(StoreError::Stale { .. })));
    assert_eq!(good.unwrap().status, Status::Queued);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_even_after_a_crash() {
    let (directory, store) = opened().await;
    let key = IdempotencyKey { scope: "POST /v1/jobs".to_owned(), key: "k1".to_owned() };
    assert_eq!(store.idempotency_begin(&key, "f").await.unwrap(), IdempotencyBegin::Fresh);
    assert_eq!(store.idempotency_begin(&key, "f").await.unwrap(), IdempotencyBegin::UnderWay);
    assert_eq!(store.idempotency_begin(&key, "g").await.unwrap(), IdempotencyBegin::OtherBody);
    store.idempotency_release(&key);
    assert_eq!(store.idempotency_begin(&key, "g").await.unwrap(), IdempotencyBegin::Fresh, "it had made nothing");
    let store = reopened(store, &directory).await;
    assert_eq!(store.idempotency_begin(&key, "f").await.unwrap(), IdempotencyBegin::Fresh, "nor had this one");
    let iris = dataset(&store, "iris").await;
    let job = store.job_insert(NewJob { idempotency: Some(key.clone()), ..new_job(&iris) }).await.unwrap();
    let store = reopened(store, &directory).await;
    let made = store.idempotency_begin(&key, "f").await.unwrap();
    assert_eq!(made, IdempotencyBegin::Made(job.id.to_string()));
    let answer = Answer { status: 201, headers: vec![("location".to_owned(), "/x".to_owned())], body: b"{}".to_vec() };
    store.idempotency_finish(&key, answer.clone()).await.unwrap();
    assert_eq!(store.idempotency_begin(&key, "g").await.unwrap(), IdempotencyBegin::OtherBody);
    let store = reopened(store, &directory).await;
    assert_eq!(store.idempotency_begin(&key, "f").await.unwrap(), IdempotencyBegin::Replay(answer));
}

#[tokio::test]
async fn reports_and_weights_come_back_as_they_went_in() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let report =
        NewReport { kind: "gradient".to_owned(), verdict: "passed".to_owned(), document: json!({"max": 1e-9}) };
    let put = store.report_put(Some(id), report, None).await.unwrap();
    assert_eq!(store.report_get(put.id).await.unwrap().document, json!({"max": 1e-9}));
    let (listed, next) = store.report_list(Some(id), Some("gradient"), 10, None).await.unwrap();
    assert_eq!((listed.len(), next), (1, None));
    assert!(store.report_list(None, Some("overfit"), 10, None).await.unwrap().0.is_empty());

    let new = async || NewWeights {
        name: None,
        summary: json!({"tensors": []}),
        file: staged(&store, b"safe").await,
        idempotency: None,
    };
    let (weights, created) = store.weights_insert(new().await).await.unwrap();
    assert!(created);
    let (again, created) = store.weights_insert(new().await).await.unwrap();
    assert_eq!((again.id, created), (weights.id, false));
    assert_eq!(std::fs::read(store.weights_file(&weights)).unwrap(), b"safe");
    store.weights_delete(weights.id).await.unwrap();
    store.ping().await.unwrap();
    assert!(!store.weights_file(&weights).exists());
}

#[tokio::test]
async fn usage_counts_what_is_there() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    job(&store, &iris).await;
    let usage = store.usage().await.unwrap();
    assert_eq!(usage.datasets, 1);
    assert_eq!(usage.jobs[0], (Status::Queued, 1));
    assert!(usage.database_bytes > 0 && usage.free_bytes > 0);
    assert_eq!(usage.files_bytes, 4 + 13);
}

/// What a random history does to a job.
#[derive(Debug, Clone, Copy)]
enum Move {
    Ask(Action),
    Claim,
    Finish(u8),
    Crash,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        prop::sample::select(Action::ALL.to_vec()).prop_map(Move::Ask),
        Just(Move::Claim),
        (0..4_u8).prop_map(Move::Finish),
        Just(Move::Crash),
    ];
    prop::collection::vec(one, 1..30)
}

#[tokio::test]
async fn jobs_beyond_what_is_kept_go_but_for_one_that_another_starts_from() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(job(&store, &iris).await);
        let lease = claimed(&store).await;
        store.job_finish(&lease, Record::default(), None, finish(Outcome::Succeeded)).await.unwrap();
    }
    let spec = json!({"dataset": "iris", "warm_start": {"job": ids[0].to_string(), "checkpoint": "best"}});
    let child = store.job_insert(NewJob { spec, ..new_job(&iris) }).await.unwrap();
    let now = Utc::now();
    assert_eq!(store.job_expire(Retention::default(), now).await.unwrap(), 0, "off unless asked for");
    assert_eq!(store.job_expire(Retention { jobs: None, days: Some(1) }, now).await.unwrap(), 0);
    assert_eq!(store.job_expire(Retention { jobs: Some(2), days: None }, now).await.unwrap(), 2);
    let left = store.job_list(&JobFilter::default(), None, 10, None, false).await.unwrap();
    assert_eq!(left.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [child.id, ids[4], ids[3], ids[0]]);
    store.job_cancel(child.id, "x").await.unwrap();
    let later = now + chrono::Duration::days(2);
    assert_eq!(store.job_expire(Retention { jobs: None, days: Some(1) }, later).await.unwrap(), 4);
}

#[tokio::test]
async fn a_million_points_are_thinned_from_what_was_kept_of_them_and_lose_no_extreme() {
    let (_directory, store) = opened().await;
    let iris = dataset(&store, "iris").await;
    let id = job(&store, &iris).await;
    let lease = claimed(&store).await;
    let curve: fn(u64) -> f64 = |n| match n {
        77_777 => 9.0,
        123_456 => -9.0,
        200_001 => f64::NAN,
        n => (n as f64 / 5000.0).sin(),
    };
    for start in (0..250_000).step_by(25_000) {
        let columns: [ColumnRule<'_>; 2] = [("step", |n| n as f64), ("loss", curve)];
        store.job_record(&lease, points(Axis::Step, start + 1..start + 25_001, &columns)).await.unwrap();
    }
    let thin = MetricQuery { max_points: Some(400), ..all_points(Axis::Step) };
    let read = async || store.metric_read(id, &thin).await.unwrap();
    let kept = read().await;
    assert!(kept.points <= 410 && kept.points > 300, "{}", kept.points);
    let [steps, losses] = &kept.columns[..] else { panic!() };
    assert!(losses.values.contains(&Some(9.0)) && losses.values.contains(&Some(-9.0)));
    assert_eq!(losses.nonfinite.len(), 1);
    for (step, loss) in steps.values.iter().zip(&losses.values) {
        let expected = curve(step.unwrap() as u64);
        assert_eq!(*loss, expected.is_finite().then_some(expected), "a point keeps its own step");
    }
    // What an older version wrote has nothing kept: the curve is drawn from all points, to the same shape.
    store
        .write(|tx| {
            Box::pin(
                async move { Ok(sqlx::query("DELETE FROM metric_thin").execute(&mut tx.connection).await.map(drop)?) },
            )
        })
        .await
        .unwrap();
    let whole = read().await;
    assert!(whole.columns[1].values.contains(&Some(9.0)) && whole.columns[1].values.contains(&Some(-9.0)));
    assert!(whole.points.abs_diff(kept.points) <= 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_a_job_it_goes_along_the_arrows_and_never_leaves_an_end(moves in moves()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (_directory, store) = opened().await;
            let iris = dataset(&store, "iris").await;
            let id = job(&store, &iris).await;
            let mut lease = None;
            for step in moves {
                let (before, _) = store.job_status(id).await.unwrap();
                match step {
                    Move::Ask(Action::Cancel) => drop(store.job_cancel(id, "x").await),
                    Move::Ask(Action::Pause) => drop(store.job_pause(id, "x").await),
                    Move::Ask(_) => drop(store.job_resume(id, "x").await),
                    Move::Claim => {
                        let claim = store.job_claim("w", None).await.unwrap();
                        assert_eq!(claim.is_some(), before == Status::Queued);
                        lease = claim.map(|(lease, _)| lease).or(lease);
                    }
                    Move::Finish(how) => {
                        let outcomes = [
                            Outcome::Succeeded, Outcome::Failed(json!({})), Outcome::Stopped, Outcome::Released,
                        ];
                        if let Some(lease) = &lease {
                            let end = finish(outcomes[usize::from(how)].clone());
                            let ended = store.job_finish(lease, Record::default(), None, end).await;
                            assert!(ended.is_err() || before.is_held());
                        }
                    }
                    Move::Crash => drop(store.job_rescue().await.unwrap()),
                }
                let after = store.job_get(id).await.unwrap();
                assert!(before == after.status || is_arrow(before, after.status), "{before} → {}", after.status);
                assert_eq!(after.status.is_finished(), after.finished_at.is_some());
                assert_eq!(after.transitions.last().map(|t| t.to), Some(after.status));
                assert!(after.transitions.windows(2).all(|two| two[1].from == Some(two[0].to)));
            }
        });
    }
}

#[test]
fn every_arrow_of_the_contract_can_be_gone_and_no_other() {
    let events = Action::ALL.map(Event::Asked).into_iter().chain([
        Event::Claimed,
        Event::Succeeded,
        Event::Failed,
        Event::Stopped,
        Event::Released,
        Event::Lost,
        Event::Poisoned,
    ]);
    let events: Vec<Event> = events.collect();
    for from in Status::ALL {
        for to in Status::ALL {
            let goes = events.iter().any(|event| next(from, *event) == Next::To(to));
            // Resuming a job that is pausing takes it back to the queue when its worker has let go.
            let later = from == Status::Pausing && to == Status::Queued;
            assert_eq!(goes || later, is_arrow(from, to), "{from} → {to}");
        }
    }
    let _: Value = json!(Status::Queued);
}
