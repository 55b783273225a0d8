-- IAM and STS. Account-wide: no region anywhere. Times are ms since epoch.

-- Roles, users, groups and instance profiles: everything with a name, a path and tags. Columns below the line are NULL
-- where a kind has no such thing.
CREATE TABLE iam_entity (
  id {key},
  account TEXT NOT NULL,
  kind TEXT NOT NULL,          -- role, user, group or profile
  name_key TEXT NOT NULL,      -- the name in lower case: names are unique whatever their case
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  unique_id TEXT NOT NULL,     -- AROA..., AIDA..., AGPA..., AIPA...
  created_at BIGINT NOT NULL,
  tags TEXT NOT NULL,          -- JSON: [{"Key": ..., "Value": ...}]
  -- of roles and users
  boundary TEXT,               -- ARN of the permissions boundary
  -- of roles
  trust TEXT,                  -- the trust policy as written
  description TEXT,
  max_session_s INTEGER,
  service TEXT,                -- the service that a service-linked role belongs to
  -- of instance profiles
  role BIGINT                  -- the entity it hands out
);
CREATE UNIQUE INDEX iam_entity_name ON iam_entity (account, kind, name_key);
CREATE INDEX iam_entity_boundary ON iam_entity (account, boundary) WHERE boundary IS NOT NULL;
CREATE INDEX iam_entity_role ON iam_entity (role) WHERE role IS NOT NULL;

CREATE TABLE iam_inline_policy (
  entity BIGINT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,      -- as written
  size INTEGER NOT NULL,       -- characters without white space: what counts towards the quota
  PRIMARY KEY (entity, name)
) {without_rowid};

-- Customer managed policies. Those of AWS are data of the release, not rows.
CREATE TABLE iam_policy (
  id {key},
  account TEXT NOT NULL,
  name_key TEXT NOT NULL,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  unique_id TEXT NOT NULL,     -- ANPA...
  description TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  tags TEXT NOT NULL,
  default_version INTEGER NOT NULL,
  last_version INTEGER NOT NULL  -- numbers are never used again
);
CREATE UNIQUE INDEX iam_policy_name ON iam_policy (account, name_key);

CREATE TABLE iam_policy_version (
  policy BIGINT NOT NULL,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (policy, version)
) {without_rowid};

CREATE TABLE iam_attachment (
  entity BIGINT NOT NULL,
  policy_arn TEXT NOT NULL,
  account TEXT NOT NULL,
  PRIMARY KEY (entity, policy_arn)
) {without_rowid};
CREATE INDEX iam_attachment_policy ON iam_attachment (account, policy_arn);

CREATE TABLE iam_membership (
  user_id BIGINT NOT NULL,
  group_id BIGINT NOT NULL,
  PRIMARY KEY (user_id, group_id)
) {without_rowid};
CREATE INDEX iam_membership_group ON iam_membership (group_id);

CREATE TABLE iam_access_key (
  access_key TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  user_id BIGINT NOT NULL,
  secret TEXT NOT NULL,
  status TEXT NOT NULL,        -- Active or Inactive
  created_at BIGINT NOT NULL
) {without_rowid};
{sqlite} CREATE INDEX iam_access_key_user ON iam_access_key (user_id);
{postgres} CREATE INDEX iam_access_key_user ON iam_access_key (user_id, access_key);

CREATE TABLE iam_alias (
  account TEXT NOT NULL PRIMARY KEY,
  alias TEXT NOT NULL
) {without_rowid};
CREATE UNIQUE INDEX iam_alias_name ON iam_alias (alias);

-- What GetServiceLinkedRoleDeletionStatus answers; kept for a while after the deletion.
CREATE TABLE iam_deletion (
  account TEXT NOT NULL,
  task TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (account, task)
) {without_rowid};
CREATE INDEX iam_deletion_age ON iam_deletion (created_at);

-- Temporary credentials.
CREATE TABLE sts_session (
  access_key TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  secret TEXT NOT NULL,
  token TEXT NOT NULL,
  arn TEXT NOT NULL,           -- whom requests signed with it come from
  user_id TEXT NOT NULL,
  role_arn TEXT,               -- NULL for GetSessionToken
  session_name TEXT,
  source_identity TEXT,
  tags TEXT NOT NULL,          -- JSON: [{"Key": ..., "Value": ...}]
  transitive_keys TEXT NOT NULL,  -- JSON: keys of the tags that further sessions of the chain inherit
  policies TEXT NOT NULL,      -- JSON: {"Policy": ..., "PolicyArns": [...]}: the session policies, for enforcement
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
) {without_rowid};
