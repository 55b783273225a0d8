"""Topics, subscriptions and what is published, as every part of the service speaks of them."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from waypost.service import Context
from waypost.services.sns import errors, usage
from waypost.services.sns.queries import Q
from waypost.services.sns.rules import names
from waypost.services.sns.rules.attributes import (
    SubscriptionSettings,
    TopicSettings,
    read_subscription_settings,
    read_topic_settings,
)
from waypost.services.sns.rules.messages import Attribute
from waypost.store.queries import Query
from waypost.store.store import Row, Tx


class Topic(NamedTuple):
    """A topic, as every operation on it begins with."""

    account: str
    region: str
    name: str
    id: int
    revision: int
    """Another one after every change of the topic or of its subscriptions."""
    settings: TopicSettings
    confirmed: int
    """How many subscriptions it has that are confirmed."""
    pending: int
    """How many wait for it."""
    filtered: int
    """How many have a filter policy."""
    fifo: bool

    @property
    def arn(self) -> str:
        """Its ARN."""
        return names.topic_arn(self.region, self.account, self.name)

    @property
    def key(self) -> dict[str, str]:
        """Its row's key, as the statements take it."""
        return {"account": self.account, "region": self.region, "name": self.name}

    @property
    def job_key(self) -> str:
        """The key of its background work."""
        return f"sns:{self.id}"


class Subscription(NamedTuple):
    """A subscription of a topic."""

    id: int
    """Its row; what hangs on it is keyed by the topic's id and this."""
    arn: str
    topic_arn: str
    account: str
    """Its owner."""
    protocol: str
    """sqs, lambda, http, https, email, email-json, sms, application."""
    endpoint: str
    confirmed: bool
    settings: SubscriptionSettings


class Published(NamedTuple):
    """A message that was accepted, on its way to whoever subscribed."""

    message_id: str
    topic_arn: str
    """Empty where it was published to an endpoint or a phone number."""
    message: str
    """As it was published, or the default of ``texts``."""
    texts: Mapping[str, str] | None
    """MessageStructure json: the text for each protocol or platform that has its own, ``default`` included."""
    subject: str | None
    attributes: Mapping[str, Attribute]
    at_ms: int
    group_id: str | None = None
    dedup_id: str | None = None
    sequence_number: str | None = None
    """FIFO topics: twenty digits."""
    trace: str = ""
    """The publisher's X-Amzn-Trace-Id."""
    replayed: bool = False
    """Whether it comes out of the archive."""

    def text_for(self, protocol: str) -> str:
        """What a subscriber of that protocol (or a device of that platform) gets."""
        return self.message if self.texts is None else self.texts.get(protocol, self.message)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Published).decode


def write_published(published: Published) -> str:
    """As a row keeps it: JSON, without the attributes' meaning lost."""
    return _encode(published).decode()


def read_published(text: str) -> Published:
    """What ``write_published`` wrote."""
    return _decode(text)


def find(tx: Tx, region: str, account: str, name: str, query: Query = Q.get_topic) -> Topic | None:
    """The topic of that name; None where there is none. ``query`` may be one of those that lock it."""
    row = tx.one(query, account=account, region=region, name=name)
    if row is None:
        return None
    row_id, revision, settings, confirmed, pending, filtered = row
    return Topic(
        account, region, name, row_id, revision, read_topic_settings(settings), confirmed, pending, filtered,
        name.endswith(names.FIFO_SUFFIX),
    )  # fmt: skip


def addressed(tx: Tx, ctx: Context, topic_arn: str, query: Query = Q.get_topic, parameter: str = "TopicArn") -> Topic:
    """The topic that an ARN names, whosever it is, in the request's region; raises ``AwsError``."""
    named = names.parse_topic(topic_arn, parameter)
    if named.region != ctx.region:
        raise errors.invalid(parameter)
    topic = find(tx, named.region, named.account, named.resource, query)
    if topic is None:
        raise errors.not_found("Topic")
    return topic


def subscription_of(row: Row) -> Subscription:
    """A subscription from the first columns of its row, as every statement has them, and whether it is confirmed."""
    row_id, uuid, topic_arn, account, protocol, endpoint, settings, confirmed = row[:8]
    return Subscription(
        row_id, f"{topic_arn}:{uuid}", topic_arn, account, protocol, endpoint, bool(confirmed),
        read_subscription_settings(settings),
    )  # fmt: skip


def subscription_by_id(tx: Tx, topic: Topic, row_id: int) -> Subscription | None:
    """The subscription of that row, if it is still there."""
    row = tx.one(Q.get_subscription_by_id, topic=topic.id, id=row_id)
    return None if row is None else subscription_of(row)


def change_counts(
    tx: Tx, ctx: Context, topic: Topic, *, confirmed: int = 0, pending: int = 0, filtered: int = 0
) -> None:
    """Keep a locked topic's counts with every change of a subscription, and give the topic its next revision.

    ``filtered`` is 1, 0 or -1; ``usage.check`` has found room for the one.
    """
    tx.run(
        Q.change_counts, revision=ctx.ids.row(ctx.now_ms), confirmed=confirmed, pending=pending,
        deleted=max(0, -confirmed), filtered=filtered, **topic.key,
    )  # fmt: skip
    if filtered > 0:
        usage.add(tx, topic.account, topic.region, usage.FILTER_POLICIES)
    elif filtered:
        usage.remove(tx, topic.account, topic.region, usage.FILTER_POLICIES)


def forget(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription) -> None:
    """Delete a subscription of a locked topic."""
    tx.run(Q.delete_subscription, topic=topic.id, id=subscription.id)
    tx.run(Q.delete_replay, topic=topic.id, subscription=subscription.id)
    change_counts(
        tx, ctx, topic,
        confirmed=-1 if subscription.confirmed else 0,
        pending=0 if subscription.confirmed else -1,
        filtered=-1 if subscription.settings.filter_policy is not None else 0,
    )  # fmt: skip
