"""Work for a processor alone, done in threads: on the loop's it would hold everybody up.

It helps only with what lets go of the interpreter while it works, as OpenSSL's signatures do.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

THREADS_MAX = 4
TOGETHER_MAX = 8
"""Pieces of work that a thread takes at a time. What comes back together shares a commit; with more of them the loop
would wait for the thread and the thread for the loop, where both could work."""


class Compute(msgspec.Struct, frozen=True):
    """What to do, as the ``call`` of a ``Perform``; the outcome is what ``function`` returns or raises."""

    function: Callable[[], Any]
    """Touches neither the store nor the loop."""


class Processors:
    """The performer of ``Compute``."""

    def __init__(self) -> None:
        self._free = min(THREADS_MAX, max(1, (os.cpu_count() or 1) - 1))
        self._threads = ThreadPoolExecutor(self._free, "compute")
        self._waiting: list[tuple[Compute, asyncio.Future[Any]]] = []

    async def perform(self, call: Compute) -> Any:
        """Its outcome, in the order of asking."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((call, answer))
        self._begin(loop)
        return await answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._free and self._waiting:
            taken, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
            self._free -= 1
            self._threads.submit(self._work, loop, taken)

    def _work(self, loop: asyncio.AbstractEventLoop, taken: list[tuple[Compute, asyncio.Future[Any]]]) -> None:
        done = [(answer, *_outcome(call)) for call, answer in taken]
        loop.call_soon_threadsafe(self._answer, loop, done)

    def _answer(
        self, loop: asyncio.AbstractEventLoop, done: list[tuple[asyncio.Future[Any], Any, Exception | None]]
    ) -> None:
        self._free += 1
        self._begin(loop)
        for answer, outcome, error in done:
            if answer.done():
                continue  # nobody waits for it any more
            if error is None:
                answer.set_result(outcome)
            else:
                answer.set_exception(error)

    def close(self) -> None:
        """Take no more work, and do not wait for what is under way: nobody is left to hear of it."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _outcome(call: Compute) -> tuple[Any, Exception | None]:
    try:
        return call.function(), None
    except Exception as error:  # noqa: BLE001 (it travels to whoever awaits the outcome)
        return None, error
