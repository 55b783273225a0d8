-- What nodes that share a store lock before they look, and what keeps statements few.

-- A row for each account that made something in IAM: whoever counts for a quota holds it.
CREATE TABLE iam_account (
  account TEXT NOT NULL PRIMARY KEY,
  made BIGINT NOT NULL           -- how often something was made
) {without_rowid};
