"""Timestamps on the wire, in their three forms; inside, a timestamp is a float: seconds since the epoch, UTC."""

import re
from datetime import UTC, datetime

EPOCH = "unixTimestamp"
ISO = "iso8601"
HTTP = "rfc822"

FIRST = -62_135_596_800.0
"""The year 1, in seconds since the epoch."""
LAST = 253_402_300_799.999
"""The year 9999."""

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,18})?([eE][+-]?\d{1,2})?", re.ASCII)
_HTTP_DATE = re.compile(
    r"[A-Za-z]{3}, (\d{2}) ([A-Za-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC|[+-]0000)", re.ASCII
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def parse(text: str) -> float:
    """Read a timestamp in any of the three forms; raises ``ValueError``."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return bounded(float(text))
    http_date = _HTTP_DATE.fullmatch(text)
    if http_date is not None:
        day, month, year, hour, minute, second = http_date.groups()
        if month.title() not in _MONTHS:
            raise ValueError(text)
        number = _MONTHS.index(month.title()) + 1
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC).timestamp()
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return bounded(moment.timestamp())
    except OverflowError:
        raise ValueError(text) from None


def bounded(seconds: float) -> float:
    """``seconds`` as they are; raises ``ValueError`` outside the years 1 to 9999."""
    if FIRST <= seconds <= LAST:
        return float(seconds)
    raise ValueError(f"{seconds} is no timestamp")


def write_iso(seconds: float) -> str:
    """``2026-01-31T12:00:00Z``, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else moment.isoformat()[:19]
    millis = moment.microsecond // 1000
    return f"{text}.{millis:03d}Z" if millis else f"{text}Z"


def write_http(seconds: float) -> str:
    """``Sat, 31 Jan 2026 12:00:00 GMT``."""
    moment = datetime.fromtimestamp(int(seconds), UTC)
    date = f"{moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d}"
    return f"{_DAYS[moment.weekday()]}, {date} {moment:%H:%M:%S} GMT"


def write_number(seconds: float) -> str:
    """``1769860800`` or ``1769860800.123``."""
    return str(int(seconds)) if seconds == int(seconds) else f"{seconds:.3f}"


def write(seconds: float, form: str) -> str:
    """Write a timestamp in the form that the model names."""
    if form == ISO:
        return write_iso(seconds)
    if form == HTTP:
        return write_http(seconds)
    return write_number(seconds)
