-- CloudWatch Logs: groups, streams, events. A statement that touches streams or events names their group.

-- name: get_group : by its natural key, what a put or a read needs
SELECT id, retention_days, subscriptions FROM logs_group WHERE account = :account AND region = :region AND name = :name;

-- name: lock_group : for who changes it, deletes it, or counts what it has
SELECT id, retention_days, protected, tags, subscriptions FROM logs_group
WHERE account = :account AND region = :region AND name = :name {for_update};

-- name: keep_group : for who adds a stream: the group is not deleted meanwhile
SELECT id FROM logs_group WHERE account = :account AND region = :region AND name = :name {for_key_share};

-- name: describe_group : everything, by name
SELECT name, id, retention_days, protected, created_at, tags FROM logs_group
WHERE account = :account AND region = :region AND name = :name;

-- name: list_groups : a page in the order of names
SELECT name, id, retention_days, protected, created_at FROM logs_group
WHERE account = :account AND region = :region AND name > :after AND name >= :low AND name < :high
ORDER BY name LIMIT :limit;

-- name: insert_group : a name that appeared meanwhile inserts nothing
INSERT INTO logs_group (id, account, region, name, retention_days, protected, created_at, tags, subscriptions)
VALUES (:id, :account, :region, :name, NULL, :protected, :now, :tags, '[]')
ON CONFLICT (account, region, name) DO NOTHING;

-- name: set_retention
UPDATE logs_group SET retention_days = :days WHERE id = :id;

-- name: set_protected
UPDATE logs_group SET protected = :protected WHERE id = :id;

-- name: set_tags
UPDATE logs_group SET tags = :tags WHERE id = :id;

-- name: set_subscriptions
UPDATE logs_group SET subscriptions = :subscriptions WHERE id = :id;

-- name: delete_group : its streams and events follow in the background
DELETE FROM logs_group WHERE id = :id;

-- name: stored_bytes : of a whole group
SELECT COALESCE(SUM(stored_bytes), 0) FROM logs_stream WHERE group_id = :group_id;

-- name: insert_stream : a name that appeared meanwhile inserts nothing
INSERT INTO logs_stream (group_id, name, id, created_at, first_event_at, last_event_at, last_ingested_at, stored_bytes)
VALUES (:group_id, :name, :id, :now, 0, 0, 0, 0) ON CONFLICT (group_id, name) DO NOTHING;

-- name: get_stream : whether there is one
SELECT id FROM logs_stream WHERE group_id = :group_id AND name = :name;

-- name: touch_stream : a put finds its stream, holds it against deletion and says what it adds, all at once
UPDATE logs_stream SET
  first_event_at = CASE WHEN first_event_at = 0 OR first_event_at > :first THEN :first ELSE first_event_at END,
  last_event_at = CASE WHEN last_event_at < :last THEN :last ELSE last_event_at END,
  last_ingested_at = :now, stored_bytes = stored_bytes + :bytes
WHERE group_id = :group_id AND name = :name RETURNING id;

-- name: list_streams : a page in the order of names
SELECT name, id, created_at, first_event_at, last_event_at, last_ingested_at FROM logs_stream
WHERE group_id = :group_id AND name > :after AND name >= :low AND name < :high ORDER BY name LIMIT :limit;

-- name: list_streams_back : the same, from the end
SELECT name, id, created_at, first_event_at, last_event_at, last_ingested_at FROM logs_stream
WHERE group_id = :group_id AND name < :before AND name >= :low AND name < :high ORDER BY name DESC LIMIT :limit;

-- name: list_streams_by_time : a page in the order of their newest events; those without any come first
-- What is true of every row (last_event_at >= 0 here) opens an index of schema 0013 to the statement.
SELECT name, id, created_at, first_event_at, last_event_at, last_ingested_at FROM logs_stream
WHERE group_id = :group_id AND (last_event_at, name) > (:at, :name) AND last_event_at >= 0
ORDER BY last_event_at, name LIMIT :limit;

-- name: list_streams_by_time_back : the same, from the end
SELECT name, id, created_at, first_event_at, last_event_at, last_ingested_at FROM logs_stream
WHERE group_id = :group_id AND (last_event_at, name) < (:at, :name) AND last_event_at >= 0
ORDER BY last_event_at DESC, name DESC LIMIT :limit;

-- name: delete_stream : its events follow in the background
DELETE FROM logs_stream WHERE group_id = :group_id AND name = :name RETURNING id;

-- name: insert_batch
INSERT INTO logs_batch (group_id, stream, first_at, last_at, id, ingested_at, bytes, events)
VALUES (:group_id, :stream, :first, :last, :id, :now, :bytes, :events);

-- name: read_stream : rows of a stream in the order of their oldest events; what ends before `since` is left out
SELECT first_at, id, ingested_at, bytes, events FROM logs_batch
WHERE group_id = :group_id AND stream = :stream AND (first_at, id) > (:edge, :id)
  AND first_at < :until AND (last_at, id) >= (:since, :since_id)
ORDER BY first_at, id LIMIT :limit;

-- name: read_stream_back : the same from the end, in the order of their newest events
-- What is true of every row (bytes > 0 here, ingested_at > 0 below) opens an index to the statement, as above.
SELECT last_at, id, ingested_at, bytes, events FROM logs_batch
WHERE group_id = :group_id AND stream = :stream AND (last_at, id) < (:edge, :id)
  AND last_at >= :since AND (first_at, id) <= (:until, :until_id) AND bytes > 0
ORDER BY last_at DESC, id DESC LIMIT :limit;

-- name: read_group : rows of all streams of a group; of streams that are not asked for only that there is one
SELECT b.first_at, b.id, b.ingested_at, b.bytes,
  CASE WHEN s.name >= :low AND s.name < :high THEN b.events END, s.name
FROM logs_batch b JOIN logs_stream s ON s.group_id = b.group_id AND s.id = b.stream AND s.id > 0
WHERE b.group_id = :group_id AND (b.first_at, b.id) > (:edge, :id)
  AND b.first_at < :until AND (b.last_at, b.id) >= (:since, :since_id) AND b.ingested_at > 0
ORDER BY b.first_at, b.id LIMIT :limit;

-- name: read_group_back : the same from the end
SELECT b.last_at, b.id, b.ingested_at, b.bytes,
  CASE WHEN s.name >= :low AND s.name < :high THEN b.events END, s.name
FROM logs_batch b JOIN logs_stream s ON s.group_id = b.group_id AND s.id = b.stream AND s.id > 0
WHERE b.group_id = :group_id AND (b.last_at, b.id) < (:edge, :id)
  AND b.last_at >= :since AND (b.first_at, b.id) <= (:until, :until_id) AND b.ingested_at > 0
ORDER BY b.last_at DESC, b.id DESC LIMIT :limit;

-- name: oldest_batches : of a group; what ends before `before`, after what was deleted already
SELECT last_at, id FROM logs_batch
WHERE group_id = :group_id AND last_at >= :after AND last_at < :before AND ingested_at > 0
ORDER BY last_at, id LIMIT :limit;

-- name: delete_batches : up to the last of those; what they held leaves their streams' counts
DELETE FROM logs_batch
WHERE group_id = :group_id AND last_at >= :after AND (last_at, id) <= (:last, :id)
  AND ingested_at > 0
RETURNING stream, bytes;

-- name: forget_bytes : of a stream
UPDATE logs_stream SET stored_bytes = stored_bytes - :bytes WHERE group_id = :group_id AND id = :id AND id > 0;

-- name: batches_of_stream : of one that is gone
SELECT first_at, id FROM logs_batch
WHERE group_id = :group_id AND stream = :stream AND first_at >= :after ORDER BY first_at, id LIMIT :limit;

-- name: delete_batches_of_stream
DELETE FROM logs_batch
WHERE group_id = :group_id AND stream = :stream AND first_at >= :after AND (first_at, id) <= (:first, :id);

-- name: streams_of_group : some of one that is gone
SELECT name FROM logs_stream WHERE group_id = :group_id ORDER BY name LIMIT :limit;

-- name: delete_streams : up to the last of those
DELETE FROM logs_stream WHERE group_id = :group_id AND name <= :last;

-- name: put_policy : new, or in place of the one of that name
INSERT INTO logs_policy (account, region, name, document, updated_at)
VALUES (:account, :region, :name, :document, :now)
ON CONFLICT (account, region, name) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at;

-- name: list_policies : there are few
SELECT name, document, updated_at FROM logs_policy
WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :limit;

-- name: delete_policy
DELETE FROM logs_policy WHERE account = :account AND region = :region AND name = :name;
