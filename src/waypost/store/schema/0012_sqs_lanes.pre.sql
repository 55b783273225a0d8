-- Fair queues: storages of a standard queue besides its main one (services/sqs/lanes.py). NULL: none, as nearly everywhere.
--
-- JSON: [[group, storage, open], ...]. It stands behind the policy, which may be long; a NULL costs no look behind it.
ALTER TABLE sqs_queue ADD COLUMN lanes TEXT;
