-- Step Functions. Everything of an execution is found by its id; a machine's executions by machine and name.

-- name: find_machine : with the revision in force, up to but not including its definition
SELECT m.id, m.status, m.created_at, v.id, v.revision_id, v.digest, v.role_arn, v.configuration, v.created_at
FROM states_machine m JOIN states_revision v ON v.id = m.revision
WHERE m.account = :account AND m.region = :region AND m.name = :name;

-- name: get_definition : what find_machine leaves out
SELECT definition FROM states_revision WHERE id = :id;

-- name: insert_machine : its first revision is inserted with it
INSERT INTO states_machine (id, account, region, name, status, revision, created_at)
VALUES (:id, :account, :region, :name, 'ACTIVE', :revision, :now);

-- name: insert_revision : revisions are never changed
INSERT INTO states_revision (id, machine, revision_id, created_at, role_arn, configuration, digest, definition)
VALUES (:id, :machine, :revision_id, :now, :role_arn, :configuration, :digest, :definition);

-- name: set_revision : executions that start from now on use it
UPDATE states_machine SET revision = :revision WHERE id = :id;

-- name: list_machines : in the order of their names, for one page
SELECT name, created_at FROM states_machine
WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :max;

-- name: set_deleting : the machine goes with its last execution
UPDATE states_machine SET status = 'DELETING' WHERE id = :id;

-- name: delete_machine : its executions are swept up afterwards
DELETE FROM states_machine WHERE id = :id;

-- name: machine_status : is the machine of a sweep still there
SELECT status FROM states_machine WHERE id = :id;

-- name: delete_revisions : once no execution of the machine is left
DELETE FROM states_revision WHERE machine = :machine;

-- name: get_tags : in the order of their keys
SELECT key, value FROM states_tag WHERE resource = :resource ORDER BY key;

-- name: put_tag : the newest value of a key counts
INSERT INTO states_tag (resource, key, value) VALUES (:resource, :key, :value)
ON CONFLICT (resource, key) DO UPDATE SET value = excluded.value;

-- name: delete_tag : a missing key is no error
DELETE FROM states_tag WHERE resource = :resource AND key = :key;

-- name: delete_tags : with the machine or activity
DELETE FROM states_tag WHERE resource = :resource;

-- name: named_execution : does the name stand for this very start
SELECT id, status, started_at, input FROM states_execution WHERE machine = :machine AND name = :name;

-- name: find_execution : by the two names in its ARN
SELECT e.id, e.status, e.started_at, e.stopped_at, e.revision, e.trace, e.error, e.cause, e.output, e.input
FROM states_machine m JOIN states_execution e ON e.machine = m.id
WHERE m.account = :account AND m.region = :region AND m.name = :machine AND e.name = :name;

-- name: find_execution_id : the same without its documents
SELECT e.id, e.status, e.stopped_at, e.revision
FROM states_machine m JOIN states_execution e ON e.machine = m.id
WHERE m.account = :account AND m.region = :region AND m.name = :machine AND e.name = :name;

-- name: get_revision : what an execution was started with
SELECT revision_id, created_at, role_arn, configuration, digest, definition FROM states_revision WHERE id = :id;

-- name: insert_execution : an execution that ends in its first transaction is inserted as ended
INSERT INTO states_execution
  (id, machine, name, revision, status, started_at, stopped_at, listed_at, trace, error, cause, output, input)
VALUES
  (:id, :machine, :name, :revision, :status, :started_at, :stopped_at, :listed_at, :trace, :error, :cause, :output,
   :input);

-- name: end_execution : once
UPDATE states_execution
SET status = :status, stopped_at = :now, listed_at = :now, error = :error, cause = :cause, output = :output
WHERE id = :id;

-- name: list_executions : those of one status, newest first, for one page
SELECT listed_at, id, name, status, started_at, stopped_at FROM states_execution
WHERE machine = :machine AND status = :status
  AND (listed_at < :before OR (listed_at = :before AND id < :before_id))
ORDER BY listed_at DESC, id DESC LIMIT :max;

-- name: any_running : may the machine go
SELECT 1 FROM states_execution WHERE machine = :machine AND status = 'RUNNING' LIMIT 1;

-- name: ended_executions : those of one status that ended before an instant, for a sweep
SELECT id FROM states_execution WHERE machine = :machine AND status = :status AND listed_at < :before
ORDER BY listed_at LIMIT :max;

-- name: delete_execution : after its retention, or with its machine
DELETE FROM states_execution WHERE id = :id;

-- name: delete_history : with its execution
DELETE FROM states_history WHERE execution = :execution;

-- name: append_history : one row for each transaction
INSERT INTO states_history (execution, first, events) VALUES (:execution, :first, :events);

-- name: history_forward : from the row that holds an event on, a few rows at a time
SELECT first, events FROM states_history
WHERE execution = :execution
  AND first >= COALESCE((SELECT MAX(first) FROM states_history WHERE execution = :execution AND first <= :from_id), 0)
ORDER BY first LIMIT :max;

-- name: history_backward : from the row that holds an event backwards
SELECT first, events FROM states_history WHERE execution = :execution AND first <= :from_id
ORDER BY first DESC LIMIT :max;

-- name: lock_run : the run is locked until the end of the transaction: on SQLite there is only one writer
SELECT r.version, r.armed, r.head, r.machine, m.name, m.status, v.id, v.digest, v.role_arn
FROM states_run r JOIN states_machine m ON m.id = r.machine JOIN states_revision v ON v.id = r.revision
WHERE r.execution = :execution;

-- name: lock_run [postgres]
SELECT r.version, r.armed, r.head, r.machine, m.name, m.status, v.id, v.digest, v.role_arn
FROM states_run r JOIN states_machine m ON m.id = r.machine JOIN states_revision v ON v.id = r.revision
WHERE r.execution = :execution FOR UPDATE OF r;

-- name: insert_run : an execution goes on after its first transaction
INSERT INTO states_run (execution, version, machine, revision, armed, head)
VALUES (:execution, 1, :machine, :revision, :armed, :head);

-- name: update_run : the root branch's head lives in the run
UPDATE states_run SET version = version + 1, armed = :armed, head = :head WHERE execution = :execution;

-- name: delete_run : the execution ended
DELETE FROM states_run WHERE execution = :execution;

-- name: run_constants : what the context object shows; read only when a state asks
SELECT name, started_at, input FROM states_execution WHERE id = :id;

-- name: get_branch : one head
SELECT head, armed FROM states_branch WHERE execution = :execution AND branch = :branch;

-- name: get_children : heads of a Parallel or Map
SELECT branch, head, armed FROM states_branch WHERE execution = :execution AND parent = :parent ORDER BY place;

-- name: get_results : what the children of a Parallel or Map came to
SELECT b.branch, b.place, y.body FROM states_branch b
JOIN states_body y ON y.execution = b.execution AND y.branch = b.branch
WHERE b.execution = :execution AND b.parent = :parent ORDER BY b.place;

-- name: put_branch : new or changed
INSERT INTO states_branch (execution, branch, parent, place, armed, head)
VALUES (:execution, :branch, :parent, :place, :armed, :head)
ON CONFLICT (execution, branch) DO UPDATE SET armed = excluded.armed, head = excluded.head;

-- name: delete_branch : the branch was joined or abandoned
DELETE FROM states_branch WHERE execution = :execution AND branch = :branch;

-- name: delete_children : a Parallel or Map with many of them was joined or abandoned
DELETE FROM states_branch WHERE execution = :execution AND parent = :parent;

-- name: delete_child_bodies : before the children themselves
DELETE FROM states_body WHERE execution = :execution AND branch IN (
  SELECT branch FROM states_branch WHERE execution = :execution AND parent = :parent);

-- name: armed_branches : those that leave jobs behind when the execution ends
SELECT branch FROM states_branch WHERE execution = :execution AND armed > 0;

-- name: delete_branches : the execution ended
DELETE FROM states_branch WHERE execution = :execution;

-- name: get_body : the documents of a branch
SELECT body FROM states_body WHERE execution = :execution AND branch = :branch;

-- name: put_body : written only when the branch enters another state
INSERT INTO states_body (execution, branch, body) VALUES (:execution, :branch, :body)
ON CONFLICT (execution, branch) DO UPDATE SET body = excluded.body;

-- name: delete_body : with its branch
DELETE FROM states_body WHERE execution = :execution AND branch = :branch;

-- name: delete_bodies : the execution ended
DELETE FROM states_body WHERE execution = :execution;

-- name: insert_token : in the transaction that hands the token out
INSERT INTO states_token (execution, token, account, region, branch, attempt)
VALUES (:execution, :token, :account, :region, :branch, :attempt);

-- name: take_token : a token is used once, in the transaction of its transition
DELETE FROM states_token WHERE execution = :execution AND token = :token RETURNING account, region, branch, attempt;

-- name: get_token : a heartbeat leaves the token where it is
SELECT account, region, branch, attempt FROM states_token WHERE execution = :execution AND token = :token;

-- name: delete_token : the attempt is over
DELETE FROM states_token WHERE execution = :execution AND token = :token;

-- name: delete_tokens : the execution ended
DELETE FROM states_token WHERE execution = :execution;

-- name: execution_exists : does a token without a row belong to an execution of this store
SELECT 1 FROM states_execution WHERE id = :id;

-- name: find_activity : by name
SELECT id, created_at FROM states_activity WHERE account = :account AND region = :region AND name = :name;

-- name: insert_activity : names are unique in an account and region
INSERT INTO states_activity (id, account, region, name, created_at) VALUES (:id, :account, :region, :name, :now);

-- name: delete_activity : a missing one is no error
DELETE FROM states_activity WHERE id = :id;

-- name: list_activities : in the order of their names, for one page
SELECT name, created_at FROM states_activity
WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :max;

-- name: insert_activity_task : waits for a worker
INSERT INTO states_activity_task (activity, id, execution, branch, attempt, token, input)
VALUES (:activity, :id, :execution, :branch, :attempt, :token, :input);

-- name: claim_activity_task : the longest waiting, for one worker only
DELETE FROM states_activity_task WHERE activity = :activity AND id = (
  SELECT id FROM states_activity_task WHERE activity = :activity ORDER BY id LIMIT 1 {skip_locked})
RETURNING execution, branch, attempt, token, input;

-- name: drop_activity_task : the attempt is over before a worker took it
DELETE FROM states_activity_task WHERE execution = :execution AND branch = :branch;

-- name: drop_activity_tasks : the execution ended
DELETE FROM states_activity_task WHERE execution = :execution;

-- name: stopped_at : when an execution that is over ended
SELECT stopped_at FROM states_execution WHERE id = :id;
