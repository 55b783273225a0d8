-- SQS on a store whose indexes keep entries of what is gone.
--
-- Where claims begin on PostgreSQL: services/sqs/floor.py. The newest row of a storage counts. Each is written under a new
-- key and read from the end, for the old ones' entries stay, too. On SQLite the table is empty.
CREATE TABLE sqs_floor (
  storage BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  floor BIGINT NOT NULL,         -- what may be received has a visible_at (a group: an available_at) above this
  moved_at BIGINT NOT NULL,      -- when that was found
  drawn_at BIGINT NOT NULL,      -- when it was found last because of the number of messages that were claimed
  looked_at BIGINT NOT NULL,     -- up to when it was looked for what was committed late
  dense_until BIGINT NOT NULL,   -- entries of what is gone lie close up to here
  due_at BIGINT NOT NULL,        -- who comes from then on looks anew
  PRIMARY KEY (storage, seq)
) {without_rowid};
