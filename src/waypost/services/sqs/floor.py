"""The floor of a queue on PostgreSQL: nothing that can be received lies below it, and claims begin there.

PostgreSQL's index keeps an entry of every message that was claimed or deleted until a vacuum takes it away, and no
vacuum may while anybody holds a snapshot from before: a backup, a forgotten transaction. Who looked from the beginning
would walk over all of them. SQLite keeps none, has no floor, and none of this runs there.

The floor is a row, and any node moves it: about every ``LOT``-th message that is claimed, and every ``DENSE_MS`` where
they were claimed fast. Who moves it asks for the first message above it; what others have claimed but not committed
still counts, so a claim that is rolled back loses nothing. Nobody waits: while one moves it, others go by.

A message whose transaction commits after the floor has passed its ``visible_at`` would be hidden for ever. So the floor
keeps ``SLACK_MS`` behind now, and every second of the past is looked at again below the floor when it is 1, 4, 16, 64
and so on seconds old, until the longest retention: what is found is raised to now. So a message that is committed so
late is received, at the latest, when its ``visible_at`` is six times as old as it was at its commit, and two seconds,
by whoever asks then; earlier where the queue is busy. An entry is walked over at most eleven times by these looks,
however long vacuums are held up.

A node on which requests wait longer for the database than on others, by more than the slack, has its messages found
so: they take a second or two. And so have those of a node whose clock is behind by some seconds. A floor written by a
clock that was further ahead than ``SKEW_MS`` does not count, and is written anew.
"""

from typing import Any, NamedTuple

from waypost.service import Context
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue
from waypost.store.store import Tx

SLACK_MS = 200
"""How late a transaction may commit without being late. Claims walk over what went within this time."""
LOT = 64
"""About how many messages are claimed between two moves of the floor: walking over them costs less than a move."""
DENSE_MS = 1_000
"""Where messages go faster than ``LOT`` in twice this time, their entries lie close: the floor is moved every so often,
too, until the last of those entries is passed."""
SOON_MS = 250
"""Among close entries a waiting receiver looks no further ahead than this, and looks again then."""
LOOK_MS = 1_000
"""Least time between two looks for what was committed late; also the first age that is looked at."""
LATE_MAX = 200
"""Late messages raised at once, of each age; more are raised by the next look."""
SKEW_MS = 10_000
"""How far the clock that wrote a floor may be ahead."""
NEVER = (1 << 63) - 1
"""After every time."""


class _Floor(NamedTuple):
    """A row of ``sqs_floor``, and what ``look_for_messages`` found above it."""

    seq: int
    floor_ms: int
    moved_ms: int
    drawn_ms: int
    looked_ms: int
    dense_until_ms: int
    first_ms: int | None
    """The first message's ``visible_at``; None: nothing can be received now."""


def after_claim(tx: Tx, ctx: Context, queue: Queue, ids: list[int], due_ms: int, hidden_until_ms: int) -> None:
    """What follows a claim of messages with these ids, which are hidden from now on. ``due_ms``: the floor's."""
    lot = any(row_id % LOT == 0 for row_id in ids)  # the low bits of a row id are random
    if lot or due_ms <= ctx.now_ms:
        _move(tx, ctx, queue, hidden_until_ms if lot else None)
    if not due_ms:
        # There is none yet. Unless another begins it just now.
        tx.send(Q.begin_floor, storage=queue.storage, now=ctx.now_ms)


def after_empty(tx: Tx, ctx: Context, queue: Queue) -> None:
    """What follows a receive that found nothing and does not wait."""
    row = tx.one(Q.floor_due, storage=queue.storage)
    if row is not None:
        after_look(tx, ctx, queue, row[0])


def after_look(tx: Tx, ctx: Context, queue: Queue, due_ms: int | None) -> None:
    """What follows a look that found nothing; ``due_ms``: the floor's, None: there is none yet."""
    if due_ms is not None and due_ms <= ctx.now_ms:
        _move(tx, ctx, queue, None)


def _move(tx: Tx, ctx: Context, queue: Queue, drawn_until_ms: int | None) -> None:
    """Move the floor up to what can be received now where that is worth it, and raise what was committed late.

    ``drawn_until_ms``: until when messages are hidden of which one was the lot; None: it is moved for another reason.
    """
    now_ms = ctx.now_ms
    horizon = 0 if queue.fifo else now_ms - queue.settings.retention_ms
    where = {"storage": queue.storage, "now": now_ms, "horizon": horizon}
    row = tx.one(Q.look_for_groups if queue.fifo else Q.look_for_messages, ahead=now_ms + SKEW_MS, **where)
    if row is None:
        return  # somebody moves it just now
    found = _Floor(*row)
    ahead = found.moved_ms > now_ms + SKEW_MS
    moved = _moved(found, now_ms, drawn_until_ms, ahead=ahead)
    if now_ms - moved.looked_ms >= LOOK_MS:
        moved = _raise_late(tx, queue, moved, where)
    due_ms = now_ms + DENSE_MS
    if moved.dense_until_ms <= moved.floor_ms:
        due_ms = now_ms + max(LOOK_MS, (now_ms - moved.moved_ms) // 2)
    tx.send(
        Q.move_floor, storage=queue.storage, seq=found.seq, floor=moved.floor_ms, moved_at=moved.moved_ms,
        drawn_at=moved.drawn_ms, looked_at=moved.looked_ms, dense_until=moved.dense_until_ms, due_at=due_ms,
    )  # fmt: skip


def _moved(found: _Floor, now_ms: int, drawn_until_ms: int | None, *, ahead: bool) -> _Floor:
    if ahead:
        found = found._replace(floor_ms=0, moved_ms=now_ms, drawn_ms=now_ms, looked_ms=now_ms, dense_until_ms=0)
    if drawn_until_ms is not None:
        if now_ms - found.drawn_ms < 2 * DENSE_MS:
            found = found._replace(dense_until_ms=max(found.dense_until_ms, drawn_until_ms))
        found = found._replace(drawn_ms=now_ms)
    elif found.dense_until_ms <= found.floor_ms:
        return found  # not worth it
    safe_ms = now_ms - SLACK_MS
    floor_ms = safe_ms if found.first_ms is None else min(found.first_ms - 1, safe_ms)
    if floor_ms <= found.floor_ms:
        return found
    return found._replace(floor_ms=floor_ms, moved_ms=now_ms)


def _raise_late(tx: Tx, queue: Queue, moved: _Floor, where: dict[str, Any]) -> _Floor:
    """Bring up what lies below the floor."""
    rows = tx.all(
        Q.late_groups if queue.fifo else Q.late_messages, looked_at=moved.looked_ms, floor=moved.floor_ms,
        limit=LATE_MAX, **where,
    )  # fmt: skip
    now_ms = where["now"]
    for found, *turn in rows:
        if queue.fifo:
            tx.send(Q.raise_group, storage=queue.storage, group_id=found, turn=turn[0], now=now_ms)
        else:
            tx.send(Q.raise_message, storage=queue.storage, id=found, now=now_ms)
    if rows:
        tx.wake(queue.wake_key)
    return moved if len(rows) >= LATE_MAX else moved._replace(looked_ms=now_ms)
