"""Does the jobs that are due and says when to look again. Nothing polls on a fixed tick."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from waypost.clock import Alarm
from waypost.service import Again, Context, Job, JobHandler, Perform
from waypost.store.store import StoreUnavailable, Tx
from waypost.work.engine import Engine
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

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Runner:
    """One node's hands: claims due jobs, runs their handlers, performs, settles."""

    def __init__(self, engine: Engine, handlers: Mapping[str, JobHandler], owner: str) -> None:
        self._engine = engine
        self._store = engine.store
        self._clock = engine.clock
        self._handlers = handlers
        self._owner = owner
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
        width = 1
        while len(self._performing) < PERFORMING_MAX:
            # Begun together, jobs share a commit; the surplus finds nothing and costs one look each.
            begun = await asyncio.gather(*(self._begin() for _ in range(width)))
            if not all(begun):
                row = await self._store.transact(lambda tx: tx.one(Q.next_due, floor=0))
                return None if row is None else int(row[0])
            width = min(width * 2, BATCH_MAX)
        return None  # a job that ends wakes the loop

    async def _begin(self) -> bool:
        """Take the longest due job and run its handler, all in one transaction. False when nothing is due."""
        taken: list[Job] = []
        try:
            wanted = await self._store.transact(lambda tx: self._step(tx, taken))
        except StoreUnavailable:
            raise
        except Exception:
            if not taken:
                raise
            await self._fault(taken[0])
            return True
        if not taken:
            return False
        if wanted is not None:
            job = msgspec.structs.replace(taken[0], attempts=taken[0].attempts + 1)
            task = asyncio.create_task(self._perform(job, wanted))
            self._performing.add(task)
            task.add_done_callback(self._performed)
        return True

    def _step(self, tx: Tx, taken: list[Job]) -> Perform | None:
        taken.clear()  # a transaction that lost a race runs again
        now_ms = self._clock.now_ms()
        row = tx.one(Q.due_job, floor=0, now=now_ms)
        if row is None:
            return None
        job_id, kind, key, account, region, run_at_ms, attempts, payload = row
        job = Job(job_id, kind, key, account, region, run_at_ms, attempts, _decode(payload))
        taken.append(job)
        handler = self._handlers[job.kind]
        result = handler(tx, self._engine.context(job.account, job.region), job)
        if isinstance(result, Perform):
            tx.send(Q.lease_job, id=job.id, lease_until=now_ms + LEASE_MS, owner=self._owner)
            return result
        self._finish(tx, job, result)
        return None

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
            performer = self._engine.performers[type(wanted.call)]
            while True:
                outcome = await performer(wanted.call)
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
