"""The only module that draws random numbers. Everything else is handed an ``Ids``."""

import random
import secrets
import uuid
from typing import Protocol

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Ids(Protocol):
    """A source of identifiers and randomness."""

    def uuid(self) -> str:
        """A random UUID (version 4) in its canonical text form."""
        ...

    def row(self, now_ms: int) -> int:
        """A 63-bit integer that grows with time: the key of a new row."""
        ...

    def token(self, size: int) -> str:
        """``size`` random bytes, unguessable, as lower-case hex."""
        ...

    def key(self, size: int) -> str:
        """``size`` random characters of base 32, as in AWS's access keys and unique ids."""
        ...

    def fraction(self) -> float:
        """A uniform number in [0, 1)."""
        ...


_UUID_BITS = ~0xF000_C000_0000_0000_0000
_UUID_MARKS = 0x4000_8000_0000_0000_0000
"""What is not random in a UUID: version 4, variant 1."""


class RandomIds:
    """Identifiers from the operating system's randomness, or reproducible ones from a seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(secrets.randbits(64) if seed is None else seed)  # noqa: S311 (tokens use secrets)
        self._secret = seed is None
        self._last_row = 0

    def uuid(self) -> str:
        """A random UUID (version 4); not a secret."""
        text = (self._random.getrandbits(128) & _UUID_BITS | _UUID_MARKS).to_bytes(16, "big").hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def row(self, now_ms: int) -> int:
        """Milliseconds in the high 43 bits, 20 bits below them; never the same twice, never smaller than the last.

        The low bits start at random so that two nodes, or one after a crash, do not meet.
        """
        candidate = (now_ms << 20) | self._random.getrandbits(18)
        if candidate <= self._last_row:
            candidate = self._last_row + 1
        self._last_row = candidate
        return candidate

    def token(self, size: int) -> str:
        """Unguessable hex: task tokens and secrets."""
        return secrets.token_hex(size) if self._secret else f"{self._random.getrandbits(size * 8):0{size * 2}x}"

    def key(self, size: int) -> str:
        """Base 32 characters, as AWS's unique ids have them; unguessable."""
        if self._secret:
            return "".join(secrets.choice(_LETTERS) for _ in range(size))
        return "".join(self._random.choice(_LETTERS) for _ in range(size))

    def fraction(self) -> float:
        """A uniform number in [0, 1)."""
        return self._random.random()


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID in canonical form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
