-- Statements of topics, subscriptions and publishing. Those of one publish come first.

-- name: get_topic [shared] : the first statement of every operation on a topic, so it reads few columns and no policy
SELECT id, revision, settings, confirmed, pending, filtered FROM sns_topic
WHERE account = :account AND region = :region AND name = :name;

-- name: see_topic : again, after a wait in which a replay may have reached the present
SELECT id, revision, settings, confirmed, pending, filtered FROM sns_topic
WHERE account = :account AND region = :region AND name = :name;

-- name: list_audience : who gets what is published now; those with a replay under way, or ended for good, do not
SELECT s.id, s.uuid, s.topic_arn, s.account, s.protocol, s.endpoint, s.settings
FROM sns_subscription AS s LEFT JOIN sns_replay AS r ON r.topic = s.topic AND r.subscription = s.id
WHERE s.topic = :topic AND s.id > :after AND s.confirmed = 1
  AND (r.status IS NULL OR (r.status = 'Completed' AND r.until_ms IS NULL))
ORDER BY s.id LIMIT :limit;

-- name: claim_dedup : changes nothing where the key was used in the last five minutes
INSERT INTO sns_dedup (topic, key, expires_at, message_id, sequence)
VALUES (:topic, :key, :expires_at, :message_id, :sequence)
ON CONFLICT (topic, key) DO UPDATE
SET expires_at = excluded.expires_at, message_id = excluded.message_id, sequence = excluded.sequence
WHERE sns_dedup.expires_at <= :now;

-- name: get_dedup : what the original got
SELECT message_id, sequence FROM sns_dedup WHERE topic = :topic AND key = :key;

-- name: set_dedup_sequence : the group was ahead of the clock
UPDATE sns_dedup SET sequence = :sequence WHERE topic = :topic AND key = :key;

-- name: enter_group : takes the next number; where nodes publish at once, this row is what puts them in order
INSERT INTO sns_group (topic, group_id, sequence) VALUES (:topic, :group_id, :sequence)
ON CONFLICT (topic, group_id) DO UPDATE SET sequence =
  CASE WHEN sns_group.sequence >= excluded.sequence THEN sns_group.sequence + 1 ELSE excluded.sequence END
RETURNING sequence;

-- name: insert_archived : in the order of sequence numbers
INSERT INTO sns_archive (topic, sequence, published_at, published)
VALUES (:topic, :sequence, :published_at, :published);

-- name: count_outcome : of a delivery; rows are gathered now and then
INSERT INTO sns_delivery_count (topic, subscription, id, outcome, count, last_at, last_error)
VALUES (:topic, :subscription, :id, :outcome, 1, :now, :error);


-- name: lock_topic : before anything of the topic or of its subscriptions changes; what is read afterwards holds
SELECT id, revision, settings, confirmed, pending, filtered FROM sns_topic
WHERE account = :account AND region = :region AND name = :name {for_no_key_update};

-- name: lock_topic_end : before it is deleted
SELECT id, revision, settings, confirmed, pending, filtered FROM sns_topic
WHERE account = :account AND region = :region AND name = :name {for_update};

-- name: insert_topic : unless another node was first
INSERT INTO sns_topic
  (account, region, name, id, revision, settings, confirmed, pending, deleted, filtered, created_at, tags, policy,
   data_protection)
VALUES
  (:account, :region, :name, :id, :id, :settings, 0, 0, 0, 0, :now, :tags, :policy, :data_protection)
ON CONFLICT (account, region, name) DO NOTHING;

-- name: get_usage : of a quota
SELECT used FROM sns_usage WHERE account = :account AND region = :region AND what = :what;

-- name: add_usage : changes nothing where the quota is used up
INSERT INTO sns_usage (account, region, what, used) VALUES (:account, :region, :what, 1)
ON CONFLICT (account, region, what) DO UPDATE SET used = sns_usage.used + 1 WHERE sns_usage.used < :most;

-- name: remove_usage : of a quota
UPDATE sns_usage SET used = used - :count WHERE account = :account AND region = :region AND what = :what;

-- name: get_topic_details : what GetTopicAttributes shows besides the settings
SELECT confirmed, pending, deleted, policy FROM sns_topic
WHERE account = :account AND region = :region AND name = :name;

-- name: set_settings : all attributes, checked
UPDATE sns_topic SET revision = :revision, settings = :settings, policy = :policy
WHERE account = :account AND region = :region AND name = :name;

-- name: change_counts : with every change of a subscription
UPDATE sns_topic SET revision = :revision, confirmed = confirmed + :confirmed, pending = pending + :pending,
  deleted = deleted + :deleted, filtered = filtered + :filtered
WHERE account = :account AND region = :region AND name = :name;

-- name: delete_topic : what hangs on it follows by and by
DELETE FROM sns_topic WHERE account = :account AND region = :region AND name = :name;

-- name: list_topics : by name from one on
SELECT name FROM sns_topic WHERE account = :account AND region = :region AND name > :after ORDER BY name LIMIT :limit;

-- name: get_tags : JSON
SELECT tags FROM sns_topic WHERE account = :account AND region = :region AND name = :name;

-- name: set_tags : JSON
UPDATE sns_topic SET tags = :tags WHERE account = :account AND region = :region AND name = :name;

-- name: get_data_protection : as it was written
SELECT data_protection FROM sns_topic WHERE account = :account AND region = :region AND name = :name;

-- name: set_data_protection : or none
UPDATE sns_topic SET data_protection = :data_protection
WHERE account = :account AND region = :region AND name = :name;


-- name: insert_subscription : the topic is locked
INSERT INTO sns_subscription
  (topic, id, uuid, account, region, topic_arn, protocol, endpoint, principal, confirmed, authenticated,
   signed_unsubscribe, settings, filtered, created_at)
VALUES
  (:topic, :id, :uuid, :account, :region, :topic_arn, :protocol, :endpoint, :principal, :confirmed, :authenticated,
   :signed_unsubscribe, :settings, :filtered, :now);

-- name: get_subscription : by the last part of its ARN
SELECT id, uuid, topic_arn, account, protocol, endpoint, settings, confirmed, authenticated, signed_unsubscribe,
  principal
FROM sns_subscription WHERE topic = :topic AND uuid = :uuid;

-- name: get_subscription_by_id : for work that was promised to it
SELECT id, uuid, topic_arn, account, protocol, endpoint, settings, confirmed, authenticated, signed_unsubscribe,
  principal
FROM sns_subscription WHERE topic = :topic AND id = :id;

-- name: find_subscription : of an endpoint, if it has one
SELECT id, uuid, topic_arn, account, protocol, endpoint, settings, confirmed, authenticated, signed_unsubscribe,
  principal
FROM sns_subscription WHERE topic = :topic AND protocol = :protocol AND endpoint = :endpoint;

-- name: list_subscriptions_of_topic : in the order of subscribing, with those that ended lately (2)
SELECT id, uuid, topic_arn, account, protocol, endpoint, confirmed FROM sns_subscription
WHERE topic = :topic AND id > :after
UNION ALL
SELECT id, uuid, topic_arn, account, protocol, endpoint, 2 FROM sns_ended WHERE topic = :topic AND id > :after
ORDER BY id LIMIT :limit;

-- name: list_subscriptions_of_topic [postgres] : which merges no indexes here, so it sorts a page of each
(SELECT id, uuid, topic_arn, account, protocol, endpoint, confirmed FROM sns_subscription
 WHERE topic = :topic AND id > :after ORDER BY id LIMIT :limit)
UNION ALL
(SELECT id, uuid, topic_arn, account, protocol, endpoint, 2 FROM sns_ended
 WHERE topic = :topic AND id > :after ORDER BY id LIMIT :limit)
ORDER BY id LIMIT :limit;

-- name: list_subscriptions_of_account : likewise, of all topics
SELECT id, uuid, topic_arn, account, protocol, endpoint, confirmed FROM sns_subscription
WHERE account = :account AND region = :region AND id > :after
UNION ALL
SELECT id, uuid, topic_arn, account, protocol, endpoint, 2 FROM sns_ended
WHERE account = :account AND region = :region AND id > :after
ORDER BY id LIMIT :limit;

-- name: list_subscriptions_of_account [postgres] : which merges no indexes here, so it sorts a page of each
(SELECT id, uuid, topic_arn, account, protocol, endpoint, confirmed FROM sns_subscription
 WHERE account = :account AND region = :region AND id > :after ORDER BY id LIMIT :limit)
UNION ALL
(SELECT id, uuid, topic_arn, account, protocol, endpoint, 2 FROM sns_ended
 WHERE account = :account AND region = :region AND id > :after ORDER BY id LIMIT :limit)
ORDER BY id LIMIT :limit;

-- name: count_small : subscriptions that cannot take a large message; asked of topics with at most a hundred
SELECT COUNT(*) FROM sns_subscription WHERE topic = :topic AND protocol NOT IN ('sqs', 'lambda');

-- name: count_pending : of an account, as far as its quota
SELECT COUNT(*) FROM (
  SELECT 1 FROM sns_subscription WHERE account = :account AND region = :region AND confirmed = 0 LIMIT :limit
) AS waiting;

-- name: set_subscription : all attributes, checked
UPDATE sns_subscription SET settings = :settings, filtered = :filtered WHERE topic = :topic AND id = :id;

-- name: confirm_subscription : by a token
UPDATE sns_subscription
SET confirmed = 1, authenticated = :authenticated, signed_unsubscribe = :signed_unsubscribe
WHERE topic = :topic AND id = :id;

-- name: delete_subscription : the topic is locked
DELETE FROM sns_subscription WHERE topic = :topic AND id = :id;

-- name: insert_ended : lists show it for some days more
INSERT INTO sns_ended (topic, id, uuid, account, region, topic_arn, protocol, endpoint)
VALUES (:topic, :id, :uuid, :account, :region, :topic_arn, :protocol, :endpoint);

-- name: delete_ended : some days are over
DELETE FROM sns_ended WHERE topic = :topic AND id = :id;

-- name: delete_ended_of : the endpoint is subscribed again
DELETE FROM sns_ended WHERE topic = :topic AND protocol = :protocol AND endpoint = :endpoint;

-- name: insert_token : of a subscription that waits, or that was ended from outside
INSERT INTO sns_token (topic, token, uuid, protocol, endpoint, settings, account, principal, expires_at)
VALUES (:topic, :token, :uuid, :protocol, :endpoint, :settings, :account, :principal, :expires_at);

-- name: get_token : while it is valid
SELECT uuid, protocol, endpoint, settings, account, principal FROM sns_token
WHERE topic = :topic AND token = :token AND expires_at > :now;

-- name: find_token : whether a subscription may still be confirmed
SELECT 1 FROM sns_token WHERE topic = :topic AND expires_at > :now AND uuid = :uuid LIMIT 1;

-- name: delete_token : it is no longer valid
DELETE FROM sns_token WHERE topic = :topic AND token = :token;


-- name: lock_archive : holds up who publishes, until it is decided that a replay has reached the present
INSERT INTO sns_group (topic, group_id, sequence) VALUES (:topic, '', 0)
ON CONFLICT (topic, group_id) DO UPDATE SET sequence = sns_group.sequence
RETURNING sequence;

-- name: list_archived : the next ones of a replay
SELECT sequence, published FROM sns_archive
WHERE topic = :topic AND sequence > :after AND published_at <= :until_ms ORDER BY sequence LIMIT :limit;

-- name: put_replay : or begin another
INSERT INTO sns_replay (topic, subscription, policy, status, sequence, until_ms)
VALUES (:topic, :subscription, :policy, 'Pending', :sequence, :until_ms)
ON CONFLICT (topic, subscription) DO UPDATE
SET policy = excluded.policy, status = excluded.status, sequence = excluded.sequence, until_ms = excluded.until_ms;

-- name: get_replay : of a subscription
SELECT policy, status, sequence, until_ms FROM sns_replay WHERE topic = :topic AND subscription = :subscription;

-- name: lock_replay : against who begins another or ends it
SELECT policy, status, sequence, until_ms FROM sns_replay
WHERE topic = :topic AND subscription = :subscription {for_update};

-- name: move_replay : it got so far
UPDATE sns_replay SET status = :status, sequence = :sequence WHERE topic = :topic AND subscription = :subscription;

-- name: fail_replays : their archive is gone
UPDATE sns_replay SET status = 'Failed' WHERE topic = :topic AND status IN ('Pending', 'In progress');

-- name: delete_replay : its subscription gets what is published again
DELETE FROM sns_replay WHERE topic = :topic AND subscription = :subscription;


-- name: delete_dedups : no longer in force
DELETE FROM sns_dedup WHERE topic = :topic AND key IN (
  SELECT key FROM sns_dedup WHERE topic = :topic AND expires_at <= :now ORDER BY expires_at LIMIT :limit);

-- name: next_dedup : the next to expire
SELECT expires_at FROM sns_dedup WHERE topic = :topic ORDER BY expires_at LIMIT 1;

-- name: delete_groups : nothing was published to them lately; the clock is past their numbers
DELETE FROM sns_group WHERE topic = :topic AND sequence < :oldest AND group_id IN (
  SELECT group_id FROM sns_group WHERE topic = :topic AND sequence < :oldest ORDER BY sequence LIMIT :limit);

-- name: next_group : the next that may go
SELECT sequence FROM sns_group WHERE topic = :topic ORDER BY sequence LIMIT 1;

-- name: delete_archived : past its retention
DELETE FROM sns_archive WHERE topic = :topic AND sequence IN (
  SELECT sequence FROM sns_archive WHERE topic = :topic AND sequence < :oldest ORDER BY sequence LIMIT :limit);

-- name: next_archived : the next to expire
SELECT sequence FROM sns_archive WHERE topic = :topic ORDER BY sequence LIMIT 1;

-- name: delete_subscriptions : of a topic that is gone
DELETE FROM sns_subscription WHERE topic = :topic AND id IN (
  SELECT id FROM sns_subscription WHERE topic = :topic ORDER BY id LIMIT :limit);

-- name: delete_all_ended : likewise
DELETE FROM sns_ended WHERE topic = :topic AND id IN (
  SELECT id FROM sns_ended WHERE topic = :topic ORDER BY id LIMIT :limit);

-- name: delete_tokens : likewise
DELETE FROM sns_token WHERE topic = :topic AND token IN (
  SELECT token FROM sns_token WHERE topic = :topic ORDER BY token LIMIT :limit);

-- name: delete_replays : likewise
DELETE FROM sns_replay WHERE topic = :topic AND subscription IN (
  SELECT subscription FROM sns_replay WHERE topic = :topic ORDER BY subscription LIMIT :limit);

-- name: delete_counts : likewise, of some subscriptions
DELETE FROM sns_delivery_count WHERE topic = :topic AND subscription IN (
  SELECT subscription FROM sns_delivery_count WHERE topic = :topic ORDER BY subscription LIMIT :limit);

-- name: delete_throttles : likewise
DELETE FROM sns_throttle WHERE topic = :topic AND subscription IN (
  SELECT subscription FROM sns_throttle WHERE topic = :topic ORDER BY subscription LIMIT :limit);

-- name: delete_documents : likewise; the deliveries that needed them find their topic gone
DELETE FROM sns_document WHERE topic = :topic AND id IN (
  SELECT id FROM sns_document WHERE topic = :topic ORDER BY id LIMIT :limit);
