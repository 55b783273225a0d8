-- Background work of every service.

-- name: insert_job : the row is the promise; it is written in the transaction that needs it
INSERT INTO job (id, kind, key, account, region, run_at, attempts, owner, payload)
VALUES (:id, :kind, :key, :account, :region, :run_at, 0, '', :payload);

-- name: due_job : the longest due; where there are several nodes its row stays locked until the handler's commit.
-- Whoever knows that nothing is due before :floor does not walk over what the index still holds of jobs that are done.
SELECT id, kind, key, account, region, run_at, attempts, payload
FROM job WHERE run_at >= :floor AND run_at <= :now ORDER BY run_at, id LIMIT 1 {skip_locked};

-- name: next_due : when to look again; :floor as above
SELECT run_at FROM job WHERE run_at >= :floor ORDER BY run_at LIMIT 1;

-- name: lease_job : outside work begins; run_at is the end of the lease, so that a dead node's jobs come due by themselves
UPDATE job SET run_at = :lease_until, attempts = attempts + 1, owner = :owner WHERE id = :id;

-- name: extend_lease : long work keeps its lease
UPDATE job SET run_at = :lease_until WHERE id = :id AND attempts = :attempts AND owner = :owner;

-- name: is_current : a job that was dropped, or taken over by another node, must not settle
SELECT 1 FROM job WHERE id = :id AND attempts = :attempts AND owner = :owner;

-- name: is_current [postgres]
SELECT 1 FROM job WHERE id = :id AND attempts = :attempts AND owner = :owner FOR UPDATE;

-- name: delete_job : done
DELETE FROM job WHERE id = :id;

-- name: postpone_job : not done, run again
UPDATE job SET run_at = :run_at, owner = '', payload = :payload WHERE id = :id;

-- name: delay_job : the handler failed by a fault of ours: try again later, unless another node has taken the job over
UPDATE job SET run_at = :run_at, owner = '', attempts = attempts + 1 WHERE id = :id AND attempts = :attempts;

-- name: release_jobs : what a node had leased before it died comes due at once; few jobs have an owner, and an index
UPDATE job SET run_at = :now, owner = '' WHERE owner = :owner AND owner <> '';

-- name: drop_jobs : what a key promised is no longer wanted
DELETE FROM job WHERE key = :key;

-- name: drop_jobs [postgres] : a job whose handler runs at this moment is left to it. Who drops holds what that handler
-- waits for (its execution), so neither may wait for the other; the handler then finds that its work is no longer wanted.
DELETE FROM job WHERE id = ANY (ARRAY(SELECT id FROM job WHERE key = :key FOR UPDATE SKIP LOCKED));
