-- Functions, their code, their policies, and the event source mappings that feed them.
CREATE TABLE lambda_function (
  id {key},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  revision TEXT NOT NULL,            -- RevisionId: changes with code and configuration
  runtime TEXT NOT NULL,
  role TEXT NOT NULL,
  handler TEXT NOT NULL,
  description TEXT NOT NULL,
  timeout_s INTEGER NOT NULL,
  memory_mb INTEGER NOT NULL,
  ephemeral_mb INTEGER NOT NULL,
  environment TEXT NOT NULL,         -- JSON object of the user's variables
  architecture TEXT NOT NULL,
  log_group TEXT NOT NULL,
  code_sha256 TEXT NOT NULL,         -- hex; names a row of lambda_code
  code_size BIGINT NOT NULL,
  code_token TEXT NOT NULL,          -- opens the download that GetFunction links to
  modified BIGINT NOT NULL,
  tags TEXT NOT NULL,                -- JSON object
  credentials TEXT NOT NULL,         -- JSON object of the role's current credentials; empty before the first invocation
  credentials_until BIGINT NOT NULL  -- ms; renewed at half their life, since a running environment cannot refresh them
);
CREATE UNIQUE INDEX lambda_function_name ON lambda_function (account, region, name);
CREATE INDEX lambda_function_code ON lambda_function (code_sha256);

-- Shared by content: deploying the same zip a hundred times stores it once.
CREATE TABLE lambda_code (
  sha256 TEXT NOT NULL PRIMARY KEY,
  zip {blob} NOT NULL
);

CREATE TABLE lambda_policy (
  function_id BIGINT NOT NULL PRIMARY KEY,
  revision TEXT NOT NULL,
  statements TEXT NOT NULL           -- JSON array
);

CREATE TABLE lambda_mapping (
  id {key},
  uuid TEXT NOT NULL,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  function_name TEXT NOT NULL,
  qualifier TEXT NOT NULL,           -- empty: as AWS, the unqualified function
  source_arn TEXT NOT NULL,
  queue_url TEXT NOT NULL,
  batch_size INTEGER NOT NULL,
  window_s INTEGER NOT NULL,
  report_failures INTEGER NOT NULL,  -- 1: ReportBatchItemFailures
  concurrency_max INTEGER,
  enabled INTEGER NOT NULL,
  modified BIGINT NOT NULL,
  tags TEXT NOT NULL                 -- JSON object
);
CREATE UNIQUE INDEX lambda_mapping_uuid ON lambda_mapping (uuid);
CREATE INDEX lambda_mapping_account ON lambda_mapping (account, region, id);
{sqlite} CREATE INDEX lambda_mapping_function ON lambda_mapping (account, region, function_name, source_arn);
