"""Time that moves only when told to."""

import heapq
from collections.abc import Callable


class _Alarm:
    __slots__ = ("at_ms", "call", "number")

    def __init__(self, at_ms: int, number: int, call: Callable[[], None]) -> None:
        self.at_ms = at_ms
        self.number = number
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Forget the call."""
        self.call = None

    def __lt__(self, other: "_Alarm") -> bool:
        return (self.at_ms, self.number) < (other.at_ms, other.number)


class VirtualClock:
    """A ``Clock`` that stands still between calls of ``advance``."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._alarms: list[_Alarm] = []
        self._number = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as last set."""
        return self._now_ms

    def call_at(self, at_ms: int, call: Callable[[], None]) -> _Alarm:
        """Run ``call`` during the ``advance`` that reaches ``at_ms``; one that is past runs at the next advance."""
        self._number += 1
        alarm = _Alarm(at_ms, self._number, call)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def next_ms(self) -> int | None:
        """The instant of the next alarm."""
        while self._alarms and self._alarms[0].call is None:
            heapq.heappop(self._alarms)
        return self._alarms[0].at_ms if self._alarms else None

    def advance(self, by_ms: int) -> None:
        """Move on, running what comes due on the way in order, each at its own instant."""
        until_ms = self._now_ms + by_ms
        while (at_ms := self.next_ms()) is not None and at_ms <= until_ms:
            alarm = heapq.heappop(self._alarms)
            self._now_ms = max(self._now_ms, at_ms)
            call = alarm.call
            if call is not None:
                call()
        self._now_ms = until_ms
