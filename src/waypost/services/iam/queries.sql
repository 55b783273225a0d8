-- Account-wide tables: every statement of a name carries the account. Lists go by key (name in lower case), a page at a
-- time, so that a list costs its page and not the table.
--
-- Who decides by a row, or by what hangs on it, locks the row first (lock_*); who hangs something on a row that must not
-- go meanwhile keeps it (keep_*). Who takes two locks takes them in the order account, profile, group, user, role, policy.

-- name: insert_entity: a role, user, group or instance profile
INSERT INTO iam_entity
  (id, account, kind, name_key, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service)
VALUES
  (:id, :account, :kind, :name_key, :name, :path, :unique_id, :created_at, :tags, :boundary, :trust, :description,
   :max_session_s, :service)

-- name: get_entity: by name, whatever its case
SELECT id, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service, role
FROM iam_entity WHERE account = :account AND kind = :kind AND name_key = :name_key

-- name: lock_entity: the same, for who changes it, deletes it, or counts what hangs on it
SELECT id, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service, role
FROM iam_entity WHERE account = :account AND kind = :kind AND name_key = :name_key {for_update}

-- name: keep_entity: the same, for who makes something else refer to it
SELECT id, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service, role
FROM iam_entity WHERE account = :account AND kind = :kind AND name_key = :name_key {for_key_share}

-- name: lock_account: before an account's things are counted for a quota; whoever else makes something waits
INSERT INTO iam_account (account, made) VALUES (:account, 1)
ON CONFLICT (account) DO UPDATE SET made = iam_account.made + 1

-- name: get_entity_by_id: the role of an instance profile, the user of a key
SELECT id, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service, role
FROM iam_entity WHERE id = :id

-- name: list_entities: a page; the path is a prefix
SELECT id, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service, role
FROM iam_entity
WHERE account = :account AND kind = :kind AND name_key > :after AND substr(path, 1, length(:prefix)) = :prefix
ORDER BY name_key LIMIT :count

-- name: count_entities: for the quota; the table holds at most the quota
SELECT count(*) FROM iam_entity WHERE account = :account AND kind = :kind

-- name: update_role: description and session length
UPDATE iam_entity SET description = :description, max_session_s = :max_session_s WHERE id = :id

-- name: set_trust: the trust policy of a role
UPDATE iam_entity SET trust = :trust WHERE id = :id

-- name: set_boundary: of a role or user; NULL removes it
UPDATE iam_entity SET boundary = :boundary WHERE id = :id

-- name: set_entity_tags: all of them, as JSON
UPDATE iam_entity SET tags = :tags WHERE id = :id

-- name: rename_entity: users and groups
UPDATE iam_entity SET name_key = :name_key, name = :name, path = :path WHERE id = :id

-- name: delete_entity: everything that hangs on it is gone before
DELETE FROM iam_entity WHERE id = :id

-- name: set_profile_role: what an instance profile hands out; NULL for nothing
UPDATE iam_entity SET role = :role WHERE id = :id

-- name: list_profiles_of_role: by the index on role
SELECT id, name, path, unique_id, created_at, tags, boundary, trust, description, max_session_s, service, role
FROM iam_entity WHERE role = :role AND name_key > :after ORDER BY name_key LIMIT :count

-- name: put_inline: insert or replace
INSERT INTO iam_inline_policy (entity, name, document, size) VALUES (:entity, :name, :document, :size)
ON CONFLICT (entity, name) DO UPDATE SET document = excluded.document, size = excluded.size

-- name: inline_size: of all inline policies of an entity but one
SELECT coalesce(sum(size), 0) FROM iam_inline_policy WHERE entity = :entity AND name <> :name

-- name: get_inline: one document
SELECT document FROM iam_inline_policy WHERE entity = :entity AND name = :name

-- name: delete_inline: one document
DELETE FROM iam_inline_policy WHERE entity = :entity AND name = :name

-- name: list_inline: names, a page
SELECT name FROM iam_inline_policy WHERE entity = :entity AND name > :after ORDER BY name LIMIT :count

-- name: attach: a policy is attached once
INSERT INTO iam_attachment (entity, policy_arn, account) VALUES (:entity, :policy_arn, :account)
ON CONFLICT (entity, policy_arn) DO NOTHING

-- name: detach: answers how many
DELETE FROM iam_attachment WHERE entity = :entity AND policy_arn = :policy_arn

-- name: is_attached: whether attaching again changes nothing
SELECT 1 FROM iam_attachment WHERE entity = :entity AND policy_arn = :policy_arn

-- name: count_attached: for the quota of an entity
SELECT count(*) FROM iam_attachment WHERE entity = :entity

-- name: list_attached: ARNs, in order; there are at most as many as the quota
SELECT policy_arn FROM iam_attachment WHERE entity = :entity ORDER BY policy_arn LIMIT 100

-- name: count_uses: how often a policy is attached, and how often it is a boundary
SELECT
  (SELECT count(*) FROM iam_attachment WHERE account = :account AND policy_arn = :arn),
  (SELECT count(*) FROM iam_entity WHERE account = :account AND boundary = :arn)

-- name: list_attached_entities: whom a policy is attached to, a page
SELECT e.kind, e.name, e.unique_id, e.kind || '/' || e.name_key AS position FROM iam_attachment AS a
JOIN iam_entity AS e ON e.id = a.entity
WHERE a.account = :account AND a.policy_arn = :arn AND substr(e.path, 1, length(:prefix)) = :prefix
  AND (:kind = '' OR e.kind = :kind) AND e.kind || '/' || e.name_key > :after
ORDER BY position LIMIT :count

-- name: list_bounded_entities: whose boundary a policy is, a page
SELECT e.kind, e.name, e.unique_id, e.kind || '/' || e.name_key AS position FROM iam_entity AS e
WHERE e.account = :account AND e.boundary = :arn AND substr(e.path, 1, length(:prefix)) = :prefix
  AND (:kind = '' OR e.kind = :kind) AND e.kind || '/' || e.name_key > :after
ORDER BY position LIMIT :count

-- name: insert_policy: its first version is version 1
INSERT INTO iam_policy
  (id, account, name_key, name, path, unique_id, description, created_at, updated_at, tags, default_version, last_version)
VALUES
  (:id, :account, :name_key, :name, :path, :unique_id, :description, :created_at, :created_at, :tags, 1, 1)

-- name: get_policy: by name, whatever its case
SELECT id, name, path, unique_id, description, created_at, updated_at, tags, default_version, last_version
FROM iam_policy WHERE account = :account AND name_key = :name_key

-- name: lock_policy: the same, for who changes it, deletes it, or counts its versions
SELECT id, name, path, unique_id, description, created_at, updated_at, tags, default_version, last_version
FROM iam_policy WHERE account = :account AND name_key = :name_key {for_update}

-- name: keep_policy: the same, for who attaches it
SELECT id, name, path, unique_id, description, created_at, updated_at, tags, default_version, last_version
FROM iam_policy WHERE account = :account AND name_key = :name_key {for_key_share}

-- name: list_policies: a page; the path is a prefix
SELECT id, name, path, unique_id, description, created_at, updated_at, tags, default_version, last_version
FROM iam_policy
WHERE account = :account AND name_key > :after AND substr(path, 1, length(:prefix)) = :prefix
ORDER BY name_key LIMIT :count

-- name: count_policies: for the quota; the table holds at most the quota
SELECT count(*) FROM iam_policy WHERE account = :account

-- name: count_versions_in_use: for the account's summary
SELECT count(*) FROM iam_policy_version AS v JOIN iam_policy AS p ON p.id = v.policy WHERE p.account = :account

-- name: delete_policy: its versions go with it
DELETE FROM iam_policy WHERE id = :id

-- name: set_policy_tags: all of them, as JSON
UPDATE iam_policy SET tags = :tags WHERE id = :id

-- name: set_default_version: which one decides
UPDATE iam_policy SET default_version = :version WHERE id = :id

-- name: add_version: the number was taken from last_version
UPDATE iam_policy SET last_version = :version, updated_at = :now,
  default_version = CASE WHEN :is_default = 1 THEN :version ELSE default_version END
WHERE id = :id

-- name: insert_version: a document
INSERT INTO iam_policy_version (policy, version, document, created_at) VALUES (:policy, :version, :document, :created_at)

-- name: get_version: a document
SELECT version, document, created_at FROM iam_policy_version WHERE policy = :policy AND version = :version

-- name: list_versions: newest first; there are at most five
SELECT version, document, created_at FROM iam_policy_version WHERE policy = :policy ORDER BY version DESC LIMIT 10

-- name: delete_version: never the default one
DELETE FROM iam_policy_version WHERE policy = :policy AND version = :version

-- name: delete_versions: of a policy that goes
DELETE FROM iam_policy_version WHERE policy = :policy

-- name: insert_membership: once
INSERT INTO iam_membership (user_id, group_id) VALUES (:user_id, :group_id) ON CONFLICT (user_id, group_id) DO NOTHING

-- name: delete_membership: answers how many
DELETE FROM iam_membership WHERE user_id = :user_id AND group_id = :group_id

-- name: count_groups_of_user: for the quota
SELECT count(*) FROM iam_membership WHERE user_id = :user_id

-- name: list_groups_of_user: there are at most as many as the quota
SELECT e.id, e.name, e.path, e.unique_id, e.created_at, e.tags, e.boundary, e.trust, e.description, e.max_session_s,
  e.service, e.role
FROM iam_membership AS m JOIN iam_entity AS e ON e.id = m.group_id
WHERE m.user_id = :user_id AND e.name_key > :after ORDER BY e.name_key LIMIT :count

-- name: list_users_of_group: a page
SELECT e.id, e.name, e.path, e.unique_id, e.created_at, e.tags, e.boundary, e.trust, e.description, e.max_session_s,
  e.service, e.role
FROM iam_membership AS m JOIN iam_entity AS e ON e.id = m.user_id
WHERE m.group_id = :group_id AND e.name_key > :after ORDER BY e.name_key LIMIT :count

-- name: insert_access_key: of a user
INSERT INTO iam_access_key (access_key, account, user_id, secret, status, created_at)
VALUES (:access_key, :account, :user_id, :secret, 'Active', :created_at)

-- name: list_access_keys: there are at most two
SELECT access_key, status, created_at FROM iam_access_key WHERE user_id = :user_id ORDER BY access_key LIMIT 10

-- name: get_access_key: whose it is
SELECT account, user_id, status FROM iam_access_key WHERE access_key = :access_key

-- name: update_access_key: Active or Inactive
UPDATE iam_access_key SET status = :status WHERE access_key = :access_key AND user_id = :user_id

-- name: delete_access_key: answers how many
DELETE FROM iam_access_key WHERE access_key = :access_key AND user_id = :user_id

-- name: get_alias: an account has at most one
SELECT alias FROM iam_alias WHERE account = :account

-- name: lock_alias: the same, before it is deleted
SELECT alias FROM iam_alias WHERE account = :account {for_update}

-- name: find_alias: aliases are unique among accounts
SELECT account FROM iam_alias WHERE alias = :alias

-- name: put_alias: takes the place of the one before
INSERT INTO iam_alias (account, alias) VALUES (:account, :alias)
ON CONFLICT (account) DO UPDATE SET alias = excluded.alias WHERE iam_alias.alias <> excluded.alias

-- name: delete_alias: answers how many
DELETE FROM iam_alias WHERE account = :account AND alias = :alias

-- name: insert_deletion: the outcome of a service-linked role's deletion
INSERT INTO iam_deletion (account, task, created_at) VALUES (:account, :task, :created_at)

-- name: get_deletion: whether there was one
SELECT 1 FROM iam_deletion WHERE account = :account AND task = :task

-- name: forget_deletions: those nobody asks for any more
DELETE FROM iam_deletion WHERE created_at < :before
