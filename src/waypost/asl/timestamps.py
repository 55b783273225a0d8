"""Timestamps of the language: RFC 3339 with a capital T and a zone, to the nanosecond."""

import re
from datetime import UTC, datetime, timedelta, timezone

_PATTERN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_ns(text: str) -> int | None:
    """Read a timestamp: nanoseconds since the epoch, None if it is not one."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = match.groups()
    try:
        zone = UTC
        if sign:
            offset = timedelta(hours=int(zone_hour), minutes=int(zone_minute))
            zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    except ValueError:
        return None
    elapsed = moment - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def format_ms(at_ms: int) -> str:
    """Write milliseconds since the epoch as the context object does: a fraction only when there is one."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at_ms % 1000:03d}Z" if at_ms % 1000 else f"{text}Z"
