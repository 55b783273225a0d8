-- Lambda: functions, code, policies, event source mappings.

-- name: get_function : everything of a function in one look, by its natural key
SELECT id, name, revision, runtime, role, handler, description, timeout_s, memory_mb, ephemeral_mb, environment,
  architecture, log_group, code_sha256, code_size, code_token, modified, tags, layers, dead_letter, reserved
FROM lambda_function WHERE account = :account AND region = :region AND name = :name;

-- name: lock_function : the same, for who changes it, its policy or its tags: the check of a revision, too, is a decision
SELECT id, name, revision, runtime, role, handler, description, timeout_s, memory_mb, ephemeral_mb, environment,
  architecture, log_group, code_sha256, code_size, code_token, modified, tags, layers, dead_letter, reserved
FROM lambda_function WHERE account = :account AND region = :region AND name = :name {for_update};

-- name: get_runnable : the hot path: what an invocation needs and nothing else
SELECT f.id, f.name, f.revision, f.runtime, f.handler, f.code_sha256, f.timeout_s, f.memory_mb, f.ephemeral_mb,
  f.environment, f.role, f.log_group, f.credentials, f.credentials_until, f.layers, f.reserved,
  (SELECT SUM(r.reserved) FROM lambda_function r
   WHERE r.account = :account AND r.region = :region AND r.reserved IS NOT NULL)
FROM lambda_function f WHERE f.account = :account AND f.region = :region AND f.name = :name;

-- name: lock_runnable : the same, to renew its credentials: of all nodes that find them old one renews them
SELECT f.id, f.name, f.revision, f.runtime, f.handler, f.code_sha256, f.timeout_s, f.memory_mb, f.ephemeral_mb,
  f.environment, f.role, f.log_group, f.credentials, f.credentials_until, f.layers, f.reserved,
  (SELECT SUM(r.reserved) FROM lambda_function r
   WHERE r.account = :account AND r.region = :region AND r.reserved IS NOT NULL)
FROM lambda_function f WHERE f.account = :account AND f.region = :region AND f.name = :name {for_update};

-- name: get_runnable_version : the same of a version, which has a role and credentials of its own
SELECT v.id, v.name, v.revision, v.runtime, v.handler, v.code_sha256, v.timeout_s, v.memory_mb, v.ephemeral_mb,
  v.environment, v.role, v.log_group, v.credentials, v.credentials_until, v.layers, f.reserved,
  (SELECT SUM(r.reserved) FROM lambda_function r
   WHERE r.account = :account AND r.region = :region AND r.reserved IS NOT NULL)
FROM lambda_version v JOIN lambda_function f ON f.id = v.function_id
WHERE v.account = :account AND v.region = :region AND v.name = :name AND v.version = :version;

-- name: lock_runnable_version : to renew its credentials
SELECT v.id, v.name, v.revision, v.runtime, v.handler, v.code_sha256, v.timeout_s, v.memory_mb, v.ephemeral_mb,
  v.environment, v.role, v.log_group, v.credentials, v.credentials_until, v.layers, f.reserved,
  (SELECT SUM(r.reserved) FROM lambda_function r
   WHERE r.account = :account AND r.region = :region AND r.reserved IS NOT NULL)
FROM lambda_version v JOIN lambda_function f ON f.id = v.function_id
WHERE v.account = :account AND v.region = :region AND v.name = :name AND v.version = :version {for_update};

-- name: list_functions : a page in name order
SELECT id, name, revision, runtime, role, handler, description, timeout_s, memory_mb, ephemeral_mb, environment,
  architecture, log_group, code_sha256, code_size, code_token, modified, tags, layers, dead_letter, reserved
FROM lambda_function WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :limit;

-- name: insert_function : a name that appeared meanwhile inserts nothing, so that the loser of a race learns of it
INSERT INTO lambda_function (id, account, region, name, revision, runtime, role, handler, description, timeout_s, memory_mb,
  ephemeral_mb, environment, architecture, log_group, code_sha256, code_size, code_token, modified, tags, layers,
  dead_letter, credentials, credentials_until)
VALUES (:id, :account, :region, :name, :revision, :runtime, :role, :handler, :description, :timeout_s, :memory_mb,
  :ephemeral_mb, :environment, :architecture, :log_group, :code_sha256, :code_size, :code_token, :modified, :tags, :layers,
  :dead_letter, '', 0)
ON CONFLICT (account, region, name) DO NOTHING;

-- name: update_function : code and configuration; credentials go, for they may be of another role
UPDATE lambda_function SET revision = :revision, runtime = :runtime, role = :role, handler = :handler,
  description = :description, timeout_s = :timeout_s, memory_mb = :memory_mb, ephemeral_mb = :ephemeral_mb,
  environment = :environment, architecture = :architecture, log_group = :log_group, code_sha256 = :code_sha256,
  code_size = :code_size, modified = :modified, layers = :layers, dead_letter = :dead_letter, credentials = '',
  credentials_until = 0
WHERE id = :id;

-- name: renew_credentials : the next environments of the function start with these
UPDATE lambda_function SET credentials = :credentials, credentials_until = :until WHERE id = :id;

-- name: tag_function : tags change no revision
UPDATE lambda_function SET tags = :tags WHERE id = :id;

-- name: delete_function : by id, so that a namesake created meanwhile stays
DELETE FROM lambda_function WHERE id = :id;

-- name: list_all_versions : a page of the versions of all functions, beside list_functions
SELECT v.id, v.name, v.revision, v.runtime, v.role, v.handler, v.description, v.timeout_s, v.memory_mb, v.ephemeral_mb,
  v.environment, v.architecture, v.log_group, v.code_sha256, v.code_size, f.code_token, v.modified, f.tags, v.layers,
  v.dead_letter, f.reserved, v.function_id, v.version
FROM lambda_version v JOIN lambda_function f ON f.id = v.function_id
WHERE v.account = :account AND v.region = :region AND (v.name, v.version) > (:after, :number)
ORDER BY v.name, v.version LIMIT :limit;

-- name: get_version : with what all versions of a function have together
SELECT v.id, v.name, v.revision, v.runtime, v.role, v.handler, v.description, v.timeout_s, v.memory_mb, v.ephemeral_mb,
  v.environment, v.architecture, v.log_group, v.code_sha256, v.code_size, f.code_token, v.modified, f.tags, v.layers,
  v.dead_letter, f.reserved, v.function_id, v.version
FROM lambda_version v JOIN lambda_function f ON f.id = v.function_id
WHERE v.account = :account AND v.region = :region AND v.name = :name AND v.version = :version;

-- name: list_versions : a page as the numbers grow
SELECT v.id, v.name, v.revision, v.runtime, v.role, v.handler, v.description, v.timeout_s, v.memory_mb, v.ephemeral_mb,
  v.environment, v.architecture, v.log_group, v.code_sha256, v.code_size, f.code_token, v.modified, f.tags, v.layers,
  v.dead_letter, f.reserved, v.function_id, v.version
FROM lambda_version v JOIN lambda_function f ON f.id = v.function_id
WHERE v.account = :account AND v.region = :region AND v.name = :name AND v.version > :after
ORDER BY v.version LIMIT :limit;

-- name: last_version : to see whether there is anything new to publish; asked with the function locked
SELECT version, source FROM lambda_version
WHERE account = :account AND region = :region AND name = :name ORDER BY version DESC LIMIT 1;

-- name: next_version : a number that no version of that name ever had
INSERT INTO lambda_serial (account, region, name, version) VALUES (:account, :region, :name, 1)
ON CONFLICT (account, region, name) DO UPDATE SET version = lambda_serial.version + 1
RETURNING version;

-- name: insert_version
INSERT INTO lambda_version (id, function_id, account, region, name, version, source, revision, runtime, role, handler,
  description, timeout_s, memory_mb, ephemeral_mb, environment, architecture, log_group, code_sha256, code_size, layers,
  dead_letter, modified, credentials, credentials_until)
VALUES (:id, :function_id, :account, :region, :name, :version, :source, :revision, :runtime, :role, :handler,
  :description, :timeout_s, :memory_mb, :ephemeral_mb, :environment, :architecture, :log_group, :code_sha256, :code_size,
  :layers, :dead_letter, :modified, '', 0);

-- name: renew_version_credentials : the next environments of the version start with these
UPDATE lambda_version SET credentials = :credentials, credentials_until = :until WHERE id = :id;

-- name: delete_version
DELETE FROM lambda_version WHERE id = :id;

-- name: delete_versions : with their function; by name, for which there is an index
DELETE FROM lambda_version
WHERE account = :account AND region = :region AND name = :name AND function_id = :function_id;

-- name: codes_of_versions : what may be forgotten with their function
SELECT id, code_sha256 FROM lambda_version WHERE account = :account AND region = :region AND name = :name;

-- name: version_of_code : whether a link to a version's code is still good
SELECT version FROM lambda_version
WHERE account = :account AND region = :region AND name = :name AND code_sha256 = :sha256 LIMIT 1;

-- name: next_layer_version : a number that no version of that layer ever had
INSERT INTO lambda_layer (id, account, region, name, version) VALUES (:id, :account, :region, :name, 1)
ON CONFLICT (account, region, name) DO UPDATE SET version = lambda_layer.version + 1
RETURNING id, version;

-- name: insert_layer_version
INSERT INTO lambda_layer_version (layer_id, version, code_sha256, code_size, unzipped_size, code_token, description,
  license, runtimes, architectures, created, policy_revision, statements)
VALUES (:layer_id, :version, :code_sha256, :code_size, :unzipped_size, :code_token, :description, :license, :runtimes,
  :architectures, :created, '', '[]');

-- name: get_layer_version : by its natural key
SELECT l.id, l.account, l.region, l.name, v.version, v.code_sha256, v.code_size, v.unzipped_size, v.code_token,
  v.description, v.license, v.runtimes, v.architectures, v.created, v.policy_revision, v.statements
FROM lambda_layer l JOIN lambda_layer_version v ON v.layer_id = l.id
WHERE l.account = :account AND l.region = :region AND l.name = :name AND v.version = :version;

-- name: lock_layer_version : for who changes its policy
SELECT l.id, l.account, l.region, l.name, v.version, v.code_sha256, v.code_size, v.unzipped_size, v.code_token,
  v.description, v.license, v.runtimes, v.architectures, v.created, v.policy_revision, v.statements
FROM lambda_layer l JOIN lambda_layer_version v ON v.layer_id = l.id
WHERE l.account = :account AND l.region = :region AND l.name = :name AND v.version = :version {for_update};

-- name: list_layers : a page of names, those without versions included
SELECT id, name FROM lambda_layer
WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :limit;

-- name: find_layer
SELECT id FROM lambda_layer WHERE account = :account AND region = :region AND name = :name;

-- name: list_layer_versions : a page, the newest first
SELECT l.id, l.account, l.region, l.name, v.version, v.code_sha256, v.code_size, v.unzipped_size, v.code_token,
  v.description, v.license, v.runtimes, v.architectures, v.created, v.policy_revision, v.statements
FROM lambda_layer_version v JOIN lambda_layer l ON l.id = v.layer_id
WHERE v.layer_id = :layer_id AND v.version < :before
ORDER BY v.version DESC LIMIT :limit;

-- name: put_layer_policy
UPDATE lambda_layer_version SET policy_revision = :revision, statements = :statements
WHERE layer_id = :layer_id AND version = :version;

-- name: delete_layer_version
DELETE FROM lambda_layer_version WHERE layer_id = :layer_id AND version = :version;

-- name: layer_tokens : what opens a link to a layer's zip
SELECT v.code_token FROM lambda_layer l JOIN lambda_layer_version v ON v.layer_id = l.id
WHERE l.account = :account AND l.region = :region AND l.name = :name AND v.code_sha256 = :sha256;

-- name: insert_layer_use : the zip of a layer is kept as long as a function or version unpacks it
INSERT INTO lambda_layer_use (user_id, code_sha256) VALUES (:user_id, :code_sha256) ON CONFLICT DO NOTHING;

-- name: layer_uses
SELECT code_sha256 FROM lambda_layer_use WHERE user_id = :user_id;

-- name: delete_layer_uses : with the function or version, or before others take their place
DELETE FROM lambda_layer_use WHERE user_id = :user_id;

-- name: find_alias : by its names alone, for who invokes
SELECT a.function_id, a.name, a.version, a.other, a.weight, a.description, a.revision
FROM lambda_alias a JOIN lambda_function f ON f.id = a.function_id
WHERE f.account = :account AND f.region = :region AND f.name = :name AND a.name = :alias;

-- name: list_aliases : a page in name order; an empty version takes all
SELECT function_id, name, version, other, weight, description, revision FROM lambda_alias
WHERE function_id = :function_id AND name > :after AND (:version = '' OR version = :version OR other = :version)
ORDER BY name LIMIT :limit;

-- name: insert_alias : one that is there inserts nothing
INSERT INTO lambda_alias (function_id, name, version, other, weight, description, revision)
VALUES (:function_id, :name, :version, :other, :weight, :description, :revision)
ON CONFLICT (function_id, name) DO NOTHING;

-- name: update_alias
UPDATE lambda_alias SET version = :version, other = :other, weight = :weight, description = :description,
  revision = :revision
WHERE function_id = :function_id AND name = :name;

-- name: delete_alias
DELETE FROM lambda_alias WHERE function_id = :function_id AND name = :name;

-- name: delete_aliases : with their function
DELETE FROM lambda_alias WHERE function_id = :function_id;

-- name: aliases_of_version : who keeps a version from being deleted
SELECT name FROM lambda_alias
WHERE function_id = :function_id AND (version = :version OR other = :version) ORDER BY name;

-- name: hold_account : before what is reserved is counted
INSERT INTO lambda_account (account, region, reservations) VALUES (:account, :region, 1)
ON CONFLICT (account, region) DO UPDATE SET reservations = lambda_account.reservations + 1;

-- name: sum_reserved : what the other functions of the account have reserved
SELECT COALESCE(SUM(reserved), 0) FROM lambda_function
WHERE account = :account AND region = :region AND reserved IS NOT NULL AND id <> :without_id;

-- name: reserve : or, with NULL, give back
UPDATE lambda_function SET reserved = :reserved WHERE id = :id;

-- name: usage_of_functions : for GetAccountSettings
SELECT COUNT(*), COALESCE(SUM(code_size), 0) FROM lambda_function WHERE account = :account AND region = :region;

-- name: usage_of_versions
SELECT COALESCE(SUM(code_size), 0) FROM lambda_version WHERE account = :account AND region = :region;

-- name: usage_of_layers
SELECT COALESCE(SUM(v.code_size), 0) FROM lambda_layer l JOIN lambda_layer_version v ON v.layer_id = l.id
WHERE l.account = :account AND l.region = :region;

-- name: insert_code : the same bytes are stored once
INSERT INTO lambda_code (sha256, zip) VALUES (:sha256, :zip) ON CONFLICT (sha256) DO NOTHING;

-- name: insert_code [postgres] : nothing deletes the bytes from now on
INSERT INTO lambda_code (sha256, zip) VALUES (:sha256, :zip)
ON CONFLICT (sha256) DO UPDATE SET zip = lambda_code.zip;

-- name: get_code : for a new environment, or a download
SELECT zip FROM lambda_code WHERE sha256 = :sha256;

-- name: lock_code : before delete_unused_code, whose look at the functions must come after every other node's commit
SELECT 1 FROM lambda_code WHERE sha256 = :sha256;

-- name: lock_code [postgres]
SELECT 1 FROM lambda_code WHERE sha256 = :sha256 FOR UPDATE;

-- name: delete_unused_code : run some time after the last reference went
DELETE FROM lambda_code WHERE sha256 = :sha256
  AND NOT EXISTS (SELECT 1 FROM lambda_function WHERE code_sha256 = :sha256)
  AND NOT EXISTS (SELECT 1 FROM lambda_version WHERE code_sha256 = :sha256)
  AND NOT EXISTS (SELECT 1 FROM lambda_layer_version WHERE code_sha256 = :sha256)
  AND NOT EXISTS (SELECT 1 FROM lambda_layer_use WHERE code_sha256 = :sha256);

-- name: get_policy : a function's resource policy
SELECT revision, statements FROM lambda_policy WHERE function_id = :function_id;

-- name: put_policy : whole, as it is small
INSERT INTO lambda_policy (function_id, revision, statements) VALUES (:function_id, :revision, :statements)
ON CONFLICT (function_id) DO UPDATE SET revision = excluded.revision, statements = excluded.statements;

-- name: delete_policy : with its last statement, or with its function
DELETE FROM lambda_policy WHERE function_id = :function_id;

-- name: get_qualified_policy : that of a version or an alias
SELECT revision, statements FROM lambda_qualified_policy WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: put_qualified_policy
INSERT INTO lambda_qualified_policy (function_id, qualifier, revision, statements)
VALUES (:function_id, :qualifier, :revision, :statements)
ON CONFLICT (function_id, qualifier) DO UPDATE SET revision = excluded.revision, statements = excluded.statements;

-- name: delete_qualified_policy : with its last statement, or with its version or alias
DELETE FROM lambda_qualified_policy WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: delete_qualified_policies : with their function
DELETE FROM lambda_qualified_policy WHERE function_id = :function_id;

-- name: event_rules : of an event's own qualifier; the rules of one are not those of another
SELECT e.retries, e.age_s, e.destinations
FROM lambda_event_config e JOIN lambda_function f ON f.id = e.function_id
WHERE f.account = :account AND f.region = :region AND f.name = :name AND e.qualifier = :qualifier;

-- name: get_event_config
SELECT function_id, qualifier, retries, age_s, destinations, modified FROM lambda_event_config
WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: list_event_configs : a page
SELECT function_id, qualifier, retries, age_s, destinations, modified FROM lambda_event_config
WHERE function_id = :function_id AND qualifier > :after ORDER BY qualifier LIMIT :limit;

-- name: put_event_config
INSERT INTO lambda_event_config (function_id, qualifier, retries, age_s, destinations, modified)
VALUES (:function_id, :qualifier, :retries, :age_s, :destinations, :modified)
ON CONFLICT (function_id, qualifier) DO UPDATE SET retries = excluded.retries, age_s = excluded.age_s,
  destinations = excluded.destinations, modified = excluded.modified;

-- name: delete_event_config : what becomes of asynchronous events; also with its version or alias
DELETE FROM lambda_event_config WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: delete_event_configs : with their function
DELETE FROM lambda_event_config WHERE function_id = :function_id;

-- name: get_provisioned
SELECT function_id, qualifier, account, region, name, requested, modified FROM lambda_provisioned
WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: provisioned_of_function : by qualifier; a function has few
SELECT function_id, qualifier, account, region, name, requested, modified FROM lambda_provisioned
WHERE function_id = :function_id ORDER BY qualifier;

-- name: sum_provisioned : what an account keeps warm of functions that reserve nothing, one left out
SELECT COALESCE(SUM(p.requested), 0) FROM lambda_provisioned p JOIN lambda_function f ON f.id = p.function_id
WHERE p.account = :account AND p.region = :region AND f.reserved IS NULL
  AND NOT (p.function_id = :function_id AND p.qualifier = :qualifier);

-- name: every_provisioned : a page of all there is, for who keeps it warm
SELECT function_id, qualifier, account, region, name, requested, modified FROM lambda_provisioned
WHERE (function_id, qualifier) > (:after_id, :after) ORDER BY function_id, qualifier LIMIT :limit;

-- name: put_provisioned
INSERT INTO lambda_provisioned (function_id, qualifier, account, region, name, requested, modified)
VALUES (:function_id, :qualifier, :account, :region, :name, :requested, :modified)
ON CONFLICT (function_id, qualifier) DO UPDATE SET requested = excluded.requested, modified = excluded.modified;

-- name: delete_provisioned : also with its version or alias
DELETE FROM lambda_provisioned WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: delete_all_provisioned : with their function
DELETE FROM lambda_provisioned WHERE function_id = :function_id;

-- name: insert_mapping
INSERT INTO lambda_mapping (id, uuid, account, region, function_name, qualifier, source_arn, queue_url, batch_size, window_s,
  report_failures, concurrency_max, enabled, modified, tags, filters)
VALUES (:id, :uuid, :account, :region, :function_name, :qualifier, :source_arn, :queue_url, :batch_size, :window_s,
  :report_failures, :concurrency_max, :enabled, :modified, :tags, :filters);

-- name: get_mapping : by its public id
SELECT id, uuid, function_name, qualifier, source_arn, queue_url, batch_size, window_s, report_failures, concurrency_max,
  enabled, modified, tags, filters
FROM lambda_mapping WHERE uuid = :uuid AND account = :account AND region = :region;

-- name: lock_mapping : the same, for who changes or deletes it
SELECT id, uuid, function_name, qualifier, source_arn, queue_url, batch_size, window_s, report_failures, concurrency_max,
  enabled, modified, tags, filters
FROM lambda_mapping WHERE uuid = :uuid AND account = :account AND region = :region {for_update};

-- name: find_mapping : AWS allows one mapping of a queue to a function, and so does the index
SELECT uuid FROM lambda_mapping
WHERE account = :account AND region = :region AND function_name = :function_name AND source_arn = :source_arn
  AND qualifier = :qualifier LIMIT 1;

-- name: list_mappings : a page in the order of creation; an empty filter takes all
SELECT id, uuid, function_name, qualifier, source_arn, queue_url, batch_size, window_s, report_failures, concurrency_max,
  enabled, modified, tags, filters
FROM lambda_mapping
WHERE account = :account AND region = :region AND id > :after
  AND (:source_arn = '' OR source_arn = :source_arn) AND (:function_name = '' OR function_name = :function_name)
ORDER BY id LIMIT :limit;

-- name: update_mapping
UPDATE lambda_mapping SET function_name = :function_name, qualifier = :qualifier, batch_size = :batch_size,
  window_s = :window_s, report_failures = :report_failures, concurrency_max = :concurrency_max, enabled = :enabled,
  modified = :modified, filters = :filters
WHERE id = :id;

-- name: tag_mapping
UPDATE lambda_mapping SET tags = :tags WHERE id = :id;

-- name: delete_mapping
DELETE FROM lambda_mapping WHERE id = :id;

-- name: mappings_of_function : those that wait for a function to exist
SELECT uuid FROM lambda_mapping WHERE account = :account AND region = :region AND function_name = :function_name LIMIT 1000;

-- name: every_mapping : the supervisor's list, in pages
SELECT id, uuid, account, region FROM lambda_mapping WHERE id > :after ORDER BY id LIMIT :limit;

-- name: get_polled : what a poller needs before it receives; timeout_s is null where the function, or what the qualifier names, is gone
SELECT m.function_name, m.qualifier, m.source_arn, m.queue_url, m.batch_size, m.window_s, m.report_failures,
  m.concurrency_max, m.enabled,
  CASE WHEN COALESCE(a.version, m.qualifier) IN ('', '$LATEST') THEN f.timeout_s ELSE v.timeout_s END, m.filters
FROM lambda_mapping m
LEFT JOIN lambda_function f ON f.account = m.account AND f.region = m.region AND f.name = m.function_name
LEFT JOIN lambda_alias a ON a.function_id = f.id AND a.name = m.qualifier
LEFT JOIN lambda_version v ON v.account = m.account AND v.region = m.region AND v.name = m.function_name
  AND CAST(v.version AS TEXT) = COALESCE(a.version, m.qualifier)
WHERE m.uuid = :uuid;
