"""A worker's output, cut into log events. Pure.

Workers write to one pipe in two ways: plain lines (print, console of a child process ...), and frames, which are how
AWS's runtime clients hand over a log record with all its lines as one event. A frame starts with bytes that no UTF-8
text contains, so both can share the pipe and keep their order.
"""

import struct

EVENT_MAX = 262_144 - 26
"""Bytes of one log event, as CloudWatch Logs counts them; longer ones are cut."""

_FRAME = struct.Struct(">IIQ")
"""Type, length, microseconds since the epoch."""
_MARK = b"\xa5\x5a\x00"
_FRAME_MAX = 16 * 1024 * 1024
"""A length above this is not a frame but a function that writes noise."""


class Output:
    """The events of one stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The events that ``data`` completes."""
        data = self._rest + data if self._rest else data
        events: list[str] = []
        while True:
            mark = data.find(_MARK)
            if mark < 0:
                self._rest = self._lines(data, events)
                return events
            head = data[:mark]
            rest = self._lines(head, events)
            if len(data) - mark < _FRAME.size:
                self._rest = rest + data[mark:]
                return events
            _, length, _ = _FRAME.unpack_from(data, mark)
            if length > _FRAME_MAX:
                _append(events, rest + data[mark : mark + len(_MARK)])
                data = data[mark + len(_MARK) :]
                continue
            end = mark + _FRAME.size + length
            if len(data) < end:
                self._rest = rest + data[mark:]
                return events
            if rest:
                _append(events, rest)
            _append(events, data[mark + _FRAME.size : end].removesuffix(b"\n"))
            data = data[end:]

    def flush(self) -> list[str]:
        """What was written without an end of line, as an event of its own."""
        events: list[str] = []
        if self._rest:
            _append(events, self._rest)
            self._rest = b""
        return events

    @staticmethod
    def _lines(data: bytes, events: list[str]) -> bytes:
        """Append the complete lines of ``data``; answers what follows the last one."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            _append(events, line)
        while len(rest) > EVENT_MAX:
            _append(events, rest[:EVENT_MAX])
            rest = rest[EVENT_MAX:]
        return rest


def _append(events: list[str], event: bytes) -> None:
    event = event.removesuffix(b"\r")
    starts = range(0, len(event) or 1, EVENT_MAX)
    events.extend(event[start : start + EVENT_MAX].decode("utf-8", "replace") for start in starts)
