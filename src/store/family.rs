//! Jobs that lead others: a leader trains nothing itself, its members do; they came in with it, in one transaction.
//!
//! What binds them is written in the transaction that makes it so: a leader is taken from the queue with the first of its members, and
//! a wish of a client reaches the members together with the leader. So a leader waits exactly while none of its members is
//! held, whenever the process dies. What comes of the members is told of the leader by `worker::family`, which
//! holds it under [`LEADER`] and writes by a lease like any other worker.
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::job::{self, Job, columns};
use super::queue::{self, Held, Lease, noted};
use super::status::{Action, Event, Next, Status, next};
use super::writer::Tx;
use super::{Store, StoreError, record};
use crate::id::JobId;

/// The worker that holds leaders.
pub const LEADER: &str = "family";

/// Holds what makes a job that another one leads; the rest it has from its leader.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// A label for people.
    pub name: Option<String>,
    /// The spec as sent.
    pub request: Value,
    /// The spec with every default filled in.
    pub spec: Value,
    /// What it is to its leader: `{"relation","fold",…}`; the leader's id is added.
    pub parent: Value,
}

/// Holds a leader that has not finished, with its members.
#[derive(Debug, Clone)]
pub struct Family {
    /// The leader.
    pub leader: Job,
    /// Whether a client wants it to go on as soon as it has paused.
    pub resume_wanted: bool,
    /// What was told of the members so far.
    pub told: Option<Value>,
    /// Points that the leader has by epoch.
    pub points: u64,
    /// The members, by their numbers.
    pub members: Vec<Member>,
}

/// Holds a member of a family.
#[derive(Debug, Clone)]
pub struct Member {
    /// The job.
    pub job: Job,
    /// Points that it has by epoch.
    pub points: u64,
}

impl Family {
    /// The lease under which the leader is held; `None` while it is not.
    pub fn lease(&self) -> Option<Lease> {
        let Job { id, attempt, status, .. } = self.leader;
        status.is_held().then(|| Lease { job: id, worker: LEADER.to_owned(), attempt })
    }
}

impl Store {
    /// Lists the leaders that have not finished and are not paused, with their members.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and other failures of the database.
    pub async fn family_list(&self) -> Result<Vec<Family>, StoreError> {
        let mut connection = self.read().await?;
        let leaders = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", folds, resume_wanted,
             (SELECT points FROM metric_axis WHERE job = job.seq AND axis = 'epoch') AS points
             FROM job WHERE members > 0 AND finished_at IS NULL AND status <> 'paused' ORDER BY seq"
        ))
        .fetch_all(&mut *connection)
        .await?;
        let mut families = Vec::with_capacity(leaders.len());
        for leader in leaders {
            let members = sqlx::query(concat!(
                "SELECT ",
                columns!(),
                ", (SELECT points FROM metric_axis WHERE job = job.seq AND axis = 'epoch') AS points
                 FROM job WHERE family = ? ORDER BY member"
            ))
            .bind(leader.try_get::<i64, _>("seq")?)
            .fetch_all(&mut *connection)
            .await?;
            families.push(Family {
                leader: job::from_row(&leader)?,
                resume_wanted: leader.try_get("resume_wanted")?,
                told: leader.try_get::<Option<&str>, _>("folds")?.map(serde_json::from_str).transpose()?,
                points: points(&leader)?,
                members: members
                    .iter()
                    .map(|row| Ok(Member { job: job::from_row(row)?, points: points(row)? }))
                    .collect::<Result<_, StoreError>>()?,
            });
        }
        Ok(families)
    }

    /// Takes a leader whose members have got ahead of it: one is held, or none is left to wait for. Nothing happens if it does not wait.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn family_claim(&self, leader: JobId) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let held = queue::look(&mut tx.connection, leader).await?;
                take(tx, held.seq).await
            })
        })
        .await
    }

    /// Ends the members that have not finished; the leader's lease guards it.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the lease no longer holds.
    pub async fn family_stop(&self, lease: &Lease, reason: &str) -> Result<(), StoreError> {
        let (lease, reason) = (lease.clone(), reason.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                let leader = record::guard(tx, &lease).await?;
                carry(tx, leader.seq, Action::Cancel, &reason).await
            })
        })
        .await
    }

    /// Lists the members of a job, by their numbers, with their documents; empty where it leads none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn family_members(&self, leader: JobId) -> Result<Vec<Job>, StoreError> {
        let mut connection = self.read().await?;
        let seq = job::seq_of(&mut connection, leader).await?;
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM job WHERE family = ? ORDER BY member")
            .bind(seq)
            .fetch_all(&mut *connection)
            .await?;
        let mut members = Vec::with_capacity(ids.len());
        for id in ids {
            members.push(job::read_placeless(&mut connection, id.parse()?).await?.1);
        }
        Ok(members)
    }
}

fn points(row: &SqliteRow) -> Result<u64, StoreError> {
    Ok(row.try_get::<Option<i64>, _>("points")?.unwrap_or(0) as u64)
}

/// Takes a leader from the queue, if it is there: a worker took one of its members, or none is left to wait for.
pub(super) async fn take(tx: &mut Tx, leader: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "UPDATE job SET
           status = 'running', worker = ?2, attempt = attempt + 1,
           started_at = coalesce(started_at, ?3),
           queue_seconds = queue_seconds + max(0, ?3 - queued_at) / 1000.0,
           queued_at = NULL, queue_reason = NULL,
           transitions = transitions + 1, events = events + 1, revision = revision + 1
         WHERE seq = ?1 AND status = 'queued' AND members > 0
         RETURNING id, attempt",
    )
    .bind(leader)
    .bind(LEADER)
    .bind(tx.now)
    .fetch_optional(&mut tx.connection)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let first = row.try_get::<i64, _>("attempt")? == 1;
    sqlx::query(noted!())
        .bind(leader)
        .bind(tx.now)
        .bind(Status::Queued.as_str())
        .bind(Status::Running.as_str())
        .bind(if first { "a worker took one of its jobs" } else { "its jobs go on" })
        .execute(&mut tx.connection)
        .await?;
    tx.job_changed(row.try_get::<&str, _>("id")?.parse()?);
    tx.queue_changed();
    Ok(())
}

/// Refuses what a client asks of a member alone: it would leave its leader waiting for what never comes.
pub(super) async fn refuse_member(tx: &mut Tx, job: &Held, action: Action) -> Result<(), StoreError> {
    let leader: Option<String> =
        sqlx::query_scalar("SELECT leader.id FROM job JOIN job AS leader ON leader.seq = job.family WHERE job.seq = ?")
            .bind(job.seq)
            .fetch_optional(&mut tx.connection)
            .await?;
    match leader {
        Some(leader) => Err(StoreError::Led { job: job.id, leader: leader.parse()?, action }),
        None => Ok(()),
    }
}

/// Carries a wish to the members that have not finished.
pub(super) async fn carry(tx: &mut Tx, leader: i64, action: Action, reason: &str) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT seq, id, status, attempt, resume_wanted FROM job WHERE family = ? AND finished_at IS NULL ORDER BY member",
    )
    .bind(leader)
    .fetch_all(&mut tx.connection)
    .await?;
    for row in rows {
        let member = queue::held(&row)?;
        if next(member.status, Event::Asked(action)) != Next::Refused {
            queue::obey(tx, &member, action, reason).await?;
        }
    }
    Ok(())
}

/// Hands a new priority of a leader on.
pub(super) async fn prioritise(tx: &mut Tx, leader: i64, priority: i32) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "UPDATE job SET priority = ?2, revision = revision + 1 WHERE family = ?1 AND finished_at IS NULL AND priority <> ?2
         RETURNING id",
    )
    .bind(leader)
    .bind(priority)
    .fetch_all(&mut tx.connection)
    .await?;
    for row in rows {
        tx.job_changed(row.try_get::<&str, _>("id")?.parse()?);
    }
    Ok(())
}
