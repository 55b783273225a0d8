-- Statements of topics, subscriptions and publishing. Those of one publish come first.

-- name: get_topic : the first statement of every operation on a topic, so it reads three columns and no policy
SELECT id, revision, settings FROM sns_topic WHERE account = :account AND region = :region AND name = :name;
