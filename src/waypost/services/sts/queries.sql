-- Sessions are found by their access key, and each has a job that removes it.

-- name: insert_session: temporary credentials
INSERT INTO sts_session
  (access_key, account, secret, token, arn, user_id, role_arn, session_name, source_identity, tags, transitive_keys,
   policies, created_at, expires_at)
VALUES
  (:access_key, :account, :secret, :token, :arn, :user_id, :role_arn, :session_name, :source_identity, :tags,
   :transitive_keys, :policies, :created_at, :expires_at)

-- name: get_caller: whom a live session stands for
SELECT account, arn, user_id FROM sts_session WHERE access_key = :access_key AND expires_at > :now

-- name: get_account: of a session, expired or not
SELECT account FROM sts_session WHERE access_key = :access_key

-- name: get_chain: what a further session inherits
SELECT role_arn, source_identity, tags, transitive_keys FROM sts_session WHERE access_key = :access_key

-- name: delete_session: its time is over
DELETE FROM sts_session WHERE access_key = :access_key
