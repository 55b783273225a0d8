-- Servers that share the store. Each refreshes its row every second; a row that nobody refreshes is of a dead node.
CREATE TABLE node (
  id TEXT NOT NULL PRIMARY KEY,
  address TEXT NOT NULL,
  version TEXT NOT NULL,         -- of Waypost
  schema INTEGER NOT NULL,       -- the newest schema file it knows
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL        -- ms since epoch, by the database's clock
) {without_rowid};
