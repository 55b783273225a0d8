"""Replays: what a FIFO topic archived goes to one subscription again, in the order in which it was published.

While a replay is under way its subscription gets nothing as it is published. One without an end reaches the present
by holding publishers up for a moment: what is in the archive then is replayed, and what comes later is delivered.
"""

import msgspec

from waypost.service import Again, Context, Job, JobResult
from waypost.services.sns import errors
from waypost.services.sns.delivery import deliver, sort
from waypost.services.sns.limits import REPLAY_STEP_MAX
from waypost.services.sns.queries import Q
from waypost.services.sns.rules.attributes import Unfit
from waypost.services.sns.rules.fifo import ID_BITS
from waypost.services.sns.rules.replay import Replay, read_replay
from waypost.services.sns.topic import Subscription, Topic, change_counts, find, read_published, subscription_by_id
from waypost.store.store import Row, Tx
from waypost.work.jobs import drop, enqueue

REPLAY = "sns.replay"

PENDING, IN_PROGRESS, COMPLETED = "Pending", "In progress", "Completed"

_NEVER_MS = (1 << 62) - 1


def read_policy(topic: Topic, text: str | None, now_ms: int, *, creating: bool = False) -> Replay | None:
    """The replay that a subscription's attribute asks for; raises ``AwsError`` where it cannot be."""
    if text is None:
        return None
    try:
        return read_replay(text, topic.settings, now_ms)
    except Unfit as problem:
        words = f"ReplayPolicy: {problem}"
        raise (errors.invalid("Attributes", words) if creating else errors.invalid(words)) from None


def begin(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, replay: Replay) -> None:
    """Promise a replay; one that is under way ends."""
    tx.run(
        Q.put_replay, topic=topic.id, subscription=subscription.id, policy=replay.policy,
        sequence=(replay.start_ms << ID_BITS) - 1, until_ms=replay.until_ms,
    )  # fmt: skip
    key = _key(topic, subscription)
    drop(tx, key)
    payload = {**topic.key, "id": topic.id, "subscription": subscription.id, "base": ctx.base_url}
    enqueue(tx, ctx, kind=REPLAY, key=key, run_at_ms=ctx.now_ms, payload=payload)


def end(tx: Tx, topic: Topic, subscription: Subscription) -> None:
    """The subscription gets what is published again."""
    tx.run(Q.delete_replay, topic=topic.id, subscription=subscription.id)
    drop(tx, _key(topic, subscription))


def status(tx: Tx, topic: Topic, subscription: Subscription) -> str | None:
    """ReplayStatus; None where there was no replay."""
    row = tx.one(Q.get_replay, topic=topic.id, subscription=subscription.id) if topic.fifo else None
    return None if row is None else str(row[1])


def _key(topic: Topic, subscription: Subscription) -> str:
    return f"sns:replay:{topic.id}:{subscription.id}"


def run(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Replay some of what is left."""
    named = job.payload
    topic = find(tx, named["region"], named["account"], named["name"], Q.lock_topic)
    if topic is None or topic.id != named["id"]:
        return None
    subscription = subscription_by_id(tx, topic, named["subscription"])
    row = tx.one(Q.lock_replay, topic=topic.id, subscription=named["subscription"])
    if subscription is None or row is None or row[1] not in {PENDING, IN_PROGRESS}:
        return None
    _, _, sequence, until_ms = row
    rows = _next(tx, topic, sequence, until_ms)
    if len(rows) < REPLAY_STEP_MAX:
        # Who publishes waits from here on: nothing can be both past this look and before the end.
        tx.one(Q.lock_archive, topic=topic.id)
        rows = _next(tx, topic, sequence, until_ms)
    ctx = msgspec.structs.replace(ctx, base_url=named["base"])
    for _, text in rows:
        published = read_published(text)._replace(replayed=True)
        deliver(tx, ctx, topic, published, sort([subscription]))
    done = len(rows) < REPLAY_STEP_MAX
    tx.run(
        Q.move_replay, topic=topic.id, subscription=subscription.id, status=COMPLETED if done else IN_PROGRESS,
        sequence=rows[-1][0] if rows else sequence,
    )  # fmt: skip
    if not done:
        return Again(ctx.now_ms)
    change_counts(tx, ctx, topic)
    return None


def _next(tx: Tx, topic: Topic, sequence: int, until_ms: int | None) -> list[Row]:
    return tx.all(
        Q.list_archived, topic=topic.id, after=sequence, until_ms=_NEVER_MS if until_ms is None else until_ms,
        limit=REPLAY_STEP_MAX,
    )  # fmt: skip


JOBS = {REPLAY: run}
