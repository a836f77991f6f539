//! Looks once a minute for what the operator does not want to keep.

use std::time::Duration;

use chrono::Utc;

use crate::store::{Retention, Store, StoreError};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Answers to idempotency keys are given again for so many days.
const KEYS_DAYS: i64 = 7;

/// Deletes finished jobs beyond `keep`, and answers to old idempotency keys, until the store closes.
pub async fn tidy_up(store: Store, keep: Retention) {
    loop {
        let keys = store.idempotency_expire(Utc::now() - chrono::Duration::days(KEYS_DAYS)).await;
        match keys.and(store.job_expire(keep, Utc::now()).await) {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "finished jobs beyond what is kept are gone"),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "tidying up is tried again later"),
        }
        tokio::time::sleep(EVERY).await;
    }
}
