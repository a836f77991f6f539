-- Jobs that wait for room, and long curves that are thinned without reading all of them.

-- Why the server paused a job by itself, and will let it go on by itself; NULL when a client paused it.
ALTER TABLE job ADD COLUMN paused_for TEXT
    CHECK (paused_for IS NULL OR (paused_for = 'space' AND status IN ('pausing', 'paused')));
CREATE INDEX job_paused_for ON job (seq) WHERE paused_for IS NOT NULL;

-- Jobs that say why they wait: looked up at each claim, to take back what no longer holds.
CREATE INDEX job_queue_reason ON job (seq) WHERE queue_reason IS NOT NULL;

-- When jobs finished, for the server's own tidying up (`--keep-days`, `--keep-jobs`).
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL;

-- Of each complete chunk of 4,096 points those that a thinned curve can need: in each 256 points where a metric is least, greatest
-- and not finite. A million points are drawn from these rows alone. A chunk without them is read whole.
CREATE TABLE metric_thin (
    job    INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,   -- the job
    axis   TEXT    NOT NULL CHECK (axis IN ('epoch','step')),         -- what the points are counted by
    name   TEXT    NOT NULL,                  -- 'loss', 'val_loss', 'time', …; '' holds the places of the points within the chunk
    start  INTEGER NOT NULL CHECK (start >= 0 AND start % 4096 = 0),  -- index of the chunk's first point
    count  INTEGER NOT NULL CHECK (count BETWEEN 1 AND 4096),         -- number of points kept
    points BLOB    NOT NULL,                  -- 64-bit floats, little-endian
    PRIMARY KEY (job, axis, name, start),
    CHECK (length(points) = 8 * count)
) STRICT;
