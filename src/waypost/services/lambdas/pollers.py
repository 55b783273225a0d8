"""Watches over event source mappings: one waiting poller each, and as many batches at work as the backlog calls for.

Nothing here ticks. An idle mapping is one parked operation that a message, or a change of the mapping, wakes.
"""

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any

from waypost.service import Context, Engine, Operation, Params
from waypost.services.lambdas import polling
from waypost.services.lambdas.limits import (
    BATCH_BYTES_MAX,
    CONCURRENCY_PER_S,
    CONCURRENCY_START,
)  # fmt: skip
from waypost.services.lambdas.polling import Polled
from waypost.services.lambdas.rules import batches
from waypost.services.lambdas.rules.batches import Claimed
from waypost.store.store import StoreUnavailable

log = logging.getLogger(__name__)

CLAIM_BATCHES_MAX = 5
"""Batches of one claim; they share its commit, and it must not hold the store for long."""
THROTTLE_DELAYS_MS = (100, 5_000)
"""First and longest wait of a throttled batch."""
FAULT_DELAY_MS = 1_000


async def run(engine: Engine) -> None:
    """The background work of the service: start a poller for every mapping there is and will be."""
    pollers: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            answer = await persist(engine, polling.new_mappings, "", "", {"Known": pollers.keys()})
            if answer["Stopping"]:
                await asyncio.gather(*pollers.values(), return_exceptions=True)
                return
            for uuid, account, region in answer["Mappings"]:
                pollers[uuid] = asyncio.create_task(_Poller(engine, uuid, account, region).run(), name=uuid)
                pollers[uuid].add_done_callback(partial(_ended, pollers))
    finally:
        for task in list(pollers.values()):
            task.cancel()


def _ended(pollers: dict[str, asyncio.Task[None]], poller: asyncio.Task[None]) -> None:
    del pollers[poller.get_name()]
    if not poller.cancelled() and poller.exception() is not None:
        log.critical(
            "the poller of mapping %s ended by a fault of ours", poller.get_name(), exc_info=poller.exception()
        )


async def persist(engine: Engine, operation: Operation, account: str, region: str, request: Params) -> Params:
    """Run an operation until it succeeds: a full disk or a fault of ours must not end a mapping for good."""
    while True:
        try:
            return await engine.execute(operation, engine.context(account, region), request)
        except StoreUnavailable as error:
            log.warning("a poller's %s has to wait: %s", operation.__name__, error)
        except Exception:
            log.exception("a poller's %s failed; it tries again", operation.__name__)
        await _pause(engine, FAULT_DELAY_MS)


async def _pause(engine: Engine, delay_ms: int) -> bool:
    """Wait by the server's clock; answer whether the server is stopping, which ends every wait."""
    ctx: Context = engine.context("", "")
    try:
        answer = await engine.execute(polling.pause, ctx, {"UntilMs": ctx.now_ms + delay_ms})
    except StoreUnavailable:
        await asyncio.sleep(delay_ms / 1_000)  # there is no other clock to wait by
        return False
    return bool(answer["Stopping"])


class _Poller:
    """One mapping on this node."""

    def __init__(self, engine: Engine, uuid: str, account: str, region: str) -> None:
        self._engine = engine
        self._uuid = uuid
        self._account = account
        self._region = region
        self._working: set[asyncio.Task[None]] = set()
        self._base = CONCURRENCY_START
        self._since_ms = engine.context(account, region).now_ms
        self._throttled = False
        self._stopping = False

    async def run(self) -> None:
        """Claim and hand out batches until the mapping is deleted or the server stops; finish what was handed out."""
        try:
            free = CONCURRENCY_START
            while True:
                claimed = await self._claim(min(free, CLAIM_BATCHES_MAX))
                polled: Polled | None = claimed["Polled"]
                if polled is None:
                    break
                if claimed["Waited"]:
                    self._base, self._since_ms = CONCURRENCY_START, claimed["NowMs"]
                for batch in claimed["Batches"]:
                    if polled.window_s:
                        await self._fill(polled, batch, claimed["NowMs"] + polled.window_s * 1_000)
                    self._start(self._work(polled, batch, claimed["NowMs"]))
                free = await self._room(polled)
            if self._working:
                await asyncio.wait(set(self._working))
        finally:
            for task in self._working:
                task.cancel()

    async def _claim(self, batches_max: int, held: int = 0, until_ms: int | None = None) -> Params:
        request = {
            "UUID": self._uuid, "Batches": batches_max, "Held": held, "UntilMs": until_ms, "Share": self._engine.share
        }  # fmt: skip
        return await persist(self._engine, polling.claim, self._account, self._region, request)

    async def _fill(self, polled: Polled, batch: list[Claimed], until_ms: int) -> None:
        """A batching window: hold on to messages until there are enough, they are too large, or time is up."""
        while len(batch) < polled.batch_size and batches.size(batch) < BATCH_BYTES_MAX:
            more = await self._claim(1, len(batch), until_ms)
            if more["Batches"]:
                batch += more["Batches"][0]
            elif not more["Dropped"]:
                break

    def _share(self, polled: Polled) -> int:
        """The part of this node in the mapping's maximum concurrency; what has none each node does for itself."""
        return polled.limit if polled.concurrency_max is None else self._engine.share(polled.concurrency_max)

    def _limit(self, polled: Polled, now_ms: int) -> int:
        """How many batches may be at work now: more every second that the backlog lasts, fewer after a throttle."""
        if self._throttled:
            self._throttled = False
            self._base, self._since_ms = max(1, len(self._working) - 1), now_ms
        return min(self._share(polled), self._base + (now_ms - self._since_ms) * CONCURRENCY_PER_S // 1_000)

    async def _room(self, polled: Polled) -> int:
        """Wait until another batch may be at work, as one is done or as time has raised the limit; answer how many."""
        while True:
            free = self._limit(polled, self._engine.context("", "").now_ms) - len(self._working)
            if free > 0 or not self._working:
                return max(1, free)  # a node that has no share at all waits for one in its claim
            waiting: set[asyncio.Future[Any]] = set(self._working)
            growth: asyncio.Future[bool] | None = None
            if len(self._working) < self._share(polled) and not self._stopping:
                growth = asyncio.ensure_future(_pause(self._engine, 1_000 // CONCURRENCY_PER_S))
                waiting.add(growth)
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self._stopping = growth is not None and growth.done() and growth.result()
            finally:
                if growth is not None:
                    growth.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, polled: Polled, messages: list[Claimed], claimed_ms: int) -> None:
        """Run what was claimed: nearly always one batch, several where it is too large for one payload."""
        for batch in batches.split(messages, BATCH_BYTES_MAX):
            done = await self._run(polled, batch, claimed_ms)
            if not done and polled.source_arn.endswith(".fifo"):
                return  # what follows may belong to a group whose earlier message failed

    async def _run(self, polled: Polled, batch: list[Claimed], claimed_ms: int) -> bool:
        delay_ms, longest_ms = THROTTLE_DELAYS_MS
        request = {"Polled": polled, "Batch": batch, "ClaimedMs": claimed_ms}
        while True:
            try:
                ctx = self._engine.context(self._account, self._region)
                answer = await self._engine.execute(polling.work, ctx, request)
            except StoreUnavailable as error:
                log.warning("mapping %s: a batch of %d messages was not settled: %s", self._uuid, len(batch), error)
                return False
            except Exception:  # the messages come back by themselves
                log.exception("mapping %s: a batch of %s messages was not settled", self._uuid, len(batch))
                return False
            retry_until_ms = answer.get("RetryUntilMs")
            if retry_until_ms is None:
                return bool(answer["Done"])
            self._throttled = True
            if answer["NowMs"] + delay_ms >= retry_until_ms or await _pause(self._engine, delay_ms):
                return False
            delay_ms = min(delay_ms * 2, longest_ms)
