"""Page tokens: where the next page begins, as text that clients hand back unread."""

import base64
import binascii
from typing import Any

import msgspec

from waypost.services.states import errors
from waypost.services.states.limits import PAGE_DEFAULT, TOKEN_TTL_MS


class _Token(msgspec.Struct, array_like=True):
    about: str
    made_ms: int
    place: list[Any]


def size(max_results: int | None) -> int:
    """How many items a page may have; 0 and nothing mean the default."""
    return max_results or PAGE_DEFAULT


def write(about: str, now_ms: int, *place: Any) -> str:
    """A token for the page after ``place`` of the listing ``about``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(about, now_ms, list(place)))).decode()


def read(token: str | None, about: str, now_ms: int, *types: type) -> list[Any] | None:
    """The place in a token, None without one; raises InvalidToken for a foreign, altered or expired one."""
    if token is None:
        return None
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(token.encode("ascii")), type=_Token)
    except (binascii.Error, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise errors.invalid_token() from error
    fits = len(found.place) == len(types) and all(
        isinstance(part, kind) for part, kind in zip(found.place, types, strict=True)
    )
    if found.about != about or not fits or now_ms - found.made_ms > TOKEN_TTL_MS:
        raise errors.invalid_token()
    return found.place
