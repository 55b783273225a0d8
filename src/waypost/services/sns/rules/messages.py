"""What a message may contain: its text, its subject, its attributes."""

from typing import NamedTuple


class Attribute(NamedTuple):
    """A message attribute."""

    type: str
    """As it was given, label included: ``String``, ``Number``, ``String.Array``, ``Binary.png``."""
    text: str | None
    binary: bytes | None = None
    """The value of the type Binary, which has no text."""
