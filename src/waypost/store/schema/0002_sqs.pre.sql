-- SQS: queues, their messages, and what FIFO queues remember.
--
-- Messages hang on a queue's `storage`, not on the queue: PurgeQueue gives the queue a new storage in one small UPDATE,
-- and a job deletes what lies in the old one piece by piece.
CREATE TABLE sqs_queue (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  id BIGINT NOT NULL,
  storage BIGINT NOT NULL,
  settings TEXT NOT NULL,        -- JSON: attributes that were given, as they were written; Policy apart
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  purged_at BIGINT NOT NULL,     -- 0: never
  dead_letter_arn TEXT,          -- the redrive policy's target
  tags TEXT NOT NULL,            -- JSON
  policy TEXT,                   -- as it was written; last, for it is long and few statements want it
  PRIMARY KEY (account, region, name)
) {without_rowid};
CREATE INDEX sqs_queue_dead_letter ON sqs_queue (dead_letter_arn, name);

-- Names of queues deleted less than a minute ago: they cannot be used again yet.
CREATE TABLE sqs_deleted_queue (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  deleted_at BIGINT NOT NULL,
  PRIMARY KEY (account, region, name)
) {without_rowid};

-- One row a message. Ids grow with time, so (storage, id) is also the order of retention. Delay and visibility are one
-- column compared with now: a message is waiting from visible_at on. A claim moves visible_at on; it rewrites the row
-- and one index entry, which is why long bodies lie elsewhere.
--
-- Every table of messages begins its key with the storage on PostgreSQL, every statement names one, and none moves a row
-- to another: a distributed database keeps a queue's rows together. In SQLite's one file the id alone is the key.
--
-- Measured (SQLite 3.54, 600-byte bodies, microseconds for insert + claim + delete, commit of 64 shared, no fsync):
-- this layout 8.1 with none and 11.9 with 1,000,000 waiting; without the index of (storage, id) 8.0 and 11.0; a table
-- clustered by (storage, id) 8.2 and 12.1, and 13.3 to this one's 9.4 with bodies of 1,500. Counting 1,000,000 waiting
-- messages by the index takes 30 to 50 ms; a counter row would cost every send and every delete a statement (2 of
-- some 20 microseconds) and, with many nodes, a lock. So GetQueueAttributes counts, and nothing else does.
--
-- On PostgreSQL the indexes by time are partial, though they hold every row: while a table is small its planner takes
-- all indexes for equal, and keeps that plan while the table grows. One that a statement does not speak of cannot be
-- taken instead of the primary key.
CREATE TABLE sqs_message (
  id {local_key},
  storage BIGINT NOT NULL,
  visible_at BIGINT NOT NULL,
  receives INTEGER NOT NULL,
  received_at BIGINT,            -- the first time
  sent_at BIGINT NOT NULL,
  message_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  group_id TEXT,
  sequence BIGINT,               -- FIFO: the order in the group
  dedup_id TEXT,
  trace TEXT,
  source_arn TEXT,               -- the queue that it was a dead letter of
  attributes TEXT,               -- JSON
  body TEXT                      -- NULL: in sqs_body
  {storage_key}
);
{sqlite} CREATE INDEX sqs_message_visible ON sqs_message (storage, visible_at, id, receives);
{postgres} CREATE INDEX sqs_message_visible ON sqs_message (storage, visible_at, id, receives) WHERE visible_at > 0;
{sqlite} CREATE INDEX sqs_message_order ON sqs_message (storage, id);
CREATE INDEX sqs_message_group ON sqs_message (storage, group_id, sequence) WHERE sequence IS NOT NULL;

{sqlite} CREATE TABLE sqs_body (
  id {key},                      -- the message's
  md5 TEXT NOT NULL,
  body TEXT NOT NULL
);
{postgres} CREATE TABLE sqs_body (
  storage BIGINT NOT NULL,
  id BIGINT NOT NULL,
  md5 TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (storage, id)
);

-- One row for each group of a FIFO queue that has messages. available_at is when the group's first message may be
-- received, as it was seen last: a group in flight is passed over by one index, however many groups there are.
{sqlite} CREATE TABLE sqs_group (
  storage BIGINT NOT NULL,
  group_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,      -- of the last message sent to it
  available_at BIGINT NOT NULL,
  PRIMARY KEY (storage, group_id)
) {without_rowid};
{sqlite} CREATE INDEX sqs_group_available ON sqs_group (storage, available_at);

-- On PostgreSQL each change of a group takes a greater turn, and the greatest counts: the index entries of what the row
-- was before stay until a vacuum, and who looks from the end meets none of them (services/sqs/groups.py). A group that
-- has become empty stays for a while.
{postgres} CREATE TABLE sqs_group (
  storage BIGINT NOT NULL,
  group_id TEXT NOT NULL,
  turn BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  available_at BIGINT NOT NULL,  -- 0: it is empty
  head BIGINT NOT NULL,          -- no message of it has a lower sequence number
  PRIMARY KEY (storage, group_id, turn)
);
{postgres} CREATE INDEX sqs_group_available ON sqs_group (storage, available_at) WHERE available_at > 0;
{postgres} CREATE INDEX sqs_group_empty ON sqs_group (storage, sequence) WHERE available_at = 0;

-- What was sent to a FIFO queue in the last five minutes.
CREATE TABLE sqs_dedup (
  storage BIGINT NOT NULL,
  key TEXT NOT NULL,             -- the deduplication id; with its group before it where that is the scope
  expires_at BIGINT NOT NULL,
  message_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (storage, key)
) {without_rowid};
{sqlite} CREATE INDEX sqs_dedup_expiry ON sqs_dedup (storage, expires_at);
{postgres} CREATE INDEX sqs_dedup_expiry ON sqs_dedup (storage, expires_at) WHERE expires_at > 0;

-- Receives of a FIFO queue that named their attempt: the same attempt gets the same messages.
CREATE TABLE sqs_attempt (
  storage BIGINT NOT NULL,
  attempt_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  hidden_until BIGINT NOT NULL,
  messages TEXT NOT NULL,        -- JSON: [[row id, receives], ...]
  PRIMARY KEY (storage, attempt_id)
) {without_rowid};
{sqlite} CREATE INDEX sqs_attempt_expiry ON sqs_attempt (storage, expires_at);
{postgres} CREATE INDEX sqs_attempt_expiry ON sqs_attempt (storage, expires_at) WHERE expires_at > 0;
