-- Every statement of SQS. Those that run for each message come first after the queue's own.

-- name: get_queue : the first statement of every operation on a queue, so it reads three columns and no policy
SELECT id, storage, settings FROM sqs_queue WHERE account = :account AND region = :region AND name = :name;

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

-- name: get_body : of a message whose row has none
SELECT body, md5 FROM sqs_body WHERE id = :id;

-- name: claim_message : one; with "=" instead of IN it takes SQLite half the time
UPDATE sqs_message SET visible_at = :hidden_until, receives = receives + 1, received_at = COALESCE(received_at, :now)
WHERE id = (
  SELECT id FROM sqs_message WHERE storage = :storage AND visible_at <= :now AND visible_at > :horizon
  ORDER BY visible_at, id LIMIT 1 {skip_locked})
RETURNING id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace, source_arn,
  attributes, body;

-- name: claim_messages : what was never received by the horizon has expired; the range passes over it
UPDATE sqs_message SET visible_at = :hidden_until, receives = receives + 1, received_at = COALESCE(received_at, :now)
WHERE id IN (
  SELECT id FROM sqs_message WHERE storage = :storage AND visible_at <= :now AND visible_at > :horizon
  ORDER BY visible_at, id LIMIT :limit {skip_locked})
RETURNING id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace, source_arn,
  attributes, body;

-- name: next_visible : when time alone brings a message
SELECT visible_at FROM sqs_message WHERE storage = :storage AND visible_at > :now ORDER BY visible_at LIMIT 1;

-- name: delete_message : of a standard queue, by whatever handle
DELETE FROM sqs_message WHERE id = :id AND storage = :storage;

-- name: delete_body : of a message that is gone
DELETE FROM sqs_body WHERE id = :id;

-- name: change_visibility : of a standard queue
UPDATE sqs_message SET visible_at = :visible_at WHERE id = :id AND storage = :storage;

-- name: move_message : to a dead-letter queue; the id stays, so retention counts from when it was sent
UPDATE sqs_message SET storage = :target, visible_at = :now, receives = receives - 1, source_arn = :source_arn
WHERE id = :id;


-- name: claim_dedup : changes nothing where the key was used in the last five minutes
INSERT INTO sqs_dedup (storage, key, expires_at, message_id, sequence)
VALUES (:storage, :key, :expires_at, :message_id, :sequence)
ON CONFLICT (storage, key) DO UPDATE
SET expires_at = excluded.expires_at, message_id = excluded.message_id, sequence = excluded.sequence
WHERE sqs_dedup.expires_at <= :now;

-- name: get_dedup : what the original got
SELECT message_id, sequence FROM sqs_dedup WHERE storage = :storage AND key = :key;

-- name: set_dedup_sequence : the group was ahead of the clock
UPDATE sqs_dedup SET sequence = :sequence WHERE storage = :storage AND key = :key;

-- name: enter_group : takes the next number; where nodes send at once, this row is what puts them in order
INSERT INTO sqs_group (storage, group_id, sequence, available_at)
VALUES (:storage, :group_id, :sequence, :available_at)
ON CONFLICT (storage, group_id) DO UPDATE SET sequence =
  CASE WHEN sqs_group.sequence >= excluded.sequence THEN sqs_group.sequence + 1 ELSE excluded.sequence END
RETURNING sequence;

-- name: claim_group : the one whose first message has waited longest
UPDATE sqs_group SET available_at = :hidden_until
WHERE storage = :storage AND group_id = (
  SELECT group_id FROM sqs_group WHERE storage = :storage AND available_at <= :now
  ORDER BY available_at LIMIT 1 {skip_locked})
RETURNING group_id;

-- name: lock_group : before settle_group, whose look at the messages must come after every other node's commit
SELECT 1 FROM sqs_group WHERE storage = :storage AND group_id = :group_id;

-- name: lock_group [postgres]
SELECT 1 FROM sqs_group WHERE storage = :storage AND group_id = :group_id FOR UPDATE;

-- name: settle_group : after its first message may have changed
UPDATE sqs_group SET available_at = COALESCE((
  SELECT visible_at FROM sqs_message
  WHERE storage = :storage AND group_id = :group_id AND sequence IS NOT NULL ORDER BY sequence LIMIT 1), -1)
WHERE storage = :storage AND group_id = :group_id
RETURNING available_at;

-- name: delete_group : it is empty
DELETE FROM sqs_group WHERE storage = :storage AND group_id = :group_id;

-- name: next_available : when time alone brings a group
SELECT available_at FROM sqs_group WHERE storage = :storage ORDER BY available_at LIMIT 1;

-- name: first_messages : of a group, in order
SELECT visible_at, id, receives, received_at, sent_at, message_id, sender, group_id, sequence, dedup_id, trace,
  source_arn, attributes, body
FROM sqs_message WHERE storage = :storage AND group_id = :group_id AND sequence IS NOT NULL
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

-- name: move_fifo_message : to a FIFO dead-letter queue, as a message just sent to it
UPDATE sqs_message
SET id = :new_id, storage = :target, visible_at = :now, sequence = :sequence, dedup_id = message_id,
  source_arn = :source_arn
WHERE id = :id;

-- name: move_body : follows its message
UPDATE sqs_body SET id = :new_id WHERE id = :id;

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


-- name: count_visible : by the index alone
SELECT COUNT(*) FROM sqs_message
WHERE storage = :storage AND visible_at <= :now AND visible_at > :horizon AND id >= :oldest;

-- name: count_hidden : by the index alone: in flight, and all
SELECT COALESCE(SUM(CASE WHEN receives > 0 THEN 1 ELSE 0 END), 0), COUNT(*) FROM sqs_message
WHERE storage = :storage AND visible_at > :now AND id >= :oldest;


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
UPDATE sqs_queue SET storage = :storage, purged_at = :now
WHERE account = :account AND region = :region AND name = :name AND purged_at <= :latest;

-- name: delete_queue : its messages follow by and by
DELETE FROM sqs_queue WHERE account = :account AND region = :region AND name = :name;

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


-- name: oldest_messages : the next to expire
SELECT id, group_id, sequence, body IS NULL FROM sqs_message
WHERE storage = :storage AND id < :oldest ORDER BY id LIMIT :limit;

-- name: oldest_message : says when something will expire next
SELECT id FROM sqs_message WHERE storage = :storage ORDER BY id LIMIT 1;

-- name: delete_bodies : of the oldest messages, before them
DELETE FROM sqs_body WHERE id IN (
  SELECT id FROM sqs_message WHERE storage = :storage AND id < :oldest ORDER BY id LIMIT :limit);

-- name: delete_messages : the oldest ones
DELETE FROM sqs_message WHERE id IN (
  SELECT id FROM sqs_message WHERE storage = :storage AND id < :oldest ORDER BY id LIMIT :limit);

-- name: delete_dedups : no longer in force
DELETE FROM sqs_dedup WHERE storage = :storage AND key IN (
  SELECT key FROM sqs_dedup WHERE storage = :storage AND expires_at <= :now ORDER BY expires_at LIMIT :limit);

-- name: next_dedup : the next to expire
SELECT expires_at FROM sqs_dedup WHERE storage = :storage ORDER BY expires_at LIMIT 1;

-- name: delete_attempts : no longer in force
DELETE FROM sqs_attempt WHERE storage = :storage AND attempt_id IN (
  SELECT attempt_id FROM sqs_attempt WHERE storage = :storage AND expires_at <= :now ORDER BY expires_at LIMIT :limit);

-- name: delete_groups : of a storage that no queue has any more
DELETE FROM sqs_group WHERE storage = :storage AND group_id IN (
  SELECT group_id FROM sqs_group WHERE storage = :storage ORDER BY available_at LIMIT :limit);
