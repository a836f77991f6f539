-- Jobs that have children: a cross-validation leads one job for each fold, and trains none itself.

-- How many jobs it leads; 0 for a job that trains.
ALTER TABLE job ADD COLUMN members INTEGER NOT NULL DEFAULT 0 CHECK (members >= 0);
-- The job that leads it, and its number there, from 1. It goes with the one that leads it.
ALTER TABLE job ADD COLUMN family INTEGER REFERENCES job (seq) ON DELETE CASCADE;
ALTER TABLE job ADD COLUMN member INTEGER CHECK ((member IS NULL) = (family IS NULL) AND (member IS NULL OR (member >= 1 AND members = 0)));
-- What its members have come to, as told so far; NULL for a job that trains.
ALTER TABLE job ADD COLUMN folds TEXT CHECK (folds IS NULL OR (json_valid(folds) AND members > 0));
CREATE UNIQUE INDEX job_family ON job (family, member) WHERE family IS NOT NULL;
CREATE INDEX job_leads ON job (seq) WHERE members > 0 AND finished_at IS NULL;

-- A job that leads others waits for no worker of its own: it has no place in the queue.
DROP TRIGGER job_enters;
DROP TRIGGER job_moves;
DROP TRIGGER job_leaves;
CREATE TRIGGER job_enters AFTER INSERT ON job WHEN NEW.status = 'queued' AND NEW.members = 0 BEGIN
    INSERT INTO queue_size (priority, jobs) VALUES (NEW.priority, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_moves AFTER UPDATE OF status, priority ON job
WHEN NEW.members = 0
 AND ((OLD.status = 'queued') <> (NEW.status = 'queued') OR (NEW.status = 'queued' AND OLD.priority <> NEW.priority)) BEGIN
    UPDATE queue_size SET jobs = jobs - 1 WHERE OLD.status = 'queued' AND priority = OLD.priority;
    INSERT INTO queue_size (priority, jobs) SELECT NEW.priority, 1 WHERE NEW.status = 'queued'
        ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_leaves AFTER DELETE ON job WHEN OLD.status = 'queued' AND OLD.members = 0 BEGIN
    UPDATE queue_size SET jobs = jobs - 1 WHERE priority = OLD.priority;
END;
