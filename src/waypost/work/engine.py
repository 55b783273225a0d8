"""Runs operations to their end: parks them, performs what they ask for, settles the outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from waypost.clock import Alarm, Clock
from waypost.ids import Ids
from waypost.service import Caller, Calls, Context, Operation, Params, Park, Perform
from waypost.store.store import Store, StoreUnavailable, T, Tx

log = logging.getLogger(__name__)

Performer = Callable[[Any], Awaitable[Any]]

STALE_MS = 20
"""An operation that begins so much later than its context was made gets the time anew."""
SETTLE_MS = 60_000
"""How long the outcome of outside work is kept while the store cannot take it."""
SETTLE_PAUSES_MS = (50, 1_000)
"""First and longest pause between two tries."""


class ClientGone(Exception):  # noqa: N818 (a state of affairs)
    """Whoever asked is no longer there to be answered."""


class Engine:
    """What gateway, jobs and background work share: the store, the clock, and a way to run an operation."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        calls: Calls,
        performers: Mapping[type, Performer],
        base_url: str = "",
    ) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.calls = calls
        self.performers = performers
        self.base_url = base_url
        self.place = (0, 1)
        """Which node this is of how many that share the store."""
        self._stopping = False
        self._parked: set[asyncio.Future[None]] = set()
        self._retries: dict[str, tuple[int, Alarm]] = {}

    @property
    def parked(self) -> int:
        """How many operations are waiting."""
        return len(self._parked)

    def share(self, limit: int) -> int:
        """The part of this node in a limit that is meant for all nodes together; the parts add up to the limit."""
        position, nodes = self.place
        return limit * (position + 1) // nodes - limit * position // nodes

    def context(self, account: str, region: str) -> Context:
        """A context for work that no client asked for."""
        now_ms = self.clock.now_ms()
        arn = f"arn:aws:iam::{account}:root"
        return Context(
            account, region, self.ids.uuid(), now_ms, now_ms, Caller(account, "", arn, account), self.ids, self.calls,
            self.base_url, "internal",
        )  # fmt: skip

    def current(self, ctx: Context) -> Context:
        """The context of an operation that runs now: it may have waited for the store, or run before and lost a race.

        What it writes would else be older than when it happened.
        """
        now_ms = self.clock.now_ms()
        return ctx if now_ms - ctx.now_ms < STALE_MS else msgspec.structs.replace(ctx, now_ms=now_ms)

    async def execute(
        self, operation: Operation, ctx: Context, request: Params, gone: Awaitable[None] | None = None
    ) -> Params:
        """Run an operation to its response. ``gone`` completes when the client has left: a parked call then ends."""
        result = await self.store.transact(lambda tx: operation(tx, self.current(ctx), request))
        return await self.finish(result, operation, ctx, request, gone)

    async def finish(
        self, result: Any, operation: Operation, ctx: Context, request: Params, gone: Awaitable[None] | None = None
    ) -> Params:
        """The rest of ``execute``, from what the operation's first run returned."""
        while True:
            if type(result) is Perform:
                result = await self.perform(result, ctx)
            elif type(result) is Park:
                result = await self._wait(operation, ctx, request, result, gone)
            else:
                return result if result is not None else {}

    async def perform(self, wanted: Perform, ctx: Context) -> Any:
        """Do outside work, then settle it in a transaction. A performer's own errors are outcomes, too."""
        performer = self.performers[type(wanted.call)]
        outcome = await performer(wanted.call)
        later = msgspec.structs.replace(ctx, now_ms=self.clock.now_ms())
        return await self.settle(lambda tx: wanted.settle(tx, self.current(later), outcome))

    async def settle(self, work: Callable[[Tx], T]) -> T:
        """The transaction after outside work: tried again while the store is away, for what was done is done.

        Raises ``StoreUnavailable`` at last, or when the server stops.
        """
        pause_ms, longest_ms = SETTLE_PAUSES_MS
        until_ms = self.clock.now_ms() + SETTLE_MS
        while True:
            try:
                return await self.store.transact(work)
            except StoreUnavailable:
                if self._stopping or self.clock.now_ms() >= until_ms:
                    raise
            rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            alarm = self.clock.call_at(self.clock.now_ms() + pause_ms, partial(_complete, rung))
            try:
                await rung
            finally:
                alarm.cancel()
            pause_ms = min(pause_ms * 2, longest_ms)

    async def _wait(
        self, operation: Operation, ctx: Context, request: Params, park: Park, gone: Awaitable[None] | None
    ) -> Any:
        """Run a parked operation again whenever something may have changed, until it has an answer."""
        left = asyncio.ensure_future(gone) if gone is not None else None
        loop = asyncio.get_running_loop()
        try:
            while True:
                woken: asyncio.Future[None] = loop.create_future()
                notify = partial(_complete, woken)

                # Wait first, look second: what changed since the last look is seen by this one.
                waiter = self.store.wakes.park(park.keys, notify)
                deadline = self.clock.call_at(park.until_ms, notify)
                self._parked.add(woken)
                try:
                    result = await self._look(operation, ctx, request)
                    if type(result) is not Park:
                        if waiter.woken:
                            self._pass_on(park)
                        return result
                    park = result
                    self._retry(park)
                    if not self._stopping:
                        await asyncio.wait({woken} if left is None else {woken, left}, return_when="FIRST_COMPLETED")
                    if left is not None and left.done():
                        if waiter.woken:
                            self._pass_on(park)
                        raise ClientGone
                finally:
                    deadline.cancel()
                    self.store.wakes.leave(waiter)
                    self._parked.discard(woken)
        finally:
            if left is not None:
                left.cancel()

    async def _look(self, operation: Operation, ctx: Context, request: Params) -> Any:
        # At shutdown every wait counts as over: the operation answers with what it has.
        again = msgspec.structs.replace(
            ctx, now_ms=self.clock.now_ms(), started_ms=0 if self._stopping else ctx.started_ms
        )
        return await self.store.transact(lambda tx: operation(tx, self.current(again), request))

    def _pass_on(self, park: Park) -> None:
        """A wake that its receiver did not need belongs to the next one."""
        for key in park.keys:
            self.store.wakes.wake(key)

    def _retry(self, park: Park) -> None:
        """One alarm a key wakes one waiter when time alone may have changed something; thousands may be waiting."""
        at_ms = park.retry_ms
        if at_ms is None:
            return
        key = park.keys[0]
        armed = self._retries.get(key)
        if armed is not None:
            if armed[0] <= at_ms:
                return
            armed[1].cancel()
        self._retries[key] = (at_ms, self.clock.call_at(at_ms, lambda: self._ring(key)))

    def _ring(self, key: str) -> None:
        self._retries.pop(key, None)
        self.store.wakes.wake(key)

    def stop(self) -> None:
        """Let every parked operation answer now."""
        self._stopping = True
        for woken in list(self._parked):
            _complete(woken)
        for _, alarm in self._retries.values():
            alarm.cancel()


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
