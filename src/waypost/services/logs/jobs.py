"""Background work: events past their group's retention, and what deleted groups and streams left behind.

Nothing here is needed for right answers: what has expired is not read, what is gone has no stream. It frees the disk.
"""

from waypost.service import Again, Context, Job, JobResult
from waypost.services.logs.limits import CLEAN_BATCH_MAX, EXPIRE_LAG_MS, EXPIRE_PAUSE_MS
from waypost.services.logs.queries import Q
from waypost.services.logs.rules.pages import NEVER_MS
from waypost.services.logs.rules.retention import DAY_MS, oldest_kept_ms
from waypost.store.store import Tx
from waypost.work.jobs import drop, enqueue

EXPIRE = "logs.expire"
CLEAR = "logs.clear"
CLEAR_STREAM = "logs.clear_stream"


def expiry_key(group: int) -> str:
    """The key of a group's job."""
    return f"logs:expire:{group}"


def schedule_expiry(tx: Tx, ctx: Context, group: int, name: str, days: int | None) -> None:
    """Have a group's expired events deleted from now on, or none any more; again after its retention has changed."""
    drop(tx, expiry_key(group))
    if days is not None:
        enqueue(
            tx, ctx, kind=EXPIRE, key=expiry_key(group), run_at_ms=ctx.now_ms,
            payload={"group": group, "name": name, "days": days, "after": 0},
        )  # fmt: skip


def expire(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of a log group's expired events, and come back when there will be more."""
    named = job.payload
    row = tx.one(Q.get_group, account=ctx.account, region=ctx.region, name=named["name"])
    if row is None or row[0] != named["group"] or row[1] != named["days"]:
        return None  # since the retention changed there is another job
    before_ms = oldest_kept_ms(ctx.now_ms, named["days"])
    # What an earlier run deleted is not looked for again: its index entries may lie there for long.
    last_ms = _delete_some(tx, named["group"], named["after"], before_ms, count=True)
    if last_ms is not None:
        return Again(ctx.now_ms, {**named, "after": last_ms})
    oldest = tx.one(Q.oldest_batches, group_id=named["group"], after=before_ms, before=NEVER_MS, limit=1)
    # What is written from now on expires a while later than this: it may be two weeks old.
    next_ms = (
        ctx.now_ms + DAY_MS if oldest is None else min(oldest[0] + named["days"] * DAY_MS + 1, ctx.now_ms + DAY_MS)
    )
    after_ms = max(named["after"], before_ms - EXPIRE_LAG_MS, 0)
    return Again(max(next_ms, ctx.now_ms + EXPIRE_PAUSE_MS), {**named, "after": after_ms})


def _delete_some(tx: Tx, group: int, after_ms: int, before_ms: int, *, count: bool) -> int | None:
    """Delete the oldest rows of a group; answers how far it came, None where there were none."""
    rows = tx.all(Q.oldest_batches, group_id=group, after=after_ms, before=before_ms, limit=CLEAN_BATCH_MAX)
    if not rows:
        return None
    last, row_id = rows[-1]
    gone = tx.all(Q.delete_batches, group_id=group, after=after_ms, last=last, id=row_id)
    if count:
        freed: dict[int, int] = {}
        for stream, size in gone:
            freed[stream] = freed.get(stream, 0) + size
        for stream in sorted(freed):
            tx.send(Q.forget_bytes, group_id=group, id=stream, bytes=freed[stream])
    return int(last)


def schedule_clear(tx: Tx, ctx: Context, group: int) -> None:
    """Have everything deleted that hung on a group which is gone."""
    drop(tx, expiry_key(group))
    enqueue(tx, ctx, kind=CLEAR, key=f"logs:gone:{group}", run_at_ms=ctx.now_ms, payload={"group": group, "after": 0})


def clear(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of what a log group left behind: its streams first, for without a stream nothing is put."""
    group = job.payload["group"]
    streams = tx.all(Q.streams_of_group, group_id=group, limit=CLEAN_BATCH_MAX)
    if streams:
        tx.send(Q.delete_streams, group_id=group, last=streams[-1][0])
        return Again(ctx.now_ms)
    last_ms = _delete_some(tx, group, job.payload["after"], NEVER_MS, count=False)
    return None if last_ms is None else Again(ctx.now_ms, {**job.payload, "after": last_ms})


def schedule_clear_stream(tx: Tx, ctx: Context, group: int, stream: int) -> None:
    """Have the events deleted of a stream which is gone."""
    enqueue(
        tx, ctx, kind=CLEAR_STREAM, key=f"logs:gone:{group}:{stream}", run_at_ms=ctx.now_ms,
        payload={"group": group, "stream": stream, "after": 0},
    )  # fmt: skip


def clear_stream(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some of the events that a log stream left behind."""
    named = {"group_id": job.payload["group"], "stream": job.payload["stream"], "after": job.payload["after"]}
    rows = tx.all(Q.batches_of_stream, limit=CLEAN_BATCH_MAX, **named)
    if not rows:
        return None
    first, row_id = rows[-1]
    tx.send(Q.delete_batches_of_stream, first=first, id=row_id, **named)
    return Again(ctx.now_ms, {**job.payload, "after": first})


JOBS = {EXPIRE: expire, CLEAR: clear, CLEAR_STREAM: clear_stream}
