"""What an expression of the language may look at while it is evaluated."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from waypost.asl.jsonpath import Path, PathError


class Scope:
    """The document ``$``, the context object ``$$``, the variables, and a source of numbers that look random.

    The context object is built when something asks for it: most states never do.
    """

    __slots__ = ("_build_context", "_context", "_draws", "_seed", "document", "variables")

    def __init__(
        self, document: Any, build_context: Callable[[], Any], variables: Mapping[str, Any], seed: str
    ) -> None:
        """``seed`` differs for every evaluation; the same seed draws the same numbers."""
        self.document = document
        self.variables = variables
        self._build_context = build_context
        self._context: Any = None
        self._seed = seed
        self._draws = 0

    @property
    def context(self) -> Any:
        """The context object."""
        if self._context is None:
            self._context = self._build_context()
        return self._context

    def at(self, document: Any) -> "Scope":
        """Answer the same scope with another ``$``."""
        other = Scope(document, self._build_context, self.variables, f"{self._seed}+")
        other._context = self._context
        return other

    def root(self, path: Path) -> Any:
        """Answer the document a path starts from; raises ``PathError`` for a variable that has no value."""
        if path.scope == "$":
            return self.document
        if path.scope == "$$":
            return self.context
        try:
            return self.variables[path.scope]
        except KeyError:
            raise PathError(f"The variable '${path.scope}' has no value") from None

    def read(self, path: Path) -> Any:
        """Answer what a path names; raises ``PathError``."""
        if path.scope == "$":
            return path.read(self.document)
        return path.read(self.root(path))

    def draw(self) -> int:
        """Answer the next 128 bits of this evaluation."""
        self._draws += 1
        digest = hashlib.sha256(f"{self._seed}/{self._draws}".encode()).digest()
        return int.from_bytes(digest[:16], "big")
