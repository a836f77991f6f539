//! How a job comes in: its row, what it needs, its first transition and its first event.

use serde_json::{Value, json};
use sqlx::Row;

use super::failpoint::failpoint;
use super::family::NewMember;
use super::job::{self, Job};
use super::queue::NewJob;
use super::writer::Tx;
use super::{StoreError, idempotency, time};
use crate::id::JobId;

/// Looks at the queue and at the dataset, then writes all that a job has at first. Statements in one: each of its own is a trip to the
/// connection's thread, and submits are counted in them. What the look forbids is refused afterwards, which undoes the rest.
///
/// What several statements use has the lowest numbers: sqlx takes a number that a statement leaves out for one more argument used up, and binds
/// no more when it has passed the last.
const INSERT: &str = "
    SELECT coalesce(sum(jobs), 0) AS queued, coalesce(sum(jobs) FILTER (WHERE priority >= ?4), 0) AS before,
           EXISTS (SELECT 1 FROM dataset WHERE id = ?5) AS dataset_is_there, NULL AS seq
    FROM queue_size;
    INSERT INTO job (id, created_at, queued_at, status, priority, dataset, name, tags, dataset_name, dataset_sha256, version,
                     arithmetic_version, request_id, request, spec, parent, warnings, parameters, memory_bytes, members, family, member,
                     transitions, events, revision)
    VALUES (?1, ?2, ?2, 'queued', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, 1, 1, 1)
    RETURNING seq;
    INSERT INTO job_transition (job, number, from_status, to_status, at, reason, attempt)
    SELECT seq, 1, NULL, 'queued', ?2, ?3, 0 FROM job WHERE id = ?1;
    INSERT INTO event (job, number, created_at, level, kind, message, data)
    SELECT seq, 1, ?2, 'info', 'status', 'queued: ' || ?3,
           json_object('from', NULL, 'to', 'queued', 'reason', ?3, 'attempt', 0) FROM job WHERE id = ?1;";

/// The documents of a job as they are stored: long ones are not for the writer's thread to make.
pub(super) struct Texts {
    request: String,
    spec: String,
}

impl Texts {
    pub fn of(new: &NewJob) -> Self {
        Self { request: new.request.to_string(), spec: new.spec.to_string() }
    }
}

/// Writes a job into the queue, with those that it leads.
pub(super) async fn insert(tx: &mut Tx, mut new: NewJob, texts: Texts) -> Result<Job, StoreError> {
    tx.directory().require_room()?;
    let members = std::mem::take(&mut new.members);
    let (key, limit) = (new.idempotency.clone(), new.queue_limit);
    let like = if members.is_empty() { None } else { Some(new.clone()) };
    let (seq, job, queued) = insert_row(tx, new, texts, Place::Own { members: members.len() as u64 }).await?;
    let more = members.len().saturating_sub(1) as u64;
    if let Some(limit) = limit.filter(|limit| queued + more >= *limit) {
        return Err(StoreError::QueueFull { queued, limit });
    }
    if let Some(like) = like {
        for (member, number) in members.into_iter().zip(1..) {
            let NewMember { name, request, spec, mut parent } = member;
            if let Some(fields) = parent.as_object_mut() {
                fields.shift_insert(0, "job".to_owned(), job.id.to_string().into());
            }
            let parent = Some(parent);
            let member = NewJob { name, request, spec, parent, warnings: json!([]), ..like.clone() };
            let texts = Texts::of(&member);
            insert_row(tx, member, texts, Place::Led { leader: seq, number }).await?;
        }
    }
    if let Some(key) = &key {
        idempotency::made(tx, key, &job.id.to_string()).await?;
    }
    failpoint("queue.inserted");
    Ok(job)
}

/// Where a job stands among others.
enum Place {
    /// By itself, perhaps with jobs that it leads.
    Own { members: u64 },
    /// Led by another one, as this number of its members.
    Led { leader: i64, number: i64 },
}

/// Writes the rows of a job; gives its number, and how many jobs waited before.
async fn insert_row(tx: &mut Tx, new: NewJob, texts: Texts, place: Place) -> Result<(i64, Job, u64), StoreError> {
    let also_uses = new.also_uses.clone();
    let mut job = job::fresh(new, JobId::new(), time(tx.now));
    let (leader, number) = match place {
        Place::Own { members } => {
            job.members = members;
            (None, None)
        }
        Place::Led { leader, number } => (Some(leader), Some(number)),
    };
    let rows = sqlx::query(INSERT)
        .bind(job.id.to_string())
        .bind(tx.now)
        .bind(job::SUBMITTED)
        .bind(job.priority)
        .bind(job.dataset.id.to_string())
        .bind(&job.name)
        .bind(serde_json::to_string(&job.tags)?)
        .bind(&job.dataset.name)
        .bind(&job.dataset.sha256)
        .bind(&job.version)
        .bind(job.arithmetic_version)
        .bind(&job.request_id)
        .bind(texts.request)
        .bind(texts.spec)
        .bind(job.parent.as_ref().map(Value::to_string))
        .bind(job.warnings.to_string())
        .bind(job.parameters.map(|n| n as i64))
        .bind(job.memory_bytes.map(|n| n as i64))
        .bind(job.members as i64)
        .bind(leader)
        .bind(number)
        .fetch_all(&mut tx.connection)
        .await?;
    let [look, written] = rows.as_slice() else {
        return Err(StoreError::Database(format!("a job was written with {} rows", rows.len())));
    };
    // It may have been deleted since the spec was proved.
    if !look.try_get::<bool, _>("dataset_is_there")? {
        return Err(StoreError::not_found("dataset", job.dataset.id));
    }
    let seq: i64 = written.try_get("seq")?;
    for dataset in also_uses.into_iter().filter(|other| *other != job.dataset.id) {
        let noted = sqlx::query(
            "INSERT INTO job_dataset (job, dataset) SELECT ?1, id FROM dataset WHERE id = ?2 ON CONFLICT DO UPDATE SET job = job",
        )
        .bind(seq)
        .bind(dataset.to_string())
        .execute(&mut tx.connection)
        .await?;
        if noted.rows_affected() == 0 {
            return Err(StoreError::not_found("dataset", dataset));
        }
    }
    job.queue_position = Some(look.try_get::<i64, _>("before")? as u64);
    tx.job_changed(job.id);
    tx.queue_changed();
    Ok((seq, job, look.try_get::<i64, _>("queued")? as u64))
}
