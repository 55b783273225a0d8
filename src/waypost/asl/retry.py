"""Which retrier or catcher takes an error, and how long a retry waits. Pure arithmetic."""

import contextlib
import hashlib
from typing import Any

import msgspec

from waypost.asl import errors

_DEFAULT_ATTEMPTS = 3

ALIASES = {
    errors.REFERENCE_PATH: "States.ResultPathMatchFailure",
    errors.HEARTBEAT: errors.TIMEOUT,
}
"""An error of the left name is also known by the right one."""


class Retrier(msgspec.Struct, frozen=True):
    """One entry of ``Retry``."""

    error_equals: tuple[str, ...]
    interval_s: float = 1
    attempts_max: int = _DEFAULT_ATTEMPTS
    backoff_rate: float = 2.0
    delay_max_s: float | None = None
    jitter: bool = False

    def delay_ms(self, retries: int, seed: str) -> int:
        """Answer how long to wait before the next try, after ``retries`` earlier ones."""
        delay_s = self.delay_max_s or 31_622_400_000.0
        with contextlib.suppress(OverflowError):
            delay_s = min(delay_s, self.interval_s * self.backoff_rate**retries)
        if self.jitter:
            digest = hashlib.sha256(f"{seed}/jitter".encode()).digest()
            delay_s *= int.from_bytes(digest[:8], "big") / 2**64
        return round(delay_s * 1000)


def matches(names: tuple[str, ...], error: str) -> bool:
    """Whether an ``ErrorEquals`` takes an error."""
    for name in names:
        if name == error or ALIASES.get(error) == name:
            return True
        if name == "States.ALL":
            if error not in (errors.RUNTIME, errors.DATA_LIMIT):
                return True
        elif name == errors.TASK_FAILED and error not in (
            errors.TIMEOUT,
            errors.HEARTBEAT,
            errors.RUNTIME,
            errors.DATA_LIMIT,
        ):
            return True
    return False


def choose(retriers: tuple[Retrier, ...], used: tuple[int, ...], error: str) -> int | None:
    """Answer which retrier tries again, None if none does: the first that takes the error decides."""
    for position, retrier in enumerate(retriers):
        if matches(retrier.error_equals, error):
            spent = used[position] if used else 0
            return position if spent < retrier.attempts_max else None
    return None


def spend(used: tuple[int, ...], position: int, count: int) -> tuple[int, ...]:
    """Answer the attempts used, with one more for the retrier at ``position`` of ``count``."""
    spent = list(used) if used else [0] * count
    spent[position] += 1
    return tuple(spent)


def error_output(error: str, cause: str | None) -> dict[str, Any]:
    """Build what a catcher hands to the next state."""
    return {"Error": error, "Cause": cause or ""}
