-- The queue in one index: a claim reads what waits, what that needs and whether it leads others without a look at the rows.
DROP INDEX job_queue;
CREATE INDEX job_queue ON job (priority DESC, seq, members, memory_bytes) WHERE status = 'queued';

-- A job's own dataset stands in its row: here are only the others that it needs.
DELETE FROM job_dataset WHERE dataset = (SELECT dataset FROM job WHERE job.seq = job_dataset.job);
