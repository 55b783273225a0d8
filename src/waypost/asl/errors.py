"""Errors a state can end with. They are values of the language; a Python exception only carries them."""

DATA_LIMIT = "States.DataLimitExceeded"
HEARTBEAT = "States.HeartbeatTimeout"
INTRINSIC = "States.IntrinsicFailure"
REFERENCE_PATH = "States.ReferencePathConflict"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"

TOO_DEEP = "The document is nested too deeply."


class StateError(Exception):
    """A state failed with ``error`` and ``cause``; what follows is up to its Retry and Catch."""

    def __init__(self, error: str, cause: str, *, located: bool = True) -> None:
        """``located``: AWS tells the state and its event before the cause."""
        super().__init__(error, cause)
        self.error = error
        self.cause = cause
        self.located = located


def oversized_error(name: str) -> StateError:
    """Tell that ``name`` (a state, a service, a function) answered with too many bytes."""
    cause = (
        f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
    )
    return StateError(DATA_LIMIT, cause, located=False)


def explain(error: StateError, state: str, entered_event: int) -> str:
    """Write the cause as the history shows it."""
    if not error.located:
        return error.cause
    prefix = f"An error occurred while executing the state '{state}' (entered at the event id #{entered_event})."
    return f"{prefix} {error.cause}"
