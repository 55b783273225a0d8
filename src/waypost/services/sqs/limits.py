"""SQS's quotas: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html ."""

QUEUE_NAME_MAX = 80

BATCH_MAX = 10
BATCH_BYTES_MAX = 1_048_576
"""Sum of a SendMessageBatch, whatever the queue's MaximumMessageSize."""

MESSAGE_ATTRIBUTES_MAX = 10
ATTRIBUTE_NAME_MAX = 256
ATTRIBUTE_TYPE_BYTES_MAX = 256

DELAY_S_MAX = 900
VISIBILITY_S_MAX = 43_200
"""Of one timeout, and of all extensions of a receive together."""
WAIT_S_MAX = 20
RECEIVE_MAX = 10

DEDUP_MS = 300_000
"""How long a deduplication id, or a receive attempt's id, is remembered."""
PURGE_PAUSE_MS = 60_000
NAME_REST_MS = 60_000
"""How long the name of a deleted queue cannot be used again."""

TAGS_MAX = 50
TAG_KEY_MAX = 128
TAG_VALUE_MAX = 256

LIST_MAX = 1_000

POLICY_BYTES_MAX = 8_192
POLICY_STATEMENTS_MAX = 20
POLICY_PRINCIPALS_MAX = 50
POLICY_CONDITIONS_MAX = 10
POLICY_ACTIONS_MAX = 7
"""In one statement."""

REDRIVE_RECEIVES_MAX = 1_000
REDRIVE_SOURCES_MAX = 10

# Ours, not AWS's.

INLINE_BYTES_MAX = 2_048
"""A longer body lies in a row of its own, for a claim rewrites the message's row."""
CLAIM_ROUNDS_MAX = 10
"""How often one receive looks again after it moved dead letters or met expired messages."""
CLEAN_BATCH_MAX = 500
"""Rows that background work deletes in one transaction."""
EXPIRE_PAUSE_MS = 1_000
"""Least time between two clean-ups of a queue's messages. None that has expired is received or counted meanwhile; one
in flight may hold its FIFO group back for so long."""
FORGET_PAUSE_MS = 60_000
"""Least time between two clean-ups of deduplication ids and receive attempts, which are not looked at once expired."""
