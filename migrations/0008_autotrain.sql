-- Autotrain: runs of the whole strategy on a dataset, step by step.

-- Runs. The jobs of a run are ordinary jobs; what decides about them stands here, so that a run goes on from it after any death.
CREATE TABLE autotrain (
    seq                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of coming in; the cursor of lists
    id                 TEXT    NOT NULL UNIQUE CHECK (id GLOB 'auto_*'), -- what clients call it
    name               TEXT,                  -- a label, not unique
    status             TEXT    NOT NULL CHECK (status IN ('running','cancelling','succeeded','failed','cancelled')), -- where it stands
    revision           INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1), -- grows with each change
    dataset            TEXT    NOT NULL,      -- id of the dataset; no reference, since a finished run outlives its data
    dataset_name       TEXT,                  -- the dataset's name when the run came in
    dataset_sha256     TEXT    NOT NULL,      -- digest of the dataset's bytes
    version            TEXT    NOT NULL,      -- of the program that took it in
    request_id         TEXT,                  -- of the HTTP request that made it
    request            TEXT    NOT NULL CHECK (json_valid(request)), -- as sent
    spec               TEXT    NOT NULL CHECK (json_valid(spec)),    -- with every default
    created_at         INTEGER NOT NULL,      -- when it came in
    finished_at        INTEGER,               -- when it ended
    stop_reason        TEXT,                  -- why it ended, in words
    error              TEXT    CHECK (error IS NULL OR json_valid(error)), -- the problem, if it failed
    model              TEXT,                  -- id of the job that has the model
    result             TEXT    CHECK (result IS NULL OR json_valid(result)), -- the model in numbers

    CHECK ((status IN ('succeeded','failed','cancelled')) = (finished_at IS NOT NULL)), -- finished exactly then
    CHECK ((finished_at IS NULL) = (stop_reason IS NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL)),
    CHECK ((status = 'succeeded') = (model IS NOT NULL))
) STRICT;
CREATE INDEX autotrain_open ON autotrain (seq) WHERE finished_at IS NULL;

-- The steps of a run. A step is written with the jobs that it starts, in one transaction, and closed once with what came of it.
CREATE TABLE autotrain_step (
    autotrain   INTEGER NOT NULL REFERENCES autotrain (seq) ON DELETE CASCADE, -- the run
    number      INTEGER NOT NULL CHECK (number >= 1), -- 1, 2, … within the run
    title       TEXT    NOT NULL,             -- in a few words
    reason      TEXT    NOT NULL,             -- why it was taken
    plan        TEXT    NOT NULL CHECK (json_valid(plan)),  -- what it does
    jobs        TEXT    NOT NULL CHECK (json_type(jobs) = 'array'), -- ids of the jobs that do it
    started_at  INTEGER NOT NULL,             -- when it was taken
    finished_at INTEGER,                      -- when it was closed
    outcome     TEXT    CHECK (outcome IS NULL OR json_valid(outcome)), -- what came of it
    conclusion  TEXT,                         -- what that says
    PRIMARY KEY (autotrain, number),
    CHECK ((finished_at IS NULL) = (outcome IS NULL) AND (finished_at IS NULL) = (conclusion IS NULL))
) STRICT, WITHOUT ROWID;

-- The run that tries a job out: the job goes with it, and is listed with it alone. The job that has the model is not among them.
ALTER TABLE job ADD COLUMN autotrain INTEGER REFERENCES autotrain (seq) ON DELETE CASCADE;
CREATE INDEX job_autotrain ON job (autotrain, seq) WHERE autotrain IS NOT NULL;
