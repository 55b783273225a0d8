"""Deliveries to queues, in the transaction of whoever delivers: subscribers' queues, and dead-letter queues."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from waypost.arn import Arn
from waypost.aws.errors import AwsError
from waypost.service import Caller, Context
from waypost.services.sns import feedback
from waypost.services.sns.counts import DEAD_LETTER, FAILED, LOST, count
from waypost.services.sns.limits import RAW_ATTRIBUTES_MAX
from waypost.services.sns.rules import envelope, names
from waypost.services.sns.rules.messages import Attribute
from waypost.services.sns.signing import sign
from waypost.services.sns.topic import Published, Subscription, Topic
from waypost.store.store import Tx

SENDER = "AIDAIT2UOQQY3AUEKVGXU"
"""The SenderId that queues show of messages from SNS."""


class Recipient(NamedTuple):
    """A subscription, and the queue that gets its messages."""

    subscription: Subscription
    queue: Arn


Refused = tuple[Recipient, str]
"""Who did not get a message, and why."""


def send(
    tx: Tx, ctx: Context, topic: Topic, published: Published, text: str, recipients: Sequence[Recipient]
) -> list[Refused]:
    """Send a message, in an envelope or raw as each subscription wants it. Answers whom it could not be sent to."""
    refused: list[Refused] = []
    raw = [recipient for recipient in recipients if recipient.subscription.settings.raw]
    if raw:
        refused = _send_raw(tx, ctx, topic, published, text, raw)
    enveloped = [recipient for recipient in recipients if not recipient.subscription.settings.raw]
    if enveloped:
        written = enclosed(tx, ctx, topic, published, text)
        bodies = [written.to(ctx.base_url, recipient.subscription.arn) for recipient in enveloped]
        refused += _post(tx, ctx, topic, published, text, enveloped, bodies, None)
    return refused


def _send_raw(
    tx: Tx, ctx: Context, topic: Topic, published: Published, text: str, recipients: Sequence[Recipient]
) -> list[Refused]:
    attributes = queue_attributes(published.attributes)
    if len(attributes) > RAW_ATTRIBUTES_MAX:
        error = f"A queue takes at most {RAW_ATTRIBUTES_MAX} message attributes."
        return [(recipient, error) for recipient in recipients]
    return _post(tx, ctx, topic, published, text, recipients, [text] * len(recipients), attributes)


def _post(
    tx: Tx,
    ctx: Context,
    topic: Topic,
    published: Published,
    text: str,
    recipients: Sequence[Recipient],
    bodies: Sequence[str],
    attributes: Mapping[str, Any] | None,
) -> list[Refused]:
    request = {
        "Letters": [(recipient.queue, body) for recipient, body in zip(recipients, bodies, strict=True)],
        "Text": text,
        "Attributes": attributes,
        "GroupId": published.group_id,
        "DedupId": published.dedup_id,
        "Trace": published.trace or None,
    }
    sender = msgspec.structs.replace(ctx, caller=Caller(topic.account, "", "sns.amazonaws.com", SENDER))
    answer = ctx.calls.call(tx, sender, "sqs", "waypost:Deliver", request)
    refused: list[tuple[int, AwsError]] = answer["Refused"]
    return [(recipients[index], error.message) for index, error in refused]


def enclosed(tx: Tx, ctx: Context, topic: Topic, published: Published, text: str) -> envelope.Envelope:
    """The envelope around a message, signed unless it is a FIFO topic's."""
    document = envelope.notification(published, text)
    if not topic.fifo:
        document = sign(tx, ctx, document, topic.settings.signature_version)
    return envelope.enclose(document, published.attributes)


def queue_attributes(attributes: Mapping[str, Attribute]) -> dict[str, dict[str, Any]]:
    """Message attributes as a queue has them: without those that tell SNS how to reach phones and devices."""
    return {
        name: {"DataType": one.type, "StringValue": one.text}
        if one.binary is None
        else {"DataType": one.type, "BinaryValue": one.binary}
        for name, one in attributes.items()
        if not name.startswith("AWS.")
    }


def bury(
    tx: Tx,
    ctx: Context,
    topic: Topic,
    subscription: Subscription,
    published: Published,
    error: str,
    *,
    status: int | None = 400,
    attempts: int = 1,
) -> None:
    """Give a delivery up: it goes to the subscription's dead-letter queue if it has one, as it would have gone out.

    ``status`` is the endpoint's answer, if it gave one.
    """
    count(tx, ctx, topic.id, subscription.id, FAILED, error)
    if topic.settings.feedback:
        feedback.tell_topic(tx, ctx, topic, subscription, published, status=status, response=error, attempts=attempts)
    queue = names.queue_of(subscription.settings.dead_letter_arn or "")
    if queue is None:
        return
    text = published.text_for(subscription.protocol)
    refused = send(tx, ctx, topic, published, text, [Recipient(subscription, queue)])
    if refused:
        count(tx, ctx, topic.id, subscription.id, LOST, refused[0][1])
    else:
        count(tx, ctx, topic.id, subscription.id, DEAD_LETTER)


def ask_to_confirm(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, token: str) -> None:
    """Tell another account's queue that it may be subscribed; ``token`` is what its owner has to give back."""
    queue = names.queue_of(subscription.endpoint)
    if queue is None:
        return
    document = envelope.confirmation(
        message_id=ctx.ids.uuid(), token=token, topic_arn=topic.arn, at_ms=ctx.now_ms, base_url=ctx.base_url
    )
    body = envelope.write(sign(tx, ctx, document, topic.settings.signature_version))
    group_id = topic.arn if names.is_fifo(queue.resource) else None
    published = Published(document["MessageId"], topic.arn, "", None, None, {}, ctx.now_ms, group_id, token[:128])
    _post(tx, ctx, topic, published, "", [Recipient(subscription, queue)], [body], None)
