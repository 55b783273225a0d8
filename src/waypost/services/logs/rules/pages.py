"""Tokens of pages, and ids of events: where one stands among events, as text that clients hand back unread."""

import re
from typing import Any, NamedTuple

from waypost import pages
from waypost.services.logs import errors
from waypost.services.logs.limits import TOKEN_LIFE_MS


class Place(NamedTuple):
    """A gap between events: before the event of this time, row and place in it."""

    at_ms: int
    row: int
    number: int


BEGINNING = Place(0, 0, 0)
NEVER_MS = 99_999_999_999_999
"""After every event: fourteen digits, as tokens have them."""
LAST_ROW = (1 << 63) - 1
"""Greater than the id of every row."""
_STREAM_TOKEN = re.compile(r"(?P<way>[fb])/3(?P<at>\d{14})(?P<row>\d{19})(?P<number>\d{22})/s", re.ASCII)


def event_id(place: Place) -> str:
    """An event's id: 56 digits, in the order of the events."""
    return f"3{place.at_ms:014d}{place.row:019d}{place.number:022d}"


def stream_token(place: Place, *, forward: bool) -> str:
    """A token of GetLogEvents: what comes after the place, or before it."""
    return f"{'f' if forward else 'b'}/{event_id(place)}/s"


def read_stream_token(token: str) -> tuple[Place, bool]:
    """A place, and whether it goes on forward from there. Raises ``AwsError``."""
    found = _STREAM_TOKEN.fullmatch(token)
    if found is None:
        raise errors.invalid_token()
    return checked(Place(int(found["at"]), int(found["row"]), int(found["number"]))), found["way"] == "f"


def checked(place: Place) -> Place:
    """A place that a client handed back. Raises ``AwsError`` where there can be none."""
    if not 0 <= place.at_ms <= NEVER_MS or not 0 <= place.row <= LAST_ROW or place.number < 0:
        raise errors.invalid_token()
    return place


write = pages.write


def read(token: str | None, about: str, now_ms: int, *types: type) -> list[Any] | None:
    """The place in a token, None without one. Raises ``AwsError`` for a foreign, altered or expired one."""
    if token is None:
        return None
    try:
        return pages.read(token, about, now_ms, TOKEN_LIFE_MS, types)
    except ValueError as error:
        raise errors.invalid_token() from error
