"""SNS's quotas: https://docs.aws.amazon.com/general/latest/gr/sns.html ."""

TOPIC_NAME_MAX = 256
"""Characters of a topic's name, `.fifo` included."""

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
