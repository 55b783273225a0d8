"""Message move tasks: dead letters go back to where they came from, or to another queue. A task is a row and a job.

A step of the job is one transaction that deletes some messages from the source and makes them anew elsewhere, so each
message is in one queue at every commit, whoever stops in between. A task moves what was in the queue when it began,
from the oldest message on: a message that comes back after it was moved is left alone, so a task ends. What is with a
receiver is waited for.

The job's payload says how far it has come: of the storages of the queue those ``seen`` are done, and of the next one
messages with an id below ``after`` are moved, gone, or left behind because they could not be received. Where some were,
it goes through the queue again from the first of them, ``behind``: when it can be received, or somewhat earlier, for
it may be deleted before.
"""

from typing import NamedTuple

from waypost import arn
from waypost.service import Again, Context, Job, JobResult
from waypost.services.sqs import bodies, floor, groups
from waypost.services.sqs.limits import MOVE_BATCH_MAX, MOVE_BYTES_MAX, MOVE_PAUSE_MS, MOVE_STEP_MS, MOVE_TASK_MS
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find, find_arn
from waypost.services.sqs.rules import fifo, moves
from waypost.services.sqs.rules.moves import Pace
from waypost.services.sqs.rules.retention import made_ms, oldest_kept
from waypost.store.store import Row, Tx
from waypost.work.jobs import drop, enqueue

MOVE = "sqs.move"

_SLOT = "sqs.moves"
"""What this node remembers under this key: when the last step that is due here begins."""
_SLOTS_MS = 10_000
"""A time further ahead than this was written before the clock was set back."""


class Task(NamedTuple):
    """A row of ``sqs_move``, in the order of its columns."""

    queue: int
    id: int
    uuid: str
    destination_arn: str | None
    rate: int | None
    status: str
    moved: int
    to_move: int
    failure: str | None

    @property
    def started_ms(self) -> int:
        """When it was started."""
        return made_ms(self.id)

    @property
    def job_key(self) -> str:
        """The key of its job."""
        return f"sqs:move:{self.queue}"


class _Message(NamedTuple):
    """A message on its way: the columns of ``take_messages``."""

    id: int
    message_id: str
    sender: str
    group_id: str | None
    trace: str | None
    source_arn: str | None
    attributes: str | None
    body: str | None
    """None: in a row of its own."""


class _Left(NamedTuple):
    """What one look at a part of the queue left behind."""

    first: int
    """The id of the first message left."""
    retry_ms: int | None
    """When the first of them becomes visible; None: nobody knows."""


def schedule(tx: Tx, ctx: Context, source: Queue, task: Task) -> None:
    """Have a task go on now; also one that waits, so that it sees that it is cancelled."""
    drop(tx, task.job_key)
    enqueue(
        tx, ctx, kind=MOVE, key=task.job_key, run_at_ms=ctx.now_ms,
        payload={
            "account": source.account, "region": source.region, "name": source.name, "queue": source.id, "id": task.id,
        },
    )  # fmt: skip


def forget(tx: Tx, queue: Queue) -> None:
    """Forget the tasks of a queue that is deleted; one under way finds itself gone."""
    tx.send(Q.delete_moves, queue=queue.id)


def move(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """One step of a task: some messages, and when to go on."""
    named = job.payload
    # Of two nodes with a job for one task, one waits here, and sees what the other has done.
    row = tx.one(Q.lock_move, queue=named["queue"], id=named["id"])
    if row is None:
        return None
    task = Task(*row)
    if task.status == moves.CANCELLING:
        return _end(tx, task, moves.CANCELLED)
    if task.status != moves.RUNNING:
        return None
    source = find(tx, named["region"], named["account"], named["name"])
    if source is None or source.id != task.queue:
        return None  # deleted, and its tasks will be just now
    if ctx.now_ms >= task.started_ms + MOVE_TASK_MS:
        return _end(tx, task, moves.FAILED, moves.TOO_LONG)
    return _Step(tx, ctx, source, task, job).run()


def _end(tx: Tx, task: Task, status: str, failure: str | None = None, moved: int = 0) -> JobResult:
    """The job's last answer."""
    tx.send(Q.end_move, queue=task.queue, id=task.id, status=status, failure=failure, moved=moved)
    return None


class _Step:
    """One step: looks at a page of the source and moves what of it can be received."""

    def __init__(self, tx: Tx, ctx: Context, source: Queue, task: Task, job: Job) -> None:
        self._tx = tx
        self._ctx = ctx
        self._source = source
        payload = job.payload
        unseen = [storage for storage in source.storages if storage not in payload.get("seen", ())]
        self._storage = unseen[0] if unseen else source.storage
        self._last_storage = len(unseen) <= 1
        self._task = task
        self._payload = payload
        self._late_ms = max(0, ctx.now_ms - job.run_at_ms)
        self._pace: Pace = moves.pace(task.rate)
        self._oldest = oldest_kept(ctx.now_ms, source.settings.retention_ms)
        self._after = max(payload.get("after", 0), self._oldest)
        self._targets: dict[str, Queue | None] = {}
        self._arrived: dict[str, int] = {}
        self._moved: set[int] = set()
        self._bytes = 0
        self._failure: str | None = None

    def run(self) -> JobResult:
        """Move some, and say when to go on."""
        destination = self._task.destination_arn
        if destination is not None and self._target(destination) is None:
            return _end(self._tx, self._task, moves.FAILED, moves.NO_QUEUE)
        page = self._tx.all(
            Q.moving_messages, storage=self._storage, after=self._after, before=self._task.id, limit=MOVE_BATCH_MAX
        )
        if self._source.fifo:
            looked_at, left = self._move_groups(page)
        else:
            looked_at, left = self._move_page(page)
        for wake_key, count in self._arrived.items():
            self._tx.wake(wake_key, count)
        if self._moved and self._tx.shared:
            self._raise_floor()
        moved = len(self._moved)
        if self._failure is not None:
            return _end(self._tx, self._task, moves.FAILED, self._failure, moved)
        after = page[looked_at - 1][0] + 1 if looked_at else self._after
        return self._go_on(after, left, moved, done=looked_at == len(page) < MOVE_BATCH_MAX)

    def _raise_floor(self) -> None:
        """What is deleted lies in the way of claims until the floor passes it, as what is claimed does."""
        now_ms = self._ctx.now_ms
        place = self._source._replace(storage=self._storage)
        due_ms = now_ms + 1 if "after" in self._payload else 0  # in its first step a task sees to it that there is one
        floor.after_claim(self._tx, self._ctx, place, list(self._moved), due_ms, now_ms)

    def _go_on(self, after: int, left: _Left | None, moved: int, *, done: bool) -> JobResult:
        """What the job has to know for its next step, or the end of the task. ``done``: with this storage."""
        now_ms = self._ctx.now_ms
        named = {**self._payload, "after": after}
        if left is not None:
            named["behind"] = min(named.get("behind") or left.first, left.first)
            free_ms = [ms for ms in (named.get("retry_ms"), left.retry_ms) if ms is not None]
            named["retry_ms"] = min(free_ms, default=None)
        if moved:
            named["pause_ms"] = MOVE_PAUSE_MS[0]
            # Messages go from lane to lane meanwhile, perhaps to one that was seen.
            named["stirred"] = named.get("stirred") or bool(self._source.lanes)
        paced_ms = now_ms + self._pace.interval_ms if moved else now_ms
        run_at_ms = max(paced_ms, self._slot(moved))
        if done:
            named = {**named, "seen": [*named.get("seen", ()), self._storage], "after": named.get("from", 0)}
        if done and self._last_storage:
            behind, stirred = named.pop("behind", None), named.pop("stirred", False)
            if behind is None and not stirred:
                return _end(self._tx, self._task, moves.COMPLETED, moved=moved)
            if not stirred:
                retry_ms, pause_ms = named.pop("retry_ms", None), named.get("pause_ms", MOVE_PAUSE_MS[0])
                soonest_ms = now_ms + pause_ms if retry_ms is None else min(retry_ms, now_ms + pause_ms)
                run_at_ms = max(paced_ms, soonest_ms)
                named["pause_ms"] = min(pause_ms * 2, MOVE_PAUSE_MS[1])
            begin = 0 if stirred else behind
            named = {**named, "seen": [], "from": begin, "after": begin}
        if moved:
            self._tx.send(Q.advance_move, queue=self._task.queue, id=self._task.id, moved=moved)
        return Again(min(run_at_ms, self._task.started_ms + MOVE_TASK_MS), named)

    def _slot(self, moved: int) -> int:
        """When the next step may begin: those of all tasks take turns on this node, and leave time for others.

        What comes late finds a busy store. On the embedded one the next job may begin before others get their turn.
        """
        now_ms, memo = self._ctx.now_ms, self._tx.memo
        free_ms = memo.get(_SLOT, 0)
        if not now_ms <= free_ms < now_ms + _SLOTS_MS:
            free_ms = now_ms
        late_ms = self._late_ms // 4 if self._tx.shared else self._late_ms * 2
        cost_ms = max(1, MOVE_STEP_MS * moved // MOVE_BATCH_MAX)
        memo[_SLOT] = free_ms + cost_ms + min(late_ms, MOVE_PAUSE_MS[0])
        return int(memo[_SLOT])

    # --- standard queues

    def _move_page(self, page: list[Row]) -> tuple[int, _Left | None]:
        """Move what of a page can be received, as many as the pace allows.

        Answers how much of the page it came by, and what of that it left.
        """
        if not page:
            return 0, None
        batch = self._pace.batch
        rows = self._tx.all(
            Q.take_messages, storage=self._storage, after=self._after, last=page[-1][0], now=self._ctx.now_ms,
            limit=batch,
        )  # fmt: skip
        last = page[-1][0] if len(rows) < batch else rows[-1][0]
        for message in (_Message(*row) for row in rows):
            if self._full or not self._move(message):
                last = message.id - 1
                break
        looked_at = sum(row[0] <= last for row in page)
        return looked_at, self._left(page[:looked_at])

    def _left(self, page: list[Row]) -> _Left | None:
        left = [row for row in page if row[0] not in self._moved]
        if not left:
            return None
        # One that could be received, and was not taken, is just going to a receiver.
        return _Left(left[0][0], min((row[1] for row in left if row[1] > self._ctx.now_ms), default=None))

    # --- FIFO queues

    def _move_groups(self, page: list[Row]) -> tuple[int, _Left | None]:
        """The same for a FIFO queue: each group in its order, none past a message that is hidden."""
        hidden_until: list[int] = []
        for group_id in dict.fromkeys(row[2] for row in page):
            free_ms = self._move_group(group_id)
            if self._failure is not None or self._full or len(self._moved) >= self._pace.batch:
                return 0, None  # the rest of the page is looked at again
            if free_ms is not None:
                hidden_until.append(free_ms)
        left = [row[0] for row in page if row[0] not in self._moved]
        return len(page), _Left(left[0], min(hidden_until, default=None)) if left else None

    def _move_group(self, group_id: str) -> int | None:
        """Move what of a group may be received; answers until when the message is hidden that holds up the rest."""
        head = groups.hold(self._tx, self._source, group_id)
        limit = self._pace.batch - len(self._moved)
        rows = self._tx.all(Q.first_messages, storage=self._storage, group_id=group_id, head=head, limit=limit + 1)
        free = fifo.deliverable([row[0] for row in rows], self._ctx.now_ms)
        taken = rows[: min(free, limit)]
        # Nodes' clocks differ by some ms, so one with a higher id may stand before one that was there in the beginning.
        there = [place for place, row in enumerate(taken, 1) if row[1] < self._task.id]
        for row in taken[: there[-1] if there else None]:
            message = _Message(row[1], row[5], row[6], row[7], row[10], row[11], row[12], row[13])
            if message.id < self._oldest:
                self._expire(message)
            elif self._full or not self._move(message):
                break
        if taken:
            groups.settle(self._tx, self._ctx, self._source, group_id)
        return rows[free][0] if free < len(rows) else None

    # --- one message

    @property
    def _full(self) -> bool:
        return self._bytes >= MOVE_BYTES_MAX

    def _target(self, queue_arn: str) -> Queue | None:
        if queue_arn not in self._targets:
            found = arn.parse(queue_arn)
            self._targets[queue_arn] = None if found is None else find_arn(self._tx, found)
        return self._targets[queue_arn]

    def _expire(self, message: _Message) -> None:
        self._tx.send(Q.delete_message, id=message.id, storage=self._storage)
        if message.body is None:
            self._tx.send(Q.delete_body, id=message.id, storage=self._storage)

    def _move(self, message: _Message) -> bool:
        """Move a message that nobody else has; False: there is nowhere to move it to, and the task fails."""
        queue_arn = self._task.destination_arn or message.source_arn
        target = None if queue_arn is None else self._target(queue_arn)
        if target is None or target.fifo != self._source.fifo:
            self._failure = moves.NO_SOURCE if queue_arn is None else moves.NO_QUEUE
            return False
        self._tx.send(Q.delete_message, id=message.id, storage=self._storage)
        self._moved.add(message.id)
        self._arrive(message, target)
        self._arrived[target.wake_key] = self._arrived.get(target.wake_key, 0) + 1
        return True

    def _arrive(self, message: _Message, target: Queue) -> None:
        """Make a message anew: for its new queue it was sent just now, by whom it was sent before."""
        tx, now_ms = self._tx, self._ctx.now_ms
        row_id = self._ctx.ids.row(now_ms)
        visible_at_ms = now_ms + target.settings.delay_ms
        home = target.home(message.group_id)
        sequence = dedup_id = None
        if target.fifo:
            sequence = groups.enter(tx, self._ctx, target, str(message.group_id), row_id, visible_at_ms)
            # As on the way into the dead-letter queue: no two messages are taken for one.
            dedup_id = message.message_id
        if message.body is None:
            self._bytes += len(bodies.move(tx, message.id, self._storage, row_id, home))
        tx.send(
            Q.insert_moved_message, id=row_id, storage=home, visible_at=visible_at_ms, receives=0,
            received_at=None, sent_at=now_ms, message_id=self._ctx.ids.uuid(), sender=message.sender,
            group_id=message.group_id, sequence=sequence, dedup_id=dedup_id, trace=message.trace, source_arn=None,
            attributes=message.attributes, body=message.body,
        )  # fmt: skip
