"""Page tokens: where the next page begins, as text that clients hand back unread."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec


class _Token(msgspec.Struct, array_like=True):
    about: str
    made_ms: int
    place: list[Any]


def write(about: str, now_ms: int, *place: Any) -> str:
    """A token for the page after ``place`` of the listing ``about``, which names all that the request asked for."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(about, now_ms, list(place)))).decode()


def read(token: str, about: str, now_ms: int, life_ms: int, types: Sequence[type]) -> list[Any]:
    """The place in a token. Raises ``ValueError`` for one that is foreign, altered or older than ``life_ms``."""
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(token.encode("ascii")), type=_Token)
    except (binascii.Error, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ValueError("not a page token") from error
    fits = len(found.place) == len(types) and all(
        type(part) is kind for part, kind in zip(found.place, types, strict=True)
    )
    if found.about != about or not fits or now_ms - found.made_ms > life_ms:
        raise ValueError("a page token of another listing, or too old")
    return found.place
