-- What the store needs for itself, and the one table of background work.
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) {without_rowid};

-- On PostgreSQL the key comes last: while a table is small its planner takes all indexes for equal, takes the newest, and
-- keeps that plan while the table grows.
CREATE TABLE job (
  id {local_key},
  kind TEXT NOT NULL,
  key TEXT NOT NULL,          -- what the job is about: all jobs of a key can be dropped together
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  run_at BIGINT NOT NULL,     -- ms since epoch; a lease moves it into the future, so a dead node's work comes due by itself
  attempts INTEGER NOT NULL,  -- how often it was leased
  owner TEXT NOT NULL,        -- the node that leases it, or empty
  payload TEXT NOT NULL       -- JSON
);
CREATE INDEX job_due ON job (run_at, id);
CREATE INDEX job_key ON job (key);
CREATE INDEX job_owner ON job (owner) WHERE owner <> '';
{postgres} ALTER TABLE job ADD PRIMARY KEY (id);
