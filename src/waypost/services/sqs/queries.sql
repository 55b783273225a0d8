-- Every statement of SQS. Those that run for each message come first after the queue's own.
--
-- What touches messages names one storage, which distributes their tables. On PostgreSQL claims begin at the storage's
-- floor (floor.py), unless the clock that wrote it was far ahead.

-- name: get_queue [shared] : the first statement of every operation on a queue, so it reads four columns and no policy
SELECT id, storage, settings, lanes FROM sqs_queue WHERE account = :account AND region = :region AND name = :name;

-- name: get_queues : the same for up to ten at once; an empty name is none
SELECT name, id, storage, settings, lanes FROM sqs_queue
WHERE account = :account AND region = :region
  AND name IN (:name0, :name1, :name2, :name3, :name4, :name5, :name6, :name7, :name8, :name9);

-- name: insert_message : a message of either kind of queue
INSERT INTO sqs_message
  (id, storage, visible_at, receives, sent_at, message_id, sender, group_id, sequence, dedup_id, trace, attributes, body)
VALUES
  (:id, :storage, :visible_at, 0, :sent_at, :message_id, :sender, :group_id, :sequence, :dedup_id, :trace, :attributes,
   :body);

-- name: insert_plain_message : most messages have no more than this, and each parameter costs
INSERT INTO sqs_message (id, storage, visible_at, receives, sent_at, message_id, sender, body)
VALUES (:id, :storage, :visible_at, 0, :sent_at, :message_id, :sender, :body);

-- name: insert_body : beside the row, so that a claim does not rewrite it
INSERT INTO sqs_body (id, md5, body) VALUES (:id, :md5, :body);

-- name: insert_body [postgres]
INSERT INTO sqs_body (storage, id, md5, body) VALUES (:storage, :id, :md5, :body);

-- name: get_body : of a message whose row has none
SELECT body, md5 FROM sqs_body WHERE id = :id;

-- name: get_body [postgres]
SELECT body, md5 FROM sqs_body WHERE storage = :storage AND id = :id;

-- name: claim_message : one; with "=" instead of IN it takes SQLite half the time
UPDATE sqs_message SET visible_at = :hidden_until, receives = receives + 1, received_at = COALESCE(received_at, :now)
WHERE id = (
  SELECT id FROM sqs_message WHERE storage = :storage AND visible_at <= :now AND visible_at > :horizon
  ORDER BY visible_at, id LIMIT 1 {skip_locked})
RETURNING id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace, source_arn,
  attributes, body;

-- name: claim_message [postgres]
UPDATE sqs_message SET visible_at = :hidden_until, receives = receives + 1, received_at = COALESCE(received_at, :now)
WHERE storage = :storage AND id = (
  SELECT id FROM sqs_message
  WHERE storage = :storage AND visible_at > 0 AND visible_at <= :now AND visible_at > GREATEST(:horizon, (
      SELECT CASE WHEN moved_at > :ahead THEN 0 ELSE floor END FROM sqs_floor WHERE storage = :storage
      ORDER BY seq DESC LIMIT 1))
  ORDER BY visible_at, id LIMIT 1 {skip_locked})
RETURNING id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace, source_arn,
  attributes, body,
  COALESCE((SELECT due_at FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1), 0);

-- name: claim_messages : what was never received by the horizon has expired; the range passes over it
UPDATE sqs_message SET visible_at = :hidden_until, receives = receives + 1, received_at = COALESCE(received_at, :now)
WHERE id IN (
  SELECT id FROM sqs_message WHERE storage = :storage AND visible_at <= :now AND visible_at > :horizon
  ORDER BY visible_at, id LIMIT :limit {skip_locked})
RETURNING id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace, source_arn,
  attributes, body;

-- name: claim_messages [postgres] : hide_message follows for each: while the table is small the planner would choose to
-- walk it for an UPDATE of several, and keep that plan
SELECT id, receives + 1, COALESCE(received_at, :now), sent_at, message_id, sender, group_id, sequence, dedup_id, trace,
  source_arn, attributes, body,
  COALESCE((SELECT due_at FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1), 0)
FROM sqs_message
WHERE storage = :storage AND visible_at > 0 AND visible_at <= :now AND visible_at > GREATEST(:horizon, (
    SELECT CASE WHEN moved_at > :ahead THEN 0 ELSE floor END FROM sqs_floor WHERE storage = :storage
    ORDER BY seq DESC LIMIT 1))
ORDER BY visible_at, id LIMIT :limit {skip_locked};

-- name: hide_message [postgres] : one that claim_messages took
UPDATE sqs_message SET visible_at = :hidden_until, receives = :receives, received_at = :received_at
WHERE storage = :storage AND id = :id;

-- name: next_visible : when time alone brings a message
SELECT visible_at FROM sqs_message WHERE storage = :storage AND visible_at > :now ORDER BY visible_at LIMIT 1;

-- name: next_visible [postgres] : among close entries of what is gone no further than `soon`; and when the floor is due
SELECT next.visible_at, floor.due_at, COALESCE(floor.dense, FALSE)
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
  SELECT due_at, dense_until > floor AND dense_until > :now AS dense FROM sqs_floor WHERE storage = :storage
  ORDER BY seq DESC LIMIT 1) AS floor ON TRUE
LEFT JOIN LATERAL (
  SELECT visible_at FROM sqs_message
  WHERE storage = :storage AND visible_at > 0 AND visible_at > :now
    AND visible_at <= CASE WHEN floor.dense THEN CAST(:soon AS BIGINT) ELSE CAST(:never AS BIGINT) END
  ORDER BY visible_at LIMIT 1) AS next ON TRUE;

-- name: delete_message : of a standard queue, by whatever handle
DELETE FROM sqs_message WHERE id = :id AND storage = :storage;

-- name: delete_body : of a message that is gone
DELETE FROM sqs_body WHERE id = :id;

-- name: delete_body [postgres]
DELETE FROM sqs_body WHERE storage = :storage AND id = :id;

-- name: change_visibility : of a standard queue
UPDATE sqs_message SET visible_at = :visible_at WHERE id = :id AND storage = :storage;

-- name: insert_moved_message : into a dead-letter queue, after it was deleted from its own
INSERT INTO sqs_message
  (id, storage, visible_at, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace,
   source_arn, attributes, body)
VALUES
  (:id, :storage, :visible_at, :receives, :received_at, :sent_at, :message_id, :sender, :group_id, :sequence, :dedup_id,
   :trace, :source_arn, :attributes, :body);


-- name: claim_dedup : changes nothing where the key was used in the last five minutes
INSERT INTO sqs_dedup (storage, key, expires_at, message_id, sequence)
VALUES (:storage, :key, :expires_at, :message_id, :sequence)
ON CONFLICT (storage, key) DO UPDATE
SET expires_at = excluded.expires_at, message_id = excluded.message_id, sequence = excluded.sequence
WHERE sqs_dedup.expires_at <= :now;

-- name: get_dedup : what the original got
SELECT message_id, sequence FROM sqs_dedup WHERE storage = :storage AND key = :key;

-- name: find_dedup : the same where it is still in force, for what was sent under the other scope
SELECT message_id, sequence FROM sqs_dedup WHERE storage = :storage AND key = :key AND expires_at > :now;

-- name: set_dedup_sequence : the group was ahead of the clock
UPDATE sqs_dedup SET sequence = :sequence WHERE storage = :storage AND key = :key;

-- name: enter_group [sqlite] : takes the next number
INSERT INTO sqs_group (storage, group_id, sequence, available_at)
VALUES (:storage, :group_id, :sequence, :available_at)
ON CONFLICT (storage, group_id) DO UPDATE SET sequence =
  CASE WHEN sqs_group.sequence >= excluded.sequence THEN sqs_group.sequence + 1 ELSE excluded.sequence END
RETURNING sequence;

-- name: claim_group [sqlite] : the one that has been free for longest
UPDATE sqs_group SET available_at = :hidden_until
WHERE storage = :storage AND group_id = (
  SELECT group_id FROM sqs_group WHERE storage = :storage AND available_at <= :now ORDER BY available_at LIMIT 1)
RETURNING group_id;

-- name: settle_group [sqlite] : after its first message may have changed; one that is free is so from now on; one whose
-- first message expires while it is hidden is free then
UPDATE sqs_group SET available_at = COALESCE((
  SELECT MAX(:now, MIN(visible_at, (id >> 20) + :retention)) FROM sqs_message
  WHERE storage = :storage AND group_id = :group_id AND sequence IS NOT NULL ORDER BY sequence LIMIT 1), -1)
WHERE storage = :storage AND group_id = :group_id
RETURNING available_at;

-- name: delete_group [sqlite] : it is empty
DELETE FROM sqs_group WHERE storage = :storage AND group_id = :group_id;

-- name: lock_group [postgres] : where nodes send at once this row puts them in order; whoever looks after this at a
-- group's messages sees what every other node has committed
SELECT turn, sequence, available_at, head FROM sqs_group WHERE storage = :storage AND group_id = :group_id
ORDER BY turn DESC LIMIT 1 {for_update};

-- name: begin_group [postgres] : empty; of two at once one waits, for both begin with the same turn
INSERT INTO sqs_group (storage, group_id, turn, sequence, available_at, head) VALUES (:storage, :group_id, 0, 0, 0, 0)
ON CONFLICT (storage, group_id, turn) DO NOTHING;

-- name: delete_begun_group [postgres] : another was there already
DELETE FROM sqs_group WHERE storage = :storage AND group_id = :group_id AND turn = 0;

-- name: free_group [postgres] : the one that has been free for longest
SELECT group_id, turn, sequence, head,
  COALESCE((SELECT due_at FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1), 0)
FROM sqs_group
WHERE storage = :storage AND available_at > 0 AND available_at <= :now AND available_at > COALESCE((
    SELECT CASE WHEN moved_at > :ahead THEN 0 ELSE floor END FROM sqs_floor WHERE storage = :storage
    ORDER BY seq DESC LIMIT 1), 0)
ORDER BY available_at LIMIT 1 {skip_locked};

-- name: put_group [postgres] : one that is locked
UPDATE sqs_group SET turn = :next_turn, sequence = :sequence, available_at = :available_at, head = :head
WHERE storage = :storage AND group_id = :group_id AND turn = :turn;

-- name: first_of_group [postgres] : its first message
SELECT visible_at, sequence, id FROM sqs_message
WHERE storage = :storage AND group_id = :group_id AND sequence >= :head ORDER BY sequence LIMIT 1;

-- name: next_available : when time alone brings a group
SELECT available_at FROM sqs_group WHERE storage = :storage ORDER BY available_at LIMIT 1;

-- name: next_available [postgres] : as next_visible
SELECT next.available_at, floor.due_at, COALESCE(floor.dense, FALSE)
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
  SELECT due_at, dense_until > floor AND dense_until > :now AS dense,
    CASE WHEN moved_at > :ahead THEN 0 ELSE floor END AS floor
  FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1) AS floor ON TRUE
LEFT JOIN LATERAL (
  SELECT available_at FROM sqs_group
  WHERE storage = :storage AND available_at > 0 AND available_at > COALESCE(floor.floor, 0)
    AND available_at <= CASE WHEN floor.dense THEN CAST(:soon AS BIGINT) ELSE CAST(:never AS BIGINT) END
  ORDER BY available_at LIMIT 1) AS next ON TRUE;

-- name: first_messages : of a group, in order
SELECT visible_at, id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace,
  source_arn, attributes, body
FROM sqs_message WHERE storage = :storage AND group_id = :group_id AND sequence IS NOT NULL
ORDER BY sequence LIMIT :limit;

-- name: first_messages [postgres]
SELECT visible_at, id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace,
  source_arn, attributes, body
FROM sqs_message WHERE storage = :storage AND group_id = :group_id AND sequence >= :head
ORDER BY sequence LIMIT :limit;

-- name: claim_first_messages : those of a group from one sequence number to another
UPDATE sqs_message SET visible_at = :hidden_until, receives = receives + 1, received_at = COALESCE(received_at, :now)
WHERE storage = :storage AND group_id = :group_id AND sequence BETWEEN :first AND :last;

-- name: delete_received_message : of a FIFO queue, only by the handle of the receive that is still in force
DELETE FROM sqs_message
WHERE id = :id AND storage = :storage AND receives = :receives AND visible_at > :now
RETURNING group_id;

-- name: get_message : whether it is still there
SELECT group_id, receives, visible_at FROM sqs_message WHERE id = :id AND storage = :storage;

-- name: change_received_visibility : of a FIFO queue, like delete_received_message
UPDATE sqs_message SET visible_at = :visible_at
WHERE id = :id AND storage = :storage AND receives = :receives AND visible_at > :now
RETURNING group_id;

-- name: lock_attempt [postgres] : of the same attempt on two nodes the second waits, and repeats what the first got
INSERT INTO sqs_attempt (storage, attempt_id, expires_at, received_at, hidden_until, messages)
VALUES (:storage, :attempt_id, :expires_at, :now, 0, '[]')
ON CONFLICT (storage, attempt_id) DO UPDATE SET expires_at = sqs_attempt.expires_at;

-- name: get_attempt : the messages that an attempt got
SELECT received_at, hidden_until, messages FROM sqs_attempt
WHERE storage = :storage AND attempt_id = :attempt_id AND expires_at > :now;

-- name: put_attempt : or begin it anew
INSERT INTO sqs_attempt (storage, attempt_id, expires_at, received_at, hidden_until, messages)
VALUES (:storage, :attempt_id, :expires_at, :received_at, :hidden_until, :messages)
ON CONFLICT (storage, attempt_id) DO UPDATE
SET expires_at = excluded.expires_at, received_at = excluded.received_at, hidden_until = excluded.hidden_until,
  messages = excluded.messages;

-- name: extend_attempt : the same attempt again; the five minutes count from the first
UPDATE sqs_attempt SET hidden_until = :hidden_until WHERE storage = :storage AND attempt_id = :attempt_id;

-- name: get_received_message : one of an attempt, as first_messages has it
SELECT visible_at, id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace,
  source_arn, attributes, body
FROM sqs_message WHERE id = :id AND storage = :storage;


-- name: count_messages : visible, in flight, delayed. The number of all is kept: only what is hidden, or has expired and
-- not been deleted yet, is counted
SELECT COALESCE((SELECT messages FROM sqs_count WHERE storage = :storage), 0) - hidden.all_of_them - (
    SELECT COUNT(*) FROM sqs_message INDEXED BY sqs_message_order
    WHERE storage = :storage AND id < :oldest AND visible_at <= :now),
  hidden.in_flight, hidden.delayed
FROM (
  SELECT COUNT(*) AS all_of_them,
    COALESCE(SUM(CASE WHEN receives > 0 AND id >= :oldest THEN 1 ELSE 0 END), 0) AS in_flight,
    COALESCE(SUM(CASE WHEN receives = 0 AND id >= :oldest THEN 1 ELSE 0 END), 0) AS delayed
  FROM sqs_message WHERE storage = :storage AND visible_at > :now) AS hidden;

-- name: count_messages [postgres] : by the index alone; from the floor of a standard queue, for a FIFO queue's is of groups
SELECT visible.messages, hidden.in_flight, hidden.delayed
FROM (
  SELECT COUNT(*) AS messages FROM sqs_message
  WHERE storage = :storage AND visible_at > 0 AND visible_at <= :now AND id >= :oldest
    AND visible_at > CASE WHEN :fifo > 0 THEN :horizon ELSE GREATEST(:horizon, (
        SELECT CASE WHEN moved_at > :ahead THEN 0 ELSE floor END FROM sqs_floor WHERE storage = :storage
        ORDER BY seq DESC LIMIT 1)) END) AS visible,
  (SELECT COALESCE(SUM(CASE WHEN receives > 0 THEN 1 ELSE 0 END), 0) AS in_flight,
    COALESCE(SUM(CASE WHEN receives = 0 THEN 1 ELSE 0 END), 0) AS delayed
  FROM sqs_message WHERE storage = :storage AND visible_at > 0 AND visible_at > :now AND id >= :oldest) AS hidden;

-- name: count_in_flight : by the index alone
SELECT COALESCE(SUM(CASE WHEN receives > 0 THEN 1 ELSE 0 END), 0) FROM sqs_message
WHERE storage = :storage AND visible_at > :now AND id >= :oldest;

-- name: count_in_flight [postgres] : with what its index wants; SQLite would begin at 0, and walk over all that waits
SELECT COALESCE(SUM(CASE WHEN receives > 0 THEN 1 ELSE 0 END), 0) FROM sqs_message
WHERE storage = :storage AND visible_at > 0 AND visible_at > :now AND id >= :oldest;

-- name: delete_count [sqlite] : of a storage that no queue has any more
DELETE FROM sqs_count WHERE storage = :storage;


-- name: insert_queue : a new one
INSERT INTO sqs_queue
  (account, region, name, id, storage, settings, created_at, modified_at, purged_at, dead_letter_arn, tags, policy)
VALUES
  (:account, :region, :name, :id, :id, :settings, :now, :now, 0, :dead_letter_arn, :tags, :policy);

-- name: get_attributes : what GetQueueAttributes shows besides the settings
SELECT created_at, modified_at, policy FROM sqs_queue
WHERE account = :account AND region = :region AND name = :name;

-- name: set_attributes : all of them, checked
UPDATE sqs_queue
SET settings = :settings, dead_letter_arn = :dead_letter_arn, policy = :policy, modified_at = :now
WHERE account = :account AND region = :region AND name = :name;

-- name: get_tags : JSON
SELECT tags FROM sqs_queue WHERE account = :account AND region = :region AND name = :name;

-- name: set_tags : JSON
UPDATE sqs_queue SET tags = :tags WHERE account = :account AND region = :region AND name = :name;

-- name: purge_queue : at most once a minute
UPDATE sqs_queue SET storage = :storage, lanes = NULL, purged_at = :now
WHERE account = :account AND region = :region AND name = :name AND purged_at <= :latest;

-- name: delete_queue : its messages follow by and by; where a purge came just before, those of the new storage
DELETE FROM sqs_queue WHERE account = :account AND region = :region AND name = :name RETURNING storage, lanes;

-- name: lock_queue : whoever writes what depends on what it read
SELECT 1 FROM sqs_queue WHERE account = :account AND region = :region AND name = :name {for_no_key_update};

-- name: list_queues : by name from one on
SELECT name FROM sqs_queue
WHERE account = :account AND region = :region AND name > :after AND name >= :prefix AND name < :prefix_end
ORDER BY name LIMIT :limit;

-- name: list_sources : queues whose dead letters go to one
SELECT name FROM sqs_queue WHERE dead_letter_arn = :dead_letter_arn AND name > :after ORDER BY name LIMIT :limit;

-- name: put_deleted_queue : the name rests for a minute
INSERT INTO sqs_deleted_queue (account, region, name, deleted_at) VALUES (:account, :region, :name, :now)
ON CONFLICT (account, region, name) DO UPDATE SET deleted_at = excluded.deleted_at;

-- name: get_deleted_queue : whether it still rests
SELECT deleted_at FROM sqs_deleted_queue WHERE account = :account AND region = :region AND name = :name;

-- name: forget_deleted_queue : unless it was deleted again meanwhile
DELETE FROM sqs_deleted_queue
WHERE account = :account AND region = :region AND name = :name AND deleted_at <= :latest;


-- name: oldest_messages : the next to expire; what was before `after` is gone
SELECT id, group_id, sequence, body IS NULL FROM sqs_message
WHERE storage = :storage AND id < :oldest AND id >= :after ORDER BY id LIMIT :limit;

-- name: oldest_message : says when something will expire next
SELECT id FROM sqs_message WHERE storage = :storage AND id >= :after ORDER BY id LIMIT 1;

-- name: delete_bodies : of the oldest messages, before them
DELETE FROM sqs_body WHERE id IN (
  SELECT id FROM sqs_message WHERE storage = :storage AND id <= :last AND id >= :after);

-- name: delete_bodies [postgres]
DELETE FROM sqs_body WHERE storage = :storage AND id <= :last AND id >= :after;

-- name: delete_messages : the oldest ones
DELETE FROM sqs_message WHERE storage = :storage AND id <= :last AND id >= :after;

-- name: last_dedup : how far a clean-up goes, where it does not come to the end
SELECT expires_at FROM sqs_dedup WHERE storage = :storage AND expires_at > 0 AND expires_at > :since
ORDER BY expires_at LIMIT 1 OFFSET :limit;

-- name: delete_dedups : no longer in force
DELETE FROM sqs_dedup WHERE storage = :storage AND expires_at > 0 AND expires_at > :since AND expires_at <= :until;

-- name: next_dedup : the next to expire
SELECT expires_at FROM sqs_dedup WHERE storage = :storage AND expires_at > 0 AND expires_at > :since
ORDER BY expires_at LIMIT 1;

-- name: last_attempt : as last_dedup
SELECT expires_at FROM sqs_attempt WHERE storage = :storage AND expires_at > 0 AND expires_at > :since
ORDER BY expires_at LIMIT 1 OFFSET :limit;

-- name: delete_attempts : no longer in force
DELETE FROM sqs_attempt WHERE storage = :storage AND expires_at > 0 AND expires_at > :since AND expires_at <= :until;

-- name: last_group : as last_dedup
SELECT available_at FROM sqs_group WHERE storage = :storage AND available_at > 0 AND available_at > :since
ORDER BY available_at LIMIT 1 OFFSET :limit;

-- name: delete_groups : of a storage that no queue has any more
DELETE FROM sqs_group
WHERE storage = :storage AND available_at > 0 AND available_at > :since AND available_at <= :until;

-- name: last_empty_group [postgres] : as last_dedup
SELECT sequence FROM sqs_group WHERE storage = :storage AND available_at = 0 AND sequence > :since
ORDER BY sequence LIMIT 1 OFFSET :limit;

-- name: delete_empty_groups [postgres] : they have been empty for a while
DELETE FROM sqs_group WHERE storage = :storage AND available_at = 0 AND sequence > :since AND sequence <= :until;


-- The floor of a storage, on PostgreSQL alone: floor.py says what it is for.

-- name: look_for_messages [postgres] : the floor, and what is first above it; nothing while another looks
SELECT seq, floor, moved_at, drawn_at, looked_at, dense_until, (
  SELECT visible_at FROM sqs_message
  WHERE storage = :storage AND visible_at > 0 AND visible_at <= :now
    AND visible_at > GREATEST(:horizon, CASE WHEN sqs_floor.moved_at > :ahead THEN 0 ELSE sqs_floor.floor END)
  ORDER BY visible_at LIMIT 1)
FROM sqs_floor WHERE storage = :storage AND seq = (
  SELECT seq FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1) {skip_locked};

-- name: late_messages [postgres] : below the floor, so committed after it was found; each age is looked at once
SELECT late.id FROM (
  VALUES (CAST(1000 AS BIGINT)), (4000), (16000), (64000), (256000), (1024000), (4096000), (16384000), (65536000),
    (262144000), (1048576000)) AS rung (age)
CROSS JOIN LATERAL (
  SELECT id FROM sqs_message
  WHERE storage = :storage AND visible_at > 0 AND visible_at > GREATEST(:horizon, :looked_at - rung.age)
    AND visible_at <= LEAST(:now - rung.age, :floor)
  ORDER BY visible_at LIMIT :limit {skip_locked}) AS late;

-- name: raise_message [postgres] : to where it is found
UPDATE sqs_message SET visible_at = :now WHERE storage = :storage AND id = :id;

-- name: look_for_groups [postgres] : the floor, and what is first above it; nothing while another looks
SELECT seq, floor, moved_at, drawn_at, looked_at, dense_until, (
  SELECT available_at FROM sqs_group
  WHERE storage = :storage AND available_at > 0 AND available_at <= :now
    AND available_at > GREATEST(:horizon, CASE WHEN sqs_floor.moved_at > :ahead THEN 0 ELSE sqs_floor.floor END)
  ORDER BY available_at LIMIT 1)
FROM sqs_floor WHERE storage = :storage AND seq = (
  SELECT seq FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1) {skip_locked};

-- name: late_groups [postgres] : below the floor, so committed after it was found; each age is looked at once
SELECT late.group_id, late.turn FROM (
  VALUES (CAST(1000 AS BIGINT)), (4000), (16000), (64000), (256000), (1024000), (4096000), (16384000), (65536000),
    (262144000), (1048576000)) AS rung (age)
CROSS JOIN LATERAL (
  SELECT group_id, turn FROM sqs_group
  WHERE storage = :storage AND available_at > 0 AND available_at > GREATEST(:horizon, :looked_at - rung.age)
    AND available_at <= LEAST(:now - rung.age, :floor)
  ORDER BY available_at LIMIT :limit {skip_locked}) AS late;

-- name: raise_group [postgres] : to where it is found
UPDATE sqs_group SET available_at = :now WHERE storage = :storage AND group_id = :group_id AND turn = :turn;

-- name: floor_due [postgres] : whether it is to be moved
SELECT due_at FROM sqs_floor WHERE storage = :storage ORDER BY seq DESC LIMIT 1;

-- name: begin_floor [postgres] : at nothing
INSERT INTO sqs_floor (storage, seq, floor, moved_at, drawn_at, looked_at, dense_until, due_at)
VALUES (:storage, 0, 0, :now, :now, :now, 0, :now) ON CONFLICT (storage, seq) DO NOTHING;

-- name: move_floor [postgres] : under a new key
UPDATE sqs_floor SET seq = seq + 1, floor = :floor, moved_at = :moved_at, drawn_at = :drawn_at,
  looked_at = :looked_at, dense_until = :dense_until, due_at = :due_at
WHERE storage = :storage AND seq = :seq;

-- name: delete_floor : of a storage that no queue has any more
DELETE FROM sqs_floor WHERE storage = :storage;


-- Message move tasks: moves.py says how they go.

-- name: moving_messages : the next messages that a task looks at
SELECT id, visible_at, group_id FROM sqs_message
WHERE storage = :storage AND id < :before AND id >= :after ORDER BY id LIMIT :limit;

-- name: take_messages : those of them that can be received; one that goes to a receiver just now is left to it
SELECT id, message_id, sender, group_id, trace, source_arn, attributes, body FROM sqs_message
WHERE storage = :storage AND id <= :last AND id >= :after AND visible_at <= :now ORDER BY id LIMIT :limit {skip_locked};

-- name: insert_move : a task that begins
INSERT INTO sqs_move
  (queue, id, uuid, account, region, destination_arn, rate, status, moved, to_move, failure)
VALUES
  (:queue, :id, :uuid, :account, :region, :destination_arn, :rate, :status, :moved, :to_move, :failure);

-- name: list_moves : of a queue, the newest first
SELECT queue, id, uuid, destination_arn, rate, status, moved, to_move, failure FROM sqs_move
WHERE queue = :queue ORDER BY id DESC LIMIT :limit;

-- name: lock_move : whoever goes on with it, or ends it
SELECT queue, id, uuid, destination_arn, rate, status, moved, to_move, failure FROM sqs_move
WHERE queue = :queue AND id = :id {for_update};

-- name: count_moves : of an account, as far as the limit
SELECT COUNT(*) FROM (
  SELECT 1 FROM sqs_move
  WHERE account = :account AND region = :region AND status IN ('RUNNING', 'CANCELLING') LIMIT :limit) AS active;

-- name: lock_move_account : before they are counted for the quota; whoever else starts one waits
INSERT INTO sqs_move_account (account, region, started) VALUES (:account, :region, 1)
ON CONFLICT (account, region) DO UPDATE SET started = sqs_move_account.started + 1;

-- name: advance_move : after a step
UPDATE sqs_move SET moved = moved + :moved WHERE queue = :queue AND id = :id;

-- name: end_move : after the last one
UPDATE sqs_move SET status = :status, failure = :failure, moved = moved + :moved WHERE queue = :queue AND id = :id;

-- name: cancel_move : only one that runs
UPDATE sqs_move SET status = 'CANCELLING' WHERE queue = :queue AND id = :id AND status = 'RUNNING' RETURNING moved;

-- name: delete_old_moves : no longer listed
DELETE FROM sqs_move WHERE queue = :queue AND id <= :id;

-- name: delete_moves : of a queue that is deleted
DELETE FROM sqs_move WHERE queue = :queue;


-- Fair queues: lanes.py says how they go.

-- name: sample_in_flight : by group; of many every second, fourth and so on, for the low bits of an id are random
SELECT group_id, COUNT(*) FROM sqs_message
WHERE storage = :storage AND visible_at > :now AND id % :one_of = 0 AND receives > 0 GROUP BY group_id;

-- name: sample_in_flight [postgres]
SELECT group_id, COUNT(*) FROM sqs_message
WHERE storage = :storage AND visible_at > 0 AND visible_at > :now AND id % :one_of = 0 AND receives > 0
GROUP BY group_id;

-- name: look_at_head : what a claim would find, and in that order
SELECT group_id, receives FROM sqs_message WHERE storage = :storage AND visible_at <= :now AND visible_at > :horizon
ORDER BY visible_at, id LIMIT :limit;

-- name: look_at_head [postgres]
SELECT group_id, receives FROM sqs_message
WHERE storage = :storage AND visible_at > 0 AND visible_at <= :now AND visible_at > GREATEST(:horizon, (
    SELECT CASE WHEN moved_at > :ahead THEN 0 ELSE floor END FROM sqs_floor WHERE storage = :storage
    ORDER BY seq DESC LIMIT 1))
ORDER BY visible_at, id LIMIT :limit;

-- name: lock_lanes : whoever changes them; another node that does so just now is left to it
SELECT 1 FROM sqs_queue WHERE account = :account AND region = :region AND name = :name {skip_locked};

-- name: set_lanes : and with them, at times, the main storage
UPDATE sqs_queue SET storage = :storage, lanes = :lanes WHERE account = :account AND region = :region AND name = :name;

-- name: get_purged : 0: never
SELECT purged_at FROM sqs_queue WHERE account = :account AND region = :region AND name = :name;

-- name: unsorted_messages : the next of a storage, whatever state they are in
SELECT id, group_id, receives FROM sqs_message WHERE storage = :storage AND id >= :after ORDER BY id LIMIT :limit;

-- name: take_strays : up to ten that lie in the wrong storage, unless they were received meanwhile
SELECT id, visible_at, receives, received_at, sent_at, message_id, sender, group_id, dedup_id, trace, source_arn,
  attributes, body
FROM sqs_message
WHERE storage = :storage AND id IN (:id0, :id1, :id2, :id3, :id4, :id5, :id6, :id7, :id8, :id9)
  AND receives <= :receives_max {skip_locked};

-- name: take_strays [postgres] : each by its key; of a list the planner would look through the whole storage
SELECT stray.* FROM (
  VALUES (CAST(:id0 AS BIGINT)), (:id1), (:id2), (:id3), (:id4), (:id5), (:id6), (:id7), (:id8), (:id9)) AS wanted (id)
CROSS JOIN LATERAL (
  SELECT id, visible_at, receives, received_at, sent_at, message_id, sender, group_id, dedup_id, trace, source_arn,
    attributes, body
  FROM sqs_message WHERE storage = :storage AND id = wanted.id AND receives <= :receives_max {skip_locked}) AS stray;
