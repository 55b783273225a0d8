"""How many messages a queue has: what GetQueueAttributes shows, and how many more may be in flight.

The embedded store keeps the number of all messages of a storage (schema file 0010), and only those that are hidden now
are counted: in flight or delayed. On PostgreSQL all are counted, by the index alone; a large number is remembered by
this node for as long as counting it anew would take about a twentieth of a connection's time.
"""

from typing import NamedTuple

from waypost.service import Context
from waypost.services.sqs import limits
from waypost.services.sqs.floor import SKEW_MS
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue
from waypost.services.sqs.rules.retention import oldest_kept
from waypost.store.store import Tx


class Counts(NamedTuple):
    """Messages of a queue that have not expired."""

    visible: int
    """Waiting to be received."""
    in_flight: int
    """Received, and hidden."""
    delayed: int
    """Never received, and hidden."""

    @property
    def all(self) -> int:
        """All three together."""
        return sum(self)


def count(tx: Tx, ctx: Context, queue: Queue) -> Counts:
    """Count a queue's messages now; on the store that nodes share a large number may be some seconds old."""
    found = [_count(tx, ctx, queue._replace(storage=storage)) for storage in queue.storages]
    return found[0] if len(found) == 1 else Counts(*map(sum, zip(*found, strict=True)))


def _count(tx: Tx, ctx: Context, queue: Queue) -> Counts:
    """The same of one storage."""
    key = ("sqs.counts", queue.storage)
    remembered: tuple[int, Counts] | None = tx.memo.get(key)
    if remembered is not None and 0 <= ctx.now_ms - remembered[0] < remembered[1].all // limits.COUNT_ROWS_PER_MS:
        return remembered[1]
    retention_ms = queue.settings.retention_ms
    row = tx.one(
        Q.count_messages, storage=queue.storage, now=ctx.now_ms, oldest=oldest_kept(ctx.now_ms, retention_ms),
        horizon=ctx.now_ms - retention_ms, fifo=int(queue.fifo), ahead=ctx.now_ms + SKEW_MS,
    )  # fmt: skip
    assert row is not None  # noqa: S101 (a count always has a row)
    counts = Counts(*row)
    if tx.shared:
        if counts.all >= limits.COUNT_ROWS_PER_MS:
            tx.memo[key] = (ctx.now_ms, counts)
        else:
            tx.memo.pop(key, None)
    return counts


class _Room(NamedTuple):
    """How many messages this node may still put in flight before they are counted again."""

    left: int
    until_ms: int
    """Counted again from then on in any case; 0: no matter when."""


def room(tx: Tx, ctx: Context, queue: Queue, wanted: int) -> int:
    """How many of the messages that a receiver wants may be in flight, too: up to ``wanted``, 0 at the limit.

    What is in flight is counted only where all that were received since the last count might have reached the limit:
    with few in flight once in 120,000 messages, and at the limit ten times a second. Nodes that share a store count
    four times as often as they come near, for each sees only its own receives.
    """
    key = ("sqs.room", queue.id)
    known: _Room = tx.memo.get(key) or _Room(0, 0)
    if known.left < wanted and ctx.now_ms >= known.until_ms:
        left = max(0, limits.IN_FLIGHT_MAX - in_flight(tx, ctx, queue))
        if left < wanted:
            known = _Room(left, ctx.now_ms + limits.IN_FLIGHT_PAUSE_MS)
        else:
            known = _Room(max(wanted, left // 4) if tx.shared else left, 0)
    granted = min(wanted, known.left)
    tx.memo[key] = known._replace(left=known.left - granted)
    return granted


def freed(tx: Tx, queue: Queue) -> None:
    """A message was deleted: at the limit, as this node remembers it, another may be received."""
    key = ("sqs.room", queue.id)
    known: _Room | None = tx.memo.get(key)
    if known is not None and known.until_ms:
        tx.memo[key] = known._replace(left=known.left + 1)
        tx.wake(queue.wake_key)


def in_flight(tx: Tx, ctx: Context, queue: Queue) -> int:
    """How many messages are received and hidden now, in all storages."""
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    rows = [tx.one(Q.count_in_flight, storage=each, now=ctx.now_ms, oldest=oldest) for each in queue.storages]
    return sum(row[0] for row in rows if row is not None)
