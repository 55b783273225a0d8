-- Step Functions: machines and their revisions, executions, and what only a running execution needs.
CREATE TABLE states_machine (
  id {key},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,          -- ACTIVE or DELETING
  revision BIGINT NOT NULL,      -- the states_revision in force
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX states_machine_name ON states_machine (account, region, name);

-- Immutable: an execution keeps the revision it was started with.
CREATE TABLE states_revision (
  id {key},
  machine BIGINT NOT NULL,
  revision_id TEXT NOT NULL,     -- shown to clients; empty for the one the machine was created with
  created_at BIGINT NOT NULL,
  role_arn TEXT NOT NULL,
  configuration TEXT NOT NULL,   -- JSON: logging, tracing and encryption, as described
  digest TEXT NOT NULL,          -- SHA-256 of the definition: names the compiled program in every cache
  definition TEXT NOT NULL       -- as the client wrote it; last, because most readers stop before it
);
{sqlite} CREATE INDEX states_revision_machine ON states_revision (machine, id);
{postgres} CREATE INDEX states_revision_machine ON states_revision (machine);

CREATE TABLE states_tag (
  resource BIGINT NOT NULL,      -- id of a machine or an activity
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (resource, key)
) {without_rowid};

-- The record of an execution lies with its machine: there its name is unique, and there it is listed. What the execution
-- moves by lies with itself. On PostgreSQL two of the indexes are partial, though they hold every row: so that a statement
-- that does not speak of names, or of time, cannot be given a plan by them while the table is small, and keep it.
CREATE TABLE states_execution (
  id {local_key},
  machine BIGINT NOT NULL,
  name TEXT NOT NULL,
  revision BIGINT NOT NULL,
  status TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  stopped_at BIGINT,
  listed_at BIGINT NOT NULL,     -- the stop of one that ended, the start of one that runs: the order of ListExecutions
  trace TEXT NOT NULL,
  error TEXT,
  cause TEXT,
  output TEXT,
  input TEXT NOT NULL
);
{postgres} ALTER TABLE states_execution ADD PRIMARY KEY (machine, id);
{sqlite} CREATE UNIQUE INDEX states_execution_name ON states_execution (machine, name);
{sqlite} CREATE INDEX states_execution_listed ON states_execution (machine, status, listed_at, id);
{postgres} CREATE INDEX states_execution_listed ON states_execution (machine, status, listed_at, id) WHERE listed_at > 0;
{postgres} CREATE UNIQUE INDEX states_execution_name ON states_execution (machine, name) WHERE name > '';

-- One row for each transaction that moved the execution on; more where the documents are large.
CREATE TABLE states_history (
  execution BIGINT NOT NULL,
  first BIGINT NOT NULL,         -- id of the first event in the row
  events TEXT NOT NULL,          -- JSON array, ids contiguous
  PRIMARY KEY (execution, first)
);

-- The rest exists only while an execution runs. The run's row is the execution's lock; it holds the root branch's head.
CREATE TABLE states_run (
  execution {key},
  version BIGINT NOT NULL,
  machine BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  armed INTEGER NOT NULL,        -- jobs promised for the root branch's attempt
  head TEXT NOT NULL             -- JSON; empty: not begun
);

CREATE TABLE states_branch (
  execution BIGINT NOT NULL,
  branch TEXT NOT NULL,
  parent TEXT NOT NULL,
  place BIGINT NOT NULL,         -- among its siblings
  armed INTEGER NOT NULL,        -- jobs promised for the branch's attempt
  head TEXT NOT NULL,            -- JSON
  PRIMARY KEY (execution, branch)
);
CREATE INDEX states_branch_parent ON states_branch (execution, parent, place);

CREATE TABLE states_body (
  execution BIGINT NOT NULL,
  branch TEXT NOT NULL,
  body TEXT NOT NULL,            -- JSON
  PRIMARY KEY (execution, branch)
);

-- A token begins with its execution, so it is found by both.
CREATE TABLE states_token (
  execution BIGINT NOT NULL,
  token TEXT NOT NULL,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  branch TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  PRIMARY KEY (execution, token)
) {without_rowid};

CREATE TABLE states_activity (
  id {key},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX states_activity_name ON states_activity (account, region, name);

-- Tasks that wait for an activity's worker, in the order of their ids.
CREATE TABLE states_activity_task (
  activity BIGINT NOT NULL,
  id BIGINT NOT NULL,
  execution BIGINT NOT NULL,
  branch TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  token TEXT NOT NULL,
  input TEXT NOT NULL,
  PRIMARY KEY (activity, id)
);
CREATE INDEX states_activity_task_branch ON states_activity_task (execution, branch);
