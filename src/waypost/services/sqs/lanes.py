"""Fair queues: the lanes of a standard queue, and what is put where.

Messages of a noisy tenant lie in a **lane**, a storage of their own, and whoever looks for others' does not meet them:
a million of them cost a quiet tenant's message nothing. A queue's row lists its lanes. A tenant that becomes noisy gets
one; where its messages are most of what waits, the queue's main storage becomes that lane and the queue a new main one,
so that nothing has to be moved before the others go ahead. A lane is open while its tenant is noisy: new messages go
there, and it is looked at last. A closed one is looked at first and goes when it is empty.

Each node judges for itself who is noisy, from samples of what is in flight (``rules/fairness.py``); it remembers them,
and takes one a second at most. A queue whose messages never had a group is not sampled. Only the list of lanes counts,
and it changes under the lock of the queue's row.

After each change a job goes through the storage that held the mixture and moves what belongs elsewhere. A message that
was received once stays where it is: its receipt handles say where that was. A transaction that began before a change
may put a message where it belonged then; so the job looks again, and what comes to a storage that no queue has any more
is brought home: nothing is lost, it is late.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from waypost.service import Again, Context, Job, JobResult
from waypost.services.sqs import bodies, floor
from waypost.services.sqs.counts import in_flight
from waypost.services.sqs.jobs import schedule_purge
from waypost.services.sqs.limits import (
    LANE_HEAD,
    LANE_LAG_MS,
    LANES_MAX,
    OWN_LANES_MAX,
    SORT_AGAIN_FACTOR,
    SORT_AGAIN_MS,
    SORT_LOOKS_MAX,
    SORT_MOVES_MAX,
)
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find
from waypost.services.sqs.rules import fairness
from waypost.services.sqs.rules.fairness import Lane, Past, Sample, write_lanes
from waypost.services.sqs.rules.retention import ID_BITS, oldest_kept
from waypost.store.store import Row, Tx
from waypost.work.jobs import drop, enqueue

SORT = "sqs.sort"

_TAKEN_AT_ONCE = 10
"""As many ids as ``take_strays`` has parameters."""
_ANY = (1 << 31) - 1
"""However often it was received."""


class _Watch:
    """What this node remembers of a queue whose messages have groups."""

    __slots__ = ("at_ms", "closes_ms", "due_after", "due_ms", "gone", "idle", "in_flight", "past", "taken", "total")

    def __init__(
        self, sample: Sample, past: Past | None, idle: dict[str, int], closes_ms: int, gone: float = 0.0
    ) -> None:
        looked_at = sample.total + max(0, int(gone) - fairness.GONE_MIN)
        self.at_ms = sample.at_ms
        self.due_ms = sample.at_ms + fairness.next_look_ms(looked_at)
        """When the next sample is due."""
        self.due_after = fairness.next_look_after(looked_at)
        """After how many messages it is due in any case."""
        self.taken = 0
        """Messages received on this node since."""
        self.gone = gone
        """About how many entries of what was received lie where a sample looks, at most: PostgreSQL keeps them."""
        self.total = sample.total
        self.in_flight = dict(sample.groups)
        """By group: those of the last sample, and what was received on this node since."""
        self.past = past
        """None: no sample has been taken yet."""
        self.idle = idle
        """Groups with a lane and nothing in flight, by since when."""
        self.closes_ms = closes_ms
        """When lanes may be closed and taken away: not with every sample, for a tenant comes and goes fast."""

    def is_due(self, now_ms: int) -> bool:
        """Whether another sample is to be taken."""
        return self.past is None or self.taken >= self.due_after or not self.at_ms <= now_ms < self.due_ms


def _key(queue: Queue) -> tuple[str, int]:
    return ("sqs.fair", queue.id)


def is_watched(tx: Tx, queue: Queue) -> bool:
    """Whether this node has received messages with a group from the queue."""
    return _key(queue) in tx.memo


def watch(tx: Tx, ctx: Context, queue: Queue) -> None:
    """Begin to sample a queue: a message of it has a group."""
    tx.memo[_key(queue)] = _Watch(Sample(ctx.now_ms, {}, 0), None, {}, ctx.now_ms)


def received(tx: Tx, queue: Queue, groups: Iterable[str | None]) -> None:
    """Count messages that were received just now: several noisy tenants take turns between two samples, too."""
    known: _Watch | None = tx.memo.get(_key(queue))
    if known is not None:
        for group_id in groups:
            known.taken += 1
            if group_id is not None:
                known.in_flight[group_id] = known.in_flight.get(group_id, 0) + 1
                known.idle.pop(group_id, None)


def in_order(tx: Tx, queue: Queue) -> list[int]:
    """The storages of a queue as a receive looks at them: closed lanes, the main one, those of noisy tenants.

    Of several noisy tenants the one with the fewest messages in flight comes first.
    """
    if not queue.lanes:
        return [queue.storage]
    known: _Watch | None = tx.memo.get(_key(queue))
    in_flight = {} if known is None else known.in_flight
    noisy = sorted((lane for lane in queue.lanes if lane.open), key=lambda lane: in_flight.get(lane.group_id, 0))
    closed = [lane.storage for lane in queue.lanes if not lane.open]
    return [*closed, queue.storage, *(lane.storage for lane in noisy)]


# --- who is noisy


def judge(tx: Tx, ctx: Context, queue: Queue) -> None:
    """Sample what is in flight, where that is due, and open and close lanes by it: for the receives that follow."""
    now_ms = ctx.now_ms
    known: _Watch | None = tx.memo.get(_key(queue))
    if known is not None and not known.is_due(now_ms):
        return
    if known is None:
        known = _Watch(Sample(now_ms, {}, 0), None, {}, now_ms + fairness.LOOK_MS)
    total = in_flight(tx, ctx, queue) if known.past is None else known.total
    sample = _sample(tx, ctx, queue, fairness.one_of(total))
    past = fairness.remember(known.past, sample)
    empty = {lane.group_id for lane in queue.lanes if not sample.groups.get(lane.group_id)}
    idle = {group_id: known.idle.get(group_id, now_ms) for group_id in empty}
    closing = now_ms >= known.closes_ms
    gone = fairness.faded(known.gone, now_ms - known.at_ms, queue.settings.visibility_ms) + known.taken
    closes_ms = now_ms + fairness.LOOK_MS if closing else known.closes_ms
    tx.memo[_key(queue)] = _Watch(sample, past, idle, closes_ms, gone if tx.shared else 0.0)
    rested = {group_id for group_id, since_ms in idle.items() if now_ms - since_ms >= fairness.IDLE_MS}
    noisy = [group_id for group_id in fairness.noisy(sample, past) if group_id not in rested]
    if noisy or (queue.lanes and closing):
        _arrange(tx, ctx, queue, _Plan(tx, ctx, queue, noisy, rested, closing=closing))


def _sample(tx: Tx, ctx: Context, queue: Queue, one_of: int) -> Sample:
    groups: Counter[str] = Counter()
    total = 0
    for storage in queue.storages:
        for group_id, count in tx.all(Q.sample_in_flight, storage=storage, now=ctx.now_ms, one_of=one_of):
            total += count * one_of
            if group_id is not None:
                groups[group_id] += count * one_of
    return Sample(ctx.now_ms, groups, total)


# --- which lanes there are


class _Plan:
    """A queue's lanes as they are to be."""

    def __init__(
        self, tx: Tx, ctx: Context, queue: Queue, noisy: list[str], rested: set[str], *, closing: bool
    ) -> None:
        self._tx = tx
        self._ctx = ctx
        self._queue = queue
        self.storage = queue.storage
        self.lanes: list[Lane] = []
        self.gone: list[int] = []
        """Storages of lanes that are empty."""
        self.mixed = False
        """Whether messages in what is the main storage now are to be sorted."""
        for lane in queue.lanes:
            self._go_on(lane, noisy=lane.group_id in noisy, rested=lane.group_id in rested, closing=closing)
        if noisy:
            self._begin(noisy)

    def _go_on(self, lane: Lane, *, noisy: bool, rested: bool, closing: bool) -> None:
        """A lane is closed when nothing waits in it or its tenant has rested, and goes when it is empty."""
        waits = (lane.open and not closing) or bool(self._head(lane.storage, 1))
        if lane.open:
            lane = lane._replace(open=not closing or (waits and not rested))
        elif waits and noisy:
            lane = lane._replace(open=True)
            self.mixed = True
        elif closing and not waits and self._is_empty(lane.storage):
            self.gone.append(lane.storage)
            return
        self.lanes.append(lane)

    def _begin(self, noisy: list[str]) -> None:
        """Give lanes to noisy tenants whose messages stand before others'."""
        head = self._head(self._queue.storage, LANE_HEAD)
        waiting = Counter(group_id for group_id, receives in head if receives == 0)
        for group_id in noisy:
            own = [place for place, lane in enumerate(self.lanes) if lane.group_id == group_id]
            most = len(head) == LANE_HEAD and waiting[group_id] * 2 >= LANE_HEAD
            if not waiting[group_id]:
                continue
            if most and self.storage == self._queue.storage and len(own) < OWN_LANES_MAX and self._has_room():
                self.lanes.append(Lane(group_id, self._queue.storage, True))
                self.storage = self._ctx.ids.row(self._ctx.now_ms)
            elif any(self.lanes[place].open for place in own):
                continue  # they are being sorted
            elif own:
                self.lanes[own[-1]] = self.lanes[own[-1]]._replace(open=True)
            elif self._has_room():
                self.lanes.append(Lane(group_id, self._ctx.ids.row(self._ctx.now_ms), True))
            else:
                continue
            self.mixed = True

    def _has_room(self) -> bool:
        return len(self.lanes) < LANES_MAX

    def _head(self, storage: int, limit: int) -> list[Row]:
        """Group and number of receives of what a claim would find first."""
        now_ms = self._ctx.now_ms
        return self._tx.all(
            Q.look_at_head, storage=storage, now=now_ms, horizon=now_ms - self._queue.settings.retention_ms,
            ahead=now_ms + floor.SKEW_MS, limit=limit,
        )  # fmt: skip

    def _is_empty(self, storage: int) -> bool:
        """Whether there is nothing at all, not even what has expired: first by what costs little."""
        now_ms = self._ctx.now_ms
        hidden = self._tx.one(
            Q.next_visible, storage=storage, now=now_ms, soon=now_ms + floor.SOON_MS, never=floor.NEVER,
        )  # fmt: skip
        if hidden is not None and (hidden[0] is not None or (len(hidden) > 1 and hidden[2])):
            return False
        return self._tx.one(Q.oldest_message, storage=storage, after=0) is None


def _arrange(tx: Tx, ctx: Context, queue: Queue, plan: _Plan) -> None:
    """Change the lanes of a queue, unless another node does just now. Nobody is waited for."""
    where = {"account": queue.account, "region": queue.region, "name": queue.name}
    if plan.storage == queue.storage and tuple(plan.lanes) == queue.lanes:
        return
    if tx.one(Q.lock_lanes, **where) is None:
        return
    current = find(tx, queue.region, queue.account, queue.name)
    if current is None or (current.id, current.storages, current.lanes) != (queue.id, queue.storages, queue.lanes):
        return
    arranged = queue._replace(storage=plan.storage, lanes=tuple(plan.lanes))
    tx.run(Q.set_lanes, storage=arranged.storage, lanes=write_lanes(arranged.lanes), **where)
    for storage in plan.gone:
        _schedule_sort(tx, ctx, queue, storage, 0)
    if plan.mixed:
        # The first part at once: where little waits, whoever receives next gets what it should.
        after, _ = _sort(tx, ctx, arranged, queue.storage, 0)
        _schedule_sort(tx, ctx, queue, queue.storage, after)


# --- bringing messages home


def _schedule_sort(tx: Tx, ctx: Context, queue: Queue, storage: int, after: int) -> None:
    key = f"sqs:sort:{storage}"
    drop(tx, key)
    enqueue(
        tx, ctx, kind=SORT, key=key, run_at_ms=ctx.now_ms,
        payload={
            "account": queue.account, "region": queue.region, "name": queue.name, "id": queue.id, "storage": storage,
            "after": after,
        },
    )  # fmt: skip


def sort(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Go through a part of a storage and move what belongs elsewhere; then look again, less and less often."""
    named = job.payload
    storage: int = named["storage"]
    queue = find(tx, named["region"], named["account"], named["name"])
    if queue is None or queue.id != named["id"]:
        schedule_purge(tx, ctx, storage)
        return None
    if storage not in queue.storages and _was_purged(tx, queue, storage):
        schedule_purge(tx, ctx, storage)
        return None
    after, done = _sort(tx, ctx, queue, storage, named["after"])
    if not done:
        return Again(ctx.now_ms, {**named, "after": after})
    return _look_again(tx, ctx, named, kept=storage in queue.storages)


def _sort(tx: Tx, ctx: Context, queue: Queue, storage: int, after: int) -> tuple[int, bool]:
    """Sort some messages from an id on; answers from which one to go on, and whether these were the last."""
    kept = storage in queue.storages
    after = max(after, oldest_kept(ctx.now_ms, queue.settings.retention_ms))
    rows = tx.all(Q.unsorted_messages, storage=storage, after=after, limit=SORT_LOOKS_MAX)
    strays = [row[0] for row in rows if (row[2] == 0 or not kept) and not _is_at_home(queue, storage, row[1])]
    _bring_home(tx, ctx, queue, storage, strays[:SORT_MOVES_MAX], 0 if kept else _ANY)
    if len(strays) > SORT_MOVES_MAX:
        return strays[SORT_MOVES_MAX], False
    return rows[-1][0] + 1 if rows else after, len(rows) < SORT_LOOKS_MAX


def _was_purged(tx: Tx, queue: Queue, storage: int) -> bool:
    """Whether the queue was purged since it had this storage; its id, like a row's, holds when it was made."""
    row = tx.one(Q.get_purged, account=queue.account, region=queue.region, name=queue.name)
    return row is not None and storage >> ID_BITS <= int(row[0])


def _is_at_home(queue: Queue, storage: int, group_id: str | None) -> bool:
    """Whether a message lies where it belongs. What a closed lane still has of its tenant is left there."""
    if any(lane.storage == storage and lane.group_id == group_id for lane in queue.lanes):
        return True
    return queue.home(group_id) == storage


def _bring_home(tx: Tx, ctx: Context, queue: Queue, storage: int, ids: list[int], receives_max: int) -> None:
    for start in range(0, len(ids), _TAKEN_AT_ONCE):
        chunk = ids[start : start + _TAKEN_AT_ONCE]
        wanted: dict[str, Any] = {f"id{i}": chunk[i] if i < len(chunk) else 0 for i in range(_TAKEN_AT_ONCE)}
        # Whoever receives one of them just now has it: it stays.
        for row in tx.all(Q.take_strays, storage=storage, receives_max=receives_max, **wanted):
            _move(tx, ctx, storage, queue.home(row[7]), row)
    if not ids:
        return
    tx.wake(queue.wake_key, len(ids))
    if tx.shared:
        # What is deleted lies in the way of claims until the floor passes it, as what is claimed does.
        floor.after_claim(tx, ctx, queue._replace(storage=storage), ids, ctx.now_ms + 1, ctx.now_ms)


def _move(tx: Tx, ctx: Context, storage: int, target: int, row: Row) -> None:
    """Make a message anew in another storage, under its id: so it expires when it would have."""
    (row_id, visible_at_ms, receives, received_at_ms, sent_at_ms, message_id, sender, group_id, dedup_id, trace,
     source_arn, attributes, body) = row  # fmt: skip
    tx.send(Q.delete_message, id=row_id, storage=storage)
    if tx.shared:
        if body is None:
            bodies.move(tx, row_id, storage, row_id, target)
        visible_at_ms = max(visible_at_ms, ctx.now_ms)  # above the floor
    tx.send(
        Q.insert_moved_message, id=row_id, storage=target, visible_at=visible_at_ms, receives=receives,
        received_at=received_at_ms, sent_at=sent_at_ms, message_id=message_id, sender=sender, group_id=group_id,
        sequence=None, dedup_id=dedup_id, trace=trace, source_arn=source_arn, attributes=attributes, body=body,
    )  # fmt: skip


def _look_again(tx: Tx, ctx: Context, named: dict[str, Any], *, kept: bool) -> JobResult:
    """The end of a pass: another one, where nodes share the store and one of them may have been late."""
    pause_ms = named.get("pause_ms", SORT_AGAIN_MS[0])
    if tx.shared and pause_ms <= SORT_AGAIN_MS[1]:
        after = oldest_kept(ctx.now_ms, LANE_LAG_MS) if kept else 0
        return Again(ctx.now_ms + pause_ms, {**named, "after": after, "pause_ms": pause_ms * SORT_AGAIN_FACTOR})
    if not kept:
        tx.send(Q.delete_floor, storage=named["storage"])
        if not tx.shared:
            tx.send(Q.delete_count, storage=named["storage"])
    return None


JOBS = {SORT: sort}
