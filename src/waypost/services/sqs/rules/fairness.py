"""Fair queues: which tenants of a standard queue are noisy, and where their messages lie.

A tenant is a MessageGroupId; a message without one is a tenant of its own. The measures and numbers are AWS's
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html), which calls
them approximate, and so are these: they are taken from samples.
"""

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from heapq import nlargest
from typing import NamedTuple

SHARE = 10
"""Percent of the messages in flight, or of the recent processing time, beyond which a tenant is noisy."""
IN_FLIGHT_MIN = 30
"""Messages of its own in flight below which a tenant is not noisy by the number of them."""
IDLE_MS = 300_000
"""A tenant with nothing in flight for so long is not noisy any more."""

# Ours, not AWS's.

RECENT_MS = 60_000
"""What is "recent" in the processing time: a message in flight counts half after so long."""
SEEN_MIN = 3
"""So often a tenant's messages are met in flight before its processing time is judged, for once may be chance..."""
SEEN_ALL_MIN = 10
"""... and so often anybody's."""
TENANTS_KEPT = 500
"""Tenants whose processing time is remembered: those with most of it. Twice as many are before the others go."""
COUNTED_MAX_MS = 10_000
"""What is in flight now has been so since the last sample, but for no longer than this."""
LOOK_MS = 1_000
"""Time after which a sample of a queue is taken anew."""
ROWS_PER_MS = 20
"""Messages in flight that put off the next sample by a millisecond: 120,000 of them by six seconds."""
LOOK_AFTER = 10
"""Messages received after which a sample is taken anew in any case..."""
LOOK_PART = 4
"""... or this part of those that were in flight, where that is more: so a sample costs each of them the same."""
GONE_MIN = 1_000
"""Entries of what is gone that a sample walks over without being taken less often for them."""
SAMPLE = 2_000
"""About so many messages are looked at for a sample; of more in flight every second, fourth, eighth and so on."""


class Lane(NamedTuple):
    """A storage of a noisy tenant."""

    group_id: str
    storage: int
    open: bool
    """Whether the tenant is noisy: its messages go there, and come last. What a closed lane still has comes first."""


@lru_cache(maxsize=1024)
def read_lanes(text: str) -> tuple[Lane, ...]:
    """The lanes in a queue's row. Remembered by the text itself, so that nothing can be out of date."""
    return tuple(Lane(group_id, storage, bool(is_open)) for group_id, storage, is_open in json.loads(text))


def write_lanes(lanes: Iterable[Lane]) -> str | None:
    """The text that a queue's row keeps; None where there are none."""
    listed = [[lane.group_id, lane.storage, int(lane.open)] for lane in lanes]
    return json.dumps(listed, separators=(",", ":")) if listed else None


class Sample(NamedTuple):
    """What is in flight at one time."""

    at_ms: int
    groups: Mapping[str, int]
    """By group, as far as messages have one."""
    total: int
    """All messages, those without a group as well."""


class Past(NamedTuple):
    """What samples have shown of the processing time."""

    at_ms: int
    """When the last one was taken."""
    busy: Mapping[str, float]
    """By group: milliseconds that its messages were in flight, those long ago less."""
    busy_all: float
    """The same of all messages."""
    seen: Mapping[str, float]
    """By group: how many messages the samples met, those long ago less."""
    seen_all: float


def remember(past: Past | None, sample: Sample) -> Past:
    """The past after a sample: what is in flight now is taken to have been so since the last one."""
    if past is None or sample.at_ms < past.at_ms:
        return Past(sample.at_ms, {}, 0.0, {}, 0.0)
    passed_ms = sample.at_ms - past.at_ms
    if not passed_ms:
        return past
    kept = faded(1.0, passed_ms, RECENT_MS)
    counted_ms = min(passed_ms, COUNTED_MAX_MS)
    busy = {group: ms * kept for group, ms in past.busy.items()}
    seen = {group: times * kept for group, times in past.seen.items()}
    for group, count in sample.groups.items():
        busy[group] = busy.get(group, 0.0) + count * counted_ms
        seen[group] = seen.get(group, 0.0) + count
    if len(busy) > 2 * TENANTS_KEPT:
        most = nlargest(TENANTS_KEPT, busy, key=lambda group: busy[group])
        busy, seen = {group: busy[group] for group in most}, {group: seen[group] for group in most}
    return Past(
        sample.at_ms, busy, past.busy_all * kept + sample.total * counted_ms, seen, past.seen_all * kept + sample.total
    )


def noisy(sample: Sample, past: Past) -> list[str]:
    """The noisy tenants, those with most in flight first."""
    found = {
        group for group, count in sample.groups.items() if count >= IN_FLIGHT_MIN and count * 100 > sample.total * SHARE
    }
    if past.seen_all >= SEEN_ALL_MIN:
        found |= {
            group
            for group, ms in past.busy.items()
            if ms * 100 > past.busy_all * SHARE and past.seen[group] >= SEEN_MIN
        }
    return sorted(found, key=lambda group: (-sample.groups.get(group, 0), group))


def next_look_ms(looked_at: int) -> int:
    """How long a sample is good that looked at so many messages: the more there are the longer a look takes."""
    return LOOK_MS + looked_at // ROWS_PER_MS


def next_look_after(looked_at: int) -> int:
    """How many messages may be received before the next sample."""
    return max(LOOK_AFTER, looked_at // LOOK_PART)


def faded(count: float, passed_ms: int, half_ms: int) -> float:
    """What is left of a count of which half goes in ``half_ms``."""
    return count * math.pow(0.5, max(0, passed_ms) / max(1, half_ms))


def one_of(total: int) -> int:
    """Every how many of ``total`` messages in flight one is looked at: a power of two."""
    return 1 << (total // SAMPLE).bit_length()
