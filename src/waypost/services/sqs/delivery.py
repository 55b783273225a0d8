"""Claiming messages: what a receive takes from a queue, and where dead letters go.

A claim is an UPDATE that moves ``visible_at`` on; delay, visibility and retention are columns compared with now. A
message that was received too often moves to the dead-letter queue in the same transaction, and the receive goes on.
"""

from typing import Any, NamedTuple

from waypost.service import Context
from waypost.services.sqs.groups import settle
from waypost.services.sqs.limits import CLAIM_ROUNDS_MAX
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find_arn
from waypost.services.sqs.rules import fifo, redrive
from waypost.services.sqs.rules.retention import oldest_kept
from waypost.store.store import Row, Tx


class Delivered(NamedTuple):
    """A message as a claim answers it: the columns of ``claim_messages``."""

    id: int
    receives: int
    received_at_ms: int
    """When it was received for the first time."""
    sent_at_ms: int
    message_id: str
    sender: str
    group_id: str | None
    sequence: int | None
    dedup_id: str | None
    trace: str | None
    source_arn: str | None
    attributes: str | None
    body: str | None
    """None: in a row of its own."""


class Claim(NamedTuple):
    """What a receive got."""

    messages: list[Delivered]
    more: bool = False
    """Whether it stopped looking though there may be more now."""


def claim(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> Claim:
    """Take up to ``limit`` messages and hide them for ``visibility_ms``."""
    if queue.fifo:
        return _Groups(tx, ctx, queue, limit, visibility_ms).claim()
    rows = _claim(tx, ctx, queue, limit, visibility_ms)
    if not rows:
        return Claim([])
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    policy = queue.settings.redrive
    if policy is None and all(row[0] >= oldest for row in rows):
        return Claim([Delivered(*row) for row in rows])
    return _sift(tx, ctx, queue, limit, visibility_ms, rows)


def _claim(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> list[Row]:
    now_ms = ctx.now_ms
    params = {
        "storage": queue.storage, "now": now_ms, "hidden_until": now_ms + visibility_ms,
        "horizon": now_ms - queue.settings.retention_ms,
    }  # fmt: skip
    if limit == 1:
        return tx.all(Q.claim_message, **params)
    rows = tx.all(Q.claim_messages, limit=limit, **params)
    rows.sort()  # RETURNING promises no order
    return rows


def _sift(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int, rows: list[Row]) -> Claim:
    """Keep what may be delivered; delete what has expired, move what is dead, and claim again in their place."""
    graveyard = _Graveyard(tx, ctx, queue)
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    delivered: list[Delivered] = []
    for _ in range(CLAIM_ROUNDS_MAX):
        missing = limit - len(delivered)
        for message in (Delivered(*row) for row in rows):
            if message.id < oldest:
                delete(tx, queue, message)
            elif not graveyard.take(message):
                delivered.append(message)
        if len(rows) < missing or len(delivered) == limit:
            return Claim(delivered)
        if delivered and visibility_ms == 0:
            return Claim(delivered, more=True)  # another claim would take the same ones again
        rows = _claim(tx, ctx, queue, limit - len(delivered), visibility_ms)
    return Claim(delivered, more=True)


def delete(tx: Tx, queue: Queue, message: Delivered) -> None:
    """Delete a message that has expired."""
    tx.run(Q.delete_message, id=message.id, storage=queue.storage)
    if message.body is None:
        tx.run(Q.delete_body, id=message.id)


class _Graveyard:
    """The dead-letter queue of a queue, looked up when the first message needs it."""

    def __init__(self, tx: Tx, ctx: Context, queue: Queue) -> None:
        self._tx = tx
        self._ctx = ctx
        self._queue = queue
        self._target: Queue | None = None
        self._sought = False

    def take(self, message: Delivered) -> bool:
        """Move a message, claimed just now, if it was received too often. False: deliver it.

        Where the dead-letter queue is gone, or of the other kind, messages stay and are delivered on.
        """
        if not redrive.is_dead(self._queue.settings.redrive, message.receives):
            return False
        target = self._find()
        if target is None:
            return False
        if target.fifo:
            self._move_fifo(message, target)
        else:
            self._tx.run(
                Q.move_message, id=message.id, target=target.storage, now=self._ctx.now_ms, source_arn=self._queue.arn
            )
        self._tx.wake(target.wake_key)
        return True

    def _find(self) -> Queue | None:
        policy = self._queue.settings.redrive
        if not self._sought and policy is not None:
            self._sought = True
            target = find_arn(self._tx, policy.target)
            if target is not None and target.fifo == self._queue.fifo and target.id != self._queue.id:
                self._target = target
        return self._target

    def _move_fifo(self, message: Delivered, target: Queue) -> None:
        new_id = self._ctx.ids.row(self._ctx.now_ms)
        sequence = enter_group(self._tx, target, str(message.group_id), new_id, self._ctx.now_ms)
        self._tx.run(
            Q.move_fifo_message, id=message.id, new_id=new_id, target=target.storage, now=self._ctx.now_ms,
            sequence=sequence, source_arn=self._queue.arn,
        )  # fmt: skip
        if message.body is None:
            self._tx.run(Q.move_body, id=message.id, new_id=new_id)


def enter_group(tx: Tx, queue: Queue, group_id: str, row_id: int, visible_at_ms: int) -> int:
    """Take the next sequence number of a group: the row id, unless the group is ahead of the clock."""
    row = tx.one(Q.enter_group, storage=queue.storage, group_id=group_id, sequence=row_id, available_at=visible_at_ms)
    assert row is not None  # noqa: S101 (an upsert answers its row)
    return int(row[0])


class _Groups:
    """A receive from a FIFO queue: group after group, each in order and each with all it has."""

    def __init__(self, tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> None:
        self._tx = tx
        self._ctx = ctx
        self._queue = queue
        self._limit = limit
        self._hidden_until_ms = ctx.now_ms + visibility_ms
        self._oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
        self._graveyard = _Graveyard(tx, ctx, queue)

    def claim(self) -> Claim:
        """Take up to the limit."""
        delivered: list[Delivered] = []
        # A visibility timeout of zero hides nothing; yet no group is to be taken twice.
        hidden_until_ms = max(self._hidden_until_ms, self._ctx.now_ms + 1)
        more = True
        for _ in range(self._limit + CLAIM_ROUNDS_MAX):
            if len(delivered) == self._limit:
                break
            row = self._tx.one(
                Q.claim_group, storage=self._queue.storage, now=self._ctx.now_ms, hidden_until=hidden_until_ms
            )
            if row is None:
                more = False
                break
            delivered += self._take(row[0], self._limit - len(delivered))
        if hidden_until_ms != self._hidden_until_ms:
            for group_id in {str(message.group_id) for message in delivered}:
                settle(self._tx, self._ctx, self._queue, group_id)
        return Claim(delivered, more)

    def _take(self, group_id: str, wanted: int) -> list[Delivered]:
        """Take from one group all that may be delivered, at most ``wanted``."""
        storage = self._queue.storage
        alive: list[Delivered] = []
        for _ in range(CLAIM_ROUNDS_MAX):
            rows = self._tx.all(Q.first_messages, storage=storage, group_id=group_id, limit=wanted)
            rows = rows[len(alive) : fifo.deliverable([row[0] for row in rows], self._ctx.now_ms)]
            kept = [message for row in rows if (message := self._sift(Delivered(*row[1:]))) is not None]
            alive += kept
            if len(kept) == len(rows):
                break
        if alive:
            self._tx.run(
                Q.claim_first_messages, storage=storage, group_id=group_id, first=alive[0].sequence,
                last=alive[-1].sequence, now=self._ctx.now_ms, hidden_until=self._hidden_until_ms,
            )  # fmt: skip
        else:
            settle(self._tx, self._ctx, self._queue, group_id)
        return alive

    def _sift(self, message: Delivered) -> Delivered | None:
        """The message as it is received now; None where it has expired or is a dead letter, and is gone."""
        if message.id < self._oldest:
            delete(self._tx, self._queue, message)
            return None
        received = message._replace(
            receives=message.receives + 1, received_at_ms=message.received_at_ms or self._ctx.now_ms
        )
        return None if self._graveyard.take(received) else received


def next_claim_ms(tx: Tx, ctx: Context, queue: Queue) -> int | None:
    """When time alone may bring a message: the next delay or visibility timeout that ends."""
    row: Any = (
        tx.one(Q.next_available, storage=queue.storage)
        if queue.fifo
        else tx.one(Q.next_visible, storage=queue.storage, now=ctx.now_ms)
    )
    return None if row is None else int(row[0])
