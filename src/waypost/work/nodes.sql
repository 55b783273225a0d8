-- The servers that share the store.

-- name: beat : a sign of life; answers what time it is
INSERT INTO node (id, address, version, schema, started_at, seen_at)
VALUES (:id, :address, :version, :schema, :now, :now)
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
RETURNING seen_at;

-- name: beat [postgres] : by the database's clock, which is the one clock that all nodes see
INSERT INTO node (id, address, version, schema, started_at, seen_at)
VALUES (:id, :address, :version, :schema, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT),
  CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
RETURNING seen_at;

-- name: list_nodes : a row each
SELECT id, address, version, schema, started_at, seen_at FROM node ORDER BY id;

-- name: list_alive [postgres] : who gave a sign of life lately, by the database's clock
SELECT id, address, version, schema, started_at, seen_at FROM node
WHERE seen_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - CAST(:dead_ms AS BIGINT)
ORDER BY id;

-- name: bury_node : unless it has shown life meanwhile
DELETE FROM node WHERE id = :id AND seen_at = :seen;

-- name: remove_node : it leaves
DELETE FROM node WHERE id = :id;

-- name: leases : how much each node has under way
SELECT owner, COUNT(*) FROM job WHERE owner <> '' GROUP BY owner ORDER BY owner;

-- name: backlog : jobs that are due, and for how long the first has been
SELECT COUNT(*), MIN(run_at) FROM (SELECT run_at FROM job WHERE run_at <= :now ORDER BY run_at LIMIT :limit) due;

-- name: promised : jobs that are due later, leased ones among them
SELECT COUNT(*) FROM (SELECT 1 FROM job WHERE run_at > :now ORDER BY run_at LIMIT :limit) later;
