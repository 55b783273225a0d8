"""The only module that reads the time. Everything else is handed a ``Clock``."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Alarm(Protocol):
    """A call that was promised for later; ``cancel`` takes the promise back."""

    def cancel(self) -> None:
        """Forget the call."""


class Clock(Protocol):
    """What the server knows of time: the wall clock in milliseconds, and calls at an instant."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def call_at(self, at_ms: int, call: Callable[[], None]) -> Alarm:
        """Run ``call`` on the event loop once ``now_ms()`` has reached ``at_ms``."""
        ...


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    def __init__(self) -> None:
        self.offset_ms = 0
        """What corrects the machine's clock: nodes that share a database have its time."""

    def machine_ms(self) -> int:
        """Milliseconds since the epoch, as the machine has it."""
        return time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def call_at(self, at_ms: int, call: Callable[[], None]) -> Alarm:
        """Arm a timer of the running event loop; it fires at or just after ``at_ms``."""
        # The loop's timer runs on a monotonic clock in whole milliseconds: one more keeps it from firing early.
        delay_s = max(0, at_ms - self.now_ms() + 1) / 1000
        return asyncio.get_running_loop().call_later(delay_s, call)


monotonic_ns = time.perf_counter_ns
"""Nanoseconds of a clock that only goes forward: for durations, never for instants."""
