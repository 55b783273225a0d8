"""What subscribers get to see: the envelope around a message, confirmations, Lambda's event, and the headers of HTTP.

An envelope is written as SNS lays it out: a member to a line. Its parts come in three steps, for they cost differently:
``notification`` is the same for all who get the same text, and is what a signature covers; ``enclose`` writes it, once;
``Envelope.to`` adds what each subscriber has of its own.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from waypost.services.sns.rules.messages import Attribute
from waypost.services.sns.topic import Published

Document = dict[str, Any]
"""The members of an envelope, in order."""

AGENT = "Amazon Simple Notification Service Agent"
CONTENT_TYPE = "text/plain; charset=UTF-8"
"""Of a request to an HTTP endpoint that asked for no other."""

NOTIFICATION = "Notification"
CONFIRMATION = "SubscriptionConfirmation"
UNSUBSCRIBED = "UnsubscribeConfirmation"

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=256)
def timestamp(at_ms: int) -> str:
    """``2012-05-02T00:54:06.655Z``."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def notification(published: Published, text: str) -> Document:
    """The members that all subscribers have in common who get ``text`` of a message, before the signature."""
    document: Document = {"Type": NOTIFICATION, "MessageId": published.message_id}
    if published.sequence_number is not None:
        document["SequenceNumber"] = published.sequence_number
    document["TopicArn"] = published.topic_arn
    if published.subject is not None:
        document["Subject"] = published.subject
    document["Message"] = text
    document["Timestamp"] = timestamp(published.at_ms)
    if published.replayed:
        document["Replayed"] = "true"
    return document


def confirmation(*, message_id: str, token: str, topic_arn: str, at_ms: int, base_url: str) -> Document:
    """What asks an endpoint whether it wants to be subscribed, before the signature."""
    message = (
        f"You have chosen to subscribe to the topic {topic_arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    return _confirmation(CONFIRMATION, message, message_id, token, topic_arn, at_ms, base_url)


def unsubscribed(
    *, message_id: str, token: str, topic_arn: str, subscription_arn: str, at_ms: int, base_url: str
) -> Document:
    """What tells an endpoint that its subscription is gone, before the signature. The token takes that back."""
    message = (
        f"You have chosen to deactivate subscription {subscription_arn}.\n"
        "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
    )
    return _confirmation(UNSUBSCRIBED, message, message_id, token, topic_arn, at_ms, base_url)


def _confirmation(
    kind: str, message: str, message_id: str, token: str, topic_arn: str, at_ms: int, base_url: str
) -> Document:
    return {
        "Type": kind,
        "MessageId": message_id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": message,
        "SubscribeURL": f"{base_url}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}",
        "Timestamp": timestamp(at_ms),
    }


def unsubscribe_url(base_url: str, subscription_arn: str) -> str:
    """Where a subscriber takes leave."""
    return f"{base_url}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"


class Envelope(NamedTuple):
    """A notification, written but for its address."""

    head: str
    tail: str

    def to(self, base_url: str, subscription_arn: str) -> str:
        """The whole text for one subscriber."""
        return f"{self.head}{unsubscribe_url(base_url, subscription_arn)}{self.tail}"


def enclose(document: Document, attributes: Mapping[str, Attribute]) -> Envelope:
    """Write what all subscribers have in common: a notification, signed or not, and the message's attributes."""
    tail = '"\n}'
    if attributes:
        lines = ",\n".join(
            f'    {_json(name)} : {{"Type":{_json(one["Type"])},"Value":{_json(one["Value"])}}}'
            for name, one in message_attributes(attributes).items()
        )
        tail = f'",\n  "MessageAttributes" : {{\n{lines}\n  }}\n}}'
    return Envelope(f'{_lines(document)},\n  "UnsubscribeURL" : "', tail)


def write(document: Document) -> str:
    """The text of an envelope that has no more to come: a confirmation."""
    return f"{_lines(document)}\n}}"


def _lines(document: Document) -> str:
    return "{\n" + ",\n".join(f"  {_json(name)} : {_json(value)}" for name, value in document.items())


def _json(text: str) -> str:
    return _encode(text).decode()


def message_attributes(attributes: Mapping[str, Attribute]) -> dict[str, dict[str, str]]:
    """Attributes as an envelope shows them; binary values in base64."""
    return {name: {"Type": one.type, "Value": _shown(one)} for name, one in attributes.items()}


def _shown(attribute: Attribute) -> str:
    if attribute.binary is not None:
        return base64.b64encode(attribute.binary).decode()
    return attribute.text or ""


def lambda_event(
    document: Document, attributes: Mapping[str, Attribute], *, base_url: str, subscription_arn: str
) -> Document:
    """What a subscribed function is invoked with. ``document`` is signed.

    SNS always shows SignatureVersion 1 to functions; sign with 1, whatever the topic says, and that is true.
    """
    return {
        "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription_arn,
            "Sns": {
                "Type": NOTIFICATION,
                "MessageId": document["MessageId"],
                "TopicArn": document["TopicArn"],
                "Subject": document.get("Subject"),
                "Message": document["Message"],
                "Timestamp": document["Timestamp"],
                "SignatureVersion": document["SignatureVersion"],
                "Signature": document["Signature"],
                "SigningCertUrl": document["SigningCertURL"],
                "UnsubscribeUrl": unsubscribe_url(base_url, subscription_arn),
                "MessageAttributes": message_attributes(attributes),
            },
        }]
    }  # fmt: skip


def http_headers(
    kind: str,
    *,
    message_id: str,
    topic_arn: str,
    subscription_arn: str | None,
    raw: bool = False,
    content_type: str = CONTENT_TYPE,
) -> dict[str, str]:
    """The headers of a POST to an HTTP endpoint. A confirmation has no ``subscription_arn`` yet."""
    headers = {
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": topic_arn,
    }
    if subscription_arn is not None:
        headers["x-amz-sns-subscription-arn"] = subscription_arn
    if raw:
        headers["x-amz-sns-rawdelivery"] = "true"
    return headers | {"Content-Type": content_type, "User-Agent": AGENT}
