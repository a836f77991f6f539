//! Jobs that were admitted by a server with more memory: those whose rows can be streamed are, the others stay and say why they wait.

use tokio::runtime::Handle;

use super::control::Control;
use super::run::Session;
use super::train_job::proved;
use crate::spec;
use crate::store::{Store, StoreError};

/// Looks at all jobs that wait for more than the budget. A failure costs nothing but that they wait on.
pub(super) async fn readmit(store: &Store, budget: u64) {
    let own = store.clone();
    let runtime = Handle::current();
    let outcome = tokio::task::spawn_blocking(move || all(&own, &runtime, budget)).await;
    if let Ok(Err(error)) = outcome {
        tracing::warn!(%error, "jobs that need more memory than there is could not be looked at");
    }
}

fn all(store: &Store, runtime: &Handle, budget: u64) -> Result<(), StoreError> {
    for id in runtime.block_on(store.job_above_memory(budget))? {
        let job = runtime.block_on(store.job_get(id))?;
        let session = Session { store, runtime, job: &job, control: &Control::default() };
        let limits = spec::Limits { memory_bytes: budget, ..spec::Limits::default() };
        // A spec that does not fit even so is refused here.
        let Ok(found) = proved(&session, &limits) else { continue };
        let bytes = found.spec.memory_bytes();
        if bytes <= budget && !found.spec.fits_in_memory(Some(bytes)) {
            tracing::info!(job.id = %id, "its rows will be streamed: the server has less memory than when the job came in");
            runtime.block_on(store.job_needs_memory(id, bytes))?;
        }
    }
    Ok(())
}
