"""Attributes of topics and of subscriptions: which there are, what they may be, and what they mean."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

Attributes = Mapping[str, str]

SIZE_MAX_DEFAULT = 262_144


class TopicSettings(NamedTuple):
    """What a topic's attributes mean to its messages."""

    given: Attributes
    """The attributes that were set, as they are shown; Policy is not among them."""
    size_max: int
    """Bytes of a message with its attributes."""
    signature_version: str
    """1 or 2."""
    display_name: str
    delivery_policy: str | None
    """JSON, as it was written: ``{"http": {"defaultHealthyRetryPolicy": ..., ...}}``."""
    content_based: bool
    """Deduplicates by content where no id is given."""
    per_group: bool
    """Deduplicates within a message group."""
    archive_days: int
    """How long messages are archived; 0: not at all."""


class SubscriptionSettings(NamedTuple):
    """What a subscription's attributes mean to its messages."""

    given: Attributes
    """The attributes that were set, as they are shown."""
    raw: bool
    """Delivers the message without an envelope."""
    filter_policy: str | None
    """JSON, as it was written."""
    filter_scope: str
    """MessageAttributes or MessageBody."""
    dead_letter_arn: str | None
    """The queue for what cannot be delivered."""
    delivery_policy: str | None
    """JSON, as it was written: ``{"healthyRetryPolicy": ..., "throttlePolicy": ..., "requestPolicy": ...}``."""


@lru_cache(maxsize=4096)
def read_topic_settings(text: str) -> TopicSettings:
    """The settings in a topic's row. Remembered by the text itself, so that nothing can be out of date."""
    given: dict[str, str] = json.loads(text)
    archive = given.get("ArchivePolicy")
    return TopicSettings(
        given,
        size_max=int(given.get("MaximumMessageSize", SIZE_MAX_DEFAULT)),
        signature_version=given.get("SignatureVersion", "1"),
        display_name=given.get("DisplayName", ""),
        delivery_policy=given.get("DeliveryPolicy"),
        content_based=given.get("ContentBasedDeduplication") == "true",
        per_group=given.get("FifoThroughputScope") == "MessageGroup",
        archive_days=int(json.loads(archive)["MessageRetentionPeriod"]) if archive else 0,
    )


@lru_cache(maxsize=4096)
def read_subscription_settings(text: str) -> SubscriptionSettings:
    """The settings in a subscription's row, likewise."""
    given: dict[str, str] = json.loads(text)
    redrive = given.get("RedrivePolicy")
    return SubscriptionSettings(
        given,
        raw=given.get("RawMessageDelivery") == "true",
        filter_policy=given.get("FilterPolicy"),
        filter_scope=given.get("FilterPolicyScope", "MessageAttributes"),
        dead_letter_arn=json.loads(redrive)["deadLetterTargetArn"] if redrive else None,
        delivery_policy=given.get("DeliveryPolicy"),
    )
