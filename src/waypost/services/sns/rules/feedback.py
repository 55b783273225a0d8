"""Delivery status: which deliveries a topic wants written to CloudWatch Logs, where, and how a line reads.

https://docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html ; a line is laid out as AWS was recorded to do it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from waypost.services.sns.rules import names

LOGGED = {"http": "HTTP", "https": "HTTP", "lambda": "Lambda", "sqs": "SQS", "application": "Application"}
"""Protocols, and what the attributes about them begin with. Mails are not logged; nor is what goes to phones."""
RESPONSE_CHARACTERS_MAX = 1_024
"""So much of an endpoint's answer is written."""

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", re.ASCII)


class Feedback(NamedTuple):
    """What is written of the deliveries by one protocol."""

    successes: float
    """The part of them, from 0 to 1."""
    failures: bool


def read_feedback(given: Mapping[str, str]) -> dict[str, Feedback]:
    """What a topic's attributes ask for, by protocol; nothing for most topics."""
    found = {}
    for protocol, prefix in LOGGED.items():
        percent = int(given.get(f"{prefix}SuccessFeedbackSampleRate", 100))
        successes = percent / 100 if f"{prefix}SuccessFeedbackRoleArn" in given else 0.0
        failures = f"{prefix}FailureFeedbackRoleArn" in given
        if successes or failures:
            found[protocol] = Feedback(successes, failures)
    return found


def is_role(text: str) -> bool:
    """Whether a text names a role."""
    return _ROLE.fullmatch(text) is not None


def is_percent(text: str) -> bool:
    """Whether a text is a whole number from 0 to 100."""
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100


def log_group(region: str, account: str, topic: str, *, failed: bool) -> str:
    """The group of a topic's lines."""
    return f"sns/{region}/{account}/{topic}{'/Failure' * failed}"


def log_stream(topic_id: int) -> str:
    """The one stream of a topic in it: a UUID's form, as AWS's streams have."""
    text = hashlib.sha256(str(topic_id).encode()).hexdigest()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))


class Ended(NamedTuple):
    """A delivery that is over."""

    delivery_id: str
    protocol: str
    endpoint: str
    response: str
    """What the endpoint answered, or why it did not."""
    status: int | None
    """Its status code; None: there was no answer."""
    at_ms: int
    attempts: int | None = None
    """Of one that failed."""


def line(ended: Ended, *, message: str, message_id: str, topic_arn: str, published_ms: int) -> str:
    """The text of one log event: JSON."""
    endpoint = names.masked(ended.endpoint) if ended.protocol in names.WEB else ended.endpoint
    delivery: dict[str, Any] = {
        "deliveryId": ended.delivery_id, "destination": endpoint,
        "providerResponse": ended.response[:RESPONSE_CHARACTERS_MAX], "dwellTimeMs": ended.at_ms - published_ms,
    }  # fmt: skip
    if ended.attempts is not None:
        delivery["attempts"] = ended.attempts
    if ended.status is not None:
        delivery["statusCode"] = ended.status
    seconds, ms = divmod(published_ms, 1000)
    notification = {
        "messageMD5Sum": hashlib.md5(message.encode(), usedforsecurity=False).hexdigest(),
        "messageId": message_id, "topicArn": topic_arn,
        "timestamp": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ms:03d}",
    }  # fmt: skip
    status = "SUCCESS" if ended.attempts is None else "FAILURE"
    return json.dumps({"notification": notification, "delivery": delivery, "status": status}, separators=(",", ":"))
