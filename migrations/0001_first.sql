-- The first schema. Each CHECK makes a state impossible that must not be; the code's one `match` of the states says the same.
--
-- Conventions: times are whole milliseconds since 1970 in UTC; ids are text as clients see them (they sort by time); digests are 64
-- lower-case hexadecimal digits; documents are JSON text, opaque to SQL except where an index or a sort says otherwise. Rows that belong to
-- a job refer to its small number `seq`, which is also the order in which jobs came in, whatever the clock did. Tables WITHOUT ROWID begin
-- with the columns of their key: `integrity_check` of older SQLite (3.40) takes the others for NULL where they do not.

-- What the data directory says of itself.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,   -- what is said, such as 'created_at'
    value TEXT NOT NULL                -- the value
) STRICT, WITHOUT ROWID;

-- Files of the data directory, named by their content. A file without a row is swept at start; a row without a reference goes with it.
CREATE TABLE file (
    sha256     TEXT    NOT NULL PRIMARY KEY   -- digest of the content, and the file's name
               CHECK (length(sha256) = 64),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0), -- length
    created_at INTEGER NOT NULL               -- when it was first stored
) STRICT, WITHOUT ROWID;

-- Uploaded datasets. Identity is the bytes and the parse options.
CREATE TABLE dataset (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of making; the cursor of lists
    id         TEXT    NOT NULL UNIQUE CHECK (id GLOB 'ds_*'), -- what clients call it
    name       TEXT    UNIQUE,                -- the label that is shown; NULL when the label moved on to newer bytes
    format     TEXT    NOT NULL,              -- 'csv', …
    identity   TEXT    NOT NULL CHECK (json_valid(identity)),  -- parse options as given, in canonical order
    options    TEXT    NOT NULL CHECK (json_valid(options)),   -- parse options as resolved
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),            -- length of the upload
    sha256     TEXT    NOT NULL REFERENCES file (sha256),      -- the bytes as uploaded
    "table"    TEXT    NOT NULL REFERENCES file (sha256),      -- the typed table made of them
    rows       INTEGER NOT NULL CHECK (rows >= 0),             -- number of rows
    columns    INTEGER NOT NULL CHECK (columns >= 1),          -- number of columns
    profile    TEXT    NOT NULL CHECK (json_valid(profile)),   -- columns with kinds and statistics, and warnings
    created_at INTEGER NOT NULL,              -- when it was made
    UNIQUE (sha256, identity)
) STRICT;
CREATE INDEX dataset_table ON dataset ("table");

-- Names that lead to datasets; PUT moves one to newer bytes. A dataset may have several.
CREATE TABLE dataset_name (
    name    TEXT    NOT NULL PRIMARY KEY      -- the label
            CHECK (length(name) BETWEEN 1 AND 64),
    dataset INTEGER NOT NULL REFERENCES dataset (seq) ON DELETE CASCADE, -- where it leads
    at      INTEGER NOT NULL                  -- since when
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_name_dataset ON dataset_name (dataset);

-- Jobs.
CREATE TABLE job (
    seq                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of coming in: first in, first out, and the cursor of lists
    id                 TEXT    NOT NULL UNIQUE CHECK (id GLOB 'job_*'), -- what clients call it
    name               TEXT,                  -- a label, not unique
    status             TEXT    NOT NULL CHECK (status IN
                       ('queued','running','pausing','paused','cancelling','succeeded','failed','cancelled')), -- where it stands
    attempt            INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0), -- how often it was claimed; the fencing token of its worker's writes
    worker             TEXT,                  -- who holds it
    priority           INTEGER NOT NULL DEFAULT 0, -- higher is claimed first
    tags               TEXT    NOT NULL DEFAULT '{}' CHECK (json_type(tags) = 'object'), -- labels of the client's
    revision           INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1), -- grows with each change of the job or of what it has
    -- what it is
    dataset            TEXT    NOT NULL,      -- id of the dataset; no reference, since a finished job outlives its data
    dataset_name       TEXT,                  -- the dataset's name when the job came in
    dataset_sha256     TEXT    NOT NULL,      -- digest of the dataset's bytes
    version            TEXT    NOT NULL,      -- of the program that took it in
    arithmetic_version INTEGER NOT NULL,      -- of the arithmetic that computes it
    request_id         TEXT,                  -- of the HTTP request that made it
    request            TEXT    NOT NULL CHECK (json_valid(request)), -- the spec as sent
    spec               TEXT    NOT NULL CHECK (json_valid(spec)),    -- the spec with every default
    parent             TEXT    CHECK (parent IS NULL OR json_valid(parent)), -- where it was forked from
    parent_job         TEXT GENERATED ALWAYS AS (json_extract(parent, '$.job')) VIRTUAL, -- the same, to look up children
    warnings           TEXT    NOT NULL DEFAULT '[]' CHECK (json_type(warnings) = 'array'), -- noticed when it came in
    parameters         INTEGER CHECK (parameters >= 0),   -- number of weights
    memory_bytes       INTEGER CHECK (memory_bytes >= 0), -- estimate of what it needs
    -- its way
    created_at         INTEGER NOT NULL,      -- when it came in
    queued_at          INTEGER,               -- since when it waits; only while queued
    queue_seconds      REAL    NOT NULL DEFAULT 0 CHECK (queue_seconds >= 0), -- waited before that
    queue_reason       TEXT,                  -- why it waits although a worker is free; only while queued
    started_at         INTEGER,               -- first claim
    finished_at        INTEGER,               -- end
    train_seconds      REAL    NOT NULL DEFAULT 0 CHECK (train_seconds >= 0), -- over all attempts
    resume_wanted      INTEGER NOT NULL DEFAULT 0 CHECK (resume_wanted IN (0, 1)), -- goes back to the queue once it has paused
    crashes            INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0), -- processes that died with it since it last got further
    furthest_step      INTEGER NOT NULL DEFAULT -1, -- the furthest step recorded
    -- what has come of it
    progress           TEXT    CHECK (progress IS NULL OR json_valid(progress)), -- how far it is
    best_epoch         INTEGER,               -- the best epoch so far
    best_metric        TEXT,                  -- the metric that says so
    best_value         REAL,                  -- its value
    last               TEXT    CHECK (last IS NULL OR json_valid(last)), -- the numbers of the last epoch
    stop_reason        TEXT,                  -- why it ended
    error              TEXT    CHECK (error IS NULL OR json_valid(error)), -- the problem, if it failed
    events             INTEGER NOT NULL DEFAULT 0 CHECK (events >= 0), -- number of the last event
    transitions        INTEGER NOT NULL DEFAULT 0 CHECK (transitions >= 0), -- number of the last transition

    CHECK ((status IN ('running','pausing','cancelling')) = (worker IS NOT NULL)), -- held exactly then
    CHECK ((status IN ('succeeded','failed','cancelled')) = (finished_at IS NOT NULL)), -- finished exactly then
    CHECK ((finished_at IS NULL) = (stop_reason IS NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL)),
    CHECK ((status = 'queued') = (queued_at IS NOT NULL)),
    CHECK (status = 'queued' OR queue_reason IS NULL),
    CHECK (worker IS NULL OR (attempt >= 1 AND started_at IS NOT NULL)),
    CHECK ((attempt >= 1) = (started_at IS NOT NULL)),
    CHECK (resume_wanted = 0 OR status = 'pausing'),
    CHECK ((best_epoch IS NULL) = (best_metric IS NULL))
) STRICT;
CREATE INDEX job_queue ON job (priority DESC, seq) WHERE status = 'queued';
CREATE INDEX job_status ON job (status, seq);
CREATE INDEX job_dataset_seq ON job (dataset, seq);
CREATE INDEX job_name ON job (name, seq) WHERE name IS NOT NULL;
CREATE INDEX job_parent ON job (parent_job, seq) WHERE parent_job IS NOT NULL;

-- How many jobs wait at each priority, kept by the triggers below: places in a long queue are told without walking it.
CREATE TABLE queue_size (
    priority INTEGER NOT NULL PRIMARY KEY,    -- the priority
    jobs     INTEGER NOT NULL CHECK (jobs >= 0) -- number of queued jobs
) STRICT;
CREATE TRIGGER job_enters AFTER INSERT ON job WHEN NEW.status = 'queued' BEGIN
    INSERT INTO queue_size (priority, jobs) VALUES (NEW.priority, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_moves AFTER UPDATE OF status, priority ON job
WHEN (OLD.status = 'queued') <> (NEW.status = 'queued') OR (NEW.status = 'queued' AND OLD.priority <> NEW.priority) BEGIN
    UPDATE queue_size SET jobs = jobs - 1 WHERE OLD.status = 'queued' AND priority = OLD.priority;
    INSERT INTO queue_size (priority, jobs) SELECT NEW.priority, 1 WHERE NEW.status = 'queued'
        ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_leaves AFTER DELETE ON job WHEN OLD.status = 'queued' BEGIN
    UPDATE queue_size SET jobs = jobs - 1 WHERE priority = OLD.priority;
END;

-- Datasets that a job needs while it is unfinished: its own and those of validation.
CREATE TABLE job_dataset (
    job     INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE, -- the job
    dataset TEXT    NOT NULL,                 -- id of the dataset
    PRIMARY KEY (job, dataset)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_dataset_dataset ON job_dataset (dataset);

-- Each change of a job's status.
CREATE TABLE job_transition (
    job         INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE, -- the job
    number      INTEGER NOT NULL CHECK (number >= 1), -- 1, 2, … within the job
    from_status TEXT,                         -- before; NULL for the first
    to_status   TEXT    NOT NULL,             -- after
    at          INTEGER NOT NULL,             -- when
    reason      TEXT    NOT NULL,             -- why, in words
    attempt     INTEGER NOT NULL,             -- the attempt it ended or began
    PRIMARY KEY (job, number),
    CHECK ((number = 1) = (from_status IS NULL)),
    CHECK ((from_status IS NULL AND to_status = 'queued')
        OR (from_status = 'queued'     AND to_status IN ('running','paused','cancelled'))
        OR (from_status = 'running'    AND to_status IN ('queued','pausing','cancelling','succeeded','failed'))
        OR (from_status = 'pausing'    AND to_status IN ('paused','cancelling','succeeded','failed','queued'))
        OR (from_status = 'paused'     AND to_status IN ('queued','cancelled'))
        OR (from_status = 'cancelling' AND to_status IN ('cancelled','succeeded','failed')))
) STRICT, WITHOUT ROWID;

-- How many points an axis of a job has.
CREATE TABLE metric_axis (
    job      INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE, -- the job
    axis     TEXT    NOT NULL CHECK (axis IN ('epoch','step')),       -- what the points are counted by
    points   INTEGER NOT NULL CHECK (points >= 1),                    -- number of points
    last_key INTEGER NOT NULL CHECK (last_key >= 0),                  -- epoch or step of the last one: what comes again is dropped
    PRIMARY KEY (job, axis)
) STRICT, WITHOUT ROWID;

-- The values of one metric at up to 4,096 consecutive points. Fresh points fill short chunks, which are merged when 4,096 are complete.
CREATE TABLE metric_chunk (
    job    INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,   -- the job
    axis   TEXT    NOT NULL CHECK (axis IN ('epoch','step')),         -- what the points are counted by
    name   TEXT    NOT NULL,                  -- 'loss', 'val_loss', 'time', …
    start  INTEGER NOT NULL CHECK (start >= 0), -- index of the first point
    count  INTEGER NOT NULL CHECK (count BETWEEN 1 AND 4096), -- number of points
    points BLOB    NOT NULL,                  -- 64-bit floats, little-endian; one NaN pattern means "no value here"
    PRIMARY KEY (job, axis, name, start),
    CHECK (length(points) = 8 * count)
) STRICT;

-- The names of an axis, in the order in which they first came.
CREATE TABLE metric_name (
    job    INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,   -- the job
    axis   TEXT    NOT NULL CHECK (axis IN ('epoch','step')),         -- what the points are counted by
    name   TEXT    NOT NULL,                  -- the metric
    number INTEGER NOT NULL CHECK (number >= 0), -- 0, 1, …
    PRIMARY KEY (job, axis, name)
) STRICT, WITHOUT ROWID;

-- What happened to a job, for people and programs.
CREATE TABLE event (
    job        INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE, -- the job
    number     INTEGER NOT NULL CHECK (number >= 1), -- 1, 2, … within the job; the id that event streams resume from
    created_at INTEGER NOT NULL,              -- when
    level      TEXT    NOT NULL CHECK (level IN ('info','warn','error')), -- how much it matters
    kind       TEXT    NOT NULL CHECK (kind IN ('status','epoch','checkpoint','check','finding','log')), -- of what sort it is
    message    TEXT    NOT NULL,              -- a sentence
    data       TEXT    NOT NULL CHECK (json_valid(data)), -- the same for programs
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- States of a network that a job can go on from or answer with.
CREATE TABLE checkpoint (
    seq            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of writing
    id             TEXT    NOT NULL UNIQUE CHECK (id GLOB 'ckpt_*'), -- what clients call it
    job            INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE, -- the job
    step           INTEGER NOT NULL CHECK (step >= 0),  -- steps completed
    epoch          INTEGER NOT NULL CHECK (epoch >= 0), -- epochs completed
    best           INTEGER NOT NULL DEFAULT 0 CHECK (best IN (0, 1)), -- the best so far
    last           INTEGER NOT NULL DEFAULT 0 CHECK (last IN (0, 1)), -- the last so far: a job goes on from it
    metric         TEXT,                      -- the monitored metric
    value          REAL,                      -- its value; NULL if it is not a number
    bytes          INTEGER NOT NULL CHECK (bytes >= 1),  -- length of all chunks
    chunks         INTEGER NOT NULL CHECK (chunks >= 1), -- number of chunks
    sha256         TEXT    NOT NULL CHECK (length(sha256) = 64), -- digest of all chunks
    weights_sha256 TEXT    NOT NULL CHECK (length(weights_sha256) = 64), -- digest of the weights alone
    attempt        INTEGER NOT NULL,          -- the attempt that wrote it
    created_at     INTEGER NOT NULL,          -- when
    UNIQUE (job, step)
) STRICT;
CREATE UNIQUE INDEX checkpoint_best ON checkpoint (job) WHERE best = 1;
CREATE UNIQUE INDEX checkpoint_last ON checkpoint (job) WHERE last = 1;

-- The bytes of a checkpoint, written in the transaction of its row.
CREATE TABLE checkpoint_chunk (
    checkpoint INTEGER NOT NULL REFERENCES checkpoint (seq) ON DELETE CASCADE, -- the checkpoint
    number     INTEGER NOT NULL CHECK (number >= 0), -- 0, 1, …
    content    BLOB    NOT NULL CHECK (length(content) BETWEEN 1 AND 8388608), -- at most 8 MiB
    PRIMARY KEY (checkpoint, number)
) STRICT;

-- Reports of checks.
CREATE TABLE report (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of writing; the cursor of lists
    id         TEXT    NOT NULL UNIQUE CHECK (id GLOB 'chk_*'), -- what clients call it
    job        INTEGER REFERENCES job (seq) ON DELETE CASCADE, -- the job it is about; NULL for a check that ran alone
    kind       TEXT    NOT NULL,              -- 'gradient', 'initial_loss', …
    verdict    TEXT    NOT NULL,              -- 'passed', 'warning', 'failed', …
    document   TEXT    NOT NULL CHECK (json_valid(document)), -- all of it
    created_at INTEGER NOT NULL               -- when
) STRICT;
CREATE INDEX report_job ON report (job, kind, seq);

-- Uploaded weights.
CREATE TABLE weights (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of making; the cursor of lists
    id         TEXT    NOT NULL UNIQUE CHECK (id GLOB 'wts_*'), -- what clients call it
    name       TEXT,                          -- a label, not unique
    bytes      INTEGER NOT NULL CHECK (bytes >= 0), -- length of the file
    sha256     TEXT    NOT NULL UNIQUE REFERENCES file (sha256), -- the file
    summary    TEXT    NOT NULL CHECK (json_valid(summary)), -- tensors with their shapes
    created_at INTEGER NOT NULL               -- when it was made
) STRICT;

-- Answers to idempotency keys.
CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,             -- principal, method and route
    key         TEXT    NOT NULL,             -- as the client sent it
    fingerprint TEXT    NOT NULL,             -- digest of body and query
    created_at  INTEGER NOT NULL,             -- when the first request came
    resource    TEXT,                         -- id of what that request made, written in the same transaction
    status      INTEGER CHECK (status BETWEEN 100 AND 599), -- of the answer
    headers     TEXT    CHECK (headers IS NULL OR json_valid(headers)), -- of the answer, those worth repeating
    body        BLOB,                         -- of the answer
    PRIMARY KEY (scope, key),
    CHECK ((status IS NULL) = (body IS NULL)),
    CHECK ((status IS NULL) = (headers IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created_at);
