"""Claiming messages: what a receive takes from a queue, and where dead letters go.

A claim is an UPDATE that moves ``visible_at`` on; delay, visibility and retention are columns compared with now. A
message that was received too often moves to the dead-letter queue in the same transaction, and the receive goes on.
"""

from typing import Any, NamedTuple

from waypost.service import Context
from waypost.services.sqs import bodies, floor, groups, lanes
from waypost.services.sqs.groups import settle
from waypost.services.sqs.limits import CLAIM_ROUNDS_MAX
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find_arn
from waypost.services.sqs.rules import fifo, redrive
from waypost.services.sqs.rules.retention import expires_ms, oldest_kept
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
    floor_due_ms: int | None = None
    """When the queue's floor is to be moved, on the store that nodes share; 0: it has none yet."""
    storage: int = 0
    """Where it lies, of a queue with lanes; 0: in the queue's only storage."""


class Claim(NamedTuple):
    """What a receive got."""

    messages: list[Delivered]
    more: bool = False
    """Whether it stopped looking though there may be more now."""


def claim(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> Claim:
    """Take up to ``limit`` messages and hide them for ``visibility_ms``."""
    if queue.fifo:
        return _Groups(tx, ctx, queue, limit, visibility_ms).claim()
    if queue.lanes or lanes.is_watched(tx, queue):
        return _claim_fairly(tx, ctx, queue, limit, visibility_ms)
    claimed = _claim_stored(tx, ctx, queue, limit, visibility_ms)
    if any(message.group_id is not None for message in claimed.messages):
        lanes.watch(tx, ctx, queue)
    return claimed


def _claim_fairly(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> Claim:
    """The same of a queue whose messages have groups: those of noisy tenants last."""
    delivered: list[Delivered] = []
    more = False
    for storage in lanes.in_order(tx, queue):
        place = queue._replace(storage=storage)
        found = _claim_stored(tx, ctx, place, limit - len(delivered), visibility_ms)
        named = storage if queue.lanes else 0
        delivered += [message._replace(storage=named) for message in found.messages]
        more |= found.more
        if len(delivered) == limit:
            break
    lanes.received(tx, queue, [message.group_id for message in delivered])
    lanes.judge(tx, ctx, queue)
    return Claim(delivered, more)


def _claim_stored(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> Claim:
    """Take messages from one storage: the one that ``queue`` names."""
    rows = _claim(tx, ctx, queue, limit, visibility_ms)
    if not rows:
        return Claim([])
    if tx.shared:
        floor.after_claim(tx, ctx, queue, [row[0] for row in rows], rows[0][-1], ctx.now_ms + visibility_ms)
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    policy = queue.settings.redrive
    if policy is None and all(row[0] >= oldest for row in rows):
        return Claim([Delivered(*row) for row in rows])
    return _sift(tx, ctx, queue, limit, visibility_ms, rows)


def _claim(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int) -> list[Row]:
    now_ms = ctx.now_ms
    params = {
        "storage": queue.storage, "now": now_ms, "hidden_until": now_ms + visibility_ms,
        "horizon": now_ms - queue.settings.retention_ms, "ahead": now_ms + floor.SKEW_MS,
    }  # fmt: skip
    if limit == 1:
        return tx.all(Q.claim_message, **params)
    rows = tx.all(Q.claim_messages, limit=limit, **params)
    if tx.shared:
        for row in rows:
            tx.send(
                Q.hide_message, storage=queue.storage, id=row[0], receives=row[1], received_at=row[2],
                hidden_until=params["hidden_until"],
            )  # fmt: skip
    rows.sort()  # RETURNING promises no order
    return rows


def _sift(tx: Tx, ctx: Context, queue: Queue, limit: int, visibility_ms: int, rows: list[Row]) -> Claim:
    """Keep what may be delivered; delete what has expired, move what is dead, and claim again in their place."""
    graveyard = _Graveyard(tx, ctx, queue)
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    delivered: list[Delivered] = []
    for once_more in reversed(range(CLAIM_ROUNDS_MAX)):
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
        if once_more:  # what is claimed is hidden: nobody would get what nobody looks at
            rows = _claim(tx, ctx, queue, limit - len(delivered), visibility_ms)
    return Claim(delivered, more=True)


def delete(tx: Tx, queue: Queue, message: Delivered) -> None:
    """Delete a message that has expired."""
    tx.send(Q.delete_message, id=message.id, storage=queue.storage)
    if message.body is None:
        tx.send(Q.delete_body, id=message.id, storage=queue.storage)


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
        if self._tx.run(Q.delete_message, id=message.id, storage=self._queue.storage):
            self._bury(message, target)
        return True

    def _find(self) -> Queue | None:
        policy = self._queue.settings.redrive
        if not self._sought and policy is not None:
            self._sought = True
            target = find_arn(self._tx, policy.target)
            if target is not None and target.fifo == self._queue.fifo and target.id != self._queue.id:
                self._target = target
        return self._target

    def _bury(self, message: Delivered, target: Queue) -> None:
        """Make it anew in the dead-letter queue. Its id stays, so retention counts from when it was sent.

        In a FIFO queue it is as a message just sent to it.
        """
        now_ms = self._ctx.now_ms
        row_id, sequence, dedup_id = message.id, message.sequence, message.dedup_id
        storage = target.home(message.group_id)
        if target.fifo:
            row_id = self._ctx.ids.row(now_ms)
            sequence = groups.enter(self._tx, self._ctx, target, str(message.group_id), row_id, now_ms)
            dedup_id = message.message_id
        if message.body is None:
            bodies.move(self._tx, message.id, self._queue.storage, row_id, storage)
        self._tx.send(
            Q.insert_moved_message, id=row_id, storage=storage, visible_at=now_ms, receives=message.receives - 1,
            received_at=message.received_at_ms, sent_at=message.sent_at_ms, message_id=message.message_id,
            sender=message.sender, group_id=message.group_id, sequence=sequence, dedup_id=dedup_id, trace=message.trace,
            source_arn=self._queue.arn, attributes=message.attributes, body=message.body,
        )  # fmt: skip
        self._tx.wake(target.wake_key)


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
        due_ms: int | None = None
        for _ in range(self._limit + CLAIM_ROUNDS_MAX):
            if len(delivered) == self._limit:
                break
            group = groups.claim(self._tx, self._ctx, self._queue, hidden_until_ms)
            if group is None:
                more = False
                break
            due_ms = group.floor_due_ms
            delivered += self._take(group.group_id, group.head, self._limit - len(delivered))
        if hidden_until_ms != self._hidden_until_ms:
            for group_id in {str(message.group_id) for message in delivered}:
                settle(self._tx, self._ctx, self._queue, group_id)
        if self._tx.shared and due_ms is not None:
            ids = [message.id for message in delivered]
            floor.after_claim(self._tx, self._ctx, self._queue, ids, due_ms, hidden_until_ms)
        return Claim(delivered, more)

    def _take(self, group_id: str, head: int, wanted: int) -> list[Delivered]:
        """Take from one group all that may be delivered, at most ``wanted``; none of it lies before ``head``."""
        storage = self._queue.storage
        alive: list[Delivered] = []
        for _ in range(CLAIM_ROUNDS_MAX):
            rows = self._tx.all(Q.first_messages, storage=storage, group_id=group_id, head=head, limit=wanted)
            visible_at = [0 if row[1] < self._oldest else row[0] for row in rows]  # what has expired hides nothing
            rows = rows[len(alive) : fifo.deliverable(visible_at, self._ctx.now_ms)]
            kept = [message for row in rows if (message := self._sift(Delivered(*row[1:]))) is not None]
            alive += kept
            if len(kept) == len(rows):
                break
        if alive:
            # Who deletes one of them now waits for the group before the commit, and then looks again.
            self._tx.send(
                Q.claim_first_messages, storage=storage, group_id=group_id, first=alive[0].sequence,
                last=alive[-1].sequence, now=self._ctx.now_ms, hidden_until=self._hidden_until_ms,
            )  # fmt: skip
        if not alive or expires_ms(alive[0].id, self._queue.settings.retention_ms) < self._hidden_until_ms:
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
    found = [_next_claim_ms(tx, ctx, queue._replace(storage=storage)) for storage in queue.storages]
    return min((ms for ms in found if ms is not None), default=None)


def _next_claim_ms(tx: Tx, ctx: Context, queue: Queue) -> int | None:
    """The same of one storage."""
    now_ms = ctx.now_ms
    row: Any = tx.one(
        Q.next_available if queue.fifo else Q.next_visible, storage=queue.storage, now=now_ms,
        soon=now_ms + floor.SOON_MS, never=floor.NEVER, ahead=now_ms + floor.SKEW_MS,
    )  # fmt: skip
    if row is None:
        return None
    next_ms, *more = row
    if more:
        due_ms, dense = more
        floor.after_look(tx, ctx, queue, due_ms)
        if next_ms is None and dense:
            return now_ms + floor.SOON_MS
    return None if next_ms is None else int(next_ms)
