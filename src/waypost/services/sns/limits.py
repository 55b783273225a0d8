"""SNS's quotas: https://docs.aws.amazon.com/general/latest/gr/sns.html ."""

TOPIC_NAME_MAX = 256
"""Characters of a topic's name, `.fifo` included."""
DISPLAY_NAME_MAX = 100
"""Characters of a topic's DisplayName."""
ENDPOINT_MAX = 2_048
"""Characters of a subscription's endpoint."""

SIZE_MAX_DEFAULT = 262_144
"""Bytes of a message with its attributes, and of a batch, on a topic without a MaximumMessageSize."""
LARGE_SUBSCRIPTIONS_MAX = 100
"""Subscriptions of a topic whose messages may be larger than that; they are queues and functions."""
SUBJECT_MAX = 100
"""Characters of a subject."""
ATTRIBUTE_NAME_MAX = 256
"""Bytes of a message attribute's name."""
RAW_ATTRIBUTES_MAX = 10
"""Message attributes that a queue takes of a raw delivery; one with more cannot be delivered."""

BATCH_MAX = 10
"""Entries of one PublishBatch."""
BATCH_ID_MAX = 80
"""Characters of a batch entry's id."""

TOPICS_MAX = 100_000
"""Standard topics of an account in a region."""
FIFO_TOPICS_MAX = 1_000
"""FIFO topics, likewise."""
FIFO_SUBSCRIPTIONS_MAX = 100
"""Subscriptions of a FIFO topic."""
SUBSCRIPTIONS_MAX = 12_500_000
"""Subscriptions of a standard topic."""
PENDING_MAX = 5_000
"""Subscriptions of an account that wait to be confirmed."""
FILTERED_MAX = 200
"""Subscriptions of a topic with a filter policy."""
ACCOUNT_FILTERED_MAX = 10_000
"""Those of all topics of an account in a region."""

TOKEN_MS = 2 * 86_400_000
"""How long a subscription may be confirmed."""
ENDED_MS = 3 * 86_400_000
"""How long lists show a subscription that ended, as Deleted. AWS does not say; people report three days."""
DEDUP_MS = 300_000
"""How long a deduplication id is remembered."""
ARCHIVE_DAYS_MAX = 365
"""Longest MessageRetentionPeriod of an archive."""

TAGS_MAX = 50
"""Tags of a topic."""
POLICY_MAX = 30_720
"""Bytes of a topic's policy, and characters of its data protection policy."""
POLICY_STATEMENTS_MAX = 100
"""Statements of a topic's policy."""
POLICY_PRINCIPALS_MAX = 200
"""Principals of a statement of a topic's policy."""
LIST_MAX = 100
"""Topics or subscriptions of one page of a list."""

APPLICATION_NAME_MAX = 256
"""Characters of a platform application's name."""
TOKEN_BYTES_MAX = 8_192
"""A device's token."""
USER_DATA_BYTES_MAX = 2_048
"""CustomUserData of an endpoint."""

TEXT_MAX = 1_600
"""Characters of a text message; networks split it."""
SANDBOX_VERIFIED_MAX = 10
"""Phone numbers that an account in the SMS sandbox may have verified."""
SANDBOX_CODES_MAX = 5
"""One-time passwords that are sent to a phone in ``SANDBOX_MS``."""
SANDBOX_MS = 86_400_000
"""How long that counts, and how long a number stays before it can be deleted."""
OPT_IN_MS = 30 * 86_400_000
"""Least time between two opt-ins of a phone."""

# Ours, not AWS's.

TOKEN_BYTES = 144
"""Random bytes of a confirmation token, which is twice as many characters long, as AWS's are."""
FAN_OUT_MAX = 500
"""Subscribers that get a message in the publisher's transaction. Where there are more, a job goes on in such steps."""
REPLAY_STEP_MAX = 100
"""Archived messages that are replayed in one transaction."""
INLINE_CHARACTERS_MAX = 2_048
"""A message that is longer is kept once for all who get it outside, instead of in each job."""
COUNTS_GATHERED_MAX = 500
"""Counts of deliveries that become one in one transaction."""
SANDBOX_GUESSES_MAX = 5
"""Wrong one-time passwords after which the right one is void."""
INBOX_MAX = 10_000
"""Messages that the local inbox keeps of an account and region."""
INBOX_PAGE_MAX = 1_000
"""Messages of one page of the local inbox."""
CLEAN_BATCH_MAX = 500
"""Rows that background work deletes in one transaction."""
CLEAN_PAUSE_MS = 60_000
"""Least time between two clean-ups of what a FIFO topic remembers."""
AUDIENCES_MAX = 1_024
"""Topics whose subscribers are kept compiled."""

FILTER_BYTES_MAX = 262_144
"""A filter policy."""
FILTER_KEYS_MAX = 5
"""Keys of a filter policy that hold values, each counted once; keys that only hold others do not count."""
FILTER_COMBINATIONS_MAX = 150
"""Number of values times nesting level of each key, multiplied; branches of `$or` are added."""
FILTER_WILDCARDS_MAX = 3
"""Asterisks of one wildcard pattern."""
FILTER_WILDCARD_POINTS_MAX = 100
"""Of all keys with a wildcard: points of their patterns (1 for a single asterisk or an anything-but, 3 for several
asterisks), times the number of patterns."""
FILTER_NUMBER_MAX = 1_000_000_000
"""Largest number, and with its sign smallest, that a filter policy compares."""
FILTER_DECIMALS = 5
"""Digits after the point that count when numbers are compared."""
