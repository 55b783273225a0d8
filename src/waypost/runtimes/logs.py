"""Lines of functions on their way into CloudWatch Logs: gathered for a moment, and written in batches.

An invocation does not wait for its log. What is gathered is lost if the server is killed; what the store cannot take is
kept, within bounds, until it can.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from waypost.clock import Alarm, Clock
from waypost.runtimes.invocation import FunctionSpec
from waypost.store.store import StoreUnavailable

log = logging.getLogger(__name__)

GATHER_MS = 200
"""How long lines are gathered: a busy environment makes five writes a second, not one for each invocation."""
RETRY_MS = 1_000
"""Between two tries of a write that the store could not take."""
BATCH_BYTES_MAX = 4_194_304
"""Lines of one write."""
BUFFER_BYTES_MAX = 33_554_432
"""Lines that wait at once; what comes beyond is lost, and said so."""
_LINE_BYTES = 64
"""What a line costs besides its characters."""

Line = tuple[int, str]
"""Milliseconds since the epoch, and a text without its end of line."""


class Stream(NamedTuple):
    """Where lines go."""

    account: str
    region: str
    group: str
    name: str


Write = Callable[[Mapping[Stream, list[Line]]], Awaitable[None]]
"""Keeps lines, oldest first; raises ``StoreUnavailable`` where it could not."""


class FunctionLogs:
    """The log sink of a host's environments; used on the event loop."""

    def __init__(self, clock: Clock, write: Write) -> None:
        self._clock = clock
        self._write = write
        self._waiting: dict[Stream, list[Line]] = {}
        self._bytes = 0
        self._lost = 0
        self._alarm: Alarm | None = None
        self._writing: asyncio.Task[None] | None = None
        self._closing = False

    def __call__(self, spec: FunctionSpec, stream: str, lines: list[Line]) -> None:
        """Take lines of a function, each with its ms since epoch; they are in the store soon after."""
        size = sum(len(text) + _LINE_BYTES for _, text in lines)
        if self._bytes + size > BUFFER_BYTES_MAX:
            if not self._lost:
                log.warning("log lines of functions are lost: they come faster than the store takes them")
            self._lost += len(lines)
            return
        self._bytes += size
        self._waiting.setdefault(Stream(spec.account, spec.region, spec.log_group, stream), []).extend(lines)
        if self._alarm is None and self._writing is None:
            self._wait(GATHER_MS)

    def _wait(self, by_ms: int) -> None:
        self._alarm = self._clock.call_at(self._clock.now_ms() + by_ms, self._begin)

    def _begin(self) -> None:
        self._alarm = None
        self._writing = asyncio.ensure_future(self._write_some())
        self._writing.add_done_callback(self._written)

    async def _write_some(self) -> None:
        """Write a batch; what the store did not take goes back to the front."""
        batch, size = self._take()
        try:
            await self._write({stream: sorted(lines, key=_at) for stream, lines in batch.items()})
        except StoreUnavailable:
            later, self._waiting = self._waiting, batch
            for stream, lines in later.items():
                self._waiting.setdefault(stream, []).extend(lines)
            raise
        self._bytes -= size
        if self._lost:
            log.warning("%d log lines of functions were lost", self._lost)
            self._lost = 0

    def _take(self) -> tuple[dict[Stream, list[Line]], int]:
        """Streams up to a batch's size; those behind them wait for the next."""
        batch: dict[Stream, list[Line]] = {}
        total = 0
        for stream in list(self._waiting):
            size = sum(len(text) + _LINE_BYTES for _, text in self._waiting[stream])
            if batch and total + size > BATCH_BYTES_MAX:
                break
            batch[stream] = self._waiting.pop(stream)
            total += size
        return batch, total

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        failed = None if task.cancelled() else task.exception()
        if isinstance(failed, StoreUnavailable):
            log.warning("cannot keep log lines of functions now: %s", failed)
        elif failed is not None:
            log.error("log lines of functions are lost by a fault of ours", exc_info=failed)
            self._bytes = sum(len(text) + _LINE_BYTES for lines in self._waiting.values() for _, text in lines)
        if self._waiting and not self._closing:
            self._wait(GATHER_MS if failed is None else RETRY_MS)

    async def close(self) -> None:
        """Write what is left, once."""
        self._closing = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._writing is not None:
            await asyncio.wait({self._writing})
        while self._waiting:
            try:
                await self._write_some()
            except StoreUnavailable as error:
                log.warning("the last log lines of functions are lost: %s", error)
                return


def _at(line: Line) -> int:
    return line[0]
