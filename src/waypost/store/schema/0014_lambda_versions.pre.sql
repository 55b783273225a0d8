-- Lambda: versions, aliases, reserved concurrency, layers, and what becomes of asynchronous events.
ALTER TABLE lambda_function ADD COLUMN layers TEXT NOT NULL DEFAULT '[]';      -- JSON: [[arn, size, sha256], ...]
ALTER TABLE lambda_function ADD COLUMN dead_letter TEXT NOT NULL DEFAULT '';   -- ARN of a queue or topic
ALTER TABLE lambda_function ADD COLUMN reserved INTEGER;                       -- NULL: nothing is reserved
CREATE INDEX lambda_function_reserved ON lambda_function (account, region) WHERE reserved IS NOT NULL;

ALTER TABLE lambda_mapping ADD COLUMN filters TEXT NOT NULL DEFAULT '[]';      -- JSON array of patterns

-- A row for each account that reserved concurrency: whoever counts what is left holds it.
CREATE TABLE lambda_account (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  reservations BIGINT NOT NULL,  -- how often something was reserved
  PRIMARY KEY (account, region)
) {without_rowid};

-- How many versions a name has had. A row outlives its function: numbers are never given twice.
CREATE TABLE lambda_serial (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (account, region, name)
) {without_rowid};

-- What PublishVersion froze. Nothing but credentials ever changes here.
CREATE TABLE lambda_version (
  id {key},
  function_id BIGINT NOT NULL,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  source TEXT NOT NULL,              -- digest of the $LATEST that it was made from
  revision TEXT NOT NULL,
  runtime TEXT NOT NULL,
  role TEXT NOT NULL,
  handler TEXT NOT NULL,
  description TEXT NOT NULL,
  timeout_s INTEGER NOT NULL,
  memory_mb INTEGER NOT NULL,
  ephemeral_mb INTEGER NOT NULL,
  environment TEXT NOT NULL,
  architecture TEXT NOT NULL,
  log_group TEXT NOT NULL,
  code_sha256 TEXT NOT NULL,
  code_size BIGINT NOT NULL,
  layers TEXT NOT NULL,
  dead_letter TEXT NOT NULL,
  modified BIGINT NOT NULL,
  credentials TEXT NOT NULL,
  credentials_until BIGINT NOT NULL
);
CREATE UNIQUE INDEX lambda_version_name ON lambda_version (account, region, name, version);
CREATE INDEX lambda_version_code ON lambda_version (code_sha256);

CREATE TABLE lambda_alias (
  function_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,             -- a number, or $LATEST
  other TEXT NOT NULL,               -- the version that gets the rest of the requests; empty: none
  weight TEXT NOT NULL,              -- the part of the requests that goes to the other one: a number from 0 to 1, as JSON
  description TEXT NOT NULL,
  revision TEXT NOT NULL,
  PRIMARY KEY (function_id, name)
) {without_rowid};

-- Resource policies of versions and aliases; that of the function itself lies in lambda_policy.
CREATE TABLE lambda_qualified_policy (
  function_id BIGINT NOT NULL,
  qualifier TEXT NOT NULL,
  revision TEXT NOT NULL,
  statements TEXT NOT NULL,          -- JSON array
  PRIMARY KEY (function_id, qualifier)
) {without_rowid};

-- What becomes of asynchronous events, for the function ($LATEST), a version or an alias.
CREATE TABLE lambda_event_config (
  function_id BIGINT NOT NULL,
  qualifier TEXT NOT NULL,
  retries INTEGER,                   -- NULL: not set
  age_s INTEGER,                     -- NULL: not set
  destinations TEXT NOT NULL,        -- JSON, as it was put
  modified BIGINT NOT NULL,
  PRIMARY KEY (function_id, qualifier)
) {without_rowid};

-- Provisioned concurrency of versions and aliases: how many environments are kept warm.
CREATE TABLE lambda_provisioned (
  function_id BIGINT NOT NULL,
  qualifier TEXT NOT NULL,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  requested INTEGER NOT NULL,
  modified BIGINT NOT NULL,
  PRIMARY KEY (function_id, qualifier)
) {without_rowid};
CREATE INDEX lambda_provisioned_account ON lambda_provisioned (account, region, name);

-- Layers. A name's row outlives its versions: numbers are never given twice.
CREATE TABLE lambda_layer (
  id {key},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL           -- the last one that was published
);
CREATE UNIQUE INDEX lambda_layer_name ON lambda_layer (account, region, name);

CREATE TABLE lambda_layer_version (
  layer_id BIGINT NOT NULL,
  version INTEGER NOT NULL,
  code_sha256 TEXT NOT NULL,
  code_size BIGINT NOT NULL,
  unzipped_size BIGINT NOT NULL,
  code_token TEXT NOT NULL,          -- opens the download that GetLayerVersion links to
  description TEXT NOT NULL,
  license TEXT NOT NULL,
  runtimes TEXT NOT NULL,            -- JSON array
  architectures TEXT NOT NULL,       -- JSON array
  created BIGINT NOT NULL,
  policy_revision TEXT NOT NULL,
  statements TEXT NOT NULL,          -- JSON array
  PRIMARY KEY (layer_id, version)
) {without_rowid};
CREATE INDEX lambda_layer_version_code ON lambda_layer_version (code_sha256);

-- Which functions and versions unpack a layer's zip: it is kept as long as one does, whether the layer is still there or not.
CREATE TABLE lambda_layer_use (
  user_id BIGINT NOT NULL,           -- id of a row of lambda_function or lambda_version
  code_sha256 TEXT NOT NULL,
  PRIMARY KEY (user_id, code_sha256)
) {without_rowid};
CREATE INDEX lambda_layer_use_code ON lambda_layer_use (code_sha256);
