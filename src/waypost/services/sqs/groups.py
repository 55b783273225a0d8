"""Message groups of FIFO queues: the one row of each that says when its first message may be received.

On SQLite the row goes with the group's last message. On PostgreSQL it stays for a while, and every change gives it a
greater ``turn``, a part of its key: what the row was before lies in the index until a vacuum, which anybody who holds a
snapshot keeps away, and who looks for the greatest turn meets none of it.
"""

from typing import NamedTuple

from waypost.service import Context
from waypost.services.sqs.floor import SKEW_MS
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue
from waypost.services.sqs.rules.retention import expires_ms
from waypost.store.store import Tx

_EMPTY = 0
"""``available_at`` of a group without messages."""


class Taken(NamedTuple):
    """A group that was claimed: nobody else gets messages of it until the commit."""

    group_id: str
    head: int
    """No message of it has a lower sequence number."""
    floor_due_ms: int
    """When the queue's floor is to be moved, on the store that nodes share."""


class _Locked(NamedTuple):
    """A group's row, which nobody else changes until the commit."""

    group_id: str
    turn: int
    sequence: int
    available_at_ms: int
    head: int


def hold(tx: Tx, queue: Queue, group_id: str) -> int:
    """Let nobody else take messages of a group before the commit; answers its head: none has a lower sequence."""
    group = _lock(tx, queue, group_id) if tx.shared else None
    return 0 if group is None else group.head


def enter(tx: Tx, ctx: Context, queue: Queue, group_id: str, row_id: int, visible_at_ms: int) -> int:
    """Take the next sequence number of a group: the row id, unless the group is ahead of the clock."""
    visible_at_ms = min(visible_at_ms, expires_ms(row_id, queue.settings.retention_ms))
    if not tx.shared:
        row = tx.one(
            Q.enter_group, storage=queue.storage, group_id=group_id, sequence=row_id, available_at=visible_at_ms
        )
        assert row is not None  # noqa: S101 (an upsert answers its row)
        return int(row[0])
    group = _lock(tx, queue, group_id) or _begin(tx, queue, group_id)
    sequence = max(group.sequence + 1, row_id)
    if group.available_at_ms == _EMPTY:
        _put(tx, ctx, queue, group._replace(sequence=sequence, available_at_ms=visible_at_ms, head=sequence))
    else:
        _put(tx, ctx, queue, group._replace(sequence=sequence))
    return sequence


def _lock(tx: Tx, queue: Queue, group_id: str) -> _Locked | None:
    row = tx.one(Q.lock_group, storage=queue.storage, group_id=group_id)
    return None if row is None else _Locked(group_id, *row)


def _begin(tx: Tx, queue: Queue, group_id: str) -> _Locked:
    """Make a group's row, unless another node was quicker; either way it is locked."""
    while True:
        tx.send(Q.begin_group, storage=queue.storage, group_id=group_id)
        group = _lock(tx, queue, group_id)
        if group is None:
            continue  # one was there, and has been cleaned away
        if group.turn:
            # It was made and changed since it was not found: a changed one does not hinder another from being begun.
            tx.send(Q.delete_begun_group, storage=queue.storage, group_id=group_id)
        return group


def _put(tx: Tx, ctx: Context, queue: Queue, group: _Locked) -> None:
    tx.send(
        Q.put_group, storage=queue.storage, group_id=group.group_id, turn=group.turn,
        next_turn=max(group.turn + 1, ctx.now_ms), sequence=group.sequence, available_at=group.available_at_ms,
        head=group.head,
    )  # fmt: skip


def claim(tx: Tx, ctx: Context, queue: Queue, hidden_until_ms: int) -> Taken | None:
    """Take the group that has been free for longest and is with nobody else."""
    now_ms = ctx.now_ms
    if not tx.shared:
        row = tx.one(Q.claim_group, storage=queue.storage, now=now_ms, hidden_until=hidden_until_ms)
        return None if row is None else Taken(row[0], 0, 0)
    row = tx.one(Q.free_group, storage=queue.storage, now=now_ms, ahead=now_ms + SKEW_MS)
    if row is None:
        return None
    group_id, turn, sequence, head, floor_due_ms = row
    _put(tx, ctx, queue, _Locked(group_id, turn, sequence, hidden_until_ms, head))
    return Taken(group_id, head, floor_due_ms)


def settle(tx: Tx, ctx: Context, queue: Queue, group_id: str) -> None:
    """Bring a group's row in line after its first message may have changed, and wake a receiver if it is free."""
    if tx.shared:
        free = _settle_shared(tx, ctx, queue, group_id)
    else:
        row = tx.one(
            Q.settle_group, storage=queue.storage, group_id=group_id, now=ctx.now_ms,
            retention=queue.settings.retention_ms,
        )  # fmt: skip
        if row is not None and row[0] < 0:
            tx.send(Q.delete_group, storage=queue.storage, group_id=group_id)
        free = row is not None and 0 <= row[0] <= ctx.now_ms
    if free:
        tx.wake(queue.wake_key)


def _settle_shared(tx: Tx, ctx: Context, queue: Queue, group_id: str) -> bool:
    """The same on PostgreSQL; answers whether the group is free."""
    # A statement sees what was committed before it began: one that waited for the lock would look at the past, take the
    # group for empty, and its newest message would be lost.
    group = _lock(tx, queue, group_id)
    if group is None:
        return False
    first = tx.one(Q.first_of_group, storage=queue.storage, group_id=group_id, head=group.head)
    if first is None:
        settled = group._replace(available_at_ms=_EMPTY, head=group.sequence + 1)
    else:
        # One that expires while it is hidden holds the others back no longer than that.
        free_ms = min(first[0], expires_ms(first[2], queue.settings.retention_ms))
        settled = group._replace(available_at_ms=max(free_ms, ctx.now_ms), head=first[1])
    if settled != group:
        _put(tx, ctx, queue, settled)
    return _EMPTY < settled.available_at_ms <= ctx.now_ms
