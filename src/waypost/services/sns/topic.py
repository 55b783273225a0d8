"""Topics, subscriptions and what is published, as every part of the service speaks of them."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from waypost import arn
from waypost.services.sns.rules.attributes import SubscriptionSettings, TopicSettings
from waypost.services.sns.rules.messages import Attribute


class Topic(NamedTuple):
    """A topic, as every operation on it begins with."""

    account: str
    region: str
    name: str
    id: int
    revision: int
    """Another one after every change of the topic or of its subscriptions."""
    settings: TopicSettings
    fifo: bool

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn.make("sns", self.region, self.account, self.name)


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
