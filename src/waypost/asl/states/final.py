"""Succeed and Fail: the ends of a branch."""

from waypost.asl.dataflow import read_path
from waypost.asl.errors import RUNTIME, StateError
from waypost.asl.intrinsics import Intrinsic
from waypost.asl.jsonpath import Path
from waypost.asl.run import Live, Run, State
from waypost.asl.scope import Scope


class SucceedState(State, frozen=True, kw_only=True):
    """A Succeed state."""

    def begin(self, run: Run, live: Live) -> None:
        """Exit at once; the branch ends well."""
        scope = run.scope(live, live.document.value, "in")
        run.leave(live, self, self.flow.narrowed(self.flow.selected(live.document, scope), scope))


class FailState(State, frozen=True, kw_only=True):
    """A Fail state."""

    error: str | Path | Intrinsic | None = None
    """A constant, or where to read it (ErrorPath)."""
    cause: str | Path | Intrinsic | None = None

    def begin(self, run: Run, live: Live) -> None:
        """Fail the branch."""
        error, cause = self.error, self.cause
        if isinstance(error, (Path, Intrinsic)) or isinstance(cause, (Path, Intrinsic)):
            scope = run.scope(live, live.document.value, "in")
            error = _told(scope, error, "ErrorPath")
            cause = _told(scope, cause, "CausePath")
        run.fail(live, error, cause)


def _told(scope: Scope, source: str | Path | Intrinsic | None, field: str) -> str | None:
    if source is None or isinstance(source, str):
        return source
    value = source.evaluate(scope) if isinstance(source, Intrinsic) else read_path(scope, source)
    if not isinstance(value, str):
        raise StateError(RUNTIME, f"The {field} parameter does not reference a string: {source.text}")
    return value
