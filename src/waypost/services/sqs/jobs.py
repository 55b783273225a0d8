"""Background work: expired messages, purged storages, names that rest. Steps are short; long work goes on in the next.

Nothing here is needed for right answers: what has expired is neither received nor counted. It frees the disk.
"""

from waypost.service import Again, Context, Job, JobResult
from waypost.services.sqs.groups import settle
from waypost.services.sqs.limits import CLEAN_BATCH_MAX, DEDUP_MS, EXPIRE_PAUSE_MS, FORGET_PAUSE_MS, NAME_REST_MS
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find
from waypost.services.sqs.rules.retention import AFTER_ALL, expires_ms, oldest_kept
from waypost.store.store import Tx
from waypost.work.jobs import drop, enqueue

EXPIRE = "sqs.expire"
PURGE = "sqs.purge"
FORGET = "sqs.forget"


def schedule_expiry(tx: Tx, ctx: Context, queue: Queue) -> None:
    """Have a queue's expired messages deleted from now on; again after its retention period has changed."""
    drop(tx, queue.job_key)
    enqueue(
        tx, ctx, kind=EXPIRE, key=queue.job_key, run_at_ms=_next_expiry_ms(tx, ctx, queue, pause_ms=0),
        payload={"account": queue.account, "region": queue.region, "name": queue.name, "id": queue.id},
    )  # fmt: skip


def expire(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of what a queue no longer keeps, and come back when there will be more."""
    named = job.payload
    queue = find(tx, named["region"], named["account"], named["name"])
    if queue is None or queue.id != named["id"]:
        return None
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    full = _delete_messages(tx, ctx, queue, oldest)
    if queue.fifo:
        for query in (Q.delete_dedups, Q.delete_attempts):
            full |= tx.run(query, storage=queue.storage, now=ctx.now_ms, limit=CLEAN_BATCH_MAX) == CLEAN_BATCH_MAX
    if full:
        return Again(ctx.now_ms)
    return Again(_next_expiry_ms(tx, ctx, queue, pause_ms=EXPIRE_PAUSE_MS))


def _delete_messages(tx: Tx, ctx: Context, queue: Queue, oldest: int) -> bool:
    """Delete expired messages; answers whether there may be more."""
    rows = tx.all(Q.oldest_messages, storage=queue.storage, oldest=oldest, limit=CLEAN_BATCH_MAX)
    if not rows:
        return False
    bounds = {"storage": queue.storage, "oldest": oldest, "limit": CLEAN_BATCH_MAX}
    if any(row[3] for row in rows):
        tx.run(Q.delete_bodies, **bounds)
    tx.run(Q.delete_messages, **bounds)
    if queue.fifo:
        for group_id in {row[1] for row in rows}:
            settle(tx, ctx, queue, group_id)
    return len(rows) == CLEAN_BATCH_MAX


def _next_expiry_ms(tx: Tx, ctx: Context, queue: Queue, *, pause_ms: int) -> int:
    retention_ms = queue.settings.retention_ms
    row = tx.one(Q.oldest_message, storage=queue.storage)
    # What is sent from now on expires no sooner than this.
    next_ms = ctx.now_ms + retention_ms if row is None else expires_ms(row[0], retention_ms)
    next_ms = max(next_ms, ctx.now_ms + pause_ms)
    if queue.fifo:
        row = tx.one(Q.next_dedup, storage=queue.storage)
        forget_ms = ctx.now_ms + DEDUP_MS if row is None else int(row[0])
        next_ms = min(next_ms, max(forget_ms, ctx.now_ms + FORGET_PAUSE_MS))
    return next_ms


def schedule_purge(tx: Tx, ctx: Context, storage: int) -> None:
    """Have everything in a storage deleted that no queue has any more."""
    enqueue(tx, ctx, kind=PURGE, key=f"sqs:storage:{storage}", run_at_ms=ctx.now_ms, payload={"storage": storage})


def purge(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of a storage."""
    storage = job.payload["storage"]
    bounds = {"storage": storage, "oldest": AFTER_ALL, "limit": CLEAN_BATCH_MAX}
    rows = tx.all(Q.oldest_messages, **bounds)
    if any(row[3] for row in rows):
        tx.run(Q.delete_bodies, **bounds)
    full = bool(rows) and tx.run(Q.delete_messages, **bounds) == CLEAN_BATCH_MAX
    full |= tx.run(Q.delete_groups, storage=storage, limit=CLEAN_BATCH_MAX) == CLEAN_BATCH_MAX
    for query in (Q.delete_dedups, Q.delete_attempts):
        full |= tx.run(query, storage=storage, now=ctx.now_ms + DEDUP_MS, limit=CLEAN_BATCH_MAX) == CLEAN_BATCH_MAX
    return Again(ctx.now_ms) if full else None


def rest_name(tx: Tx, ctx: Context, queue: Queue) -> None:
    """Keep a deleted queue's name from being used again, for a minute."""
    named = {"account": queue.account, "region": queue.region, "name": queue.name}
    tx.run(Q.put_deleted_queue, now=ctx.now_ms, **named)
    enqueue(tx, ctx, kind=FORGET, key=queue.job_key, run_at_ms=ctx.now_ms + NAME_REST_MS, payload=named)


def forget(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Let a name be used again."""
    tx.run(Q.forget_deleted_queue, latest=ctx.now_ms - NAME_REST_MS, **job.payload)
    return None


JOBS = {EXPIRE: expire, PURGE: purge, FORGET: forget}
