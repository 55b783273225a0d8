"""Background work: expired messages, purged storages, names that rest. Steps are short; long work goes on in the next.

Nothing here is needed for right answers: what has expired is neither received nor counted. It frees the disk.
"""

from collections.abc import Sequence

from waypost.service import Again, Context, Job, JobResult
from waypost.services.sqs.groups import settle
from waypost.services.sqs.limits import (
    CLEAN_BATCH_MAX,
    CLEAN_LAG_MS,
    DEDUP_MS,
    EXPIRE_PAUSE_MS,
    FORGET_PAUSE_MS,
    GROUP_REST_MS,
    NAME_REST_MS,
    PURGE_AGAIN_FACTOR,
    PURGE_AGAIN_MS,
)
from waypost.services.sqs.moves import MOVE, move
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find
from waypost.services.sqs.rules.retention import AFTER_ALL, expires_ms, oldest_kept
from waypost.store.queries import Query
from waypost.store.store import Row, Tx
from waypost.work.jobs import drop, enqueue

EXPIRE = "sqs.expire"
PURGE = "sqs.purge"
FORGET = "sqs.forget"


def schedule_expiry(tx: Tx, ctx: Context, queue: Queue) -> None:
    """Have a queue's expired messages deleted from now on; again after its retention period has changed."""
    drop(tx, queue.job_key)
    enqueue(
        tx, ctx, kind=EXPIRE, key=queue.job_key, run_at_ms=_next_expiry_ms(tx, ctx, queue, 0, pause_ms=0),
        payload={
            "account": queue.account, "region": queue.region, "name": queue.name, "id": queue.id,
            "retention_ms": queue.settings.retention_ms,
        },
    )  # fmt: skip


def expire(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of what a queue no longer keeps, and come back when there will be more."""
    named = job.payload
    queue = find(tx, named["region"], named["account"], named["name"])
    if queue is None or queue.id != named["id"]:
        return None
    retention_ms = queue.settings.retention_ms
    if named.get("retention_ms", retention_ms) != retention_ms:
        return None  # since it changed there is another job
    # What an earlier run deleted is not looked for again: its index entries may lie there for long. The lag is for
    # transactions that were late then.
    since_ms = named.get("since_ms", 0) - CLEAN_LAG_MS
    after = max(0, oldest_kept(since_ms, retention_ms), 0 if queue.lanes else named.get("after", 0))
    for storage in queue.storages:
        rows = _delete_oldest(tx, storage, after, oldest_kept(ctx.now_ms, retention_ms))
        full = len(rows) == CLEAN_BATCH_MAX
        if full:
            break
    if queue.fifo:
        for group_id in {row[1] for row in rows}:
            settle(tx, ctx, queue, group_id)
        full |= _forget(tx, queue.storage, since_ms, ctx.now_ms)
        if tx.shared:
            idle = oldest_kept(since_ms, GROUP_REST_MS), oldest_kept(ctx.now_ms, GROUP_REST_MS)
            full |= _forget(tx, queue.storage, *idle, _EMPTY_GROUPS)
    if full:
        return Again(ctx.now_ms, {**named, "after": rows[-1][0] if rows else after})
    run_at_ms = _next_expiry_ms(tx, ctx, queue, ctx.now_ms, pause_ms=EXPIRE_PAUSE_MS)
    return Again(run_at_ms, {**named, "since_ms": ctx.now_ms, "after": 0})


def _delete_oldest(tx: Tx, storage: int, after: int, before: int) -> list[Row]:
    """Delete the oldest messages from one id to another; answers what they were, in the order of their ids."""
    rows = tx.all(Q.oldest_messages, storage=storage, after=after, oldest=before, limit=CLEAN_BATCH_MAX)
    if rows:
        named = {"storage": storage, "after": after, "last": rows[-1][0]}
        if any(row[3] for row in rows):
            tx.send(Q.delete_bodies, **named)
        tx.send(Q.delete_messages, **named)
    return rows


_FORGETTING = ((Q.last_dedup, Q.delete_dedups), (Q.last_attempt, Q.delete_attempts))
_GROUPS = ((Q.last_group, Q.delete_groups),)
_EMPTY_GROUPS = ((Q.last_empty_group, Q.delete_empty_groups),)


def _forget(tx: Tx, storage: int, since: int, until: int, queries: Sequence[tuple[Query, Query]] = _FORGETTING) -> bool:
    """Delete what a FIFO queue remembers from one time to another; answers whether there is more."""
    full = False
    for last, delete in queries:
        row = tx.one(last, storage=storage, since=since, limit=CLEAN_BATCH_MAX)
        more = row is not None and row[0] < until
        tx.send(delete, storage=storage, since=since, until=row[0] if more and row else until)
        full |= more
    return full


def _next_expiry_ms(tx: Tx, ctx: Context, queue: Queue, cleaned_ms: int, *, pause_ms: int) -> int:
    """When something will expire next; nothing is left that expired before ``cleaned_ms``."""
    retention_ms = queue.settings.retention_ms
    next_ms = ctx.now_ms + retention_ms  # what is sent from now on expires no sooner than this
    for storage in queue.storages:
        row = tx.one(Q.oldest_message, storage=storage, after=max(0, oldest_kept(cleaned_ms, retention_ms)))
        if row is not None:
            next_ms = min(next_ms, expires_ms(row[0], retention_ms))
    next_ms = max(next_ms, ctx.now_ms + pause_ms)
    if queue.fifo:
        row = tx.one(Q.next_dedup, storage=queue.storage, since=cleaned_ms)
        forget_ms = ctx.now_ms + DEDUP_MS if row is None else int(row[0])
        next_ms = min(next_ms, max(forget_ms, ctx.now_ms + FORGET_PAUSE_MS))
    return next_ms


def schedule_purge(tx: Tx, ctx: Context, storage: int) -> None:
    """Have everything in a storage deleted that no queue has any more."""
    enqueue(tx, ctx, kind=PURGE, key=f"sqs:storage:{storage}", run_at_ms=ctx.now_ms, payload={"storage": storage})


def purge(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of a storage. Once it is empty look again, less and less often, for what came later.

    A transaction that began before the purge may still write there, and sends lock nothing.
    """
    payload = job.payload
    storage, pause_ms = payload["storage"], payload.get("pause_ms", PURGE_AGAIN_MS[0])
    after = payload.get("after", 0)
    rows = _delete_oldest(tx, storage, after, AFTER_ALL)
    full = _forget(tx, storage, 0, AFTER_ALL, _FORGETTING + _GROUPS)
    if tx.shared:
        full |= _forget(tx, storage, -1, AFTER_ALL, _EMPTY_GROUPS)
    if full or len(rows) == CLEAN_BATCH_MAX:
        # What was deleted is not looked for again: its index entries may lie there for long.
        return Again(ctx.now_ms, {**payload, "after": rows[-1][0] if rows else after})
    tx.send(Q.delete_floor, storage=storage)
    if not tx.shared:
        tx.send(Q.delete_count, storage=storage)
    if pause_ms > PURGE_AGAIN_MS[1]:
        return None
    return Again(ctx.now_ms + pause_ms, {"storage": storage, "pause_ms": pause_ms * PURGE_AGAIN_FACTOR})


def rest_name(tx: Tx, ctx: Context, queue: Queue) -> None:
    """Keep a deleted queue's name from being used again, for a minute."""
    named = {"account": queue.account, "region": queue.region, "name": queue.name}
    tx.run(Q.put_deleted_queue, now=ctx.now_ms, **named)
    enqueue(tx, ctx, kind=FORGET, key=queue.job_key, run_at_ms=ctx.now_ms + NAME_REST_MS, payload=named)


def forget(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Let a name be used again."""
    tx.run(Q.forget_deleted_queue, latest=ctx.now_ms - NAME_REST_MS, **job.payload)
    return None


JOBS = {EXPIRE: expire, PURGE: purge, FORGET: forget, MOVE: move}
