"""FIFO topics: what deduplicates, what orders."""

import re
from hashlib import sha256

from waypost.services.sns import errors

ID_BITS = 20
"""Bits of a row id, and so of a sequence number, below its milliseconds."""
WHOLE_TOPIC = ""
"""The group of sequence numbers that a topic with an archive counts by: one order for all."""

_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_SEQUENCE_OFFSET = 10**19
"""Makes every sequence number twenty digits long, as AWS's are."""


def check_id(parameter: str, value: str) -> None:
    """Raise ``AwsError`` where ``value`` cannot be a MessageGroupId or a MessageDeduplicationId."""
    if not _ID.fullmatch(value):
        raise errors.invalid(
            f"The {parameter} parameter can only include alphanumeric and punctuation characters. 1 to 128 in length"
        )


def content_id(message: bytes) -> str:
    """The deduplication id that a message is its own: attributes do not count."""
    return sha256(message).hexdigest()


def dedup_key(dedup_id: str, group_id: str, *, per_group: bool) -> str:
    """What must not be published twice. A space is in neither id, so that a group and an id cannot run together."""
    return f"{group_id} {dedup_id}" if per_group else dedup_id


def sequence_number(sequence: int) -> str:
    """As clients see it: twenty digits, in the order of the numbers."""
    return str(_SEQUENCE_OFFSET + sequence)
