-- What the diagnosis of a job looks at beside its curves: written by the worker, so that it outlives the job's dataset. NULL until a
-- worker of a version that writes it has taken the job.
ALTER TABLE job ADD COLUMN facts TEXT CHECK (facts IS NULL OR json_valid(facts));
