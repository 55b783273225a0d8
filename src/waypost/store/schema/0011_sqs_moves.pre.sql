-- SQS: message move tasks, which take dead letters out of a dead-letter queue. The newest of each queue are kept, to be
-- listed. How far one has come through its queue lies in its job.
CREATE TABLE sqs_move (
  queue BIGINT NOT NULL,         -- the source's id: a queue of the same name that is made later has none of these
  id BIGINT NOT NULL,            -- grows with time; messages with a lower id were there when the task began
  uuid TEXT NOT NULL,            -- the taskId in its handle
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  destination_arn TEXT,          -- NULL: each message goes back to its own source queue
  rate INTEGER,                  -- messages per second at most; NULL: as fast as it goes
  status TEXT NOT NULL,          -- RUNNING, CANCELLING, COMPLETED, CANCELLED, FAILED
  moved BIGINT NOT NULL,
  to_move BIGINT NOT NULL,       -- counted when it began
  failure TEXT,                  -- why it FAILED
  PRIMARY KEY (queue, id)
) {without_rowid};
CREATE INDEX sqs_move_active ON sqs_move (account, region) WHERE status IN ('RUNNING', 'CANCELLING');

-- A row for each account that started one: whoever counts those that are active holds it.
CREATE TABLE sqs_move_account (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  started BIGINT NOT NULL,       -- how many were
  PRIMARY KEY (account, region)
) {without_rowid};
