"""Delivery status: which deliveries a topic wants written to CloudWatch Logs, where, and how a line reads.

https://docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html ; a line is laid out as AWS was recorded to do it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

LOGGED = {"http": "HTTP", "https": "HTTP", "lambda": "Lambda", "sqs": "SQS", "application": "Application"}
"""Protocols, and what the attributes about them begin with. Mails are not logged, nor a topic's texts."""
RESPONSE_CHARACTERS_MAX = 1_024
"""So much of an endpoint's answer is written."""

PHONES = "DirectPublishToPhoneNumber"
"""Stands for a topic's name where a text was published to a phone number."""

ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", re.ASCII)


class Feedback(NamedTuple):
    """What is written of the deliveries by one protocol."""

    successes: float
    """The part of them, from 0 to 1."""
    failures: bool


NOTHING = Feedback(0.0, False)


def read_feedback(given: Mapping[str, str]) -> dict[str, Feedback]:
    """What a topic's attributes ask for, by protocol; nothing for most topics."""
    found = {protocol: of_roles(given, prefix) for protocol, prefix in LOGGED.items()}
    return {protocol: feedback for protocol, feedback in found.items() if feedback != NOTHING}


def of_roles(given: Mapping[str, str], prefix: str = "") -> Feedback:
    """What the attributes ask for whose names begin so; those of a platform application begin with nothing."""
    percent = int(given.get(f"{prefix}SuccessFeedbackSampleRate", 100))
    return Feedback(
        percent / 100 if f"{prefix}SuccessFeedbackRoleArn" in given else 0.0,
        f"{prefix}FailureFeedbackRoleArn" in given,
    )


def of_texts(settings: Mapping[str, str]) -> Feedback:
    """What an account's SMS attributes ask for."""
    if not settings.get("DeliveryStatusIAMRole"):
        return NOTHING
    return Feedback(int(settings.get("DeliveryStatusSuccessSamplingRate") or 100) / 100, failures=True)


def is_role(text: str) -> bool:
    """Whether a text names a role."""
    return ROLE.fullmatch(text) is not None


def is_percent(text: str) -> bool:
    """Whether a text is a whole number from 0 to 100."""
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100


class Place(NamedTuple):
    """Where lines go."""

    account: str
    region: str
    name: str
    """A topic's, ``app/PLATFORM/NAME`` of a platform application, or ``PHONES``."""

    def group(self, *, failed: bool) -> str:
        """The log group."""
        return f"sns/{self.region}/{self.account}/{self.name}{'/Failure' * failed}"

    @property
    def stream(self) -> str:
        """The one stream of the group: a UUID's form, as AWS's streams have."""
        text = hashlib.sha256("/".join(self).encode()).hexdigest()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))


class Ended(NamedTuple):
    """A delivery that is over."""

    endpoint: str
    """Its destination, as it may be shown."""
    response: str
    """What the endpoint answered, or why it did not."""
    status: int | None
    """Its status code; None: there was no answer."""
    at_ms: int
    attempts: int | None = None
    """Of one that failed."""
    more: Mapping[str, Any] = {}
    """What only some protocols have."""


def line(ended: Ended, *, delivery_id: str, message: str, message_id: str, topic_arn: str, published_ms: int) -> str:
    """The text of one log event: JSON."""
    delivery: dict[str, Any] = {
        "deliveryId": delivery_id, "destination": ended.endpoint, **ended.more,
        "providerResponse": ended.response[:RESPONSE_CHARACTERS_MAX], "dwellTimeMs": ended.at_ms - published_ms,
    }  # fmt: skip
    if ended.attempts is not None:
        delivery["attempts"] = ended.attempts
    if ended.status is not None:
        delivery["statusCode"] = ended.status
    seconds, ms = divmod(published_ms, 1000)
    notification = {
        "messageMD5Sum": hashlib.md5(message.encode(), usedforsecurity=False).hexdigest(),
        "messageId": message_id, **({"topicArn": topic_arn} if topic_arn else {}),
        "timestamp": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ms:03d}",
    }  # fmt: skip
    status = "SUCCESS" if ended.attempts is None else "FAILURE"
    return json.dumps({"notification": notification, "delivery": delivery, "status": status}, separators=(",", ":"))
