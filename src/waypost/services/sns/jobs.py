"""Background work: what FIFO topics remember, subscriptions that nobody confirmed, what deleted topics left behind.

Nothing here is needed for right answers, except that a subscription stays pending until its job. It frees the disk.
"""

from waypost.service import Again, Context, Job, JobResult
from waypost.services.sns.limits import CLEAN_BATCH_MAX, CLEAN_PAUSE_MS, DEDUP_MS, ENDED_MS, TOKEN_MS
from waypost.services.sns.queries import Q
from waypost.services.sns.rules.attributes import DAY_MS
from waypost.services.sns.rules.fifo import ID_BITS
from waypost.services.sns.topic import Subscription, Topic, find, forget, subscription_of
from waypost.store.store import Tx
from waypost.work.jobs import drop, enqueue

CLEAN = "sns.clean"
CLEAR = "sns.clear"
LAPSE = "sns.lapse"
FADE = "sns.fade"

_AFTER_ALL = (1 << 63) - 1
"""Greater than every sequence number."""


def schedule_clean(tx: Tx, ctx: Context, topic: Topic) -> None:
    """Have what a FIFO topic remembers deleted as it falls out of force; again after its archive has changed."""
    key = _clean_key(topic)
    drop(tx, key)
    enqueue(tx, ctx, kind=CLEAN, key=key, run_at_ms=ctx.now_ms, payload={**topic.key, "id": topic.id})


def _clean_key(topic: Topic) -> str:
    return f"sns:clean:{topic.id}"


def clean(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of what a FIFO topic need not remember, and come back when there will be more."""
    named = job.payload
    topic = find(tx, named["region"], named["account"], named["name"])
    if topic is None or topic.id != named["id"]:
        return None
    days = topic.settings.archive_days
    archived_from = ctx.now_ms - days * DAY_MS << ID_BITS if days else _AFTER_ALL
    quiet_since = ctx.now_ms - DEDUP_MS + 1 << ID_BITS
    limit = CLEAN_BATCH_MAX
    full = tx.run(Q.delete_dedups, topic=topic.id, now=ctx.now_ms, limit=limit) == limit
    full |= tx.run(Q.delete_groups, topic=topic.id, oldest=quiet_since, limit=limit) == limit
    full |= tx.run(Q.delete_archived, topic=topic.id, oldest=archived_from, limit=limit) == limit
    return Again(ctx.now_ms if full else _next_clean_ms(tx, ctx, topic))


def _next_clean_ms(tx: Tx, ctx: Context, topic: Topic) -> int:
    # What is published from now on falls out of force no sooner than this.
    next_ms = ctx.now_ms + DEDUP_MS
    row = tx.one(Q.next_dedup, topic=topic.id)
    if row is not None:
        next_ms = min(next_ms, row[0])
    row = tx.one(Q.next_group, topic=topic.id)
    if row is not None:
        next_ms = min(next_ms, (row[0] >> ID_BITS) + DEDUP_MS)
    row = tx.one(Q.next_archived, topic=topic.id)
    if row is not None:
        next_ms = min(next_ms, (row[0] >> ID_BITS) + topic.settings.archive_days * DAY_MS + 1)
    return max(next_ms, ctx.now_ms + CLEAN_PAUSE_MS)


def schedule_clear(tx: Tx, ctx: Context, topic: Topic) -> None:
    """Have everything deleted that hung on a topic which is gone, and promise nothing more to it."""
    drop(tx, topic.job_key)
    drop(tx, _clean_key(topic))
    enqueue(tx, ctx, kind=CLEAR, key=f"sns:gone:{topic.id}", run_at_ms=ctx.now_ms, payload={"id": topic.id})


def clear(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of what a topic left behind."""
    topic_id = job.payload["id"]
    bounds = {"topic": topic_id, "limit": CLEAN_BATCH_MAX}
    full = tx.run(Q.delete_dedups, now=_AFTER_ALL, **bounds) == CLEAN_BATCH_MAX
    for query in (Q.delete_groups, Q.delete_archived):
        full |= tx.run(query, oldest=_AFTER_ALL, **bounds) == CLEAN_BATCH_MAX
    for query in (
        Q.delete_subscriptions, Q.delete_all_ended, Q.delete_tokens, Q.delete_replays, Q.delete_counts,
        Q.delete_throttles, Q.delete_documents,
    ):  # fmt: skip
        full |= tx.run(query, **bounds) == CLEAN_BATCH_MAX
    return Again(ctx.now_ms) if full else None


def schedule_lapse(tx: Tx, ctx: Context, topic: Topic, uuid: str, token: str) -> None:
    """Have a confirmation's token deleted once it is no longer valid, and the subscription that it did not confirm."""
    enqueue(
        tx, ctx, kind=LAPSE, key=topic.job_key, run_at_ms=ctx.now_ms + TOKEN_MS,
        payload={**topic.key, "id": topic.id, "uuid": uuid, "token": token},
    )  # fmt: skip


def lapse(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete a token, and its subscription where nobody confirmed it and no other token can."""
    named = job.payload
    topic = find(tx, named["region"], named["account"], named["name"], Q.lock_topic)
    if topic is None or topic.id != named["id"]:
        return None
    tx.run(Q.delete_token, topic=topic.id, token=named["token"])
    row = tx.one(Q.get_subscription, topic=topic.id, uuid=named["uuid"])
    subscription = None if row is None else subscription_of(row)
    if subscription is None or subscription.confirmed:
        return None
    if tx.one(Q.find_token, topic=topic.id, uuid=named["uuid"], now=ctx.now_ms) is None:
        forget(tx, ctx, topic, subscription)
    return None


def remember_ended(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription) -> None:
    """Have lists show a subscription that was deleted just now, for some days more."""
    tx.run(
        Q.insert_ended, topic=topic.id, id=subscription.id, uuid=subscription.arn.rpartition(":")[2],
        account=subscription.account, region=topic.region, topic_arn=topic.arn, protocol=subscription.protocol,
        endpoint=subscription.endpoint,
    )  # fmt: skip
    enqueue(
        tx, ctx, kind=FADE, key=topic.job_key, run_at_ms=ctx.now_ms + ENDED_MS,
        payload={"topic": topic.id, "id": subscription.id},
    )  # fmt: skip


def fade(tx: Tx, ctx: Context, job: Job) -> JobResult:  # noqa: ARG001 (a job's handler)
    """Show an ended subscription no more."""
    tx.run(Q.delete_ended, topic=job.payload["topic"], id=job.payload["id"])
    return None


JOBS = {CLEAN: clean, CLEAR: clear, LAPSE: lapse, FADE: fade}
