//! Jobs that lead others, advanced from stored state: one task looks at each leader and its members, decides, and does what was decided.
//!
//! [`decide`] is a pure function of statuses. What it says is done by the ordinary writes of whoever holds a job, guarded by the lease, so that doing
//! it twice or dying in between changes nothing. A leader takes no worker's place. What is told of it is put together in
//! `family/tale.rs`.

pub(super) mod tale;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::failure::Failure;
use crate::id::JobId;
use crate::store::{Family, Finish, Lease, Outcome, Record, Status, Store, StoreError};

/// How often leaders are looked at without a signal: members record without one.
const POLL: Duration = Duration::from_millis(200);

/// What is to be done about a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// Nothing: it waits, or has finished.
    Wait,
    /// Take it from the queue: its members are ahead of it.
    Claim,
    /// Tell what came of its members since.
    Watch,
    /// End the other members, since the one of this place did not succeed.
    Stop(usize),
    /// It has succeeded.
    Succeed,
    /// It has failed with the member of this place.
    Fail(usize),
    /// It obeys the wish to pause or to cancel.
    LetGo,
}

/// Decides about a leader from its status, whether it is to go on after its pause, and the statuses of its members.
fn decide(leader: Status, resume_wanted: bool, members: &[Status]) -> Decision {
    let place = |status: Status| members.iter().position(|member| *member == status);
    // One that failed is the cause; those that were ended because of it are not.
    let lost = place(Status::Failed).or_else(|| place(Status::Cancelled));
    let over = members.iter().all(|member| member.is_finished());
    let held = members.iter().any(|member| member.is_held());
    match leader {
        Status::Queued if held || over || lost.is_some() => Decision::Claim,
        Status::Running | Status::Pausing => match lost {
            Some(place) if over => Decision::Fail(place),
            Some(place) => Decision::Stop(place),
            None if over => Decision::Succeed,
            None if leader == Status::Pausing && (!held || resume_wanted) => Decision::LetGo,
            None => Decision::Watch,
        },
        Status::Cancelling if !over => Decision::Watch,
        Status::Cancelling if lost.is_none() => Decision::Succeed,
        Status::Cancelling => Decision::LetGo,
        Status::Queued | Status::Paused | Status::Succeeded | Status::Failed | Status::Cancelled => Decision::Wait,
    }
}

/// Advances leaders until `draining` is set; then they go back to the queue.
pub(super) async fn advance(store: Store, draining: std::sync::Arc<AtomicBool>) {
    let mut queue = store.queue_changes();
    let mut seen = HashMap::new();
    loop {
        queue.mark_unchanged();
        let drains = draining.load(Ordering::SeqCst);
        match store.family_list().await {
            Ok(families) => {
                for family in &families {
                    if let Err(error) = step(&store, family, &mut seen, drains).await {
                        report(family.leader.id, &error);
                    }
                }
                let alive: Vec<JobId> = families.iter().map(|family| family.leader.id).collect();
                seen.retain(|id, _| alive.contains(id));
            }
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "the leaders of jobs could not be read; tried again"),
        }
        if drains {
            return;
        }
        tokio::select! {
            _ = queue.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn report(job: JobId, error: &StoreError) {
    match error {
        // Another look has the newer state.
        StoreError::Stale { .. } | StoreError::NotFound { .. } | StoreError::Closed => {}
        error => tracing::warn!(%error, job.id = %job, "a job that leads others could not be advanced; tried again"),
    }
}

/// Does for one leader what is decided. `seen` holds the revisions that were told of last.
async fn step(store: &Store, family: &Family, seen: &mut HashMap<JobId, u64>, drains: bool) -> Result<(), StoreError> {
    let id = family.leader.id;
    let statuses: Vec<Status> = family.members.iter().map(|member| member.job.status).collect();
    let decision = decide(family.leader.status, family.resume_wanted, &statuses);
    if decision == Decision::Claim {
        return store.family_claim(id).await;
    }
    let Some(lease) = family.lease() else { return Ok(()) };
    match decision {
        Decision::Wait | Decision::Claim => {}
        Decision::Watch if drains => {
            // The members have let go, or will have: the leader goes back to the queue with them.
            finish(store, &lease, Record::default(), Outcome::Released, "").await?;
        }
        Decision::Watch => {
            let revisions = family.members.iter().map(|member| member.job.revision).sum();
            if seen.get(&id) == Some(&revisions) {
                return Ok(());
            }
            let (record, whole) = tale::record(store, family).await?;
            store.job_record(&lease, record).await?;
            if whole {
                seen.insert(id, revisions);
            }
        }
        Decision::Stop(place) => {
            let reason = format!("fold {} did not succeed, and the others are of no use without it", place + 1);
            store.family_stop(&lease, &reason).await?;
        }
        Decision::Succeed => end(store, family, &lease, Outcome::Succeeded, "folds_done").await?,
        Decision::Fail(place) => {
            let (error, stop_reason) = failure(family, place);
            end(store, family, &lease, Outcome::Failed(error), &stop_reason).await?;
        }
        Decision::LetGo => end(store, family, &lease, Outcome::Stopped, "cancelled").await?,
    }
    Ok(())
}

/// Tells the rest, then lets go of the leader.
async fn end(
    store: &Store,
    family: &Family,
    lease: &Lease,
    outcome: Outcome,
    stop_reason: &str,
) -> Result<(), StoreError> {
    let (record, whole) = tale::record(store, family).await?;
    if !whole {
        // Many points are left: some now, the rest with the next look.
        return store.job_record(lease, record).await;
    }
    let status = finish(store, lease, record, outcome, stop_reason).await?;
    tracing::info!(job.id = %lease.job, %status, "a job that leads others was let go");
    Ok(())
}

async fn finish(
    store: &Store,
    lease: &Lease,
    record: Record,
    outcome: Outcome,
    stop_reason: &str,
) -> Result<Status, StoreError> {
    store.job_finish(lease, record, None, Finish { outcome, stop_reason: stop_reason.to_owned() }).await
}

/// The failure of a leader names the fold that failed, and what it said.
fn failure(family: &Family, place: usize) -> (Value, String) {
    let Some(member) = family.members.get(place) else {
        let failure = Failure::internal(family.leader.attempt);
        return (failure.error, failure.stop_reason.to_owned());
    };
    let (count, job) = (family.members.len(), &member.job);
    let own = job.error.as_ref();
    let said = own.and_then(|error| error.get("detail")?.as_str()).unwrap_or("it was cancelled");
    let detail = format!("fold {} of {count} ({}) {}: {said}", place + 1, job.id, job.status);
    let advice = own.and_then(|error| error.get("advice")).cloned();
    let more = json!({"fold": place + 1, "job": job.id, "error": own, "advice": advice});
    let failure = Failure::new("fold_failed", "A fold of the cross-validation failed", detail, more);
    (failure.error, job.stop_reason.clone().unwrap_or_else(|| failure.stop_reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Cancelled, Cancelling, Failed, Paused, Pausing, Queued, Running, Succeeded};

    #[test]
    fn a_leader_waits_with_its_members_and_runs_with_the_first_of_them() {
        assert_eq!(decide(Queued, false, &[Queued, Queued]), Decision::Wait);
        assert_eq!(decide(Queued, false, &[Running, Queued]), Decision::Claim);
        // A death after the last member ended, before the leader was told: nothing else would wake it.
        assert_eq!(decide(Queued, false, &[Succeeded, Succeeded]), Decision::Claim);
        assert_eq!(decide(Running, false, &[Succeeded, Queued]), Decision::Watch);
        assert_eq!(decide(Running, false, &[Succeeded, Succeeded]), Decision::Succeed);
        assert_eq!(decide(Paused, false, &[Paused, Succeeded]), Decision::Wait);
    }

    #[test]
    fn the_member_that_failed_is_named_and_not_those_that_were_ended_for_it() {
        assert_eq!(decide(Running, false, &[Succeeded, Failed, Queued]), Decision::Stop(1));
        assert_eq!(decide(Running, false, &[Cancelled, Failed, Cancelled]), Decision::Fail(1));
        assert_eq!(decide(Pausing, false, &[Paused, Failed]), Decision::Stop(1));
        assert_eq!(decide(Queued, false, &[Failed, Queued]), Decision::Claim);
    }

    #[test]
    fn a_wish_is_obeyed_when_no_member_is_held_any_more() {
        assert_eq!(decide(Pausing, false, &[Pausing, Paused]), Decision::Watch);
        assert_eq!(decide(Pausing, false, &[Paused, Paused]), Decision::LetGo);
        assert_eq!(decide(Pausing, true, &[Pausing, Queued]), Decision::LetGo);
        assert_eq!(decide(Pausing, false, &[Succeeded, Succeeded]), Decision::Succeed);
        assert_eq!(decide(Cancelling, false, &[Cancelling, Cancelled]), Decision::Watch);
        assert_eq!(decide(Cancelling, false, &[Cancelled, Succeeded]), Decision::LetGo);
        assert_eq!(decide(Cancelling, false, &[Cancelled, Failed]), Decision::LetGo);
        assert_eq!(decide(Cancelling, false, &[Succeeded, Succeeded]), Decision::Succeed);
    }

    #[test]
    fn from_every_state_something_is_decided_or_something_else_will_happen() {
        for leader in Status::ALL {
            for a in Status::ALL {
                for b in Status::ALL {
                    let decision = decide(leader, false, &[a, b]);
                    let held = a.is_held() || b.is_held();
                    // A leader that is held while no member is must move, unless a member waits in the queue.
                    if leader.is_held() && !held && ![a, b].contains(&Queued) && ![a, b].contains(&Paused) {
                        assert!(
                            !matches!(decision, Decision::Wait | Decision::Watch),
                            "{leader:?} {a:?} {b:?} {decision:?}"
                        );
                    }
                }
            }
        }
    }
}
