-- Lambda: functions, code, policies, event source mappings.

-- name: get_function : everything of a function in one look, by its natural key
SELECT id, name, revision, runtime, role, handler, description, timeout_s, memory_mb, ephemeral_mb, environment,
  architecture, log_group, code_sha256, code_size, code_token, modified, tags
FROM lambda_function WHERE account = :account AND region = :region AND name = :name;

-- name: lock_function : the same, for who changes it, its policy or its tags: the check of a revision, too, is a decision
SELECT id, name, revision, runtime, role, handler, description, timeout_s, memory_mb, ephemeral_mb, environment,
  architecture, log_group, code_sha256, code_size, code_token, modified, tags
FROM lambda_function WHERE account = :account AND region = :region AND name = :name {for_update};

-- name: get_runnable : the hot path: what an invocation needs and nothing else
SELECT id, name, revision, runtime, handler, code_sha256, timeout_s, memory_mb, ephemeral_mb, environment, role, log_group,
  credentials, credentials_until
FROM lambda_function WHERE account = :account AND region = :region AND name = :name;

-- name: lock_runnable : the same, to renew its credentials: of all nodes that find them old one renews them
SELECT id, name, revision, runtime, handler, code_sha256, timeout_s, memory_mb, ephemeral_mb, environment, role, log_group,
  credentials, credentials_until
FROM lambda_function WHERE account = :account AND region = :region AND name = :name {for_update};

-- name: list_functions : a page in name order
SELECT id, name, revision, runtime, role, handler, description, timeout_s, memory_mb, ephemeral_mb, environment,
  architecture, log_group, code_sha256, code_size, code_token, modified, tags
FROM lambda_function WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :limit;

-- name: insert_function : a name that appeared meanwhile inserts nothing, so that the loser of a race learns of it
INSERT INTO lambda_function (id, account, region, name, revision, runtime, role, handler, description, timeout_s, memory_mb,
  ephemeral_mb, environment, architecture, log_group, code_sha256, code_size, code_token, modified, tags, credentials,
  credentials_until)
VALUES (:id, :account, :region, :name, :revision, :runtime, :role, :handler, :description, :timeout_s, :memory_mb,
  :ephemeral_mb, :environment, :architecture, :log_group, :code_sha256, :code_size, :code_token, :modified, :tags, '', 0)
ON CONFLICT (account, region, name) DO NOTHING;

-- name: update_function : code and configuration; credentials go, for they may be of another role
UPDATE lambda_function SET revision = :revision, runtime = :runtime, role = :role, handler = :handler,
  description = :description, timeout_s = :timeout_s, memory_mb = :memory_mb, ephemeral_mb = :ephemeral_mb,
  environment = :environment, architecture = :architecture, log_group = :log_group, code_sha256 = :code_sha256,
  code_size = :code_size, modified = :modified, credentials = '', credentials_until = 0
WHERE id = :id;

-- name: renew_credentials : the next environments of the function start with these
UPDATE lambda_function SET credentials = :credentials, credentials_until = :until WHERE id = :id;

-- name: tag_function : tags change no revision
UPDATE lambda_function SET tags = :tags WHERE id = :id;

-- name: delete_function : by id, so that a namesake created meanwhile stays
DELETE FROM lambda_function WHERE id = :id;

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
  AND NOT EXISTS (SELECT 1 FROM lambda_function WHERE code_sha256 = :sha256);

-- name: get_policy : a function's resource policy
SELECT revision, statements FROM lambda_policy WHERE function_id = :function_id;

-- name: put_policy : whole, as it is small
INSERT INTO lambda_policy (function_id, revision, statements) VALUES (:function_id, :revision, :statements)
ON CONFLICT (function_id) DO UPDATE SET revision = excluded.revision, statements = excluded.statements;

-- name: delete_policy : with its last statement, or with its function
DELETE FROM lambda_policy WHERE function_id = :function_id;

-- name: insert_mapping
INSERT INTO lambda_mapping (id, uuid, account, region, function_name, qualifier, source_arn, queue_url, batch_size, window_s,
  report_failures, concurrency_max, enabled, modified, tags)
VALUES (:id, :uuid, :account, :region, :function_name, :qualifier, :source_arn, :queue_url, :batch_size, :window_s,
  :report_failures, :concurrency_max, :enabled, :modified, :tags);

-- name: get_mapping : by its public id
SELECT id, uuid, function_name, qualifier, source_arn, queue_url, batch_size, window_s, report_failures, concurrency_max,
  enabled, modified, tags
FROM lambda_mapping WHERE uuid = :uuid AND account = :account AND region = :region;

-- name: lock_mapping : the same, for who changes or deletes it
SELECT id, uuid, function_name, qualifier, source_arn, queue_url, batch_size, window_s, report_failures, concurrency_max,
  enabled, modified, tags
FROM lambda_mapping WHERE uuid = :uuid AND account = :account AND region = :region {for_update};

-- name: find_mapping : AWS allows one mapping of a queue to a function, and so does the index
SELECT uuid FROM lambda_mapping
WHERE account = :account AND region = :region AND function_name = :function_name AND source_arn = :source_arn
  AND qualifier = :qualifier LIMIT 1;

-- name: list_mappings : a page in the order of creation; an empty filter takes all
SELECT id, uuid, function_name, qualifier, source_arn, queue_url, batch_size, window_s, report_failures, concurrency_max,
  enabled, modified, tags
FROM lambda_mapping
WHERE account = :account AND region = :region AND id > :after
  AND (:source_arn = '' OR source_arn = :source_arn) AND (:function_name = '' OR function_name = :function_name)
ORDER BY id LIMIT :limit;

-- name: update_mapping
UPDATE lambda_mapping SET function_name = :function_name, qualifier = :qualifier, batch_size = :batch_size,
  window_s = :window_s, report_failures = :report_failures, concurrency_max = :concurrency_max, enabled = :enabled,
  modified = :modified
WHERE id = :id;

-- name: tag_mapping
UPDATE lambda_mapping SET tags = :tags WHERE id = :id;

-- name: delete_mapping
DELETE FROM lambda_mapping WHERE id = :id;

-- name: mappings_of_function : those that wait for a function to exist
SELECT uuid FROM lambda_mapping WHERE account = :account AND region = :region AND function_name = :function_name LIMIT 1000;

-- name: every_mapping : the supervisor's list, in pages
SELECT id, uuid, account, region FROM lambda_mapping WHERE id > :after ORDER BY id LIMIT :limit;

-- name: get_polled : what a poller needs before it receives; timeout_s is null where the function is gone
SELECT m.function_name, m.qualifier, m.source_arn, m.queue_url, m.batch_size, m.window_s, m.report_failures,
  m.concurrency_max, m.enabled, f.timeout_s
FROM lambda_mapping m
LEFT JOIN lambda_function f ON f.account = m.account AND f.region = m.region AND f.name = m.function_name
WHERE m.uuid = :uuid;
