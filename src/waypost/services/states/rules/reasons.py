"""Errors and causes as columns hold them. Workflows may make up any text; no column of PostgreSQL takes U+0000."""

import msgspec

_JSON = "\u0001"
"""What a text begins with that is held as JSON."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode


def stored(text: str | None) -> str | None:
    """A text as it is held."""
    if text is None or ("\0" not in text and not text.startswith(_JSON)):
        return text
    return _JSON + _encode(text).decode()


def shown(text: str | None) -> str | None:
    """The text that is held so."""
    return _decode(text[1:]) if text is not None and text.startswith(_JSON) else text
