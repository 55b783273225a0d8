"""First in, first out: what deduplicates, what orders, and which messages of a group may be received."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from waypost.services.sqs import errors

_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_SEQUENCE_OFFSET = 10**19
"""Makes every sequence number twenty digits long, as AWS's are."""


def check_id(parameter: str, value: str) -> None:
    """Raise ``AwsError`` where ``value`` cannot be a MessageGroupId or a MessageDeduplicationId."""
    if not _ID.fullmatch(value):
        raise errors.invalid_value(
            parameter,
            value,
            f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        )


def content_id(body: bytes) -> str:
    """The deduplication id that a body is its own: attributes do not count."""
    return sha256(body).hexdigest()


def dedup_key(dedup_id: str, group_id: str, *, per_group: bool) -> str:
    """What must not be sent twice. A space is in neither id, so that a group and an id cannot run together."""
    return f"{group_id} {dedup_id}" if per_group else dedup_id


def other_dedup_key(dedup_id: str, group_id: str, *, per_group: bool) -> str:
    """The same under the other scope: an id keeps the scope it was sent with until it is forgotten."""
    return dedup_key(dedup_id, group_id, per_group=not per_group)


def sequence_number(sequence: int) -> str:
    """As clients see it: twenty digits, in the order of the numbers."""
    return str(_SEQUENCE_OFFSET + sequence)


def deliverable(visible_at: Sequence[Any], now_ms: int) -> int:
    """How many of a group's first messages may be received: all before the first one that is hidden.

    While a message is in flight or delayed, none after it is delivered; one before it may be.
    """
    for count, instant_ms in enumerate(visible_at):
        if instant_ms > now_ms:
            return count
    return len(visible_at)
