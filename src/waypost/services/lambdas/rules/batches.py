"""Batches of an SQS event source mapping: the event a function gets, and what its answer says of each message."""

import base64
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

_encode = msgspec.json.Encoder().encode
_OPEN, _CLOSE = b'{"Records":[', b"]}"


class Claimed(NamedTuple):
    """A message that a poller received, ready for a function."""

    message_id: str
    receipt_handle: str
    record: bytes
    """Its JSON."""


def claim(message: dict[str, Any], source_arn: str, region: str) -> Claimed:
    """Make a message, as ReceiveMessage answers it, into a record of the event."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfMessageAttributes": message.get("MD5OfMessageAttributes"),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": region,
    }
    return Claimed(message["MessageId"], message["ReceiptHandle"], _encode(record))


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if value.get("StringValue") is not None:
        record["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        record["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return record | {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def event(batch: Iterable[Claimed]) -> bytes:
    """The payload for a batch."""
    return _OPEN + b",".join(claimed.record for claimed in batch) + _CLOSE


def size(batch: Iterable[Claimed]) -> int:
    """The payload's length in bytes, give or take one."""
    return sum(len(claimed.record) + 1 for claimed in batch) + len(_OPEN) + len(_CLOSE)


def split(messages: Sequence[Claimed], bytes_max: int) -> list[list[Claimed]]:
    """Cut into batches that each fit a payload, in order. A message that fits none gets a batch of its own."""
    batches: list[list[Claimed]] = []
    room = 0
    for message in messages:
        needed = len(message.record) + 1
        if not batches or needed > room:
            batches.append([])
            room = bytes_max - len(_OPEN) - len(_CLOSE)
        batches[-1].append(message)
        room -= needed
    return batches


def failures(answer: bytes, message_ids: Collection[str]) -> Collection[str]:
    """Which messages a function reported as failed (ReportBatchItemFailures); all, where its answer is no report."""
    try:
        report = msgspec.json.decode(answer) if answer else None
    except (msgspec.DecodeError, RecursionError):
        return message_ids
    if not report:
        return ()
    if not isinstance(report, dict):
        return message_ids
    items = report.get("batchItemFailures")
    if not items:
        return ()
    if not isinstance(items, list):
        return message_ids
    failed = {str(item.get("itemIdentifier")) if isinstance(item, dict) else "" for item in items}
    return failed if failed.issubset(message_ids) else message_ids
