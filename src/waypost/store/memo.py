"""What a node remembers between transactions, and may forget."""

from typing import Any

REMEMBERED_MAX = 10_000
"""Things that a node remembers at once; then it begins anew."""


class Memo(dict[Any, Any]):
    """Hints of this process alone, under keys that begin with the service's name.

    What is here may be missing, or behind what other nodes have committed since, or come from a transaction that was
    undone: so it may save work, and must never decide what is durable or correct.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        """Remember something."""
        if len(self) >= REMEMBERED_MAX and key not in self:
            self.clear()
        super().__setitem__(key, value)
