"""Replay policies: from when to when the archive of a topic goes to a subscription."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from waypost.services.sns.rules.attributes import TopicSettings, Unfit, archive_begin_ms

_MEMBERS = frozenset(["PointType", "StartingPoint", "EndingPoint"])


class Replay(NamedTuple):
    """A replay that is wanted."""

    policy: str
    """As it was written."""
    start_ms: int
    until_ms: int | None
    """None: to the present, and then what is published."""


def read_replay(text: str, topic: TopicSettings, now_ms: int) -> Replay:
    """Read a ReplayPolicy; raises ``Unfit``."""
    if not topic.archive_days:
        raise Unfit("the topic has no ArchivePolicy")
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("failed to parse JSON.") from None
    if not isinstance(policy, dict) or not policy.keys() <= _MEMBERS:
        raise Unfit(f"must be a JSON object with the members {', '.join(sorted(_MEMBERS))}")
    if policy.get("PointType") != "Timestamp":
        raise Unfit("PointType must be Timestamp")
    start_ms = _instant_ms("StartingPoint", policy.get("StartingPoint"))
    until_ms = None if policy.get("EndingPoint") is None else _instant_ms("EndingPoint", policy["EndingPoint"])
    if start_ms < archive_begin_ms(topic, now_ms):
        raise Unfit("StartingPoint must not be before the topic's BeginningArchiveTime")
    if start_ms > now_ms:
        raise Unfit("StartingPoint must not be in the future")
    if until_ms is not None and not start_ms < until_ms <= now_ms:
        raise Unfit("EndingPoint must be after StartingPoint and not in the future")
    return Replay(text, start_ms, until_ms)


def _instant_ms(member: str, value: Any) -> int:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Unfit(f"{member} must be a timestamp such as 2023-06-21T20:38:27.341Z") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1_000)
