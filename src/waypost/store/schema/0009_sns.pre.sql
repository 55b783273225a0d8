-- SNS: topics, their subscriptions, what FIFO topics remember, what is on its way, and how it is signed.
--
-- What hangs on a topic begins with the topic's id, so that a distributed database can keep it together. Every change of
-- a topic or of its subscriptions gives the topic a new `revision`, in the same transaction: what a node has compiled of
-- a revision is never out of date.
CREATE TABLE sns_topic (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  id BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  settings TEXT NOT NULL,        -- JSON: attributes that were given, as they were written; Policy apart
  confirmed BIGINT NOT NULL,     -- subscriptions that are confirmed, that wait for it, that are gone
  pending BIGINT NOT NULL,
  deleted BIGINT NOT NULL,
  filtered BIGINT NOT NULL,      -- subscriptions with a filter policy
  created_at BIGINT NOT NULL,
  tags TEXT NOT NULL,            -- JSON, in the order in which they came
  policy TEXT,                   -- as it was written; NULL: the one that every topic begins with
  data_protection TEXT,          -- as it was written
  PRIMARY KEY (account, region, name)
) {without_rowid};

CREATE TABLE sns_subscription (
  topic BIGINT NOT NULL,
  id BIGINT NOT NULL,
  uuid TEXT NOT NULL,            -- the last part of its ARN
  account TEXT NOT NULL,         -- its owner
  region TEXT NOT NULL,
  topic_arn TEXT NOT NULL,
  protocol TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  principal TEXT NOT NULL,       -- the ARN of who subscribed
  confirmed INTEGER NOT NULL,
  authenticated INTEGER NOT NULL,     -- whether it was confirmed by its owner
  signed_unsubscribe INTEGER NOT NULL,  -- whether only its owner may end it
  settings TEXT NOT NULL,        -- JSON: attributes that were given, as they were written
  filtered INTEGER NOT NULL,     -- whether it has a filter policy
  created_at BIGINT NOT NULL,
  PRIMARY KEY (topic, id)
) {without_rowid};
CREATE UNIQUE INDEX sns_subscription_uuid ON sns_subscription (topic, uuid);
CREATE UNIQUE INDEX sns_subscription_endpoint ON sns_subscription (topic, protocol, endpoint);
CREATE INDEX sns_subscription_owner ON sns_subscription (account, region, id);
CREATE INDEX sns_subscription_pending ON sns_subscription (account, region) WHERE confirmed = 0;

-- What ConfirmSubscription takes. It holds what is needed to subscribe anew: an endpoint may take its end back.
CREATE TABLE sns_token (
  topic BIGINT NOT NULL,
  token TEXT NOT NULL,
  uuid TEXT NOT NULL,            -- the subscription's
  protocol TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  settings TEXT NOT NULL,        -- of the subscription, as it was
  account TEXT NOT NULL,
  principal TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (topic, token)
) {without_rowid};
CREATE INDEX sns_token_expiry ON sns_token (topic, expires_at);

-- One row for each message group that was published to lately; '' is the whole of an archived topic. A publisher holds
-- the row to its commit: that is what puts the messages of a group in order, here and in every queue.
CREATE TABLE sns_group (
  topic BIGINT NOT NULL,
  group_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,      -- of the last message; it grows with time, as row ids do
  PRIMARY KEY (topic, group_id)
) {without_rowid};
CREATE INDEX sns_group_age ON sns_group (topic, sequence);

-- What was published to a FIFO topic in the last five minutes.
CREATE TABLE sns_dedup (
  topic BIGINT NOT NULL,
  key TEXT NOT NULL,             -- the deduplication id; with its group before it where that is the scope
  expires_at BIGINT NOT NULL,
  message_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (topic, key)
) {without_rowid};
CREATE INDEX sns_dedup_expiry ON sns_dedup (topic, expires_at);

-- The archive of a FIFO topic, in the order of publishing. Sequence numbers of a topic grow with its commits, so a replay
-- that goes by them misses nothing.
CREATE TABLE sns_archive (
  topic BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  published_at BIGINT NOT NULL,
  published TEXT NOT NULL,       -- JSON
  PRIMARY KEY (topic, sequence)
) {without_rowid};

-- A replay of the archive to a subscription: while there is a row, the subscription gets nothing as it is published.
CREATE TABLE sns_replay (
  topic BIGINT NOT NULL,
  subscription BIGINT NOT NULL,
  policy TEXT NOT NULL,          -- as it was written
  status TEXT NOT NULL,          -- Pending, In progress, Completed, Failed
  sequence BIGINT NOT NULL,      -- of the last message that was replayed
  until_ms BIGINT,               -- of the last message wanted; NULL: all, and then what is published
  PRIMARY KEY (topic, subscription)
) {without_rowid};

-- Counted per subscription: deliveries that failed for good or went to the dead-letter queue, and, outside of queues,
-- those that succeeded. Queues of the same database fail so rarely that their successes are not worth a row. Rows are
-- only added, for a counter that is changed would be a lock that deliveries side by side take in any order; now and then
-- those of a subscription are gathered into one.
CREATE TABLE sns_delivery_count (
  topic BIGINT NOT NULL,         -- 0: published to an endpoint (subscription: its application) or a phone number (0)
  subscription BIGINT NOT NULL,
  id BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  count BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  last_error TEXT,
  PRIMARY KEY (topic, subscription, id)
) {without_rowid};

-- What was published and is still to be delivered outside, once for all who get it, where it is long. It is needed as long
-- as there is a job with its key.
CREATE TABLE sns_document (
  topic BIGINT NOT NULL,         -- 0: published to an endpoint or a phone number
  id BIGINT NOT NULL,
  document TEXT NOT NULL,        -- JSON
  PRIMARY KEY (topic, id)
) {without_rowid};

-- When a throttled endpoint may get its next message.
CREATE TABLE sns_throttle (
  topic BIGINT NOT NULL,
  subscription BIGINT NOT NULL,
  next_us BIGINT NOT NULL,       -- microseconds: there may be more than a thousand a second
  PRIMARY KEY (topic, subscription)
) {without_rowid};

-- Keys that messages are signed with. The newest signs; older ones are kept, for their certificates are asked for.
CREATE TABLE sns_signing_key (
  id {key},
  name TEXT NOT NULL,            -- of the certificate: the hex of SimpleNotificationService-<hex>.pem
  private_key TEXT NOT NULL,     -- PEM
  certificate TEXT NOT NULL,     -- PEM
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX sns_signing_key_name ON sns_signing_key (name);

CREATE TABLE sns_platform_application (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  platform TEXT NOT NULL,
  name TEXT NOT NULL,
  id BIGINT NOT NULL,
  settings TEXT NOT NULL,        -- JSON
  created_at BIGINT NOT NULL,
  PRIMARY KEY (account, region, platform, name)
) {without_rowid};

CREATE TABLE sns_endpoint (
  application BIGINT NOT NULL,
  uuid TEXT NOT NULL,            -- the last part of its ARN
  token TEXT NOT NULL,           -- the device's, from its platform
  enabled INTEGER NOT NULL,
  user_data TEXT,
  extra TEXT NOT NULL,           -- JSON: attributes that only some platforms have
  PRIMARY KEY (application, uuid)
) {without_rowid};
CREATE UNIQUE INDEX sns_endpoint_token ON sns_endpoint (application, token);

CREATE TABLE sns_sms_settings (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  settings TEXT NOT NULL,        -- JSON
  PRIMARY KEY (account, region)
) {without_rowid};

CREATE TABLE sns_opted_out (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  phone TEXT NOT NULL,
  opted_out_at BIGINT NOT NULL,
  opted_in_at BIGINT,            -- the last time: once in thirty days is allowed
  PRIMARY KEY (account, region, phone)
) {without_rowid};

CREATE TABLE sns_sandbox_phone (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  phone TEXT NOT NULL,
  status TEXT NOT NULL,          -- Pending or Verified
  code TEXT NOT NULL,            -- the one-time password that was sent last; empty: void
  wrong INTEGER NOT NULL,        -- guesses of it
  sent INTEGER NOT NULL,         -- passwords that were sent since `sent_since`
  sent_since BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,    -- when it was verified, or last tried to be
  PRIMARY KEY (account, region, phone)
) {without_rowid};

-- What left by SMS, push or e-mail where no gateway is set but the local inbox.
CREATE TABLE sns_inbox (
  id {key},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  channel TEXT NOT NULL,         -- sms, application, email
  recipient TEXT NOT NULL,
  document TEXT NOT NULL,        -- JSON
  sent_at BIGINT NOT NULL
);
CREATE INDEX sns_inbox_recipient ON sns_inbox (account, region, channel, recipient, id);
CREATE INDEX sns_inbox_newest ON sns_inbox (account, region, id);
