-- SNS: what counts for an account's quotas, and subscriptions that ended a short while ago.

-- So that making a topic does not count a hundred thousand of them.
CREATE TABLE sns_usage (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  what TEXT NOT NULL,            -- topics, fifo_topics, filter_policies
  used BIGINT NOT NULL,
  PRIMARY KEY (account, region, what)
) {without_rowid};
INSERT INTO sns_usage (account, region, what, used)
  SELECT account, region, 'topics', COUNT(*) FROM sns_topic WHERE name NOT LIKE '%.fifo' GROUP BY account, region;
INSERT INTO sns_usage (account, region, what, used)
  SELECT account, region, 'fifo_topics', COUNT(*) FROM sns_topic WHERE name LIKE '%.fifo' GROUP BY account, region;
INSERT INTO sns_usage (account, region, what, used)
  SELECT account, region, 'filter_policies', SUM(filtered) FROM sns_topic GROUP BY account, region;

-- Lists go on showing the endpoint that was asked whether it wants to be subscribed, as Deleted, for some days.
CREATE TABLE sns_ended (
  topic BIGINT NOT NULL,
  id BIGINT NOT NULL,            -- the subscription's, so that it keeps its place
  uuid TEXT NOT NULL,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  topic_arn TEXT NOT NULL,
  protocol TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  PRIMARY KEY (topic, id)
) {without_rowid};
CREATE INDEX sns_ended_endpoint ON sns_ended (topic, protocol, endpoint);
CREATE INDEX sns_ended_owner ON sns_ended (account, region, id);
