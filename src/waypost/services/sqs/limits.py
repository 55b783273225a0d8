"""SQS's quotas: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html ."""

QUEUE_NAME_MAX = 80
"""Characters of a queue's name, `.fifo` included."""

BATCH_MAX = 10
"""Entries of one batch."""
BATCH_BYTES_MAX = 1_048_576
"""Sum of a SendMessageBatch, whatever the queue's MaximumMessageSize."""

MESSAGE_ATTRIBUTES_MAX = 10
"""Attributes of one message."""
ATTRIBUTE_NAME_MAX = 256
"""Characters of a message attribute's name."""
ATTRIBUTE_TYPE_BYTES_MAX = 256
"""Bytes of a message attribute's data type, label included."""

DELAY_S_MAX = 900
"""Longest delay of a message."""
VISIBILITY_S_MAX = 43_200
"""Of one timeout, and of all extensions of a receive together."""
WAIT_S_MAX = 20
"""Longest wait of one ReceiveMessage."""
RECEIVE_MAX = 10
"""Messages of one ReceiveMessage."""

DEDUP_MS = 300_000
"""How long a deduplication id, or a receive attempt's id, is remembered."""
PURGE_PAUSE_MS = 60_000
"""Least time between two purges of a queue."""
NAME_REST_MS = 60_000
"""How long the name of a deleted queue cannot be used again."""

TAGS_MAX = 50
"""Tags of a queue."""
TAG_KEY_MAX = 128
"""Characters of a tag's key."""
TAG_VALUE_MAX = 256
"""Characters of a tag's value."""

IN_FLIGHT_MAX = 120_000
"""Messages of a queue that are received and neither deleted nor visible again, about."""

LIST_MAX = 1_000
"""Queues of one ListQueues or ListDeadLetterSourceQueues page."""

POLICY_BYTES_MAX = 8_192
"""A queue's policy."""
POLICY_STATEMENTS_MAX = 20
"""Statements of a policy."""
POLICY_PRINCIPALS_MAX = 50
"""Principals of a policy."""
POLICY_CONDITIONS_MAX = 10
"""Conditions of a policy."""
POLICY_ACTIONS_MAX = 7
"""In one statement."""

REDRIVE_RECEIVES_MAX = 1_000
"""Largest maxReceiveCount."""
REDRIVE_SOURCES_MAX = 10
"""Source queues that a redrive allow policy may name."""

MOVE_RATE_MAX = 500
"""Largest MaxNumberOfMessagesPerSecond of a message move task."""
MOVE_TASKS_MAX = 100
"""Message move tasks of an account that are active at the same time."""
MOVE_TASK_MS = 129_600_000
"""How long a message move task may take: 36 hours."""
MOVE_LIST_MAX = 10
"""Message move tasks that are listed of a queue; those before them are forgotten."""

# Ours, not AWS's.

INLINE_BYTES_MAX = 2_048
"""A longer body lies in a row of its own, for a claim rewrites the message's row."""
IN_FLIGHT_PAUSE_MS = 100
"""At the limit of messages in flight they are counted again no sooner than this."""
COUNT_ROWS_PER_MS = 333
"""On PostgreSQL a count of so many messages is remembered for a millisecond: a million for three seconds (counting
them takes about 0.15)."""
CLAIM_ROUNDS_MAX = 10
"""How often one receive looks again after it moved dead letters or met expired messages."""
CLEAN_BATCH_MAX = 500
"""Rows that background work deletes in one transaction."""
EXPIRE_PAUSE_MS = 1_000
"""Least time between two clean-ups of a queue's messages. None that has expired is received or counted meanwhile."""
FORGET_PAUSE_MS = 60_000
"""Least time between two clean-ups of deduplication ids and receive attempts, which are not looked at once expired."""
GROUP_REST_MS = 60_000
"""How long a FIFO group's row stays on PostgreSQL at least after the last message that was sent to it."""
CLEAN_LAG_MS = 600_000
"""How far behind the end of the clean-up before a clean-up begins: for what was committed late. What is later than
that keeps its disk space until its queue is purged or deleted."""
PURGE_AGAIN_MS = (60_000, 60_000_000)
"""First and longest pause before a storage that was emptied is looked at again, for what was committed late."""
PURGE_AGAIN_FACTOR = 10
"""Each of those pauses is so many times the one before."""
MOVE_BATCH_MAX = 100
"""Messages that a move task moves in one transaction: some milliseconds, in which others wait on the embedded store."""
MOVE_STEP_MS = 10
"""On one node the full steps of all move tasks begin so far apart at least: about twice what one takes on the embedded
store, where nothing else happens meanwhile. Where they come late they begin further apart."""
MOVE_BYTES_MAX = 4_194_304
"""A step of a move task ends, too, once it has moved so many bytes of bodies that lie in rows of their own."""
MOVE_PAUSE_MS = (1_000, 60_000)
"""First and longest pause before a move task looks again for messages that are with a receiver; it looks, too, when the
first of them becomes visible."""
LANES_MAX = 20
"""Lanes of a standard queue; tenants that become noisy beyond it are served with the quiet ones."""
OWN_LANES_MAX = 2
"""Lanes of one tenant: a closed one, whose last messages are with receivers, and one for what it sent since."""
LANE_HEAD = 100
"""Messages that stand first and are looked at before a lane is made: where half of them are one tenant's, the queue's
storage becomes its lane, and the others' messages are moved out of it."""
SORT_LOOKS_MAX = 2_000
"""Messages that one step looks at to see whether they lie where they belong."""
SORT_MOVES_MAX = 100
"""Messages that one step moves to where they belong."""
SORT_AGAIN_MS = (1_000, 10_000_000)
"""First and longest pause before a storage that was sorted is looked at again, for what was committed late."""
SORT_AGAIN_FACTOR = 10
"""Each of those pauses is so many times the one before."""
LANE_LAG_MS = 60_000
"""How far back such a look begins, in a storage that the queue has. What is older stays in the wrong lane and is
received from there."""
