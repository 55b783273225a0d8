"""Does the jobs that are due and says when to look again. Nothing polls on a fixed tick."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from waypost.clock import Alarm, monotonic_ns
from waypost.service import Again, Context, Job, JobHandler, Perform
from waypost.store.store import StoreUnavailable, Tx
from waypost.work.engine import Engine
from waypost.work.floor import Floor
from waypost.work.jobs import WAKE, Q

log = logging.getLogger(__name__)

LEASE_MS = 30_000
"""How long outside work may go without a sign of life before another node takes the job over."""
RENEW_MS = 10_000
BATCH_MAX = 64
"""Jobs begun in one go; they share a commit."""
PERFORMING_MAX = 1_000
"""Jobs whose outside work runs at the same time on this node."""
FAULT_BACKOFF_MS = (1_000, 300_000)
"""First and longest delay after a fault of ours in a handler."""
ELSEWHERE_MS = (5, 250)
"""First and longest pause before looking again where all that is due is in another node's hands."""
UNKNOWN_MS = 5_000
"""How long a job of a kind that only a newer release knows is left to newer nodes."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Runner:
    """One node's hands: claims due jobs, runs their handlers, performs, settles."""

    def __init__(
        self, engine: Engine, handlers: Mapping[str, JobHandler], owner: str, floor: Floor | None = None
    ) -> None:
        """``floor`` is for stores that keep what is dead; without one every look begins at the beginning."""
        self._engine = engine
        self._store = engine.store
        self._clock = engine.clock
        self._handlers = handlers
        self._owner = owner
        self._floor = floor
        self._elsewhere_ms = ELSEWHERE_MS[0]
        self._unknown: set[str] = set()
        self._performing: set[asyncio.Task[None]] = set()

    @property
    def performing(self) -> int:
        """How many jobs are doing outside work."""
        return len(self._performing)

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            woken = loop.create_future()

            def notify(woken: asyncio.Future[None] = woken) -> None:
                if not woken.done():
                    woken.set_result(None)

            waiter = self._store.wakes.park((WAKE,), notify)
            alarm: Alarm | None = None
            try:
                due_ms = await self.run_once()
                if due_ms is not None:
                    alarm = self._clock.call_at(due_ms, notify)
                await woken
            except StoreUnavailable:
                alarm = self._clock.call_at(self._clock.now_ms() + FAULT_BACKOFF_MS[0], notify)
                await woken
            finally:
                self._store.wakes.leave(waiter)
                if alarm is not None:
                    alarm.cancel()

    async def run_once(self) -> int | None:
        """Begin everything that is due; answer the next due time in ms, or None when nothing is promised."""
        floor = 0 if self._floor is None else self._floor.next_look(self._clock.now_ms())
        width = 1
        while len(self._performing) < PERFORMING_MAX:
            # Begun together, jobs share a commit; the surplus finds nothing and costs one look each.
            began_ns = monotonic_ns()
            begun = await asyncio.gather(*(self._begin(floor) for _ in range(width)))
            if self._floor is not None:
                self._floor.looked(floor, self._clock.now_ms(), (monotonic_ns() - began_ns) // 1_000_000)
                floor = self._floor.value
            if None in begun:
                return await self._next_due(floor)
            # A job that came again at once has much to do, in short steps: they must not share a commit, for whatever
            # else is asked of an embedded store waits until it is over.
            several = len(set(begun))
            width = min(width * 2, BATCH_MAX) if several == width else several
        return None  # a job that ends wakes the loop

    async def _next_due(self, floor: int) -> int | None:
        row = await self._store.transact(lambda tx: tx.one(Q.next_due, floor=floor))
        now_ms = self._clock.now_ms()
        if row is None:
            return None
        if row[0] > now_ms:
            self._elsewhere_ms = ELSEWHERE_MS[0]
            return int(row[0])
        # It came due this moment, or it is locked: another node is at it.
        pause_ms, self._elsewhere_ms = self._elsewhere_ms, min(self._elsewhere_ms * 2, ELSEWHERE_MS[1])
        return now_ms + pause_ms

    async def _begin(self, floor: int) -> int | None:
        """Take the longest due job and run its handler, all in one transaction. Its id; None when nothing is due."""
        taken: list[Job] = []
        now_ms = self._clock.now_ms()
        try:
            wanted = await self._store.transact(lambda tx: self._step(tx, taken, floor))
        except StoreUnavailable:
            raise
        except Exception:
            if not taken:
                raise
            await self._fault(taken[0])
            return taken[0].id
        if self._floor is not None:
            if taken:
                self._floor.found(taken[0].run_at_ms)
            else:
                self._floor.nothing(now_ms)
        if not taken:
            return None
        if wanted is not None:
            job = msgspec.structs.replace(taken[0], attempts=taken[0].attempts + 1)
            task = asyncio.create_task(self._perform(job, wanted))
            self._performing.add(task)
            task.add_done_callback(self._performed)
        return taken[0].id

    def _step(self, tx: Tx, taken: list[Job], floor: int) -> Perform | None:
        taken.clear()  # a transaction that lost a race runs again
        now_ms = self._clock.now_ms()
        row = tx.one(Q.due_job, floor=floor, now=now_ms)
        if row is None:
            return None
        job_id, kind, key, account, region, run_at_ms, attempts, payload = row
        job = Job(job_id, kind, key, account, region, run_at_ms, attempts, _decode(payload))
        taken.append(job)
        handler = self._handlers.get(job.kind)
        if handler is None:
            self._leave(tx, job, now_ms)
            return None
        result = handler(tx, self._engine.context(job.account, job.region), job)
        if isinstance(result, Perform):
            tx.send(Q.lease_job, id=job.id, lease_until=now_ms + LEASE_MS, owner=self._owner)
            return result
        self._finish(tx, job, result)
        return None

    def _leave(self, tx: Tx, job: Job, now_ms: int) -> None:
        """While nodes are upgraded one by one, some jobs are not for those of the old release."""
        if job.kind not in self._unknown:
            self._unknown.add(job.kind)
            log.warning("jobs of the kind %s are left to nodes of a newer release", job.kind)
        tx.send(Q.postpone_job, id=job.id, run_at=now_ms + UNKNOWN_MS, payload=_encode(job.payload).decode())

    def _finish(self, tx: Tx, job: Job, result: Again | None) -> None:
        if result is None:
            tx.send(Q.delete_job, id=job.id)
            return
        payload = job.payload if result.payload is None else result.payload
        tx.send(Q.postpone_job, id=job.id, run_at=result.run_at_ms, payload=_encode(payload).decode())
        tx.wake(WAKE)

    async def _perform(self, job: Job, wanted: Perform) -> None:
        """Outside work under a lease, then its settlement, if the job is still ours."""
        renewal = self._renew_later(job)
        try:
            while True:
                outcome = await self._engine.performers[type(wanted.call)](wanted.call)
                settle = wanted.settle
                following = await self._engine.settle(
                    lambda tx, settle=settle, outcome=outcome: self._settle(tx, job, settle, outcome)  # type: ignore[misc]
                )
                if following is None:
                    return
                wanted = following
        except StoreUnavailable:
            log.warning("job %s (%s) could not settle: the lease will end and it runs again", job.id, job.kind)
        except Exception:  # noqa: BLE001 (a fault of ours must not end the runner)
            with contextlib.suppress(StoreUnavailable):  # the lease will end
                await self._fault(job)
        finally:
            renewal[0].cancel()

    def _settle(self, tx: Tx, job: Job, settle: Any, outcome: Any) -> Perform | None:
        if tx.one(Q.is_current, id=job.id, attempts=job.attempts, owner=self._owner) is None:
            return None  # dropped meanwhile, or taken over: whoever did that decides
        ctx: Context = self._engine.context(job.account, job.region)
        result = settle(tx, ctx, outcome)
        if isinstance(result, Perform):
            return result
        self._finish(tx, job, result)
        return None

    def _renew_later(self, job: Job) -> list[Alarm]:
        holder: list[Alarm] = []

        def renew() -> None:
            lease_until = self._clock.now_ms() + LEASE_MS
            renewed = self._store.transact(
                lambda tx: tx.run(
                    Q.extend_lease, id=job.id, attempts=job.attempts, owner=self._owner, lease_until=lease_until
                )
            )
            asyncio.ensure_future(renewed).add_done_callback(lambda done: done.exception())
            holder[0] = self._clock.call_at(self._clock.now_ms() + RENEW_MS, renew)

        holder.append(self._clock.call_at(self._clock.now_ms() + RENEW_MS, renew))
        return holder

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._performing.discard(task)
        if len(self._performing) == PERFORMING_MAX - 1:
            self._store.wakes.wake(WAKE)

    async def _fault(self, job: Job) -> None:
        log.exception(  # noqa: LOG004 (called from handlers only)
            "job %s (%s, key %s) failed by a fault of ours; it runs again later", job.id, job.kind, job.key
        )
        first_ms, longest_ms = FAULT_BACKOFF_MS
        run_at_ms = self._clock.now_ms() + min(first_ms << min(job.attempts, 20), longest_ms)
        await self._store.transact(lambda tx: tx.send(Q.delay_job, id=job.id, attempts=job.attempts, run_at=run_at_ms))
        self._store.wakes.wake(WAKE)

    async def close(self, grace_s: float) -> None:
        """Let outside work finish for a while; what does not keeps its row and runs again at the next start."""
        if self._performing:
            await asyncio.wait(self._performing, timeout=grace_s)
        for task in self._performing:
            task.cancel()


def release(tx: Tx, owner: str, now_ms: int) -> int:
    """At start: what this owner had leased before it died comes due at once. Answers how many jobs."""
    return tx.run(Q.release_jobs, owner=owner, now=now_ms)
