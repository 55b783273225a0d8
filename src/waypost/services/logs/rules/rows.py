"""How events lie in rows: those of one put together, oldest first, compressed where it is worth it."""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from waypost.services.logs.limits import EVENT_OVERHEAD_BYTES, PACK_BYTES_MIN, ROW_BYTES_MAX, ROW_SPAN_MS_MAX

_PLAIN, _ZLIB = b"\x00", b"\x01"
_LEVEL = 1
"""Lines of logs shrink to a quarter or less at any level; this one takes 10 milliseconds for a megabyte."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[int], list[str]]).decode

Event = tuple[int, str]
"""Milliseconds since the epoch, and the message."""


class Row(NamedTuple):
    """Events that lie together."""

    first_ms: int
    last_ms: int
    size: int
    """As AWS counts them."""
    packed: bytes


def size_of(message: str) -> int:
    """What an event counts: its message in UTF-8, and what AWS adds to each."""
    return (len(message) if message.isascii() else len(message.encode())) + EVENT_OVERHEAD_BYTES


def pack(events: Sequence[Event]) -> bytes:
    """Events as a row keeps them."""
    times, messages = zip(*events, strict=True)
    plain = _encode((times, messages))
    if len(plain) >= PACK_BYTES_MIN:
        small = zlib.compress(plain, _LEVEL)
        if len(small) < len(plain):
            return _ZLIB + small
    return _PLAIN + plain


def unpack(packed: bytes) -> tuple[list[int], list[str]]:
    """The times and messages of a row's events."""
    return _decode(zlib.decompress(packed[1:]) if packed[:1] == _ZLIB else packed[1:])


def rows_of(events: Sequence[Event]) -> Iterator[Row]:
    """Divide events, which are in the order of their times, so that no row spans or holds too much."""
    begin, size = 0, 0
    for place, (at_ms, message) in enumerate(events):
        added = size_of(message)
        if place > begin and (at_ms - events[begin][0] > ROW_SPAN_MS_MAX or size + added > ROW_BYTES_MAX):
            yield _row(events[begin:place], size)
            begin, size = place, 0
        size += added
    if events:
        yield _row(events[begin:], size)


def _row(events: Sequence[Event], size: int) -> Row:
    return Row(events[0][0], events[-1][0], size, pack(events))
