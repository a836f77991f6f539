//! What a loss of power leaves: a log that ends anywhere or is torn there, and a database file into which only some pages were moved. All
//! that was acknowledged is there, and nothing is half there.

use std::fs;
use std::path::Path;

use super::*;

const DATABASE: &str = "trainyard.db";
const LOG: &str = "trainyard.db-wal";

/// What was acknowledged when the log had this length.
struct Promise {
    log: u64,
    job: JobId,
    /// Its checkpoint.
    bytes: Option<Vec<u8>>,
}

/// Opens a data directory of these two files, and holds it to its promises.
async fn holds(original: &Path, database: &[u8], log: &[u8], certain: u64, promises: &[Promise]) {
    let directory = TempDir::new().unwrap();
    for (name, bytes) in [(DATABASE, database), (LOG, log)] {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    fs::create_dir(directory.path().join("files")).unwrap();
    for file in fs::read_dir(original.join("files")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.path().join("files").join(file.file_name())).unwrap();
    }
    let store = Store::open(directory.path()).await.unwrap();
    for Promise { log, job, bytes } in promises.iter().filter(|promise| promise.log <= certain) {
        let found =
            store.job_get(*job).await.unwrap_or_else(|error| panic!("{job} of {log}, cut at {certain}: {error}"));
        assert!(!found.transitions.is_empty());
        if let Some(bytes) = bytes {
            let last = store.checkpoint_get(*job, "last").await.unwrap();
            assert!(store.checkpoint_read(last.id).await.unwrap() == *bytes);
        }
    }
    store.close().await;
    drop(store);
    // Checksums, references, integrity; nothing that no row names.
    verify(directory.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_or_torn_anywhere_keeps_all_that_was_acknowledged_before() {
    let (directory, store) = opened().await;
    let path = directory.path();
    let length = || fs::metadata(path.join(LOG)).unwrap().len();
    let iris = dataset(&store, "iris").await;
    let mut promises = Vec::new();
    for n in 0..10_u64 {
        let id = job(&store, &iris).await;
        promises.push(Promise { log: length(), job: id, bytes: None });
        if n % 3 == 2 {
            let lease = claimed(&store).await;
            let bytes = vec![n as u8; 9_000];
            let set = CheckpointSet { last: Some(checkpoint(n, bytes.clone())), best: None, keep: 2 };
            let record = points(Axis::Epoch, n..n + 1, &[("loss", |n| n as f64)]);
            store.job_checkpoint(&lease, record, set).await.unwrap();
            promises.push(Promise { log: length(), job: lease.job, bytes: Some(bytes) });
        }
    }
    let read = |name: &str| fs::read(path.join(name)).unwrap();
    let (database, log) = (read(DATABASE), read(LOG));
    assert!(promises.is_sorted_by_key(|promise| promise.log), "the log has begun anew: fewer writes, please");

    // Knuth's linear congruential generator: the same places each time.
    let mut state = 6_u64;
    let mut anywhere = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    let mut cuts: Vec<usize> = (0..24).map(|_| anywhere(log.len())).collect();
    cuts.extend(promises.iter().step_by(3).flat_map(|promise| [promise.log as usize - 1, promise.log as usize]));
    for (number, cut) in cuts.into_iter().enumerate() {
        let mut torn = log[..cut].to_vec();
        if number % 2 == 0 {
            // What followed did not get there as it was.
            torn.extend(log[cut..].iter().map(|byte| byte ^ 0x5a));
        }
        holds(path, &database, &torn, cut as u64, &promises).await;
    }

    // Pages go from the log into the database file, and the power goes in between.
    store.close().await;
    drop(store);
    let moved = read(DATABASE);
    for _ in 0..6 {
        let mut mixed = database.clone();
        mixed.resize(moved.len(), 0);
        for (page, from) in mixed.chunks_mut(4096).zip(moved.chunks(4096)) {
            if anywhere(2) == 0 {
                page.copy_from_slice(from);
            }
        }
        holds(path, &mixed, &log, log.len() as u64, &promises).await;
    }
}
