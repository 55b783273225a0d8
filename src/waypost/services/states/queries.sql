-- Step Functions. What moves with an execution is found by its id; the record of an execution by its machine and its id
-- or name. So the rows of each can lie together on one of many databases.
--
-- Whoever moves an execution locks its run first, and then waits for nothing that another holds while it waits for a run:
-- jobs and activities' tasks that somebody has in hand are left to them. Whoever ends the last execution of a machine that
-- is being deleted locks the machine after that.

-- name: find_machine : with the revision in force, but for its definition
SELECT id, status, created_at, revision, revision_id, digest, role_arn, configuration, revised_at
FROM states_machine WHERE account = :account AND region = :region AND name = :name;

-- name: start_machine : the same of one that can be started; it is not removed before the transaction's end. One that is
-- being deleted is not locked: its removal waits for starts that came before, and must not wait for those that come after
SELECT id, status, created_at, revision, revision_id, digest, role_arn, configuration, revised_at
FROM states_machine WHERE account = :account AND region = :region AND name = :name AND status = 'ACTIVE' {for_key_share};

-- name: lock_machine : the same, for who changes it or its tags; executions start meanwhile
SELECT id, status, created_at, revision, revision_id, digest, role_arn, configuration, revised_at
FROM states_machine WHERE account = :account AND region = :region AND name = :name {for_no_key_update};

-- name: machine_id : where the executions are that an ARN names
SELECT id FROM states_machine WHERE account = :account AND region = :region AND name = :name;

-- name: claim_machine : to remove it at once; nothing where an execution is being started at this moment
SELECT id FROM states_machine WHERE id = :id {skip_locked};

-- name: take_machine : to remove it: starts that are under way are waited for, and whoever else wants to remove it waits
SELECT status FROM states_machine WHERE id = :id {for_update};

-- name: get_definition : what find_machine leaves out
SELECT definition FROM states_revision WHERE id = :id;

-- name: insert_machine : its first revision is inserted with it
INSERT INTO states_machine
  (id, account, region, name, status, revision, created_at, revision_id, digest, role_arn, configuration, revised_at)
VALUES
  (:id, :account, :region, :name, 'ACTIVE', :revision, :now, '', :digest, :role_arn, :configuration, :now);

-- name: insert_revision : revisions are never changed
INSERT INTO states_revision (id, machine, revision_id, created_at, role_arn, configuration, digest, definition)
VALUES (:id, :machine, :revision_id, :now, :role_arn, :configuration, :digest, :definition);

-- name: set_revision : executions that start from now on use it
UPDATE states_machine SET revision = :revision, revision_id = :revision_id, digest = :digest, role_arn = :role_arn,
  configuration = :configuration, revised_at = :now
WHERE id = :id;

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
SELECT id, status, started_at, input FROM states_execution WHERE machine = :machine AND name = :name AND name > '';

-- name: find_execution : by its name
SELECT id, status, started_at, stopped_at, revision, trace, error, cause, output, input
FROM states_execution WHERE machine = :machine AND name = :name AND name > '';

-- name: find_execution_id : the same without its documents
SELECT id, status, stopped_at, revision FROM states_execution WHERE machine = :machine AND name = :name AND name > '';

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
WHERE machine = :machine AND id = :id;

-- name: list_executions : those of one status, newest first, for one page
SELECT listed_at, id, name, status, started_at, stopped_at FROM states_execution
WHERE machine = :machine AND status = :status AND listed_at > 0
  AND (listed_at < :before OR (listed_at = :before AND id < :before_id))
ORDER BY listed_at DESC, id DESC LIMIT :max;

-- name: any_running : may the machine go
SELECT 1 FROM states_execution WHERE machine = :machine AND status = 'RUNNING' AND listed_at > 0 LIMIT 1;

-- name: ended_executions : those of one status that ended before an instant, for a sweep
SELECT id FROM states_execution WHERE machine = :machine AND status = :status AND listed_at > 0 AND listed_at < :before
ORDER BY listed_at LIMIT :max;

-- name: delete_execution : after its retention, or with its machine
DELETE FROM states_execution WHERE machine = :machine AND id = :id;

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
SELECT r.armed, r.head, r.body, r.spent, m.account, m.region, m.status, r.machine, m.name, v.id, v.digest, v.role_arn
FROM states_run r JOIN states_machine m ON m.id = r.machine JOIN states_revision v ON v.id = r.revision
WHERE r.execution = :execution;

-- name: lock_run [postgres] : each of the three by its key, however few rows the planner has seen. After a wait the run is
-- as it is now, but the machine's status may be as it was before
SELECT r.armed, r.head, r.body, r.spent, m.account, m.region, m.status, r.machine, m.name, v.id, v.digest, v.role_arn
FROM states_run r
CROSS JOIN LATERAL (SELECT account, region, status, name FROM states_machine WHERE id = r.machine LIMIT 1) m
CROSS JOIN LATERAL (SELECT id, digest, role_arn FROM states_revision WHERE id = r.revision LIMIT 1) v
WHERE r.execution = :execution FOR UPDATE OF r;

-- name: insert_run : an execution goes on after its first transaction
INSERT INTO states_run (execution, version, machine, revision, armed, head, body, spent)
VALUES (:execution, 1, :machine, :revision, :armed, :head, :body, '');

-- name: update_run : the root branch's head lives in the run
UPDATE states_run SET armed = :armed, head = :head WHERE execution = :execution;

-- name: rewrite_run : and its body, unless that is long: then it is NULL here and lies with the others
UPDATE states_run SET armed = :armed, head = :head, body = :body WHERE execution = :execution;

-- name: spend_token : the root branch's token was used, and a job will carry the outcome to it
UPDATE states_run SET spent = :token WHERE execution = :execution;

-- name: delete_run : the execution ended
DELETE FROM states_run WHERE execution = :execution;

-- name: run_constants : what the context object shows; read only when a state asks
SELECT name, started_at, input FROM states_execution WHERE machine = :machine AND id = :id;

-- name: get_branch : one head
SELECT head, armed, body FROM states_branch WHERE execution = :execution AND branch = :branch;

-- name: get_children : heads of a Parallel or Map
SELECT branch, head, armed, body FROM states_branch
WHERE execution = :execution AND parent = :parent ORDER BY place;

-- name: get_results : what the children of a Parallel or Map came to
SELECT b.branch, b.place, COALESCE(b.body, (
  SELECT y.body FROM states_body y WHERE y.execution = b.execution AND y.branch = b.branch))
FROM states_branch b WHERE b.execution = :execution AND b.parent = :parent ORDER BY b.place;

-- name: insert_branch : a branch's name is never used twice
INSERT INTO states_branch (execution, branch, parent, place, armed, head, body)
VALUES (:execution, :branch, :parent, :place, :armed, :head, :body);

-- name: update_branch : the head changes, the place does not
UPDATE states_branch SET armed = :armed, head = :head WHERE execution = :execution AND branch = :branch;

-- name: rewrite_branch : and its body, unless that is long
UPDATE states_branch SET armed = :armed, head = :head, body = :body WHERE execution = :execution AND branch = :branch;

-- name: delete_branch : the branch was joined or abandoned
DELETE FROM states_branch WHERE execution = :execution AND branch = :branch;

-- name: delete_children : a Parallel or Map with many of them was joined or abandoned
DELETE FROM states_branch WHERE execution = :execution AND parent = :parent;

-- name: delete_child_bodies : with a family; the names of a branch's descendants lie between its own with a / and with a 0
DELETE FROM states_body WHERE execution = :execution AND branch > :after AND branch < :before;

-- name: armed_branches : those that leave jobs behind when the execution ends
SELECT branch FROM states_branch WHERE execution = :execution AND armed > 0;

-- name: delete_branches : the execution ended
DELETE FROM states_branch WHERE execution = :execution;

-- name: get_body : the documents of a branch, where they are long
SELECT body FROM states_body WHERE execution = :execution AND branch = :branch;

-- name: insert_body : of a branch whose documents have become long
INSERT INTO states_body (execution, branch, body) VALUES (:execution, :branch, :body);

-- name: update_body : written only when the branch enters another state
UPDATE states_body SET body = :body WHERE execution = :execution AND branch = :branch;

-- name: delete_body : with its branch
DELETE FROM states_body WHERE execution = :execution AND branch = :branch;

-- name: delete_bodies : the execution ended
DELETE FROM states_body WHERE execution = :execution;

-- name: insert_token : a child branch's, in the transaction that hands it out; the root's is found in the run
INSERT INTO states_token (execution, token, account, region, branch, attempt)
VALUES (:execution, :token, :account, :region, :branch, :attempt);

-- name: get_token : whose it is; whether it is still good says the branch's head
SELECT branch FROM states_token WHERE execution = :execution AND token = :token;

-- name: delete_token : the attempt is over, or will be by a job
DELETE FROM states_token WHERE execution = :execution AND token = :token;

-- name: delete_tokens : the execution ended
DELETE FROM states_token WHERE execution = :execution;

-- name: execution_exists : does a token that is over belong to an execution of this store: each has a history from its
-- beginning to the end of its record
SELECT 1 FROM states_history WHERE execution = :execution LIMIT 1;

-- name: find_activity : by name
SELECT id, created_at FROM states_activity WHERE account = :account AND region = :region AND name = :name;

-- name: lock_activity : by name, for who changes its tags
SELECT id, created_at FROM states_activity WHERE account = :account AND region = :region AND name = :name {for_no_key_update};

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

-- name: drop_activity_task [postgres] : one that a worker takes at this moment is left to it: it waits for the run, and will
-- find its attempt over
DELETE FROM states_activity_task WHERE execution = :execution AND branch = :branch AND id = ANY (ARRAY(
  SELECT id FROM states_activity_task WHERE execution = :execution AND branch = :branch FOR UPDATE SKIP LOCKED));

-- name: drop_activity_tasks : the execution ended
DELETE FROM states_activity_task WHERE execution = :execution;

-- name: drop_activity_tasks [postgres]
DELETE FROM states_activity_task WHERE execution = :execution AND id = ANY (ARRAY(
  SELECT id FROM states_activity_task WHERE execution = :execution FOR UPDATE SKIP LOCKED));

-- name: stopped_at : when an execution that is over ended
SELECT stopped_at FROM states_execution WHERE machine = :machine AND id = :id;
