"""A JSON document with two faces, its value and its text, each made from the other at most once."""

from typing import Any

import msgspec

SIZE_MAX = 262_144
"""Bytes of UTF-8 that a state's input, output or result may have."""

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Document:
    """A JSON value and its text. Values are shared between documents and never changed in place."""

    __slots__ = ("_has_value", "_text", "_value")

    def __init__(self, value: Any = None, text: str | None = None) -> None:
        """From a value, or, when ``text`` is given, from JSON text that is known to be valid."""
        self._value = value
        self._text = text
        self._has_value = text is None

    @property
    def value(self) -> Any:
        """The JSON value."""
        if not self._has_value:
            self._value = _decode(self._text)  # type: ignore[arg-type]  # one of the two is always there
            self._has_value = True
        return self._value

    @property
    def text(self) -> str:
        """JSON text: as it was written, or compact with the keys in order."""
        if self._text is None:
            self._text = _encode(self._value).decode()
        return self._text

    @property
    def oversized(self) -> bool:
        """Whether the text has more bytes than a state may pass on."""
        length = len(self.text)
        if length * 4 <= SIZE_MAX:
            return False
        return length > SIZE_MAX or len(self.text.encode()) > SIZE_MAX


def compact(value: Any) -> str:
    """Write a JSON value as compact text."""
    return _encode(value).decode()
