"""Queue attributes: which there are, what they may be, and what a queue makes of them."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.services.sqs import errors
from waypost.services.sqs.rules.policy import policy_text
from waypost.services.sqs.rules.redrive import (
    Allowance,
    Redrive,
    allowance_text,
    parse_allowance,
    parse_redrive,
    redrive_text,
)

_WHOLE_NUMBERS = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_CHOICES = {
    "SqsManagedSseEnabled": ("true", "false"),
    "FifoQueue": ("true", "false"),
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
_DOCUMENTS = {"Policy": policy_text, "RedrivePolicy": redrive_text, "RedriveAllowPolicy": allowance_text}
"""JSON, and how it is kept; an empty text removes it."""

_FIFO_ONLY = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")

DEFAULTS = {
    "VisibilityTimeout": "30",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
}
FIFO_DEFAULTS = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}
KMS_DEFAULTS = {"KmsDataKeyReusePeriodSeconds": "300"}
"""In force, and shown beside a KMS key."""

_SCOPE_CHANGED = "waypost:DeduplicationScopeChanged"
"""Kept beside the attributes and never shown: when the scope was last changed, in ms since the epoch."""

_MANAGED_KEY = re.compile(r"alias/aws/sqs|arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):alias/aws/sqs")
"""The one KMS key that every account has: the one that AWS manages for SQS. Its ARN names a region and an account."""

WRITABLE = frozenset([*_WHOLE_NUMBERS, *_CHOICES, *_DOCUMENTS, "KmsMasterKeyId"])
COUNTS = frozenset([
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
])  # fmt: skip
READABLE = WRITABLE | COUNTS | {"All", "QueueArn", "CreatedTimestamp", "LastModifiedTimestamp"}

Attributes = Mapping[str, str]


class Settings(NamedTuple):
    """What a queue's attributes mean to its messages."""

    given: Attributes
    """The attributes that were set, as they are shown."""
    delay_ms: int
    size_max: int
    retention_ms: int
    wait_ms: int
    visibility_ms: int
    redrive: Redrive | None
    allowance: Allowance | None
    content_based: bool
    """Deduplicates by content where no id is given."""
    per_group: bool
    """Deduplicates within a message group."""
    scope_changed_ms: int
    """When that was last changed; 0: never."""


@lru_cache(maxsize=4096)
def read_settings(text: str) -> Settings:
    """The settings in a queue's row. Remembered by the text itself, so that nothing can be out of date."""
    given: dict[str, str] = json.loads(text)
    seconds = {name: int(given.get(name, DEFAULTS[name])) * 1_000 for name in DEFAULTS if name in _WHOLE_NUMBERS}
    redrive, allowance = given.get("RedrivePolicy"), given.get("RedriveAllowPolicy")
    return Settings(
        given,
        delay_ms=seconds["DelaySeconds"],
        size_max=seconds["MaximumMessageSize"] // 1_000,
        retention_ms=seconds["MessageRetentionPeriod"],
        wait_ms=seconds["ReceiveMessageWaitTimeSeconds"],
        visibility_ms=seconds["VisibilityTimeout"],
        redrive=parse_redrive(redrive) if redrive else None,
        allowance=parse_allowance(allowance) if allowance else None,
        content_based=given.get("ContentBasedDeduplication") == "true",
        per_group=is_per_group(given),
        scope_changed_ms=int(given.pop(_SCOPE_CHANGED, 0)),
    )


def write_settings(attributes: Attributes, scope_changed_ms: int = 0) -> str:
    """The text that a queue's row keeps: all attributes but the policy, which has a column of its own."""
    kept = {name: value for name, value in attributes.items() if name != "Policy"}
    if scope_changed_ms:
        kept[_SCOPE_CHANGED] = str(scope_changed_ms)
    return json.dumps(kept, separators=(",", ":"))


def shown(attributes: Attributes, *, fifo: bool) -> dict[str, str]:
    """All settings of a queue as GetQueueAttributes lists them, defaults included."""
    full = {**DEFAULTS, **KMS_DEFAULTS, **(FIFO_DEFAULTS if fifo else {}), **attributes}
    if "KmsMasterKeyId" not in full and KMS_DEFAULTS.items() <= full.items():
        del full["KmsDataKeyReusePeriodSeconds"]
    return full


def is_per_group(attributes: Attributes) -> bool:
    """Whether a FIFO queue deduplicates within a message group."""
    return attributes.get("DeduplicationScope") == "messageGroup"


def wants_fifo(given: Attributes) -> bool:
    """Whether CreateQueue asks for a FIFO queue."""
    return given.get("FifoQueue") == "true"


def change(current: Attributes, given: Attributes, *, fifo: bool) -> dict[str, str]:
    """The attributes after ``given`` was set; raises ``AwsError`` in SQS's words where something cannot be."""
    changed = dict(current)
    for name, value in given.items():
        if name not in WRITABLE:
            raise errors.unknown_attribute(name)
        if name in _FIFO_ONLY:
            _check_kind(name, value, fifo=fifo)
        if value == "" and (name in _DOCUMENTS or name == "KmsMasterKeyId"):
            changed.pop(name, None)
        else:
            changed[name] = _checked(name, value)
    changed.pop("FifoQueue", None)  # the name says it
    if (
        changed.get("FifoThroughputLimit") == "perMessageGroupId"
        and changed.get("DeduplicationScope") != "messageGroup"
    ):
        raise errors.invalid_attribute(
            "FifoThroughputLimit",
            "The perMessageGroupId value is allowed only when DeduplicationScope is messageGroup.",
        )
    return _encrypted_once(changed, given)


def _encrypted_once(changed: dict[str, str], given: Attributes) -> dict[str, str]:
    """A queue is encrypted one way at most: what was given last takes the place of the other."""
    key, managed = given.get("KmsMasterKeyId"), given.get("SqsManagedSseEnabled", "").lower() == "true"
    if key and managed:
        raise AwsError(
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or"
            " SQS SSE.",
        )
    if key:
        changed["SqsManagedSseEnabled"] = "false"
    elif managed:
        changed.pop("KmsMasterKeyId", None)
    return changed


def check_key(given: Attributes, region: str, account: str) -> None:
    """Raise ``AwsError`` where a queue of that home is to have a KMS key that is not there.

    AWS says so when the queue is used first. Here there is no KMS, so no other key can be made until then.
    """
    key = given.get("KmsMasterKeyId")
    if not key:
        return
    match = _MANAGED_KEY.fullmatch(key)
    if match is None or (match[1] is not None and (match[1], match[2]) != (region, account)):
        raise AwsError(
            "KmsNotFound",
            f"Key '{key}' does not exist: Waypost has no KMS, and of its keys only the one that AWS manages for SQS,"
            " alias/aws/sqs.",
        )


def _check_kind(name: str, value: str, *, fifo: bool) -> None:
    if not fifo:
        if name in {"DeduplicationScope", "FifoThroughputLimit"}:
            raise AwsError("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")
        raise errors.unknown_attribute(name)
    if name == "FifoQueue" and value == "false":
        raise errors.invalid_attribute(name, "Modifying queue type is not supported.")


def _checked(name: str, value: str) -> str:
    """The value as it is kept."""
    if name in _WHOLE_NUMBERS:
        low, high = _WHOLE_NUMBERS[name]
        if value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high:
            return str(int(value))
        raise errors.invalid_attribute(name)
    if name in _CHOICES:
        known = {choice.lower(): choice for choice in _CHOICES[name]}
        if value.lower() in known:
            return known[value.lower()]
        raise errors.invalid_attribute(name)
    return _DOCUMENTS[name](value) if name in _DOCUMENTS else value


def difference(current: Attributes, given: Attributes, *, fifo: bool) -> str | None:
    """The first attribute in which CreateQueue's wish differs from the queue that is there; None if none does."""
    present = {**DEFAULTS, **KMS_DEFAULTS, **(FIFO_DEFAULTS if fifo else {}), **current}
    for name, value in given.items():
        if not _same(name, present.get(name, ""), value):
            return name
    return None


def _same(name: str, one: str, other: str) -> bool:
    if name in _DOCUMENTS:
        return bool(_json(one) == _json(_DOCUMENTS[name](other) if other else ""))
    if name in _WHOLE_NUMBERS:
        return int(one) == int(other)
    return one.lower() == other.lower()


def _json(text: str) -> Any:
    return json.loads(text) if text else None
