-- What nodes that share a store lock before they look, and what keeps statements few.

-- A row for each account that made something in IAM: whoever counts for a quota holds it.
CREATE TABLE iam_account (
  account TEXT NOT NULL PRIMARY KEY,
  made BIGINT NOT NULL           -- how often something was made
) {without_rowid};

-- What a start needs of its machine lies in one row, which can be locked by the statement that reads it; the revisions
-- stay as they are, for the executions that were started with them.
ALTER TABLE states_machine ADD COLUMN revision_id TEXT NOT NULL DEFAULT '';
ALTER TABLE states_machine ADD COLUMN digest TEXT NOT NULL DEFAULT '';
ALTER TABLE states_machine ADD COLUMN role_arn TEXT NOT NULL DEFAULT '';
ALTER TABLE states_machine ADD COLUMN configuration TEXT NOT NULL DEFAULT '';
ALTER TABLE states_machine ADD COLUMN revised_at BIGINT NOT NULL DEFAULT 0;
UPDATE states_machine SET (revision_id, digest, role_arn, configuration, revised_at) = (
  SELECT v.revision_id, v.digest, v.role_arn, v.configuration, v.created_at FROM states_revision v
  WHERE v.id = states_machine.revision);

-- Short bodies lie beside their heads. So the root branch lies whole in its execution's run: its token is in its head.
ALTER TABLE states_branch ADD COLUMN body TEXT;                   -- JSON; NULL: in states_body
ALTER TABLE states_run ADD COLUMN body TEXT;                      -- the same, of the root branch
ALTER TABLE states_run ADD COLUMN spent TEXT NOT NULL DEFAULT ''; -- a token that was used, whose outcome a job carries
{sqlite} DELETE FROM states_token WHERE branch = '0';

-- One mapping of a queue to a function, whoever makes it.
{sqlite} DROP INDEX lambda_mapping_function;
CREATE UNIQUE INDEX lambda_mapping_pair ON lambda_mapping (account, region, function_name, source_arn, qualifier);
