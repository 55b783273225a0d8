"""Which events PutLogEvents takes: API_PutLogEvents."""

from collections.abc import Sequence
from typing import NamedTuple

from waypost.service import Params
from waypost.services.logs import errors
from waypost.services.logs.limits import (
    BATCH_BYTES_MAX,
    BATCH_SPAN_MS_MAX,
    EVENT_AGE_MS_MAX,
    EVENT_AHEAD_MS_MAX,
    EVENT_BYTES_MAX,
)
from waypost.services.logs.rules.retention import oldest_kept_ms
from waypost.services.logs.rules.rows import Event, size_of


class Intake(NamedTuple):
    """What becomes of a batch."""

    events: Sequence[Event]
    """Those that are taken."""
    rejected: Params
    """rejectedLogEventsInfo; empty where all are taken."""


def check_batch(events: Sequence[Event], now_ms: int, retention_days: int | None) -> Intake:
    """Divide a batch into what is taken and what is rejected. Raises ``AwsError`` where all of it is refused."""
    _check_sizes(events)
    before = events[0][0]
    for at_ms, _ in events:
        if at_ms < before:
            raise errors.invalid("Log events in a single PutLogEvents request must be in chronological order.")
        before = at_ms
    old_ms = now_ms - EVENT_AGE_MS_MAX
    expired_ms = max(old_ms, oldest_kept_ms(now_ms, retention_days))
    # The batch is in order: what is too old lies at its beginning, what is too new at its end.
    old = _count_before(events, old_ms)
    expired = _count_before(events, expired_ms)
    new = _count_before(events, now_ms + EVENT_AHEAD_MS_MAX + 1)
    rejected: Params = {}
    if old:
        rejected["tooOldLogEventEndIndex"] = old
    if expired > old:
        rejected["expiredLogEventEndIndex"] = expired
    if new < len(events):
        rejected["tooNewLogEventStartIndex"] = new
    taken = events[expired:new] if rejected else events
    if taken and taken[-1][0] - taken[0][0] > BATCH_SPAN_MS_MAX:
        raise errors.invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    return Intake(taken, rejected)


def _check_sizes(events: Sequence[Event]) -> None:
    total = 0
    for _, message in events:
        size = size_of(message)
        if size > EVENT_BYTES_MAX:
            raise errors.invalid(f"Log event too large: {size} bytes exceeds limit of {EVENT_BYTES_MAX}")
        total += size
    if total > BATCH_BYTES_MAX:
        raise errors.invalid(f"Upload too large: {total} bytes exceeds limit of {BATCH_BYTES_MAX}")


def _count_before(events: Sequence[Event], at_ms: int) -> int:
    if events[-1][0] < at_ms:
        return len(events)
    return next(place for place, event in enumerate(events) if event[0] >= at_ms)
