-- The keys that messages are signed with. They are few, and never change.

-- name: newest_key: the one that signs; without its text, which this node has read before
SELECT id, name, created_at FROM sns_signing_key WHERE id > 0 ORDER BY id DESC LIMIT 1

-- name: get_private_key: what a node reads once
SELECT private_key FROM sns_signing_key WHERE name = :name

-- name: get_certificate: what a subscriber asks for
SELECT certificate FROM sns_signing_key WHERE name = :name

-- name: insert_key: of nodes that make the same one at a time, the first is right
INSERT INTO sns_signing_key (id, name, private_key, certificate, created_at)
VALUES (:id, :name, :private_key, :certificate, :created_at)
ON CONFLICT (id) DO NOTHING
