"""Fan-out: what is published reaches its subscribers' queues in the publisher's transaction.

Everything else that a message is delivered to lies outside the database, and is promised by ``deliveries.begin``.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from waypost.service import Again, Calls, Context, Job, JobResult
from waypost.services.sns import deliveries, feedback, queues, signing
from waypost.services.sns.limits import AUDIENCES_MAX, FAN_OUT_MAX
from waypost.services.sns.queries import Q
from waypost.services.sns.queues import Recipient
from waypost.services.sns.rules import envelope, names
from waypost.services.sns.topic import (
    Published,
    Subscription,
    Topic,
    find,
    read_published,
    subscription_of,
    write_published,
)
from waypost.store.store import Tx
from waypost.work.jobs import enqueue

FAN_OUT = "sns.fan_out"
LAMBDA_SIGNATURE_VERSION = "1"
"""Of what functions get, whatever the topic says."""


class Audience(NamedTuple):
    """The confirmed subscriptions of a topic's revision."""

    queues: tuple[Recipient, ...]
    """By ARN: two topics that publish to the same FIFO queues lock them in the same order."""
    others: tuple[Subscription, ...]


_audiences: WeakKeyDictionary[Calls, dict[tuple[int, int], Audience]] = WeakKeyDictionary()
"""Of each server, by topic and revision, so that nothing can be out of date."""


def fan_out(tx: Tx, ctx: Context, topic: Topic, published: Published) -> None:
    """Deliver a message to everybody who subscribed, or promise it."""
    if topic.confirmed > FAN_OUT_MAX:
        # Work for so many would hold everybody else up: the promise is kept in steps.
        payload = {
            **topic.key, "id": topic.id, "after": 0, "published": write_published(published), "base": ctx.base_url,
        }  # fmt: skip
        enqueue(tx, ctx, kind=FAN_OUT, key=topic.job_key, run_at_ms=ctx.now_ms, payload=payload)
    elif topic.confirmed:
        deliver(tx, ctx, topic, published, _audience(tx, ctx, topic))


def signables(tx: Tx, ctx: Context, topic: Topic, published: Published) -> list[signing.Signable]:
    """What ``fan_out`` will sign of a message."""
    if topic.fifo or not topic.confirmed or topic.confirmed > FAN_OUT_MAX:
        return []
    audience = _audience(tx, ctx, topic)
    found: list[signing.Signable] = []
    text = published.text_for("sqs")
    if any(not one.subscription.settings.raw and _wants(one.subscription, published, text) for one in audience.queues):
        found.append((envelope.notification(published, text), topic.settings.signature_version))
    text = published.text_for("lambda")
    if any(one.protocol == "lambda" and _wants(one, published, text) for one in audience.others):
        found.append((envelope.notification(published, text), LAMBDA_SIGNATURE_VERSION))
    return found


def run_fan_out(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """A step of a large fan-out."""
    named = job.payload
    topic = find(tx, named["region"], named["account"], named["name"])
    if topic is None or topic.id != named["id"]:
        return None
    rows = tx.all(Q.list_audience, topic=topic.id, after=named["after"], limit=FAN_OUT_MAX)
    subscriptions = [subscription_of((*row, 1)) for row in rows]
    ctx = msgspec.structs.replace(ctx, base_url=named["base"])
    deliver(tx, ctx, topic, read_published(named["published"]), sort(subscriptions))
    if len(rows) < FAN_OUT_MAX:
        return None
    return Again(ctx.now_ms, {**named, "after": subscriptions[-1].id})


def _audience(tx: Tx, ctx: Context, topic: Topic) -> Audience:
    known = _audiences.setdefault(ctx.calls, {})
    key = (topic.id, topic.revision)
    audience = known.get(key)
    if audience is None:
        rows = tx.all(Q.list_audience, topic=topic.id, after=0, limit=FAN_OUT_MAX)
        audience = sort([subscription_of((*row, 1)) for row in rows])
        if len(known) >= AUDIENCES_MAX:
            known.pop(next(iter(known)))
        known[key] = audience
    return audience


def sort(subscriptions: Sequence[Subscription]) -> Audience:
    """Those with queues apart, in the order of their queues."""
    by_queue, others = [], []
    for subscription in subscriptions:
        queue = names.queue_of(subscription.endpoint) if subscription.protocol == "sqs" else None
        if queue is None:
            others.append(subscription)
        else:
            by_queue.append(Recipient(subscription, queue))
    return Audience(tuple(sorted(by_queue, key=lambda recipient: recipient.queue)), tuple(others))


def deliver(tx: Tx, ctx: Context, topic: Topic, published: Published, audience: Audience) -> None:
    """Deliver a message to those of an audience who want it."""
    text = published.text_for("sqs")
    wanted = [recipient for recipient in audience.queues if _wants(recipient.subscription, published, text)]
    if wanted:
        refused = queues.send(tx, ctx, topic, published, text, wanted)
        for recipient, error in refused:
            queues.bury(tx, ctx, topic, recipient.subscription, published, error)
        if topic.settings.feedback:
            _tell(tx, ctx, topic, published, wanted, refused)
    others = [one for one in audience.others if _wants(one, published, published.text_for(one.protocol))]
    if others:
        deliveries.begin_all(tx, ctx, topic, others, published)


def _tell(
    tx: Tx,
    ctx: Context,
    topic: Topic,
    published: Published,
    wanted: Sequence[Recipient],
    refused: Sequence[queues.Refused],
) -> None:
    """Log what reached its queue, for a topic that wants that."""
    lost = {recipient.subscription.id for recipient, _ in refused}
    response = json.dumps({"sqsRequestId": ctx.request_id})
    for recipient in wanted:
        if recipient.subscription.id not in lost:
            feedback.tell_topic(tx, ctx, topic, recipient.subscription, published, status=200, response=response)


def _wants(subscription: Subscription, published: Published, text: str) -> bool:
    policy = subscription.settings.filter
    return policy is None or policy.matches(published.attributes, text)


JOBS = {FAN_OUT: run_fan_out}
