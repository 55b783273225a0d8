-- CloudWatch Logs: groups, streams, and events in rows of many.
CREATE TABLE logs_group (
  id {key},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  retention_days INTEGER,        -- NULL: events are kept for ever
  protected INTEGER NOT NULL,    -- against deletion
  created_at BIGINT NOT NULL,
  tags TEXT NOT NULL,            -- JSON
  subscriptions TEXT NOT NULL    -- JSON: the subscription filters, which every put reads; there are two at most
);
CREATE UNIQUE INDEX logs_group_name ON logs_group (account, region, name);

-- A put changes its stream's row and adds one of events: a group has no row that puts to different streams would wait for.
-- So what a group stores is the sum over its streams.
CREATE TABLE logs_stream (
  group_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  id BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  first_event_at BIGINT NOT NULL,   -- 0: it never had an event
  last_event_at BIGINT NOT NULL,
  last_ingested_at BIGINT NOT NULL,
  stored_bytes BIGINT NOT NULL,
  PRIMARY KEY (group_id, name)
) {without_rowid};
-- Partial on PostgreSQL, though they hold every row: a statement that does not speak of ids, or of time, cannot be given a
-- plan by them while the table is small, and keep it. So are the indexes of events below.
{sqlite} CREATE UNIQUE INDEX logs_stream_id ON logs_stream (group_id, id);
{postgres} CREATE UNIQUE INDEX logs_stream_id ON logs_stream (group_id, id) WHERE id > 0;
{sqlite} CREATE INDEX logs_stream_newest ON logs_stream (group_id, last_event_at, name);
{postgres} CREATE INDEX logs_stream_newest ON logs_stream (group_id, last_event_at, name) WHERE last_event_at >= 0;

-- Events of one put to one stream, oldest first. A row spans a minute at most, so whoever looks for an instant need not
-- look at rows that begin more than a minute before it.
CREATE TABLE logs_batch (
  group_id BIGINT NOT NULL,
  stream BIGINT NOT NULL,
  first_at BIGINT NOT NULL,      -- the oldest event
  last_at BIGINT NOT NULL,       -- the newest
  id BIGINT NOT NULL,            -- grows with the time of ingestion
  ingested_at BIGINT NOT NULL,
  bytes BIGINT NOT NULL,         -- as AWS counts them: messages in UTF-8 and 26 for each event
  events {blob} NOT NULL,        -- services/logs/rules/rows.py
  PRIMARY KEY (group_id, stream, first_at, id, last_at)
);
{sqlite} CREATE INDEX logs_batch_stream_end ON logs_batch (group_id, stream, last_at, id, first_at);
{postgres} CREATE INDEX logs_batch_stream_end ON logs_batch (group_id, stream, last_at, id, first_at) WHERE bytes > 0;
{sqlite} CREATE INDEX logs_batch_begin ON logs_batch (group_id, first_at, id, last_at);
{sqlite} CREATE INDEX logs_batch_end ON logs_batch (group_id, last_at, id, first_at);
{postgres} CREATE INDEX logs_batch_begin ON logs_batch (group_id, first_at, id, last_at) WHERE ingested_at > 0;
{postgres} CREATE INDEX logs_batch_end ON logs_batch (group_id, last_at, id, first_at) WHERE ingested_at > 0;

-- Resource policies, which let other services write. They are kept and shown; nothing is decided by them yet.
CREATE TABLE logs_policy (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (account, region, name)
) {without_rowid};
