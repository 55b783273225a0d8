"""The characters of a path, read one after the other."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_NAME_ENDS = frozenset(".[]()*?,'\" \t\n")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class PathSyntaxError(ValueError):
    """The text is not a path."""


class Scanner:
    """A text and how far it was read."""

    __slots__ = ("position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def peek(self) -> str:
        """Answer the next character, NUL at the end."""
        return self.text[self.position] if self.position < len(self.text) else "\0"

    def take(self, token: str) -> bool:
        """Read ``token`` if it comes next."""
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        """Read ``token``, which must come next."""
        if not self.take(token):
            raise PathSyntaxError(f"'{token}' expected at {self.position}: {self.text}")

    def blanks(self) -> None:
        """Read over white space."""
        while self.peek() in " \t\n\r":
            self.position += 1

    def identifier(self) -> str:
        """Read a variable's name; empty if none comes next."""
        start = self.position
        while not self.done and (self.peek() == "_" or self.peek().isalnum()):
            self.position += 1
        return self.text[start : self.position]

    def name(self) -> str:
        """Read a key in dot notation."""
        start = self.position
        while not self.done and self.peek() not in _NAME_ENDS:
            self.position += 1
        if start == self.position:
            raise PathSyntaxError(f"name expected at {start}: {self.text}")
        return self.text[start : self.position]

    def quoted(self) -> str:
        """Read a string between single or double quotes, with backslash escapes."""
        quote = self.peek()
        if quote not in "'\"":
            raise PathSyntaxError(f"string expected at {self.position}: {self.text}")
        self.position += 1
        out: list[str] = []
        while not self.take(quote):
            if self.done:
                raise PathSyntaxError(f"string not closed: {self.text}")
            character = self.peek()
            self.position += 1
            if character == "\\" and not self.done:
                escaped = self.peek()
                self.position += 1
                character = _ESCAPES.get(escaped, escaped)
            out.append(character)
        return "".join(out)

    def integer(self) -> int | None:
        """Read a whole number; None if none comes next."""
        start = self.position
        if self.peek() == "-":
            self.position += 1
        while self.peek() in "0123456789":
            self.position += 1
        text = self.text[start : self.position]
        if text in ("", "-"):
            self.position = start
            return None
        return int(text)

    def separated(self, one: Callable[[], T]) -> list[T]:
        """Read one or more of something, with commas between."""
        found = [one()]
        self.blanks()
        while self.take(","):
            self.blanks()
            found.append(one())
            self.blanks()
        return found
