"""Wait: until an instant."""

from typing import Any

from waypost.asl.document import compact
from waypost.asl.errors import RUNTIME, StateError
from waypost.asl.events import TimerFired
from waypost.asl.jsonpath import Path, PathError
from waypost.asl.run import Live, Run, State
from waypost.asl.scope import Scope
from waypost.asl.timestamps import parse_ns

SECONDS_MAX = 99_999_999


class WaitState(State, frozen=True, kw_only=True):
    """A Wait state; exactly one of the four is set."""

    seconds: int | None = None
    timestamp_ms: int | None = None
    seconds_path: Path | None = None
    timestamp_path: Path | None = None

    def begin(self, run: Run, live: Live) -> None:
        """Start the timer, or exit at once when the instant has passed."""
        head = live.head
        due_ms = self._due_ms(run, live)
        if due_ms <= run.at_ms:
            self.exit(run, live)
            return
        head.phase = "waiting"
        head.due_ms = due_ms
        run.start_timer(live, "wait", due_ms)

    def exit(self, run: Run, live: Live) -> None:
        """Hand the input on."""
        scope = run.scope(live, live.document.value, "out")
        selected = self.flow.selected(live.document, scope)
        run.leave(live, self, self.flow.narrowed(selected, scope), assigned=self.assigned(scope, selected.value))

    def _due_ms(self, run: Run, live: Live) -> int:
        if self.seconds is not None:
            return run.at_ms + self.seconds * 1000
        if self.timestamp_ms is not None:
            return self.timestamp_ms
        scope = run.scope(live, live.document.value, "in")
        selected = self.flow.selected(live.document, scope)
        scope = scope if selected is live.document else scope.at(selected.value)
        if self.seconds_path is not None:
            return run.at_ms + _seconds(self.seconds_path, scope) * 1000
        if self.timestamp_path is None:
            raise LookupError(f"state {self.name} waits for nothing")
        return _timestamp_ms(self.timestamp_path, scope)


def fired(run: Run, live: Live, event: TimerFired) -> None:
    """Go on when the instant has come; arm a timer that fired early again."""
    if event.kind != "wait":
        return
    if event.at_ms < live.head.due_ms:
        run.start_timer(live, "wait", live.head.due_ms)
        return
    state = run.states[live.head.state]
    if isinstance(state, WaitState):
        state.exit(run, live)


def _referenced(path: Path, scope: Scope, field: str) -> Any:
    try:
        return scope.read(path)
    except PathError as error:
        raise StateError(RUNTIME, f"The {field} parameter does not reference an input value: {path.text}") from error


def _seconds(path: Path, scope: Scope) -> int:
    value = _referenced(path, scope, "SecondsPath")
    shown = value if isinstance(value, str) else compact(value)
    if type(value) is not int:
        raise StateError(RUNTIME, f"The SecondsPath parameter cannot be parsed as a long value: {path.text} == {shown}")
    if value < 0:
        raise StateError(RUNTIME, f"The SecondsPath parameter references a negative value: {path.text} == {shown}")
    if value > SECONDS_MAX:
        raise StateError(RUNTIME, "Wait state delay is too long.")
    return value


def _timestamp_ms(path: Path, scope: Scope) -> int:
    value = _referenced(path, scope, "TimestampPath")
    instant_ns = parse_ns(value) if isinstance(value, str) else None
    if instant_ns is None:
        shown = value if isinstance(value, str) else compact(value)
        raise StateError(
            RUNTIME,
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: "
            f"{path.text} == {shown}",
        )
    return -(-instant_ns // 1_000_000)
